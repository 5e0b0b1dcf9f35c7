test_that("text, levels and names of days are as in an English session, in any locale", {
  before <- Sys.getlocale("LC_CTYPE")
  on.exit(Sys.setlocale("LC_CTYPE", before))
  Sys.setlocale("LC_CTYPE", "C")
  prepare_session()
  sorted <- sort(c("B", "a", "_", "b")) # expectations set LC_COLLATE, and that ends ICU's order
  expect_identical(sorted, c("_", "a", "b", "B"))
  expect_true(l10n_info()$`UTF-8`)
  expect_identical(weekdays(as.Date("2024-01-01")), "Monday")
})
