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

check <- function(data, factors = list(), weights = NULL) {
  check_columns(data, names(data), factors, "y", weights)
}
good <- data.frame(y = c(1, 2, 4), x = c("b", "a", "b"), w = c(1, 0, 2))

test_that("declared factors are made, sorted or in the order told", {
  expect_identical(levels(check(good, list(x = character()))$x), c("a", "b"))
  expect_identical(levels(check(good, list(x = c("b", "a", "c")))$x), c("b", "a", "c"))
})

test_that("only the used columns are kept", {
  kept <- check_columns(good, c("y", "w"), list(x = character()), "y", NULL)
  expect_named(kept, c("y", "w"))
})

test_that("values that lm() can't take are refused, with column and row", {
  bad <- function(name, values) replace(good[c("y", "w")], name, list(values))
  expect_refusal(check(good), "column 'x', row 1: 'b' is not a number; correct it, or list")
  expect_refusal(check(good, list(x = "b")), "column 'x', row 2: 'a' is not one of its levels b")
  expect_refusal(check(bad("w", c(1, NA, 2))), "column 'w', row 2: the value is missing (NA)")
  expect_refusal(check(bad("w", c(1, 2, Inf))), "column 'w', row 3: the value is not finite")
  expect_refusal(check(bad("w", c(2, 2, 2))), "column 'w' is constant (2): nothing can be learnt")
  negative <- bad("w", c(1, 2, -3))
  expect_refusal(check(negative, weights = "w"), "column 'w', row 3: a weight is never negative")
  expect_refusal(check(bad("y", c(TRUE, FALSE, TRUE))), "column 'y' must be numbers")
})

test_that("equal weights are fine", {
  expect_silent(check(transform(good[c("y", "w")], w = 1), weights = "w"))
})
