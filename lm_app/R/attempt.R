# Call f(...) and hand back what happened as plain data: list(value, warnings), or list(error).
# Nobody catches R's conditions outside R, and a warning that waits for the top level comes too late.
attempt <- function(f, ...) {
  warnings <- character()
  note <- function(w) {
    warnings <<- c(warnings, trimws(conditionMessage(w)))
    invokeRestart("muffleWarning")
  }
  tryCatch(
    list(value = withCallingHandlers(f(...), warning = note), warnings = I(unique(warnings))),
    error = function(e) list(error = conditionMessage(e))
  )
}
