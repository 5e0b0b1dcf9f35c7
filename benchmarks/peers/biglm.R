# biglm on CSV, in chunks: prints the coefficients. Rscript biglm.R FILE FORMULA [FACTOR LEVEL ...]

library(data.table)
library(biglm)

asked <- commandArgs(TRUE)
formula <- as.formula(asked[2])
rows <- 250000
names <- names(fread(asked[1], nrows = 0))
skip <- 1
model <- NULL
repeat {
  data <- tryCatch(
    fread(
      asked[1],
      skip = skip,
      nrows = rows,
      header = FALSE,
      col.names = names,
      data.table = FALSE
    ),
    error = function(error) NULL # beyond the end
  )
  if (is.null(data)) {
    break
  }
  if (length(asked) > 2) {
    data[[asked[3]]] <- factor(data[[asked[3]]], asked[-(1:3)])
  }
  model <- if (is.null(model)) biglm(formula, data) else update(model, data)
  skip <- skip + rows
  if (nrow(data) < rows) {
    break
  }
}
errors <- sqrt(diag(vcov(model))) # as the others have them
cat(jsonlite::toJSON(unname(coef(model)), digits = I(17), na = "null"))
