# Write the files that R writes, and fit each file with lm(). Rscript datasets.R LIST FOLDER; LIST
# has the columns id, package, data, formula and written_by. FOLDER has ID.csv if pandas wrote it,
# and else ID.raw, where R itself does not have the data. Prints lines of id, name and value.

invisible(icuSetCollate(locale = "en")) # as in an English session

data_of <- function(case, folder) {
  if (case$package %in% c("datasets", "MASS")) {
    return(as.data.frame(getExportedValue(case$package, case$data)))
  }
  data <- read.csv(
    file.path(folder, paste0(case$id, ".raw")),
    na.strings = "",
    check.names = FALSE,
    row.names = "rownames"
  )
  is_logical <- vapply(data, function(x) all(x %in% c("True", "False", NA)), NA)
  data[is_logical] <- lapply(data[is_logical], as.logical)
  data
}

write_file <- function(case, file, folder) {
  switch(
    case$written_by,
    "write.csv()" = write.csv(data_of(case, folder), file),
    "write.csv(row.names = FALSE)" = write.csv(data_of(case, folder), file, row.names = FALSE),
    "write.csv2(row.names = FALSE)" = write.csv2(data_of(case, folder), file, row.names = FALSE)
  )
}

# As people do it; row names, which have no name, are no part of the dot, and ISO dates are dates.
read_file <- function(case, file) {
  read <- if (startsWith(case$written_by, "write.csv2")) read.csv2 else read.csv
  check_names <- !grepl("`", case$formula)
  data <- read(file, na.strings = c("NA", ""), check.names = check_names)
  if (case$written_by %in% c("write.csv()", "to_csv()")) {
    data <- data[-1]
  }
  is_date <- vapply(data, function(x) all(grepl("^\\d{4}-\\d\\d-\\d\\d$", x) | is.na(x)), NA)
  data[is_date] <- lapply(data[is_date], as.Date)
  data
}

arguments <- commandArgs(trailingOnly = TRUE)
cases <- read.csv(arguments[1], colClasses = "character")
folder <- arguments[2]

for (i in seq_len(nrow(cases))) {
  case <- cases[i, ]
  file <- file.path(folder, paste0(case$id, ".csv"))
  write_file(case, file, folder)
  model <- lm(as.formula(case$formula), read_file(case, file))
  values <- c(
    n = nobs(model),
    df_residual = df.residual(model),
    sigma = sigma(model),
    aic = AIC(model),
    fitted = fitted(model)[[1]],
    coef(model)
  )
  cat(sprintf("%s\t%s\t%.17g\n", case$id, names(values), values), sep = "")
}
