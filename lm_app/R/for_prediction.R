# Keep of an lm what predict() needs, prove once that the fast path answers as predict() does, and
# check that each row can be predicted alone.

#' Strip an lm for prediction
#'
#' What is left is what predict.lm() reads, intervals included: some KB, whatever the number of
#' observations. It needs R of the QR decomposition (its first rows), the residual sum of squares
#' and the degrees of freedom. Beside them stand
#' `predictors`: how each predictor is kept, by its name: see kind_of();
#' `fewest_rows`: 2 where predict() stops for one row, as of poly(a, b);
#' `r_inverse`: the inverse of R, which costs seconds for 1,000 coefficients;
#' `column_means`: of the model matrix, from which predict() counts terms, and which term each
#'   column belongs to;
#' `proof`: see prove_fast_path().
#' Pickles of older versions are read, too: the names of these elements never change.
#'
#' @param model An lm.
#' @param data The rows that it was fitted to, a data frame of columns in their original classes.
#' @param means Its column_means(), taken while it has its model frame.
#' @return An lm.
strip_for_prediction <- function(model, data, means = column_means(model)) {
  estimable <- seq_len(model$rank)
  is_weighted <- !is.null(model$weights)
  rss <- sum((if (is_weighted) model$weights else 1) * model$residuals^2)
  model_terms <- model$terms
  environment(model_terms) <- globalenv() # else the data would be saved along with the formula
  model_call <- model$call
  model_call$formula <- formula(model_terms)
  data <- data[intersect(all.vars(delete.response(model_terms)), names(data))]
  r_of_qr <- list(
    qr = unname(model$qr$qr[estimable, , drop = FALSE]),
    rank = model$rank,
    pivot = model$qr$pivot
  )
  kept <- list(
    coefficients = model$coefficients,
    residuals = of_sum_of_squares(rss),
    rank = model$rank,
    df.residual = model$df.residual,
    qr = structure(r_of_qr, class = "qr"),
    xlevels = model$xlevels,
    contrasts = model$contrasts,
    call = model_call,
    terms = model_terms,
    predictors = lapply(data, kind_of)
  )
  if (is_weighted) {
    kept$weights <- 1 # predict() warns that a weighted fit's prediction interval takes weight 1
  }
  kept <- structure(kept, class = "lm")
  kept$fewest_rows <- fewest_rows(kept, data)
  kept$r_inverse <- invert_r(kept)
  kept$column_means <- means
  kept$proof <- prove_fast_path(kept, reference_rows(kept, data))
  kept
}

# Two numbers of which predict.lm() makes just this sum of squares. One, its root, would do but for
# the last bit; so it is a little less, and the second has the rest.
of_sum_of_squares <- function(rss) {
  first <- sqrt(rss) * (1 - 2^-26)
  c(first, sqrt(rss - first^2))
}

column_means <- function(model) {
  design <- model.matrix(model)
  on.exit(release_memory(nrow(design)))
  list(means = colMeans(design), assign = attr(design, "assign"))
}

#' Tell how a predictor's values are kept
#'
#' @param values A column of the data that were fitted.
#' @return A list. `kind`: its class, as as_data_frame() makes it again. Of a text and a factor
#'   also `levels`: those among the values, in R's order, which a request counts from 1; of a
#'   factor `all_levels`: those of the column, which as.numeric() counts.
kind_of <- function(values) {
  if (is.factor(values)) {
    list(
      kind = if (is.ordered(values)) "ordered" else "factor",
      levels = levels(droplevels(values)),
      all_levels = levels(values)
    )
  } else if (is.character(values)) {
    list(kind = "character", levels = levels(factor(values)))
  } else if (inherits(values, "Date")) {
    list(kind = "date")
  } else if (inherits(values, "POSIXct")) {
    list(kind = "datetime")
  } else {
    list(kind = if (is.double(values)) "numeric" else typeof(values))
  }
}

# The numbers that a request would send for these values.
encode <- function(values, kind) {
  if (is.null(kind$levels)) as.numeric(values) else match(as.character(values), kind$levels)
}

# Two where R stops for one.
fewest_rows <- function(model, data) {
  first <- data[c(1, 1), , drop = FALSE]
  stops <- function(count) {
    is.null(tryCatch(
      suppressWarnings(predict(model, first[seq_len(count), , drop = FALSE])),
      error = function(e) NULL
    ))
  }
  if (stops(1) && !stops(2)) 2L else 1L
}

#' Find observations with every level and both ends of every range
#'
#' @param model What strip_for_prediction() makes.
#' @param data The predictors' columns.
#' @return A list of columns, as a request sends them.
reference_rows <- function(model, data) {
  if (length(data) == 0) {
    return(list(c(1, 1)))
  }
  is_levelled <- vapply(model$predictors, function(kind) !is.null(kind$levels), TRUE)
  ends <- lapply(data[!is_levelled], function(values) c(which.min(values), which.max(values)))
  levelled <- c(data[is_levelled], made_factors(model, data))
  rows <- c(ends, lapply(levelled, function(values) match(unique(values), values)))
  picked <- data[unique(c(unlist(rows), 1, nrow(data))), , drop = FALSE]
  Map(encode, picked, model$predictors)
}

# The factors that the formula makes of its columns, such as factor(z): their values in these data.
made_factors <- function(model, data) {
  expressions <- predictor_variables(model)
  lapply(expressions[setdiff(names(model$xlevels), names(data))], function(expression) {
    as.character(eval(expression, data, globalenv()))
  })
}

# The expressions of the terms' variables, by their names, with what the fit fixed.
predictor_variables <- function(model) {
  model_terms <- delete.response(model$terms)
  expressions <- as.list(attr(model_terms, "predvars"))[-1]
  names(expressions) <- vapply(as.list(attr(model_terms, "variables")), deparse1, "")[-1]
  expressions
}

#' Check that each row can be predicted alone
#'
#' A term such as cut(x, 3) or x - mean(x) means one thing in 10 rows and another in one. It is
#' seen where a row is predicted otherwise than it was fitted by more than rounding: that of the
#' sum of its terms, which may cancel.
#'
#' @param trained What strip_for_prediction() made.
#' @param data The rows that it was fitted to, or some of them.
#' @param rows Which of them to check.
#' @param fitted_values Those of `data`.
#' @param numbers The numbers of `rows` among all rows.
#' @return NULL. Refuses with one line that names the first row of which it is not so.
check_rows_stand_alone <- function(trained, data, rows, fitted_values, numbers = rows) {
  alone <- lapply(rows, function(i) {
    attempt(function() predict(trained, data[rep(i, trained$fewest_rows), , drop = FALSE])[[1]])
  })
  values <- vapply(alone, function(one) if (is.null(one$value)) NaN else one$value, 0)
  spread <- diff(range(fitted_values))
  suspects <- which(is.na(values) | abs(values - fitted_values[rows]) > 1e-8 * spread)
  if (length(suspects) == 0) {
    return(NULL)
  }
  together <- unname(suppressWarnings(predict(trained, data)))[rows]
  for (i in suspects) {
    why <- if (is.null(alone[[i]]$value)) {
      paste0("can't be predicted (R: ", one_line(alone[[i]]$error), ")")
    } else if (!is_rounding(values[i] - together[i], trained, data[rows[i], , drop = FALSE])) {
      "is predicted otherwise than among the others"
    }
    if (!is.null(why)) {
      refuse(
        "formula '",
        deparse1(formula(trained)),
        "': row ",
        numbers[i],
        " alone ",
        why,
        "; give functions such as cut() their breaks, so that every observation stands for itself"
      )
    }
  }
}

one_line <- function(text) gsub("[[:space:]]+", " ", text)

# Is it no more than rounding, for the sum of the absolute values of what is added up for the row?
# NA is: the log of a negative number has no value, alone or not.
is_rounding <- function(difference, trained, row) {
  model_terms <- delete.response(trained$terms)
  row <- row[c(1, 1), , drop = FALSE]
  frame <- model.frame(model_terms, row, na.action = na.pass, xlev = trained$xlevels)
  design <- model.matrix(model_terms, frame, contrasts.arg = trained$contrasts)
  summands <- c(design[1, ] * coef(trained), model.offset(frame)[1])
  is.na(difference) || abs(difference) <= 1e-12 * sum(abs(summands), na.rm = TRUE)
}
