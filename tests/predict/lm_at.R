# Ask a server of each kind, and print what became of it, as JSON: Rscript tests/predict/lm_at.R URL; the kind is the
# first part of a path there.

source("contrib/lm.R")
url <- commandArgs(TRUE)[1]
outcomes <- list()

outcome_of <- function(kind, f) {
  told <- character()
  tell <- function(restart) {
    function(condition) {
      told <<- c(told, conditionMessage(condition))
      invokeRestart(restart)
    }
  }
  printed <- capture.output(
    value <- tryCatch(
      withCallingHandlers(f(), message = tell("muffleMessage"), warning = tell("muffleWarning")),
      error = function(e) list(error = conditionMessage(e))
    )
  )
  error <- if (is.list(value)) value$error
  value <- if (is.list(value)) numeric() else unname(value)
  outcomes[[kind]] <<- list(
    value = I(value),
    error = error,
    told = I(trimws(told)),
    printed = paste(printed, collapse = "")
  )
}

predict_at <- function(kind, rows = 1, ..., timeout = 60) {
  predict(
    lm_at(paste0(url, kind), "cars", timeout = timeout),
    data.frame(speed = 4 + seq_len(rows) / 1e4),
    ...
  )
}

kinds <- c(
  "well",
  "unauthorized",
  "forbidden",
  "too-large",
  "busy-twice",
  "busy",
  "busy-for-an-hour",
  "not-trained",
  "wrong",
  "breaks-off",
  "page",
  "moved",
  "no-json",
  "always-new"
)
for (kind in kinds) {
  outcome_of(kind, function() predict_at(paste0("/", kind)))
}
outcome_of("slow", function() predict_at("/slow", timeout = 1))
outcome_of("many", function() predict_at("/well", 20000))
outcome_of("many, shown", function() predict_at("/well", 20000, progress = TRUE))
outcome_of("small", function() predict_at("/takes-3000", 20000))
outcome_of("new", function() predict_at("/new", 20000))
outcome_of("outside", function() {
  predict(lm_at(paste0(url, "/well"), "cars"), data.frame(speed = 24:31))
})
outcome_of("no-formula", function() formula(lm_at(paste0(url, "/no-formula"), "cars")))
outcome_of("key", function() {
  lm_at(paste0(url, "/key-by-argument"), "cars", key = "lm_alice_1")
  Sys.setenv(LM_API_KEY = "lm_bob_2")
  at <- lm_at(paste0(url, "/key-by-environment/"), "cars")
  if (any(grepl("lm_bob", capture.output(print(unclass(at)), str(at), print(at))))) {
    stop("it shows its key")
  }
  0
})
cat(.json(outcomes))
