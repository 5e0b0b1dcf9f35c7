# Run by testthat before the tests: Rscript -e 'testthat::test_dir("tests/R")'

for (path in list.files("../../lm_app/R", pattern = "[.]R$", full.names = TRUE)) {
  sys.source(path, environment())
}
prepare_session()

cars_data <- transform(
  mtcars,
  am = ifelse(am == 1, "manual", "automatic"),
  cylinders = c("four", "six", "eight")[cyl / 2 - 1],
  fast = qsec < 17.6
)

train_quietly <- function(data, formula, ...) {
  suppressMessages(train(data, formula, ...))
}

expect_refusal <- function(object, message) {
  expect_error(object, message, fixed = TRUE, class = "refusal")
}

prepare_quietly <- function(model) suppressWarnings(prepare_predict(model))

# What Python reads, of a data frame.
columns_of <- function(data) {
  lapply(data, function(values) {
    if (is.character(values)) {
      texts <- unique(values[!is.na(values)])
      return(list(type = "text", values = match(values, texts), texts = texts))
    }
    type <- if (inherits(values, "Date")) {
      "date"
    } else if (inherits(values, "POSIXct")) {
      "datetime"
    } else {
      sub("integer", "number", typeof(values))
    }
    attributes(values) <- NULL
    values <- if (type == "logical") as.integer(values) else as.numeric(values)
    list(type = type, values = values, texts = character())
  })
}

# As the engine does it: in passes, each over all parts, through bytes. `ends` are the last rows of
# the parts but the last.
fit_in_parts <- function(data, ends, ..., fan_in = 3, plots = NULL) {
  through_bytes <- function(value) unserialize(serialize(value, NULL))
  job <- plan_parts(names(data), ...)
  rows <- Map(function(from, to) seq_len(to - from) + from, c(0, ends), c(ends, nrow(data)))
  while (job$pass != "done") {
    sent <- through_bytes(for_workers(job))
    values <- Map(
      function(rows, before, number) {
        columns <- columns_of(data[rows, job$used, drop = FALSE])
        place <- c(list(where = paste("part", number), before = 0), before)
        through_bytes(part_of_pass(sent, place, columns))
      },
      rows,
      rows_before(job, length(rows)),
      seq_along(rows)
    )
    while (length(values) > 1) {
      groups <- split(values, (seq_along(values) - 1) %/% fan_in)
      values <- lapply(unname(groups), function(group) merge_parts(sent, group))
    }
    job <- after_pass(job, merge_parts(sent, values))
  }
  list(trained = finish_parts(job, plots), fit = job$fits$main)
}

fit_in_parts_quietly <- function(...) {
  suppressMessages(suppressWarnings(fit_in_parts(...)))
}

expect_near <- function(found, expected, tolerance) {
  difference <- abs(unlist(found) - unlist(expected)) / abs(unlist(expected))
  expect_lte(max(difference, na.rm = TRUE), tolerance)
  expect_identical(is.na(unlist(found)), is.na(unlist(expected)))
}
