# Take the observations that were read.

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
