# Moments and quantiles of numbers that are in parts.

#' Count numbers, and take their mean, their sum of squares about it, and their ends
#'
#' @param x Numbers, or dates.
#' @param w Their weights, or NULL.
#' @return Named numbers, which merge_moments() merges (Chan, Golub and LeVeque 1983, The American
#'   Statistician 37(3), 242-247).
moments_of <- function(x, w = NULL) {
  x <- as.numeric(x)
  if (length(x) == 0) {
    return(c(n = 0, mean = 0, squares = 0, min = Inf, max = -Inf))
  }
  n <- if (is.null(w)) length(x) else sum(w)
  mean <- if (is.null(w)) {
    mean(x)
  } else if (n == 0) {
    0
  } else {
    sum(w * x) / n
  }
  squares <- (x - mean)^2
  squares <- sum(if (is.null(w)) squares else w * squares)
  c(n = n, mean = mean, squares = squares, min = min(x), max = max(x))
}

merge_moments <- function(all) {
  of <- do.call(rbind, all)
  n <- sum(of[, "n"])
  mean <- if (n == 0) 0 else sum(of[, "n"] * of[, "mean"]) / n
  c(
    n = n,
    mean = mean,
    squares = sum(of[, "squares"] + of[, "n"] * (of[, "mean"] - mean)^2),
    min = min(of[, "min"]),
    max = max(of[, "max"])
  )
}

# So many values of a part, or of many parts, say where each quantile is.
sketch_size <- 8192L
sketch_middles <- (seq_len(sketch_size) - 0.5) / sketch_size

#' Sketch how numbers are distributed
#'
#' @param x Numbers without NA.
#' @return A list: `values`, sorted, all of them or 8192, how often each (`counts`), and by how many
#'   rows at most a cumulated count is wrong (`error`).
sketch <- function(x) {
  x <- sort(as.numeric(x), method = "radix")
  n <- length(x)
  if (n > sketch_size && sum(x[-1] != x[-n]) >= sketch_size) {
    # as thin_sketch() would make it, without the runs of all values
    return(thinned(x[ceiling(sketch_middles * n)], n, 0))
  }
  runs <- rle(x)
  list(values = runs$values, counts = as.numeric(runs$lengths), error = 0)
}

merge_sketches <- function(all) {
  runs <- add_runs(all)
  thin_sketch(c(runs, list(error = add_up(all, "error"))))
}

# Each value once.
add_runs <- function(all) {
  values <- unlist(lapply(all, `[[`, "values"))
  in_order <- order(values)
  runs <- rle(values[in_order])
  counted <- cumsum(unlist(lapply(all, `[[`, "counts"))[in_order])
  list(values = runs$values, counts = diff(c(0, counted[cumsum(runs$lengths)])))
}

thin_sketch <- function(whole) {
  if (length(whole$values) <= sketch_size) {
    return(whole)
  }
  thinned(sketched_quantiles(whole, sketch_middles), sum(whole$counts), whole$error)
}

# A sketch of n values by their quantiles; `error` is what there was before.
thinned <- function(quantiles, n, error) {
  runs <- rle(quantiles)
  share <- n / sketch_size
  list(values = runs$values, counts = runs$lengths * share, error = error + share / 2)
}

# Values of the data, as of type 1.
sketched_quantiles <- function(sketch, probabilities) {
  reached <- cumsum(sketch$counts)
  at <- findInterval(probabilities * sum(sketch$counts), reached, left.open = TRUE) + 1L
  sketch$values[pmin(at, length(sketch$values))]
}

#' Say where the numbers with some ranks must be
#'
#' @param sketch See sketch().
#' @param n How many numbers there are.
#' @param probabilities Those of the quantiles.
#' @return A matrix, a row for each interval: over `from`, up to `to`.
bracket <- function(sketch, n, probabilities) {
  reached <- cumsum(sketch$counts)
  ranks <- ranks_of(n, probabilities)
  slack <- sketch$error + n * 1e-9 # sums of shares are rounded
  below <- findInterval(ranks - 1 - slack, reached)
  above <- findInterval(ranks + slack, reached, left.open = TRUE) + 1L
  ends <- cbind(from = c(-Inf, sketch$values)[below + 1L], to = c(sketch$values, Inf)[above])
  starts <- c(TRUE, ends[-1, "from"] >= cummax(ends[, "to"])[-nrow(ends)])
  number <- cumsum(starts)
  cbind(from = ends[starts, "from"], to = as.vector(tapply(ends[, "to"], number, max)))
}

ranks_of <- function(n, probabilities) {
  at <- 1 + (n - 1) * probabilities
  sort(unique(c(floor(at), ceiling(at))))
}

# Of each interval, what lies in it, and how many numbers come before it.
gather <- function(x, intervals) {
  x <- as.numeric(x)
  lapply(seq_len(nrow(intervals)), function(i) {
    is_above <- x > intervals[i, "from"]
    runs <- rle(sort(x[is_above & x <= intervals[i, "to"]], method = "radix"))
    list(
      before = length(x) - sum(is_above),
      values = runs$values,
      counts = as.numeric(runs$lengths)
    )
  })
}

merge_gathered <- function(all) {
  lapply(seq_along(all[[1]]), function(i) {
    of <- lapply(all, `[[`, i)
    c(list(before = add_up(of, "before")), add_runs(of))
  })
}

#' Take quantiles, as quantile() does by default
#'
#' @param gathered What merge_gathered() made of all parts.
#' @param n How many numbers there are.
#' @param probabilities Those that bracket() was asked for.
#' @return The quantiles.
gathered_quantiles <- function(gathered, n, probabilities) {
  before <- vapply(gathered, `[[`, 0, "before")
  of_rank <- function(rank) {
    of <- gathered[[findInterval(rank - 1, before)]]
    of$values[findInterval(rank - of$before, cumsum(of$counts), left.open = TRUE) + 1L]
  }
  at <- 1 + (n - 1) * probabilities
  low <- vapply(floor(at), of_rank, 0)
  high <- vapply(ceiling(at), of_rank, 0)
  share <- at - floor(at)
  ifelse(share == 0 | low == high, low, (1 - share) * low + share * high)
}
