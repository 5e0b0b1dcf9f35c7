# Read the observations, and refuse with one line that names the column and the row where lm()
# could not take them.

#' Read a CSV file that has a header
#'
#' @param file Its path.
#' @param csv Its dialect, a list that may have `sep`, `dec`, `na` (a vector) and `encoding`. What
#'   it does not have is detected (sep and dec) or has a default: NA and an empty field are
#'   missing, UTF-8.
#' @return A data frame.
read_data <- function(file, csv = list()) {
  refuse_file <- function(...) refuse("data file '", file, "'", ...)
  if (!file.exists(file)) {
    refuse_file(" does not exist")
  }
  encoding <- if (is.null(csv$encoding)) "UTF-8" else csv$encoding
  is_known <- tryCatch(iconv("a", encoding, "UTF-8") == "a", error = function(e) FALSE)
  if (!isTRUE(is_known)) {
    refuse_file(": there is no encoding '", encoding, "'; try UTF-8 or latin1")
  }
  first_lines <- readLines(file, n = 100, warn = FALSE, encoding = encoding, skipNul = TRUE)
  if (!any(nzchar(first_lines))) {
    refuse_file(" is empty")
  }
  sep <- if (is.null(csv$sep)) detect_sep(first_lines) else csv$sep
  dec <- if (is.null(csv$dec)) detect_dec(first_lines, sep) else csv$dec
  read_rows <- function(...) {
    read.table(
      file,
      header = TRUE,
      sep = sep,
      dec = dec,
      na.strings = if (is.null(csv$na)) c("NA", "") else unlist(csv$na),
      quote = "\"",
      comment.char = "",
      strip.white = TRUE,
      check.names = FALSE,
      fill = FALSE,
      row.names = NULL,
      # UTF-8, R's own, is only declared: to convert takes time
      encoding = if (encoding == "UTF-8") "UTF-8" else "unknown",
      fileEncoding = if (encoding == "UTF-8") "" else encoding,
      ...
    )
  }
  data <- tryCatch(
    read_typed(read_rows),
    error = function(e) refuse_file(": ", conditionMessage(e)),
    warning = function(w) refuse_file(": ", conditionMessage(w))
  )
  names(data)[1] <- sub("^\ufeff", "", names(data)[1]) # the byte-order mark of spreadsheets
  if (names(data)[1] == "row.names") {
    refuse_file(": its rows have more fields than its header")
  }
  if (anyDuplicated(names(data))) {
    twice <- names(data)[anyDuplicated(names(data))]
    refuse_file(": two columns have one name, '", twice, "'")
  }
  if (nrow(data) == 0) {
    refuse_file(" has a header and no observations")
  }
  data
}

detect_sep <- function(first_lines) {
  if (grepl(";", first_lines[1]) && !grepl(",", first_lines[1])) ";" else ","
}

detect_dec <- function(first_lines, sep) {
  if (sep == ";" && any(grepl("[0-9],[0-9]", first_lines))) "," else "."
}

# To know the columns' classes saves most of the time and the memory; where they change further
# on, R finds out.
read_typed <- function(read_rows) {
  top <- read_rows(nrows = 1000)
  if (nrow(top) < 1000) {
    return(top)
  }
  classes <- vapply(top, function(x) class(x)[1], "")
  tryCatch(read_rows(colClasses = classes), error = function(e) read_rows())
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
