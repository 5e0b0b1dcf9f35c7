plots_of <- function(data, formula, ...) {
  folder <- tempfile()
  dir.create(folder)
  train_quietly(data, formula, plots = folder, ...)
  list.files(folder)
}
all_plots <- c(
  "fit.svg",
  "normal_qq.svg",
  "residuals_vs_fitted.svg",
  "residuals_vs_leverage.svg",
  "scale_location.svg"
)

formulas <- c(
  "mpg ~ wt",
  "mpg ~ wt + hp",
  "mpg ~ factor(gear)",
  "mpg ~ as.factor(gear)",
  "mpg ~ ordered(gear)",
  "mpg ~ interaction(gear, am)",
  "mpg ~ interaction(gear)",
  "mpg ~ interaction(gear, gear, gear)",
  "log(mpg) ~ log(wt)",
  "mpg ~ day",
  "fast ~ wt",
  "mpg ~ 1"
)
for (formula in formulas) {
  test_that(paste("it is drawn:", formula), {
    data <- transform(cars_data, day = as.Date("2024-01-01") + 0:31)
    expect_identical(plots_of(data, formula), all_plots)
  })
}

test_that("of an exact fit only the fit is drawn, and it is told", {
  data <- data.frame(x = 1:4, y = c(2, 4, 6, 8))
  suppressWarnings(
    expect_warning(
      plots <- plots_of(data, "y ~ x"),
      "the fit is exact: there are no residuals to draw"
    ),
    classes = "simpleWarning"
  )
  expect_identical(plots, "fit.svg")
})

test_that("of many rows some are drawn, also where these lack a level", {
  data <- data.frame(x = 1:9000, y = 1:9000 + sin(1:9000), g = rep(c("a", "b"), c(8999, 1)))
  expect_identical(plots_of(data, "y ~ x", subset = "x > 10"), all_plots)
  expect_identical(
    suppressWarnings(plots_of(transform(data, g = replace(g, 2:3, "b")), "y ~ x + g")),
    all_plots
  )
})

test_that("a plot that can't be drawn does not stop a training", {
  folder <- tempfile()
  dir.create(folder)
  expect_warning(
    write_svg(folder, "fit", function() stop("need finite 'ylim' values")),
    "plot fit can't be drawn: need finite 'ylim' values"
  )
  expect_identical(list.files(folder), character())
})
