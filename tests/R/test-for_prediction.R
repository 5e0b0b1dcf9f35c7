cars_of <- function(...) transform(cars_data, ...)

strip <- function(formula, data = cars_data, ...) {
  model <- lm(as.formula(formula), data, ...)
  strip_for_prediction(model, data)
}

check_alone <- function(formula, data = cars_data) {
  model <- suppressWarnings(lm(as.formula(formula), data))
  rows <- thin(seq_len(nrow(data)), 10)
  check_rows_stand_alone(strip_for_prediction(model, data), data, rows, unname(fitted(model)))
}

kinds <- data.frame(
  numeric = c(1.5, 2),
  integer = c(100000L, 7L),
  logical = c(TRUE, FALSE),
  character = c("b", "a"),
  factor = factor(c("z", "a"), c("z", "unused", "a")),
  ordered = factor(c("high", "low"), c("low", "high"), ordered = TRUE),
  date = as.Date(c("2024-02-29", "1969-12-31")),
  datetime = as.POSIXct(c("2024-02-29 12:00:01.5", "1969-12-31 23:59:59"), tz = "UTC")
)

for (name in names(kinds)) {
  test_that(paste("a column reaches predict() as it was fitted:", name), {
    kind <- kind_of(kinds[[name]])
    expect_identical(kind$kind, name)
    sent <- encode(kinds[[name]], kind)
    expect_equal(as_data_frame(as.numeric(sent), setNames(list(kind), name)), kinds[name])
  })
}

test_that("only levels of the fitted rows are offered", {
  expect_identical(kind_of(kinds$factor)$levels, c("z", "a"))
  expect_identical(kind_of(kinds$factor)$all_levels, c("z", "unused", "a"))
})

test_that("the levels that are told are those that the model counts", {
  declared <- list(am = c("manual", "automatic", "none"))
  trained <- train_quietly(cars_data, "mpg ~ wt + am", factors = declared)
  expect_identical(trained$info$predictors[[2]]$levels, I(c("manual", "automatic")))
  expect_identical(trained$model$predictors$am$levels, c("manual", "automatic"))
})

test_that("a number that is not whole is left as it is", {
  expect_identical(decode(c(1, 2.5), list(kind = "integer")), c(1, 2.5))
  expect_identical(decode(c(1, NA), list(kind = "integer")), c(1, NA))
})

test_that("reference rows have every level, also of factors that the formula makes", {
  model <- strip(
    "mpg ~ cylinders + factor(gear) + wt + months(day)",
    cars_of(day = as.Date("2024-01-20") + 0:31)
  )
  rows <- model$proof$rows
  expect_named(rows, c("cylinders", "gear", "wt", "day"))
  expect_equal(sort(unique(rows$cylinders)), 1:3)
  expect_identical(sort(unique(rows$gear)), c(3, 4, 5))
  expect_identical(range(rows$wt), range(cars_data$wt))
})

test_that("the proof is bounded, whatever the number of levels", {
  data <- data.frame(y = sin(1:600), g = sprintf("g%d", rep(1:200, 3)), x = cos(1:600))
  model <- strip("y ~ g + x", data)
  expect_lte(length(model$proof$rows$g), 10)
  expect_true(model$proof$fast)
  expect_no_warning(prepare_predict(model))
})

test_that("no row is asked of predict() to load a model that is proven", {
  model <- strip("mpg ~ wt * cylinders")
  asked <- 0
  trace_predict <- environment(prepare_predict)$ask_predict
  on.exit(assign("ask_predict", trace_predict, environment(prepare_predict)))
  counting <- function(model) function(...) asked <<- asked + 1
  assign("ask_predict", counting, environment(prepare_predict))
  prepare_predict(model)
  expect_identical(asked, 0)
})

test_that("poly() of two columns, which stops for one row, is predicted by two", {
  model <- strip("mpg ~ poly(wt, hp, degree = 2)")
  expect_identical(model$fewest_rows, 2L)
  expect_error(predict(model, cars_data[1, ]))
  expect_no_warning(prepared <- prepare_predict(model))
  expected <- predict(model, cars_data[1:3, ], interval = "prediction", level = 0.9)
  for (i in 1:3) {
    x <- c(cars_data$wt[i], cars_data$hp[i])
    fast <- prepared$fast
    fast[2:4] <- list(x, "prediction", 0.9)
    expect_equal(eval(fast, globalenv()), unname(expected[i, ]))
    expect_equal(prepared$fallback(x, "prediction", 0.9)$value, unname(expected[i, ]))
  }
  expect_null(check_alone("mpg ~ poly(wt, hp, degree = 2)"))
})

test_that("rows that mean something else alone are refused", {
  expect_refusal(
    check_alone("mpg ~ I(wt - mean(wt))"),
    "row 1 alone is predicted otherwise than among"
  )
  expect_refusal(check_alone("mpg ~ cut(wt, 3)"), "row 1 alone can't be predicted (R: ")
})

test_that("terms that cancel are no reason to refuse a row", {
  large <- cars_of(year = 1e8 + seq_along(mpg), big = 1e9 + wt)
  expect_null(check_alone("mpg ~ year + I(year^2 / 1e8)", large))
  expect_null(check_alone("mpg ~ big + I(big - 1e9)", large))
  expect_null(check_alone("I(mpg * 1e-12) ~ wt", large))
  expect_null(check_alone("I(mpg + 1e12) ~ wt + offset(big)", large))
  expect_null(check_alone("mpg ~ 1", large))
  expect_refusal(check_alone("I(mpg + 1e9) ~ I(wt - mean(wt))", large), "row 1 alone is predicted")
  expect_null(check_alone("mpg ~ poly(year, 3, raw = TRUE)", large))
  expect_refusal(check_alone("mpg ~ year + I(wt - mean(wt))", large), "row 1 alone is predicted")
})

test_that("the log of a negative number is no reason to refuse a row", {
  expect_null(suppressWarnings(check_alone("mpg ~ log(wt - 3)")))
})

test_that("a fast path that is wrong here leaves it to predict()", {
  model <- strip("mpg ~ wt")
  original <- environment(prepare_predict)$fast_path
  on.exit(assign("fast_path", original, environment(prepare_predict)))
  wrong <- function(model) {
    function(x, interval, level) original(model)(x, interval, level) * (1 + 1e-15)
  }
  assign("fast_path", wrong, environment(prepare_predict))
  expect_warning(prepared <- prepare_predict(model), "predict() itself answers", fixed = TRUE)
  expect_null(eval(prepared$fast, globalenv()))
})

test_that("an R that answers otherwise is told, also where predict() answers anyway", {
  for (formula in c("mpg ~ wt", "mpg ~ wt + I(2 * wt)")) {
    model <- strip(formula)
    model$proof$answers$none <- model$proof$answers$none + 1e-10
    model$proof$r_version <- "9.9.9"
    expect_warning(
      suppressWarnings(prepare_predict(model), classes = "none"),
      "this R answers otherwise than the one that trained (R 9.9.9, BLAS ",
      fixed = TRUE
    )
  }
})

test_that("levels that the fit has not seen are found, with their rows", {
  model <- strip("mpg ~ factor(gear) + wt")
  prepared <- prepare_predict(model)
  found <- prepared$unseen(c(3, 7, 4, 6, 1, 1, 1, 1))
  expect_length(found, 1)
  expect_identical(found[[1]]$rows, I(c(1L, 3L)))
  expect_identical(found[[1]]$values, I(c("7", "6")))
  expect_identical(found[[1]]$variable, "factor(gear)")
  expect_identical(found[[1]]$columns, I("gear"))
  expect_identical(found[[1]]$allowed, I(c("3", "4", "5")))
  expect_length(prepared$unseen(c(3, 1)), 0)
  expect_length(prepared$unseen(1:3), 0)
})

test_that("a model without predictors is predicted for ones", {
  prepared <- expect_no_warning(prepare_predict(strip("mpg ~ 1")))
  expect_equal(prepared$fallback(c(1, 1), "none", 0.9)$value, rep(mean(mtcars$mpg), 2))
})
