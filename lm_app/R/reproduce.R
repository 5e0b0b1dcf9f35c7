# Is a model the one that was fitted elsewhere? Told by its coefficients and by what it predicts.

# How far a number may be from that of another R or BLAS: of a coefficient, relative to it or to its
# standard error, and of a prediction relative to the largest of all.
most_apart <- 1e-12

#' Check that a model is the one that was fitted elsewhere
#'
#' @param trained What strip_for_prediction() makes.
#' @param fitted A list, of what deploy_lm() in contrib/lm.R wrote: `r_version`, `blas`, `terms`,
#'   `estimates`, `std_errors`, `predictors`, `rows` (as a request sends them), `level`, and what
#'   R predicted there: `fit`, `confidence` and `prediction`.
#' @return One string: where it was fitted, and how exactly the numbers are the same. Refuses with
#'   one line that has both numbers where they are not.
check_reproduced <- function(trained, fitted) {
  check_same_terms(trained, fitted)
  check_same_predictors(trained$predictors, fitted$predictors)
  estimates <- unname(trained$coefficients)
  scales <- pmax(abs(fitted$estimates), fitted$std_errors, na.rm = TRUE)
  apart <- farthest(estimates, fitted$estimates, scales)
  labels <- sprintf("the coefficient of '%s'", fitted$terms)
  worst <- describe_apart(apart, labels, estimates, fitted$estimates)
  there <- list(
    none = fitted$fit,
    confidence = c(fitted$fit, fitted$confidence$lower, fitted$confidence$upper),
    prediction = c(fitted$fit, fitted$prediction$lower, fitted$prediction$upper)
  )
  count <- length(fitted$fit)
  x <- rows_to_ask(trained$predictors, fitted)
  for (interval in names(there)) {
    answer <- ask_predict(trained)(x, interval, fitted$level)
    if (is.null(answer$value)) {
      refuse_other(fitted, "R can't predict for its rows here: ", one_line(answer$error))
    }
    scale <- max(abs(fitted$fit), 0, na.rm = TRUE)
    scales <- rep(if (scale > 0) scale else 1, length(there[[interval]]))
    apart <- farthest(answer$value, there[[interval]], scales)
    what <- rep(c("fit", "lower limit", "upper limit"), each = count)[seq_along(scales)]
    labels <- paste0("the ", what, " (interval = \"", interval, "\") of its row ", seq_len(count))
    found <- describe_apart(apart, labels, answer$value, there[[interval]])
    worst <- if (found$apart > worst$apart) found else worst
  }
  if (worst$apart > most_apart) {
    refuse_other(fitted, worst$text, ", at most ", most_apart, " is allowed")
  }
  how <- if (worst$apart == 0) "to the last bit" else paste("within", signif(worst$apart, 2))
  paste0("R ", fitted$r_version, "; all coefficients and predictions are the same ", how)
}

refuse_other <- function(fitted, ...) {
  refuse(
    "this is not the model that was fitted in R ",
    fitted$r_version,
    ": ",
    ...,
    " (here R ",
    as.character(getRversion()),
    "); deploy it again",
    if (is.null(fitted$model)) {
      ", or where data or model.toml are changed on purpose, remove fitted.json"
    }
  )
}

check_same_terms <- function(trained, fitted) {
  here <- names(trained$coefficients)
  if (!identical(here, fitted$terms)) {
    refuse_other(fitted, "its coefficients are ", some(fitted$terms), ", and here ", some(here))
  }
}

# The kinds of the predictors and their levels; an order in which they stand is none of theirs.
check_same_predictors <- function(here, there) {
  names(there) <- vapply(there, function(predictor) predictor$name, "")
  if (!setequal(names(here), names(there))) {
    refuse(
      "fitted.json has the predictors ",
      some(names(there)),
      ", and the formula has ",
      some(names(here))
    )
  }
  for (name in names(here)) {
    for (what in c("kind", "levels", "all_levels")) {
      if (!identical(here[[name]][[what]], there[[name]][[what]])) {
        refuse(
          "fitted.json has for '",
          name,
          "' the ",
          what,
          " ",
          some(there[[name]][[what]]),
          ", and here it has ",
          some(here[[name]][[what]])
        )
      }
    }
  }
}

# The rows as one vector, in the order of the model's predictors; ones where there are none.
rows_to_ask <- function(predictors, fitted) {
  if (length(predictors) == 0) {
    return(rep(1, length(fitted$fit)))
  }
  names <- vapply(fitted$predictors, function(predictor) predictor$name, "")
  unlist(fitted$rows[match(names(predictors), names)])
}

# How far apart numbers are; Inf where only one of two is one.
farthest <- function(here, there, scales) {
  here[!is.finite(here)] <- NA # as JSON has it
  apart <- abs(here - there) / scales
  apart[here == there] <- 0
  apart[is.na(here) & is.na(there)] <- 0
  apart[is.na(apart)] <- Inf
  apart
}

describe_apart <- function(apart, labels, here, there) {
  worst <- which.max(apart)
  numbers <- format_each(c(there[worst], here[worst]), 17)
  list(
    apart = apart[worst],
    text = paste0(
      labels[worst],
      " is ",
      numbers[1],
      " there and ",
      numbers[2],
      " here, a relative difference of ",
      signif(apart[worst], 2)
    )
  )
}
