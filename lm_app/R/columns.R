# The columns that lm() will use: made factors of where that is declared, and refused, with column
# and row, where lm() could not take them. Whatever is wrong is told at once.

#' Take the columns that a request uses, as lm() is to have them
#'
#' @param all_columns A data frame.
#' @param request What read_request() returns.
#' @param factors,ordered,problems See train().
#' @return The data frame of these columns.
model_columns <- function(all_columns, request, factors, ordered, problems) {
  data <- all_columns[request$used]
  spoilt <- intersect(request$used, names(problems))
  faults <- c(
    unknown_columns(setdiff(names(factors), names(all_columns)), names(all_columns)),
    sprintf("'%s' can't be ordered: it is not among the factors", setdiff(ordered, names(factors))),
    contrast_faults(request),
    unlist(problems[spoilt], use.names = FALSE)
  )
  for (name in setdiff(intersect(names(factors), request$used), spoilt)) {
    declared <- unlist(factors[[name]])
    faults <- c(faults, undeclared_levels(data[[name]], declared, name))
    data[[name]] <- as_factor(data[[name]], declared, name %in% ordered)
  }
  if (length(spoilt) == 0) {
    faults <- c(faults, response_faults(request, data), row_faults(request, data))
  }
  refuse_all(faults)
  data
}

contrast_faults <- function(request) {
  chosen <- request$contrasts
  named <- unlist(Filter(is.character, chosen))
  known <- toString(known_contrasts)
  variables <- vapply(as.list(attr(request$terms, "variables"))[-1], deparse1, "")
  variables <- c(variables, request$columns)
  absent <- setdiff(names(chosen), variables)
  c(
    sprintf("contrasts: there are no '%s'; there are %s", setdiff(named, known_contrasts), known),
    sprintf("contrasts: the formula has no factor '%s'", absent)
  )
}

undeclared_levels <- function(values, declared, name, rows = seq_along(values)) {
  first_rows <- !duplicated(values) & !is.na(values)
  unknown <- which(first_rows & !as.character(values) %in% declared)
  if (length(declared) == 0 || length(unknown) == 0) {
    return(NULL)
  }
  texts <- some(sprintf("'%s' (row %d)", values[unknown], rows[unknown]))
  verb <- if (length(unknown) == 1) " is" else " are"
  paste0("column '", name, "': ", texts, verb, " not among its levels ", toString(declared))
}

as_factor <- function(values, declared, is_ordered) {
  if (length(declared) == 0) {
    factor(values, ordered = is_ordered)
  } else {
    factor(as.character(values), declared, ordered = is_ordered)
  }
}

# lm() takes numbers and logicals; of texts and dates it makes what nobody means.
response_faults <- function(request, data) {
  label <- deparse1(request$formula[[2]])
  response <- value_of(request$formula[[2]], data)
  if (is.character(response) || is.factor(response)) {
    return(paste0(
      "the response, ",
      label,
      ", is text (",
      some(sprintf("'%s'", unique(na.omit(response))), 3),
      "); it must be numbers"
    ))
  }
  if (inherits(response, c("Date", "POSIXct"))) {
    return(paste0("the response, ", label, ", is a date; write as.numeric(", label, ")"))
  }
  if (is.matrix(response)) {
    return(paste0("the response, ", label, ", has columns; lm() takes one response at a time"))
  }
  known <- if (is.numeric(response)) response[is.finite(response)]
  if (length(known) > 1 && min(known) == max(known)) {
    paste0(
      "the response, ",
      label,
      ", is ",
      known[1],
      " in each row: nothing can be learnt from it"
    )
  }
}

# Weights and subset say something of each row, and leave some.
row_faults <- function(request, data) {
  faults <- row_value_faults(request, data)
  if (length(faults) == 0) {
    in_subset <- in_subset_of(request, data)
    weights <- if (is.null(request$weights)) 1 else value_of(request$weights, data)[in_subset]
    faults <- no_row_faults(request, any(in_subset), any(weights > 0, na.rm = TRUE))
  }
  faults
}

row_value_faults <- function(request, data) {
  faults <- subset_faults(request$subset, data)
  if (length(faults) == 0) {
    faults <- weight_faults(request$weights, data, in_subset_of(request, data))
  }
  faults
}

no_row_faults <- function(request, has_subset, has_weight) {
  if (!has_subset) {
    paste0("subset '", deparse1(request$subset), "' is true in no row")
  } else if (!has_weight) {
    paste0("weights '", deparse1(request$weights), "': no row has a weight above 0")
  }
}

in_subset_of <- function(request, data) {
  if (is.null(request$subset)) {
    rep(TRUE, nrow(data))
  } else {
    value_of(request$subset, data) %in% TRUE
  }
}

weight_faults <- function(expression, data, in_subset) {
  if (is.null(expression)) {
    return(NULL)
  }
  values <- value_of(expression, data)
  what <- paste0("weights '", deparse1(expression), "'")
  if (inherits(values, "error")) {
    return(paste0(what, ": R can't work them out (", conditionMessage(values), ")"))
  }
  if (!(is.numeric(values) || is.logical(values)) || length(values) != nrow(data)) {
    return(paste0(what, " must be a number for each row"))
  }
  values[!in_subset] <- NA
  bad <- which(values < 0 | is.infinite(values))
  if (length(bad) > 0) {
    paste0(
      what,
      ": ",
      rows_text(attr(data, "row.names")[bad], values[bad]),
      "; a weight is finite and not negative"
    )
  }
}

subset_faults <- function(expression, data) {
  if (is.null(expression)) {
    return(NULL)
  }
  values <- value_of(expression, data)
  what <- paste0("subset '", deparse1(expression), "'")
  if (inherits(values, "error")) {
    return(paste0(what, ": R can't work it out (", conditionMessage(values), ")"))
  }
  if (!is.logical(values) || length(values) != nrow(data)) {
    paste0(what, " must be true or false for each row, like 'age > 20'")
  }
}

#' Evaluate a part of a formula in its data
#'
#' @param expression A call or a name.
#' @param data A data frame.
#' @return Its value, or the error.
value_of <- function(expression, data) {
  tryCatch(suppressWarnings(eval(expression, data, globalenv())), error = identity)
}

refuse_all <- function(faults) {
  if (length(faults) > 0) {
    refuse(paste(unique(faults), collapse = "; "))
  }
}

#' List a few of many, for a message
#'
#' @param texts A vector.
#' @param most How many to show at most.
#' @return One string.
some <- function(texts, most = 5) {
  shown <- toString(head(texts, most))
  more <- length(texts) - most
  if (more > 0) paste(shown, "and", more, "more") else shown
}

#' Name rows and what they have, for a message
#'
#' @param rows,values Vectors of one length.
#' @return One string, such as "row 3 has -1, row 5 has -2 and 4 more".
rows_text <- function(rows, values) some(paste0("row ", rows, " has ", format_each(values)), 3)

format_each <- function(values, digits = 15) {
  vapply(values, format, "", digits = digits, USE.NAMES = FALSE)
}
