# The proof that the fast path gives predict()'s numbers: made once, at training, over every level
# and both ends of every range, and kept with predict()'s answers for some of these rows. To load a
# model costs one comparison with them, and shows, too, where this R answers otherwise than the one
# that trained.

# To be raised when fast_path() changes: then older proofs are none.
fast_path_version <- 2L

proof_level <- 0.9
rows_kept <- 10

#' Prove the fast path
#'
#' @param model What strip_for_prediction() makes, but for the proof.
#' @param rows See reference_rows().
#' @return A list. `fast`: did it give predict()'s numbers to the last bit, without a warning?
#'   `rows`: at most 10 of the rows; `answers`: those of predict() to them; see answers_to().
#'   `r_version`, `blas`, `fast_path`: what gave the answers.
prove_fast_path <- function(model, rows) {
  predicted <- watched(ask_predict(model))
  fast <- fast_or_null(model)
  kept <- keep_rows(rows, rows_kept)
  answers <- answers_to(kept, predicted$value)
  is_proven <- !is.null(fast) &&
    predicted$is_clear() &&
    identical(answers_to(kept, fast), answers) &&
    agree_for_all(fast, predicted$value, rows, model$rank) &&
    predicted$is_clear()
  list(
    fast = is_proven,
    rows = kept,
    answers = answers,
    r_version = as.character(getRversion()),
    blas = basename(extSoftVersion()[["BLAS"]]),
    fast_path = fast_path_version
  )
}

#' Take the fast path where it is proven
#'
#' @param model What train() made.
#' @return The fast path, or NULL where predict() must answer. Warns of that, and where R answers
#'   otherwise here than where the model was trained.
proven_fast_path <- function(model) {
  proof <- model$proof
  if (!identical(proof$fast_path, fast_path_version)) {
    # a version that an older release trained: some of its rows are proven now
    proof <- prove_fast_path(model, keep_rows(c(model$probe, proof$rows), rows_kept))
  }
  if (!proof$fast) {
    here <- ask_predict(model)(unlist(proof$rows, use.names = FALSE), "none", proof_level)
    warn_of_difference(proof, list(none = here$value))
    warn_that_predict_answers()
    return(NULL)
  }
  fast <- fast_or_null(model)
  if (!is.null(fast) && identical(answers_to(proof$rows, fast), proof$answers)) {
    return(fast)
  }
  settle(model, proof)
}

# The fast path's answers are not those that are kept: it is wrong here, or R answers otherwise.
settle <- function(model, proof) {
  predicted <- watched(ask_predict(model))
  here <- answers_to(proof$rows, predicted$value)
  warn_of_difference(proof, here)
  model$r_inverse <- NULL # the R that trained computed it
  fast <- fast_or_null(model)
  if (!is.null(fast) && predicted$is_clear() && identical(answers_to(proof$rows, fast), here)) {
    return(fast)
  }
  warn_that_predict_answers()
  NULL
}

# Since R 4.3, predict() warns of a rank-deficient fit only where a row is not estimable, so no
# reference rows can show that it never will.
fast_or_null <- function(model) {
  is_full_rank <- model$rank == length(model$coefficients)
  if (is_full_rank) tryCatch(fast_path(model), error = function(e) NULL)
}

# The answers of f to rows, all at once, and to the first alone: a matrix of one row may go through
# another routine of the BLAS. For 1,000 coefficients each interval costs predict() a second.
answers_to <- function(rows, f) {
  together <- unlist(rows, use.names = FALSE)
  alone <- vapply(rows, `[`, 0, 1, USE.NAMES = FALSE)
  list(
    none = f(together, "none", proof_level),
    confidence = f(together, "confidence", proof_level),
    prediction = f(together, "prediction", proof_level),
    none_alone = f(alone, "none", proof_level),
    prediction_alone = f(alone, "prediction", proof_level)
  )
}

# Every row at once, and some alone. Where the coefficients are many, only the fit, which shows
# that the model matrix is right.
agree_for_all <- function(fast, predicted, rows, rank) {
  is_large <- rank > 100
  alone <- thin(seq_along(rows[[1]]), if (is_large) 3 else 10)
  xs <- lapply(alone, function(i) vapply(rows, `[`, 0, i, USE.NAMES = FALSE))
  for (x in c(list(unlist(rows, use.names = FALSE)), xs)) {
    for (interval in if (is_large) "none" else c("none", "confidence", "prediction")) {
      if (!identical(fast(x, interval, proof_level), predicted(x, interval, proof_level))) {
        return(FALSE)
      }
    }
  }
  TRUE
}

keep_rows <- function(rows, most) lapply(rows, function(values) thin(values, most))

# `value`: predict()'s numbers; `is_clear`: did it never warn or stop so far?
watched <- function(fallback) {
  is_clear <- TRUE
  list(
    value = function(x, interval, level) {
      answer <- fallback(x, interval, level)
      is_clear <<- is_clear && is.null(answer$error) && length(answer$warnings) == 0
      answer$value
    },
    is_clear = function() is_clear
  )
}

warn_that_predict_answers <- function() {
  warning(
    "predict() itself answers, several times slower: ",
    "it may warn of this model, or the fast path disagrees with it",
    call. = FALSE
  )
}

# `here`: some of the answers that this R gives.
warn_of_difference <- function(proof, here) {
  kept <- proof$answers[names(here)]
  if (identical(here, kept)) {
    return(invisible())
  }
  difference <- max(abs(unlist(here) - unlist(kept))) / max(abs(unlist(kept)))
  warning(
    "this R answers otherwise than the one that trained (R ",
    proof$r_version,
    ", BLAS ",
    proof$blas,
    "; here R ",
    as.character(getRversion()),
    ", BLAS ",
    basename(extSoftVersion()[["BLAS"]]),
    "): relative difference ",
    signif(difference, 2),
    call. = FALSE
  )
}
