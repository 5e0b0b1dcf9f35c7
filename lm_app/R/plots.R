# Draw a model by R's own graphics, as SVG.

# More points than this don't show more, and make a file that no browser likes.
most_points <- 2000

#' Write the plots of a model
#'
#' @param model An lm.
#' @param data Its columns.
#' @param folder Where the files are written.
write_plots <- function(model, data, folder) {
  rows <- thin(seq_len(nrow(data)), most_points)
  write_svg(file.path(folder, "fit.svg"), function() {
    if (is_simple_regression(model, data)) {
      plot_line(model, data, rows)
    } else {
      plot_fitted(model, data, rows)
    }
  })
  if (length(rows) < nrow(data)) {
    model <- refit(model, data[rows, , drop = FALSE]) # plot.lm() draws every point
  }
  numbers <- c(
    residuals_vs_fitted = 1,
    normal_qq = 2,
    scale_location = 3,
    residuals_vs_leverage = 5
  )
  for (name in names(numbers)) {
    write_svg(file.path(folder, paste0(name, ".svg")), function() {
      # it warns of leverages of one, which it leaves out, and of a line that it can't smooth
      suppressWarnings(plot(model, which = numbers[[name]], sub.caption = ""))
    })
  }
}

write_svg <- function(path, draw) {
  svg(path, width = 7, height = 5)
  on.exit(dev.off())
  par(mar = c(4.5, 4.5, 2.5, 1))
  draw()
}

# The same formula and weights, fitted to other data.
refit <- function(model, data) {
  data_env <- list2env(list(data = data), parent = globalenv())
  refitted <- formula(model)
  environment(refitted) <- data_env
  model$call$formula <- refitted
  eval(model$call, data_env)
}

# One numeric predictor, and nothing else that moves the response.
is_simple_regression <- function(model, data) {
  length(predictors(model)) == 1 && is.numeric(data[[predictors(model)]])
}

# The response as the formula has it, such as log(time), against the predictor: fit, confidence
# and prediction band.
plot_line <- function(model, data, rows) {
  name <- predictors(model)
  x <- data[[name]]
  new_data <- setNames(data.frame(seq(min(x), max(x), length.out = 200)), name)
  band <- function(interval) suppressWarnings(predict(model, new_data, interval = interval))
  confidence <- band("confidence")
  prediction <- band("prediction")
  y <- response_values(model, data)
  plot(
    x[rows],
    y[rows],
    xlab = name,
    ylab = response_label(model),
    ylim = range(y, prediction, na.rm = TRUE),
    pch = 19
  )
  bands <- cbind(confidence, prediction[, -1])
  matlines(new_data[[1]], bands, lty = c(1, 2, 2, 3, 3), col = c(4, 4, 4, 2, 2))
  meanings <- c("fit", "95 % confidence", "95 % prediction")
  legend("topleft", meanings, lty = 1:3, col = c(4, 4, 2), bty = "n")
}

plot_fitted <- function(model, data, rows) {
  plot(
    fitted(model)[rows],
    response_values(model, data)[rows],
    pch = 19,
    xlab = "fitted",
    ylab = paste("observed", response_label(model))
  )
  abline(0, 1, col = 4)
}

response_values <- function(model, data) eval(formula(model)[[2]], data, globalenv())

response_label <- function(model) deparse1(formula(model)[[2]])
