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
