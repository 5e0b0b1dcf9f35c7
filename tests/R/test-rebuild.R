source("../../contrib/lm.R", local = TRUE)

# What the server reads of fitted.json, without the way through JSON.
unboxed <- function(x) {
  if (is.list(x)) {
    lapply(x, unboxed)
  } else if (inherits(x, "AsIs")) {
    unclass(x)
  } else {
    x
  }
}

fitted_of <- function(fit, data, has_data = FALSE) {
  recipe <- .recipe_of(fit, data)
  folder <- tempfile()
  dir.create(folder)
  writeLines("", file.path(folder, "data.csv"))
  unboxed(.fitted_of(.fit_again(fit, recipe), recipe, folder, has_data))
}

splines_fit <- lm(mpg ~ ns(hp, 3) + poly(wt, 2) * factor(cyl), mtcars, weights = qsec)
splines_fitted <- fitted_of(splines_fit, mtcars)

test_that("a rebuilt model is the one that train() makes, but for its call", {
  rebuilt <- rebuild(splines_fitted)
  trained <- train_quietly(mtcars, deparse1(formula(splines_fit)), weights = "qsec")
  for (part in setdiff(names(trained$model), c("call", "qr", "proof"))) {
    expect_equal(rebuilt$model[[part]], trained$model[[part]], tolerance = 1e-14, info = part)
  }
  expect_identical(names(rebuilt$model), names(trained$model))
  expect_identical(rebuilt$model$proof$fast, trained$model$proof$fast)
  for (key in c(
    "predictors",
    "coefficients",
    "equation",
    "response",
    "formula",
    "sigma",
    "df_residual",
    "n"
  )) {
    expect_equal(rebuilt$info[[key]], trained$info[[key]], tolerance = 1e-12, info = key)
  }
  only_trained <- setdiff(names(trained$info), names(rebuilt$info))
  expect_true(all(
    c("residuals", "fitted_values", "diagnostics", "rows", "observations") %in% only_trained
  ))
  expect_match(rebuilt$summary, "Fitted elsewhere, in R .*mpg ~ ns.*Residual standard error: ")
})

test_that("each kind of predictor is described as training does", {
  data <- data.frame(
    y = c(3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8),
    count = 1:12,
    size = factor(rep(c("S", "M", "L"), 4), c("S", "M", "L", "XL"), ordered = TRUE),
    yes = rep(c(TRUE, FALSE), 6),
    day = as.Date("2024-01-01") + c(1, 5, 2, 9, 4, 7, 3, 8, 12, 10, 6, 11),
    time = .POSIXct(1e9 + c(5, 1, 8, 2, 7, 3, 9, 4, 6, 0, 11, 12), "UTC")
  )
  fit <- lm(y ~ count + size + yes + day + time, data)
  described <- rebuild(fitted_of(fit, data))$info$predictors
  trained <- suppressWarnings(train_quietly(data, "y ~ count + size + yes + day + time"))
  expect_identical(lapply(described, unclass), lapply(trained$info$predictors, unclass))
  expect_null(
    rebuild(fitted_of(lm(y ~ factor(count %% 3), data), data))$info$predictors[[1]]$values
  )
  years <- rebuild(fitted_of(
    lm(y ~ factor(x), transform(data, x = count %/% 4)),
    transform(data, x = count %/% 4)
  ))
  expect_identical(years$info$predictors[[1]]$values, I(c(0, 1, 2, 3)))
})

test_that("a model without predictors is rebuilt", {
  rebuilt <- rebuild(fitted_of(lm(mpg ~ 1, mtcars), mtcars))
  expect_length(rebuilt$info$predictors, 0)
  expect_match(rebuilt$info$origin, "the same to the last bit")
})

test_that("what does not fit together is refused", {
  change <- function(...) replace(splines_fitted, names(list(...)), list(...))
  expect_refusal(rebuild(change(formula = "mpg ~ .")), "its formula has a '.'")
  without <- splines_fitted
  without$predictors[[3]]$values <- NULL
  expect_refusal(rebuild(without), "'cyl' lacks the values of which the formula makes a factor")
  without <- splines_fitted
  without$model$variables <- without$model$variables[-1]
  expect_refusal(rebuild(without), "its formula has 4 variables, not 3")
  expect_refusal(rebuild(change(formula = "mpg")), "a formula has a response")
})

test_that("a model that is reproduced says how exactly", {
  fit <- lm(mpg ~ wt + factor(cyl), mtcars)
  fitted <- fitted_of(fit, mtcars, has_data = TRUE)
  trained <- train_quietly(mtcars, "mpg ~ wt + factor(cyl)", fitted = fitted)
  expect_match(trained$info$origin, "the same to the last bit when fitted again here from its data")
  near <- fitted
  near$fit[1] <- near$fit[1] * (1 + 1e-14)
  origin <- train_quietly(mtcars, "mpg ~ wt + factor(cyl)", fitted = near)$info$origin
  expect_match(origin, "the same within [0-9.]+e-1[45] when")
})

test_that("a model that is not reproduced is refused, with both numbers", {
  fit <- lm(mpg ~ wt + cyl, mtcars)
  fitted <- fitted_of(fit, mtcars, has_data = TRUE)
  again <- function(data, formula = "mpg ~ wt + cyl", ...) {
    train_quietly(data, formula, fitted = replace(fitted, names(list(...)), list(...)))
  }
  changed <- mtcars
  changed$wt[3] <- 2.33
  expect_refusal(again(changed), "this is not the model that was fitted in R ")
  expect_error(again(changed), "is [0-9.-]+ there and [0-9.-]+ here, a relative difference of ")
  expect_refusal(
    again(mtcars, "mpg ~ wt"),
    "its coefficients are (Intercept), wt, cyl, and here (Intercept), wt"
  )
  expect_refusal(again(mtcars, fit = c(NA, fitted$fit[-1])), "is NA there and ")
  other <- fitted$predictors
  other[[2]]$kind <- "integer"
  expect_refusal(
    again(mtcars, predictors = other),
    "fitted.json has for 'cyl' the kind integer, and here it has numeric"
  )
  other[[2]]$name <- "hp"
  expect_refusal(
    again(mtcars, predictors = other),
    "fitted.json has the predictors wt, hp, and the formula has wt, cyl"
  )
})

test_that("rows that this R can't predict are told", {
  fit <- lm(mpg ~ wt + factor(cyl), mtcars)
  fitted <- fitted_of(fit, mtcars, has_data = TRUE)
  fitted$rows[[2]][1] <- 5
  said <- "R can't predict for its rows here: factor factor(cyl) has new level"
  expect_refusal(train_quietly(mtcars, "mpg ~ wt + factor(cyl)", fitted = fitted), said)
})

test_that("contrasts as columns of numbers are those of lm()", {
  columns <- list(a = c(-1, 0, 1), b = c(1, -2, 1))
  data <- transform(mtcars, cyl = factor(cyl))
  trained <- train_quietly(data, "mpg ~ cyl + wt", contrasts = list(cyl = columns))
  fit <- lm(mpg ~ cyl + wt, data, contrasts = list(cyl = do.call(cbind, columns)))
  expect_equal(trained$model$coefficients, coef(fit))
  expect_named(coef(fit), c("(Intercept)", "cyla", "cylb", "wt"))
  short <- list(a = c(-1, 0, 1), b = c(1, -1))
  said <- "contrasts: the columns a, b must have a number for each level"
  expect_refusal(train_quietly(data, "mpg ~ cyl", contrasts = list(cyl = short)), said)
  said <- "wrong number of contrast matrix rows"
  expect_refusal(train_quietly(data, "mpg ~ cyl", contrasts = list(cyl = short[2])), said)
  one <- train_quietly(data, "mpg ~ cyl", contrasts = list(cyl = columns[1]))
  fit <- lm(mpg ~ cyl, data, contrasts = list(cyl = cbind(a = c(-1, 0, 1))))
  expect_equal(one$model$coefficients, coef(fit))
  expect_true(one$model$proof$fast)
})

test_that("the squares of what is kept of residuals add up to their sum", {
  for (rss in c(0, 1e-300, 2, 1 / 3, 234.07769651570041, 1e300)) {
    expect_identical(sum(of_sum_of_squares(rss)^2), rss)
  }
})
