# Answer for new observations with a fitted model: R's own numbers, without doing over again what is known.
#
# For one observation, predict.lm() spends nearly all of its time on making a model frame and a model matrix. What it
# needs for that does not change: the variables of the terms, the levels and contrasts of the factors, the inverse of R
# of the QR decomposition. prepare() looks them up once; what is left for each request is the sum itself, by the same
# routines and in the same order as in predict.lm(), so that the numbers are the same to the last bit.

library(splines) # a formula may use ns() and bs(), and predict() must find them

# Is this what train() makes? Asked once, when a version is loaded.
is_trained <- function(model) inherits(model, "lm") && is.numeric(model$coefficients) && is.list(model$probe)

# model: what train() made. Returns two ways to answer, both for x, interval and level:
#   x: the predictors' values, one column after the other in one vector; a factor is given by the positions of its
#     levels (1, 2, ...), as R itself keeps it, a logical by 0 and 1.
#   interval: 0 for none, 1 for confidence, 2 for prediction. level: between 0 and 1.
# call: of the prepared sum, with placeholders for the three. Its value is a vector: fit and, with an interval, after it
#   lower and upper; or NULL where R has more to say than numbers.
# by_r: a function that asks predict() itself. It returns what attempt() returns, its value the same vector.
prepare <- function(model) {
  by_r <- function(x, interval, level) attempt(function() {
    kind <- c("none", "confidence", "prediction")[interval + 1]
    as.vector(predict(model, as_observations(x, model), interval = kind, level = level))
  })
  # Where terms are aliased, predict() warns: up to R 4.2 of all observations, since 4.3 of those that are not estimable.
  # No row of the training data is such a one, so that the comparison would not notice.
  aliased <- anyNA(model$coefficients)
  sum_up <- if (!aliased) tryCatch(prepare_sum(model), error = function(e) NULL)
  if (is.null(sum_up) || !same_as(sum_up, by_r, model$probe)) {
    warning("predict() itself answers, several times slower: it warns of this model (or may), or the prepared sum is another")
    sum_up <- function(x, interval, level) NULL
  }
  list(call = as.call(list(sum_up, 0, 0, 0)), by_r = by_r)
}

# The data frame that x stands for.
as_observations <- function(x, model) {
  columns <- as_columns(x, length(model$probe))
  for (l in model$levels) columns[[l$position]] <-
    if (is.null(l$levels)) as.logical(columns[[l$position]])
    else structure(as.integer(columns[[l$position]]), levels = l$levels, class = "factor")
  structure(columns, names = names(model$probe), class = "data.frame", row.names = .set_row_names(length(columns[[1]])))
}

as_columns <- function(x, count) {
  dim(x) <- c(length(x) / count, count)
  lapply(seq_len(count), function(i) x[, i])
}

# The sum, as a function of x, interval and level; see prepare().
prepare_sum <- function(model) {
  terms <- delete.response(model$terms)
  variables <- attr(terms, "predvars") # as fixed at the fit: poly() with its coefficients, ns() with its knots
  variable_names <- vapply(attr(terms, "variables"), deparse1, "")[-1]
  enclosure <- environment(terms)
  count <- length(model$probe)
  factors <- lapply(names(model$contrasts), prepare_factor, model, variable_names)
  offset <- attr(terms, "offset")
  # columns are the variables, one for one: nothing is left to evaluate, and nothing can go wrong
  plain <- identical(variable_names, names(model$probe)) && all(vapply(variables, is.name, TRUE)) &&
    all(vapply(factors, function(f) f$as_given, TRUE))
  one_row <- list(names = variable_names, row.names = .set_row_names(1))
  rows <- seq_len(model$rank)
  pivot <- model$qr$pivot[rows]
  # from here on as in predict.lm()
  beta <- model$coefficients[pivot]
  r_inverse <- qr.solve(qr.R(model$qr)[rows, rows])
  df <- model$df.residual
  variance <- rep(sum(model$residuals^2) / df, model$rank)
  model_matrix <- get("C_modelmatrix", asNamespace("stats")) # what model.matrix() calls in the end
  all_in_order <- identical(pivot, seq_along(model$coefficients))
  intercept <- attr(terms, "intercept")
  # each term is a number, as it comes: the model matrix is x, after a column of ones
  straight <- plain && all_in_order && length(factors) == 0 && identical(attr(terms, "term.labels"), variable_names)

  model_frame <- function(x) { # NULL where a level is another than those of the fit, as factor(x) may meet
    alone <- length(x) == count
    frame <- if (!plain) eval(variables, as_observations(x, model), enclosure)
      else if (alone) c(list(), x) else as_columns(x, count)
    for (f in factors) {
      values <- frame[[f$position]]
      position <- if (plain) as.integer(values) + f$shift
        else if (identical(attr(values, "levels"), f$levels)) as.integer(values)
        else match(as.character(values), f$levels)
      if (anyNA(position)) return(NULL)
      attributes(position) <- f$attributes
      frame[[f$position]] <- position
    }
    attributes(frame) <- if (alone) one_row
      else list(names = variable_names, row.names = .set_row_names(length(x) / count))
    frame
  }

  sum_up <- function(x, interval, level) {
    if (straight) {
      rows <- length(x) / count
      design <- c(rep(1, rows * intercept), x)
      dim(design) <- c(rows, count + intercept)
    } else {
      frame <- model_frame(x)
      if (is.null(frame)) return(NULL)
      design <- .External2(model_matrix, terms, frame)
      if (!all_in_order) design <- design[, pivot, drop = FALSE]
    }
    fit <- c(design %*% beta)
    for (i in offset) fit <- fit + frame[[i]]
    if (interval == 0) return(fit)
    variance_of_fit <- c((design %*% r_inverse)^2 %*% variance)
    if (interval == 2) variance_of_fit <- variance_of_fit + variance[1]
    half_width <- qt((1 - level) / 2, df) * sqrt(variance_of_fit)
    c(fit, fit + half_width, fit - half_width)
  }
  if (plain) return(sum_up)
  function(x, interval, level) tryCatch(sum_up(x, interval, level), warning = function(w) NULL)
}

# A variable of the terms that is a factor, or logical: its position among them, its levels, and the attributes that the
# model matrix wants. as_given: it is a predictor with just these levels; shift: what its values lack to be positions.
prepare_factor <- function(name, model, variable_names) {
  position <- match(name, variable_names)
  levels <- if (is.null(model$xlevels[[name]])) c("FALSE", "TRUE") else model$xlevels[[name]]
  given <- Find(function(l) l$position == position, model$levels)
  list(
    position = position, levels = levels,
    as_given = is.null(given$levels) || identical(given$levels, levels), shift = if (is.null(given$levels)) 1L else 0L,
    attributes = list(levels = levels, class = "factor", contrasts = contrast_matrix(model, name, levels))
  )
}

# The contrasts of one factor, as model.matrix() makes them from what lm() noted.
contrast_matrix <- function(model, name, levels) {
  values <- factor(levels, levels, ordered = attr(model$terms, "dataClasses")[[name]] == "ordered")
  contrasts(values) <- model$contrasts[[name]]
  contrasts(values)
}

# Do both answer to the last bits, for observations with every level and at both ends of every range, each alone and all
# at once? Where predict() warns, as it does of weights and of a deficient rank, only it knows when.
same_as <- function(sum_up, by_r, probe) {
  alone <- lapply(seq_along(probe[[1]]), function(row) vapply(probe, `[`, 0, row))
  all(vapply(c(alone, list(unlist(probe))), function(x) all(vapply(0:2, function(interval) {
    reference <- by_r(unname(x), interval, 0.9)
    length(reference$warnings) == 0 && identical(sum_up(unname(x), interval, 0.9), reference$value)
  }, TRUE)), TRUE))
}
