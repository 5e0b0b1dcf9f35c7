days <- as.Date("2024-01-01") + seq_len(32)
data <- transform(cars_data, am = factor(am), cylinders = factor(cylinders), day = days)

formulas <- c(
  "mpg ~ wt",
  "mpg ~ 0 + cylinders / wt + offset(qsec / 3)",
  "log(mpg) ~ poly(hp, 2) + log(wt) + ns(qsec, df = 4) * am",
  "mpg ~ cut(hp, c(0, 100, 200, 400)) + fast + day",
  "mpg ~ factor(gear) + wt + I(2 * wt) + scale(qsec)",
  "mpg ~ splines::bs(wt, 4) + C(cylinders, contr.sum)"
)
models <- c(
  lapply(formulas, function(formula) eval(bquote(lm(.(as.formula(formula)), data)))),
  list(lm(mpg ~ wt + hp, data, weights = qsec, contrasts = NULL))
)

# What predict() gives, warnings aside.
answers <- function(model, observations) {
  suppressWarnings(list(
    predict(model, observations),
    predict(model, observations, interval = "prediction", level = 0.9, se.fit = TRUE),
    predict(model, observations, type = "terms", se.fit = TRUE, interval = "confidence")
  ))
}

test_that("the code makes in a plain R session what predicts the same bits", {
  folder <- tempfile()
  dir.create(folder)
  on.exit(unlink(folder, recursive = TRUE))
  observations <- data[c(3, 9, 20, 31), ]
  for (i in seq_along(models)) {
    writeLines(as_code(strip_for_prediction(models[[i]], data)), file.path(folder, paste0(i, ".R")))
  }
  saveRDS(list(answers, observations, seq_along(models)), file.path(folder, "asked.rds"))
  script <- quote({
    asked <- readRDS("asked.rds")
    environment(asked[[1]]) <- globalenv()
    saveRDS(
      lapply(asked[[3]], function(i) asked[[1]](source(paste0(i, ".R"))$value, asked[[2]])),
      "answers.rds"
    )
  })
  writeLines(deparse(script), file.path(folder, "ask.R"))
  here <- setwd(folder)
  on.exit(setwd(here), add = TRUE, after = FALSE)
  printed <- system2("Rscript", c("--vanilla", "ask.R"), stdout = TRUE, stderr = TRUE)
  expect_identical(readRDS("answers.rds"), lapply(models, answers, observations))
})
