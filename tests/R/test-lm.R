source("../../contrib/lm.R", local = TRUE)

deploy_quietly <- function(fit, ...) {
  to <- tempfile("models")
  dir.create(to)
  suppressMessages(deploy_lm(fit, "m", to, ...))
}

lines_of <- function(folder, file) readLines(file.path(folder, file), encoding = "UTF-8")

expect_not_deployed <- function(fit, message, ...) {
  expect_error(deploy_quietly(fit, ...), message, fixed = TRUE)
}

test_that("numbers come back to the same bits, in as few digits as are sure", {
  set.seed(1)
  numbers <- c(0, 0.1, 1 / 3, 1e22, 1e23, 5e-324, .Machine$double.xmax, -2.5, 123456789012345)
  numbers <- c(numbers, round(rnorm(2000), 3), rnorm(2000) * 10^runif(2000, -300, 300))
  text <- .number(numbers)
  expect_equal(as.numeric(text), numbers, tolerance = 1e-15)
  expect_identical(text[c(1, 2, 4, 8, 9)], c("0", "0.1", "1e+22", "-2.5", "123456789012345"))
  is_short <- nchar(gsub("[^0-9]|e.*", "", text)) < 16
  expect_true(all(is_short[10:2009]))
  expect_identical(.number(c(NA, NaN, Inf)), rep(NA_character_, 3))
})

test_that("JSON has scalars, arrays, objects and escapes", {
  expect_identical(
    .json(list(a = 1, b = I(2), c = NULL, d = I(NA_real_))),
    '{"a": 1, "b": [2], "c": null, "d": [null]}'
  )
  expect_identical(.json(I(c("a\"b\\c", "d\n\u007f"))), '["a\\"b\\\\c", "d\\u000a\\u007f"]')
  expect_identical(.json(list(TRUE, list())), "[true, []]")
  expect_identical(.json(setNames(list(), character())), "{}")
})

test_that("a column is written as the server reads it", {
  data <- data.frame(
    whole = c(1, 2.5, NA),
    count = c(1L, NA, 3L),
    yes = c(TRUE, NA, FALSE),
    day = as.Date(c("2024-02-29", NA, "1899-12-31")),
    time = as.POSIXct(c(0, 0.5, NA), "UTC", origin = "1970-01-01"),
    g = factor(c("a \"quoted\"", NA, "1")),
    "a b" = 1:3,
    check.names = FALSE
  )
  written <- strsplit(.csv_of(data), "\n")[[1]]
  expect_identical(written[1], '"whole","count","yes","day","time","g","a b"')
  expect_identical(written[2], '1.0,1,TRUE,2024-02-29,1970-01-01T00:00:00Z,"a ""quoted""",1')
  expect_identical(written[3], "2.5,NA,NA,NA,1970-01-01T00:00:00.5Z,NA,2")
  expect_identical(written[4], 'NA,3,FALSE,1899-12-31,NA,"1",3')
})

test_that("the folder has the columns and rows that were fitted, and nothing else", {
  secret <- "not to be seen"
  fit <- local({
    private <- transform(mtcars, note = "not to be seen")
    lm(mpg ~ wt + factor(cyl), private, subset = hp > 100)
  })
  folder <- deploy_quietly(fit, title = "Consumption")
  expect_setequal(list.files(folder), c("data.csv", "fitted.json", "model.toml"))
  expect_identical(lines_of(folder, "data.csv")[1], '"mpg","wt","cyl"')
  expect_length(lines_of(folder, "data.csv"), 1 + sum(mtcars$hp > 100))
  expect_false(any(grepl(secret, unlist(lapply(list.files(folder, full.names = TRUE), readLines)))))
  toml <- lines_of(folder, "model.toml")
  expect_identical(toml[1], 'title = "Consumption"')
  expect_match(toml[2], "to 23 observations; 9 rows were left out")
  expect_identical(toml[4], 'formula = "mpg ~ wt + factor(cyl)"')
})

test_that("without data, no row of them is written", {
  folder <- deploy_quietly(lm(mpg ~ wt * factor(cyl), mtcars), data = FALSE)
  expect_setequal(list.files(folder), c("fitted.json", "model.toml"))
  line <- grep('^"rows"', lines_of(folder, "fitted.json"), value = TRUE)
  rows <- do.call(rbind, strsplit(gsub('"rows": |[][]|,$', "", line), ", "))
  expect_identical(rows[1, ], c("1.513", "5.424", "1.513", "6", "4", "8"))
})

test_that("rows show every level and both ends of every range", {
  fit <- lm(breaks ~ wool * tension, warpbreaks)
  rows <- .reference_rows(fit, warpbreaks[2:3], warpbreaks[2:3])
  expect_setequal(rows$wool, levels(warpbreaks$wool))
  expect_setequal(rows$tension, levels(warpbreaks$tension))
  days <- data.frame(y = rnorm(40), day = as.Date("2024-01-01") + 1:40)
  fit <- lm(y ~ weekdays(day), days)
  rows <- .reference_rows(fit, days[2], days[2])
  expect_length(unique(weekdays(rows$day)), 7)
  expect_true(all(range(days$day) %in% rows$day))
  crossed <- lm(mpg ~ interaction(cyl, gear, drop = TRUE), mtcars)
  rows <- .reference_rows(crossed, mtcars[c("cyl", "gear")], mtcars[c("cyl", "gear")])
  expect_true(all(paste(rows$cyl, rows$gear) %in% paste(mtcars$cyl, mtcars$gear)))
})

test_that("a formula's text is read to the same bits", {
  expect_identical(.text_of(quote(y ~ I(x - 0.1))), "y ~ I(x - 0.1)")
  third <- .text_of(call("-", quote(x), 1 / 3))
  expect_identical(str2lang(third)[[3]], 1 / 3)
})

test_that("weights, offsets and rows are columns where they are no columns yet", {
  both <- lm(mpg ~ wt, mtcars, weights = hp / 100, offset = log(hp))
  toml <- lines_of(deploy_quietly(both), "model.toml")
  expect_true(all(c('formula = "mpg ~ wt + offset(log(hp))"', 'weights = "weights"') %in% toml))
  weights <- mtcars$hp
  theirs <- lm(mpg ~ wt, mtcars, weights = weights, offset = mtcars$qsec)
  toml <- lines_of(deploy_quietly(theirs), "model.toml")
  expect_true(all(c('formula = "mpg ~ wt + offset(offset)"', 'weights = "weights"') %in% toml))
  taken <- lm(mpg ~ hp, mtcars, weights = 1 / hp, offset = mtcars$hp)
  names <- transform(mtcars, weights = cyl, offset = drat)
  both <- lm(mpg ~ weights + offset, names, weights = 1 / hp, offset = names$wt)
  folder <- deploy_quietly(both)
  toml <- lines_of(folder, "model.toml")
  expect_true('formula = "mpg ~ weights + offset + offset(offset_1)"' %in% toml)
  expect_true('weights = "weights_1"' %in% toml)
  rows <- lm(mpg ~ poly(wt, 2), mtcars, subset = cyl > 4, weights = hp, offset = mtcars$qsec)
  folder <- deploy_quietly(rows)
  expect_true('subset = "fitted_rows"' %in% lines_of(folder, "model.toml"))
  expect_length(lines_of(folder, "data.csv"), 33)
})

test_that("what is no lm of ours is said by its name", {
  expect_not_deployed(glm(am ~ wt, binomial, mtcars), "this is a glm()")
  expect_not_deployed(lm(cbind(mpg, hp) ~ wt, mtcars), "of several responses")
  expect_not_deployed(aov(cbind(mpg, hp) ~ wt, mtcars), "an aov() of several responses")
  expect_not_deployed(aov(yield ~ N + Error(block), npk), "Error() strata")
  expect_not_deployed(nls(dist ~ a * speed, cars, list(a = 1)), "an nls()")
  expect_not_deployed(loess(dist ~ speed, cars), "a loess()")
  expect_not_deployed(MASS::rlm(dist ~ speed, cars), "an rlm()")
  expect_not_deployed(1:3, "this is of class 'integer'; it must be what lm() returns")
})

test_that("what a formula may not name is said by its name", {
  twice <- function(x) 2 * x
  expect_not_deployed(
    lm(mpg ~ twice(wt), mtcars),
    "'twice' in the formula is no function of R's own"
  )
  expect_not_deployed(
    lm(mpg ~ wt, mtcars, offset = twice(wt)),
    "'twice' in the offset is no function"
  )
  expect_not_deployed(lm(mtcars$mpg ~ mtcars$wt), "takes parts by '$'")
  m <- as.matrix(mtcars[c("wt", "hp")])
  expect_not_deployed(lm(mtcars[["mpg"]] ~ m), "takes parts by '[['")
  y <- mtcars$mpg
  expect_not_deployed(lm(y ~ m), "'m' is a matrix; make its columns columns of the data")
})

test_that("data that can't be written are said by their names", {
  things <- data.frame(
    y = c(3, 1, 4, 1, 5, 9),
    g = factor(c("", "a", "b")),
    day = as.Date("2024-01-01") + 1:6 / 2
  )
  expect_not_deployed(lm(y ~ g, things), "a level of 'g' is empty or NA")
  expect_not_deployed(lm(y ~ day, things), "the dates 'day' have parts of days")
  odd <- structure(as.numeric(1:6), class = "integer64")
  expect_error(.as_read(odd, "z", NULL), "'z' is of class 'integer64'")
  expect_error(.as_read(complex(6), "z", NULL), "'z' is of class 'complex'")
})

test_that("times, differences and series are numbers and times", {
  things <- data.frame(y = c(3, 1, 4, 1, 5, 9), x = ts(c(2, 7, 1, 8, 2, 8)))
  things$lt <- as.POSIXlt("2024-01-01", tz = "UTC") + 1e5 * c(1, 4, 2, 8, 5, 7)
  things$since <- things$lt - things$lt[1]
  folder <- deploy_quietly(lm(y ~ x + lt + since, things))
  expect_match(lines_of(folder, "data.csv")[2], "^3.0,2.0,2024-01-02T03:46:40Z,0.0$")
  things$lt <- as.POSIXlt(things$lt)
  data <- .as_read(things$lt, "lt", NULL)
  expect_s3_class(data, "POSIXct")
})

test_that("data that are gone or have changed are asked for", {
  theirs <- transform(mtcars, x = wt)
  fit <- lm(mpg ~ log(x), theirs)
  before <- theirs
  theirs$x <- rev(theirs$x)
  expect_not_deployed(fit, "the data or options have changed since")
  theirs <- theirs[1:10, ]
  expect_not_deployed(fit, "'x' is not to be found as it was fitted; hand over the data of the fit")
  rm(theirs)
  expect_not_deployed(fit, "'x' is not to be found as it was fitted")
  expect_true(dir.exists(deploy_quietly(fit, data = before)))
  theirs <- transform(before, x = "a")
  expect_not_deployed(fit, "R can't fit it again from what was found")
  slim <- lm(mpg ~ log(x), before, model = FALSE)
  rm(before)
  expect_not_deployed(slim, "the data of the fit are not here")
})

test_that("plain columns are those of the fit, whatever has become of the data", {
  theirs <- mtcars
  fit <- lm(mpg ~ wt, theirs)
  theirs <- NULL
  expect_true(dir.exists(deploy_quietly(fit)))
  place <- list2env(mtcars)
  expect_true(dir.exists(deploy_quietly(lm(mpg ~ log(wt), place))))
})

test_that("arguments are checked", {
  fit <- lm(dist ~ speed, cars)
  expect_error(deploy_lm(fit, "a/b", tempdir()), "can't be a model's name")
  expect_error(deploy_lm(fit, c("a", "b"), tempdir()), "name must be one text")
  expect_error(deploy_lm(fit, "m", tempfile()), "there is no folder")
  expect_error(deploy_lm(fit, "m", tempdir(), title = ""), "title must be one text")
  expect_error(
    deploy_lm(fit, "m", tempdir(), data = "cars"),
    "data must be TRUE, FALSE or a data frame"
  )
  to <- tempfile()
  dir.create(file.path(to, "m"), recursive = TRUE)
  expect_error(deploy_lm(fit, "m", to), "is not of deploy_lm()", fixed = TRUE)
  folder <- deploy_quietly(fit)
  suppressMessages(deploy_lm(fit, "m", dirname(folder), data = FALSE))
  expect_false(file.exists(file.path(folder, "data.csv")))
})

test_that("splines are found in a session that has not attached them", {
  formula <- as.formula("y ~ ns(x, 2)", env = new.env(parent = baseenv()))
  expect_identical(get("ns", .place_of(formula)), splines::ns)
})
