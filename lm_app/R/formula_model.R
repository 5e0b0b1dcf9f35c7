# What a stored lm would have R evaluate, read by the reader of formulas.

#' Check a call of a stored model
#'
#' @param call A call, or a name or constant: of a formula, or of its predvars, in which R has put
#'   the numbers that the fit fixed.
#' @param columns The names that it may use.
#' @return TRUE. Refuses where it could make R do anything but compute.
check_call <- function(call, columns) {
  label <- "stored model"
  check_size(call, label)
  reader <- new_reader(columns, is_stored = TRUE)
  check_value(reader, call)
  refuse_problems(reader, label)
  TRUE
}

#' Check all that predict() may evaluate of a stored model
#'
#' @param model An lm as train() made it; the types of its parts are R's, checked before.
#' @return TRUE. Refuses where its terms, predvars, call or contrasts hold anything but what
#'   read_formula() lets through.
check_model_calls <- function(model) {
  refuse_part <- function(...) refuse("stored model: ", ...)
  model_terms <- model$terms
  if (!is_call_of(model_terms, "~") || length(model_terms) != 3) {
    refuse_part("its terms are no formula")
  }
  if (!identical(attr(model_terms, ".Environment"), globalenv())) {
    refuse_part("its terms are of another environment")
  }
  check_size(model_terms, "stored model")
  response_columns <- all.vars(model_terms[[2]])
  columns <- c(names(model$probe), response_columns)
  check_stored_formula(model_terms, columns)
  for (name in c("variables", "predvars")) {
    variables <- attr(model_terms, name)
    if (!is_call_of(variables, "list") || !is.null(attributes(variables))) {
      refuse_part("its ", name, " are no list")
    }
    for (variable in as.list(variables)[-1]) {
      check_call(variable, columns)
    }
  }
  check_stored_call(model$call, columns)
  check_stored_contrasts(model$contrasts)
  TRUE
}

check_stored_formula <- function(formula, columns) {
  check_size(formula, "stored model")
  bare <- formula
  attributes(bare) <- NULL # a class would have R call its methods
  reader <- new_reader(columns, is_stored = TRUE)
  check_value(reader, bare[[2]])
  check_terms(reader, bare[[3]])
  refuse_problems(reader, "stored model")
}

# lm(formula, data, weights = ...): predict() evaluates an offset of it, so there may be none.
check_stored_call <- function(call, columns) {
  known <- c("formula", "data", "weights", "subset", "contrasts", "na.action")
  if (!is_call_of(call, "lm") || length(setdiff(names(call)[-1], known)) > 0) {
    refuse("stored model: its call is not one of lm() with ", toString(known))
  }
  if (!is_call_of(call$formula, "~") || length(call$formula) != 3) {
    refuse("stored model: its call has no formula")
  }
  check_stored_formula(call$formula, columns)
  if (!is.null(call$data) && !is.name(call$data)) {
    refuse("stored model: its call's data are no name")
  }
  known_actions <- list(NULL, quote(na.omit), quote(na.fail))
  if (!any(vapply(known_actions, identical, TRUE, call$na.action))) {
    refuse("stored model: its call's na.action is unknown")
  }
  for (part in list(call$weights, call$subset)) {
    if (!is.null(part)) {
      check_call(part, all.vars(part))
    }
  }
  contrasts <- call$contrasts
  check_stored_contrasts(if (is_call_of(contrasts, "list")) as.list(contrasts)[-1] else contrasts)
}

check_stored_contrasts <- function(contrasts) {
  is_known <- function(contrast) {
    (is.character(contrast) && length(contrast) == 1 && contrast %in% known_contrasts) ||
      (is.numeric(contrast) && is.matrix(contrast) && is_plain(contrast, TRUE))
  }
  if (!(is.null(contrasts) || is.list(contrasts) && all(vapply(contrasts, is_known, TRUE)))) {
    known <- toString(known_contrasts)
    refuse("stored model: its contrasts are neither known (", known, ") nor numbers")
  }
  TRUE
}
