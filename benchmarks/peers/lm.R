# fread and lm, in memory, with the diagnostics of a training: prints the coefficients. Rscript lm.R FILE FORMULA

asked <- commandArgs(TRUE)
data <- data.table::fread(asked[1], data.table = FALSE, stringsAsFactors = TRUE)
model <- lm(as.formula(asked[2]), data)
done <- summary(model)
h <- hatvalues(model)
press <- sum((residuals(model) / (1 - h))^2)
cook <- cooks.distance(model, hat = h)
cat(jsonlite::toJSON(unname(coef(model)), digits = I(17), na = "null"))
