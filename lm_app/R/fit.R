# Fit an lm, and account for the rows that it leaves out.

#' Fit an lm, as it was asked for
#'
#' lm() itself leaves out rows with missing values, so that what it works out over all rows, such
#' as the knots of ns(), is as in any R session.
#'
#' @param request What read_request() returns.
#' @param data What model_columns() returns; its row names are the numbers of the rows.
#' @param stepwise,na See train().
#' @return A list: `model`, `rows` (their numbers), `left_out` (see count_rows()) and `steps` (what
#'   step() printed). Refuses where R can't fit this formula to these data.
fit_model <- function(request, data, stepwise = "none", na = "omit") {
  check_crossed(formula(request$terms), data)
  all_rows <- data
  data <- rows_for_poly(request, data)
  model <- run_lm(request, data)
  left_out <- count_rows(model, all_rows, request)
  if (na == "refuse") {
    refuse_missing(left_out)
  }
  steps <- character()
  if (stepwise != "none") {
    data <- same_rows(model, data)
    steps <- capture.output(model <- run_step(request, data, stepwise), split = TRUE)
    if (length(term_labels(model$terms)) == 0 && length(term_labels(request$terms)) > 0) {
      refuse_dropped()
    }
  }
  check_fit(model, left_out)
  # names that all.vars() lists, and that are no columns
  model$constants <- setdiff(all.vars(model$terms), names(data))
  list(model = model, rows = attr(model$model, "row.names"), left_out = left_out, steps = steps)
}

refuse_dropped <- function() {
  refuse("stepwise selection dropped every predictor; none of them helps to predict the response")
}

# step() looks for the data where the formula was made, and that place lives as long as the model.
lm_call <- function(request, data) {
  environment(request$formula) <- list2env(list(data = data), parent = globalenv())
  made <- bquote(lm(formula = .(request$formula), data = data))
  made$weights <- request$weights
  made$subset <- request$subset
  if (length(request$contrasts) > 0) {
    made$contrasts <- request$contrasts
  }
  made
}

run_lm <- function(request, data) {
  tryCatch(
    muffling("NaNs produced", eval(lm_call(request, data))),
    error = function(e) refuse_all(explain_failure(request, data, conditionMessage(e)))
  )
}

# count_rows() says more of it than such a warning.
muffling <- function(text, expression) {
  withCallingHandlers(expression, warning = function(w) {
    if (grepl(text, conditionMessage(w), fixed = TRUE)) {
      invokeRestart("muffleWarning")
    }
  })
}

run_step <- function(request, data, stepwise) {
  first <- lm_call(request, data)
  run <- function() {
    if (stepwise != "forward") {
      return(step(eval(first), direction = stepwise))
    }
    scope <- formula(eval(first))
    smallest <- first
    smallest$formula <- update(scope, . ~ 1)
    environment(smallest$formula) <- environment(first$formula)
    step(eval(smallest), scope = scope, direction = stepwise)
  }
  tryCatch(
    # of a factor that step() has just dropped
    muffling("its contrast will be ignored", run()),
    error = function(e) {
      refuse("stepwise = '", stepwise, "': R's step() can't go on: ", conditionMessage(e))
    }
  )
}

# step() compares models of the same rows: those that have all that the full formula asks for.
same_rows <- function(model, data) {
  rows <- attr(model$model, "row.names")
  if (length(rows) == nrow(data)) {
    return(data)
  }
  warn_of_same_rows(length(rows))
  data[match(rows, attr(data, "row.names")), , drop = FALSE]
}

warn_of_same_rows <- function(count) {
  warning(
    "stepwise selection compares fits to the ",
    count,
    " rows in which no column of the formula given is missing",
    call. = FALSE
  )
}

# poly() stops where its variable is missing in a row, so these rows go before.
rows_for_poly <- function(request, data) {
  is_missing <- logical(nrow(data))
  labels <- character()
  for (part in calls_of(c("poly", "polym"), attr(request$terms, "variables"))) {
    for (argument in as.list(part)[-1]) {
      values <- value_of(argument, data)
      lacks <- NROW(values) == nrow(data) && is.atomic(values) && anyNA(values)
      if (lacks) {
        is_missing <- is_missing | rowSums(is.na(cbind(values))) > 0
        labels <- c(labels, deparse1(part))
      }
    }
  }
  if (length(labels) == 0) {
    return(data)
  }
  warn_of_poly(labels, sum(is_missing))
  data[!is_missing, , drop = FALSE]
}

warn_of_poly <- function(labels, count) {
  warning(
    toString(unique(labels)),
    " can't take missing values: the ",
    count,
    " rows that have them are left out before anything else is worked out",
    call. = FALSE
  )
}

# The calls of some functions within an expression.
calls_of <- function(functions, part) {
  if (!is.call(part)) {
    return(list())
  }
  name <- part[[1]]
  if (is.call(name) && length(name) == 3) {
    name <- name[[3]] # stats::poly
  }
  inner <- unlist(lapply(as.list(part)[-1], function(x) calls_of(functions, x)), FALSE)
  c(if (is.name(name) && as.character(name) %in% functions) list(part), inner)
}

check_fit <- function(model, left_out) {
  if (model$rank == 0) {
    refuse("the model has no coefficients to estimate")
  }
  if (model$df.residual < 1) {
    counts <- paste(
      left_out$used,
      "observations are not enough for",
      model$rank,
      "coefficients; at least"
    )
    lost <- if (left_out$omitted > 0) paste0("; ", missing_text(left_out))
    refuse(counts, " ", model$rank + 1, " are needed", lost, many_levels(model$model))
  }
}

# The usual cause: a column of names or dates, almost each of its own.
many_levels <- function(variables) {
  counts <- vapply(variables, function(x) if (is_categorical(x)) length(unique(x)) else 0L, 0L)
  many <- counts[counts > nrow(variables) / 2]
  if (length(many) == 0) {
    return(NULL)
  }
  described <- sprintf("'%s' has %d different texts in %d rows", names(many), many, nrow(variables))
  paste0("; column ", toString(described), ": leave it out, or group it")
}

is_categorical <- function(values) is.character(values) || is.factor(values)
