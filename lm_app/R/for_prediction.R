# Keep of an lm what predict() needs, and check that each row can be predicted alone.

# The lm with what predict.lm() reads, intervals included: some KB, whatever the number of
# observations. It needs R of the QR decomposition (its first rows), the residual sum of squares
# and the degrees of freedom. Pickles of older versions are read, too: the names of its elements
# never change.
strip_for_prediction <- function(model, data) {
  estimable <- seq_len(model$rank)
  is_weighted <- !is.null(model$weights)
  rss <- sum((if (is_weighted) model$weights else 1) * model$residuals^2)
  model_terms <- model$terms
  environment(model_terms) <- globalenv() # else the data would be saved along with the formula
  model_call <- model$call
  model_call$formula <- formula(model_terms)
  r_of_qr <- list(
    qr = unname(model$qr$qr[estimable, , drop = FALSE]),
    rank = model$rank,
    pivot = model$qr$pivot
  )
  kept <- list(
    coefficients = model$coefficients,
    residuals = sqrt(rss),
    rank = model$rank,
    df.residual = model$df.residual,
    qr = structure(r_of_qr, class = "qr"),
    xlevels = model$xlevels,
    contrasts = model$contrasts,
    call = model_call,
    terms = model_terms,
    levels = levels_by_position(data[predictors(model)]),
    probe = reference_rows(data[predictors(model)])
  )
  if (is_weighted) {
    kept$weights <- 1 # predict() warns that a weighted fit's prediction interval takes weight 1
  }
  structure(kept, class = "lm")
}

# For as_data_frame(): for each predictor that is no number, its position and its levels (NULL for
# a logical).
levels_by_position <- function(data) {
  lapply(which(!vapply(data, is.numeric, TRUE)), function(i) {
    list(position = i, levels = levels(data[[i]]))
  })
}

# Observations with every level and at both ends of every range, as columns of numbers: those that
# prepare_predict() compares the fast path with predict() for.
reference_rows <- function(data) {
  rows <- lapply(data, function(values) {
    if (is.numeric(values)) {
      c(which.min(values), which.max(values))
    } else {
      match(unique(values), values)
    }
  })
  lapply(data[unique(unlist(rows)), , drop = FALSE], as.numeric)
}

# A term such as cut(x, 3) or scale(x) * mean(x) may mean one thing in 10 rows and another in one.
check_rows_stand_alone <- function(trained, model, data) {
  for (i in thin(seq_len(nrow(data)), 10)) {
    alone <- tryCatch(
      suppressWarnings(predict(trained, data[i, , drop = FALSE])),
      error = function(e) NA
    )
    if (!isTRUE(all.equal(as.vector(alone), fitted(model)[[i]]))) {
      refuse(
        "formula '",
        deparse1(formula(model)),
        "': row ",
        i,
        " alone is predicted otherwise than among the others; ",
        "give functions such as cut() their breaks, so that every observation stands for itself"
      )
    }
  }
}
