# What needs the residuals and leverages of rows that are in parts, and exact quartiles.

quartiles <- c(0.25, 0.5, 0.75)

# A row that alone decides a coefficient has this leverage, but for rounding.
leverage_of_one <- 1 - 1e-10

# Fitted values and residuals of a block.
residuals_of <- function(fit, design) {
  first <- seq_len(fit$rank)
  x <- design$x
  if (!identical(fit$pivot[first], seq_len(ncol(x)))) {
    x <- x[, fit$pivot[first], drop = FALSE]
  }
  linear <- as.vector(x %*% fit$coefficients[fit$pivot[first]])
  residuals <- design$y - linear
  series <- list(residuals = residuals, fitted = linear + design$offset)
  if (!is.null(design$w)) {
    series$weighted <- sqrt(design$w) * residuals
  }
  list(x = x, series = series)
}

part_rest <- function(fit, data, place) {
  is_common <- if (is.null(place$is_common) || isTRUE(place$is_common)) {
    rep(TRUE, nrow(data))
  } else {
    place$is_common
  }
  is_used <- rows_used(fit, data)
  read <- if (isTRUE(is_used)) seq_len(nrow(data)) else which(is_used)
  is_common <- is_common[read]
  first <- seq_len(fit$rank)
  r <- fit$r[, first, drop = FALSE]
  inverse <- backsolve(r, diag(fit$rank))
  dispersion <- fit$rss / fit$df.residual
  counted_before <- place$counted
  blocks <- by_block(fit, data, function(design, rows, block) {
    found <- residuals_of(fit, design)
    series <- found$series
    w <- if (is.null(design$w)) 1 else design$w
    is_counted <- rep_len(w > 0, length(rows))
    leverages <- (w * rowSums((found$x %*% inverse)^2))[is_counted]
    leverages[leverages > leverage_of_one] <- 1
    errors <- if (is.null(series$weighted)) series$residuals else series$weighted[is_counted]
    deleted <- series$residuals[is_counted] / (1 - leverages)
    deleted <- deleted[is_common[rows][is_counted]]
    distances <- (errors / (1 - leverages))^2 * leverages / (dispersion * fit$rank)
    distances[is.infinite(distances)] <- NaN
    numbers <- place$read + read[rows]
    counted <- counted_before + seq_along(errors)
    counted_before <<- counted_before + length(errors)
    at <- which((place$used + rows) %in% fit$picked)
    list(
      press = c(sum = sum(deleted^2), n = length(deleted)),
      squares = sum(errors^2),
      breusch_pagan = comoments_of(errors^2, series$fitted[is_counted]),
      cook = most_distant(numbers[is_counted], distances),
      above = sum(distances > 4 / fit$counts[["counted"]], na.rm = TRUE),
      alone = numbers[is_counted][leverages == 1],
      model = moments_of(series$fitted, design$w),
      series = lapply(series, moments_of),
      sketches = lapply(series, sketch),
      tested = errors[counted %in% fit$tested],
      picked = list(
        number = numbers[at],
        used = place$used + rows[at],
        fitted = series$fitted[at],
        data = block[at, fit$request$used, drop = FALSE]
      )
    )
  })
  merge_rest(fit, blocks)
}

merge_rest <- function(fit, values) {
  values <- Filter(function(value) !is.null(value$press), values)
  if (length(values) == 0) {
    return(list())
  }
  flat <- function(outer, inner) unlist(lapply(values, function(value) value[[outer]][[inner]]))
  of_series <- function(what, merge) {
    names <- names(values[[1]][[what]])
    sapply(
      names,
      function(name) merge(lapply(values, function(value) value[[what]][[name]])),
      simplify = FALSE
    )
  }
  list(
    press = add_up(values, "press"),
    squares = add_up(values, "squares"),
    breusch_pagan = merge_comoments(lapply(values, `[[`, "breusch_pagan")),
    cook = most_distant(flat("cook", "row"), flat("cook", "distance")),
    above = add_up(values, "above"),
    alone = unlist(lapply(values, `[[`, "alone")),
    model = merge_moments(lapply(values, `[[`, "model")),
    series = of_series("series", merge_moments),
    sketches = of_series("sketches", merge_sketches),
    tested = unlist(lapply(values, `[[`, "tested")),
    picked = list(
      number = flat("picked", "number"),
      used = flat("picked", "used"),
      fitted = flat("picked", "fitted"),
      data = do.call(rbind, lapply(values, function(value) value$picked$data))
    )
  )
}

# The five greatest of Cook's distances; of equal ones the first.
most_distant <- function(rows, distances) {
  greatest <- head(order(-distances, rows), 5)
  list(row = rows[greatest], distance = distances[greatest])
}

# Of pairs, what a correlation needs.
comoments_of <- function(a, b) {
  if (length(a) == 0) {
    return(c(n = 0, a = 0, b = 0, aa = 0, bb = 0, ab = 0))
  }
  mean_a <- mean(a)
  mean_b <- mean(b)
  c(
    n = length(a),
    a = mean_a,
    b = mean_b,
    aa = sum((a - mean_a)^2),
    bb = sum((b - mean_b)^2),
    ab = sum((a - mean_a) * (b - mean_b))
  )
}

merge_comoments <- function(all) {
  of <- do.call(rbind, all)
  n <- of[, "n"]
  a <- sum(n * of[, "a"]) / sum(n)
  b <- sum(n * of[, "b"]) / sum(n)
  c(
    n = sum(n),
    a = a,
    b = b,
    aa = sum(of[, "aa"] + n * (of[, "a"] - a)^2),
    bb = sum(of[, "bb"] + n * (of[, "b"] - b)^2),
    ab = sum(of[, "ab"] + n * (of[, "a"] - a) * (of[, "b"] - b))
  )
}

after_rest <- function(fit, merged, job) {
  refuse_changed(fit, c(merged$series$residuals[["n"]], merged$breusch_pagan[["n"]]))
  if (abs(sqrt(merged$squares) - sqrt(fit$rss)) > 1e-8 * sqrt(fit$rss) + 1e-10 * fit$size) {
    refuse_changed(fit, NULL)
  }
  fit$rest <- merged
  numbers <- Filter(function(column) !is.null(column$sketch), fit$columns)
  around <- function(sketch, moments) bracket(sketch, moments[["n"]], quartiles)
  fit$intervals <- list(
    series = Map(around, merged$sketches, merged$series),
    columns = lapply(numbers, function(column) around(column$sketch, column$moments))
  )
  fit$pass <- "gather"
  fit
}

part_gather <- function(fit, data, place) {
  is_used <- rows_used(fit, data)
  by_block <- by_block(fit, data, function(design, rows, block) residuals_of(fit, design)$series)
  whole <- function(name) as.numeric(unlist(lapply(by_block, `[[`, name)))
  of_series <- names(fit$intervals$series)
  of_columns <- names(fit$intervals$columns)
  list(
    series = Map(gather, lapply(setNames(of_series, of_series), whole), fit$intervals$series),
    columns = Map(
      gather,
      lapply(data[of_columns], function(values) if (isTRUE(is_used)) values else values[is_used]),
      fit$intervals$columns
    )
  )
}

merge_gather <- function(fit, values) {
  sapply(
    c("series", "columns"),
    function(what) {
      sapply(
        names(fit$intervals[[what]]),
        function(name) merge_gathered(lapply(values, function(value) value[[what]][[name]])),
        simplify = FALSE
      )
    },
    simplify = FALSE
  )
}

after_gather <- function(fit, merged, job) {
  summarise <- function(gathered, moments) {
    middle <- gathered_quantiles(gathered, moments[["n"]], quartiles)
    c(moments[["min"]], middle[1:2], moments[["mean"]], middle[3], moments[["max"]])
  }
  of_columns <- lapply(fit$columns[names(merged$columns)], `[[`, "moments")
  fit$summaries <- list(
    series = Map(summarise, merged$series, fit$rest$series),
    columns = Map(summarise, merged$columns, of_columns)
  )
  fit$pass <- "done"
  fit
}
