# Run by testthat before the tests: Rscript -e 'testthat::test_dir("tests/R")'

for (path in list.files("../../lm_app/R", pattern = "[.]R$", full.names = TRUE)) {
  sys.source(path, environment())
}
prepare_session()

cars_data <- transform(
  mtcars,
  am = ifelse(am == 1, "manual", "automatic"),
  cylinders = c("four", "six", "eight")[cyl / 2 - 1],
  fast = qsec < 17.6
)

train_quietly <- function(data, formula, ...) {
  suppressMessages(train(data, formula, ...))
}

expect_refusal <- function(object, message) {
  expect_error(object, message, fixed = TRUE, class = "refusal")
}

prepare_quietly <- function(model) suppressWarnings(prepare_predict(model))
