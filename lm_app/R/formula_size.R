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
  too_many <- function(count, limit, what) {
    if (count > limit) {
      refuse(label, ": it has more than ", limit, " ", what, "; name those that you need")
    }
  }
  terms <- term_widths(formula[[3]], dot, widths, function(count) {
    too_many(count, formula_limits$terms, "terms")
  })
  count <- sum(terms)
  too_many(count, formula_limits$columns, "columns in its model matrix")
  invisible(count)
}

# For each term its number of columns. Named by the variables of the term, sorted, so that what
# stands twice counts once, as in R. check_count() refuses before there are too many.
term_widths <- function(part, dot, widths, check_count) {
  chain <- list()
  while (is_chain(part, algebra)) {
    chain <- c(list(part), chain)
    part <- part[[2]]
  }
  found <- single_term(part, dot, widths, check_count)
  for (operation in chain) {
    operator <- as.character(operation[[1]])
    right <- operation[[3]]
    found <- if (operator == "^") {
      raised <- found
      for (i in seq_len(right - 1)) {
        raised <- either(raised, crossed(raised, found, check_count), found)
        check_count(length(raised))
      }
      raised
    } else {
      other <- single_term(right, dot, widths, check_count)
      switch(
        operator,
        "+" = either(found, other),
        "-" = found[setdiff(names(found), names(other))],
        "*" = either(found, other, crossed(found, other, check_count)),
        "/" = either(found, nested_in(found, other)),
        ":" = crossed(found, other, check_count),
        "%in%" = crossed(found, other, check_count)
      )
    }
    check_count(length(found))
  }
  found
}

single_term <- function(part, dot, widths, check_count) {
  if (call_name(part) %in% c("(", "+")) {
    term_widths(part[[2]], dot, widths, check_count)
  } else if (is_chain(part, algebra)) {
    term_widths(part, dot, widths, check_count)
  } else if (identical(part, quote(.))) {
    check_count(length(dot))
    setNames(width_of(dot, widths), dot)
  } else if (is.numeric(part) || is_call_of(part, "-") || is_call_of(part, "offset")) {
    numeric()
  } else {
    setNames(variable_width(part, widths), deparse1(part))
  }
}

either <- function(...) {
  all <- c(...)
  all[!duplicated(names(all))]
}

# Each with each. Those that are the same are found only afterwards, hence the factor.
crossed <- function(a, b, check_count) {
  check_count(length(a) * length(b) / 20)
  made <- as.vector(outer(a, b))
  parts <- outer(names(a), names(b), paste, sep = "\r")
  names(made) <- vapply(strsplit(parts, "\r"), function(x) paste(sort(unique(x)), collapse = "\r"), "")
  either(made)
}

# a/b is a + b within all of a.
nested_in <- function(a, b) {
  all_of_a <- paste(sort(unique(unlist(strsplit(names(a), "\r")))), collapse = "\r")
  setNames(b * max(1, prod(a + 1)), sprintf("%s\r%s", all_of_a, names(b)))
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
    cut = length(argument("breaks")),
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
