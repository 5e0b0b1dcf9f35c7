# Conditions as plain data: nobody catches R's conditions outside R, and a warning that waits for
# the top level comes too late.

#' Call a function, and hand back what happened
#'
#' @param f A function.
#' @param ... Its arguments.
#' @return A list: `value` and `warnings` (their texts, each once), or `error` (its text).
attempt <- function(f, ...) {
  texts <- character()
  note <- function(w) {
    texts <<- c(texts, trimws(conditionMessage(w)))
    invokeRestart("muffleWarning")
  }
  tryCatch(
    list(value = withCallingHandlers(f(...), warning = note), warnings = I(unique(texts))),
    error = function(e) list(error = conditionMessage(e))
  )
}

#' Call a function, and stop it after some seconds
#'
#' R looks at the clock between steps, so that a long one, such as a product of large matrices, is
#' not interrupted.
#'
#' @param seconds Above 0; Inf for no limit, or for the one that is set already.
#' @param f A function.
#' @param ... Its arguments.
#' @return Its value.
in_seconds <- function(seconds, f, ...) {
  if (seconds < Inf) {
    setTimeLimit(elapsed = seconds)
    on.exit(setTimeLimit())
  }
  f(...)
}

#' Stop because of what was asked for or what is in the data, not because of a bug
#'
#' @param ... The parts of the message: one line that says what is wrong and what to do.
#' @return Never: it raises an error of class "refusal".
refuse <- function(...) {
  stop(structure(
    class = c("refusal", "error", "condition"),
    list(message = .makeMessage(...), call = NULL)
  ))
}
