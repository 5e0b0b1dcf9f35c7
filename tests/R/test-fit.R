some_missing <- transform(
  mtcars,
  wt = replace(wt, c(3, 9), NA),
  hp = replace(hp, 9, NA),
  row.names = NULL
)
quiet <- function(...) suppressWarnings(train_quietly(...))

expect_same_fit <- function(trained, model, names = TRUE) {
  info <- trained$info
  expect_identical(info$n, nobs(model))
  expect_identical(unname(coef(trained$model)), unname(coef(model)))
  if (names) {
    expect_named(coef(trained$model), names(coef(model)))
  }
  expect_identical(info$sigma, sigma(model))
  expect_identical(info$aic, AIC(model))
}

for (formula in c(
  "mpg ~ wt + hp",
  "mpg ~ ns(wt, 3) + scale(qsec)",
  "mpg ~ bs(qsec, df = 5) + wt"
)) {
  test_that(paste("rows with a missing value are left out as lm() does:", formula), {
    expect_same_fit(train_quietly(some_missing, formula), lm(as.formula(formula), some_missing))
  })
}

test_that("the rows that are left out are counted and told", {
  rows <- train_quietly(some_missing, "mpg ~ wt + hp")$info$rows
  expect_identical(
    rows,
    list(
      read = 32L,
      used = 30L,
      omitted = 2L,
      missing_by_column = list(hp = 1L, wt = 2L),
      nan_by_term = setNames(list(), character()),
      zero_weight = 0L,
      outside_subset = 0L
    )
  )
  expect_message(
    train(some_missing, "mpg ~ wt + hp"),
    "30 of 32 rows are used; 2 are left out: 'hp' is missing in 1, 'wt' is missing in 2",
    fixed = TRUE
  )
})

test_that("what is told of observations is told of those that were fitted", {
  data <- transform(some_missing, wt = replace(wt, 1, NA))
  info <- train_quietly(data, "mpg ~ wt")$info
  expect_identical(info$wt_values, I(na.omit(data$wt)[1:29]))
  expect_identical(info$example, list(wt = data$wt[2]))
  expect_identical(
    lengths(info[c("residuals", "observations")]),
    c(residuals = 29L, observations = 29L)
  )
})

test_that("a missing value can be refused instead", {
  expect_refusal(
    train_quietly(some_missing, "mpg ~ log(qsec - 17) + wt + hp", na = "refuse"),
    paste(
      "11 of 32 rows would be left out: 'hp' is missing in 1, 'wt' is missing in 2,",
      "'log(qsec - 17)' is not a number in 9; fill them in, or set na = \"omit\""
    )
  )
  expect_no_error(train_quietly(mtcars, "mpg ~ wt", na = "refuse"))
})

test_that("a term that is not a number is told apart from what is missing", {
  formula <- "mpg ~ log(qsec - 17) + wt"
  expect_warning(
    trained <- train_quietly(some_missing, formula),
    "'log(qsec - 17)' is not a number (NaN) in 9 rows, which are left out",
    fixed = TRUE
  )
  expect_identical(trained$info$rows$nan_by_term, list("log(qsec - 17)" = 9L))
  expect_same_fit(trained, suppressWarnings(lm(as.formula(formula), some_missing)))
})

test_that("weights that are not a number leave their rows out", {
  trained <- quiet(mtcars, "mpg ~ wt", weights = "log(qsec - 17)", subset = "qsec < 17 | qsec > 18")
  expect_identical(trained$info$rows$nan_by_term, list("log(qsec - 17)" = 9L))
})

test_that("poly() of a column with missing values is fitted to the other rows", {
  expect_warning(
    trained <- train_quietly(some_missing, "mpg ~ stats::poly(wt, 2) + qsec"),
    "stats::poly(wt, 2) can't take missing values: the 2 rows",
    fixed = TRUE
  )
  expect_same_fit(trained, lm(mpg ~ poly(wt, 2) + qsec, some_missing[-c(3, 9), ]), names = FALSE)
  expect_identical(trained$info$rows$missing_by_column, list(wt = 2L))
})

test_that("stepwise selection compares fits to the same rows", {
  capture.output(
    expect_warning(
      trained <- train_quietly(some_missing, "mpg ~ wt + hp + qsec + am", stepwise = "both"),
      "stepwise selection compares fits to the 30 rows in which no column",
      fixed = TRUE
    ),
    model <- step(lm(mpg ~ wt + hp + qsec + am, na.omit(some_missing)))
  )
  expect_same_fit(trained, model)
  expect_identical(trained$info$rows$omitted, 2L)
})

test_that("stepwise selection with contrasts, and of a fit that is exact", {
  arguments <- list(
    cars_data,
    "mpg ~ wt + am",
    contrasts = list(am = "contr.sum"),
    stepwise = "both"
  )
  capture.output(trained <- do.call(train_quietly, arguments))
  expect_identical(trained$info$formula, "mpg ~ wt")
  expect_refusal(
    quiet(data.frame(y = 1:4, x = 1:4), "y ~ x", stepwise = "both"),
    "stepwise = 'both': R's step() can't go on: AIC is -infinity"
  )
})

test_that("weights and subset are expressions of the columns", {
  trained <- quiet(mtcars, "mpg ~ wt", weights = "1 / hp^2", subset = "qsec > 17 & am == 0")
  expect_same_fit(trained, lm(mpg ~ wt, mtcars, subset = qsec > 17 & am == 0, weights = 1 / hp^2))
  expect_identical(trained$info$rows$outside_subset, 16L)
  expect_identical(trained$info$rows$used, 16L)
})

test_that("contrasts and ordered factors are R's", {
  factors <- list(cylinders = c("four", "six", "eight"))
  data <- transform(cars_data, cylinders = factor(cylinders, factors$cylinders))
  expect_same_fit(
    train_quietly(
      cars_data,
      "mpg ~ cylinders",
      factors = factors,
      contrasts = list(cylinders = "contr.sum")
    ),
    lm(mpg ~ cylinders, data, contrasts = list(cylinders = "contr.sum"))
  )
  trained <- train_quietly(cars_data, "mpg ~ cylinders", factors = factors, ordered = "cylinders")
  expect_same_fit(trained, lm(mpg ~ ordered(cylinders), data), names = FALSE)
  expect_true(trained$info$predictors[[1]]$ordered)
})

failures <- list(
  list("y ~ log(x)", "'log(x)' is not finite in row 2 (x = 0); leave such rows out by a subset"),
  list("y ~ I(1 / zeros)", "'I(1/zeros)' is not finite in 3 rows, the first is row 1 (zeros = 0)"),
  list("y ~ big", "column 'big': row 3 has Inf; correct it, or leave the field empty"),
  list("y ~ one", "'one' has one level only, 'a', in the rows used; leave it out"),
  list("y ~ none + x", "each of the 6 rows lacks a value: 'none' in 6"),
  list(
    "y ~ sqrt(text)",
    "R can't work out 'sqrt(text)': non-numeric argument to mathematical function (text: text)"
  ),
  list(
    "y ~ sqrt(day)",
    "R can't work out 'sqrt(day)': sqrt not defined for \"Date\" objects; write as.numeric(day)"
  ),
  list(
    "y ~ poly(x, 9)",
    "R can't work out 'poly(x, 9)': 'degree' must be less than number of unique points"
  ),
  list(
    "y ~ text",
    "6 observations are not enough for 6 coefficients; at least 7 are needed; column 'text' has 6 different texts in 6 rows: leave it out, or group it"
  ),
  list(
    "y ~ x * zeros + I(x^2) + I(x^3)",
    "6 observations are not enough for 6 coefficients; at least 7 are needed"
  ),
  list("y ~ 0 + offset(x)", "the model has no coefficients to estimate")
)
for (case in failures) {
  test_that(paste("what lm() can't fit is told in our words:", case[[1]]), {
    data <- data.frame(
      y = c(1, 3, 2, 5, 4, 9),
      x = c(1, 0, 2, 3, 5, 7),
      zeros = c(0, 1, 0, 2, 0, 3),
      big = c(1, 2, Inf, 4, 5, 6),
      one = "a",
      none = NA,
      text = letters[1:6],
      day = as.Date("2024-01-01") + 1:6
    )
    expect_refusal(quiet(data, case[[1]]), case[[2]])
  })
}

test_that("where too few rows are left, it is told which are not", {
  data <- data.frame(y = 1:3, x = c(1, NA, 3))
  expect_refusal(
    quiet(data, "y ~ x"),
    "2 observations are not enough for 2 coefficients; at least 3 are needed; 'x' is missing in 1"
  )
})

test_that("what else R says stands behind the formula", {
  request <- read_request(mtcars, "mpg ~ wt")
  expect_identical(
    explain_failure(request, mtcars, "no idea"),
    "formula 'mpg ~ wt': R's lm() can't fit it: no idea"
  )
})
