# What was fitted in parts, as train() tells it.

#' Make of a finished job what train() returns
#'
#' @param job A job whose `pass` is "done".
#' @param plots,title,units As of train().
#' @return What train() returns. Of data that have few rows, these are all here, and train() itself
#'   fits them.
finish_parts <- function(job, plots = NULL, title = "", units = list()) {
  if (job$read <= complete_up_to) {
    drawing <- list(plots = plots, title = title, units = units)
    return(do.call(train, c(list(job$first), job$asked, drawing)))
  }
  fit <- job$fits$main
  data <- fit$rows$data
  model <- lm_of_parts(fit)
  trained <- strip_for_prediction(model, data, fit$column_means)
  picked <- fit$rest$picked
  alone <- match(thin(seq_len(fit$counts[["used"]]), 10), picked$used)
  check_rows_stand_alone(trained, picked$data, alone, picked$fitted, picked$number[alone])
  message("describing the model")
  model_summary <- summarise_parts(fit, model)
  text_lines <- capture.output(print(model_summary))[-1]
  printed <- paste(text_lines, collapse = "\n")
  warn_of_leverages(rep(1, length(fit$rest$alone)), fit$rest$alone)
  told <- list(left_out = fit$left_out, steps = as.character(fit$steps))
  info <- describe(model, model_summary, measured_parts(fit), printed, data, fit$request, told)
  if (!is.null(plots)) {
    message("drawing")
    write_plots(model, plotted_parts(fit), plots, title, units)
  }
  asked <- job$asked
  is_live <- is_live_fit(info$formula, asked$weights, asked$live_formula, asked$live_weights)
  list(
    model = trained,
    code = paste0(as_code(trained), "\n", collapse = ""),
    info = info,
    summary = printed,
    live_press_rmse = if (is_live) info$press_rmse else live_press_rmse(job),
    distributions = distributions_of_parts(fit, trained)
  )
}

# The lm without rows: strip_for_prediction() takes all of it that it needs.
lm_of_parts <- function(fit) {
  request <- fit$request
  request$formula <- if (identical(fit$formula, request$formula)) request$formula else fit$formula
  model <- list(
    coefficients = fit$coefficients,
    residuals = of_sum_of_squares(fit$rss),
    rank = fit$rank,
    df.residual = fit$df.residual,
    qr = structure(list(qr = fit$r, rank = fit$rank, pivot = fit$pivot), class = "qr"),
    xlevels = fit$xlevels,
    contrasts = fit$contrasts,
    call = match.call(lm, lm_call(request, NULL)),
    terms = fit$terms,
    constants = setdiff(all.vars(fit$terms), names(fit$rows$data))
  )
  if (!is.null(request$weights)) {
    model$weights <- 1
  }
  environment(model$call$formula) <- globalenv()
  structure(model, class = "lm")
}

# As summary.lm() makes it of all rows. R 4.2 does not take an offset off the fitted values.
summarise_parts <- function(fit, model) {
  rest <- fit$rest
  series <- if (is.null(rest$series$weighted)) "residuals" else "weighted"
  residuals <- fit$summaries$series[[series]][-4]
  first <- seq_len(fit$rank)
  intercept <- attr(fit$terms, "intercept")
  variance <- fit$rss / fit$df.residual
  moments <- rest$model
  explained <- moments[["squares"]]
  if (intercept == 0) {
    explained <- explained + moments[["n"]] * moments[["mean"]]^2
  }
  if (variance < (moments[["mean"]]^2 + moments[["squares"]] / moments[["n"]]) * 1e-30) {
    warning("essentially perfect fit: summary may be unreliable", call. = FALSE)
  }
  unscaled <- chol2inv(fit$r[, first, drop = FALSE])
  estimates <- fit$coefficients[fit$pivot[first]]
  errors <- sqrt(diag(unscaled) * variance)
  dimnames(unscaled) <- list(names(estimates), names(estimates))
  t_values <- estimates / errors
  summary <- list(
    call = model$call,
    terms = fit$terms,
    residuals = residuals,
    coefficients = cbind(
      Estimate = estimates,
      "Std. Error" = errors,
      "t value" = t_values,
      "Pr(>|t|)" = 2 * pt(abs(t_values), fit$df.residual, lower.tail = FALSE)
    ),
    aliased = is.na(fit$coefficients),
    sigma = sqrt(variance),
    df = c(fit$rank, fit$df.residual, length(fit$coefficients)),
    r.squared = 0,
    adj.r.squared = 0,
    cov.unscaled = unscaled
  )
  if (fit$rank > intercept) {
    summary$r.squared <- explained / (explained + fit$rss)
    free <- (fit$counts[["counted"]] - intercept) / fit$df.residual
    summary$adj.r.squared <- 1 - (1 - summary$r.squared) * free
    summary$fstatistic <- c(
      value = explained / (fit$rank - intercept) / variance,
      numdf = fit$rank - intercept,
      dendf = fit$df.residual
    )
  }
  if (series == "weighted") {
    summary$weights <- c(1, 2) # so that it prints of which residuals these are
  }
  if (fit$deleted > 0 && is.null(fit$steps)) {
    summary$na.action <- structure(seq_len(fit$deleted), class = "omit")
  }
  structure(summary, class = "summary.lm")
}

# As measure() does.
measured_parts <- function(fit) {
  rest <- fit$rest
  n <- fit$counts[["counted"]]
  used <- as.integer(fit$counts[["used"]])
  log_likelihood <- 0.5 * (fit$log_weights - n * (log(2 * pi) + 1 - log(n) + log(fit$rss)))
  of_numbers <- function(numbers) summary_of_numbers(used, numbers)
  pairs <- rest$breusch_pagan
  correlation <- pairs[["ab"]] / sqrt(pairs[["aa"]] * pairs[["bb"]])
  list(
    n = as.integer(n),
    rows = used,
    counted = if (n == used) TRUE else which(fit$rows$is_counted),
    residuals = of_numbers(round6(fit$summaries$series$residuals)),
    fitted_values = of_numbers(round6(fit$summaries$series$fitted)),
    values = sapply(
      names(fit$columns),
      function(name) value_summary(fit, name, used),
      simplify = FALSE
    ),
    aic = -2 * log_likelihood + 2 * (fit$rank + 1),
    bic = -2 * log_likelihood + log(n) * (fit$rank + 1),
    press_rmse = press_rmse(rest),
    diagnostics = diagnosed(
      n,
      rest$tested,
      n * correlation^2,
      as.integer(rest$above),
      as.integer(rest$cook$row),
      rest$cook$distance
    ),
    row_diagnostics = told_of_rows(as.integer(n), as.integer(rest$far), rest$outstanding)
  )
}

press_rmse <- function(rest) sqrt(rest$press[["sum"]] / rest$press[["n"]])

# As all_or_summary() does of many values.
value_summary <- function(fit, name, n) {
  column <- fit$columns[[name]]
  values <- fit$rows$data[[name]]
  if (is_date(values)) {
    list(n = n, min = as_text(min(values)), max = as_text(max(values)))
  } else if (is.null(column$counts)) {
    summary_of_numbers(n, fit$summaries$columns[[name]])
  } else {
    counts <- column$counts[levels(factor(values))]
    list(n = n, counts = lapply(as.list(counts), as.integer))
  }
}

# As plotted() does.
plotted_parts <- function(fit) {
  picked <- fit$rest$picked
  used <- fit$counts[["used"]]
  drawn <- match(thin(seq_len(used), most_points), picked$used)
  errors <- fit$rest$series$residuals
  if (!is.null(fit$rest$series$weighted)) {
    errors <- fit$rest$series$weighted
  }
  data <- picked$data[drawn, , drop = FALSE]
  row.names(data) <- picked$number[drawn]
  response <- eval(formula(fit$terms)[[2]], fit$rows$data, globalenv())
  list(
    data = data,
    fitted = picked$fitted[drawn],
    rows = Inf, # plot.lm() can't draw what has no rows
    ends = fit$rows$data,
    response = range(as.numeric(response), finite = TRUE),
    is_exact = errors[["min"]] == 0 && errors[["max"]] == 0
  )
}

# As compare_press_rmse() does.
live_press_rmse <- function(job) {
  rest <- job$fits$live$rest
  if (is.null(rest)) {
    return(NULL)
  }
  common <- rest$press[["n"]]
  used <- job$fits$main$counts[["used"]]
  if (common < used) {
    warn_of_common_rows(common, used)
  }
  press_rmse(rest)
}

# As distributions() does.
distributions_of_parts <- function(fit, trained) {
  names <- names(trained$predictors)
  sapply(
    names,
    function(name) {
      kind <- trained$predictors[[name]]
      possible <- possible_codes(kind)
      column <- of_counted(fit$columns[[name]])
      if (is.null(possible)) {
        n <- column$moments[["n"]]
        list(
          n = as.integer(n),
          sd = sqrt(column$moments[["squares"]] / (n - 1)),
          values = I(sketched_quantiles(column$sketch, (seq_len(many_rows) - 0.5) / many_rows))
        )
      } else {
        values <- names(column$counts)
        codes <- encode(if (kind$kind == "logical") as.logical(values) else values, kind)
        counts <- column$counts[match(possible, codes)]
        counts[is.na(counts)] <- 0
        list(codes = I(possible), counts = I(unname(as.integer(counts))))
      }
    },
    simplify = FALSE
  )
}
