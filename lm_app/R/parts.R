# Fit an lm to rows that are in parts, more of them than memory holds.
#
# A fit makes some passes over the parts. In each, part_of_pass() makes a small value of one part,
# merge_parts() one of several, in the order of the parts, and after_pass() goes on with that of all.
# Any tree of merges will do. What lm() learns from all rows (levels, contrasts, knots, the numbers
# of poly() and scale()) is known before the QR decomposition, so that each part goes through
# model.matrix() as new observations do.
#
#   levels  those of factors that declare none                          (parts_columns.R)
#   scan    the kinds of the columns, what is left out, ranges, levels  (parts_scan.R)
#   learn   what poly(), ns() and bs() need of all rows                 (parts_learn.R)
#   knots   the knots themselves
#   qr      R of [X y], which is all that lm.fit() needs                (parts_fit.R)
#   rest    what needs residuals and leverages                          (parts_rest.R)
#   gather  quartiles, exactly
#
# A plain formula needs neither levels nor learn and knots.

passes <- c("levels", "scan", "learn", "knots", "qr", "rest", "gather", "done")

# What workers and servers still can take.
parts_limits <- list(coefficients = 1000L, levels = 10000L)

#' Plan a fit in parts
#'
#' @param columns The names of the columns of the data.
#' @param formula,weights,subset,factors,ordered,contrasts,stepwise,na,live_formula,live_weights See
#'   train().
#' @return A job: what workers need to know. `pass` is the pass to make next, "done" after the last;
#'   `used` are the columns to read; `fits` are that of the formula and that of the live version's.
plan_parts <- function(
  columns,
  formula,
  weights = NULL,
  subset = NULL,
  factors = list(),
  ordered = character(),
  contrasts = list(),
  stepwise = "none",
  na = "omit",
  live_formula = NULL,
  live_weights = NULL
) {
  warn_of_collation()
  header <- list2DF(sapply(columns, function(name) numeric(), simplify = FALSE))
  request <- read_request(header, formula, weights, subset, contrasts)
  refuse_all(c(
    unknown_columns(setdiff(names(factors), columns), columns),
    sprintf("'%s' can't be ordered: it is not among the factors", setdiff(ordered, names(factors))),
    contrast_faults(request)
  ))
  check_stepwise(request, stepwise)
  fits <- list(main = plan_fit(request, stepwise))
  is_live <- stepwise == "none" &&
    is_live_fit(deparse1(formula(request$terms)), weights, live_formula, live_weights)
  live <- if (!is.null(live_formula) && !is_live) {
    tryCatch(read_request(header, live_formula, live_weights, subset), refusal = function(e) NULL)
  }
  if (!is.null(live)) {
    fits$live <- plan_fit(live, is_live = TRUE)
  }
  used <- intersect(columns, unlist(lapply(fits, function(fit) fit$request$used)))
  levels <- lapply(factors[intersect(names(factors), used)], unlist)
  unknown_levels <- names(levels)[lengths(levels) == 0]
  list(
    pass = if (length(unknown_levels) > 0) "levels" else "scan",
    used = I(used),
    levels = levels[lengths(levels) > 0],
    unknown_levels = unknown_levels,
    ordered = ordered,
    fits = fits,
    asked = list(
      formula = formula,
      weights = weights,
      subset = subset,
      factors = factors,
      ordered = ordered,
      contrasts = contrasts,
      stepwise = stepwise,
      na = na,
      live_formula = live_formula,
      live_weights = live_weights
    )
  )
}

plan_fit <- function(request, stepwise = "none", is_live = FALSE) {
  variables <- variables_of(request$terms)
  fit <- list(
    pass = "scan",
    request = request,
    formula = request$formula,
    arguments = learned_arguments(variables),
    plain = lapply(variables, plain_variable),
    stepwise = stepwise,
    is_live = is_live
  )
  if (!is.null(request$weights)) {
    fit$plain[[deparse1(request$weights)]] <- request$weights
  }
  fit
}

#' Do one part of a pass
#'
#' @param job A job, as for_workers() leaves it.
#' @param place A list: `where`, the name of the part's file, and `before`, how many of its rows come
#'   before, for messages; `read`, `used`, `counted`: how many such rows the parts before it have.
#' @param columns The columns as data_frame() takes them.
#' @return A list by fit, beside it the numbers of rows (`parts`) and what concerns the columns
#'   (`data`). Refuses with one line.
part_of_pass <- function(job, place, columns) {
  telling_where(place$where, {
    data <- as_part(columns, job, place$before)
    if (nrow(data) == 0) {
      return(list(parts = rows_of_part(0, 0, 0)))
    }
    of_data <- if (is.null(job$kinds)) list(data = scan_data(columns, data, job))
    place$is_common <- if (job$pass == "rest") rows_used(job$fits$main, data)
    fits <- each_fit(job, function(fit, name) {
      get(paste0("part_", job$pass))(fit, data, place)
    })
    c(list(parts = fits$main$parts), of_data, fits)
  })
}

rows_of_part <- function(read, used, counted) cbind(read = read, used = used, counted = counted)

#' Merge what parts of a pass returned
#'
#' @param job As for part_of_pass().
#' @param values A list of what that or this function returned, in the order of the parts.
#' @return One such value.
merge_parts <- function(job, values) {
  parts <- do.call(rbind, lapply(values, `[[`, "parts"))
  values <- Filter(function(value) any(names(value) != "parts"), values)
  if (length(values) == 0) {
    return(list(parts = parts))
  }
  of_data <- if (is.null(job$kinds)) list(data = merge_data(lapply(values, `[[`, "data"), job))
  fits <- each_fit(job, function(fit, name) {
    of_fit <- lapply(values, `[[`, name)
    # NULL: a part of the live version's fit was refused
    if (!any(vapply(of_fit, is.null, TRUE))) {
      get(paste0("merge_", job$pass))(fit, of_fit)
    }
  })
  c(list(parts = parts), of_data, fits)
}

#' Go on after a pass
#'
#' @param job A job, whole.
#' @param merged What merge_parts() made of all parts.
#' @return The job, whose `pass` is the next one to make.
after_pass <- function(job, merged) {
  if (all(names(merged) == "parts")) {
    refuse("the data have no rows")
  }
  if (job$pass == "scan") {
    job$parts <- merged$parts
  }
  if (is.null(job$kinds)) {
    job <- after_data(job, merged$data)
    if (job$read <= complete_up_to) {
      job$pass <- "done" # all rows are here
      return(job)
    }
  }
  fits <- each_fit(job, function(fit, name) {
    if (is.null(merged[[name]])) {
      return(NULL)
    }
    fit <- get(paste0("after_", job$pass))(fit, merged[[name]], job)
    if (fit$is_live && fit$pass == "gather") {
      fit$pass <- "done" # of it, only the PRESS is asked for
    }
    fit
  })
  for (name in names(fits)) {
    job$fits[[name]] <- fits[[name]] # NULL: there is no such fit any more
  }
  waiting <- vapply(job$fits, function(fit) match(fit$pass, passes), 0L)
  job$pass <- passes[min(waiting)]
  job
}

# Those fits that take part in the pass; what is refused of the live version's is NULL.
each_fit <- function(job, f) {
  fits <- Filter(function(fit) fit$pass == job$pass, job$fits)
  sapply(
    names(fits),
    function(name) {
      do <- function() f(fits[[name]], name)
      if (fits[[name]]$is_live) {
        tryCatch(suppressWarnings(do()), refusal = function(e) NULL)
      } else {
        do()
      }
    },
    simplify = FALSE
  )
}

#' Tell how many rows come before each part
#'
#' @param job A job.
#' @param count How many parts there are.
#' @return A list of their numbers of `read`, `used` and `counted` rows: before the scan, 0.
rows_before <- function(job, count) {
  parts <- if (is.null(job$parts)) rows_of_part(numeric(count), 0, 0) else job$parts
  before <- apply(rbind(0, parts), 2, cumsum)
  lapply(seq_len(count), function(i) as.list(before[i, ]))
}

#' Leave of a job what workers need
#'
#' @param job A job.
#' @return The same without what only the steps between the passes need.
for_workers <- function(job) {
  job$first <- job$parts <- NULL
  job$asked <- job$asked["factors"]
  for (name in names(job$fits)) {
    job$fits[[name]][c("rows", "columns", "left_out", "rest")] <- NULL
  }
  job
}

telling_where <- function(where, expression) {
  tryCatch(expression, refusal = function(e) refuse(conditionMessage(e), " (in ", where, ")"))
}

# The variables of terms, by their names.
variables_of <- function(terms) {
  variables <- as.list(attr(terms, "variables"))[-1]
  setNames(variables, vapply(variables, deparse1, ""))
}

# Of lists that each have numbers by this name.
add_up <- function(all, name) Reduce(`+`, lapply(all, `[[`, name))
