# Rebuild an lm that was fitted elsewhere, from text: what predict() needs is numbers, names and one
# formula. The formula is read as anybody's is; no other call is taken over, but made here.

#' Rebuild an lm
#'
#' @param fitted A list, of what deploy_lm() in contrib/lm.R wrote without data: what
#'   check_reproduced() takes, and `formula`, `n`, `df_residual` and `model` (`variables`, `rank`,
#'   `pivot`, `r`, `means`, `rss`, `weighted`). Types and lengths are as lm_app/training/fitted.py checks them.
#' @return What train() returns; `info` lacks what only the data could give. Refuses with one line
#'   where it is no model, or does not predict what it did there.
rebuild <- function(fitted) {
  columns <- vapply(fitted$predictors, function(predictor) predictor$name, "")
  formula <- read_formula(fitted$formula, c(columns, response_columns(fitted$formula)))
  check_formula_size(formula, columns, levels_of(fitted$predictors), "fitted.json: its formula")
  model_terms <- terms_as_fitted(formula, fitted$model$variables, columns)
  predictors <- kinds_as_fitted(model_terms, fitted$predictors)
  model <- model_as_fitted(fitted, formula, model_terms, predictors)
  check_model_calls(model)
  x <- rows_to_ask(predictors, fitted)
  rows <- as_data_frame(x, predictors)
  check_crossed(formula, rows)
  assign <- check_design(model, rows)
  model$fewest_rows <- fewest_rows(model, rows)
  model$r_inverse <- invert_r(model)
  means <- setNames(fitted$model$means, fitted$terms)
  model$column_means <- list(means = means, assign = assign)
  model$proof <- prove_fast_path(model, as_columns(x, max(1, length(predictors))))
  origin <- paste0("fitted elsewhere, in ", check_reproduced(model, fitted))
  table <- table_as_fitted(model, fitted)
  printed <- summary_as_fitted(fitted, table)
  list(
    model = model,
    code = paste0(as_code(model), "\n", collapse = ""),
    info = describe_rebuilt(model, fitted, formula, rows, table, printed, origin),
    summary = printed,
    live_press_rmse = NULL,
    distributions = NULL
  )
}

# The names that the response uses. It is never evaluated.
response_columns <- function(text) {
  tilde <- parse_one(text, "fitted.json: its formula", "it is no formula")
  if (is_call_of(tilde, "~") && length(tilde) == 3) all.vars(tilde[[2]])
}

# As data that have each level once, to count what an interaction() would cross.
levels_of <- function(predictors) {
  setNames(
    lapply(predictors, function(predictor) predictor$levels),
    vapply(predictors, function(predictor) predictor$name, "")
  )
}

refuse_fitted <- function(...) refuse("fitted.json: ", ...)

# The terms of the formula, with what the fit fixed in its calls.
terms_as_fitted <- function(formula, variables, columns) {
  if ("." %in% all.vars(formula[[3]])) {
    refuse_fitted("its formula has a '.'; it must name its terms")
  }
  model_terms <- terms(formula)
  expressions <- as.list(attr(model_terms, "variables"))[-1]
  if (length(expressions) != length(variables)) {
    refuse_fitted("its formula has ", length(expressions), " variables, not ", length(variables))
  }
  fixed <- Map(with_fixed, expressions, lapply(variables, function(variable) variable$fixed))
  attr(model_terms, "predvars") <- as.call(c(list(quote(list)), unname(fixed)))
  classes <- vapply(variables, function(variable) variable$class, "")
  attr(model_terms, "dataClasses") <- setNames(classes, vapply(expressions, deparse1, ""))
  model_terms
}

# What makepredictcall() puts into calls, by the function that is called.
fixed_by_fit <- list(
  poly = "coefs",
  ns = c("knots", "Boundary.knots", "intercept"),
  bs = c("knots", "Boundary.knots", "intercept", "degree"),
  scale = c("center", "scale")
)

with_fixed <- function(expression, fixed) {
  fixed <- Filter(Negate(is.null), as.list(fixed))
  name <- call_name(expression)
  expected <- fixed_by_fit[[name]]
  other <- setdiff(names(fixed), expected)
  if (length(other) > 0) {
    refuse_fitted("'", brief(expression), "' has no '", other[1], "' that a fit fixes")
  }
  is_raw <- name == "poly" && isTRUE(expression[["raw"]])
  if (!is_raw && !all(setdiff(expected, c("center", "scale")) %in% names(fixed))) {
    refuse_fitted("'", brief(expression), "' lacks what the fit fixed: ", toString(expected))
  }
  if (name %in% c("ns", "bs")) {
    expression <- expression[1:2] # instead of df
  }
  for (argument in names(fixed)) {
    expression[[argument]] <- fixed[[argument]]
  }
  expression
}

# As kind_of() tells them.
kinds_as_fitted <- function(model_terms, described) {
  names(described) <- vapply(described, function(predictor) predictor$name, "")
  used <- intersect(all.vars(delete.response(model_terms)), names(described))
  unused <- setdiff(names(described), used)
  if (length(unused) > 0) {
    refuse_fitted("its formula does not use '", unused[1], "'")
  }
  lapply(described[used], function(predictor) {
    Filter(Negate(is.null), predictor[c("kind", "levels", "all_levels")])
  })
}

# The lm, as strip_for_prediction() leaves it.
model_as_fitted <- function(fitted, formula, model_terms, predictors) {
  parts <- fitted$model
  labels <- names(attr(model_terms, "dataClasses"))
  of_variables <- function(what) {
    values <- setNames(lapply(parts$variables, function(variable) variable[[what]]), labels)
    values <- Filter(Negate(is.null), values)
    if (length(values) > 0) values
  }
  contrasts <- of_variables("contrasts")
  if (!is.null(contrasts)) {
    contrasts <- lapply(contrasts, as_contrasts)
  }
  count <- length(fitted$terms)
  r <- matrix(0, parts$rank, count)
  for (i in seq_len(parts$rank)) {
    r[i, i:count] <- parts$r[[i]]
  }
  rank <- as.integer(parts$rank)
  model <- list(
    coefficients = setNames(fitted$estimates, fitted$terms),
    residuals = of_sum_of_squares(parts$rss),
    rank = rank,
    df.residual = as.integer(fitted$df_residual),
    qr = structure(list(qr = r, rank = rank, pivot = as.integer(parts$pivot)), class = "qr"),
    xlevels = of_variables("levels"),
    contrasts = contrasts,
    call = as.call(list(quote(lm), formula = formula, data = quote(data))),
    terms = model_terms,
    predictors = predictors
  )
  if (parts$weighted) {
    model$weights <- 1
  }
  structure(model, class = "lm")
}

# Does the formula make just these coefficients? Returns the terms that they belong to.
check_design <- function(model, rows) {
  two <- rows[c(1, 1), , drop = FALSE]
  made <- tryCatch(
    {
      model_terms <- delete.response(model$terms)
      frame <- model.frame(model_terms, two, na.action = na.pass, xlev = model$xlevels)
      model.matrix(model_terms, frame, contrasts.arg = model$contrasts)
    },
    error = function(e) refuse_fitted("R can't work out its terms: ", one_line(conditionMessage(e)))
  )
  if (!identical(colnames(made), names(model$coefficients))) {
    refuse_fitted(
      "its formula makes the terms ",
      some(colnames(made)),
      ", not ",
      some(names(model$coefficients))
    )
  }
  attr(made, "assign")
}

# As summary() has them, with NA for aliased terms.
unscaled_variances <- function(model) {
  estimable <- seq_len(model$rank)
  variances <- setNames(rep(NA_real_, length(model$coefficients)), names(model$coefficients))
  if (model$rank > 0) {
    variances[model$qr$pivot[estimable]] <- diag(chol2inv(model$qr$qr[, estimable, drop = FALSE]))
  }
  variances
}

# As coef(summary()) and confint() have it, with NA for aliased terms.
table_as_fitted <- function(model, fitted) {
  estimates <- model$coefficients
  variance <- fitted$model$rss / model$df.residual
  errors <- sqrt(unscaled_variances(model) * variance)
  scales <- pmax(errors, fitted$std_errors)
  if (any(farthest(errors, fitted$std_errors, scales) > most_apart)) {
    refuse_fitted("its std_errors are not those of its r and rss")
  }
  t_values <- estimates / errors
  half <- qt(0.975, model$df.residual) * errors
  data.frame(
    estimate = estimates,
    std_error = errors,
    t_value = t_values,
    p_value = 2 * pt(abs(t_values), model$df.residual, lower.tail = FALSE),
    lower = estimates - half,
    upper = estimates + half
  )
}

summary_as_fitted <- function(fitted, table) {
  shown <- as.matrix(table[1:4])
  colnames(shown) <- c("Estimate", "Std. Error", "t value", "Pr(>|t|)")
  lines <- c(
    paste0("Fitted elsewhere, in R ", fitted$r_version, ":"),
    paste(strwrap(fitted$formula, 80), collapse = "\n"),
    "",
    capture.output(printCoefmat(shown, na.print = "NA", signif.legend = FALSE)),
    "",
    sprintf(
      "Residual standard error: %.4g on %d degrees of freedom",
      sqrt(fitted$model$rss / fitted$df_residual),
      as.integer(fitted$df_residual)
    )
  )
  paste(lines, collapse = "\n")
}

# What describe() tells, but for what only the data could tell.
describe_rebuilt <- function(model, fitted, formula, rows, table, printed, origin) {
  estimates <- coef(model)
  described <- setNames(fitted$predictors, vapply(fitted$predictors, function(p) p$name, ""))
  info <- c(
    first_keys(printed, estimates),
    list(
      r_squared = NULL,
      adjusted_r_squared = NULL,
      equation = equation(model),
      response = deparse1(formula[[2]]),
      predictors = unname(lapply(described[names(model$predictors)], describe_fitted, formula)),
      example = lapply(rows[1, , drop = FALSE], function(value) unclass(json_vector(value))),
      formula_given = deparse1(formula),
      formula = deparse1(formula),
      dropped_terms = I(character()),
      steps = I(character()),
      coefficients = unname(lapply(seq_along(estimates), function(i) {
        c(list(term = names(estimates)[i]), as.list(table[i, ]))
      })),
      unrounded = list(unscaled_variances = I(unname(unscaled_variances(model)))),
      reference_levels = reference_levels(model),
      n = as.integer(fitted$n),
      df_residual = model$df.residual,
      sigma = sqrt(fitted$model$rss / model$df.residual),
      aic = NULL,
      bic = NULL,
      f_statistic = NULL,
      press_rmse = NULL,
      weighted = fitted$model$weighted,
      rank_deficient = anyNA(estimates),
      complete_up_to = complete_up_to,
      r_version = as.character(getRversion()),
      origin = origin
    )
  )
  info[!duplicated(names(info))]
}

# As describe_predictor() does, of what was written elsewhere.
describe_fitted <- function(predictor, formula) {
  name <- predictor$name
  if (!is.null(predictor$levels)) {
    described <- list(name = name, type = "factor", levels = I(predictor$levels))
    if (predictor$kind == "ordered") {
      described$ordered <- TRUE
    }
    return(described)
  }
  if (predictor$kind == "logical") {
    return(list(name = name, type = "logical"))
  }
  as_kind <- function(value) json_vector(decode_or_number(value, predictor))
  described <- list(
    name = name,
    type = if (predictor$kind == "integer") "numeric" else predictor$kind,
    min = unclass(as_kind(predictor$min)),
    max = unclass(as_kind(predictor$max))
  )
  if (described$type == "numeric" && is_only_a_factor(name, formula[[3]])) {
    if (is.null(predictor$values)) {
      refuse_fitted("'", name, "' lacks the values of which the formula makes a factor")
    }
    described$values <- as_kind(predictor$values)
  }
  if (predictor$kind == "integer") {
    described$integer <- TRUE
  }
  described
}

decode_or_number <- function(values, kind) {
  if (kind$kind == "numeric") values else decode(values, kind)
}
