# Read a formula that somebody typed, and let through nothing but a formula.
#
# parse() only reads, it runs nothing. What it read is walked from top to bottom (formula_walk.R):
# every function, every argument, every name and every constant in it must be known
# (formula_functions.R), before lm() may evaluate it. What is refused is told all at once, with
# what to write instead (formula_refusals.R).

library(splines) # a formula may use ns() and bs(), and lm() and predict() must find them

# No honest formula comes near these; what goes beyond them costs memory and time without bounds.
formula_limits <- list(
  characters = 200000L, # of the text; 2,000 columns with names of 100
  calls = 10000L, # of functions and operators, in all
  nesting = 50L, # of calls in calls; R's parser itself ends at about this
  terms = 2000L, # `.^2` of 60 columns; lm() needs the square of them
  columns = 5000L, # of the model matrix; 5,000 rows then take 200 MB
  power = 10L, # of (a + b)^n; R multiplies all terms n times
  degree = 50L, # of poly() and bs(); numbers to that power lose all digits
  df = 1000L, # of ns() and bs(), columns each
  numbers = 1000L, # of one c(), seq() or a:b
  string = 1000L # characters
)

#' Read a formula from text
#'
#' T and F become TRUE and FALSE, and polym() poly(), whose predictions R gets right; a column may
#' be given as make.names() would write it.
#'
#' @param text One string, such as "log(mpg) ~ wt + poly(hp, 2)".
#' @param columns The names that the formula may use.
#' @return The formula, of the global environment. Refuses with one line that names all that is
#'   wrong.
read_formula <- function(text, columns) {
  label <- paste0("formula '", shorten(text, 200), "'")
  tilde <- parse_one(
    text,
    label,
    "this is not R's formula notation; write it like 'time ~ distance'"
  )
  if (!is_call_of(tilde, "~") || length(tilde) != 3) {
    parts <- "a formula has a response, one '~' and its predictors, like 'time ~ distance'"
    refuse(label, ": ", parts)
  }
  reader <- new_reader(columns)
  tilde <- replace_true_and_false(tilde, columns)
  response <- check_response(reader, tilde[[2]])
  terms <- check_terms(reader, tilde[[3]])
  refuse_problems(reader, label)
  formula <- as.formula(call("~", response, terms), env = globalenv())
  check_formula_size(formula, columns, label = label)
  formula
}

#' Read an expression from text, such as weights or a condition for rows
#'
#' @param text One string, such as "1/dist^2" or "x > 3".
#' @param columns The names that it may use.
#' @param what What messages call it, such as "weights".
#' @return The expression: a call, or the name of a column. Refuses as read_formula() does.
read_expression <- function(text, columns, what = "expression") {
  label <- paste0(what, " '", shorten(text, 200), "'")
  part <- parse_one(
    text,
    label,
    "this is not R's notation; write it like '1 / distance' or 'distance > 3'"
  )
  reader <- new_reader(columns)
  part <- check_value(reader, replace_true_and_false(part, columns))
  if (count_problems(reader) == 0 && !uses_column(part, columns)) {
    add_problem(
      reader,
      "it names no column of the data (numbers of rows mean others when the data change); ",
      "write it with one, such as '1 / distance' or 'distance > 3'"
    )
  }
  refuse_problems(reader, label)
  part
}

#' Name the columns that a formula or an expression uses
#'
#' @param part What read_formula() or read_expression() returned.
#' @param columns The names of all columns.
#' @return Those that it uses, in its order; "." stands for all that the response does not use.
used_columns <- function(part, columns) {
  used <- all.vars(part)
  if ("." %in% used) {
    used <- c(setdiff(used, "."), setdiff(columns, all.vars(part[[2]])))
  }
  unique(intersect(used, columns)) # pi and contr.sum are no columns
}

uses_column <- function(part, columns) length(used_columns(part, columns)) > 0

parse_one <- function(text, label, notation) {
  if (nchar(text, "bytes") > formula_limits$characters) {
    refuse(label, ": it is longer than ", formula_limits$characters, " characters")
  }
  parsed <- tryCatch(
    suppressWarnings(parse(text = text, keep.source = FALSE)),
    error = function(e) NULL
  )
  if (length(parsed) != 1) {
    refuse(label, ": ", notation)
  }
  check_size(parsed[[1]], label)
  parsed[[1]]
}

# Refuse what is too large to be walked. Without recursion, which it would exhaust. A sum of many
# is nested to the left, and is no deeper for it.
check_size <- function(part, label) {
  waiting <- list(part)
  depths <- 0
  calls <- 0
  while (length(waiting) > 0) {
    last <- length(waiting)
    part <- waiting[[last]]
    depth <- depths[last]
    waiting[[last]] <- NULL
    depths <- depths[-last]
    if (!is.call(part)) {
      next
    }
    attributes(part) <- NULL # a class would have R call its methods
    calls <- calls + 1
    if (depth > formula_limits$nesting) {
      refuse(label, ": it is nested deeper than ", formula_limits$nesting, " calls")
    }
    if (calls > formula_limits$calls) {
      refuse(label, ": it has more than ", formula_limits$calls, " operators and functions")
    }
    inside <- Filter(is.call, as.list(part))
    is_left <- seq_along(inside) == 1 & (is_chain(part) && is.call(part[[2]]))
    waiting <- c(waiting, inside)
    depths <- c(depths, depth + !is_left)
  }
}

# T and F could be assigned to, and are no columns; a column of that name is meant itself.
replace_true_and_false <- function(part, columns) {
  values <- list(T = TRUE, F = FALSE)
  do.call(substitute, list(part, values[setdiff(names(values), columns)]))
}

is_call_of <- function(part, name) is.call(part) && identical(part[[1]], as.name(name))

shorten <- function(text, most = 60) {
  text <- paste(strsplit(text, "[[:space:]]+")[[1]], collapse = " ")
  if (nchar(text) > most) paste0(substr(text, 1, most), "...") else text
}
