# Fit a linear model to a CSV file and describe it. In an R session, from this folder:
#   for (file in list.files(pattern = "[.]R$")) source(file)
#   trained <- train("../../extra_files/timedistance/timedistance.csv", "time ~ distance")
#   cat(trained$summary); predict(trained$model, data.frame(distance = 29.5))

#' Train a model
#'
#' Messages tell what it does now, and step() prints as it goes.
#'
#' @param file,csv See read_data().
#' @param formula One string.
#' @param weights The name of a column, or NULL.
#' @param factors A named list: for each column to read as a factor its levels in their order, or
#'   character() to sort them.
#' @param stepwise "none", or the direction that step() takes.
#' @param plots A folder to write plots to, or NULL.
#' @param live_formula,live_weights Another formula (one string) and the name of its weights'
#'   column, to be compared on the same data; or NULL.
#' @return A list: `model` (an lm that holds what predict() needs and no more), `info` (named
#'   values for model_info.json), `summary` (R's text) and `live_press_rmse` (NULL where there is
#'   nothing to compare, or it can't be fitted to these data). Refuses with one line where
#'   something is wrong.
train <- function(
  file,
  formula,
  weights = NULL,
  factors = list(),
  stepwise = "none",
  csv = list(),
  plots = NULL,
  live_formula = NULL,
  live_weights = NULL
) {
  message("reading ", basename(file))
  all_columns <- read_data(file, csv)
  requested <- read_formula(formula, names(all_columns))
  data <- model_data(all_columns, requested, weights, factors)
  message("fitting ", formula, " to ", nrow(data), " observations")
  release_memory(nrow(data))
  fit <- fit_model(requested, data, weights, stepwise)
  release_memory(nrow(data))
  model <- drop_copies(fit$model)
  fit$model <- NULL
  release_memory(nrow(data))
  trained <- strip_for_prediction(model, data)
  check_rows_stand_alone(trained, model, data)
  message("describing the model")
  model_summary <- summary(model)
  text_lines <- capture.output(print(model_summary))[-1]
  printed <- paste(text_lines, collapse = "\n")
  release_memory(nrow(data))
  leverages <- hatvalues(model)
  release_memory(nrow(data))
  columns <- data[setdiff(names(data), weights)]
  info <- describe(model, model_summary, leverages, printed, columns, requested, fit$steps)
  if (!is.null(plots)) {
    message("drawing")
    write_plots(model, data, plots)
  }
  is_live <- identical(live_formula, info$formula) && identical(live_weights, weights)
  list(
    model = trained,
    info = info,
    summary = printed,
    live_press_rmse = if (is_live) {
      info$press_rmse
    } else if (!is.null(live_formula)) {
      compare_press_rmse(live_formula, live_weights, all_columns, factors)
    }
  )
}

# The columns that the formula uses, checked.
model_data <- function(all_columns, formula, weights, factors) {
  refuse_formula <- function(...) refuse("formula '", deparse1(formula), "': ", ...)
  model_terms <- tryCatch(
    terms(formula, data = all_columns),
    error = function(e) refuse_formula(conditionMessage(e))
  )
  response_names <- all.vars(formula[[2]])
  if (length(response_names) == 0) {
    refuse_formula("the response, left of '~', must be a column of the data")
  }
  if (length(setdiff(all.vars(delete.response(model_terms)), response_names)) == 0) {
    refuse_formula("it has no predictor; name a column of the data right of '~'")
  }
  unknown <- setdiff(c(weights, names(factors)), names(all_columns))
  if (length(unknown) > 0) {
    available <- toString(names(all_columns))
    refuse("the data have no column '", unknown[1], "'; their columns are ", available)
  }
  used <- intersect(names(all_columns), c(all.vars(model_terms), weights))
  check_columns(all_columns, used, factors, response_names, weights)
}

# A list: the model, and what step() printed. Where R can't fit this formula to these data, it is
# not a bug of ours, so R's errors become refusals.
fit_model <- function(formula, data, weights = NULL, stepwise = "none") {
  # step() looks for the data where the formula was made, and that place lives as long as the
  # model
  environment(formula) <- list2env(list(data = data), parent = globalenv())
  lm_call <- bquote(lm(formula = .(formula), data = data))
  if (!is.null(weights)) {
    lm_call$weights <- as.name(weights)
  }
  model <- tryCatch(eval(lm_call), error = function(e) refuse(conditionMessage(e)))
  steps <- character()
  if (stepwise %in% c("both", "backward")) {
    steps <- capture.output(model <- step(model, direction = stepwise), split = TRUE)
  } else if (stepwise == "forward") {
    scope <- formula(model)
    lm_call$formula <- update(scope, . ~ 1)
    environment(lm_call$formula) <- environment(formula)
    smallest <- eval(lm_call)
    steps <- capture.output(
      model <- step(smallest, scope = scope, direction = stepwise),
      split = TRUE
    )
  }
  if (model$rank == 0) {
    refuse("the model has no coefficients to estimate")
  }
  if (model$df.residual < 1) {
    counts <- paste(
      nrow(data),
      "observations are not enough for",
      model$rank,
      "coefficients; at least"
    )
    refuse(counts, " ", model$rank + 1, " are needed")
  }
  if (length(predictors(model)) == 0) {
    refuse(
      "stepwise selection dropped every predictor; none of them helps to predict the response"
    )
  }
  list(model = model, steps = steps)
}

# Without the names "1", "2", ... of each residual, and without the copy of the data: with many
# observations, they are a good part of the memory.
drop_copies <- function(model) {
  for (part in c("residuals", "effects", "fitted.values")) {
    names(model[[part]]) <- NULL
  }
  model$model <- NULL
  model
}

#' Collect garbage now: uncollected copies double the peak memory
#'
#' @param n The number of observations; where they are few, there is nothing to gain.
release_memory <- function(n) {
  if (n > 1e5) {
    gc()
  }
}

# How well another formula does on these data, such as that of the live version; NULL where it
# can't be fitted to them.
compare_press_rmse <- function(formula, weights, all_columns, factors) {
  message("fitting ", formula, ", to compare")
  tryCatch(
    suppressWarnings({
      other <- read_formula(formula, names(all_columns))
      other_data <- model_data(all_columns, other, weights, factors)
      press_rmse(fit_model(other, other_data, weights)$model)
    }),
    refusal = function(e) NULL
  )
}
