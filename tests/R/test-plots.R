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
    write_svg(folder, "fit", "Fit", function() stop("need finite 'ylim' values")),
    "plot fit can't be drawn: need finite 'ylim' values"
  )
  expect_identical(list.files(folder), character())
})

drawn <- function(data, formula, name = "fit", ...) {
  folder <- tempfile()
  dir.create(folder)
  train_quietly(data, formula, plots = folder, ...)
  paste(readLines(file.path(folder, paste0(name, ".svg")), encoding = "UTF-8"), collapse = "\n")
}
units <- list(mpg = "miles/US gallon", wt = "1000 lb & more")

test_that("a plot has its title, its units and its text, and follows the dark", {
  fit <- drawn(mtcars, "mpg ~ wt", title = "Fuel <b> caf\u00e9", units = units)
  for (text in c(
    "<title>Fit: Fuel &lt;b> caf\u00e9</title>",
    "<svg role='img'",
    ">Fuel &lt;b&gt; caf\u00e9</text>",
    ">mpg (miles/US gallon)</text>",
    ">wt (1000 lb &amp; more)</text>",
    ">95 % prediction</text>",
    "prefers-color-scheme: dark",
    "currentColor"
  )) {
    expect_match(fit, text, fixed = TRUE)
  }
  expect_no_match(fit, "#FFFFFF|#000000|DejaVu")
  logs <- drawn(mtcars, "log(mpg) ~ wt", "normal_qq", units = units)
  expect_match(logs, ">log(mpg), mpg in miles/US gallon</text>", fixed = TRUE)
  expect_match(logs, "<title>Normal Q-Q</title>", fixed = TRUE)
})

test_that("points are named by the numbers of their rows", {
  svg <- drawn(transform(mtcars, wt = replace(wt, 1:3, NA)), "mpg ~ wt", "residuals_vs_leverage")
  expect_match(svg, ">17</text>", fixed = TRUE) # the Chrysler Imperial
})

test_that("nothing is cut", {
  long <- paste(rep("A title that is longer than the picture is wide", 5), collapse = " ")
  for (name in c("fit", "residuals_vs_leverage")) {
    svg <- drawn(mtcars, "mpg ~ wt + qsec + am", name, title = long, units = units)
    texts <- regmatches(svg, gregexpr("<text x=[^>]*>", svg))[[1]]
    number <- function(what) as.numeric(sub(paste0(".*", what, "='([0-9.-]+).*"), "\\1", texts))
    anchor <- ifelse(grepl("'middle'", texts), 0.5, ifelse(grepl("'end'", texts), 1, 0))
    begins <- number(" x") - anchor * number("textLength")
    expect_gte(min(begins), 0)
    expect_lte(max(begins + number("textLength")), 504)
    expect_lte(max(number(" y")), 360)
  }
})

test_that("without svglite text is shapes, and the rest is as with it", {
  kept <- has_svglite
  has_svglite <<- function() FALSE
  on.exit(has_svglite <<- kept)
  svg <- drawn(mtcars, "mpg ~ wt", title = "Fuel")
  expect_no_match(svg, "<text")
  expect_match(svg, "<title>Fit: Fuel</title>", fixed = TRUE)
  expect_match(svg, "currentColor", fixed = TRUE)
  expect_no_match(svg, "rgb(0%,0%,0%)", fixed = TRUE)
})
