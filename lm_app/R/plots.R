# Draw a model by R's own graphics, as SVG.

# More points than this don't show more, and make a file that no browser likes.
most_points <- 2000

#' Write the plots of a model
#'
#' A plot that can't be drawn, as that of residuals which are all 0, is told and left out.
#'
#' @param model An lm.
#' @param plotted What plotted() tells of its rows.
#' @param folder Where the files are written.
write_plots <- function(model, plotted, folder) {
  write_svg(folder, "fit", function() {
    line <- fitted_line(model, plotted$ends)
    if (is.null(line)) {
      plot_fitted(model, plotted)
    } else {
      plot_line(line, model, plotted)
    }
  })
  if (plotted$is_exact) {
    warning("the fit is exact: there are no residuals to draw", call. = FALSE)
    return(invisible())
  }
  if (nrow(plotted$data) < plotted$rows) {
    # plot.lm() draws every point; these are too few for the rarer levels, now and then
    model <- tryCatch(refit(model, plotted$data), error = function(e) model)
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

#' Take what is drawn of the rows of a fit
#'
#' @param model An lm.
#' @param data Its columns.
#' @return A list. `data`, `fitted`: at most 2000 of the rows; `rows`: how many there are; `ends`: rows
#'   with both ends of every range; `response`: its range; `is_exact`: are there no residuals?
plotted <- function(model, data) {
  rows <- thin(seq_len(nrow(data)), most_points)
  list(
    data = rows_of(data, rows),
    fitted = fitted(model)[rows],
    rows = nrow(data),
    ends = data,
    response = range(response_values(model, data), finite = TRUE),
    is_exact = all(weighted.residuals(model) == 0)
  )
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
plot_line <- function(line, model, plotted) {
  name <- predictors(model)
  plot(
    plotted$data[[name]],
    response_values(model, plotted$data),
    xlab = name,
    ylab = response_label(model),
    ylim = range(plotted$response, line$bands[, 4:5], finite = TRUE),
    pch = 19
  )
  matlines(line$x, line$bands, lty = c(1, 2, 2, 3, 3), col = c(4, 4, 4, 2, 2))
  meanings <- c("fit", "95 % confidence", "95 % prediction")
  legend("topleft", meanings, lty = 1:3, col = c(4, 4, 2), bty = "n")
}

plot_fitted <- function(model, plotted) {
  plot(
    plotted$fitted,
    response_values(model, plotted$data),
    pch = 19,
    xlab = "fitted",
    ylab = paste("observed", response_label(model))
  )
  abline(0, 1, col = 4)
}

response_values <- function(model, data) as.numeric(eval(formula(model)[[2]], data, globalenv()))

response_label <- function(model) deparse1(formula(model)[[2]])
