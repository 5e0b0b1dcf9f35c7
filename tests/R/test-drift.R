test_that("the Wasserstein distance is the area between the distribution functions", {
  expect_equal(wasserstein(c(0, 1, 3), c(5, 6, 8)), 5) # each value moves by 5
  expect_equal(wasserstein(c(0, 1), c(0, 1, 2)), 1 / 6 + 1 / 3)
  expect_equal(wasserstein(c(2, 2, 7), c(7, 2, 2)), 0)
  x <- c(3.1, 0.2, 5, 5, 9)
  y <- c(1, 4, 2.5, 8, 7)
  expect_equal(wasserstein(x, y), mean(abs(sort(x) - sort(y)))) # of samples of one size
})

test_that("the Jensen-Shannon distance is the root of the divergence", {
  expect_equal(jensen_shannon(c(3, 0), c(0, 8)), sqrt(log(2)))
  expect_equal(jensen_shannon(c(2, 6), c(1, 3)), 0)
  of_p <- 0.5 * log(0.5 / 0.375) + 0.5 * log(0.5 / 0.625)
  of_q <- 0.25 * log(0.25 / 0.375) + 0.75 * log(0.75 / 0.625)
  expect_equal(jensen_shannon(c(1, 1), c(1, 3)), sqrt((of_p + of_q) / 2))
})

test_that("a reduced distribution is nowhere more than 1/2000 off", {
  for (values in list(sin(1:12345)^3, rep(1:7, 1000)^2, as.numeric(1:1001))) {
    reduced_values <- reduced(values)
    expect_length(reduced_values, 1000)
    expect_true(all(reduced_values %in% values))
    expect_lte(max(abs(ecdf(values)(values) - ecdf(reduced_values)(values))), 1 / 2000 + 1e-12)
  }
  expect_identical(reduced(c(3, 1, 2)), c(1, 2, 3))
})

test_that("the distributions of predictors are as a request would send them", {
  data <- transform(
    cars_data,
    cylinders = factor(cylinders, c("ten", "four", "six", "eight")),
    day = as.Date("2024-01-01") + 0:31,
    w = rep(c(1, 0), c(30, 2))
  )
  trained <- suppressWarnings(train_quietly(
    data,
    "mpg ~ wt + cylinders + fast + day",
    weights = "w"
  ))
  used <- data[1:30, ]
  expect_identical(names(trained$distributions), c("wt", "cylinders", "fast", "day"))
  expect_equal(
    trained$distributions$wt,
    list(n = 30L, sd = sd(used$wt), values = I(sort(used$wt)))
  )
  expect_identical(
    trained$distributions$cylinders,
    list(codes = I(1:3), counts = I(as.vector(table(used$cylinders))[-1]))
  )
  expect_identical(
    trained$distributions$fast,
    list(codes = I(0:1), counts = I(as.vector(table(used$fast))))
  )
  expect_equal(trained$distributions$day$values, I(19723 + 0:29))
})

trained_cars <- function() {
  model <- lm(mpg ~ wt + cylinders + fast, cars_data)
  distributions(model, cars_data)
}

compared <- function(asked, trained = trained_cars()) {
  rows <- length(asked[[1]])
  check_drift(trained, asked, rep(FALSE, rows), rep(1L, rows))$predictors
}

test_that("few rows are tested, and the p-values corrected by Holm", {
  asked <- list(wt = cars_data$wt[1:20] + 1, cylinders = rep(1:3, 10)[1:20], fast = rep(0:1, 10))
  found <- compared(asked)
  trained <- trained_cars()
  of_wt <- suppressWarnings(ks.test(asked$wt, cars_data$wt))
  of_fast <- suppressWarnings(chisq.test(rbind(c(10, 10), trained$fast$counts), correct = FALSE))
  set.seed(1)
  of_cylinders <- chisq.test(
    rbind(trained$cylinders$counts, tabulate(asked$cylinders)),
    simulate.p.value = TRUE,
    B = 9999
  )
  statistics <- vapply(found, `[[`, 0, "statistic")
  expect_equal(statistics[["wt"]], of_wt$statistic[[1]])
  expect_equal(statistics[["fast"]], of_fast$statistic[[1]])
  expect_equal(statistics[["cylinders"]], of_cylinders$statistic[[1]])
  raw <- c(wt = of_wt$p.value, of_cylinders$p.value, of_fast$p.value)
  expect_equal(unname(vapply(found, `[[`, 0, "p_value")), unname(p.adjust(raw, "holm")))
})

test_that("of many rows, now and in training, the distance counts", {
  found <- function(n, rows) {
    trained <- list(wt = list(n = n, sd = 2, values = seq_len(min(n, 1000)) / 1000))
    compared(list(wt = seq_len(rows) / 1000 + 1), trained)$wt
  }
  expect_true(found(1000L, 1000)$many)
  expect_equal(found(1000L, 1000)$distance, 0.5)
  expect_false(found(999L, 5000)$many)
  expect_false(found(5000L, 999)$many)
  expect_lt(found(1000L, 1000)$p_value, 1e-10)
})

test_that("a number that was always the same has a distance, too", {
  constant <- distributions(
    lm(mpg ~ I(0 * vs), transform(mtcars, vs = 3)),
    transform(mtcars, vs = 3)
  )
  expect_equal(distance(constant$vs, c(3, 5)), 1)
  one_row <- distributions(lm(mpg ~ 0 + wt, mtcars[1, ]), mtcars[1, ])
  expect_identical(one_row$wt$sd, 0)
})

test_that("what can't be compared is not", {
  found <- compared(list(wt = NaN, cylinders = NaN, fast = NaN))
  for (one in found) {
    expect_identical(
      one[c("rows", "p_value", "distance")],
      list(
        rows = 0L,
        p_value = NA_real_,
        distance = NA_real_
      )
    )
  }
  one_level <- list(fast = list(codes = 0:1, counts = c(0, 8)))
  expect_identical(compared(list(fast = c(1, 1)), one_level)$fast$p_value, NA_real_)
})

test_that("accuracy is the RMSE and the share that the intervals cover", {
  labelled <- list(
    observed = c(1, 2, 3, NaN, 9),
    fit = c(1, 1, 5, 1, 9),
    lower = c(0, 0, 4, 0, NaN),
    upper = c(2, 3, 6, 2, 9)
  )
  found <- accuracy(labelled)
  expect_identical(found$rows, 3L)
  expect_equal(found$rmse, sqrt((0 + 1 + 4) / 3))
  expect_equal(found$rmse_lower, sqrt(5 / qchisq(0.975, 3)))
  expect_equal(found$rmse_upper, sqrt(5 / qchisq(0.025, 3)))
  limits <- as.vector(binom.test(2, 3)$conf.int)
  expect_equal(found$coverage, list(share = 2 / 3, lower = limits[1], upper = limits[2]))
  without <- accuracy(labelled[c("observed", "fit")])
  expect_identical(without$rows, 4L)
  expect_null(without$coverage)
  expect_null(accuracy(lapply(labelled, function(values) NaN * values)))
})

test_that("differences are summed up by their amounts", {
  found <- differences(c(-3, 1, NaN, 2))
  expect_equal(found, as.list(c(median = 2, most = quantile(1:3, 0.95)[[1]], max = 3)))
  expect_null(differences(NaN))
})

test_that("a response that is no number is refused", {
  expect_equal(response_of(mtcars, "log(mpg) ~ wt", list()), log(mtcars$mpg))
  expect_refusal(response_of(cars_data, "am ~ wt", list()), "the response, am, is not a number")
  expect_refusal(response_of(mtcars["mpg"], "mpg ~ wt", list()), "wt")
  expect_refusal(response_of(mtcars, "mpg ~ wt", list(wt = "column 'wt': 1,500")), "1,500")
})
