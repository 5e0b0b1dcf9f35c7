# Draw a model by R's own graphics, as SVG.

# More points than this don't show more, and make a file that no browser likes.
most_points <- 2000

#' Write the plots of a model
#'
#' A plot that can't be drawn, as that of residuals which are all 0, is told and left out. Text in
#' them is text where the package svglite is installed, and else shapes.
#'
#' @param model An lm.
#' @param plotted What plotted() tells of its rows.
#' @param folder Where the files are written.
#' @param title The title of the model, or "".
#' @param units A named list: the unit of a column.
write_plots <- function(model, plotted, folder, title = "", units = list()) {
  write_svg(folder, "fit", of_title("Fit", title), function() {
    line <- fitted_line(model, plotted$ends)
    if (is.null(line)) {
      plot_fitted(model, plotted, units)
    } else {
      plot_line(line, model, plotted, units)
    }
    shown <- shortened(title)
    title(main = shown, cex.main = fitting_size(shown, 1.2, font = 2))
  })
  if (plotted$is_exact) {
    warning("the fit is exact: there are no residuals to draw", call. = FALSE)
    return(invisible())
  }
  numbers_of_rows <- row.names(plotted$data)
  if (nrow(plotted$data) < plotted$rows) {
    # plot.lm() draws every point; these are too few for the rarer levels, now and then
    refitted <- tryCatch(refit(model, plotted$data), error = function(e) NULL)
    if (is.null(refitted)) numbers_of_rows <- row.names(plotted$ends) else model <- refitted
  }
  below <- shortened(paste(
    c(if (nzchar(title)) title, response_label(model, units)),
    collapse = ": "
  ))
  numbers <- c(
    residuals_vs_fitted = 1,
    normal_qq = 2,
    scale_location = 3,
    residuals_vs_leverage = 5
  )
  captions <- c("Residuals vs Fitted", "Normal Q-Q", "Scale-Location", "", "Residuals vs Leverage")
  for (name in names(numbers)) {
    which <- numbers[[name]]
    write_svg(folder, name, of_title(captions[which], title), function() {
      par(cex.sub = fitting_size(below, 1))
      # it warns of leverages of one, which it leaves out, and of a line that it can't smooth
      suppressWarnings(
        plot(model, which = which, sub.caption = below, labels.id = numbers_of_rows)
      )
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

write_svg <- function(folder, name, title, draw) {
  path <- file.path(folder, paste0(name, ".svg"))
  if (has_svglite()) {
    svglite::svglite(path, width = 7, height = 5)
  } else {
    svg(path, width = 7, height = 5)
  }
  failed <- tryCatch(
    {
      par(mar = c(5.5, 4.5, 2.5, 2.5)) # on the right plot.lm() names contours
      draw()
      NULL
    },
    error = identity,
    finally = dev.off()
  )
  if (!is.null(failed)) {
    unlink(path)
    warning("plot ", name, " can't be drawn: ", conditionMessage(failed), call. = FALSE)
    return(invisible())
  }
  written <- rawToChar(readBin(path, "raw", file.size(path)))
  writeBin(charToRaw(for_browsers(written, title)), path)
}

has_svglite <- function() requireNamespace("svglite", quietly = TRUE)

# What is black is drawn in the colour of text, so that the browser's dark form is one, too.
svg_style <- "
  svg { color: #000; background: #fff }
  text { fill: currentColor }
  @media (prefers-color-scheme: dark) { svg { color: #ddd; background: #212121 } }
"

# Name an SVG for those who don't see it, and let its colours follow the browser's.
for_browsers <- function(svg, title) {
  replace <- function(pattern, by) gsub(pattern, by, svg, useBytes = TRUE, perl = TRUE)
  svg <- replace("<rect [^>]*(100%,100%,100%|#FFFFFF)[^>]*/>", "") # the background
  svg <- replace("#000000|rgb\\(0%,0%,0%\\)", "currentColor")
  svg <- replace("font-family: [^;]*;", "font-family: sans-serif;")
  begins <- regexpr("<svg ", svg, fixed = TRUE, useBytes = TRUE)
  ends <- begins + regexpr(">", substring(svg, begins), fixed = TRUE, useBytes = TRUE) - 1
  head <- sub("<svg ", "<svg role='img' ", substr(svg, 1, ends), fixed = TRUE, useBytes = TRUE)
  named <- paste0("\n<title>", as_xml(title), "</title>\n<style>", svg_style, "</style>")
  paste0(head, named, substring(svg, ends + 1))
}

as_xml <- function(text) {
  text <- gsub("&", "&amp;", enc2utf8(text), fixed = TRUE)
  gsub("[[:cntrl:]]", " ", gsub("<", "&lt;", text, fixed = TRUE))
}

of_title <- function(what, title) if (nzchar(title)) paste0(what, ": ", title) else what

# So that nothing is cut: a long text is shortened, and what is still too wide is drawn smaller.
shortened <- function(text) if (nchar(text) > 90) paste0(substr(text, 1, 89), "...") else text

fitting_size <- function(text, size, font = 1) {
  if (nzchar(text)) {
    size * min(1, 0.9 * par("din")[1] / strwidth(text, "inches", cex = size, font = font))
  } else {
    size
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
plot_line <- function(line, model, plotted, units) {
  name <- predictors(model)
  plot(
    plotted$data[[name]],
    response_values(model, plotted$data),
    xlab = with_unit(name, units),
    ylab = response_label(model, units),
    ylim = range(plotted$response, line$bands[, 4:5], finite = TRUE),
    pch = 19
  )
  matlines(line$x, line$bands, lty = c(1, 2, 2, 3, 3), col = c(4, 4, 4, 2, 2))
  meanings <- c("fit", "95 % confidence", "95 % prediction")
  legend("topleft", meanings, lty = 1:3, col = c(4, 4, 2), bty = "n")
}

plot_fitted <- function(model, plotted, units) {
  plot(
    plotted$fitted,
    response_values(model, plotted$data),
    pch = 19,
    xlab = "fitted",
    ylab = paste("observed", response_label(model, units))
  )
  abline(0, 1, col = 4)
}

response_values <- function(model, data) as.numeric(eval(formula(model)[[2]], data, globalenv()))

# mpg (miles/US gallon), or log(mpg), mpg in miles/US gallon
response_label <- function(model, units) {
  response <- formula(model)[[2]]
  if (is.name(response)) {
    return(with_unit(as.character(response), units))
  }
  known <- intersect(all.vars(response), names(units))
  paste(c(deparse1(response), sprintf("%s in %s", known, units[known])), collapse = ", ")
}

with_unit <- function(name, units) {
  if (is.null(units[[name]])) name else sprintf("%s (%s)", name, units[[name]])
}
