test_that("train() returns the model, what is told of it and the comparison", {
  trained <- train_quietly(mtcars, "mpg ~ wt")
  expect_named(trained, c("model", "code", "info", "summary", "live_press_rmse", "distributions"))
  expect_null(trained$live_press_rmse)
})

test_that("counts are integers", {
  info <- train_quietly(mtcars, "mpg ~ wt", weights = "qsec")$info
  counts <- c(info[c("n", "df_residual", "complete_up_to")], info$f_statistic[c("df1", "df2")])
  expected <- list(n = 32L, df_residual = 30L, complete_up_to = 1000L, df1 = 1L, df2 = 30L)
  expect_identical(counts, expected)
})

test_that("another formula is fitted to the same data, to compare", {
  hp <- train_quietly(mtcars, "mpg ~ hp")$info$press_rmse
  weighted <- train_quietly(mtcars, "mpg ~ wt", weights = "qsec")$info$press_rmse
  compared <- function(...) train_quietly(mtcars, "mpg ~ wt", ...)
  expect_identical(compared(live_formula = "mpg ~ hp")$live_press_rmse, hp)
  other_weights <- compared(live_formula = "mpg ~ wt", live_weights = "qsec")
  expect_identical(other_weights$live_press_rmse, weighted)
  same <- compared(live_formula = "mpg ~ wt")
  expect_identical(same$live_press_rmse, same$info$press_rmse)
})

for (formula in c("mpg ~ nope", "mpg ~ poly(wt, 99)", "mpg ~ 0 + offset(wt)", "mpg ~")) {
  test_that(paste("what these data can't fit is not compared:", formula), {
    expect_null(train_quietly(mtcars, "mpg ~ wt", live_formula = formula)$live_press_rmse)
  })
}

test_that("a bug of ours is not taken for a formula that can't be fitted", {
  original <- environment(train)$count_rows
  on.exit(assign("count_rows", original, environment(train)))
  expect_no_error(train_quietly(mtcars, "mpg ~ wt", live_formula = "mpg ~ hp"))
  calls <- 0
  assign(
    "count_rows",
    function(...) {
      calls <<- calls + 1
      if (calls == 1) original(...) else stop("a bug")
    },
    environment(train)
  )
  expect_error(train_quietly(mtcars, "mpg ~ wt", live_formula = "mpg ~ hp"), "a bug")
})

test_that("a refusal is one line, whatever its parts", {
  expect_refusal(refuse("row ", 3L, ": ", quote(wt), " and ", 0.1), "row 3: wt and 0.1")
  expect_identical(attempt(refuse, "no"), list(error = "no"))
})

test_that("attempt() hands back the value and each warning once", {
  noisy <- function(x) {
    warning("careful ")
    warning("careful ")
    x
  }
  expect_identical(attempt(noisy, 1), list(value = 1, warnings = I("careful")))
})
