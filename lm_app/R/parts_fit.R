# The QR decomposition of rows that are in parts, and lm.fit() on its R.

# A block of so many numbers stays in the processor's cache.
block_numbers <- 1e5

#' Take the terms that lm() would have of all rows, and what model.matrix() needs
#'
#' R makes them of the rows that stand for all, and what they learned is put right.
#'
#' @param fit One of job$fits, whose rows and arguments are known.
#' @param job The job.
#' @return The fit, to be decomposed next.
with_terms <- function(fit, job) {
  rows <- fit$rows$data
  request <- fit$request
  frame <- tryCatch(
    suppressWarnings(model.frame(fit$formula, rows, drop.unused.levels = TRUE)),
    error = function(e) refuse_all(explain_failure(request, rows, conditionMessage(e)))
  )
  terms <- attr(frame, "terms")
  predvars <- attr(terms, "predvars")
  variables <- variables_of(terms)
  learned <- split(fit$arguments, vapply(fit$arguments, `[[`, "", "variable"))
  for (label in intersect(names(learned), names(variables))) {
    at <- match(label, names(variables)) + 1L
    predvars[[at]] <- put_right(predvars[[at]], learned[[label]])
  }
  attr(terms, "predvars") <- predvars
  environment(terms) <- globalenv()
  single <- unlist(Map(single_level_fault, names(variables), frame[names(variables)]))
  refuse_all(single)
  design <- model.matrix(terms, frame, contrasts.arg = contrasts_asked(request, variables))
  fit$terms <- terms
  fit$labels <- names(variables)
  fit$xlevels <- .getXlevels(terms, frame)
  fit$contrasts <- attr(design, "contrasts")
  fit$assign <- attr(design, "assign")
  fit$names <- colnames(design)
  if (length(fit$names) > parts_limits$coefficients) {
    refuse(
      "the model has ",
      length(fit$names),
      " coefficients; of data in parts, it may have ",
      parts_limits$coefficients,
      "; leave out columns, levels or terms"
    )
  }
  if (length(fit$names) == 0) {
    refuse("the model has no coefficients to estimate")
  }
  fit$factors <- lapply(
    setNames(names(fit$contrasts), names(fit$contrasts)),
    function(name) {
      levels <- fit$xlevels[[name]]
      if (is.null(levels)) {
        levels <- c("FALSE", "TRUE")
      }
      list(levels = levels, contrasts = contrast_matrix(fit, name, levels))
    }
  )
  fit$pass <- "qr"
  fit
}

# Those of factors that step() has not dropped.
contrasts_asked <- function(request, variables) {
  asked <- request$contrasts[intersect(names(request$contrasts), names(variables))]
  if (length(asked) > 0) asked
}

# Which rows of a part are fitted.
rows_used <- function(fit, data) {
  if (isTRUE(fit$all_used)) TRUE else account_for_rows(fit, data)$is_used
}

# A part's rows that are fitted, by blocks: f is called with the design.
by_block <- function(fit, data, f) {
  is_used <- rows_used(fit, data)
  if (!isTRUE(is_used)) {
    data <- data[is_used, , drop = FALSE]
  }
  width <- length(fit$names) + 1
  size <- max(width, block_numbers %/% width)
  lapply(if (nrow(data) > 0) seq(1, nrow(data), by = size), function(from) {
    rows <- seq(from, min(nrow(data), from + size - 1))
    # a data frame would look at its row names, in each block
    f(design_of(fit, lapply(data, `[`, rows), length(rows)))
  })
}

#' Make the model matrix of some rows
#'
#' As fast_path() does, it leaves out what model.frame() and model.matrix() look up each time.
#'
#' @param fit One of job$fits, with its terms.
#' @param data A list of the columns of rows that are fitted.
#' @param count How many rows they are.
#' @return A list: the matrix `x`, the response `y` less the `offset` (0 where there is none), and the
#'   weights `w`, or NULL.
design_of <- function(fit, data, count) {
  terms <- fit$terms
  values <- eval(attr(terms, "predvars"), data, globalenv())
  names(values) <- fit$labels
  for (name in names(fit$factors)) {
    known <- fit$factors[[name]]
    codes <- values[[name]]
    codes <- if (is.logical(codes)) {
      codes + 1L
    } else if (identical(attr(codes, "levels"), known$levels)) {
      as.integer(codes)
    } else {
      match(as.character(codes), known$levels)
    }
    if (anyNA(codes)) {
      refuse_changed(fit, NULL) # C would read past the contrasts
    }
    values[[name]] <- structure(
      codes,
      levels = known$levels,
      class = "factor",
      contrasts = known$contrasts
    )
  }
  y <- as.numeric(values[[attr(terms, "response")]])
  offset <- Reduce(`+`, unname(values[attr(terms, "offset")]), 0)
  attributes(values) <- list(
    names = names(values),
    row.names = .set_row_names(count),
    class = "data.frame"
  )
  x <- .External2(get("C_modelmatrix", asNamespace("stats")), terms, values)
  attributes(x) <- attributes(x)["dim"]
  weights <- fit$request$weights
  list(
    x = x,
    y = y - offset,
    offset = offset,
    w = if (!is.null(weights)) as.numeric(value_of(weights, data))
  )
}

# R alone, in the order of the columns: without a tolerance, none is moved to the end.
r_factor <- function(matrix) {
  if (nrow(matrix) == 0) {
    return(matrix)
  }
  r <- qr.R(qr(matrix, tol = 0))
  dimnames(r) <- NULL
  r
}

merge_r <- function(all) r_factor(do.call(rbind, all))

part_qr <- function(fit, data, place) {
  blocks <- by_block(fit, data, function(design) {
    joined <- cbind(design$x, design$y)
    w <- design$w
    if (!is.null(w)) {
      joined <- (joined * sqrt(w))[w > 0, , drop = FALSE]
    }
    list(
      r = r_factor(joined),
      counts = c(used = nrow(design$x), counted = nrow(joined)),
      sums = colSums(design$x),
      log_weights = if (is.null(w)) 0 else sum(log(w[w > 0]))
    )
  })
  merge_qr(fit, blocks)
}

merge_qr <- function(fit, values) {
  values <- Filter(function(value) !is.null(value$r), values)
  if (length(values) == 0) {
    return(list())
  }
  list(
    r = merge_r(lapply(values, `[[`, "r")),
    counts = add_up(values, "counts"),
    sums = add_up(values, "sums"),
    log_weights = add_up(values, "log_weights")
  )
}

after_qr <- function(fit, merged, job) {
  refuse_changed(fit, merged$counts)
  if (fit$stepwise != "none") {
    fit <- choose_terms(fit, merged)
    return(with_terms(fit, job))
  }
  count <- length(fit$names)
  columns <- merged$r[, seq_len(count), drop = FALSE]
  colnames(columns) <- fit$names
  solved <- lm.fit(columns, merged$r[, count + 1])
  first <- seq_len(solved$rank)
  fit$coefficients <- solved$coefficients
  fit$rank <- solved$rank
  fit$pivot <- solved$qr$pivot
  fit$r <- unname(solved$qr$qr[first, , drop = FALSE])
  fit$r[row(fit$r) > col(fit$r)] <- 0
  fit$rss <- sum(if (solved$rank > 0) solved$effects[-first]^2 else solved$effects^2)
  fit$size <- sqrt(sum(merged$r[, count + 1]^2))
  fit$df.residual <- as.integer(fit$counts[["counted"]] - solved$rank)
  fit$column_means <- list(
    means = setNames(merged$sums / fit$counts[["used"]], fit$names),
    assign = fit$assign
  )
  fit$log_weights <- merged$log_weights
  check_fit(fit, fit$left_out)
  fit$pass <- "rest"
  fit
}

refuse_changed <- function(fit, counts) {
  if (is.null(counts) || any(counts != fit$counts[c("used", "counted")])) {
    refuse("the data have changed during the training; train again when nobody writes them")
  }
}
