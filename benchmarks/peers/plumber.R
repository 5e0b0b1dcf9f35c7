# The peer in R: Rscript plumber.R PORT, with timedistance.csv's path in DATA.
library(plumber)

model <- lm(time ~ distance, read.csv(Sys.getenv("DATA")))
one <- function(distance) list(fit = predict(model, list(distance = distance))[[1]])
many <- function(req) list(fit = unname(predict(model, req$body)))
json <- serializer_unboxed_json(digits = NA) # full precision, as we answer

pr() |>
  pr_get("/predict/<distance:double>", one, serializer = json) |>
  pr_post("/predict", many, serializer = json, parsers = "json") |>
  pr_run(port = as.integer(commandArgs(TRUE)), docs = FALSE, quiet = TRUE)
