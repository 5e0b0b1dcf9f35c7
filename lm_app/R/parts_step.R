# step() on R of the QR decomposition: what it compares needs no more of the rows.

# A formula whose terms, dropped, take other columns with them is for lm() with all rows.
check_stepwise <- function(request, stepwise) {
  if (stepwise == "none") {
    return(invisible())
  }
  if (attr(request$terms, "intercept") == 0 || !is.null(attr(request$terms, "offset"))) {
    refuse(
      "stepwise = '",
      stepwise,
      "': of data in parts, it takes neither an offset nor a formula without an intercept"
    )
  }
}

#' Have step() choose the terms
#'
#' @param fit One of job$fits, with its terms.
#' @param merged What merge_qr() made of all parts.
#' @return The fit with another `formula`, and what step() printed in `steps`.
choose_terms <- function(fit, merged) {
  for (generic in names(step_methods)) {
    registerS3method(generic, "lm_in_parts", step_methods[[generic]], asNamespace("stats"))
  }
  full <- list(
    r = merged$r,
    n = fit$counts[["counted"]],
    assign = fit$assign,
    keys = term_keys(fit$terms)
  )
  whole <- formula(fit$terms)
  direction <- fit$stepwise
  start <- lm_in_parts(full, if (direction == "forward") update(whole, . ~ 1) else whole)
  fit$steps <- capture.output(
    chosen <- if (direction == "forward") {
      step(start, scope = whole, direction = direction)
    } else {
      step(start, direction = direction)
    },
    split = TRUE
  )
  if (length(term_labels(chosen$terms)) == 0 && length(term_labels(fit$terms)) > 0) {
    refuse_dropped()
  }
  fit$stepwise <- "none"
  fit$formula <- formula(chosen$terms)
  environment(fit$formula) <- globalenv()
  fit
}

# Terms by their variables, as the order of these may change.
term_keys <- function(terms) {
  factors <- attr(terms, "factors")
  if (length(factors) == 0) {
    return(character())
  }
  unname(apply(factors > 0, 2, function(is_in) {
    paste(sort(rownames(factors)[is_in]), collapse = "\n")
  }))
}

lm_in_parts <- function(full, formula) {
  terms <- terms(formula)
  keys <- term_keys(terms)
  columns <- which(full$assign %in% c(0, match(keys, full$keys)))
  count <- ncol(full$r)
  solved <- lm.fit(full$r[, columns, drop = FALSE], full$r[, count])
  structure(
    list(
      full = full,
      terms = terms,
      formula = formula,
      call = call("lm", formula = formula),
      rank = solved$rank,
      rss = sum(solved$effects[-seq_len(solved$rank)]^2)
    ),
    class = "lm_in_parts"
  )
}

# The table of drop1() and add1(): the fit, and each with another formula.
compare_steps <- function(object, scope, sign, k) {
  others <- lapply(scope, function(label) {
    lm_in_parts(object$full, update(object$formula, paste("~ .", sign, label)))
  })
  all <- c(list(object), others)
  rank <- vapply(all, `[[`, 0L, "rank")
  rss <- vapply(all, `[[`, 0, "rss")
  aic <- vapply(all, function(one) extractAIC(one, k = k)[2], 0)
  direction <- if (sign == "+") 1 else -1
  df <- direction * (rank - rank[1])
  sum_of_squares <- direction * (rss[1] - rss)
  df[1] <- sum_of_squares[1] <- NA
  table <- data.frame(
    Df = df,
    "Sum of Sq" = sum_of_squares,
    RSS = rss,
    AIC = aic,
    row.names = c("<none>", scope),
    check.names = FALSE
  )
  structure(table, class = c("anova", "data.frame"))
}

step_methods <- list(
  extractAIC = function(fit, scale = 0, k = 2, ...) {
    c(fit$rank, fit$full$n * log(fit$rss / fit$full$n) + k * fit$rank)
  },
  deviance = function(object, ...) object$rss,
  nobs = function(object, ...) object$full$n,
  drop1 = function(object, scope, scale = 0, k = 2, ...) compare_steps(object, scope, "-", k),
  add1 = function(object, scope, scale = 0, k = 2, ...) compare_steps(object, scope, "+", k),
  update = function(object, formula., ..., evaluate = TRUE) {
    lm_in_parts(object$full, stats::update.formula(object$formula, formula.))
  }
)
