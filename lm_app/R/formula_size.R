# How large the model would be, before R makes it.

#' Refuse a formula that has more terms or columns than we fit
#'
#' @param formula What read_formula() returned.
#' @param columns The names of all columns of the data.
#' @param data The data, of which the levels of text and factors are counted; or NULL, and each
#'   column counts as one.
#' @param label What the message calls the formula.
#' @return The estimated number of columns of the model matrix, invisibly.
check_formula_size <- function(formula, columns, data = NULL, label = "the formula") {
  dot <- setdiff(columns, all.vars(formula[[2]]))
  size <- size_of_terms(formula[[3]], dot, data)
  for (what in names(size)) {
    if (size[[what]] > formula_limits[[what]]) {
      limit <- paste(formula_limits[[what]], what)
      refuse(label, ": it has more than ", limit, "; name the terms that you need")
    }
  }
  invisible(size[["columns"]])
}

# The numbers of terms and of columns: at most so many, as what stands twice is counted twice.
size_of_terms <- function(part, dot, data) {
  chain <- list()
  while (is_chain(part, algebra)) {
    chain <- c(list(part), chain)
    part <- part[[2]]
  }
  size <- size_of_term(part, dot, data)
  for (operation in chain) {
    right <- operation[[3]]
    size <- switch(
      as.character(operation[[1]]),
      "^" = raised(size, right),
      "-" = size,
      "+" = size + size_of_term(right, dot, data),
      "/" = size + within_all(size, size_of_term(right, dot, data)),
      "*" = {
        other <- size_of_term(right, dot, data)
        size + other + size * other
      },
      size * size_of_term(right, dot, data) # ":" and "%in%"
    )
  }
  size
}

size_of_term <- function(part, dot, data) {
  if (call_name(part) %in% c("(", "+") || is_chain(part, algebra)) {
    inner <- if (is_chain(part, algebra)) part else part[[2]]
    size_of_terms(inner, dot, data)
  } else if (identical(part, quote(.))) {
    c(terms = length(dot), columns = sum(width_of(dot, data)))
  } else if (is.numeric(part) || call_name(part) %in% c("-", "offset")) {
    c(terms = 0, columns = 0)
  } else {
    c(terms = 1, columns = variable_width(part, data))
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

# A column's number of levels less one; numbers have none, unless they are made a factor.
width_of <- function(names, data, is_factor = FALSE) {
  vapply(
    names,
    function(name) {
      values <- data[[name]]
      has_levels <- is_factor || is.character(values) || is.factor(values)
      if (has_levels) max(1, length(unique(values)) - 1) else 1
    },
    0,
    USE.NAMES = FALSE
  )
}

makes_factor <- c("factor", "as.factor", "ordered", "relevel", "interaction", "C", "as.character")

# How many columns one variable makes.
variable_width <- function(part, data, is_factor = FALSE) {
  name <- call_name(part)
  if (is.name(part)) {
    return(width_of(as.character(part), data, is_factor))
  }
  arguments <- as.list(part)[-1]
  formal <- match_arguments(names(formula_functions[[name]]), arguments)
  argument <- function(name, default = NULL) {
    value <- constant(arguments[[match(name, formal, nomatch = length(formal) + 1)]])
    if (is.null(value)) default else value
  }
  arguments <- c(arguments, list(NULL))
  values <- arguments[c(formal %in% c("x", "object", "..."), FALSE)]
  of_values <- vapply(values, variable_width_or_one, 0, data, name %in% makes_factor)
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

variable_width_or_one <- function(part, data, is_factor) {
  if (is.name(part) || is.call(part) && call_name(part) %in% names(formula_functions)) {
    variable_width(part, data, is_factor)
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

#' Refuse a formula whose interaction() crosses what may have any number of values
#'
#' It makes a level of each combination of the values in the rows that it gets, before R sees which
#' are known: a request of 3,000 rows would have it make 9,000,000.
#'
#' @param formula The formula, in which no "." stands.
#' @param data Its columns.
check_crossed <- function(formula, data) {
  has_few <- function(name) {
    !name %in% names(data) ||
      is.character(data[[name]]) ||
      is.factor(data[[name]]) ||
      is.logical(data[[name]]) ||
      is.numeric(data[[name]]) && is_only_a_factor(name, formula[[3]])
  }
  for (part in calls_of("interaction", formula[[3]])) {
    crossed <- Filter(function(x) !has_few_values(x, has_few), as.list(part)[-1])
    if (length(crossed) > 0) {
      refuse(
        "formula '",
        deparse1(formula),
        "': interaction() would cross any number of values of ",
        toString(vapply(crossed, brief, "")),
        "; give the levels, such as factor(x, levels = c(4, 6, 8)), or classes by cut()"
      )
    }
  }
}

# Those whose values are few, whatever they are given.
# fmt: skip
make_few_values <- c(
  "cut", comparisons, "!", "&", "|", "as.logical", "weekdays", "months", "quarters"
)

has_few_values <- function(part, has_few) {
  if (is.name(part)) {
    return(has_few(as.character(part)))
  }
  name <- call_name(part)
  if (!is.call(part) || name %in% make_few_values) {
    return(TRUE)
  }
  arguments <- as.list(part)[-1]
  formal <- match_arguments(names(formula_functions[[name]]), arguments)
  if (name %in% c("factor", "ordered") && "levels" %in% formal) {
    return(TRUE)
  }
  all(vapply(arguments[!formal %in% "test"], has_few_values, TRUE, has_few)) # ifelse()'s
}
