# Describe a model, as named values for model_info.json.

# Up to this number of observations, the lists of them are complete; beyond, they are summaries.
complete_up_to <- 1000L

#' Describe a model
#'
#' The first keys are those of the original project, rounded to 6 decimals; the others are at full
#' precision.
#'
#' @param model An lm.
#' @param model_summary Its summary().
#' @param leverages Its hatvalues().
#' @param printed Its summary, as text.
#' @param data The model's columns.
#' @param requested The formula that training was asked to fit, before step() changed it.
#' @param steps What step() printed.
#' @return A named list. A vector of class AsIs is a list in JSON even where it has one element.
describe <- function(model, model_summary, leverages, printed, data, requested, steps) {
  estimates <- coef(model)
  slopes <- estimates[names(estimates) != "(Intercept)"]
  variables <- all.vars(formula(model))
  columns <- data[c(variables, setdiff(names(data), variables))]
  info <- c(
    list(
      call = paste0(printed, "\n"),
      intercept = if ("(Intercept)" %in% names(estimates)) round6(estimates[["(Intercept)"]])
    ),
    setNames(lapply(unname(slopes), round6), sprintf("coef_%s", names(slopes))),
    list(
      residuals = all_or_summary(round6(residuals(model))),
      fitted_values = all_or_summary(round6(fitted(model)))
    ),
    setNames(lapply(columns, all_or_summary), sprintf("%s_values", names(columns))),
    list(
      observations = observations(data),
      r_squared = round6(model_summary$r.squared),
      adjusted_r_squared = round6(model_summary$adj.r.squared),
      equation = equation(model),
      response = deparse1(formula(model)[[2]]),
      predictors = lapply(predictors(model), describe_predictor, data),
      example = lapply(data[1, predictors(model), drop = FALSE], function(value) {
        unclass(json_vector(value))
      }),
      formula_given = deparse1(requested),
      formula = deparse1(formula(model)),
      dropped_terms = I(setdiff(
        term_labels(terms(requested, data = data)),
        term_labels(terms(model))
      )),
      steps = I(steps),
      coefficients = coefficients_table(model, model_summary),
      n = nobs(model),
      df_residual = as.integer(model$df.residual),
      sigma = model_summary$sigma,
      aic = AIC(model),
      bic = BIC(model),
      f_statistic = f_statistic(model_summary),
      press_rmse = press_rmse(model, leverages),
      diagnostics = diagnostics(model, leverages),
      weighted = !is.null(model$weights),
      rank_deficient = anyNA(estimates),
      complete_up_to = complete_up_to,
      r_version = as.character(getRversion())
    )
  )
  info[!duplicated(names(info))] # a column named "fitted" does not hide fitted_values
}

#' List the columns that a model predicts from
#'
#' @param model An lm.
#' @return Their names.
predictors <- function(model) all.vars(delete.response(terms(model)))

term_labels <- function(model_terms) attr(model_terms, "term.labels")

round6 <- function(x) round(x, 6)

json_vector <- function(values) I(if (is.factor(values)) as.character(values) else unname(values))

all_or_summary <- function(values) {
  if (length(values) <= complete_up_to) {
    return(json_vector(values))
  }
  on.exit(release_memory(length(values)))
  if (!is.numeric(values)) {
    return(list(n = length(values), counts = as.list(table(values))))
  }
  quantiles <- as.list(as.numeric(summary(values)))
  names(quantiles) <- c("min", "first_quartile", "median", "mean", "third_quartile", "max")
  c(list(n = length(values)), quantiles)
}

observations <- function(data) {
  by_row <- function(rows) {
    columns <- lapply(rows, function(values) as.list(json_vector(values)))
    I(unname(do.call(Map, c(list(f = function(...) I(list(...))), unname(columns)))))
  }
  if (nrow(data) <= complete_up_to) {
    by_row(data)
  } else {
    list(n = nrow(data), first = by_row(head(data, 10)))
  }
}

equation <- function(model) {
  estimates <- coef(model)[!is.na(coef(model))]
  # 6 decimals, or 6 digits where 6 decimals would leave next to nothing
  numbers <- abs(ifelse(abs(estimates) < 1e-4, signif(estimates, 6), round6(estimates)))
  parts <- vapply(numbers, format, "", digits = 15)
  is_slope <- names(estimates) != "(Intercept)"
  parts[is_slope] <- paste(parts[is_slope], "*", names(estimates)[is_slope])
  signs <- ifelse(estimates < 0, "-", "+")
  first <- if (signs[1] == "-") paste0("-", parts[1]) else parts[1]
  sum_of_parts <- paste(c(first, paste(signs, parts)[-1]), collapse = " ")
  offsets <- rownames(attr(terms(model), "factors"))[attr(terms(model), "offset")]
  paste(c(sum_of_parts, offsets), collapse = " + ")
}

describe_predictor <- function(name, data) {
  values <- data[[name]]
  if (is.factor(values)) {
    list(name = name, type = "factor", levels = I(kind_of(values)$levels)) # as predict() takes them
  } else if (is.logical(values)) {
    list(name = name, type = "logical")
  } else {
    list(name = name, type = "numeric", min = min(values), max = max(values))
  }
}

# One object for each coefficient; NA for an aliased one.
coefficients_table <- function(model, model_summary) {
  estimated <- model_summary$coefficients
  limits <- confint(model)
  unname(lapply(names(coef(model)), function(term) {
    statistics <- if (term %in% rownames(estimated)) estimated[term, ] else rep(NA_real_, 4)
    list(
      term = term,
      estimate = statistics[[1]],
      std_error = statistics[[2]],
      t_value = statistics[[3]],
      p_value = statistics[[4]],
      lower = limits[term, 1],
      upper = limits[term, 2]
    )
  }))
}

f_statistic <- function(model_summary) {
  f <- model_summary$fstatistic
  if (is.null(f)) {
    return(NULL)
  }
  list(
    value = f[["value"]],
    df1 = as.integer(f[["numdf"]]),
    df2 = as.integer(f[["dendf"]]),
    p_value = pf(f[["value"]], f[["numdf"]], f[["dendf"]], lower.tail = FALSE)
  )
}

#' Compute the root mean square error of leave-one-out prediction
#'
#' Without row i, the prediction for it would miss by residual / (1 - leverage)
#' (Allen 1974, Technometrics 16(1), 125-127).
#'
#' @param model An lm.
#' @param leverages Its hatvalues().
#' @return One number.
press_rmse <- function(model, leverages = hatvalues(model)) {
  sqrt(mean((residuals(model) / (1 - leverages))^2))
}

# What plot.lm() shows, in numbers.
diagnostics <- function(model, leverages) {
  n <- length(leverages)
  release_memory(n)
  distances <- cooks.distance(model, hat = leverages)
  release_memory(n)
  normality <- tryCatch(shapiro.test(thin(residuals(model), 5000)), error = function(e) NULL)
  # Breusch and Pagan (1979, Econometrica 47(5), 1287-1294) against the fitted values, studentised
  # as by Koenker (1981, J. Econometrics 17(1), 107-112): n R^2 of the squared residuals, chi-
  # squared with 1 df.
  statistic <- n * suppressWarnings(cor(residuals(model)^2, fitted(model)))^2
  release_memory(n)
  greatest <- head(order(distances, decreasing = TRUE), 5)
  list(
    shapiro_wilk = if (!is.null(normality)) {
      list(w = normality$statistic[[1]], p_value = normality$p.value)
    },
    breusch_pagan = list(
      statistic = statistic,
      p_value = pchisq(statistic, 1, lower.tail = FALSE)
    ),
    # Cook (1977, Technometrics 19(1), 15-18), with the threshold 4 / n
    cooks_distance = list(
      threshold = 4 / n,
      above = sum(distances > 4 / n, na.rm = TRUE),
      greatest = lapply(greatest, function(i) list(row = i, distance = distances[[i]]))
    )
  )
}

#' Thin a vector, evenly over its order in the file
#'
#' @param values A vector.
#' @param most How many to keep at most.
#' @return At most so many of the values.
thin <- function(values, most) {
  count <- min(most, length(values))
  values[unique(round(seq(1, length(values), length.out = count)))]
}
