source("../../contrib/lm.R", local = TRUE)

sent <- function(values, type) .as_sent(values, list(name = "x", type = type))

test_that("columns are sent as the server reads them", {
  expect_identical(sent(c(a = 1L, b = NA), "numeric"), c(1, NA))
  expect_identical(sent(factor(c("b", NA), c("b", "a")), "factor"), c("b", NA))
  expect_identical(sent(ordered("L"), "factor"), "L")
  expect_identical(sent(c(TRUE, NA), "logical"), c(TRUE, NA))
  expect_identical(sent(as.Date(c("2024-02-29", NA)), "date"), c("2024-02-29", NA))
  times <- as.POSIXct(c(0.5, NA), "Asia/Tokyo", origin = "1970-01-01")
  expect_identical(sent(times, "datetime"), c("1970-01-01T00:00:00.5Z", NA))
  expect_identical(sent(as.POSIXlt(times), "datetime"), c("1970-01-01T00:00:00.5Z", NA))
  expect_identical(sent(as.difftime(2, units = "days"), "numeric"), 2)
  expect_identical(sent(c(NA, NA), "factor"), c(NA, NA))
})

test_that("what predict.lm() would not take is refused by its name", {
  expect_error(
    sent("1", "numeric"),
    "'x' is of class 'character'; the model was fitted to a numeric"
  )
  expect_error(sent(TRUE, "numeric"), "'x' is of class 'logical'")
  expect_error(sent(4, "factor"), "'x' is of class 'numeric'; the model was fitted to a factor")
  expect_error(sent("2024-02-29", "date"), "'x' is of class 'character'")
  expect_error(sent(Sys.Date(), "datetime"), "'x' is of class 'Date'")
  expect_error(sent(c(1, NA, -Inf), "numeric"), "'x' is infinite in row 3")
  expect_error(sent(as.Date("2024-02-29") + 0.5, "date"), "'x' has parts of days")
  predictors <- list(list(name = "x", type = "numeric"), list(name = "g", type = "factor"))
  expect_error(.rows_of(data.frame(x = 1), predictors), "newdata lacks g; the predictors are: x, g")
  expect_error(.rows_of(list(x = 1, g = "a"), predictors), "newdata must be a data frame")
})

test_that("a gap is filled for the server, and empty in the answer", {
  columns <- list(x = c(1, NA, 3), g = c("a", "b", NA))
  example <- list(g = "c", x = 9)
  expect_identical(
    .without_gaps(columns, example, is_whole = TRUE),
    list(x = c(1, 9, 9), g = c("a", "c", "c"))
  )
  expect_identical(
    .without_gaps(columns, example, is_whole = FALSE),
    list(x = c(1, 9, 3), g = c("a", "b", "c"))
  )
  expect_identical(.without_gaps(list(x = numeric()), example, TRUE), list(x = 9))
  expect_identical(.without_gaps(list(), example, TRUE), list())
  names <- c("fit", "terms.log(x)", "terms.`g`", "terms_se.log(x):g", "terms.z")
  table <- .with_gaps(matrix(1, 3, 5, dimnames = list(NULL, names)), columns)
  expect_identical(unname(is.na(table)[2, ]), c(TRUE, TRUE, FALSE, TRUE, FALSE))
  expect_identical(unname(is.na(table)[3, ]), c(TRUE, FALSE, TRUE, TRUE, FALSE))
  expect_false(anyNA(table[1, ]))
})

test_that("the answer is read to the same bits", {
  set.seed(1)
  numbers <- c(rnorm(3000) * 10^runif(3000, -300, 300), 5e-324, .Machine$double.xmax, 1e23, 1 / 3)
  expect_identical(.numbers_in(sprintf("%.17g", numbers)), numbers)
  table <- .table_in("fit,\"terms.poly(x, 2)\",extrapolated\n1,NaN,FALSE\n-Inf,NA,TRUE\n")
  expect_identical(colnames(table), c("fit", "terms.poly(x, 2)", "extrapolated"))
  expect_identical(unname(table), rbind(c(1, NaN, 0), c(-Inf, NA, 1)))
  expect_identical(.numbers_in(c("1", "2")), c(1, 2))
})

test_that("a request without predictors has an object for each row", {
  expect_identical(.body_of(list(), 1:2), "[{}, {}]")
  expect_identical(.body_of(list(x = c(0.1, 2), g = c("a", "b")), 2), '{"x": [2], "g": ["b"]}')
})

test_that("warnings are R's own", {
  warned <- function(text) .warnings_in(list(headers = list("lm-warnings" = text)))
  expect_null(warned(NULL))
  expect_null(warned("fit is NaN in row 3; lower is -Inf in rows 1, 2 and 5 more"))
  expect_identical(warned("NaNs produced; fit is NaN in rows 0, 1 and 2"), "NaNs produced")
  expect_identical(warned("fit is NaN in row 3; a; b"), "a; b")
})

test_that("arguments are checked before anything is asked", {
  expect_error(lm_at("localhost:8000", "cars"), "must begin with http:// or https://")
  expect_error(lm_at(c("http://a", "http://b"), "cars"), "url must be one text")
  expect_error(lm_at("http://a", ""), "model must be one text")
  expect_error(lm_at("http://a", "cars", key = NA), "key must be one text")
  at <- structure(list(), class = "lm_at")
  expect_error(predict(at, cars, pred.var = 1), "predict has no argument 'pred.var'")
  expect_error(predict(at, cars, interval = "both"), "'arg' should be one of")
})
