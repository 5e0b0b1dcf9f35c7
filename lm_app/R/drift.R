# Compare what a model is asked with what it was trained on.
#
# A test tells whether chance explains a difference, and a distance how great it is. Of few rows, as
# Evidently does (https://docs.evidentlyai.com, "Data drift algorithm"), a test decides, and of many
# a distance, as p-values of many rows are next to 0 for differences that nobody minds. But 1000 rows
# have distances by chance: in standard deviations 0.12 now and then, and of 50 levels always more
# than 0.1. So of many rows, both have to be beyond. Evidently looks at how many the reference has;
# here, it is the fewer of both.

# From so many rows on, the distance counts.
many_rows <- 1000L

#' Describe how the predictors of a fit are distributed
#'
#' Weights are not looked at, but rows of weight 0 are left out, as they took no part.
#'
#' @param model An lm.
#' @param data The columns, of the rows that were fitted.
#' @return A list, by predictor. Of numbers, dates and times (as numbers) `n`, `sd` and `values`:
#'   all of them, sorted, up to 1000, and beyond 1000 of them, the quantiles of (i - 1/2) / 1000.
#'   Their empirical distribution function is nowhere more than 1/2000 off. Of factors and
#'   logicals `codes`, as a request sends them, and `counts`.
distributions <- function(model, data) {
  counted_data <- rows_of(data, seq_len(nrow(data))[counted(model)])
  names <- predictors(model)
  described <- lapply(names, function(name) {
    on.exit(release_memory(nrow(data)))
    kind <- kind_of(data[[name]])
    codes <- encode(counted_data[[name]], kind)
    possible <- possible_codes(kind)
    if (is.null(possible)) {
      spread <- if (length(codes) > 1) sd(codes) else 0
      list(n = length(codes), sd = spread, values = I(reduced(codes)))
    } else {
      list(codes = I(possible), counts = I(counts_of(codes, possible)))
    }
  })
  setNames(described, names)
}

# NULL for numbers and dates.
possible_codes <- function(kind) {
  if (!is.null(kind$levels)) {
    seq_along(kind$levels)
  } else if (kind$kind == "logical") {
    0:1
  }
}

# Quantiles of type 1 are values of the data, so that ties stay ties.
reduced <- function(values) {
  if (length(values) <= many_rows) {
    return(sort(values))
  }
  quantile(values, (seq_len(many_rows) - 0.5) / many_rows, names = FALSE, type = 1)
}

counts_of <- function(codes, possible) tabulate(match(codes, possible), length(possible))

#' Compare what was asked with the training data
#'
#' @param trained What distributions() returned.
#' @param asked A list of vectors by the same names, NaN where the model can't take a value.
#' @param outside For each row: is it no question that the training data say something about?
#' @param period For each row the number of its period, from 1.
#' @param labelled NULL, or what accuracy() takes, all of these rows.
#' @return A list. `outside`: see share(). `predictors`: by their names what compare_one() returns,
#'   the p-values adjusted for their number by Holm (1979, Scand. J. Statistics 6(2), 65-70).
#'   `accuracy`: see there. `periods`: for each the same in short.
check_drift <- function(trained, asked, outside, period, labelled = NULL) {
  compared <- Map(compare_one, trained, asked)
  p_values <- p.adjust(vapply(compared, `[[`, 0, "p_value"), "holm")
  for (name in names(compared)) {
    compared[[name]]$p_value <- p_values[[name]]
  }
  periods <- lapply(unname(split(seq_along(period), period)), function(rows) {
    list(
      rows = length(rows),
      outside = mean(outside[rows]),
      distances = Map(distance, trained, lapply(asked, function(values) known(values[rows]))),
      accuracy = accuracy(lapply(labelled, `[`, rows))
    )
  })
  list(
    outside = share(sum(outside), length(outside)),
    predictors = compared,
    accuracy = accuracy(labelled),
    periods = periods
  )
}

known <- function(values) values[is.finite(values)]

#' Compare one predictor
#'
#' @param trained One of what distributions() returned.
#' @param asked A vector.
#' @return A list: `rows`, the `test` with its `statistic` and `p_value` (NA where there is nothing to
#'   test), the `measure` and the `distance`, and whether that counts, as there are `many` rows.
compare_one <- function(trained, asked) {
  asked <- known(asked)
  is_number <- is.null(trained$counts)
  n <- if (is_number) trained$n else sum(trained$counts)
  tested <- if (length(asked) > 0) {
    if (is_number) compare_numbers(trained, asked) else compare_counts(trained, asked)
  }
  list(
    rows = length(asked),
    test = if (is_number) "Kolmogorov-Smirnov" else "chi-squared",
    statistic = if (is.null(tested)) NA_real_ else tested$statistic[[1]],
    p_value = if (is.null(tested)) NA_real_ else tested$p.value,
    measure = if (is_number) "Wasserstein" else "Jensen-Shannon",
    distance = distance(trained, asked),
    many = min(n, length(asked)) >= many_rows
  )
}

# Of two samples, as the training data are one, too. Where they were reduced to 1000, these are the
# sample: a little of the power is lost, and no error is added. It warns of ties, with which it is
# exact for few rows, and else errs to the side of a greater p-value.
compare_numbers <- function(trained, asked) {
  suppressWarnings(ks.test(asked, trained$values))
}

# Of homogeneity. Where few rows are expected in a cell (Cochran 1954, Biometrics 10(4), 417-451:
# fewer than 5), the distribution of the statistic is simulated, always the same.
compare_counts <- function(trained, asked) {
  counts <- rbind(trained$counts, counts_of(asked, trained$codes))
  counts <- counts[, colSums(counts) > 0, drop = FALSE]
  if (ncol(counts) < 2) {
    return(NULL)
  }
  expected <- outer(rowSums(counts), colSums(counts)) / sum(counts)
  is_simulated <- any(expected < 5)
  if (is_simulated) {
    set.seed(1)
  }
  chisq.test(counts, correct = FALSE, simulate.p.value = is_simulated, B = 9999)
}

# NA where there are no values.
distance <- function(trained, asked) {
  if (length(asked) == 0) {
    NA_real_
  } else if (is.null(trained$counts)) {
    wasserstein(asked, trained$values) / if (trained$sd > 0) trained$sd else 1
  } else {
    jensen_shannon(counts_of(asked, trained$codes), trained$counts)
  }
}

#' Compute the first Wasserstein distance between two samples
#'
#' The area between their empirical distribution functions (Vallender 1974, Theory of Probability
#' and its Applications 18(4), 784-786).
#'
#' @param x,y Vectors of numbers.
#' @return A number, in the unit of the values.
wasserstein <- function(x, y) {
  at <- sort(unique(c(x, y)))
  apart <- abs(ecdf(x)(at) - ecdf(y)(at))
  sum(apart[-length(at)] * diff(at))
}

#' Compute the Jensen-Shannon distance between two distributions
#'
#' The root of the divergence (Lin 1991, IEEE Trans. Information Theory 37(1), 145-151; Endres and
#' Schindelin 2003, ibid. 49(7), 1858-1860), with natural logarithms, as SciPy has it: at most
#' 0.833.
#'
#' @param p,q Counts of the same levels.
#' @return A number.
jensen_shannon <- function(p, q) {
  p <- p / sum(p)
  q <- q / sum(q)
  middle <- (p + q) / 2
  divergence <- function(from) sum((from * log(from / middle))[from > 0])
  sqrt(max(0, (divergence(p) + divergence(q)) / 2)) # by rounding, it can be below 0
}

# A share with its exact 95 % interval (Clopper and Pearson 1934, Biometrika 26(4), 404-413).
share <- function(count, n) {
  limits <- binom.test(count, n)$conf.int
  list(share = count / n, lower = limits[1], upper = limits[2])
}

#' Compare predictions with what came of them
#'
#' @param labelled A list of vectors: the `observed` response, `fit`, and `lower` and `upper` (of
#'   95 % prediction intervals) where they mean something; rows in which one is no number are left
#'   out.
#' @return NULL where no rows are left. Else a list: `rows`, `rmse` with its 95 % limits (of normal
#'   errors: n RMSE^2 / sigma^2 is chi-squared) and `coverage`, a share() or NULL.
accuracy <- function(labelled) {
  labelled <- as.data.frame(labelled)
  labelled <- labelled[is.finite(rowSums(labelled)), , drop = FALSE]
  n <- nrow(labelled)
  if (n == 0) {
    return(NULL)
  }
  rmse <- root_mean_square(labelled$observed - labelled$fit)
  has_interval <- !is.null(labelled$lower)
  covered <- sum(labelled$lower <= labelled$observed & labelled$observed <= labelled$upper)
  list(
    rows = n,
    rmse = rmse,
    rmse_lower = rmse * sqrt(n / qchisq(0.975, n)),
    rmse_upper = rmse * sqrt(n / qchisq(0.025, n)),
    coverage = if (has_interval) share(covered, n)
  )
}

#' Read the response of new data
#'
#' @param data A data frame.
#' @param text The formula of the model.
#' @param problems See train().
#' @return A vector of numbers. Refuses where a column is missing, or it is none.
response_of <- function(data, text, problems) {
  formula <- read_formula(text, names(data))
  refuse_all(unlist(problems[intersect(all.vars(formula), names(problems))], use.names = FALSE))
  response <- formula[[2]]
  values <- value_of(response, data)
  if (!(is.numeric(values) || is.logical(values)) || length(values) != nrow(data)) {
    refuse("the response, ", deparse1(response), ", is not a number in each row")
  }
  as.numeric(values)
}

#' Sum up how far a candidate's predictions are from those of the live version
#'
#' @param differences A vector.
#' @return A list: `median`, `most` (95 % of them are no greater) and `max`, of their amounts.
differences <- function(differences) {
  amounts <- abs(known(differences))
  if (length(amounts) > 0) {
    as.list(setNames(quantile(amounts, c(0.5, 0.95, 1), names = FALSE), c("median", "most", "max")))
  }
}

#' Draw what was found over time, as drift.svg
#'
#' @param folder Where the file is written.
#' @param labels The periods' names.
#' @param panels A named list by titles: lists of `lines`, named lists of a number for each period,
#'   and `threshold`, where there is one.
draw_drift <- function(folder, labels, panels) {
  write_svg(folder, "drift", "What the model was asked, beside its training data", function() {
    par(mfrow = n2mfrow(length(panels)), mar = c(2.5, 2.5, 2.5, 1))
    for (title in names(panels)) {
      draw_panel(title, labels, panels[[title]])
    }
  })
}

draw_panel <- function(title, labels, panel) {
  values <- do.call(cbind, panel$lines)
  greatest <- max(values, panel$threshold, 0, na.rm = TRUE)
  colours <- seq_len(ncol(values))
  matplot(
    values,
    type = "b",
    pch = 19,
    lty = 1,
    col = colours,
    main = title,
    xlab = "",
    ylab = "",
    xaxt = "n",
    cex.main = 1,
    ylim = c(0, if (greatest > 0) greatest else 1)
  )
  axis(1, seq_along(labels), labels)
  abline(h = panel$threshold, lty = 2)
  if (ncol(values) > 1) {
    legend("topleft", colnames(values), col = colours, lty = 1, bty = "n")
  }
}
