# R's session is the same on every machine, and in every locale.

#' Set what formulas and levels depend on
#'
#' Text is UTF-8, months and days have English names, and levels are sorted as in an English
#' session.
prepare_session <- function() {
  for (locale in c("C.UTF-8", "en_US.UTF-8", "UTF-8")) {
    # Linux, macOS
    if (nzchar(suppressWarnings(Sys.setlocale("LC_CTYPE", locale)))) {
      break
    }
  }
  Sys.setlocale("LC_TIME", "C")
  Sys.setlocale("LC_COLLATE", "C")
  if (capabilities("ICU")) {
    icuSetCollate(locale = "en") # comes before LC_COLLATE
  }
}

warn_of_collation <- function() {
  if (!capabilities("ICU")) {
    warning(
      "this R is built without ICU: levels are sorted by their characters' codes, 'B' before 'a'; ",
      "list them in their order to be sure of the reference level",
      call. = FALSE
    )
  }
}
