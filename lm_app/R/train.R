# Fit a linear model to a CSV file and describe it. In an R session, from this folder:
#   for (file in list.files(pattern = "[.]R$")) source(file)
#   trained <- train("../../extra_files/timedistance/timedistance.csv", "time ~ distance")
#   cat(trained$summary); predict(trained$model, data.frame(distance = 29.5))

library(splines)

# file: a CSV with a header. formula: one string. weights: the name of a column, or NULL.
# factors: a named list, for each column to read as a factor its levels in their order, or character() to sort them.
# stepwise: "none", or the direction that step() takes.
# Returns a list: model (an lm that holds what predict() needs and no more), info (named values for
# model_info.json) and summary (R's text). Stops with one line where something is wrong.
train <- function(file, formula, weights = NULL, factors = list(), stepwise = "none") {
  data <- read_data(file)
  given <- read_formula(formula, names(data))
  terms <- tryCatch(terms(given, data = data), error = function(e) stop("formula '", formula, "': ", conditionMessage(e)))
  response <- all.vars(given[[2]])
  if (length(response) == 0) stop("formula '", formula, "': the response, left of '~', must be a column of the data")
  if (length(setdiff(all.vars(delete.response(terms)), response)) == 0)
    stop("formula '", formula, "': it has no predictor; name a column of the data right of '~'")
  used <- intersect(names(data), c(all.vars(terms), weights))
  missing <- setdiff(c(weights, names(factors)), names(data))
  if (length(missing)) stop("the data have no column '", missing[1], "'; their columns are ", toString(names(data)))
  data <- check_columns(data, used, factors, response, weights)
  model <- fit(given, data, weights, stepwise)
  steps <- attr(model, "steps")
  trained <- for_prediction(model, data)
  check_rows_stand_alone(trained, model, data)
  list(
    model = trained,
    info = describe(model, data[setdiff(used, weights)], given, steps),
    summary = paste(model_summary(model), collapse = "\n")
  )
}

read_data <- function(file) {
  if (!file.exists(file)) stop("data file '", file, "' does not exist")
  if (file.size(file) == 0) stop("data file '", file, "' is empty")
  data <- tryCatch(
    read.csv(file, check.names = FALSE, fill = FALSE, row.names = NULL, strip.white = TRUE,
             na.strings = c("NA", ""), encoding = "UTF-8"),
    error = function(e) stop("data file '", file, "': ", conditionMessage(e), call. = FALSE)
  )
  names(data)[1] <- sub("^\ufeff", "", names(data)[1]) # the byte-order mark of spreadsheets
  if (names(data)[1] == "row.names") stop("data file '", file, "': its rows have more fields than its header")
  if (anyDuplicated(names(data))) stop("data file '", file, "': two columns have one name, '", names(data)[anyDuplicated(names(data))], "'")
  if (nrow(data) == 0) stop("data file '", file, "' has a header and no observations")
  data
}

# The used columns only, the factors made factors; stops where a value is missing or is not what lm() can take.
check_columns <- function(data, used, factors, response, weights) {
  data <- data[used]
  for (name in intersect(names(factors), used)) {
    levels <- factors[[name]]
    values <- as.character(data[[name]])
    unknown <- if (length(levels)) which(!is.na(values) & !values %in% levels)
    if (length(unknown))
      stop("column '", name, "', row ", unknown[1], ": '", values[unknown[1]], "' is not one of its levels ", toString(levels))
    data[[name]] <- if (length(levels)) factor(values, levels) else factor(data[[name]])
  }
  for (name in used) {
    values <- data[[name]]
    where <- function(row) paste0("column '", name, "', row ", row, ": ")
    if (anyNA(values)) stop(where(which(is.na(values))[1]), "the value is missing (NA); fill it in or leave the row out")
    if (is.character(values)) {
      row <- which(is.na(suppressWarnings(as.numeric(values))))[1]
      stop(where(row), "'", values[row], "' is not a number; correct it, or list the column under [factors] in model.toml")
    }
    if (is.numeric(values) && !all(is.finite(values))) stop(where(which(!is.finite(values))[1]), "the value is not finite")
    if (name %in% c(response, weights) && !is.numeric(values)) stop("column '", name, "' must be numbers")
    if (identical(name, weights) && any(values < 0)) stop(where(which(values < 0)[1]), "a weight is never negative")
    if (!identical(name, weights) && all(values == values[1]))
      stop("column '", name, "' is constant (", values[1], "): nothing can be learnt from it; leave it out of the formula")
  }
  data
}

fit <- function(formula, data, weights, stepwise) {
  environment(formula) <- environment() # step() looks for the data where the formula was made
  call <- bquote(lm(formula = .(formula), data = data))
  if (!is.null(weights)) call$weights <- as.name(weights)
  model <- eval(call)
  if (stepwise %in% c("both", "backward")) {
    steps <- capture.output(model <- step(model, direction = stepwise))
  } else if (stepwise == "forward") {
    call$formula <- update(formula(model), . ~ 1)
    environment(call$formula) <- environment()
    steps <- capture.output(model <- step(eval(call), scope = formula(model), direction = stepwise))
  } else {
    steps <- character()
  }
  if (model$rank == 0) stop("the model has no coefficients to estimate")
  if (model$df.residual < 1)
    stop(nrow(data), " observations are not enough for ", model$rank, " coefficients; at least ", model$rank + 1, " are needed")
  attr(model, "steps") <- steps
  model
}

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
    levels = lapply(Filter(Negate(is.numeric), data[predictors(model)]), levels)
  )
  if (weighted) kept$weights <- 1 # predict() warns that a weighted fit's prediction interval takes weight 1
  structure(kept, class = "lm")
}

predictors <- function(model) all.vars(delete.response(terms(model)))

# A term such as cut(x, 3) or scale(x) * mean(x) may mean one thing in 10 rows and another in one.
check_rows_stand_alone <- function(trained, model, data) {
  for (row in unique(round(seq(1, nrow(data), length.out = min(nrow(data), 10))))) {
    alone <- tryCatch(suppressWarnings(predict(trained, data[row, , drop = FALSE])), error = function(e) NA)
    if (!isTRUE(all.equal(unname(alone), fitted(model)[[row]])))
      stop("formula '", deparse1(formula(model)), "': row ", row, " alone is predicted otherwise than among the others; ",
           "give functions such as cut() their breaks, so that every observation stands for itself")
  }
}

model_summary <- function(model) capture.output(print(summary(model)))[-1]

# Everything that is told about a model, as named values. The first keys are those of the original
# project, rounded to 6 decimals; the others are at full precision.
describe <- function(model, data, given, steps) {
  s <- summary(model)
  estimates <- coef(model)
  slopes <- estimates[names(estimates) != "(Intercept)"]
  variables <- all.vars(formula(model))
  in_order <- c(variables, setdiff(names(data), variables))
  kept_terms <- attr(terms(model), "term.labels")
  info <- c(
    list(
      call = paste0(paste(model_summary(model), collapse = "\n"), "\n"),
      intercept = if ("(Intercept)" %in% names(estimates)) six(estimates[["(Intercept)"]])
    ),
    setNames(lapply(unname(slopes), six), sprintf("coef_%s", names(slopes))),
    list(residuals = I(six(unname(residuals(model)))), fitted_values = I(six(unname(fitted(model))))),
    setNames(lapply(data[in_order], plain), paste0(in_order, "_values")),
    list(
      observations = by_row(data), r_squared = six(s$r.squared), adjusted_r_squared = six(s$adj.r.squared),
      equation = equation(model),
      response = deparse1(formula(model)[[2]]),
      predictors = lapply(predictors(model), describe_predictor, data),
      example = lapply(data[1, predictors(model), drop = FALSE], function(value) unclass(plain(value))),
      formula_given = deparse1(given), formula = deparse1(formula(model)),
      dropped_terms = I(setdiff(attr(terms(given, data = data), "term.labels"), kept_terms)), steps = I(steps),
      coefficients = coefficients_table(model, s),
      n = nobs(model), df_residual = model$df.residual, sigma = s$sigma, aic = AIC(model), bic = BIC(model),
      f_statistic = if (!is.null(s$fstatistic)) list(value = s$fstatistic[["value"]], df1 = s$fstatistic[["numdf"]], df2 = s$fstatistic[["dendf"]],
        p_value = pf(s$fstatistic[["value"]], s$fstatistic[["numdf"]], s$fstatistic[["dendf"]], lower.tail = FALSE)),
      press_rmse = sqrt(mean((residuals(model) / (1 - hatvalues(model)))^2)),
      weighted = !is.null(model$weights), rank_deficient = anyNA(estimates),
      r_version = as.character(getRversion())
    )
  )
  info[!duplicated(names(info))] # a column named "fitted" does not hide fitted_values
}

six <- function(x) round(x, 6)

plain <- function(values) I(if (is.factor(values)) as.character(values) else values)

by_row <- function(data) {
  columns <- lapply(data, function(values) as.list(plain(values)))
  I(unname(do.call(Map, c(list(f = function(...) I(list(...))), unname(columns)))))
}

equation <- function(model) {
  estimates <- coef(model)[!is.na(coef(model))]
  # 6 decimals, or 6 digits where 6 decimals would leave next to nothing
  parts <- format_each(abs(ifelse(abs(estimates) < 1e-4, signif(estimates, 6), six(estimates))))
  slope <- names(estimates) != "(Intercept)"
  parts[slope] <- paste(parts[slope], "*", names(estimates)[slope])
  signs <- ifelse(estimates < 0, "-", "+")
  text <- paste(c(if (signs[1] == "-") paste0("-", parts[1]) else parts[1], paste(signs, parts)[-1]), collapse = " ")
  offsets <- rownames(attr(terms(model), "factors"))[attr(terms(model), "offset")]
  paste(c(text, offsets), collapse = " + ")
}

format_each <- function(x) vapply(x, format, "", digits = 15, USE.NAMES = FALSE)

describe_predictor <- function(name, data) {
  values <- data[[name]]
  if (is.factor(values)) list(name = name, type = "factor", levels = I(levels(values)))
  else if (is.logical(values)) list(name = name, type = "logical")
  else list(name = name, type = "numeric", min = min(values), max = max(values))
}

# One object for each coefficient; NA where the data can't tell it from the others.
coefficients_table <- function(model, s) {
  found <- s$coefficients
  limits <- confint(model)
  unname(lapply(names(coef(model)), function(term) {
    row <- if (term %in% rownames(found)) found[term, ] else rep(NA_real_, 4)
    list(term = term, estimate = row[[1]], std_error = row[[2]], t_value = row[[3]], p_value = row[[4]],
         lower = limits[term, 1], upper = limits[term, 2])
  }))
}
