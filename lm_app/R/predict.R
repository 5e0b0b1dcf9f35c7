# Answer for new observations with a fitted model: R's own numbers, without doing over again what is known.
#
# For one observation, predict.lm() spends nearly all of its time on making a model frame and a model matrix. What it
# needs for that does not change: the variables of the terms, the levels and contrasts of the factors, the inverse of R
# of the QR decomposition. prepare() looks them up once; what is left for each request is the sum itself, by the same
# routines and in the same order as in predict.lm(), so that the numbers are the same to the last bit.

library(splines) # a formula may use ns() and bs(), and predict() must find them

# Is this what train() makes? Asked once, when a version is loaded.
is_trained <- function(model) inherits(model, "lm") && is.numeric(model$coefficients) && is.list(model$probe)

# model: what train() made. Returns a function of x, interval and level.
#   x: the predictors' values, one column after the other in one vector; a factor is given by the positions of its
#     levels (1, 2, ...), as R itself keeps it, a logical by 0 and 1.
#   interval: 0 for none, 1 for confidence, 2 for prediction. level: between 0 and 1.
# It returns a vector: fit and, with an interval, after it lower and upper; or what attempt() returns, where R has
# something to say.
prepare <- function(model) {
  by_r <- function(x, interval, level) attempt(function() {
    kind <- c("none", "confidence", "prediction")[interval + 1]
    as.vector(predict(model, as_observations(x, model), interval = kind, level = level))
  })
  prepared <- tryCatch(prepare_sum(model, by_r), error = function(e) NULL)
  if (!is.null(prepared) && same_as(prepared, by_r, model$probe)) return(prepared)
  warning("predict() itself answers, several times slower: it warns of this model, or the prepared sum is another")
  by_r
}

# The data frame that x stands for.
as_observations <- function(x, model) structure(
  as_columns(x, length(model$probe), model$levels),
  names = names(model$probe), class = "data.frame", row.names = .set_row_names(length(x) / length(model$probe))
)

# levels: for each column that is no number, its position and its levels (NULL for a logical).
as_columns <- function(x, count, levels) {
  columns <- if (count == 1) list(x) else { # as.list() for one row, for it is much the faster
    if (length(x) == count) as.list(x) else { dim(x) <- c(length(x) / count, count); lapply(seq_len(count), function(i) x[, i]) }
  }
  for (l in levels) columns[[l$position]] <-
    if (is.null(l$levels)) as.logical(columns[[l$position]])
    else structure(as.integer(columns[[l$position]]), levels = l$levels, class = "factor")
  columns
}

# by_r is asked where the sum can't be made, such as at a level that factor(x) has not met: R says what is wrong.
prepare_sum <- function(model, by_r) {
  terms <- delete.response(model$terms)
  variables <- attr(terms, "predvars") # as fixed at the fit: poly() with its coefficients, ns() with its knots
  variable_names <- vapply(attr(terms, "variables"), deparse1, "")[-1]
  enclosure <- environment(terms)
  names <- names(model$probe)
  count <- length(names)
  factors <- lapply(names(model$contrasts), function(name) { # the variables that are factors, logicals among them
    levels <- if (is.null(model$xlevels[[name]])) c("FALSE", "TRUE") else model$xlevels[[name]]
    list(position = match(name, variable_names), levels = levels, contrasts = contrast_matrix(model, name, levels))
  })
  offset <- attr(terms, "offset")
  # columns are the variables, one for one: nothing is left to evaluate, and nothing can go wrong
  plain <- identical(variable_names, names) && all(vapply(variables, is.name, TRUE))
  rows <- seq_len(model$rank)
  pivot <- model$qr$pivot[rows]
  # from here on as in predict.lm()
  beta <- model$coefficients[pivot]
  r_inverse <- qr.solve(qr.R(model$qr)[rows, rows])
  df <- model$df.residual
  variance <- rep(sum(model$residuals^2) / df, model$rank)
  model_matrix <- get("C_modelmatrix", asNamespace("stats")) # what model.matrix() calls in the end
  all_in_order <- identical(pivot, seq_along(model$coefficients))

  sum_up <- function(x, interval, level) {
    frame <- as_columns(x, count, model$levels)
    if (!plain) frame <- eval(variables, structure(frame, names = names), enclosure)
    for (f in factors) {
      values <- frame[[f$position]]
      position <- if (identical(attr(values, "levels"), f$levels)) as.integer(values) else match(as.character(values), f$levels)
      if (anyNA(position)) return(by_r(x, interval, level))
      attributes(position) <- list(levels = f$levels, class = "factor", contrasts = f$contrasts)
      frame[[f$position]] <- position
    }
    attributes(frame) <- list(names = variable_names, row.names = .set_row_names(length(x) / count))
    design <- .External2(model_matrix, terms, frame)
    if (!all_in_order) design <- design[, pivot, drop = FALSE]
    fit <- as.vector(design %*% beta)
    for (i in offset) fit <- fit + frame[[i]]
    if (interval == 0) return(fit)
    variance_of_fit <- as.vector((design %*% r_inverse)^2 %*% variance)
    if (interval == 2) variance_of_fit <- variance_of_fit + variance[1]
    half_width <- qt((1 - level) / 2, df) * sqrt(variance_of_fit)
    c(fit, fit + half_width, fit - half_width)
  }
  if (plain) return(sum_up)
  function(x, interval, level) {
    warned <- FALSE
    answer <- withCallingHandlers(sum_up(x, interval, level), warning = function(w) {
      warned <<- TRUE
      invokeRestart("muffleWarning")
    })
    if (warned) by_r(x, interval, level) else answer
  }
}

# The contrasts of one factor, as model.matrix() makes them from what lm() noted.
contrast_matrix <- function(model, name, levels) {
  values <- factor(levels, levels, ordered = attr(model$terms, "dataClasses")[[name]] == "ordered")
  contrasts(values) <- model$contrasts[[name]]
  contrasts(values)
}

# Do both answer to the last bits, for observations with every level and at both ends of every range, each alone and all
# at once? Where predict() warns, as it does of weights and of a deficient rank, only it knows when.
same_as <- function(prepared, by_r, probe) {
  alone <- lapply(seq_along(probe[[1]]), function(row) vapply(probe, `[`, 0, row))
  all(vapply(c(alone, list(unlist(probe))), function(x) all(vapply(0:2, function(interval) {
    reference <- by_r(unname(x), interval, 0.9)
    length(reference$warnings) == 0 && identical(prepared(unname(x), interval, 0.9), reference$value)
  }, TRUE)), TRUE))
}
