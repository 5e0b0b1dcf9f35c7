# Read the observations, and stop with one line that names the column and the row where lm() could not take them.

# file: a CSV with a header. csv: how it is written, a list that may have sep, dec, na (a vector) and encoding; what it
# does not have is found out (sep and dec) or usual (NA and an empty field are missing, UTF-8).
read_data <- function(file, csv = list()) {
  refuse <- function(...) stop("data file '", file, "'", ..., call. = FALSE)
  if (!file.exists(file)) refuse(" does not exist")
  encoding <- if (is.null(csv$encoding)) "UTF-8" else csv$encoding
  known <- tryCatch(iconv("a", encoding, "UTF-8") == "a", error = function(e) FALSE)
  if (!isTRUE(known)) refuse(": there is no encoding '", encoding, "'; try UTF-8 or latin1")
  first <- readLines(file, n = 100, warn = FALSE, encoding = encoding, skipNul = TRUE)
  if (!any(nzchar(first))) refuse(" is empty")
  sep <- if (!is.null(csv$sep)) csv$sep else if (grepl(";", first[1]) && !grepl(",", first[1])) ";" else ","
  comma <- sep == ";" && any(grepl("[0-9],[0-9]", first))
  read <- function(...) read.table(
    file, header = TRUE, sep = sep, dec = if (!is.null(csv$dec)) csv$dec else if (comma) "," else ".",
    na.strings = if (is.null(csv$na)) c("NA", "") else unlist(csv$na), quote = "\"", comment.char = "",
    strip.white = TRUE, check.names = FALSE, fill = FALSE, row.names = NULL, ...,
    # only declared, not converted, where it is R's own: converting takes time
    encoding = if (encoding == "UTF-8") "UTF-8" else "unknown", fileEncoding = if (encoding == "UTF-8") "" else encoding
  )
  data <- tryCatch(
    {
      some <- read(nrows = 1000)
      # To know the columns' classes saves most of the time and the memory; where they change further on, R finds out
      if (nrow(some) < 1000) some
      else tryCatch(read(colClasses = vapply(some, function(x) class(x)[1], "")), error = function(e) read())
    },
    error = function(e) refuse(": ", conditionMessage(e)),
    warning = function(w) refuse(": ", conditionMessage(w))
  )
  names(data)[1] <- sub("^\ufeff", "", names(data)[1]) # the byte-order mark of spreadsheets
  if (names(data)[1] == "row.names") refuse(": its rows have more fields than its header")
  if (anyDuplicated(names(data))) refuse(": two columns have one name, '", names(data)[anyDuplicated(names(data))], "'")
  if (nrow(data) == 0) refuse(" has a header and no observations")
  data
}

# The used columns only, the factors made factors; stops where a value is missing or is not what lm() can take.
check_columns <- function(data, used, factors, response, weights) {
  data <- data[used]
  for (name in intersect(names(factors), used)) {
    levels <- factors[[name]]
    values <- as.character(data[[name]])
    unknown <- if (length(levels)) which(!is.na(values) & !values %in% levels)
    if (length(unknown))
      stop("column '", name, "', row ", unknown[1], ": '", values[unknown[1]], "' is not one of its levels ", toString(levels))
    data[[name]] <- if (length(levels)) factor(values, levels) else factor(data[[name]])
  }
  for (name in used) {
    values <- data[[name]]
    where <- function(row) paste0("column '", name, "', row ", row, ": ")
    if (anyNA(values)) stop(where(which(is.na(values))[1]), "the value is missing (NA); fill it in or leave the row out")
    if (is.character(values)) {
      row <- which(is.na(suppressWarnings(as.numeric(values))))[1]
      stop(where(row), "'", values[row], "' is not a number; correct it, or list the column under [factors] in model.toml")
    }
    if (is.numeric(values) && !all(is.finite(values))) stop(where(which(!is.finite(values))[1]), "the value is not finite")
    if (name %in% c(response, weights) && !is.numeric(values)) stop("column '", name, "' must be numbers")
    if (identical(name, weights) && any(values < 0)) stop(where(which(values < 0)[1]), "a weight is never negative")
    if (!identical(name, weights) && all(values == values[1]))
      stop("column '", name, "' is constant (", values[1], "): nothing can be learnt from it; leave it out of the formula")
  }
  data
}

