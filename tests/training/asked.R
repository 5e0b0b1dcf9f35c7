# Ask a server for what R told of each model, and print what is not identical:
# Rscript tests/training/asked.R URL FILE
# A line for each: the model, what was asked, and the greatest relative difference of numbers, or what is otherwise.

source("tests/training/answers.R")
url <- commandArgs(TRUE)[1]
source(paste0(url, "/lm/api/lm.R"))
expected <- readRDS(commandArgs(TRUE)[2])

# deploy_lm() writes a number for the name of a constant, and so labels and names are others here.
renamed <- c("constant", "function")
with_offset <- c("offset-argument", "offsets") # which deploy_lm() writes into the formula
numbers_of <- function(x) as.numeric(unlist(x, use.names = FALSE))

difference <- function(a, b) {
  if (inherits(a, "formula")) {
    return(paste(deparse1(a), "and", deparse1(b)))
  }
  shape <- all.equal(a, b, tolerance = 1)
  if (!isTRUE(shape)) {
    return(paste(shape, collapse = "; "))
  }
  a <- numbers_of(a)
  b <- numbers_of(b)
  format(max(abs(a - b) / pmax(abs(a), abs(b)), na.rm = TRUE))
}

for (name in names(expected)) {
  for (way in c("", "-text")) {
    model <- lm_at(url, paste0(name, way))
    answers <- answers_of(model, expected[[name]]$rows, briefly = way == "-text")
    for (asked in names(answers)) {
      here <- answers[[asked]]
      there <- expected[[name]]$answers[[asked]]
      if (way == "-text" && asked == "summary") {
        there[c("r.squared", "adj.r.squared", "fstatistic")] <- NULL # they need the data
      }
      if (asked == "formula") {
        if (name %in% c(renamed, with_offset)) {
          next
        }
        environment(there) <- globalenv() # of a file, it is another
      }
      if (name %in% renamed) {
        here <- numbers_of(here)
        there <- numbers_of(there)
      }
      if (!is.null(there) && !identical(here, there)) {
        what <- difference(here, there)
        cat(paste0(name, way), "\t", asked, "\t", what, "\n", sep = "")
      }
    }
  }
}
cat(2 * length(expected), "models asked\n")
