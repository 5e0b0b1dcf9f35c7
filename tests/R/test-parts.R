# Rows sorted by a factor, so that most parts lack most levels.
parts_data <- local({
  set.seed(18)
  n <- 4000
  data <- data.frame(
    g = sort(sample(c("b", "a", "D", "c"), n, TRUE)),
    x = round(rexp(n), 3) + 0.1,
    z = runif(n, -2, 5),
    k = sample(c(4L, 6L, 8L), n, TRUE),
    h = sample(c("low", "high"), n, TRUE),
    is_new = runif(n) > 0.3,
    day = as.Date("2024-01-01") + sample(0:200, n, TRUE),
    w = round(runif(n), 2) + 0.01,
    unused = seq_len(n)
  )
  data$y <- with(data, exp(2 + 0.3 * x + 0.1 * z - (g == "a") + rnorm(n) * 0.2))
  data
})
permuted <- parts_data[sample(nrow(parts_data)), ]
attr(permuted, "row.names") <- .set_row_names(nrow(permuted))
some_ends <- c(300, 301, 301, 1200, 1900, 3995) # seven parts, one of them empty
partitionings <- list(
  "1" = numeric(),
  "2" = 1700,
  "3" = c(10, 3990),
  "20" = cumsum(c(1, 5, 700, 3, 3, 0, 900, 50, 2, 800, 20, 60, 70, 80, 1, 1, 1, 4, 9)),
  "50" = round(seq(80, 3920, length.out = 49))
)

# Numbers are as near as is promised; names, levels and ranges are the same.
expect_as_in_memory <- function(found, whole) {
  info <- found$trained$info
  of <- function(trained, name) vapply(trained$info$coefficients, `[[`, 0, name)
  errors <- of(whole, "std_error")
  expect_lte(
    max(abs(of(found$trained, "estimate") - of(whole, "estimate")) / errors, na.rm = TRUE),
    1e-9
  )
  expect_near(of(found$trained, "std_error"), errors, 1e-10)
  for (name in c("sigma", "aic", "bic", "press_rmse", "f_statistic", "r_squared")) {
    expect_near(info[[name]], whole$info[[name]], 1e-10)
  }
  diagnostics <- whole$info$diagnostics
  expect_near(info$diagnostics$cooks_distance, diagnostics$cooks_distance, 1e-10)
  expect_near(info$diagnostics$breusch_pagan_fitted, diagnostics$breusch_pagan_fitted, 1e-8)
  expect_near(info$diagnostics$shapiro_wilk, diagnostics$shapiro_wilk, 1e-8)
  expect_lte(max(abs(unlist(info$residuals) - unlist(whole$info$residuals))), 2e-6) # of 6 decimals
  expect_equal(info$fitted_values, whole$info$fitted_values, tolerance = 1e-6)
  rounded <- c("residuals", "fitted_values", "call", "diagnostics")
  rest <- setdiff(names(whole$info), rounded)
  expect_identical(names(info), names(whole$info))
  expect_equal(info[rest], whole$info[rest], tolerance = 1e-6)
  same <- c("rows", "predictors", "example", "observations", "formula", "formula_given", "n")
  expect_identical(info[same], whole$info[same])
  expect_identical(found$trained$summary, whole$summary)
  model <- found$trained$model
  same <- c("xlevels", "contrasts", "predictors", "rank", "df.residual", "fewest_rows", "call")
  expect_identical(model[same], whole$model[same])
  expect_identical(model$qr$pivot, whole$model$qr$pivot)
  expect_identical(model$proof$rows, whole$model$proof$rows)
  expect_identical(model$proof$fast, whole$model$proof$fast)
  expect_equal(model$terms, whole$model$terms, tolerance = 1e-10)
  expect_equal(found$trained$live_press_rmse, whole$live_press_rmse, tolerance = 1e-10)
}

compare_ways <- function(data, ..., ends = some_ends) {
  capture.output({
    whole <- suppressWarnings(train_quietly(data, ...))
    found <- fit_in_parts_quietly(data, ends, ...)
  })
  expect_as_in_memory(found, whole)
}

formulas_in_parts <- c(
  "y ~ x + z",
  "y ~ g",
  "y ~ g * x + factor(k)",
  "y ~ poly(x, 3) + z",
  "y ~ poly(z, 10)",
  "y ~ ns(x, df = 4) + g",
  "y ~ bs(z, 5) * h",
  "log(y) ~ scale(x) + offset(0.3 * z) + g",
  "y ~ . - unused - day",
  "y ~ x + I(2 * x) + g",
  "y ~ interaction(h, k) + is_new + weekdays(day)",
  "sqrt(y) ~ cut(z, c(-3, 0, 2, 6)) + h - 1"
)
ends_in_turn <- rep_len(partitionings, 2 * length(formulas_in_parts))
for (formula in formulas_in_parts) {
  for (weights in list(NULL, "w")) {
    ends <- ends_in_turn[[1]]
    ends_in_turn <- ends_in_turn[-1]
    test_that(paste("in parts it is as in memory:", formula, weights), {
      compare_ways(parts_data, formula, weights = weights)
      compare_ways(permuted, formula, weights = weights, ends = ends)
    })
  }
}

for (name in names(partitionings)) {
  test_that(paste("the number of parts does not matter:", name), {
    ends <- partitionings[[name]]
    compare_ways(parts_data, "y ~ g + poly(x, 2) + ns(z, 3)", weights = "w", ends = ends)
  })
}

test_that("nor does how they are merged", {
  whole <- suppressWarnings(train_quietly(permuted, "y ~ g * x"))
  for (fan_in in c(2, 7)) {
    found <- fit_in_parts_quietly(permuted, some_ends, "y ~ g * x", fan_in = fan_in)
    expect_as_in_memory(found, whole)
  }
})

test_that("quartiles are exact", {
  fit <- fit_in_parts_quietly(parts_data, some_ends, "y ~ g + x", weights = "w")$fit
  model <- lm(y ~ g + x, parts_data, weights = w)
  near <- function(found, values) {
    expect_lte(max(abs(found - as.numeric(summary(values)))), 1e-10 * sigma(model))
  }
  near(fit$summaries$series$residuals, residuals(model))
  near(fit$summaries$series$fitted, fitted(model))
  near(fit$summaries$series$weighted, weighted.residuals(model))
  expect_near(fit$summaries$columns$x, as.numeric(summary(parts_data$x)), 1e-15)
})

test_that("quantiles are exact whatever the parts were thinned to", {
  set.seed(1)
  values <- list(rexp(30000), rep(c(3, 0.1), 20000), rnorm(50), rcauchy(40000))
  sketches <- lapply(values, sketch)
  merged <- merge_sketches(list(merge_sketches(sketches[1:2]), merge_sketches(sketches[3:4])))
  all <- unlist(values)
  probabilities <- c(0, 0.001, 0.25, 0.5, 0.75, 0.9, 1)
  intervals <- bracket(merged, length(all), probabilities)
  gathered <- merge_gathered(lapply(values, gather, intervals))
  expect_identical(
    gathered_quantiles(gathered, length(all), probabilities),
    quantile(all, probabilities, names = FALSE)
  )
  expect_lt(sum(vapply(gathered, function(one) length(one$values), 0L)), 5000)
  near <- ecdf(all)(sketched_quantiles(merged, c(0.1, 0.3, 0.7)))
  expect_lte(max(near - c(0.1, 0.3, 0.7)), merged$error / length(all) + 0.16) # 3 is in a sixth
})

with_gaps <- transform(
  parts_data,
  x = replace(x, c(7, 900:1000, 2500), NA),
  h = replace(h, c(8, 900), NA),
  w = replace(w, c(1:3, 2000:2010), 0),
  far = replace(day, 4000, NA)
)

formulas_with_gaps <- c(
  "y ~ x + h",
  "y ~ poly(x, 2) + h",
  "y ~ scale(x) + log(z) + ns(x, 4)",
  "y ~ far + g",
  "y ~ h:x + is_new"
)
for (formula in formulas_with_gaps) {
  test_that(paste("rows are left out and counted as in memory:", formula), {
    compare_ways(with_gaps, formula)
    compare_ways(with_gaps, formula, weights = "w", subset = "z > -1 & k < 8")
  })
}

test_that("factors, their order and contrasts are as they were asked for", {
  asked <- list(
    factors = list(k = character(), g = c("a", "b", "c", "D", "none"), h = character()),
    ordered = "k",
    contrasts = list(g = "contr.sum")
  )
  ask <- function(formula) do.call(compare_ways, c(list(parts_data, formula), asked))
  ask("y ~ k + g + x")
  ask("y ~ k * g + relevel(h, ref = 'low')")
})

test_that("terms are chosen as step() chooses them", {
  for (direction in c("both", "backward", "forward")) {
    compare_ways(with_gaps, "y ~ g * x + z + h + k", stepwise = direction)
  }
  compare_ways(parts_data, "y ~ g + x + unused", stepwise = "both", weights = "w")
  refused <- "of data in parts, it takes neither an offset nor a formula without an intercept"
  for (formula in c("y ~ g - 1", "y ~ x + offset(z)")) {
    expect_error(plan_parts(names(parts_data), formula, stepwise = "both"), refused)
  }
  nothing <- transform(parts_data, y = z)
  expect_error(
    fit_in_parts_quietly(transform(nothing, y = sin(x * 1e6)), 2000, "y ~ x", stepwise = "both"),
    "dropped every predictor"
  )
})

test_that("the live version's formula is fitted in the same passes", {
  compare_ways(with_gaps, "y ~ g", live_formula = "y ~ x * h", live_weights = "w")
  compare_ways(with_gaps, "y ~ ns(x, 3)", live_formula = "y ~ z")
  compare_ways(with_gaps, "y ~ g", live_formula = "y ~ g")
  expect_named(plan_parts(names(parts_data), "y ~ g", live_formula = "y ~ g")$fits, "main")
  for (formula in c("y ~ nope", "y ~ log(z - 10)", "y ~ 0 + offset(z)", "y ~ g + log(k - 4)")) {
    found <- fit_in_parts_quietly(with_gaps, some_ends, "y ~ x", live_formula = formula)
    expect_null(found$trained$live_press_rmse)
  }
})

test_that("few rows are fitted in memory", {
  few <- with_gaps[1:950, ]
  asked <- list(formula = "y ~ x + h", live_formula = "y ~ z", factors = list(h = character()))
  expect_identical(
    do.call(fit_in_parts_quietly, c(list(few, c(3, 500)), asked))$trained,
    suppressWarnings(do.call(train_quietly, c(list(few), asked)))
  )
})

test_that("plots are drawn of some rows", {
  folder <- tempfile()
  dir.create(folder)
  fit_in_parts_quietly(parts_data, some_ends, "y ~ x + g", plots = folder)
  expect_length(list.files(folder), 5)
})
