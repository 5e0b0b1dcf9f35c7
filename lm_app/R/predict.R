# Answer for new observations with a fitted model.

library(splines) # a formula may use ns() and bs(), and predict() must find them

# model: what train() made. columns: a named list, one vector for each predictor, all of one length;
# a factor is given by the positions of its levels (1, 2, ...), as R itself keeps it, a logical by 0 and 1.
# interval: "none", "confidence" or "prediction". level: between 0 and 1.
# Returns a list of vectors: fit and, with an interval, lower and upper.
predict_columns <- function(model, columns, interval = "none", level = 0.95) {
  answer <- predict(model, as_observations(columns, model$levels), interval = interval, level = level)
  if (interval == "none") return(list(fit = answer))
  list(fit = answer[, "fit"], lower = answer[, "lwr"], upper = answer[, "upr"])
}

# The data frame of the columns; levels: a named list, the levels of each factor, NULL for a logical.
as_observations <- function(columns, levels) {
  for (name in names(levels)) {
    columns[[name]] <- if (is.null(levels[[name]])) as.logical(columns[[name]])
      else structure(as.integer(columns[[name]]), levels = levels[[name]], class = "factor")
  }
  structure(columns, class = "data.frame", row.names = .set_row_names(length(columns[[1]])))
}

# Is this what train() makes? Asked once, when a version is loaded.
is_trained <- function(model) inherits(model, "lm") && is.numeric(model$coefficients) && is.list(model$levels)
