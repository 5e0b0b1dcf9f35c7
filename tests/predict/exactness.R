# For each case: write its data, fit it with lm(), and write new observations and R's own
# predictions for them. Rscript exactness.R FOLDER; in it cases.csv with the columns case, data,
# formula, weights, factors, exact.

library(splines)

exactly <- function(x) if (is.double(x)) sprintf("%.17g", x) else as.character(x)

write_columns <- function(columns, folder, file_name) {
  texts <- as.data.frame(lapply(columns, exactly), optional = TRUE)
  write.csv(texts, file.path(folder, file_name), row.names = FALSE)
}

# Observations between two rows, so not rows of the training data.
between <- function(data, rows) {
  between_rows <- data[rows, , drop = FALSE]
  for (name in names(data)) {
    if (is.numeric(data[[name]])) {
      between_rows[[name]] <- (data[rows, name] + data[rev(rows), name]) / 2
    }
  }
  between_rows
}

root <- commandArgs(trailingOnly = TRUE)
cases <- read.csv(file.path(root, "cases.csv"), colClasses = "character")

for (i in seq_len(nrow(cases))) {
  case <- cases[i, ]
  folder <- file.path(root, case$case)
  data <- as.data.frame(eval(parse(text = case$data)))
  data[] <- lapply(data, function(x) if (is.factor(x)) as.character(x) else x) # as from a CSV
  write_columns(data, folder, "data.csv")
  for (name in strsplit(case$factors, " ")[[1]]) {
    data[[name]] <- factor(data[[name]])
  }

  rows <- round(seq(1, nrow(data), length.out = 12))
  observations <- if (case$exact == "no") between(data, rows) else data[rows, , drop = FALSE]
  write_columns(observations, folder, "new.csv")

  lm_call <- bquote(lm(.(as.formula(case$formula)), data))
  if (case$weights != "") {
    lm_call$weights <- as.name(case$weights)
  }
  model <- eval(lm_call)
  for (interval in c("confidence", "prediction")) {
    texts <- character()
    predicted <- withCallingHandlers(
      predict(model, observations, interval = interval, level = 0.9),
      warning = function(w) {
        texts <<- c(texts, trimws(conditionMessage(w)))
        invokeRestart("muffleWarning")
      }
    )
    write_columns(as.data.frame(predicted), folder, paste0(interval, ".csv"))
    writeLines(texts, file.path(folder, paste0(interval, ".warnings")))
  }

  se <- suppressWarnings(predict(model, observations, se.fit = TRUE))
  terms <- suppressWarnings(predict(
    model,
    observations,
    type = "terms",
    se.fit = TRUE,
    interval = "prediction",
    level = 0.9
  ))
  by_term <- list(
    terms = terms$fit,
    terms_se = terms$se.fit,
    terms_lower = terms$lwr,
    terms_upper = terms$upr
  )
  labelled <- lapply(names(by_term), function(name) {
    columns <- as.data.frame(by_term[[name]], optional = TRUE)
    setNames(columns, paste0(name, ".", colnames(by_term[[name]])))
  })
  of_se <- list(se = se$se.fit, df = se$df, residual_scale = se$residual.scale)
  constant <- attr(terms$fit, "constant")
  write_columns(
    do.call(cbind, c(list(as.data.frame(of_se), constant = constant), labelled)),
    folder,
    "terms.csv"
  )
}
