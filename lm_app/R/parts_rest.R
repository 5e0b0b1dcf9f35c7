# What needs the residuals and leverages of rows that are in parts, and exact quartiles.

quartiles <- c(0.25, 0.5, 0.75)

# A row that alone decides a coefficient has this leverage, but for rounding.
leverage_of_one <- 1 - 1e-10

# From some version on, R's summary.lm() takes offsets off before it tells what the model explains.
takes_offset_off <- any(grepl("z$offset", deparse(stats::summary.lm), fixed = TRUE))

# Fitted values and residuals of rows.
residuals_of <- function(fit, design) {
  pivot <- fit$pivot[seq_len(fit$rank)]
  x <- design$x
  if (!identical(pivot, seq_len(ncol(x)))) {
    x <- x[, pivot, drop = FALSE]
  }
  linear <- as.vector(x %*% fit$coefficients[pivot])
  residuals <- design$y - linear
  list(
    x = x,
    residuals = residuals,
    fitted = linear + design$offset,
    linear = linear,
    observed = design$y + design$offset,
    weighted = if (!is.null(design$w)) sqrt(design$w) * residuals
  )
}

part_rest <- function(fit, data, place) {
  r <- fit$r[, seq_len(fit$rank), drop = FALSE]
  inverse <- backsolve(r, diag(fit$rank))
  blocks <- by_block(fit, data, function(design) {
    found <- residuals_of(fit, design)
    w <- if (is.null(design$w)) 1 else design$w
    found$leverages <- w * rowSums((found$x %*% inverse)^2)
    found$w <- design$w
    found$x <- NULL
    found
  })
  if (length(blocks) == 0) {
    return(list())
  }
  whole <- function(name) unlist(lapply(blocks, `[[`, name))
  series <- list(residuals = whole("residuals"), fitted = whole("fitted"))
  series$weighted <- whole("weighted")
  observed <- whole("observed")
  leverages <- whole("leverages")
  w <- whole("w")
  explained <- if (takes_offset_off) whole("linear") else series$fitted
  blocks <- NULL
  release_memory(nrow(data))
  is_used <- rep_len(rows_used(fit, data), nrow(data))
  numbers <- place$read + which(is_used)
  is_counted <- if (is.null(w)) rep(TRUE, length(numbers)) else w > 0
  is_common <- rep_len(place$is_common, nrow(data))[is_used][is_counted]
  errors <- (if (is.null(w)) series$residuals else series$weighted)[is_counted]
  leverages <- leverages[is_counted]
  leverages[leverages > leverage_of_one] <- 1
  deleted <- (series$residuals[is_counted] / (1 - leverages))[is_common]
  # as cooks.distance() has them
  distances <- (errors / (1 - leverages))^2 * leverages / (fit$rss / fit$df.residual * fit$rank)
  distances[is.infinite(distances)] <- NaN
  standardised <- errors / (sqrt(fit$rss / fit$df.residual) * sqrt(1 - leverages)) # as rstandard()
  standardised[is.infinite(standardised)] <- NaN
  of_rows <- list(
    row = numbers[is_counted],
    observed = observed[is_counted],
    fitted = series$fitted[is_counted],
    leverage = leverages,
    std_residual = standardised,
    cooks_distance = distances
  )
  picked <- within_part(fit$picked - place$used, length(numbers))
  list(
    press = c(sum = sum(deleted^2), n = length(deleted)),
    squares = sum(errors^2),
    breusch_pagan = comoments_of(errors^2, series$fitted[is_counted]),
    cook = most_distant(numbers[is_counted], distances),
    above = sum(distances > 4 / fit$counts[["counted"]], na.rm = TRUE),
    far = beyond_two(standardised),
    outstanding = outstanding_of(of_rows),
    alone = numbers[is_counted][leverages == 1],
    model = moments_of(explained, w),
    series = lapply(series, moments_of),
    sketches = if (!fit$is_live) lapply(series, sketch),
    tested = errors[within_part(fit$tested - place$counted, length(errors))],
    picked = list(
      number = numbers[picked],
      used = place$used + picked,
      fitted = series$fitted[picked],
      data = data[which(is_used)[picked], fit$request$used, drop = FALSE]
    )
  )
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
    far = add_up(values, "far"),
    outstanding = outstanding_of(
      do.call(Map, c(list(c), lapply(values, `[[`, "outstanding")))
    ),
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

# Those of some positions that are in a part of so many rows.
within_part <- function(positions, count) positions[positions > 0 & positions <= count]

# The five greatest of Cook's distances; of equal ones the first.
most_distant <- function(rows, distances) {
  near <- near_greatest(distances, 5)
  greatest <- near[head(order(-distances[near], rows[near]), 5)]
  list(row = rows[greatest], distance = distances[greatest])
}

# Of what is told of rows, the rows that stand out.
outstanding_of <- function(of_rows) {
  told <- outstanding(of_rows$leverage, of_rows$std_residual, of_rows$cooks_distance)
  lapply(of_rows, `[`, told)
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
  blocks <- by_block(fit, data, function(design) {
    residuals_of(fit, design)[names(fit$intervals$series)]
  })
  release_memory(nrow(data))
  whole <- function(name) as.numeric(unlist(lapply(blocks, `[[`, name)))
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
