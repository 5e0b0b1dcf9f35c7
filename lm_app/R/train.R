# Fit a linear model to a data frame and describe it. In an R session, from this folder:
#   for (file in list.files(pattern = "[.]R$")) source(file)
#   trained <- train(read.csv("../../extra_files/timedistance/timedistance.csv"), "time ~ distance")
#   cat(trained$summary); predict(trained$model, data.frame(distance = 29.5))

#' Train a model
#'
#' Messages tell what it does now, and step() prints as it goes. As by lm(), text columns are
#' factors with sorted levels, and rows with a missing value in a column that is used are left out.
#'
#' @param data A data frame.
#' @param formula One string.
#' @param weights,subset One string, an expression of the columns, or NULL.
#' @param factors A named list: for each column to make a factor of its levels in their order, or
#'   character() to sort them.
#' @param ordered The names of those of `factors` that are ordered.
#' @param contrasts A named list: for a factor of the formula the name of its contrasts, such as
#'   "contr.sum", or a named list of their columns.
#' @param stepwise "none", or the direction that step() takes.
#' @param na "omit", or "refuse" where a row would be left out.
#' @param row_names The name of the column that only names the rows, which "." in a formula does
#'   not stand for; or NULL.
#' @param problems A named list: what is wrong in a column, for those that can't be used.
#' @param plots A folder to write plots to, or NULL.
#' @param title,units What plots say of the model: its title, and a named list of columns' units.
#' @param live_formula,live_weights Another formula and its weights, to be compared on the same
#'   data; or NULL.
#' @param fitted What is known of the fit elsewhere that this one must reproduce: see
#'   check_reproduced(); or NULL.
#' @return A list: `model` (an lm that holds what predict() needs and no more), `code` (the same as
#'   R code), `info` (named values for model_info.json), `summary` (R's text), `live_press_rmse`
#'   (NULL where there is nothing to compare, or it can't be fitted to these data) and
#'   `distributions`. Refuses with one line where something is wrong; the line names everything that
#'   is.
train <- function(
  data,
  formula,
  weights = NULL,
  subset = NULL,
  factors = list(),
  ordered = character(),
  contrasts = list(),
  stepwise = "none",
  na = "omit",
  row_names = NULL,
  problems = list(),
  plots = NULL,
  title = "",
  units = list(),
  live_formula = NULL,
  live_weights = NULL,
  fitted = NULL
) {
  warn_of_collation()
  all_columns <- data
  attr(all_columns, "row.names") <- .set_row_names(nrow(data)) # a row's name is its number
  request <- read_request(all_columns, formula, weights, subset, contrasts, row_names)
  columns <- model_columns(all_columns, request, factors, ordered, problems)
  message("fitting ", formula, " to ", nrow(columns), " observations")
  release_memory(nrow(columns))
  fit <- fit_model(request, columns, stepwise, na)
  tell_rows(fit$left_out)
  release_memory(nrow(columns))
  means <- column_means(fit$model)
  model <- drop_copies(fit$model)
  model_data <- rows_of(columns, fit$rows)
  fit$model <- columns <- NULL
  release_memory(nrow(model_data))
  trained <- strip_for_prediction(model, model_data, means)
  picked <- thin(seq_len(nrow(model_data)), 10)
  check_rows_stand_alone(trained, model_data, picked, unname(fitted(model)))
  origin <- if (!is.null(fitted)) {
    paste("fitted in", check_reproduced(trained, fitted), "when fitted again here from its data")
  }
  message("describing the model")
  model_summary <- summary(model)
  text_lines <- capture.output(print(model_summary))[-1]
  printed <- paste(text_lines, collapse = "\n")
  release_memory(nrow(model_data))
  leverages <- hatvalues(model)
  warn_of_leverages(leverages, fit$rows[counted(model)])
  release_memory(nrow(model_data))
  measured <- measure(model, leverages, model_data, request, fit$rows)
  info <- describe(model, model_summary, measured, printed, model_data, request, fit)
  info$origin <- origin
  if (!is.null(plots)) {
    message("drawing")
    write_plots(model, plotted(model, model_data), plots, title, units)
  }
  is_live <- is_live_fit(info$formula, weights, live_formula, live_weights)
  list(
    model = trained,
    code = paste0(as_code(trained), "\n", collapse = ""),
    info = info,
    summary = printed,
    live_press_rmse = if (is_live) {
      info$press_rmse
    } else if (!is.null(live_formula)) {
      live <- list(formula = live_formula, weights = live_weights, row_names = row_names)
      compare_press_rmse(live, subset, all_columns, factors, ordered, problems, fit$rows)
    },
    distributions = distributions(model, model_data)
  )
}

# What is asked for, read: `formula`, `terms`, and `weights` and `subset` (calls or NULL).
read_request <- function(
  all_columns,
  formula,
  weights = NULL,
  subset = NULL,
  contrasts = list(),
  row_names = NULL
) {
  available <- names(all_columns)
  read_formula_part <- function(text, what) {
    if (is.null(text) || text %in% available) {
      return(if (!is.null(text)) as.name(text))
    }
    read_expression(text, available, what)
  }
  request <- list(
    formula = read_formula(formula, available),
    weights = read_formula_part(weights, "weights"),
    subset = read_formula_part(subset, "subset"),
    contrasts = lapply(contrasts, as_contrasts)
  )
  refuse_formula <- function(...) refuse("formula '", deparse1(request$formula), "': ", ...)
  behind_dot <- setdiff(available, c(setdiff(row_names, all.vars(request$formula)), ""))
  request$terms <- tryCatch(
    terms(request$formula, data = all_columns[behind_dot]),
    error = function(e) refuse_formula(conditionMessage(e))
  )
  request$response <- intersect(all.vars(request$formula[[2]]), available)
  request$columns <- intersect(available, all.vars(request$terms))
  request$used <- intersect(
    available,
    c(request$columns, all.vars(request$weights), all.vars(request$subset))
  )
  if (length(request$response) == 0) {
    refuse_formula("the response, left of '~', must be a column of the data")
  }
  right <- intersect(all.vars(delete.response(request$terms)), available)
  if (length(right) > 0 && all(right %in% request$response)) {
    refuse_formula("it has no predictor; name a column of the data right of '~'")
  }
  if ("." %in% all.vars(request$formula)) {
    # "." is not the columns of weights and subset, which lm() will find in its data, too
    if (!all(request$used %in% request$columns)) {
      request$formula <- formula(request$terms)
    }
  }
  request
}

# The name of R's contrasts as it is, and columns of numbers as a matrix.
as_contrasts <- function(chosen) {
  if (!is.list(chosen)) {
    return(chosen)
  }
  if (length(unique(lengths(chosen))) > 1) {
    refuse("contrasts: the columns ", some(names(chosen)), " must have a number for each level")
  }
  do.call(cbind, chosen)
}

# Without the names "1", "2", ... of each residual, and without the copy of the data: with many
# observations, they are a good part of the memory.
drop_copies <- function(model) {
  for (part in c("residuals", "effects", "fitted.values")) {
    names(model[[part]]) <- NULL
  }
  model$model <- NULL
  model
}

rows_of <- function(data, rows) if (length(rows) < nrow(data)) data[rows, , drop = FALSE] else data

#' Tell which observations of a fit count
#'
#' @param model An lm.
#' @return An index of its residuals: those whose weight is not 0.
counted <- function(model) {
  if (is.null(model$weights)) TRUE else which(model$weights != 0)
}

#' Collect garbage now: uncollected copies double the peak memory
#'
#' @param n The number of observations; where they are few, there is nothing to gain.
release_memory <- function(n) {
  if (n > 1e5) {
    gc()
  }
}

# Is a fit by the live version's formula, so that their PRESS is one?
is_live_fit <- function(formula, weights, live_formula, live_weights) {
  identical(live_formula, formula) && identical(live_weights, weights)
}

# How well another formula does on these data, such as that of the live version, over the rows
# that both have; NULL where it can't be fitted to them.
compare_press_rmse <- function(
  live,
  subset,
  all_columns,
  factors,
  ordered,
  problems,
  rows
) {
  message("fitting ", live$formula, ", to compare")
  errors <- tryCatch(
    suppressWarnings({
      request <- read_request(
        all_columns,
        live$formula,
        live$weights,
        subset,
        row_names = live$row_names
      )
      columns <- model_columns(all_columns, request, factors, ordered, problems)
      fit <- fit_model(request, columns)
      setNames(deleted_residuals(fit$model), fit$rows[counted(fit$model)])
    }),
    refusal = function(e) NULL
  )
  if (is.null(errors)) {
    return(NULL)
  }
  common <- errors[names(errors) %in% rows]
  if (length(common) < length(rows)) {
    warn_of_common_rows(length(common), length(rows))
  }
  root_mean_square(common)
}

warn_of_common_rows <- function(common, rows) {
  warning(
    "the live version's formula can be compared on ",
    common,
    " of these ",
    rows,
    " rows only",
    call. = FALSE
  )
}
# The lm with what predict.lm() reads, intervals included: some KB, whatever the number of
# observations. It needs R of the QR decomposition (its first rows), the residual sum of squares
# and the degrees of freedom. Pickles of older versions are read, too: the names of its elements
# never change.
