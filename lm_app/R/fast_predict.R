# A fast predict(): the same numbers, with the model-frame work done once.
#
# For one observation, predict.lm() spends nearly all of its time on making a model frame and a
# model matrix. What it needs for that does not change: the variables of the terms, the levels and
# contrasts of the factors, the inverse of R of the QR decomposition. prepare_predict() looks them
# up once; what is left for each request is the arithmetic, by the same routines and in the same
# order as in predict.lm(), so that the numbers are the same to the last bit.

#' Ask whether train() made this
#'
#' @param model Any R object.
#' @return TRUE or FALSE.
is_trained <- function(model) {
  inherits(model, "lm") && is.numeric(model$coefficients) && is.list(model$probe)
}

#' Prepare a model for predictions
#'
#' Both ways to predict take the same arguments:
#' `x`: the predictors' values, one column after the other in one vector; a factor is given by the
#'   positions of its levels (1, 2, ...), as R itself keeps it, a logical by 0 and 1.
#' `interval`: "none", "confidence" or "prediction".
#' `level`: between 0 and 1.
#'
#' @param model What train() made.
#' @return A list. `fast`: a call with three arguments to fill in; its value is a vector, the fit
#'   and, with an interval, after it the lower and the upper limits; or NULL where only predict()
#'   can tell. `fallback`: a function that asks predict() itself; it returns what attempt()
#'   returns, its value the same vector.
prepare_predict <- function(model) {
  fallback <- function(x, interval, level) {
    attempt(function() {
      as.vector(predict(model, as_data_frame(x, model), interval = interval, level = level))
    })
  }
  # Since R 4.3, predict() warns of a rank-deficient fit only where a row is not estimable, so no
  # reference rows can show that it never will.
  is_full_rank <- model$rank == length(model$coefficients)
  fast <- if (is_full_rank) tryCatch(fast_path(model), error = function(e) NULL)
  if (is.null(fast) || !agrees_with_predict(fast, fallback, model$probe)) {
    warning(
      "predict() itself answers, several times slower: ",
      "it may warn of this model, or the fast path disagrees with it",
      call. = FALSE
    )
    fast <- function(x, interval, level) NULL
  }
  list(fast = as.call(list(fast, 0, "none", 0.95)), fallback = fallback)
}

# The observations that x stands for.
as_data_frame <- function(x, model) {
  columns <- as_columns(x, length(model$probe))
  for (encoded in model$levels) {
    values <- columns[[encoded$position]]
    columns[[encoded$position]] <- if (is.null(encoded$levels)) {
      as.logical(values)
    } else {
      structure(as.integer(values), levels = encoded$levels, class = "factor")
    }
  }
  structure(
    columns,
    names = names(model$probe),
    class = "data.frame",
    row.names = .set_row_names(length(columns[[1]]))
  )
}

as_columns <- function(x, count) {
  dim(x) <- c(length(x) / count, count)
  lapply(seq_len(count), function(i) x[, i])
}

# The fast path, a function of x, interval and level; see prepare_predict().
fast_path <- function(model) {
  model_terms <- delete.response(model$terms)
  variables <- attr(model_terms, "predvars") # with what the fit fixed, as the knots of ns()
  variable_names <- vapply(attr(model_terms, "variables"), deparse1, "")[-1]
  enclosure <- environment(model_terms)
  count <- length(model$probe)
  factors <- lapply(names(model$contrasts), prepare_factor, model, variable_names)
  offsets <- attr(model_terms, "offset")
  # columns are the variables, one for one: nothing is left to evaluate, and nothing can go wrong
  is_verbatim <- identical(variable_names, names(model$probe)) &&
    all(vapply(variables, is.name, TRUE)) &&
    all(vapply(factors, function(f) f$is_verbatim, TRUE))
  one_row <- list(names = variable_names, row.names = .set_row_names(1))
  estimable <- seq_len(model$rank)
  pivot <- model$qr$pivot[estimable]
  # from here on as in predict.lm()
  estimates <- model$coefficients[pivot]
  r_inverse <- qr.solve(qr.R(model$qr)[estimable, estimable])
  df_residual <- model$df.residual
  variances <- rep(sum(model$residuals^2) / df_residual, model$rank)
  model_matrix <- get("C_modelmatrix", asNamespace("stats")) # what model.matrix() calls in the end
  is_in_order <- identical(pivot, seq_along(model$coefficients))
  intercept <- attr(model_terms, "intercept")
  # each term is a number, as it comes: the model matrix is x, after a column of ones
  x_is_design <- is_verbatim &&
    is_in_order &&
    length(factors) == 0 &&
    identical(term_labels(model_terms), variable_names)

  # NULL where a level is another than those of the fit, as factor(x) may meet
  variables_of <- function(x) {
    is_one_row <- length(x) == count
    evaluated <- if (!is_verbatim) {
      eval(variables, as_data_frame(x, model), enclosure)
    } else if (is_one_row) {
      c(list(), x)
    } else {
      as_columns(x, count)
    }
    for (f in factors) {
      values <- evaluated[[f$position]]
      codes <- if (is_verbatim) {
        as.integer(values) + f$shift
      } else if (identical(attr(values, "levels"), f$levels)) {
        as.integer(values)
      } else {
        match(as.character(values), f$levels)
      }
      if (anyNA(codes)) {
        return(NULL)
      }
      attributes(codes) <- f$attributes
      evaluated[[f$position]] <- codes
    }
    attributes(evaluated) <- if (is_one_row) {
      one_row
    } else {
      list(names = variable_names, row.names = .set_row_names(length(x) / count))
    }
    evaluated
  }

  fast <- function(x, interval, level) {
    if (x_is_design) {
      rows <- length(x) / count
      design <- c(rep(1, rows * intercept), x)
      dim(design) <- c(rows, count + intercept)
    } else {
      evaluated <- variables_of(x)
      if (is.null(evaluated)) {
        return(NULL)
      }
      design <- .External2(model_matrix, model_terms, evaluated)
      if (!is_in_order) {
        design <- design[, pivot, drop = FALSE]
      }
    }
    fitted_values <- c(design %*% estimates)
    if (length(offsets) > 0) {
      # added to each other first, as predict() does
      fitted_values <- fitted_values + Reduce(`+`, evaluated[offsets])
    }
    if (interval == "none") {
      return(fitted_values)
    }
    variance_of_fit <- c((design %*% r_inverse)^2 %*% variances)
    if (interval == "prediction") {
      variance_of_fit <- variance_of_fit + variances[1]
    }
    half_width <- qt((1 - level) / 2, df_residual) * sqrt(variance_of_fit)
    c(fitted_values, fitted_values + half_width, fitted_values - half_width)
  }
  if (is_verbatim) {
    return(fast)
  }
  function(x, interval, level) tryCatch(fast(x, interval, level), warning = function(w) NULL)
}

# A variable of the terms that is a factor, or logical: its position among them, its levels, and
# the attributes that the model matrix wants. is_verbatim: it is a predictor with just these
# levels; shift: what its values lack to be positions.
prepare_factor <- function(name, model, variable_names) {
  position <- match(name, variable_names)
  fit_levels <- model$xlevels[[name]]
  if (is.null(fit_levels)) {
    fit_levels <- c("FALSE", "TRUE")
  }
  encoded <- Find(function(predictor) predictor$position == position, model$levels)
  contrasted <- contrast_matrix(model, name, fit_levels)
  list(
    position = position,
    levels = fit_levels,
    is_verbatim = is.null(encoded$levels) || identical(encoded$levels, fit_levels),
    shift = if (is.null(encoded$levels)) 1L else 0L,
    attributes = list(levels = fit_levels, class = "factor", contrasts = contrasted)
  )
}

# The contrasts of one factor, as model.matrix() makes them from what lm() noted.
contrast_matrix <- function(model, name, fit_levels) {
  is_ordered <- attr(model$terms, "dataClasses")[[name]] == "ordered"
  values <- factor(fit_levels, fit_levels, ordered = is_ordered)
  contrasts(values) <- model$contrasts[[name]]
  contrasts(values)
}

# Does the fast path give predict()'s numbers to the last bit, for the reference rows, each alone
# and all at once? Where predict() warns, as it does of weights, only it knows when.
agrees_with_predict <- function(fast, fallback, rows) {
  alone <- lapply(seq_along(rows[[1]]), function(i) vapply(rows, `[`, 0, i))
  for (x in lapply(c(alone, list(unlist(rows))), unname)) {
    for (interval in c("none", "confidence", "prediction")) {
      expected <- fallback(x, interval, 0.9)
      if (length(expected$warnings) > 0 || !identical(fast(x, interval, 0.9), expected$value)) {
        return(FALSE)
      }
    }
  }
  TRUE
}
