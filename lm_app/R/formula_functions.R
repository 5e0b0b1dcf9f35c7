# The functions that a formula may use, and what each of their arguments may be.
#
# An argument that R would take as a function, as the name of one, as an expression, an
# environment, a connection or an object is not here, or is of a kind that admits only known
# words: C()'s contrasts are called by R, by their name. `refused` is an argument that R knows at
# that place and that we don't let through. The names are R's, in R's order (a test compares them).

algebra <- c("+", "-", "*", "/", "^", ":", "%in%")
# fmt: skip
arithmetic <- c(
  "+", "-", "*", "/", "^", "%%", "%/%", "<", "<=", ">", ">=", "==", "!=", "%in%", "&", "|"
)
comparisons <- c("<", "<=", ">", ">=", "==", "!=", "%in%")

only_x <- function(...) sapply(c(...), function(name) list(x = "value"), simplify = FALSE)
two_sides <- list(e1 = "value", e2 = "value")
of_date <- list(x = "value", abbreviate = "flag")
poly_arguments <- list(
  x = "value",
  "..." = "value",
  degree = "degree",
  coefs = "coefs",
  raw = "flag",
  simple = "refused"
)

formula_functions <- c(
  sapply(arithmetic, function(operator) two_sides, simplify = FALSE),
  only_x("!", "("),
  # fmt: skip
  only_x(
    "I", "exp", "expm1", "sqrt", "abs", "sign", "floor", "ceiling", "trunc",
    "log2", "log10", "log1p", "sin", "cos", "tan", "asin", "acos", "atan",
    "as.numeric", "as.integer", "as.character", "as.logical", "as.factor", "unclass"
  ),
  list(
    offset = list(object = "value"),
    log = list(x = "value", base = "number"),
    round = list(x = "value", digits = "number"),
    signif = list(x = "value", digits = "number"),
    pmin = list("..." = "value", na.rm = "flag"),
    pmax = list("..." = "value", na.rm = "flag"),
    ifelse = list(test = "value", yes = "value_or_text", no = "value_or_text"),
    cbind = list("..." = "value"),
    poly = poly_arguments,
    polym = poly_arguments[names(poly_arguments) != "simple"],
    ns = list(
      x = "value",
      df = "df",
      knots = "numbers",
      intercept = "flag",
      Boundary.knots = "numbers"
    ),
    bs = list(
      x = "value",
      df = "df",
      knots = "numbers",
      degree = "degree",
      intercept = "flag",
      Boundary.knots = "numbers"
    ),
    scale = list(x = "value", center = "flag_or_numbers", scale = "flag_or_numbers"),
    factor = list(
      x = "value",
      levels = "constants",
      labels = "constants",
      exclude = "constants",
      ordered = "flag"
    ),
    ordered = list(x = "value", levels = "constants", labels = "constants"),
    relevel = list(x = "column", ref = "one_text"),
    interaction = list("..." = "value", drop = "flag", sep = "one_text", lex.order = "flag"),
    C = list(
      object = "value",
      contr = "contrasts",
      how.many = "df",
      "..." = "refused",
      base = "df" # of contr.treatment() and contr.SAS(), through the dots
    ),
    cut = list(
      x = "value",
      breaks = "breaks",
      labels = "constants",
      include.lowest = "flag",
      right = "flag",
      dig.lab = "number",
      ordered_result = "flag"
    ),
    as.Date = list(
      x = "value_or_text",
      format = "one_text",
      tryFormats = "texts",
      origin = "one_text"
    ),
    format = list(x = "value", format = "one_text"),
    weekdays = of_date,
    months = of_date,
    quarters = of_date
  )
)

# What they make of a column is no number a row.
# fmt: skip
not_one_number <- c(
  "cbind", "poly", "polym", "ns", "bs", "factor", "as.factor", "ordered", "relevel", "interaction",
  "C", "cut", "as.character", "format", "weekdays", "months", "quarters"
)

# Those that make constants, of constants only.
constant_functions <- c("c", "seq", ":", "matrix")

known_contrasts <- c("contr.treatment", "contr.sum", "contr.helmert", "contr.poly", "contr.SAS")

# For each kind of argument a function of the reader, the argument and where it stands. It notes
# what is wrong, and returns the argument as it shall be evaluated.
argument_kinds <- list(
  value = function(reader, part, where) check_value(reader, part),
  value_or_text = function(reader, part, where) check_value(reader, part, TRUE),
  refused = function(reader, part, where) {
    add_problem(reader, where, " is not allowed")
    part
  },
  column = function(reader, part, where) {
    if (!is.name(part)) {
      remedy <- ' must be a column; or list its levels in their order: [factors] g = ["b", "a", "c"]'
      add_problem(reader, where, remedy)
    }
    check_value(reader, part)
  },
  number = function(reader, part, where) check_number(reader, part, where, -1e6, 1e6, FALSE),
  df = function(reader, part, where) {
    if (is.null(part)) {
      return(part)
    }
    check_number(reader, part, where, 1, formula_limits$df)
  },
  degree = function(reader, part, where) {
    check_number(reader, part, where, 1, formula_limits$degree)
  },
  numbers = function(reader, part, where) {
    check_all(reader, part, where, is.numeric, "numbers, such as c(1, 2.5)", may_be_null = TRUE)
  },
  breaks = function(reader, part, where) {
    are_breaks <- function(values) is.numeric(values) && length(values) > 1
    remedy <- "numbers, as the data's own breaks change with the rows; such as c(0, 20, 40)"
    check_all(reader, part, where, are_breaks, remedy)
  },
  constants = function(reader, part, where) {
    check_all(reader, part, where, is.atomic, 'constants, such as c("a", "b")', may_be_null = TRUE)
  },
  texts = function(reader, part, where) {
    check_all(reader, part, where, is.character, 'text, such as c("%d.%m.%Y", "%Y")')
  },
  one_text = function(reader, part, where) {
    if (!is.character(part)) {
      add_problem(reader, where, " must be text in quotes, not '", brief(part), "'")
      return(part)
    }
    check_text(reader, part, where)
  },
  flag = function(reader, part, where) {
    if (!is_flag(reader, part)) {
      add_problem(reader, where, " must be TRUE or FALSE, not '", brief(part), "'")
    }
    part
  },
  flag_or_numbers = function(reader, part, where) {
    if (is_flag(reader, part)) {
      return(part)
    }
    check_all(reader, part, where, is.numeric, "TRUE, FALSE or a number")
  },
  # R calls these by their name, so it must be one that we know. A column of this name would come
  # before R's function, and its text be called.
  contrasts = function(reader, part, where) {
    is_name <- is.name(part) && !as.character(part) %in% reader$columns
    names_one <- (is_name || is.character(part) && length(part) == 1) &&
      as.character(part) %in% known_contrasts
    is_short <- is.name(part) && paste0("contr.", part) %in% known_contrasts
    if (!names_one && !is_short && !is.numeric(constant(part, reader$is_stored))) {
      contrasts <- toString(known_contrasts)
      add_problem(
        reader,
        where,
        " must be one of ",
        contrasts,
        " or numbers, not '",
        brief(part),
        "'"
      )
    }
    part
  },
  # What poly() keeps of the fit for predictions.
  coefs = function(reader, part, where) {
    if (!is.null(part) && !(reader$is_stored && is_plain_list(part))) {
      add_problem(reader, where, " is not allowed")
    }
    part
  }
)

check_number <- function(reader, part, where, least, most, must_be_whole = TRUE) {
  value <- constant(part, reader$is_stored)
  is_number <- is.numeric(value) && length(value) == 1 && is.finite(value)
  if (!is_number || value < least || value > most || must_be_whole && value != round(value)) {
    what <- if (must_be_whole) "a whole number" else "a number"
    most <- format(most, scientific = FALSE)
    range <- paste(" from", format(least, scientific = FALSE), "to", most)
    add_problem(reader, where, " must be ", what, range, ", not '", brief(part), "'")
  }
  part
}

check_all <- function(reader, part, where, are_right, what, may_be_null = FALSE) {
  values <- constant(part, reader$is_stored)
  if (!(is.null(part) && may_be_null) && (is.null(values) || !are_right(values))) {
    add_problem(reader, where, " must be ", what, " (at most ", formula_limits$numbers, ")")
  }
  part
}

check_constants <- function(reader, part, where, text_may_be) {
  values <- constant(part, reader$is_stored)
  if (is.null(values) && is_call_of(part, ":")) {
    remedy <- "; cross columns as a term, or by interaction()"
    add_problem(
      reader,
      "'",
      brief(part),
      "': within a term, ':' counts from number to number",
      remedy
    )
  } else if (is.null(values)) {
    most <- formula_limits$numbers
    add_problem(reader, "'", brief(part), "': ", where, " may hold constants only, at most ", most)
  } else if (is.character(values) && !text_may_be) {
    add_problem(reader, "'", brief(part), "' is text where a column or numbers belong")
  }
}

check_text <- function(reader, part, where) {
  if (nchar(part, "bytes") > formula_limits$string) {
    add_problem(reader, where, " is longer than ", formula_limits$string, " characters")
  }
  part
}

is_flag <- function(reader, part) {
  isTRUE(part) ||
    isFALSE(part) ||
    reader$is_stored && (identical(part, quote(T)) || identical(part, quote(F)))
}

is_plain_list <- function(part) {
  is.list(part) &&
    !is.object(part) &&
    all(names(attributes(part)) %in% "names") &&
    all(vapply(part, function(x) if (is.list(x)) is_plain_list(x) else is_plain(x, TRUE), TRUE))
}

#' Compute what is made of constants only
#'
#' @param part What parse() read.
#' @param is_stored Whether vectors may stand in it, as R puts them there.
#' @return A vector; NULL where it is not made of constants, or too long.
constant <- function(part, is_stored = FALSE) {
  if (identical(part, quote(pi))) {
    return(pi)
  }
  if (!is.call(part)) {
    return(if (!is.name(part) && is_plain(part, is_stored)) part)
  }
  name <- if (is.name(part[[1]])) as.character(part[[1]]) else ""
  values <- lapply(as.list(part)[-1], function(x) if (!is_missing(x)) constant(x, is_stored))
  if (!name %in% names(constant_makers) || length(values) == 0 || any(lengths(values) == 0)) {
    return(NULL)
  }
  made <- tryCatch(do.call(constant_makers[[name]], values), error = function(e) NULL)
  if (length(made) <= formula_limits$numbers) made
}

compute <- function(operator) {
  function(e1, e2) {
    if (missing(e2)) {
      return(operator(e1))
    }
    suppressWarnings(operator(e1, e2))
  }
}

# They stand for R's own, take what these take, and refuse (by an error) what would take long.
constant_makers <- list(
  c = function(...) c(...),
  seq = function(from, to, by, length.out) {
    count <- if (missing(length.out)) (to - from) / (if (missing(by)) 1 else by) else length.out
    stopifnot(abs(count) <= formula_limits$numbers)
    do.call(seq.default, as.list(match.call())[-1])
  },
  ":" = function(from, to) {
    stopifnot(length(from) == 1, length(to) == 1, abs(to - from) <= formula_limits$numbers)
    from:to
  },
  matrix = function(data, nrow = 1, ncol = 1, byrow = FALSE) {
    stopifnot(nrow * ncol <= formula_limits$numbers)
    as.vector(data)
  },
  "(" = function(x) x,
  "+" = compute(`+`),
  "-" = compute(`-`),
  "*" = compute(`*`),
  "/" = compute(`/`),
  "^" = compute(`^`)
)
