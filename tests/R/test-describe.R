quiet <- function(...) suppressWarnings(train_quietly(...))
errors_left_out <- function(formula, data, weights) {
  rows <- which(weights > 0)
  vapply(
    rows,
    function(i) {
      data$w <- replace(weights, i, 0)
      model <- lm(formula, data, weights = w)
      eval(formula[[2]], data)[i] - suppressWarnings(predict(model, data[i, ]))
    },
    0
  )
}

test_that("rows of weight 0 take no part in what is told of the fit", {
  weights <- rep(c(0, 1, 2, 0.5), 8)
  info <- quiet(cbind(mtcars, w = weights), "mpg ~ wt + hp", weights = "w")$info
  environment <- list2env(list(w = weights))
  model <- lm(mpg ~ wt + hp, mtcars[weights > 0, ], weights = weights[weights > 0])
  expect_equal(info$press_rmse, sqrt(mean(errors_left_out(mpg ~ wt + hp, mtcars, weights)^2)))
  greatest <- sort(setNames(cooks.distance(model), which(weights > 0)), decreasing = TRUE)[1:5]
  told <- info$diagnostics$cooks_distance$greatest
  expect_equal(vapply(told, `[[`, 0L, "row"), as.integer(names(greatest)))
  expect_equal(vapply(told, `[[`, 0, "distance"), unname(greatest))
  tested <- shapiro.test(weighted.residuals(model))
  expect_equal(
    info$diagnostics$shapiro_wilk[c("w", "p_value")],
    list(w = tested$statistic[[1]], p_value = tested$p.value)
  )
  expect_identical(
    info$rows[c("read", "used", "zero_weight")],
    list(read = 32L, used = 24L, zero_weight = 8L)
  )
  expect_identical(
    info$predictors[[1]][c("min", "max")],
    as.list(setNames(range(mtcars$wt[weights > 0]), c("min", "max")))
  )
})

test_that("the test of variances says what it is against", {
  info <- train_quietly(mtcars, "mpg ~ wt + hp")$info
  model <- lm(mpg ~ wt + hp, mtcars)
  of_squares <- summary(lm(residuals(model)^2 ~ fitted(model)))
  expect_equal(info$diagnostics$breusch_pagan_fitted$statistic, 32 * of_squares$r.squared)
})

test_that("the test of normality says of how many residuals it is", {
  data <- data.frame(x = 1:6000, y = 1:6000 + sin(1:6000)^3)
  expect_identical(train_quietly(data, "y ~ x")$info$diagnostics$shapiro_wilk$n, 5000L)
  expect_identical(train_quietly(mtcars, "mpg ~ wt")$info$diagnostics$shapiro_wilk$n, 32L)
})

predictor <- function(data, formula, ...) quiet(data, formula, ...)$info$predictors[[1]]

test_that("a column that only makes a factor has the values that it has", {
  for (formula in c(
    "mpg ~ factor(gear)",
    "mpg ~ ordered(gear)",
    "mpg ~ interaction(gear)",
    "mpg ~ wt:as.factor(gear)"
  )) {
    described <- Find(function(p) p$name == "gear", quiet(mtcars, formula)$info$predictors)
    expect_identical(described$values, I(c(3, 4, 5)))
  }
  for (formula in c("mpg ~ gear", "mpg ~ factor(gear) + gear", "mpg ~ factor(gear + 1)")) {
    expect_null(predictor(mtcars, formula)$values)
  }
})

test_that("predictors are told by their type", {
  data <- transform(
    cars_data,
    day = as.Date("2024-01-01") + 0:31,
    time = as.POSIXct("2024-01-01 12:30:00", tz = "UTC") + 60 * (0:31),
    carb = as.integer(carb)
  )
  expect_identical(
    predictor(data, "mpg ~ day"),
    list(name = "day", type = "date", min = "2024-01-01", max = "2024-02-01")
  )
  expect_identical(
    predictor(data, "mpg ~ time"),
    list(
      name = "time",
      type = "datetime",
      min = "2024-01-01T12:30:00Z",
      max = "2024-01-01T13:01:00Z"
    )
  )
  expect_identical(
    predictor(data, "mpg ~ carb"),
    list(name = "carb", type = "numeric", min = 1L, max = 8L, integer = TRUE)
  )
  expect_identical(predictor(data, "mpg ~ fast"), list(name = "fast", type = "logical"))
  expect_identical(predictor(data, "mpg ~ am")$levels, I(c("automatic", "manual")))
  expect_identical(quiet(data, "mpg ~ day")$info$observations[[1]], I(list(21, "2024-01-01")))
  many <- data.frame(y = sin(1:1500), day = as.Date("2024-01-01") + 1:1500)
  expect_identical(
    quiet(many, "y ~ day")$info$day_values,
    list(n = 1500L, min = "2024-01-02", max = "2028-02-09")
  )
})

test_that("levels that no fitted row has are not offered", {
  declared <- list(cylinders = c("ten", "eight", "four", "six"))
  data <- transform(cars_data, wt = replace(wt, cylinders == "six", NA))
  described <- Find(
    function(p) p$name == "cylinders",
    quiet(data, "mpg ~ wt + cylinders", factors = declared)$info$predictors
  )
  expect_identical(described$levels, I(c("eight", "four")))
})

test_that("the reference levels are named", {
  reference <- function(...) {
    quiet(cars_data, "mpg ~ am + factor(gear) + wt", ...)$info$reference_levels
  }
  expect_identical(reference(), list(am = "automatic", "factor(gear)" = "3"))
  expect_identical(
    reference(contrasts = list(am = "contr.SAS", "factor(gear)" = "contr.sum")),
    list(am = "manual")
  )
})

test_that("names that are no columns are no predictors", {
  info <- quiet(mtcars, "mpg ~ sin(2 * pi * wt) + poly(hp, 2, raw = T)")$info
  expect_identical(vapply(info$predictors, `[[`, "", "name"), c("wt", "hp"))
  data <- transform(mtcars, T = hp, pi = wt)
  info <- quiet(data, "mpg ~ T + pi")$info
  expect_identical(vapply(info$predictors, `[[`, "", "name"), c("T", "pi"))
})

test_that("a model of the mean alone is told", {
  info <- quiet(mtcars, "mpg ~ 1")$info
  expect_identical(info$predictors, list())
  expect_null(info$f_statistic)
  expect_equal(info$press_rmse, sd(mtcars$mpg) * sqrt(32 / 31))
})

test_that("a row that alone decides a coefficient is told", {
  data <- transform(cars_data, am = replace(am, 5, "none"))
  expect_warning(
    train_quietly(data, "mpg ~ wt + am"),
    "leave-one-out (PRESS) errors are not defined: the fit goes through row 5 whatever",
    fixed = TRUE
  )
})

test_that("the live version's formula is compared on the rows that both have", {
  data <- transform(mtcars, hp = replace(hp, c(3, 9), NA))
  compared <- function(formula, live) {
    train_quietly(data, formula, live_formula = live)$live_press_rmse
  }
  model <- lm(mpg ~ wt, data)
  errors <- residuals(model) / (1 - hatvalues(model))
  expect_equal(compared("mpg ~ wt + hp", "mpg ~ wt"), sqrt(mean(errors[-c(3, 9)]^2)))
  expect_warning(compared("mpg ~ wt", "mpg ~ hp"), "can be compared on 30 of these 32 rows only")
})

test_that("the measures of rows are R's, also where rows have weight 0", {
  weights <- rep(c(0, 1, 2, 0.5), 8)
  told <- quiet(
    cbind(mtcars, w = weights),
    "log(mpg) ~ wt + hp",
    weights = "w"
  )$info$row_diagnostics
  rows <- which(weights > 0)
  data <- cbind(mtcars, w = weights)[rows, ]
  model <- lm(log(mpg) ~ wt + hp, data, weights = w)
  expect_identical(unclass(told$row), rows)
  expect_identical(unclass(told$observed), log(data$mpg))
  expect_equal(unclass(told$fitted), unname(fitted(model)))
  expect_equal(unclass(told$leverage), unname(hatvalues(model)))
  expect_equal(unclass(told$std_residual), unname(rstandard(model)))
  expect_equal(unclass(told$cooks_distance), unname(cooks.distance(model)))
})

test_that("of many rows those with the greatest measures are told", {
  set.seed(1)
  data <- data.frame(x = rnorm(5000))
  data$y <- data$x + rnorm(5000)
  told <- quiet(data, "y ~ x")$info$row_diagnostics
  model <- lm(y ~ x, data)
  expect_identical(told$n, 5000L)
  expect_lte(length(told$row), 60)
  expect_identical(told$far, sum(abs(rstandard(model)) > 2))
  for (measure in list(hatvalues(model), abs(rstandard(model)), cooks.distance(model))) {
    expect_true(all(order(measure, decreasing = TRUE)[1:20] %in% told$row))
  }
})
