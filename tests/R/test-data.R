test_that("columns that Python reads become a data frame", {
  columns <- list(
    a = list(type = "double", values = c(1.5, NA), texts = character()),
    b = list(type = "integer", values = c(1L, NA), texts = character()),
    c = list(type = "logical", values = c(1L, NA), texts = character()),
    d = list(type = "text", values = c(1L, NA), texts = "x"),
    "e f" = list(type = "date", values = c(19723, NA), texts = character()),
    g = list(type = "datetime", values = c(3600, NA), texts = character())
  )
  expected <- data.frame(
    a = c(1.5, NA),
    b = c(1L, NA),
    c = c(TRUE, NA),
    d = c("x", NA),
    "e f" = as.Date(c("2024-01-01", NA)),
    g = as.POSIXct(c("1970-01-01 01:00:00", NA), tz = "UTC"),
    check.names = FALSE
  )
  expect_identical(data_frame(columns), expected)
})
