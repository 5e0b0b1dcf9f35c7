dialects <- list(
  commas = list(c("a,b", "1.5,2", "3,4.25"), list()),
  semicolons = list(c("a;b", "1,5;2", "3;4,25"), list()),
  "semicolons and points" = list(c("a;b", "1.5;2", "3;4.25"), list()),
  "tabs, told" = list(c("a\tb", "1.5\t2", "3\t4.25"), list(sep = "\t")),
  "bars and decimal commas, told" = list(c("a|b", "1,5|2", "3|4,25"), list(sep = "|", dec = ",")),
  "blanks around" = list(c("a, b", " 1.5 ,2", "3, 4.25"), list()),
  "quotes" = list(c("\"a\",\"b\"", "1.5,2", "3,4.25"), list()),
  "a byte-order mark" = list(c("\ufeffa,b", "1.5,2", "3,4.25"), list())
)
for (name in names(dialects)) {
  test_that(paste("it reads", name), {
    case <- dialects[[name]]
    expected <- data.frame(a = c(1.5, 3), b = c(2, 4.25))
    expect_equal(read_data(csv_file(case[[1]]), case[[2]]), expected)
  })
}

test_that("what stands for a missing value can be told", {
  lines <- c("a,b", "1,-", "2,none")
  expect_identical(read_data(csv_file(lines), list(na = list("-", "none")))$b, c(NA, NA))
  expect_identical(read_data(csv_file(c("a,b", "1,NA", "2,")))$b, c(NA, NA))
})

test_that("latin1 is read where it is told", {
  path <- tempfile()
  writeBin(c(charToRaw("a,b\n1,"), as.raw(0xe9), charToRaw("\n")), path)
  expect_identical(read_data(path, list(encoding = "latin1"))$b, "\u00e9")
})

test_that("a column whose class changes after 1000 rows is read", {
  data <- read_data(csv_file(c("a,b", rep("1,2", 1200), "1.5,x")))
  expect_identical(data$a, c(rep(1, 1200), 1.5))
  expect_identical(data$b[1201], "x")
})

test_that("files that can't be read are refused", {
  expect_refusal(read_data("none.csv"), "data file 'none.csv' does not exist")
  expect_refusal(read_data(csv_file(character())), "' is empty")
  expect_refusal(read_data(csv_file("a,b")), "' has a header and no observations")
  expect_refusal(read_data(csv_file(c("a,a", "1,2"))), ": two columns have one name, 'a'")
  more <- csv_file(c("a,b", "1,2,3", "1,2,3"))
  expect_refusal(read_data(more), ": its rows have more fields than its header")
  expect_refusal(read_data(csv_file(c("a,b", "1,2,3", "1,2"))), "line 2 did not have 3 elements")
  expect_refusal(
    read_data(csv_file(c("a,b", "1,2")), list(encoding = "morse")),
    ": there is no encoding 'morse'; try UTF-8 or latin1"
  )
})

check <- function(data, factors = list(), weights = NULL) {
  check_columns(data, names(data), factors, "y", weights)
}
good <- data.frame(y = c(1, 2, 4), x = c("b", "a", "b"), w = c(1, 0, 2))

test_that("declared factors are made, sorted or in the order told", {
  expect_identical(levels(check(good, list(x = character()))$x), c("a", "b"))
  expect_identical(levels(check(good, list(x = c("b", "a", "c")))$x), c("b", "a", "c"))
})

test_that("only the used columns are kept", {
  kept <- check_columns(good, c("y", "w"), list(x = character()), "y", NULL)
  expect_named(kept, c("y", "w"))
})

test_that("values that lm() can't take are refused, with column and row", {
  bad <- function(name, values) replace(good[c("y", "w")], name, list(values))
  expect_refusal(check(good), "column 'x', row 1: 'b' is not a number; correct it, or list")
  expect_refusal(check(good, list(x = "b")), "column 'x', row 2: 'a' is not one of its levels b")
  expect_refusal(check(bad("w", c(1, NA, 2))), "column 'w', row 2: the value is missing (NA)")
  expect_refusal(check(bad("w", c(1, 2, Inf))), "column 'w', row 3: the value is not finite")
  expect_refusal(check(bad("w", c(2, 2, 2))), "column 'w' is constant (2): nothing can be learnt")
  negative <- bad("w", c(1, 2, -3))
  expect_refusal(check(negative, weights = "w"), "column 'w', row 3: a weight is never negative")
  expect_refusal(check(bad("y", c(TRUE, FALSE, TRUE))), "column 'y' must be numbers")
})

test_that("equal weights are fine", {
  expect_silent(check(transform(good[c("y", "w")], w = 1), weights = "w"))
})
