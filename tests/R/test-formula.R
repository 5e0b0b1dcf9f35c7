columns <- c("mpg", "wt", "hp", "top speed")

passes <- c(
  "mpg ~ wt",
  "mpg ~ .",
  "log(mpg) ~ wt + poly(hp, 2)",
  "mpg ~ 0 + wt * hp",
  "mpg ~ wt %in% hp - 1",
  "mpg ~ splines::ns(wt, 3) + stats::poly(hp, 2)",
  "mpg ~ bs(wt, knots = c(2, 3))",
  "mpg ~ `top speed` + I(`top speed`^2)",
  "mpg ~ offset(hp) + ifelse(wt > 3 & !(hp < 100), wt, 0)",
  "mpg ~ cut(wt, seq(0, 10, 2), labels = NULL)",
  "mpg ~ poly(wt, 2, raw = TRUE) + C(hp, contr = 'contr.sum')"
)
for (text in passes) {
  test_that(paste("it passes:", text), {
    formula <- read_formula(text, columns)
    expect_s3_class(formula, "formula")
    expect_identical(formula, as.formula(text, globalenv()))
    expect_identical(environment(formula), globalenv())
  })
}

notation <- "this is not R's formula notation; write it like 'time ~ distance'"
parts <- "a formula has a response, one '~' and its predictors, like 'time ~ distance'"
refused <- list(
  list("", notation),
  list("mpg ~", notation),
  list("mpg ~ wt; hp", notation),
  list("mpg ~ wt)", notation),
  list("mpg", parts),
  list("~ wt", parts),
  list("mpg <- wt", parts),
  list("mpg ~ wt ~ hp", "there may be only one '~'"),
  list("mpg ~ nope", "the data have no column 'nope'; their columns are mpg, wt, hp, top speed"),
  list("mpg ~ system('ls')", "'system' is not one of the functions a formula may use: ~, +"),
  list("mpg ~ log(eval(wt))", "'eval' is not one of the functions a formula may use: ~, +"),
  list("mpg ~ stats::lm(wt)", "'lm' is not one of the functions"),
  list("mpg ~ utils::head(wt)", "'utils::head' is not one of the functions"),
  list("mpg ~ stats:::poly(wt, 2)", "'stats:::poly' is not one of the functions"),
  list("mpg ~ (function(x) x)(wt)", "'(function(x) x)' is not one of the functions"),
  list("mpg ~ {wt}", "'{' is not one of the functions"),
  list("mpg ~ wt[1]", "'[' is not one of the functions"),
  list("mpg ~ mtcars$wt", "'$' is not one of the functions"),
  list("mpg ~ (wt <- hp)", "'<-' is not one of the functions"),
  list("mpg ~ prepare_predict(wt)", "'prepare_predict' is not one of the functions"),
  list("system('ls') ~ wt", "'system' is not one of the functions")
)
for (case in refused) {
  test_that(paste("it is refused:", case[[1]]), {
    expect_refusal(
      read_formula(case[[1]], columns),
      paste0("formula '", case[[1]], "': ", case[[2]])
    )
  })
}

test_that("what is refused is not run", {
  path <- tempfile()
  text <- paste0("mpg ~ wt + file.create('", path, "')")
  expect_error(read_formula(text, columns), class = "refusal")
  expect_false(file.exists(path))
})

test_that("a name that is not a column is no formula's", {
  expect_refusal(read_formula("mpg ~ cars_data", columns), "the data have no column 'cars_data'")
})
