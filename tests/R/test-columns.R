good <- data.frame(
  y = c(1, 2, 4, 4),
  x = c("b", "a", "b", "c"),
  z = c(3, 1, 2, 5),
  w = c(1, 0, 2, 1)
)

columns_of <- function(
  data,
  formula = "y ~ x",
  weights = NULL,
  subset = NULL,
  contrasts = list(),
  factors = list(),
  ordered = character(),
  problems = list(),
  row_names = NULL
) {
  request <- read_request(data, formula, weights, subset, contrasts, row_names)
  model_columns(data, request, factors, ordered, problems)
}

test_that("text is left to lm()", {
  expect_identical(columns_of(good)$x, good$x)
})

test_that("only the columns that are used are kept, those of weights and subset among them", {
  expect_named(columns_of(good, "y ~ z"), c("y", "z"))
  expect_named(columns_of(good, "y ~ z", "1 / (w + 1)", "x != 'c'"), c("y", "x", "z", "w"))
})

test_that("a dot does not stand for the row names", {
  expect_named(columns_of(good, "y ~ .", row_names = "x"), c("y", "z", "w"))
  expect_named(columns_of(good, "y ~ . + x", row_names = "x"), names(good))
})

test_that("declared factors are made, sorted or in the order told, ordered or not", {
  made <- function(...) columns_of(good, ...)$x
  expect_identical(levels(made(factors = list(x = character()))), c("a", "b", "c"))
  expect_identical(levels(made(factors = list(x = list("c", "b", "a")))), c("c", "b", "a"))
  expect_s3_class(made(factors = list(x = c("c", "b", "a")), ordered = "x"), "ordered")
  expect_s3_class(made(factors = list(x = character()), ordered = "x"), "ordered")
})

test_that("levels are sorted as in an English session", {
  prepare_session()
  data <- transform(good, x = c("Z", "a", "B", "_"))
  expect_identical(
    levels(columns_of(data, factors = list(x = character()))$x),
    c("_", "a", "B", "Z")
  )
})

test_that("all that is wrong is told at once", {
  expect_refusal(
    columns_of(
      transform(good, v = 1),
      "y ~ x + z + v",
      factors = list(x = "b", nope = character()),
      ordered = "z",
      contrasts = list(x = "contr.mine", w = "contr.sum"),
      problems = list(z = "column 'z': two marks", w = "not used")
    ),
    paste(
      "the data have no column 'nope'; their columns are y, x, z, w, v;",
      "'z' can't be ordered: it is not among the factors;",
      "contrasts: there are no 'contr.mine'; there are contr.treatment, contr.sum, contr.helmert,",
      "contr.poly, contr.SAS; contrasts: the formula has no factor 'w'; column 'z': two marks;",
      "column 'x': 'a' (row 2), 'c' (row 4) are not among its levels b"
    )
  )
})

test_that("of many unknown levels a few are told", {
  data <- data.frame(y = 1:9, x = letters[1:9])
  expect_refusal(
    columns_of(data, factors = list(x = "a")),
    "'b' (row 2), 'c' (row 3), 'd' (row 4), 'e' (row 5), 'f' (row 6) and 3 more are not among its"
  )
})

refusals <- list(
  list("x ~ z", "the response, x, is text ('b', 'a', 'c'); it must be numbers"),
  list("scale(y) ~ z", "the response, scale(y), has columns; lm() takes one response"),
  list("same ~ z", "the response, same, is 4 in each row: nothing can be learnt from it"),
  list("day ~ z", "the response, day, is a date; write as.numeric(day)")
)
for (case in refusals) {
  test_that(paste("a response that lm() can't take is refused:", case[[1]]), {
    data <- transform(good, same = 4, day = as.Date("2024-01-01") + z)
    expect_refusal(columns_of(data, case[[1]]), case[[2]])
  })
}

test_that("a logical response is one of 0 and 1", {
  data <- transform(good, y = c(TRUE, FALSE, TRUE, TRUE))
  expect_identical(columns_of(data, "y ~ z")$y, data$y)
})

row_refusals <- list(
  list("x", NULL, "weights 'x' must be a number for each row"),
  list("z - 2", NULL, "weights 'z - 2': row 2 has -1; a weight is finite and not negative"),
  list("1 / w", NULL, "weights '1/w': row 2 has Inf; a weight is finite and not negative"),
  list("0 * w", NULL, "weights '0 * w': no row has a weight above 0"),
  list("log(x)", NULL, "weights 'log(x)': R can't work them out (non-numeric argument"),
  list(NULL, "z", "subset 'z' must be true or false for each row, like 'age > 20'"),
  list(NULL, "z > 9", "subset 'z > 9' is true in no row"),
  list(NULL, "log(x) > 1", "subset 'log(x) > 1': R can't work it out (non-numeric argument")
)
for (case in row_refusals) {
  test_that(paste("it is refused:", case[[3]]), {
    expect_refusal(columns_of(good, "y ~ z", case[[1]], case[[2]]), case[[3]])
  })
}
