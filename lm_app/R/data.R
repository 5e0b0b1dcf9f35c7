# Take the observations, and refuse with one line that names the column and the row where lm()
# could not take them.

#' Make a data frame of columns that were read in Python
#'
#' @param columns A named list: for each column its `type`, its `values` (numbers) and its `texts`.
#'   A text's values are the positions of its texts, a date's days and a datetime's seconds since
#'   1970.
#' @return A data frame.
data_frame <- function(columns) {
  vectors <- lapply(columns, function(column) {
    switch(
      column$type,
      logical = as.logical(column$values),
      text = column$texts[column$values],
      date = .Date(column$values),
      datetime = .POSIXct(column$values, "UTC"),
      column$values
    )
  })
  list2DF(vectors)
}

#' Check the columns that lm() will use, and make factors of those declared so
#'
#' @param data A data frame.
#' @param used The names of the columns to keep.
#' @param factors A named list: for each factor its levels in order, or character() to sort them.
#' @param response_names The columns of the response.
#' @param weights The name of the weights' column, or NULL.
#' @return The data frame of these columns. Refuses where a value is missing or is not what lm()
#'   takes.
check_columns <- function(data, used, factors, response_names, weights) {
  data <- data[used]
  for (name in intersect(names(factors), used)) {
    data[[name]] <- as_factor(data[[name]], factors[[name]], name)
  }
  for (name in used) {
    check_values(data[[name]], name, name %in% c(response_names, weights), identical(name, weights))
  }
  data
}

as_factor <- function(values, allowed, name) {
  if (length(allowed) == 0) {
    return(factor(values))
  }
  values <- as.character(values)
  unknown <- which(!is.na(values) & !values %in% allowed)
  if (length(unknown) > 0) {
    refuse_value(
      name,
      unknown[1],
      "'",
      values[unknown[1]],
      "' is not one of its levels ",
      toString(allowed)
    )
  }
  factor(values, allowed)
}

check_values <- function(values, name, must_be_numeric, is_weights) {
  if (anyNA(values)) {
    first <- which(is.na(values))[1]
    refuse_value(name, first, "the value is missing (NA); fill it in or leave the row out")
  }
  if (is.character(values)) {
    first <- which(is.na(suppressWarnings(as.numeric(values))))[1]
    remedy <- "' is not a number; correct it, or list the column under [factors] in model.toml"
    refuse_value(name, first, "'", values[first], remedy)
  }
  if (is.numeric(values) && !all(is.finite(values))) {
    refuse_value(name, which(!is.finite(values))[1], "the value is not finite")
  }
  if (must_be_numeric && !is.numeric(values)) {
    refuse("column '", name, "' must be numbers")
  }
  if (is_weights && any(values < 0)) {
    refuse_value(name, which(values < 0)[1], "a weight is never negative")
  }
  if (!is_weights && all(values == values[1])) {
    why <- "): nothing can be learnt from it; leave it out of the formula"
    refuse("column '", name, "' is constant (", values[1], why)
  }
}

refuse_value <- function(name, row_number, ...) {
  refuse("column '", name, "', row ", row_number, ": ", ...)
}
