# For each case: write its data, fit it with lm(), and write new observations and R's own predictions for them.
# Rscript exactness.R FOLDER; in it cases.csv with the columns case, data, formula, weights, factors, exact.

library(splines)
root <- commandArgs(trailingOnly = TRUE)
cases <- read.csv(file.path(root, "cases.csv"), colClasses = "character")
exactly <- function(x) if (is.double(x)) sprintf("%.17g", x) else as.character(x)
write <- function(columns, folder, file)
  write.csv(as.data.frame(lapply(columns, exactly), optional = TRUE), file.path(folder, file), row.names = FALSE)

for (i in seq_len(nrow(cases))) {
  case <- cases[i, ]
  folder <- file.path(root, case$case)
  data <- as.data.frame(eval(parse(text = case$data)))
  data[] <- lapply(data, function(x) if (is.factor(x)) as.character(x) else x) # as from a CSV
  write(data, folder, "data.csv")
  for (name in strsplit(case$factors, " ")[[1]]) data[[name]] <- factor(data[[name]])

  rows <- round(seq(1, nrow(data), length.out = 12))
  new <- data[rows, , drop = FALSE]
  if (case$exact == "no") # between two rows, so not a row of the training data
    for (name in names(new)) if (is.numeric(new[[name]])) new[[name]] <- (new[[name]] + data[rev(rows), name]) / 2
  formula <- as.formula(case$formula)
  model <- if (case$weights == "") lm(formula, data) else eval(bquote(lm(formula, data, weights = .(as.name(case$weights)))))
  write(new, folder, "new.csv")
  for (interval in c("confidence", "prediction")) {
    warnings <- character()
    answer <- withCallingHandlers(predict(model, new, interval = interval, level = 0.9), warning = function(w) {
      warnings <<- c(warnings, trimws(conditionMessage(w)))
      invokeRestart("muffleWarning")
    })
    write(as.data.frame(answer), folder, paste0(interval, ".csv"))
    writeLines(warnings, file.path(folder, paste0(interval, ".warnings")))
  }
}
