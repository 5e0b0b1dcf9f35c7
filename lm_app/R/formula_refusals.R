# What is refused, why, and what to write instead.

make_column <- "; make the column in the data"

# For names of functions the reason, and what to write.
refused_functions <- list(
  list(
    # fmt: skip
    names = c(
      "rnorm", "runif", "sample", "rbinom", "rpois", "rexp", "rgamma", "rbeta", "rt", "rchisq",
      "jitter", "set.seed"
    ),
    why = paste0("is random, so that two trainings would differ", make_column)
  ),
  list(
    # fmt: skip
    names = c(
      "residuals", "resid", "fitted", "fitted.values", "predict", "coef", "lm", "rstandard",
      "rstudent", "hatvalues", "cooks.distance", "loess", "lowess"
    ),
    why = "is of another model; save its values as a column of the data"
  ),
  list(
    # fmt: skip
    names = c(
      "cycle", "time", "lag", "diff", "ts", "breakfactor", "embed", "stl", "decompose", "L", "D",
      "G", "Dlog", "cumsum", "cumprod", "seq_along", "row.names", "rownames"
    ),
    why = paste0("depends on the order of the rows (as in a time series)", make_column)
  ),
  list(
    names = c("B", "W", "qF", "ave", "tapply", "aggregate"),
    why = paste0("depends on groups of rows", make_column)
  ),
  list(
    # fmt: skip
    names = c(
      "mean", "sd", "var", "median", "mad", "IQR", "min", "max", "range", "sum", "prod",
      "quantile", "fivenum", "length", "nrow", "rank", "order", "sort", "rev", "unique", "rowSums",
      "rowMeans", "colMeans"
    ),
    why = paste0(
      "is of all rows, and would differ for those of a prediction; ",
      "write its value as a number, or use scale()"
    )
  ),
  list(
    names = c("[", "[[", "$", "@", "unlist", "with", "subset", "head", "tail"),
    why = "takes a part of an object; name the column itself"
  ),
  list(
    # fmt: skip
    names = c(
      "s", "te", "ti", "t2", "lo", "nsk", "rcs", "lsp", "pspline", "pb", "cs", "gam", "boxCox",
      "bcPower", "yjPower", "boxCoxVariable", "polySpline", "naturalSpline", "bSpline", "iSpline"
    ),
    why = "is a package's function; use ns(), bs() or poly(), or make the column in the data"
  ),
  list(
    names = c("Surv", "strata", "cluster", "frailty", "Error", "random", "re"),
    why = "is of another kind of model, which lm() does not fit"
  ),
  list(names = "%>%", why = "hands on a value; write log(x) for x %>% log()"),
  list(names = c("<-", "<<-", "=", ":="), why = "assigns; a formula is written with '~'"),
  list(
    names = c("if", "for", "while", "repeat", "{", "switch", "case_when", "if_else", "recode"),
    why = "is programming; choose by ifelse(), such as ifelse(x > 3, x, 0)"
  ),
  list(names = c("&&", "||"), why = "compares one value only; use & and |"),
  list(names = "ln", why = "is log() in R"),
  list(names = "~", why = "may stand only once; there may be only one '~'"),
  list(
    names = c("is.na", "is.nan", "complete.cases", "na.omit", "coalesce"),
    why = "has nothing to do: rows with a missing value are left out before"
  ),
  list(
    # fmt: skip
    names = c(
      "paste", "paste0", "substr", "substring", "gsub", "sub", "toupper", "tolower", "nchar",
      "grepl", "strsplit", "sprintf"
    ),
    why = paste0("is of texts; cross columns by interaction(a, b), or", sub(";", "", make_column))
  ),
  list(
    names = c("reorder", "fct_relevel", "fct_reorder", "droplevels", "levels", "as.ordered"),
    why = 'is of levels; list them in their order in model.toml: [factors] g = ["b", "a", "c"]'
  ),
  list(
    # fmt: skip
    names = c(
      "as.POSIXct", "as.POSIXlt", "strptime", "strftime", "ISOdate", "julian", "difftime", "year",
      "month", "day", "wday", "yday", "ymd", "dmy", "mdy"
    ),
    why = 'is not needed: use as.Date(), as.numeric() or format(day, "%Y")'
  )
)

# Note why the function of this call may not be used.
note_refused_function <- function(reader, part) {
  called <- part[[1]]
  name <- if (is.name(called)) as.character(called) else ""
  if (name == "function" || is_call_of(called, "(") || is_call_of(called, "function")) {
    return(add_problem(reader, "'", brief(part), "' makes a function; write what it computes"))
  }
  for (refused in refused_functions) {
    if (name %in% refused$names) {
      shown <- if (grepl("^[[:alpha:].]", name)) paste0(name, "()") else paste0("'", name, "'")
      return(add_problem(reader, shown, " ", refused$why))
    }
  }
  reader$lists_functions <- TRUE
  if (is_call_of(called, "::") || is_call_of(called, ":::")) {
    why <- "' is of a package, or none that a formula may use of base, stats and splines"
    return(add_problem(reader, "'", brief(called), why))
  }
  suggestion <- did_you_mean(brief(called), names(formula_functions))
  why <- "' is not one of the functions a formula may use"
  add_problem(reader, "'", brief(called), why, suggestion, make_column)
}

listed_functions <- function() {
  named <- names(formula_functions)[grepl("^[[:alpha:]]", names(formula_functions))]
  toString(c("c", "seq", named))
}

why_arguments_refused <- function(name, unknown, takes) {
  known <- names(takes)[unlist(takes) != "refused"]
  given <- setdiff(unknown, "")
  problem <- if (length(given) > 0) {
    paste0(" has no argument '", paste(given, collapse = "', '"), "'; it takes ")
  } else {
    " has too many arguments, or one twice; it takes "
  }
  paste0(name, "()", problem, toString(known))
}

# What is right by itself, and wrong with the others.
check_together <- function(reader, part, name, arguments, formal) {
  if (name == "format" && !"format" %in% formal) {
    add_problem(reader, 'format() needs a format, such as format(day, "%Y")')
  }
  is_within <- is.call(reader$term) && !identical(part, reader$term) && !reader$is_stored
  if (is_within && is_of_all_rows(name, arguments, formal)) {
    add_problem(
      reader,
      name,
      "() within another function is computed anew from the rows of each prediction; ",
      "make it a term by itself, or write numbers, such as I((x - 10) / 2)"
    )
  }
  if (name %in% c("ns", "bs") && formal[1] != "x") {
    add_problem(reader, name, "(): its column must come first, such as ", name, "(x, df = 4)") # to R
  }
  if (name %in% c("poly", "polym")) {
    check_poly(reader, arguments, formal)
  }
}

# Whether R computes something of all rows, which it keeps for predictions only where the call is a
# term by itself.
is_of_all_rows <- function(name, arguments, formal) {
  is_given <- function(argument, is_right) {
    any(vapply(arguments[formal == argument], function(x) is_right(constant(x)), TRUE))
  }
  is_number <- function(value) is.numeric(value) || isFALSE(value)
  switch(
    name,
    scale = !(is_given("center", is_number) && is_given("scale", is_number)),
    poly = ,
    polym = !is_given("raw", isTRUE),
    ns = ,
    bs = !(is_given("knots", is.numeric) && is_given("Boundary.knots", is.numeric)),
    FALSE
  )
}

# poly(x, 2): a single number in the dots is the degree. poly(x, z, 2) is not.
check_poly <- function(reader, arguments, formal) {
  dots <- arguments[formal == "..."]
  numbers <- Filter(function(x) !is.null(constant(x)), dots)
  if (length(numbers) > 0 && length(dots) > 1) {
    add_problem(reader, "poly(): of several columns, name the degree: degree = 2")
  } else if (length(numbers) == 1) {
    check_number(reader, numbers[[1]], "poly(): 'degree'", 1, formula_limits$degree)
  } else if (length(dots) > 0 && any(vapply(arguments[formal == "raw"], isTRUE, TRUE))) {
    remedy <- "write the products, such as x + z + I(x * z)"
    add_problem(reader, "poly() of several columns with raw = TRUE can't predict one row; ", remedy)
  }
}

unknown_columns <- function(unknown, columns) {
  if (length(unknown) == 0) {
    return(character())
  }
  told <- vapply(
    unknown,
    function(name) paste0("'", shorten(name), "'", did_you_mean(name, columns)),
    ""
  )
  paste0(
    "the data have no column",
    if (length(unknown) > 1) "s",
    " ",
    toString(told),
    "; their columns are ",
    some_of(columns)
  )
}

some_of <- function(columns, most = 30) {
  shown <- toString(vapply(head(columns, most), shorten, ""))
  more <- length(columns) - most
  if (more > 0) paste(shown, "and", more, "more") else shown
}

# The nearest of the names that are there, where one is near.
did_you_mean <- function(name, among) {
  among <- head(among[nchar(among) <= 60], 2000)
  if (length(among) == 0 || nchar(name) > 60) {
    return("")
  }
  distances <- drop(adist(name, among, ignore.case = TRUE))
  nearest <- which.min(distances)
  if (distances[nearest] > min(2, (nchar(name) - 1) %/% 2)) {
    ""
  } else {
    paste0(" (did you mean '", among[nearest], "'?)")
  }
}
