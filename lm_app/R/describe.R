# Everything that is told about a model, as named values for model_info.json.

# Up to this number of observations, the lists of them are complete; beyond, they are summaries.
complete_up_to <- 1000

# model: an lm. s: its summary(). hat: its hatvalues(). text: its printed summary. data: the model's columns.
# given: the formula that training was given. steps: what step() printed.
# The first keys are those of the original project, rounded to 6 decimals; the others are at full precision.
describe <- function(model, s, hat, text, data, given, steps) {
  estimates <- coef(model)
  slopes <- estimates[names(estimates) != "(Intercept)"]
  variables <- all.vars(formula(model))
  in_order <- c(variables, setdiff(names(data), variables))
  info <- c(
    list(
      call = paste0(text, "\n"),
      intercept = if ("(Intercept)" %in% names(estimates)) six(estimates[["(Intercept)"]])
    ),
    setNames(lapply(unname(slopes), six), sprintf("coef_%s", names(slopes))),
    list(residuals = all_or_summary(six(residuals(model))), fitted_values = all_or_summary(six(fitted(model)))),
    setNames(lapply(data[in_order], all_or_summary), sprintf("%s_values", in_order)),
    list(
      observations = observations(data), r_squared = six(s$r.squared), adjusted_r_squared = six(s$adj.r.squared),
      equation = equation(model),
      response = deparse1(formula(model)[[2]]),
      predictors = lapply(predictors(model), describe_predictor, data),
      example = lapply(data[1, predictors(model), drop = FALSE], function(value) unclass(plain(value))),
      formula_given = deparse1(given), formula = deparse1(formula(model)),
      dropped_terms = I(setdiff(attr(terms(given, data = data), "term.labels"), attr(terms(model), "term.labels"))),
      steps = I(steps),
      coefficients = coefficients_table(model, s),
      n = nobs(model), df_residual = model$df.residual, sigma = s$sigma, aic = AIC(model), bic = BIC(model),
      f_statistic = f_statistic(s), press_rmse = press_rmse(model, hat), diagnostics = diagnostics(model, hat),
      weighted = !is.null(model$weights), rank_deficient = anyNA(estimates), complete_up_to = complete_up_to,
      r_version = as.character(getRversion())
    )
  )
  info[!duplicated(names(info))] # a column named "fitted" does not hide fitted_values
}

predictors <- function(model) all.vars(delete.response(terms(model)))

six <- function(x) round(x, 6)

plain <- function(values) I(if (is.factor(values)) as.character(values) else unname(values))

all_or_summary <- function(values) {
  if (length(values) <= complete_up_to) return(plain(values))
  on.exit(release_memory(length(values)))
  if (!is.numeric(values)) return(list(n = length(values), counts = as.list(table(values))))
  as.list(c(n = length(values), setNames(
    as.numeric(summary(values)), c("min", "first_quartile", "median", "mean", "third_quartile", "max")
  )))
}

observations <- function(data) {
  by_row <- function(rows) {
    columns <- lapply(rows, function(values) as.list(plain(values)))
    I(unname(do.call(Map, c(list(f = function(...) I(list(...))), unname(columns)))))
  }
  if (nrow(data) <= complete_up_to) by_row(data) else list(n = nrow(data), first = by_row(head(data, 10)))
}

equation <- function(model) {
  estimates <- coef(model)[!is.na(coef(model))]
  # 6 decimals, or 6 digits where 6 decimals would leave next to nothing
  numbers <- abs(ifelse(abs(estimates) < 1e-4, signif(estimates, 6), six(estimates)))
  parts <- vapply(numbers, format, "", digits = 15)
  slope <- names(estimates) != "(Intercept)"
  parts[slope] <- paste(parts[slope], "*", names(estimates)[slope])
  signs <- ifelse(estimates < 0, "-", "+")
  text <- paste(c(if (signs[1] == "-") paste0("-", parts[1]) else parts[1], paste(signs, parts)[-1]), collapse = " ")
  offsets <- rownames(attr(terms(model), "factors"))[attr(terms(model), "offset")]
  paste(c(text, offsets), collapse = " + ")
}

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

f_statistic <- function(s) {
  f <- s$fstatistic
  if (is.null(f)) return(NULL)
  p <- pf(f[["value"]], f[["numdf"]], f[["dendf"]], lower.tail = FALSE)
  list(value = f[["value"]], df1 = f[["numdf"]], df2 = f[["dendf"]], p_value = p)
}

# The root mean square error of leave-one-out prediction (Allen 1974, Technometrics 16(1), 125-127):
# without row i, the prediction for it would miss by residual / (1 - leverage).
press_rmse <- function(model, hat = hatvalues(model)) sqrt(mean((residuals(model) / (1 - hat))^2))

# What plot.lm() shows, in numbers.
diagnostics <- function(model, hat) {
  n <- length(hat)
  release_memory(n)
  cook <- cooks.distance(model, hat = hat)
  release_memory(n)
  normal <- tryCatch(shapiro.test(evenly(residuals(model), 5000)), error = function(e) NULL)
  # Breusch and Pagan (1979, Econometrica 47(5), 1287-1294) against the fitted values, studentised as by
  # Koenker (1981, J. Econometrics 17(1), 107-112): n R^2 of the squared residuals, chi-squared with 1 df.
  statistic <- n * suppressWarnings(cor(residuals(model)^2, fitted(model)))^2
  release_memory(n)
  most <- head(order(cook, decreasing = TRUE), 5)
  list(
    shapiro_wilk = if (!is.null(normal)) list(w = normal$statistic[[1]], p_value = normal$p.value),
    breusch_pagan = list(statistic = statistic, p_value = pchisq(statistic, 1, lower.tail = FALSE)),
    # Cook (1977, Technometrics 19(1), 15-18), with the threshold 4 / n
    cooks_distance = list(threshold = 4 / n, above = sum(cook > 4 / n, na.rm = TRUE),
      greatest = unname(Map(function(row, distance) list(row = row, distance = distance), most, unname(cook[most]))))
  )
}

# At most so many of the values, evenly spread over their order in the file.
evenly <- function(values, most) values[unique(round(seq(1, length(values), length.out = min(most, length(values)))))]
