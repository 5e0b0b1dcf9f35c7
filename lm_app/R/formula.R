# Read a formula that somebody typed, and let through nothing but a formula.
#
# parse() only reads, it runs nothing. What it read is walked from top to bottom, and every
# function, every name and every constant in it must be known, before lm() may evaluate it.

library(splines) # a formula may use ns() and bs(), and lm() and predict() must find them

# fmt: skip
formula_functions <- c(
  "~", "+", "-", "*", "/", "^", ":", "%in%", "(", "I", "offset",
  "log", "log2", "log10", "log1p", "exp", "expm1", "sqrt", "abs", "sin", "cos", "tan",
  "poly", "ns", "bs", "scale", "factor", "as.factor", "ordered", "C", "cut", "interaction",
  "c", "seq", "pmin", "pmax", "ifelse", "<", "<=", ">", ">=", "==", "!=", "&", "|", "!", "%%", "%/%"
)

#' Read a formula from text
#'
#' @param text One string, such as "log(mpg) ~ wt + poly(hp, 2)".
#' @param columns The names that the formula may use.
#' @return The formula, of the global environment. Refuses with one line that names what is wrong.
read_formula <- function(text, columns) {
  refuse_formula <- function(...) refuse("formula '", text, "': ", ...)
  parsed <- tryCatch(parse(text = text, keep.source = FALSE), error = function(e) NULL)
  if (length(parsed) != 1) {
    refuse_formula("this is not R's formula notation; write it like 'time ~ distance'")
  }
  tilde <- parsed[[1]]
  if (!is_call_of(tilde, "~") || length(tilde) != 3) {
    refuse_formula("a formula has a response, one '~' and its predictors, like 'time ~ distance'")
  }

  check_function <- function(f) {
    if (is_call_of(f, "::") && as.character(f[[2]]) %in% c("base", "stats", "splines")) {
      f <- f[[3]]
    }
    if (!is.name(f) || !as.character(f) %in% formula_functions) {
      refuse_formula(
        "'",
        deparse1(f),
        "' is not one of the functions a formula may use: ",
        toString(formula_functions)
      )
    }
  }
  check_part <- function(part) {
    if (is.call(part)) {
      check_function(part[[1]])
      if (is_call_of(part, "~") && !identical(part, tilde)) {
        refuse_formula("there may be only one '~'")
      }
      for (argument in as.list(part)[-1]) {
        check_part(argument)
      }
    } else if (is.name(part)) {
      if (!as.character(part) %in% c(columns, ".", "pi", "T", "F")) {
        refuse_formula(
          "the data have no column '",
          part,
          "'; their columns are ",
          toString(columns)
        )
      }
    } else if (!is.null(part) && !(is.atomic(part) && length(part) == 1)) {
      refuse_formula("'", deparse1(part), "' is not allowed here")
    }
  }
  check_part(tilde)
  as.formula(tilde, env = globalenv())
}

is_call_of <- function(part, name) is.call(part) && identical(part[[1]], as.name(name))
