# Fit a linear model to a CSV file and describe it. In an R session, from this folder:
#   for (file in list.files(pattern = "[.]R$")) source(file)
#   trained <- train("../../extra_files/timedistance/timedistance.csv", "time ~ distance")
#   cat(trained$summary); predict(trained$model, data.frame(distance = 29.5))

library(splines)

# file, csv: see read_data(). formula: one string. weights: the name of a column, or NULL.
# factors: a named list, for each column to read as a factor its levels in their order, or character() to sort them.
# stepwise: "none", or the direction that step() takes. plots: a folder to write pictures to, or NULL.
# baseline: a formula (one string) and the name of a weights column, to be compared on the same data; or NULL.
# Returns a list: model (an lm that holds what predict() needs and no more), info (named values for
# model_info.json), summary (R's text) and baseline_press_rmse. Stops with one line where something is wrong.
# Messages tell what it does now, and step() prints as it goes.
train <- function(file, formula, weights = NULL, factors = list(), stepwise = "none", csv = list(),
                  plots = NULL, live_formula = NULL, live_weights = NULL) {
  baseline <- if (!is.null(live_formula)) list(formula = live_formula, weights = live_weights)
  message("reading ", basename(file))
  raw <- read_data(file, csv)
  given <- read_formula(formula, names(raw))
  data <- model_data(raw, given, weights, factors)
  message("fitting ", formula, " to ", nrow(data), " observations")
  release_memory(nrow(data))
  fitted <- fit(given, data, weights, stepwise)
  release_memory(nrow(data))
  model <- without_copies(fitted$model)
  fitted$model <- NULL
  release_memory(nrow(data))
  trained <- for_prediction(model, data)
  check_rows_stand_alone(trained, model, data)
  message("describing the model")
  s <- summary(model)
  text <- paste(capture.output(print(s))[-1], collapse = "\n")
  release_memory(nrow(data))
  hat <- hatvalues(model)
  release_memory(nrow(data))
  info <- describe(model, s, hat, text, data[setdiff(names(data), weights)], given, fitted$steps)
  if (!is.null(plots)) {
    message("drawing")
    write_plots(model, data, plots)
  }
  list(model = trained, info = info, summary = text, live_press_rmse = baseline_press_rmse(baseline, raw, factors, info, weights))
}


# The columns that the formula uses, checked.
model_data <- function(raw, formula, weights, factors) {
  refuse <- function(...) stop("formula '", deparse1(formula), "': ", ..., call. = FALSE)
  terms <- tryCatch(terms(formula, data = raw), error = function(e) refuse(conditionMessage(e)))
  response <- all.vars(formula[[2]])
  if (length(response) == 0) refuse("the response, left of '~', must be a column of the data")
  if (length(setdiff(all.vars(delete.response(terms)), response)) == 0)
    refuse("it has no predictor; name a column of the data right of '~'")
  missing <- setdiff(c(weights, names(factors)), names(raw))
  if (length(missing)) stop("the data have no column '", missing[1], "'; their columns are ", toString(names(raw)))
  used <- intersect(names(raw), c(all.vars(terms), weights))
  check_columns(raw, used, factors, response, weights)
}

# Returns a list: model, and steps, what step() printed.
fit <- function(formula, data, weights = NULL, stepwise = "none") {
  # step() looks for the data where the formula was made, and that place lives as long as the model
  environment(formula) <- list2env(list(data = data), parent = globalenv())
  call <- bquote(lm(formula = .(formula), data = data))
  if (!is.null(weights)) call$weights <- as.name(weights)
  model <- eval(call)
  steps <- character()
  if (stepwise %in% c("both", "backward")) {
    steps <- capture.output(model <- step(model, direction = stepwise), split = TRUE)
  } else if (stepwise == "forward") {
    scope <- formula(model)
    call$formula <- update(scope, . ~ 1)
    environment(call$formula) <- environment(formula)
    steps <- capture.output(model <- step(eval(call), scope = scope, direction = stepwise), split = TRUE)
  }
  if (model$rank == 0) stop("the model has no coefficients to estimate")
  if (model$df.residual < 1)
    stop(nrow(data), " observations are not enough for ", model$rank, " coefficients; at least ", model$rank + 1, " are needed")
  if (length(predictors(model)) == 0) stop("stepwise selection dropped every predictor; none of them helps to predict the response")
  list(model = model, steps = steps)
}

# Without the names "1", "2", ... of each residual, and without the copy of the data: with many observations,
# they are a good part of the memory.
without_copies <- function(model) {
  for (part in c("residuals", "effects", "fitted.values")) names(model[[part]]) <- NULL
  model$model <- NULL
  model
}

# R leaves what it no longer needs lying about for a while; with many observations that doubles the memory.
release_memory <- function(n) if (n > 1e5) gc()

# The lm with what predict.lm() reads, intervals included: some KB, whatever the number of observations.
# It needs R of the QR decomposition (its first rows), the residual sum of squares and the degrees of freedom.
for_prediction <- function(model, data) {
  rows <- seq_len(model$rank)
  weighted <- !is.null(model$weights)
  rss <- sum((if (weighted) model$weights else 1) * model$residuals^2)
  terms <- model$terms
  environment(terms) <- globalenv() # else the data would be saved along with the formula
  call <- model$call
  call$formula <- formula(terms)
  kept <- list(
    coefficients = model$coefficients, residuals = sqrt(rss), rank = model$rank, df.residual = model$df.residual,
    qr = structure(list(qr = unname(model$qr$qr[rows, , drop = FALSE]), rank = model$rank, pivot = model$qr$pivot), class = "qr"),
    xlevels = model$xlevels, contrasts = model$contrasts, call = call, terms = terms,
    levels = levels_by_position(data[predictors(model)]),
    probe = probe(data[predictors(model)])
  )
  if (weighted) kept$weights <- 1 # predict() warns that a weighted fit's prediction interval takes weight 1
  structure(kept, class = "lm")
}

# For prepare(): for each predictor that is no number, its position and its levels (NULL for a logical).
levels_by_position <- function(data)
  lapply(which(!vapply(data, is.numeric, TRUE)), function(i) list(position = i, levels = levels(data[[i]])))

# Observations with every level and at both ends of every range, for prepare() to try: the columns as it takes them.
probe <- function(data) {
  rows <- lapply(data, function(values) {
    if (is.numeric(values)) c(which.min(values), which.max(values)) else match(unique(values), values)
  })
  lapply(data[unique(unlist(rows)), , drop = FALSE], as.numeric)
}

# A term such as cut(x, 3) or scale(x) * mean(x) may mean one thing in 10 rows and another in one.
check_rows_stand_alone <- function(trained, model, data) {
  for (row in evenly(seq_len(nrow(data)), 10)) {
    alone <- tryCatch(suppressWarnings(predict(trained, data[row, , drop = FALSE])), error = function(e) NA)
    if (!isTRUE(all.equal(unname(alone), fitted(model)[[row]])))
      stop("formula '", deparse1(formula(model)), "': row ", row, " alone is predicted otherwise than among the others; ",
           "give functions such as cut() their breaks, so that every observation stands for itself")
  }
}

# How well another formula does on these data, such as that of the live version; NULL where it can't be fitted to them.
baseline_press_rmse <- function(baseline, raw, factors, info, weights) {
  if (is.null(baseline)) return(NULL)
  if (identical(baseline$formula, info$formula) && identical(baseline$weights, weights)) return(info$press_rmse)
  message("fitting ", baseline$formula, ", to compare")
  tryCatch(suppressWarnings({
    formula <- read_formula(baseline$formula, names(raw))
    press_rmse(fit(formula, model_data(raw, formula, baseline$weights, factors), baseline$weights)$model)
  }), error = function(e) NULL)
}
