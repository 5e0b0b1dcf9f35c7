# Pictures of a model, by R's own graphics, as SVG.

# More points than this don't show more, and make a file that no browser likes.
most_points <- 2000

# model: an lm. data: its columns. folder: where the files are written.
write_plots <- function(model, data, folder) {
  rows <- evenly(seq_len(nrow(data)), most_points)
  picture <- function(name, draw) {
    svg(file.path(folder, paste0(name, ".svg")), width = 7, height = 5)
    on.exit(dev.off())
    par(mar = c(4.5, 4.5, 2.5, 1))
    draw()
  }
  picture("fit", function() if (has_line(model, data)) plot_line(model, data, rows) else plot_fitted(model, data, rows))
  if (length(rows) < nrow(data)) { # plot.lm() draws every point, so draw a fit to some of the rows
    environment <- list2env(list(data = data[rows, , drop = FALSE]), parent = globalenv())
    formula <- formula(model)
    environment(formula) <- environment
    model$call$formula <- formula
    model <- eval(model$call, environment)
  }
  diagnostic <- c(residuals_vs_fitted = 1, normal_qq = 2, scale_location = 3, residuals_vs_leverage = 5)
  # plot.lm() warns of leverages of one, which it leaves out, and of a line it can't smooth
  for (name in names(diagnostic))
    picture(name, function() suppressWarnings(plot(model, which = diagnostic[[name]], sub.caption = "")))
}

# One numeric predictor, and nothing else that moves the response.
has_line <- function(model, data) length(predictors(model)) == 1 && is.numeric(data[[predictors(model)]])

# The response as the formula has it, such as log(time), against the predictor: fit, confidence and prediction band.
plot_line <- function(model, data, rows) {
  name <- predictors(model)
  x <- data[[name]]
  grid <- setNames(data.frame(seq(min(x), max(x), length.out = 200)), name)
  band <- function(interval) suppressWarnings(predict(model, grid, interval = interval))
  confidence <- band("confidence")
  prediction <- band("prediction")
  y <- response(model, data)
  plot(x[rows], y[rows], xlab = name, ylab = response_label(model), ylim = range(y, prediction, na.rm = TRUE), pch = 19)
  matlines(grid[[1]], cbind(confidence, prediction[, -1]), lty = c(1, 2, 2, 3, 3), col = c(4, 4, 4, 2, 2))
  legend("topleft", c("fit", "95 % confidence", "95 % prediction"), lty = 1:3, col = c(4, 4, 2), bty = "n")
}

plot_fitted <- function(model, data, rows) {
  plot(fitted(model)[rows], response(model, data)[rows], pch = 19,
       xlab = "fitted", ylab = paste("observed", response_label(model)))
  abline(0, 1, col = 4)
}

response <- function(model, data) eval(formula(model)[[2]], data, globalenv())

response_label <- function(model) deparse1(formula(model)[[2]])
