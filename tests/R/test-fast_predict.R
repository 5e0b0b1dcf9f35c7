formulas <- c(
  "mpg ~ wt",
  "mpg ~ wt + hp + qsec",
  "mpg ~ wt + am",
  "mpg ~ fast + wt + cylinders + hp + am",
  "mpg ~ wt * am",
  "mpg ~ wt * fast",
  "mpg ~ am:wt + cylinders",
  "mpg ~ 0 + wt + hp",
  "mpg ~ 0 + cylinders / wt",
  "mpg ~ hp + wt + wt:hp",
  "log(mpg) ~ poly(hp, 2) + log(wt)",
  "mpg ~ poly(wt, 2, raw = TRUE) + cut(hp, c(0, 100, 200, 400))",
  "mpg ~ ns(wt, df = 4) * am",
  "mpg ~ splines::bs(hp, df = 5) + scale(qsec)",
  "mpg ~ wt + offset(qsec)",
  "mpg ~ am + offset(qsec / 3) + offset(hp / 7)",
  "mpg ~ factor(gear) + wt",
  "mpg ~ (wt + hp + cylinders)^2",
  "mpg ~ ifelse(wt > 3, wt, 0) + pmin(hp, 150)"
)
factors <- list(am = c("manual", "automatic"), cylinders = c("eight", "four", "six"))
intervals <- c("none", "confidence", "prediction")

train_cars <- function(formula, ...) {
  used <- factors[names(factors) %in% all.vars(as.formula(formula))]
  suppressWarnings(train_quietly(cars_data, formula, factors = used, ...)) # of leverages of 1
}

# Rows of the training data, with the numbers between those of two rows but where a formula knows
# no others.
observations_for <- function(model, count = 12) {
  data <- cars_data[predictors(model)]
  rows <- round(seq(1, nrow(data), length.out = count))
  picked <- data[rows, , drop = FALSE]
  for (name in setdiff(names(data), "gear")) {
    if (is.numeric(data[[name]])) {
      picked[[name]] <- (data[rows, name] + data[rev(rows), name]) / 2
    } else if (!is.logical(data[[name]])) {
      picked[[name]] <- factor(data[rows, name], factors[[name]])
    }
  }
  picked
}

# As Python does it: one vector of numbers, one column after the other.
encode <- function(data) unlist(lapply(data, as.numeric), use.names = FALSE)

call_fast <- function(prepared, data, interval, level) {
  fast <- prepared$fast
  fast[2:4] <- list(encode(data), interval, level)
  eval(fast, globalenv())
}

for (formula in formulas) {
  test_that(paste("the fast path gives predict()'s bits:", formula), {
    model <- train_cars(formula)$model
    expect_no_warning(prepared <- prepare_predict(model))
    expect_named(prepared, c("fast", "fallback", "more", "unseen", "columns"))
    expect_identical(prepared$columns, length(model$coefficients))
    expect_identical(is_trained(model), TRUE)
    many <- observations_for(model)
    for (data in list(many, many[1, , drop = FALSE], many[7, , drop = FALSE])) {
      for (interval in intervals) {
        level <- if (interval == "confidence") 0.8 else 0.9
        expected <- as.vector(predict(model, data, interval = interval, level = level))
        expect_identical(call_fast(prepared, data, interval, level), expected)
        expect_identical(
          prepared$fallback(encode(data), interval, level),
          list(value = expected, warnings = I(character()))
        )
      }
    }
  })
}

test_that("the slim model predicts what lm() does", {
  trained <- train_cars("mpg ~ wt * am + poly(hp, 2)")
  data <- transform(cars_data, am = factor(am, factors$am))
  model <- lm(mpg ~ wt * am + poly(hp, 2), data)
  for (interval in intervals) {
    expect_equal(
      predict(trained$model, observations_for(model), interval = interval),
      predict(model, observations_for(model), interval = interval),
      tolerance = 1e-13
    )
  }
})

expect_fallback <- function(model) {
  expect_warning(prepared <- prepare_predict(model), "predict() itself answers", fixed = TRUE)
  data <- observations_for(model)
  for (interval in intervals) {
    expect_null(call_fast(prepared, data, interval, 0.9))
    expected <- attempt(function() {
      as.vector(predict(model, data, interval = interval, level = 0.9))
    })
    expect_identical(prepared$fallback(encode(data), interval, 0.9), expected)
  }
}

test_that("predict() answers for a weighted fit, of which it warns", {
  model <- train_cars("mpg ~ wt + hp", weights = "qsec")$model
  expect_fallback(model)
  answer <- prepare_quietly(model)$fallback(encode(observations_for(model)), "prediction", 0.9)
  expect_match(answer$warnings, "Assuming constant prediction variance")
})

test_that("predict() answers for a rank-deficient fit, warning or not", {
  model <- train_cars("mpg ~ wt + I(2 * wt) + hp")$model
  expect_fallback(model)
})

test_that("predict() says which rows a rank-deficient fit does not estimate", {
  data <- transform(cars_data, twice = 2 * wt)
  model <- train_quietly(data, "mpg ~ wt + twice")$model
  fallback <- prepare_quietly(model)$fallback
  expect_match(fallback(c(3, 7), "none", 0.9)$warnings, "rank-deficient")
})

test_that("predict() answers where the fast path disagrees with it", {
  original <- environment(prepare_predict)$fast_path
  on.exit(assign("fast_path", original, environment(prepare_predict)))
  assign("fast_path", function(model) function(x, interval, level) 0, environment(prepare_predict))
  expect_fallback(train_cars("mpg ~ wt")$model)
})

test_that("a level that the fit has not seen is left to predict(), which refuses it", {
  prepared <- prepare_predict(train_cars("mpg ~ factor(gear) + wt")$model)
  unseen <- data.frame(gear = 7, wt = 3)
  expect_null(call_fast(prepared, unseen, "none", 0.9))
  expect_match(
    prepared$fallback(encode(unseen), "none", 0.9)$error,
    "factor(gear) has new level",
    fixed = TRUE
  )
})

test_that("where the fast path would warn, predict() answers, with the warning", {
  prepared <- prepare_predict(train_cars("mpg ~ log(wt)")$model)
  negative <- data.frame(wt = -1)
  expect_null(call_fast(prepared, negative, "none", 0.9))
  answer <- prepared$fallback(encode(negative), "none", 0.9)
  expect_identical(answer, list(value = NaN, warnings = I("NaNs produced")))
})

test_that("only what train() makes is taken for trained", {
  expect_false(is_trained(lm(mpg ~ wt, mtcars)))
  expect_false(is_trained(list()))
})

test_that("the elements of a stored model keep their names", {
  names_on_disk <- c(
    "coefficients",
    "residuals",
    "rank",
    "df.residual",
    "qr",
    "xlevels",
    "contrasts",
    "call",
    "terms",
    "predictors",
    "fewest_rows",
    "r_inverse",
    "proof"
  )
  expect_identical(
    intersect(names_on_disk, names(train_cars("mpg ~ wt + am")$model)),
    names_on_disk
  )
})

test_that("what has no number is for predict() to answer, as it multiplies in another way then", {
  prepared <- prepare_predict(train_cars("mpg ~ I(1 / wt)")$model)
  expect_null(call_fast(prepared, data.frame(wt = c(0, 2)), "none", 0.95))
  expect_identical(prepared$fallback(c(0, 2), "none", 0.95)$value[1], -Inf * -1)
})

test_that("R stops after some seconds, and goes on without a limit", {
  stopped <- attempt(in_seconds, 0.05, function() {
    repeat {
      1
    }
  })
  expect_match(stopped$error, "elapsed time limit")
  expect_identical(attempt(in_seconds, 60, function() 1)$value, 1)
  expect_identical(in_seconds(Inf, function() 1), 1)
})

test_that("the codes of levels that there are not are left to predict()", {
  data <- data.frame(y = c(1, 3, 2, 5, 4, 7), g = factor(rep(c("a", "b", "c"), 2)))
  model <- strip_for_prediction(lm(y ~ g, data), data)
  fast <- fast_path(model)
  expect_length(fast(2, "none", 0.9), 1)
  for (code in c(-1, 0, 4, 524291, NA)) {
    expect_null(tryCatch(fast(code, "none", 0.9), error = function(e) NULL))
  }
})
