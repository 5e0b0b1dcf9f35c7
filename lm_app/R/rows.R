# The rows that a fit leaves out, and what stops a fit: counted, and told with column and row.

#' Count the rows of a fit and those that it leaves out
#'
#' @param model An lm, with its model frame.
#' @param data The columns that it was given, all rows.
#' @param request What read_request() returns.
#' @return A list of counts. `read` is the sum of `used`, `omitted` (of them `missing_by_column`, a
#'   row may lack several, and `nan_by_term`, such as a logarithm of a negative number),
#'   `zero_weight` and `outside_subset`.
count_rows <- function(model, data, request) {
  in_subset <- seq_len(nrow(data))
  if (!is.null(request$subset)) {
    in_subset <- which(value_of(request$subset, data))
  }
  rows <- attr(model$model, "row.names")
  omitted <- if (length(rows) < length(in_subset)) setdiff(in_subset, rows) else integer()
  zero_weight <- length(rows) - nobs(model)
  lost <- data[omitted, , drop = FALSE]
  list(
    read = nrow(data),
    used = nobs(model),
    omitted = length(omitted),
    missing_by_column = positive_counts(lapply(lost, is.na)),
    nan_by_term = count_nan(model, lost, request),
    zero_weight = zero_weight,
    outside_subset = nrow(data) - length(in_subset)
  )
}

# Rows that have all columns, and in which a term is no number.
count_nan <- function(model, lost, request) {
  lost <- lost[complete.cases(lost), , drop = FALSE]
  variables <- as.list(attr(model$terms, "predvars"))[-1]
  names(variables) <- vapply(as.list(attr(model$terms, "variables"))[-1], deparse1, "")
  if (!is.null(request$weights)) {
    variables[[deparse1(request$weights)]] <- request$weights
  }
  positive_counts(lapply(variables, function(variable) {
    if (nrow(lost) == 0) FALSE else rowSums(is.na(cbind(value_of(variable, lost)))) > 0
  }))
}

positive_counts <- function(flags) {
  counts <- lapply(flags, sum)
  counts[vapply(counts, function(count) count > 0, TRUE)]
}

tell_rows <- function(left_out) {
  if (left_out$omitted > 0) {
    message(
      left_out$used,
      " of ",
      left_out$read,
      " rows are used; ",
      left_out$omitted,
      " are left out: ",
      missing_text(left_out)
    )
  }
  for (term in names(left_out$nan_by_term)) {
    warning(
      "'",
      term,
      "' is not a number (NaN) in ",
      left_out$nan_by_term[[term]],
      " rows, which are left out",
      call. = FALSE
    )
  }
}

missing_text <- function(left_out) {
  named <- function(counts, verb) {
    if (length(counts) > 0) paste0("'", names(counts), "' ", verb, " in ", unlist(counts))
  }
  toString(c(
    named(left_out$missing_by_column, "is missing"),
    named(left_out$nan_by_term, "is not a number")
  ))
}

refuse_missing <- function(left_out) {
  if (left_out$omitted > 0) {
    refuse(
      left_out$omitted,
      " of ",
      left_out$read,
      " rows would be left out: ",
      missing_text(left_out),
      "; fill them in, or set na = \"omit\" to leave them out, as R does"
    )
  }
}

# One row alone decides a coefficient, such as the only one of its level.
warn_of_leverages <- function(leverages, rows) {
  alone <- which(leverages == 1)
  if (length(alone) > 0) {
    warning(
      "leave-one-out (PRESS) errors are not defined: the fit goes through ",
      some(paste("row", rows[alone]), 3),
      " whatever the response is there, as each alone decides a coefficient",
      call. = FALSE
    )
  }
}

#' Say why lm() can't fit a formula to data
#'
#' @param request What read_request() returns.
#' @param data The columns.
#' @param said What R said.
#' @return A vector of what is wrong, with column or term, row and remedy.
explain_failure <- function(request, data, said) {
  variables <- as.list(attr(request$terms, "variables"))[-1]
  values <- lapply(variables, value_of, data)
  labels <- vapply(variables, deparse1, "")
  faults <- unlist(Map(evaluation_fault, variables, labels, values, MoreArgs = list(data = data)))
  if (length(faults) > 0) {
    return(faults)
  }
  lacks <- lapply(values, function(value) rowSums(is.na(cbind(value))) > 0)
  complete <- !Reduce(`|`, lacks)
  if (!is.null(request$subset)) {
    complete <- complete & value_of(request$subset, data) %in% TRUE
  }
  if (!any(complete)) {
    counts <- vapply(lacks, sum, 0)
    listed <- toString(sprintf("'%s' in %d", labels, counts)[counts > 0])
    lacks_all <- paste0("each of the ", nrow(data), " rows lacks a value: ", listed)
    return(paste0(lacks_all, "; leave out what has too few of them"))
  }
  rows <- attr(data, "row.names")[complete]
  faults <- unlist(Map(
    function(variable, label, value) {
      value <- if (is.matrix(value)) value[complete, , drop = FALSE] else value[complete]
      c(infinite_fault(variable, label, value, rows, data), single_level_fault(label, value))
    },
    variables,
    labels,
    values
  ))
  if (length(faults) > 0) {
    return(faults)
  }
  paste0("formula '", deparse1(request$formula), "': R's lm() can't fit it: ", said)
}

evaluation_fault <- function(variable, label, value, data) {
  if (inherits(value, "error")) {
    inside <- data[intersect(all.vars(variable), names(data))]
    texts <- names(inside)[vapply(inside, is_categorical, TRUE)]
    dates <- names(inside)[vapply(inside, inherits, TRUE, c("Date", "POSIXct"))]
    return(paste0(
      "R can't work out '",
      label,
      "': ",
      conditionMessage(value),
      if (length(texts) > 0) paste0(" (text: ", toString(texts), ")"),
      if (length(dates) > 0) paste0("; write as.numeric(", dates[1], ") for the days since 1970")
    ))
  }
  if (NROW(value) != nrow(data)) {
    paste0("'", label, "' has ", NROW(value), " values, and the data have ", nrow(data), " rows")
  }
}

infinite_fault <- function(variable, label, value, rows, data) {
  bad <- if (is.numeric(value)) which(rowSums(is.infinite(cbind(value))) > 0)
  if (length(bad) == 0) {
    return(NULL)
  }
  if (is.name(variable)) {
    texts <- rows_text(rows[bad], value[bad])
    return(paste0("column '", label, "': ", texts, "; correct it, or leave the field empty"))
  }
  inside <- intersect(all.vars(variable), names(data))
  first <- data[match(rows[bad[1]], attr(data, "row.names")), inside, drop = FALSE]
  because <- toString(paste(inside, "=", vapply(first, format, "", digits = 15)))
  paste0(
    "'",
    label,
    "' is not finite in ",
    if (length(bad) > 1) paste0(length(bad), " rows, the first is "),
    "row ",
    rows[bad[1]],
    " (",
    because,
    "); leave such rows out by a subset"
  )
}

single_level_fault <- function(label, value) {
  if (is_categorical(value) && length(unique(value)) == 1) {
    paste0("'", label, "' has one level only, '", value[1], "', in the rows used; leave it out")
  }
}
