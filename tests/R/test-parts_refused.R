data <- data.frame(
  y = sin(1:3000),
  x = seq(0.1, 300, by = 0.1),
  g = rep(c("a", "b", "c"), 1000),
  w = 1
)
refused <- function(data, message, formula = "y ~ x + g", ..., ends = c(1000, 2000)) {
  expect_error(
    fit_in_parts_quietly(data, ends, formula, ...),
    message,
    fixed = TRUE,
    class = "refusal"
  )
}

test_that("a refusal names the column, the row and the part", {
  place <- " (in part 2)"
  refused(
    transform(data, x = replace(x, 1500, Inf)),
    paste0("column 'x': row 500 has Inf; correct it, or leave the field empty", place)
  )
  refused(
    transform(data, x = replace(x, 1500, 0)),
    paste0("'log(x)' is not finite in row 500 (x = 0); leave such rows out by a subset", place),
    "y ~ log(x)"
  )
  refused(
    transform(data, w = replace(w, 1500, -1)),
    paste0("weights 'w': row 500 has -1; a weight is finite and not negative", place),
    weights = "w"
  )
  refused(
    data,
    "'c' (row 3) is not among its levels a, b (in part 1)",
    factors = list(g = c("a", "b"))
  )
  refused(data, "R can't work out 'sqrt(g)'", "y ~ x + sqrt(g)")
  expect_error(
    part_of_pass(
      plan_parts(names(data), "y ~ log(x)"),
      list(where = "part 1", before = 200000, read = 0),
      columns_of(transform(data[1:2, c("x", "y")], x = 0))
    ),
    "the first is row 200001 (x = 0)",
    fixed = TRUE
  )
})

test_that("what is wrong with a request is told before any pass", {
  planned <- function(message, ...) {
    expect_error(plan_parts(names(data), ...), message, fixed = TRUE)
  }
  planned("the data have no column 'nope'", "y ~ nope")
  planned("the formula has no factor 'w'", "y ~ x + g", contrasts = list(w = "contr.sum"))
  planned("'g' can't be ordered: it is not among the factors", "y ~ g", ordered = "g")
  planned("no column 'h'", "y ~ g", factors = list(h = character()))
})

test_that("what all rows together lack is told", {
  refused(
    transform(data, y = 1),
    "the response, y, is 1 in each row: nothing can be learnt from it"
  )
  refused(
    transform(data, x = NA_real_),
    "each of the 3000 rows lacks a value: 'x' is missing in 3000"
  )
  refused(transform(data, g = "a"), "'g' has one level only, 'a', in the rows used; leave it out")
  refused(data, "subset 'x > 900' is true in no row", subset = "x > 900")
  refused(transform(data, w = 0), "weights 'w': no row has a weight above 0", weights = "w")
  refused(data[0, ], "the data have no rows", ends = numeric())
  refused(
    transform(data, x = replace(x, 7, NA)),
    "1 of 3000 rows would be left out: 'x' is missing in 1",
    na = "refuse"
  )
  refused(
    transform(data, w = as.integer(seq_along(y) %in% c(1, 1500, 3000))),
    "3 observations are not enough for 3 coefficients; at least 4 are needed",
    "y ~ x + I(x^2)",
    weights = "w"
  )
  refused(data, "the model has no coefficients to estimate", "y ~ 0 + offset(x)")
})

test_that("there are limits", {
  many <- data.frame(y = sin(1:12000), g = paste("level", 1:12000), x = 1:12000)
  refused(many, "column 'g' has more than 10000 levels; leave it out, or group it", "y ~ g")
  asked <- list(x = character())
  refused(many, "column 'x' has more than 10000 levels", "y ~ x", factors = asked)
  refused(
    transform(data, g = paste("level", 1:1500)),
    "the model has 1501 coefficients; of data in parts, it may have 1000"
  )
  refused(
    data,
    "of data in parts, it takes columns of numbers, one by one",
    "y ~ scale(cbind(x, w))"
  )
})

test_that("data that change between passes are noticed", {
  steps <- function(first, second) {
    job <- plan_parts(names(first), "y ~ x + g")
    for (data in list(first, second, second)) {
      columns <- columns_of(data[job$used])
      place <- c(list(where = "part 1", before = 0), rows_before(job, 1)[[1]])
      job <- after_pass(job, merge_parts(job, list(part_of_pass(job, place, columns))))
    }
  }
  changed <- "the data have changed during the training"
  expect_no_error(steps(data, data))
  expect_error(steps(data, data[-1, ]), changed)
  expect_error(steps(data, transform(data, g = "new")), changed)
  job <- plan_parts(names(data), "y ~ x + g")
  for (now in list(data, data, transform(data, y = y + cos(3 * x)))) {
    place <- c(list(where = "part 1", before = 0), rows_before(job, 1)[[1]])
    value <- part_of_pass(job, place, columns_of(now[job$used]))
    if (job$pass == "rest") {
      expect_error(after_pass(job, merge_parts(job, list(value))), changed)
    } else {
      job <- after_pass(job, merge_parts(job, list(value)))
    }
  }
})

test_that("rows that decide a coefficient alone are told", {
  alone <- transform(data, g = replace(g, 1234, "alone"))
  expect_warning(
    suppressMessages(found <- fit_in_parts(alone, c(1000, 2000), "y ~ x + g")),
    "the fit goes through row 1234 whatever the response is there"
  )
  expect_false(is.finite(found$trained$info$press_rmse))
})

test_that("an exact fit is told", {
  exact <- transform(data, y = 2 * x + 1)
  expect_warning(
    suppressMessages(fit_in_parts(exact, 1500, "y ~ x")),
    "essentially perfect fit: summary may be unreliable"
  )
})
