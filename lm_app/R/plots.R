# Draw a model by R's own graphics, as SVG.

# More points than this don't show more, and make a file that no browser likes.
most_points <- 2000

#' Write the plots of a model
#'
#' A plot that can't be drawn, as that of residuals which are all 0, is told and left out.
#'
#' @param model An lm.
#' @param data Its columns.
#' @param folder Where the files are written.
write_plots <- function(model, data, folder) {
  rows <- thin(seq_len(nrow(data)), most_points)
  write_svg(folder, "fit", function() {
    line <- fitted_line(model, data)
    if (is.null(line)) {
      plot_fitted(model, data, rows)
    } else {
      plot_line(line, model, data, rows)
    }
  })
  if (is_exact(model)) {
    warning("the fit is exact: there are no residuals to draw", call. = FALSE)
    return(invisible())
  }
  if (length(rows) < nrow(data)) {
    # plot.lm() draws every point; these are too few for the rarer levels, now and then
    model <- tryCatch(refit(model, data[rows, , drop = FALSE]), error = function(e) model)
  }
  numbers <- c(
    residuals_vs_fitted = 1,
    normal_qq = 2,
    scale_location = 3,
    residuals_vs_leverage = 5
  )
  for (name in names(numbers)) {
    write_svg(folder, name, function() {
      # it warns of leverages of one, which it leaves out, and of a line that it can't smooth
      suppressWarnings(plot(model, which = numbers[[name]], sub.caption = ""))
    })
  }
}

write_svg <- function(folder, name, draw) {
  path <- file.path(folder, paste0(name, ".svg"))
  svg(path, width = 7, height = 5)
  failed <- tryCatch(
    {
      par(mar = c(4.5, 4.5, 2.5, 1))
      draw()
      NULL
    },
    error = identity,
    finally = dev.off()
  )
  if (!is.null(failed)) {
    unlink(path)
    warning("plot ", name, " can't be drawn: ", conditionMessage(failed), call. = FALSE)
  }
}

is_exact <- function(model) all(weighted.residuals(model) == 0)

# The same formula and weights, fitted to other data.
refit <- function(model, data) {
  data_env <- list2env(list(data = data), parent = globalenv())
  refitted <- formula(model)
  environment(refitted) <- data_env
  model$call$formula <- refitted
  model$call$subset <- NULL # these rows are of it
  eval(model$call, data_env)
}

# Along the one predictor, a number or a date: the line and its bands. NULL where there is no such
# predictor, or the model knows nothing between its values, as with factor(x).
fitted_line <- function(model, data) {
  name <- predictors(model)
  if (length(name) != 1 || !(is.numeric(data[[name]]) || is_date(data[[name]]))) {
    return(NULL)
  }
  if (is_only_a_factor(name, formula(model)[[3]])) {
    return(NULL) # interaction(x, x) would cross all 200
  }
  x <- data[[name]]
  along <- setNames(data.frame(seq(min(x), max(x), length.out = 200)), name)
  band <- function(interval) suppressWarnings(predict(model, along, interval = interval))
  tryCatch(
    {
      bands <- cbind(band("confidence"), band("prediction")[, -1])
      if (any(is.finite(bands))) list(x = along[[1]], bands = bands)
    },
    error = function(e) NULL
  )
}

# The response as the formula has it, such as log(time), against the predictor: fit, confidence
# and prediction band.
plot_line <- function(line, model, data, rows) {
  name <- predictors(model)
  y <- response_values(model, data)
  plot(
    data[[name]][rows],
    y[rows],
    xlab = name,
    ylab = response_label(model),
    ylim = range(y, line$bands[, 4:5], finite = TRUE),
    pch = 19
  )
  matlines(line$x, line$bands, lty = c(1, 2, 2, 3, 3), col = c(4, 4, 4, 2, 2))
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

response_values <- function(model, data) as.numeric(eval(formula(model)[[2]], data, globalenv()))

response_label <- function(model) deparse1(formula(model)[[2]])
