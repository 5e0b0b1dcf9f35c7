# R's own predictions, with all digits, as CSV: Rscript expected.R FORMULA DATA < OBSERVATIONS
arguments <- commandArgs(TRUE)
model <- lm(as.formula(arguments[1]), read.csv(arguments[2]))
answer <- as.data.frame(predict(model, read.csv(file("stdin")), interval = "prediction"))
names(answer) <- c("fit", "lower", "upper")
answer[] <- lapply(answer, function(x) sprintf("%.17g", x))
write.csv(answer, row.names = FALSE, quote = FALSE)
