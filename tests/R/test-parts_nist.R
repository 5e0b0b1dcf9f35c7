repeated <- function(data, rows) {
  repeated <- data[rep(seq_len(nrow(data)), length.out = rows), ]
  attr(repeated, "row.names") <- .set_row_names(rows)
  repeated
}

for (name in names(nist)) {
  test_that(paste("as near to NIST's certified coefficients as lm(), or nearer:", name), {
    set <- nist[[name]]
    rows <- 100 * nrow(set$data)
    data <- repeated(set$data, rows)
    found <- fit_in_parts_quietly(data, seq(37, rows, by = 200)[-1], set$formula)$fit
    error <- function(estimates) max(abs(estimates / set$certified - 1))
    expect_lte(
      error(found$coefficients),
      max(set$bound, error(coef(lm(as.formula(set$formula), data))))
    )
  })
}

test_that("what is aliased of few rows is aliased of many", {
  data <- repeated(filip, 8200)
  found <- fit_in_parts_quietly(data, seq(500, 8000, by = 500), powers_to(10))$fit
  expected <- lm(as.formula(powers_to(10)), filip)
  expect_identical(is.na(found$coefficients), is.na(coef(expected)))
  expect_identical(names(which(is.na(found$coefficients))), "I(x^10)")
})

test_that("orthogonal polynomials have all digits", {
  found <- fit_in_parts_quietly(repeated(filip, 8200), seq(500, 8000, by = 500), "y ~ poly(x, 10)")
  certified <- 0.795851382172941e-3 # residual sum of squares
  expect_near(found$fit$rss, 100 * certified, 1e-9)
})
