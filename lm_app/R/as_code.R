# Write an lm as R code that makes it again, for an R session without any of this.

#' Write an lm as R code
#'
#' Numbers are hexadecimal, so that each is the same to the last bit. predict() takes what the code
#' makes, with intervals, se.fit and type = "terms".
#'
#' @param model What strip_for_prediction() makes.
#' @return Lines of R code, whose value is the lm.
as_code <- function(model) {
  kept <- unclass(model)[c("coefficients", "residuals", "rank", "df.residual", "qr")]
  kept <- c(kept, unclass(model)[intersect(c("xlevels", "contrasts", "weights"), names(model))])
  means <- model$column_means
  parts <- vapply(kept, in_code, "")
  parts[["x"]] <- sprintf(
    "structure(t(%s), assign = %s)",
    in_code(means$means),
    in_code(means$assign)
  )
  parts[["terms"]] <- terms_in_code(model$terms)
  parts[["call"]] <- sprintf("quote(lm(%s))", deparse1(formula(model$terms)))
  c(
    if (calls_splines(model$terms)) "library(splines)",
    "structure(class = \"lm\", list(",
    paste0("  ", names(parts), " = ", parts, ifelse(seq_along(parts) < length(parts), ",", "")),
    "))"
  )
}

in_code <- function(value) {
  paste(deparse(value, width.cutoff = 500, control = c("all", "hexNumeric")), collapse = "\n")
}

in_code_of_call <- function(call) {
  attributes(call) <- NULL
  paste(
    deparse(call, width.cutoff = 500, control = c("keepNA", "keepInteger", "hexNumeric")),
    collapse = "\n"
  )
}

# Of the attributes, only the environment is no text: it is the global one.
terms_in_code <- function(model_terms) {
  described <- attributes(model_terms)
  described$.Environment <- NULL
  values <- vapply(described, in_code, "")
  sprintf(
    "structure(quote(%s), %s, .Environment = globalenv())",
    in_code_of_call(model_terms),
    paste(names(values), values, sep = " = ", collapse = ", ")
  )
}

# Do they call ns() or bs() without saying where from?
calls_splines <- function(model_terms) {
  any(c("ns", "bs") %in% all.names(attr(model_terms, "predvars"))) &&
    !any(c("::", ":::") %in% all.names(attr(model_terms, "predvars")))
}
