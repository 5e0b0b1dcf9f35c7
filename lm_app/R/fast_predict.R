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
  inherits(model, "lm") &&
    is.numeric(model$coefficients) &&
    (is.list(model$predictors) || is.list(model$probe))
}

#' Prepare a model for predictions
#'
#' Both ways to predict take the same arguments:
#' `x`: the predictors' values, one column after the other in one vector; a text and a factor are
#'   given by the positions of their levels (1, 2, ...), a logical by 0 and 1, a date by its days
#'   and a time by its seconds since 1970 (UTC). A model without predictors takes ones.
#' `interval`: "none", "confidence" or "prediction".
#' `level`: between 0 and 1.
#'
#' @param model What train() made.
#' @return A list. `fast`: a call with three arguments to fill in; its value is a vector, the fit
#'   and, with an interval, after it the lower and the upper limits; or NULL where only predict()
#'   can tell. `fallback`: a function that asks predict() itself; it returns what attempt()
#'   returns, its value the same vector, and has a fourth argument, the seconds after which R stops.
#'   `more`: standard errors and terms; see ask_more().
#'   `unseen`: a function of `x`; see unseen_levels(). `columns`: how many the model matrix has.
prepare_predict <- function(model) {
  model <- with_predictors(model)
  check_model_calls(model)
  fallback <- ask_predict(model)
  fast <- proven_fast_path(model)
  # What the model keeps grows old in R's collector now (1 ms); else every collection looks through
  # it again, and a batch of 100,000 takes an eighth longer.
  gc(full = FALSE)
  if (is.null(fast)) {
    fast <- function(x, interval, level) NULL
  }
  list(
    fast = as.call(list(fast, 0, "none", 0.95)),
    fallback = fallback,
    more = ask_more(model),
    unseen = function(x) tryCatch(unseen_levels(x, model), error = function(e) list()),
    columns = length(model$coefficients)
  )
}

# Models of version 1.0.0 have `levels` and `probe` instead of `predictors` and `proof`.
with_predictors <- function(model) {
  if (is.null(model$predictors)) {
    model$predictors <- lapply(model$probe, function(values) list(kind = "numeric"))
    for (encoded in model$levels) {
      model$predictors[[encoded$position]] <- if (is.null(encoded$levels)) {
        list(kind = "logical")
      } else {
        list(kind = "factor", levels = encoded$levels, all_levels = encoded$levels)
      }
    }
    model$fewest_rows <- 1L
  }
  model
}

# A function of x, interval and level that asks predict() itself.
ask_predict <- function(model) {
  predict_rows <- with_fewest_rows(model, function(x, interval, level) {
    data <- as_data_frame(x, model$predictors)
    as.vector(predict(model, data, interval = interval, level = level))
  })
  function(x, interval, level, seconds = Inf) {
    attempt(in_seconds, seconds, predict_rows, x, interval, level)
  }
}

#' Ask predict() itself for standard errors and terms
#'
#' @param model What train() made.
#' @return A function of x, interval, level, se, terms and seconds. It returns what attempt()
#'   returns. The value is a list; with `se`: `se`, `df`, `residual_scale`; with `terms`:
#'   `labels`, `constant`, `terms` and, where se or an interval is asked for, `terms_se`,
#'   `terms_lower` and `terms_upper`: each one vector, a term after the other.
ask_more <- function(model) {
  count <- max(1, length(model$predictors))
  predict_more <- function(x, interval, level, se, terms) {
    rows <- length(x) / count
    data <- as_data_frame(
      if (rows < model$fewest_rows) rep(x, each = 2) else x,
      model$predictors
    )
    c(
      if (se) standard_errors(model, data, rows),
      if (terms) terms_of(model, data, rows, interval, level, se)
    )
  }
  function(x, interval, level, se, terms, seconds = Inf) {
    attempt(in_seconds, seconds, predict_more, x, interval, level, se, terms)
  }
}

standard_errors <- function(model, data, rows) {
  predicted <- predict(model, data, se.fit = TRUE)
  list(
    se = as.vector(predicted$se.fit)[seq_len(rows)],
    df = predicted$df,
    residual_scale = predicted$residual.scale
  )
}

terms_of <- function(model, data, rows, interval, level, se) {
  kept <- model$column_means
  if (is.null(kept)) {
    refuse("this version was trained before 1.2.0, without what terms=true needs; train it anew")
  }
  # in the place of the model matrix a row of its means, of which predict.lm() takes the means again
  model$x <- structure(t(kept$means), assign = kept$assign)
  predicted <- predict(
    model,
    data,
    type = "terms",
    se.fit = se,
    interval = interval,
    level = level
  )
  if (!is.list(predicted)) {
    predicted <- list(fit = predicted)
  }
  of_rows <- function(by_term) {
    if (ncol(by_term) > 0) as.vector(by_term[seq_len(rows), , drop = FALSE]) else numeric()
  }
  c(
    list(
      labels = I(as.character(colnames(predicted$fit))),
      constant = attr(predicted$fit, "constant"),
      terms = of_rows(predicted$fit)
    ),
    if (se) list(terms_se = of_rows(predicted$se.fit)),
    if (interval != "none") {
      list(terms_lower = of_rows(predicted$lwr), terms_upper = of_rows(predicted$upr))
    }
  )
}

# Where R stops for one row, it is asked for two.
with_fewest_rows <- function(model, f) {
  if (model$fewest_rows == 1) {
    return(f)
  }
  count <- length(model$predictors)
  function(x, interval, level) {
    if (length(x) > count) {
      f(x, interval, level)
    } else {
      f(rep(x, each = 2), interval, level)[c(TRUE, FALSE)]
    }
  }
}

# The observations that x stands for, in the classes of training.
as_data_frame <- function(x, predictors) {
  columns <- as_columns(x, max(1, length(predictors)))
  row_names <- .set_row_names(length(columns[[1]]))
  for (i in seq_along(predictors)) {
    if (predictors[[i]]$kind != "numeric") {
      columns[[i]] <- decode(columns[[i]], predictors[[i]])
    }
  }
  structure(
    columns[seq_along(predictors)],
    names = as.character(names(predictors)),
    class = "data.frame",
    row.names = row_names
  )
}

as_columns <- function(x, count) {
  dim(x) <- c(length(x) / count, count)
  lapply(seq_len(count), function(i) x[, i])
}

# Values as they were in training; see kind_of() and encode().
decode <- function(values, kind) {
  switch(
    kind$kind,
    integer = as_whole(values),
    logical = as.logical(values),
    character = kind$levels[values],
    factor = as_factor_of(values, kind, "factor"),
    ordered = as_factor_of(values, kind, c("ordered", "factor")),
    date = structure(values, class = "Date"),
    datetime = structure(values, class = c("POSIXct", "POSIXt"), tzone = "UTC")
  )
}

# factor() writes 100000L as "100000", but the double as "1e+05".
as_whole <- function(values) {
  is_whole <- !anyNA(values) && all(values == trunc(values) & abs(values) <= .Machine$integer.max)
  if (is_whole) as.integer(values) else values
}

as_factor_of <- function(values, kind, classes) {
  codes <- if (identical(kind$levels, kind$all_levels)) {
    as.integer(values)
  } else {
    match(kind$levels, kind$all_levels)[values]
  }
  structure(codes, levels = kind$all_levels, class = classes)
}

#' Find the levels in x that the fit has not seen, such as a month in months(day)
#'
#' @param x The predictors' values.
#' @param model What train() made.
#' @return A list of lists, one for each variable that has any: `rows` (from 0), `values`, `variable` (such as
#'   "months(day)"), `columns` (the predictors that it is made of) and `allowed`.
unseen_levels <- function(x, model) {
  data <- as_data_frame(x, model$predictors)
  expressions <- predictor_variables(model)
  found <- lapply(intersect(names(model$xlevels), names(expressions)), function(name) {
    values <- tryCatch(
      as.character(eval(expressions[[name]], data, globalenv())),
      error = function(e) NULL
    )
    unseen <- which(!is.na(values) & !values %in% model$xlevels[[name]])
    list(
      rows = I(unseen - 1L),
      values = I(values[unseen]),
      variable = name,
      columns = I(intersect(all.vars(expressions[[name]]), names(data))),
      allowed = I(model$xlevels[[name]])
    )
  })
  Filter(function(variable) length(variable$rows) > 0, found)
}

# The fast path, a function of x, interval and level; see prepare_predict().
fast_path <- function(model) {
  model_terms <- delete.response(model$terms)
  expressions <- predictor_variables(model)
  variables <- attr(model_terms, "predvars") # with what the fit fixed, as the knots of ns()
  variable_names <- as.character(names(expressions))
  enclosure <- environment(model_terms)
  predictors <- model$predictors
  intercept <- attr(model_terms, "intercept")
  count <- length(predictors)
  if (count == 0) {
    # y ~ 1: the ones that are sent for it are its design
    count <- 1
    intercept <- 0
  }
  factors <- lapply(names(model$contrasts), prepare_factor, model, variable_names)
  offsets <- attr(model_terms, "offset")
  # columns are the variables, one for one: nothing is left to evaluate, and nothing can go wrong
  is_verbatim <- identical(variable_names, as.character(names(predictors))) &&
    all(vapply(expressions, is.name, TRUE)) &&
    all(vapply(factors, function(f) f$is_verbatim, TRUE))
  one_row <- list(names = variable_names, row.names = .set_row_names(1))
  estimable <- seq_len(model$rank)
  pivot <- model$qr$pivot[estimable]
  # from here on as in predict.lm()
  estimates <- model$coefficients[pivot]
  r_inverse <- if (is.null(model$r_inverse)) invert_r(model) else model$r_inverse
  df_residual <- model$df.residual
  variances <- rep(sum(model$residuals^2) / df_residual, model$rank)
  model_matrix <- get("C_modelmatrix", asNamespace("stats")) # what model.matrix() calls in the end
  is_in_order <- identical(pivot, seq_along(model$coefficients))
  # each term is a variable, as it comes; of numbers only, the model matrix is x after ones
  has_main_effects <- is_verbatim &&
    is_in_order &&
    identical(term_labels(model_terms), variable_names)
  x_is_design <- has_main_effects && length(factors) == 0
  # with factors, a row of it is put together from numbers and rows of contrasts; without an
  # intercept, one of the factors has no contrasts
  is_row_known <- has_main_effects && !x_is_design && intercept == 1
  if (is_row_known) {
    positions <- vapply(factors, function(f) f$position, 1L)
    widths <- rep(1L, count)
    widths[positions] <- vapply(factors, function(f) ncol(f$attributes$contrasts), 1L)
    last <- 1L + cumsum(widths)
    first <- last - widths + 1L
    for (i in seq_along(factors)) {
      factors[[i]]$columns <- first[positions[i]]:last[positions[i]]
    }
    numbers <- setdiff(seq_len(count), positions)
    number_columns <- first[numbers]
    ones <- rep(1, 1 + sum(widths))
  }

  # most ask for the same level, and qt() takes a third of an interval's time
  quantile_level <- 0
  quantile <- NULL

  # NULL where a level is another than those of the fit, as factor(x) may meet
  variables_of <- function(x) {
    is_one_row <- length(x) == count
    evaluated <- if (!is_verbatim) {
      eval(variables, as_data_frame(x, predictors), enclosure)
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
      codes <- f$codes[codes] # what is no code is NA: C would read past the contrasts
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
    } else if (is_row_known && length(x) == count) {
      design <- ones
      design[number_columns] <- x[numbers]
      for (f in factors) {
        code <- x[f$position] + f$shift
        if (code < 1 || code > length(f$codes)) {
          return(NULL)
        }
        design[f$columns] <- f$attributes$contrasts[code, ]
      }
      dim(design) <- c(1L, length(design))
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
    if (level != quantile_level) {
      quantile <<- qt((1 - level) / 2, df_residual)
      quantile_level <<- level
    }
    half_width <- quantile * sqrt(variance_of_fit)
    c(fitted_values, fitted_values + half_width, fitted_values - half_width)
  }
  if (is_verbatim) {
    return(fast)
  }
  with_fewest_rows(model, function(x, interval, level) {
    numbers <- tryCatch(fast(x, interval, level), warning = function(w) NULL)
    if (is.finite(sum(numbers))) numbers
  })
}

# As predict.lm() does it for each interval.
invert_r <- function(model) {
  estimable <- seq_len(model$rank)
  qr.solve(qr.R(model$qr)[estimable, estimable])
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
  encoded <- model$predictors[[name]]
  is_logical <- identical(encoded$kind, "logical")
  contrasted <- contrast_matrix(model, name, fit_levels)
  list(
    position = position,
    levels = fit_levels,
    codes = seq_along(fit_levels) + 0L,
    is_verbatim = is_logical || identical(encoded$levels, fit_levels),
    shift = if (is_logical) 1L else 0L,
    attributes = list(levels = fit_levels, class = "factor", contrasts = contrasted)
  )
}

# The contrasts of one factor, as model.matrix() makes them from what lm() noted.
contrast_matrix <- function(model, name, fit_levels) {
  is_ordered <- attr(model$terms, "dataClasses")[[name]] == "ordered"
  values <- factor(fit_levels, fit_levels, ordered = is_ordered)
  chosen <- model$contrasts[[name]]
  contrasts(values, if (is.matrix(chosen)) ncol(chosen)) <- chosen
  contrasts(values)
}
