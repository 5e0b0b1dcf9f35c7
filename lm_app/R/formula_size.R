# How large the model would be, before R makes it.

#' Refuse a formula that has more terms or columns than we fit
#'
#' @param formula What read_formula() returned.
#' @param columns The names of all columns of the data.
#' @param widths Named numbers: how many columns of the model matrix each column of the data makes,
#'   its levels less one for text. A column that is not named makes one.
#' @param label What the message calls the formula.
#' @return The estimated number of columns of the model matrix, invisibly.
check_formula_size <- function(formula, columns, widths = numeric(), label = "the formula") {
  dot <- setdiff(columns, all.vars(formula[[2]]))
  size <- size_of_terms(formula[[3]], dot, widths)
  for (what in names(size)) {
    if (size[[what]] > formula_limits[[what]]) {
      limit <- paste(formula_limits[[what]], what)
      refuse(label, ": it has more than ", limit, "; name the terms that you need")
    }
  }
  invisible(size[["columns"]])
}

# The numbers of terms and of columns: at most so many, as what stands twice is counted twice.
size_of_terms <- function(part, dot, widths) {
  chain <- list()
  while (is_chain(part, algebra)) {
    chain <- c(list(part), chain)
    part <- part[[2]]
  }
  size <- size_of_term(part, dot, widths)
  for (operation in chain) {
    right <- operation[[3]]
    size <- switch(
      as.character(operation[[1]]),
      "^" = raised(size, right),
      "-" = size,
      "+" = size + size_of_term(right, dot, widths),
      "/" = size + within_all(size, size_of_term(right, dot, widths)),
      "*" = {
        other <- size_of_term(right, dot, widths)
        size + other + size * other
      },
      size * size_of_term(right, dot, widths) # ":" and "%in%"
    )
  }
  size
}

size_of_term <- function(part, dot, widths) {
  if (call_name(part) %in% c("(", "+") || is_chain(part, algebra)) {
    inner <- if (is_chain(part, algebra)) part else part[[2]]
    size_of_terms(inner, dot, widths)
  } else if (identical(part, quote(.))) {
    c(terms = length(dot), columns = sum(width_of(dot, widths)))
  } else if (is.numeric(part) || call_name(part) %in% c("-", "offset")) {
    c(terms = 0, columns = 0)
  } else {
    c(terms = 1, columns = variable_width(part, widths))
  }
}

# Up to `power` of n terms at a time. Of all terms with this sum of columns, equal ones make most
# (Maclaurin's inequality).
raised <- function(size, power) {
  n <- size[["terms"]]
  at_a_time <- seq_len(min(power, n))
  ways <- choose(n, at_a_time)
  c(terms = sum(ways), columns = sum(ways * (size[["columns"]] / max(n, 1))^at_a_time))
}

# a/b is a + b within all of a.
within_all <- function(size, other) {
  n <- max(size[["terms"]], 1)
  other * c(1, max(1, (size[["columns"]] / n)^n))
}

width_of <- function(names, widths) {
  found <- unname(widths[names])
  ifelse(is.na(found), 1, found)
}

# How many columns one variable makes.
variable_width <- function(part, widths) {
  name <- call_name(part)
  if (is.name(part)) {
    return(width_of(as.character(part), widths))
  }
  arguments <- as.list(part)[-1]
  formal <- match_arguments(names(formula_functions[[name]]), arguments)
  argument <- function(name, default = NULL) {
    value <- constant(arguments[[match(name, formal, nomatch = length(formal) + 1)]])
    if (is.null(value)) default else value
  }
  arguments <- c(arguments, list(NULL))
  values <- arguments[c(formal %in% c("x", "object", "..."), FALSE)]
  of_values <- vapply(values, variable_width_or_one, 0, widths)
  switch(
    name,
    poly = ,
    polym = poly_width(values, argument("degree", 1)),
    ns = argument("df", length(argument("knots")) + 2),
    bs = argument("df", length(argument("knots")) + argument("degree", 3) + 1),
    cut = length(argument("breaks")) - 2,
    cbind = sum(of_values),
    interaction = prod(of_values + 1),
    factor = max(of_values, length(argument("levels")) - 1),
    weekdays = 6,
    months = 11,
    max(1, of_values)
  )
}

variable_width_or_one <- function(part, widths) {
  if (is.name(part) || is.call(part) && call_name(part) %in% names(formula_functions)) {
    variable_width(part, widths)
  } else {
    1
  }
}

# poly(x, 2) has its degree in the dots.
poly_width <- function(values, degree) {
  numbers <- vapply(values, function(x) !is.null(constant(x)), TRUE)
  if (any(numbers)) {
    degree <- constant(values[numbers][[1]])
  }
  count <- sum(!numbers)
  choose(count + degree, degree) - 1
}
