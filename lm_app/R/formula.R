# Read a formula that somebody typed, and let through nothing but a formula.
#
# parse() only reads, it runs nothing. What it read is walked from top to bottom, and every function, every
# name and every constant in it must be known, before lm() may evaluate it.

formula_functions <- c(
  "~", "+", "-", "*", "/", "^", ":", "%in%", "(", "I", "offset",
  "log", "log2", "log10", "log1p", "exp", "expm1", "sqrt", "abs", "sin", "cos", "tan",
  "poly", "ns", "bs", "scale", "factor", "as.factor", "ordered", "C", "cut", "interaction",
  "c", "seq", "pmin", "pmax", "ifelse", "<", "<=", ">", ">=", "==", "!=", "&", "|", "!", "%%", "%/%"
)

# text: one string, such as "log(mpg) ~ wt + poly(hp, 2)". columns: the names it may use.
# Returns the formula; stops with one line that names what is wrong.
read_formula <- function(text, columns) {
  parsed <- tryCatch(parse(text = text, keep.source = FALSE), error = function(e) NULL)
  refuse <- function(...) stop("formula '", text, "': ", ..., call. = FALSE)
  if (length(parsed) != 1) refuse("this is not R's formula notation; write it like 'time ~ distance'")
  formula <- parsed[[1]]
  if (!is.call(formula) || !identical(formula[[1]], as.name("~")) || length(formula) != 3)
    refuse("a formula has a response, one '~' and its predictors, like 'time ~ distance'")

  check_function <- function(f) {
    if (is.call(f) && identical(f[[1]], as.name("::")) && as.character(f[[2]]) %in% c("base", "stats", "splines"))
      f <- f[[3]]
    if (!is.name(f) || !as.character(f) %in% formula_functions)
      refuse("'", deparse1(f), "' is not one of the functions a formula may use: ", toString(formula_functions))
  }
  check <- function(part) {
    if (is.call(part)) {
      check_function(part[[1]])
      if (identical(part[[1]], as.name("~")) && !identical(part, formula)) refuse("there may be only one '~'")
      for (argument in as.list(part)[-1]) check(argument)
    } else if (is.name(part)) {
      if (!as.character(part) %in% c(columns, ".", "pi", "T", "F"))
        refuse("the data have no column '", part, "'; their columns are ", toString(columns))
    } else if (!is.null(part) && !(is.atomic(part) && length(part) == 1)) {
      refuse("'", deparse1(part), "' is not allowed here")
    }
  }
  check(formula)
  as.formula(formula, env = globalenv())
}
