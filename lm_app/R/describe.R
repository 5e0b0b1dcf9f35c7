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
#' @param measured What measure() tells of all rows.
#' @param printed Its summary, as text.
#' @param data The columns, of the rows that were fitted; or the first 10 of these, and some that
#'   have every level and both ends of every range.
#' @param request What training was asked to fit: see read_request().
#' @param fit What fit_model() tells besides the model.
#' @return A named list. A vector of class AsIs is a list in JSON even where it has one element.
describe <- function(model, model_summary, measured, printed, data, request, fit) {
  estimates <- coef(model)
  data <- droplevels(data) # a level without a row is not offered, as R would refuse it
  counted_data <- if (isTRUE(measured$counted)) data else rows_of(data, measured$counted)
  columns <- described_columns(model, data, request)
  info <- c(
    first_keys(printed, estimates),
    list(
      residuals = measured$residuals,
      fitted_values = measured$fitted_values
    ),
    setNames(measured$values[columns], sprintf("%s_values", columns)),
    list(
      observations = observations(data[request$columns], measured$rows),
      observation_columns = I(request$columns),
      r_squared = round6(model_summary$r.squared),
      adjusted_r_squared = round6(model_summary$adj.r.squared),
      equation = equation(model),
      response = deparse1(formula(model)[[2]]),
      predictors = lapply(predictors(model), describe_predictor, data, counted_data, model),
      example = lapply(counted_data[1, predictors(model), drop = FALSE], function(value) {
        unclass(json_vector(value))
      }),
      formula_given = deparse1(request$formula),
      formula = deparse1(formula(model)),
      dropped_terms = I(setdiff(term_labels(request$terms), term_labels(terms(model)))),
      steps = I(fit$steps),
      coefficients = coefficients_table(model, model_summary),
      unrounded = unrounded(model, model_summary),
      reference_levels = reference_levels(model),
      n = measured$n,
      rows = fit$left_out,
      df_residual = as.integer(model$df.residual),
      sigma = model_summary$sigma,
      aic = measured$aic,
      bic = measured$bic,
      f_statistic = f_statistic(model_summary),
      press_rmse = measured$press_rmse,
      diagnostics = measured$diagnostics,
      row_diagnostics = measured$row_diagnostics,
      weighted = !is.null(model$weights),
      rank_deficient = anyNA(estimates),
      complete_up_to = complete_up_to,
      r_version = as.character(getRversion())
    )
  )
  info[!duplicated(names(info))] # a column named "fitted" does not hide fitted_values
}

first_keys <- function(printed, estimates) {
  slopes <- estimates[names(estimates) != "(Intercept)"]
  c(
    list(
      call = paste0(printed, "\n"),
      intercept = if ("(Intercept)" %in% names(estimates)) round6(estimates[["(Intercept)"]])
    ),
    setNames(lapply(unname(slopes), round6), sprintf("coef_%s", names(slopes)))
  )
}

# Those of the formula, and those that step() has dropped.
described_columns <- function(model, data, request) {
  variables <- intersect(all.vars(formula(model)), names(data))
  c(variables, setdiff(request$columns, variables))
}

#' Measure what needs every row
#'
#' @param model An lm.
#' @param leverages Its hatvalues().
#' @param data The columns, of the rows that were fitted.
#' @param request What read_request() returns.
#' @param rows The numbers of these rows.
#' @return A list of named values. `rows`: how many were fitted, and `counted`: which of `data` have
#'   a weight that is not 0, TRUE for all.
measure <- function(model, leverages, data, request, rows) {
  counted_data <- if (is.null(model$weights)) data else rows_of(data, counted(model))
  rows_counted <- rows[counted(model)]
  distances <- cooks.distance(model, res = weighted.residuals(model), hat = leverages)
  list(
    n = nobs(model),
    rows = nrow(data),
    counted = counted(model),
    residuals = all_or_summary(round6(residuals(model))),
    fitted_values = all_or_summary(round6(fitted(model))),
    values = lapply(droplevels(data)[described_columns(model, data, request)], all_or_summary),
    aic = AIC(model),
    bic = BIC(model),
    press_rmse = root_mean_square(deleted_residuals(model, leverages)),
    diagnostics = diagnostics(model, distances, rows_counted),
    row_diagnostics = row_diagnostics(model, leverages, distances, rows_counted, counted_data)
  )
}

#' List the columns that a model predicts from
#'
#' @param model An lm.
#' @return Their names.
predictors <- function(model) {
  setdiff(all.vars(delete.response(terms(model))), model$constants)
}

term_labels <- function(model_terms) attr(model_terms, "term.labels")

round6 <- function(x) round(x, 6)

json_vector <- function(values) {
  I(if (is.factor(values) || is_date(values)) as_text(values) else unname(values))
}

is_date <- function(values) inherits(values, c("Date", "POSIXct"))

# Dates as ISO 8601 has them.
as_text <- function(values) {
  if (inherits(values, "POSIXct")) {
    format(values, "%Y-%m-%dT%H:%M:%SZ", tz = "UTC")
  } else {
    as.character(values)
  }
}

all_or_summary <- function(values) {
  if (length(values) <= complete_up_to) {
    return(json_vector(values))
  }
  on.exit(release_memory(length(values)))
  if (is_date(values)) {
    return(list(n = length(values), min = as_text(min(values)), max = as_text(max(values))))
  }
  if (!is.numeric(values)) {
    return(list(n = length(values), counts = as.list(table(values))))
  }
  summary_of_numbers(length(values), as.numeric(summary(values)))
}

# `numbers`: in the order of summary().
summary_of_numbers <- function(n, numbers) {
  names(numbers) <- c("min", "first_quartile", "median", "mean", "third_quartile", "max")
  c(list(n = n), as.list(numbers))
}

observations <- function(data, n) {
  by_row <- function(rows) {
    columns <- lapply(rows, function(values) as.list(json_vector(values)))
    I(unname(do.call(Map, c(list(f = function(...) I(list(...))), unname(columns)))))
  }
  if (n <= complete_up_to) {
    by_row(data)
  } else {
    list(n = n, first = by_row(head(data, 10)))
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

# Its levels are those of all rows of the fit, as predict() knows them, and its range is that of the
# rows that count.
describe_predictor <- function(name, data, counted_data, model) {
  values <- data[[name]]
  counted_values <- counted_data[[name]]
  if (is_categorical(values)) {
    described <- list(name = name, type = "factor", levels = I(kind_of(values)$levels))
    if (is.ordered(values)) {
      described$ordered <- TRUE
    }
    return(described)
  }
  if (is.logical(values)) {
    return(list(name = name, type = "logical"))
  }
  range_of <- function(f) if (is_date(values)) as_text(f(counted_values)) else f(counted_values)
  type <- if (inherits(values, "Date")) {
    "date"
  } else if (is_date(values)) {
    "datetime"
  } else {
    "numeric"
  }
  described <- list(name = name, type = type, min = range_of(min), max = range_of(max))
  if (type == "numeric" && is_only_a_factor(name, formula(model)[[3]])) {
    described$values <- I(sort(unique(values)))
  }
  if (is.integer(values)) {
    described$integer <- TRUE
  }
  described
}

# Is a column nothing but what makes a factor's levels, as year in y ~ factor(year)?
is_only_a_factor <- function(name, part) {
  occurrences <- function(part) sum(all.names(part) == name)
  made <- calls_of(c("factor", "as.factor", "ordered", "interaction"), part)
  as_argument <- vapply(made, function(call) sum(vapply(call, identical, TRUE, as.name(name))), 0)
  sum(as_argument) == occurrences(part)
}

# The level that a factor's other coefficients are compared with.
reference_levels <- function(model) {
  references <- Map(
    function(fit_levels, chosen) {
      if (identical(chosen, "contr.treatment")) {
        fit_levels[1]
      } else if (identical(chosen, "contr.SAS")) {
        fit_levels[length(fit_levels)]
      }
    },
    model$xlevels,
    model$contrasts[names(model$xlevels)]
  )
  Filter(Negate(is.null), references)
}

# One object for each coefficient; NA for an aliased one.
coefficients_table <- function(model, model_summary) {
  estimated <- model_summary$coefficients
  # as confint() has them
  errors <- sqrt(diag(vcov(model_summary)))
  tail <- (1 - 0.95) / 2
  limits <- coef(model) + errors %o% qt(c(tail, 1 - tail), model$df.residual)
  unname(lapply(names(coef(model)), function(term) {
    statistics <- if (term %in% rownames(estimated)) estimated[term, ] else rep(NA_real_, 4)
    list(
      term = term,
      estimate = statistics[[1]],
      std_error = statistics[[2]],
      t_value = statistics[[3]],
      p_value = statistics[[4]],
      lower = limits[[term, 1]],
      upper = limits[[term, 2]]
    )
  }))
}

# What R's summary has, and the other keys round or lack: the variance of a coefficient is
# sigma^2 times its unscaled one.
unrounded <- function(model, model_summary) {
  variances <- diag(model_summary$cov.unscaled)[names(coef(model))]
  list(
    r_squared = model_summary$r.squared,
    adjusted_r_squared = model_summary$adj.r.squared,
    unscaled_variances = I(unname(variances))
  )
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

#' Compute the errors of leave-one-out prediction
#'
#' Without row i, the prediction for it would miss by residual / (1 - leverage)
#' (Allen 1974, Technometrics 16(1), 125-127). A row of weight 0 took no part in the fit, and has
#' none.
#'
#' @param model An lm.
#' @param leverages Its hatvalues().
#' @return A vector of numbers.
deleted_residuals <- function(model, leverages = hatvalues(model)) {
  unname(residuals(model)[counted(model)] / (1 - leverages))
}

root_mean_square <- function(x) sqrt(mean(x^2))

# What plot.lm() shows, in numbers. Rows of weight 0 took no part.
diagnostics <- function(model, distances, rows) {
  n <- length(distances)
  errors <- weighted.residuals(model)
  release_memory(n)
  tested <- thin(errors, 5000) # shapiro.test() takes no more
  # Breusch and Pagan (1979, Econometrica 47(5), 1287-1294) against the fitted values, studentised
  # as by Koenker (1981, J. Econometrics 17(1), 107-112): n R^2 of the squared residuals, chi-
  # squared with 1 df. Against all predictors, as lmtest::bptest() has it by default, it is another.
  against <- fitted(model)[counted(model)]
  is_constant <- diff(range(against)) <= 1e-10 * max(abs(against)) # then all else is rounding
  statistic <- if (is_constant) NA_real_ else n * suppressWarnings(cor(errors^2, against))^2
  release_memory(n)
  near <- near_greatest(distances, 5)
  greatest <- near[head(order(distances[near], decreasing = TRUE), 5)]
  # Cook (1977, Technometrics 19(1), 15-18), with the threshold 4 / n
  above <- sum(distances > 4 / n, na.rm = TRUE)
  diagnosed(n, tested, statistic, above, rows[greatest], distances[greatest])
}

# `tested`: some residuals, `statistic`: Breusch and Pagan's; `above`, `rows`, `distances`: Cook's.
diagnosed <- function(n, tested, statistic, above, rows, distances) {
  normality <- tryCatch(shapiro.test(tested), error = function(e) NULL)
  list(
    shapiro_wilk = if (!is.null(normality)) {
      list(w = normality$statistic[[1]], p_value = normality$p.value, n = length(tested))
    },
    breusch_pagan_fitted = list(
      statistic = statistic,
      p_value = pchisq(statistic, 1, lower.tail = FALSE)
    ),
    cooks_distance = list(
      threshold = 4 / n,
      above = above,
      greatest = lapply(seq_along(rows), function(i) list(row = rows[i], distance = distances[[i]]))
    )
  )
}

# So many rows of each measure are told where not all are.
most_outstanding <- 20L

# The same of each row; of very many, of those that stand out.
row_diagnostics <- function(model, leverages, distances, rows, counted_data) {
  n <- length(rows)
  measured <- list(hat = leverages, wt.res = weighted.residuals(model))
  standardised <- rstandard(model, infl = measured, sd = sqrt(deviance(model) / model$df.residual))
  release_memory(n)
  told <- seq_len(n)
  if (n > complete_up_to) {
    told <- outstanding(leverages, standardised, distances)
    release_memory(n)
  }
  of_rows <- list(
    row = rows[told],
    observed = response_values(model, counted_data)[told],
    fitted = fitted(model)[counted(model)][told],
    leverage = leverages[told],
    std_residual = standardised[told],
    cooks_distance = distances[told]
  )
  told_of_rows(n, beyond_two(standardised), of_rows)
}

# Which rows are among those with the greatest values of any kind; of equal ones, but for rounding,
# the first are.
outstanding <- function(leverages, standardised, distances) {
  greatest <- function(values) {
    near <- near_greatest(values, most_outstanding)
    near[head(order(signif(values[near], 10), decreasing = TRUE), most_outstanding)]
  }
  sort(unique(c(greatest(distances), greatest(abs(standardised)), greatest(leverages))))
}

# Where so many of the greatest of some positive numbers are, with all that are about as great as the
# least of these: to put all in order takes ten times as long.
near_greatest <- function(values, count) {
  if (sum(!is.na(values)) <= count) {
    return(seq_along(values))
  }
  least <- -sort(-values, partial = count)[count]
  which(values >= least * (1 - 1e-9))
}

beyond_two <- function(standardised) sum(abs(standardised) > 2, na.rm = TRUE)

told_of_rows <- function(n, far, of_rows) {
  c(
    list(n = n, far = far, row = I(of_rows$row)),
    lapply(of_rows[names(of_rows) != "row"], json_vector)
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
