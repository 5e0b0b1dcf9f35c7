# Deploy an lm from the R session that fitted it, and ask it from R as if it were there:
# source("http://localhost:8000/lm/api/lm.R"); deploy_lm(fit, "cars"); m <- lm_at("http://localhost:8000", "cars")
# To deploy takes base R only, to ask also the packages curl and jsonlite. docs/from-r.md has the whole way.

# Deploy ---------------------------------------------------------------------------------------

#' Write the folder of a model from a fitted lm
#'
#' The lm is fitted once more to just what is written, and must come out the same. An older
#' deployment of this name is replaced; a model of this name that was made otherwise is not.
#'
#' @param fit What lm() returned, or aov() without strata.
#' @param name The model's name: letters, digits, "-" and "_".
#' @param to The folder of the models.
#' @param title For people.
#' @param data TRUE: find the data of the fit, and write them along. A data frame: these are the
#'   data. FALSE: write the model alone, of the data only ranges and levels.
#' @return The folder, invisibly.
deploy_lm <- function(fit, name, to = "extra_files", title = name, data = TRUE) {
  .check_deployment(fit, name, to, title, data)
  found <- if (is.data.frame(data)) data else .data_of_fit(fit, parent.frame())
  recipe <- .recipe_of(fit, found)
  made <- .fit_again(fit, recipe)
  folder <- file.path(to, name)
  dir.create(folder, showWarnings = FALSE)
  unlink(file.path(folder, c("data.csv", "fitted.json")))
  has_data <- !identical(data, FALSE)
  if (has_data) {
    .write_text(.csv_of(recipe$data), file.path(folder, "data.csv"))
  }
  fitted <- .fitted_of(made, recipe, folder, has_data)
  .write_text(.sealed(fitted), file.path(folder, "fitted.json"))
  description <- .description_of(fit, made, recipe)
  .write_text(.toml_of(recipe, title, description, has_data), file.path(folder, "model.toml"))
  message("written: ", folder, "; next: python manage.py runscript update_lm --script-args ", name)
  invisible(folder)
}

# What can't be deployed -----------------------------------------------------------------------

.refuse <- function(...) .stop("deploy_lm: ", ...)

.other_models <- c(
  aovlist = "an aov() with Error() strata; fit lm() with the stratum as a term",
  maov = "an aov() of several responses; fit one lm() for each",
  mlm = "an lm() of several responses; fit one lm() for each, and deploy each under its own name",
  gam = "a gam(); fit lm() with splines, such as ns(x, df = 4)",
  glm = "a glm(); the server predicts from lm() only: fit that, perhaps to a transformed response",
  rlm = "an rlm(); fit lm(), perhaps with weights",
  nls = "an nls(); fit lm() to transformed columns, or with splines, such as ns(x, df = 4)",
  loess = "a loess(); fit lm() with splines, such as ns(x, df = 4)",
  lme = "a mixed model; fit lm() with the group as a term",
  lmerMod = "a mixed model; fit lm() with the group as a term"
)

.stop <- function(...) stop(..., call. = FALSE)

.check_text <- function(value, what) {
  if (!is.character(value) || length(value) != 1 || is.na(value) || !nzchar(value)) {
    .stop(what, " must be one text")
  }
}

.check_deployment <- function(fit, name, to, title, data) {
  other <- intersect(names(.other_models), class(fit))
  if (length(other) > 0) {
    .refuse("this is ", .other_models[[other[1]]])
  }
  if (!identical(class(fit), "lm") && !identical(class(fit), c("aov", "lm"))) {
    .refuse("this is of class '", class(fit)[1], "'; it must be what lm() returns")
  }
  .check_text(name, "name")
  .check_text(to, "to")
  .check_text(title, "title")
  if (!grepl("^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", name)) {
    .refuse(
      "'",
      name,
      "' can't be a model's name: letters, digits, '-' and '_', at most 64 of them"
    )
  }
  if (!(isTRUE(data) || isFALSE(data) || is.data.frame(data))) {
    .refuse("data must be TRUE, FALSE or a data frame")
  }
  if (!dir.exists(to)) {
    .refuse("there is no folder '", to, "' in ", getwd(), "; name the server's extra_files by 'to'")
  }
  folder <- file.path(to, name)
  if (file.exists(folder) && !file.exists(file.path(folder, "fitted.json"))) {
    .refuse(folder, " is not of deploy_lm(); choose another name, or remove it")
  }
  .check_functions(formula(fit), "the formula")
}

# The server lets a formula call functions of R's own only, and says which.
.check_functions <- function(part, what) {
  taken <- intersect(c("$", "[[", "["), all.names(part))
  if (length(taken) > 0) {
    .refuse(
      what,
      " takes parts by '",
      taken[1],
      "'; write lm(mpg ~ wt, data = mtcars) for mtcars$wt"
    )
  }
  for (name in .called(part)) {
    f <- get(name, .place_of(part), mode = "function")
    home <- if (is.primitive(f)) "base" else environmentName(environment(f))
    if (!home %in% c("base", "stats", "splines")) {
      .refuse("'", name, "' in ", what, " is no function of R's own; make the column in the data")
    }
  }
}

# The functions that are called, but for those that stand with their package.
.called <- function(part) {
  if (!is.call(part)) {
    return(NULL)
  }
  name <- if (is.name(part[[1]])) as.character(part[[1]])
  unique(c(name, unlist(lapply(as.list(part)[-1], .called))))
}

# Where a formula finds what it names. A session that has read the fit from a file may lack splines.
.place_of <- function(formula) {
  place <- environment(formula)
  if (exists("ns", place, mode = "function")) {
    return(place)
  }
  list2env(list(ns = splines::ns, bs = splines::bs), parent = place)
}

# Where the data are ---------------------------------------------------------------------------

# The data frame (or list) of the call, as far as it can be found now; NULL where there is none.
.data_of_fit <- function(fit, caller) {
  asked <- fit$call$data
  if (is.null(asked)) {
    return(NULL)
  }
  for (place in list(environment(formula(fit)), caller)) {
    data <- tryCatch(eval(asked, place), error = function(e) NULL)
    if (is.environment(data)) {
      data <- as.list(data, all.names = TRUE)
    }
    if (is.list(data)) {
      return(data)
    }
  }
  NULL
}

# What is written: `formula`, `data` (columns, as the server will read them), `weights`, `subset`
# (names of columns, or NULL), `contrasts` (by variable), `rows` and `rows_found` (how many were used, and how many there were).
.recipe_of <- function(fit, data) {
  frame <- tryCatch(model.frame(fit), error = function(e) {
    .refuse("the data of the fit are not here (", conditionMessage(e), "); load them first")
  })
  formula <- .with_offset(fit, frame)
  values <- .values_of(fit, formula, frame, data)
  formula <- .with_names(formula, values$constants)
  columns <- values$columns
  weights <- model.weights(frame)
  weights_name <- NULL
  if (!is.null(weights)) {
    weights_name <- .name_for(fit$call$weights, "weights", columns, weights, values$rows)
    columns[[weights_name]] <- .at_rows(weights, values)
  }
  if ("(offset)" %in% all.vars(formula)) {
    name <- .name_for(fit$call$offset, "offset", columns, frame[["(offset)"]], values$rows)
    columns[[name]] <- .at_rows(frame[["(offset)"]], values)
    formula <- .with_names(formula, list("(offset)" = as.name(name)))
  }
  subset_name <- NULL
  if (values$are_all) {
    subset_name <- .unused("fitted_rows", columns)
    columns[[subset_name]] <- seq_len(values$count) %in% values$rows
  }
  columns <- Map(.as_read, columns, names(columns), MoreArgs = list(xlevels = fit$xlevels))
  list(
    formula = as.formula(str2lang(.text_of(formula)), .place_of(formula(fit))),
    data = structure(columns, class = "data.frame", row.names = seq_along(columns[[1]])),
    weights = weights_name,
    subset = subset_name,
    contrasts = .other_contrasts(fit),
    rows = length(values$rows),
    rows_found = values$count
  )
}

# offset = is written as a term, which predict() adds up in the same order.
.with_offset <- function(fit, frame) {
  formula <- formula(fit)
  if (!is.null(frame[["(offset)"]])) {
    asked <- fit$call$offset
    is_plain <- is.language(asked) && !any(c("$", "[[", "[") %in% all.names(asked))
    if (is_plain) {
      .check_functions(as.formula(call("~", asked), environment(formula)), "the offset")
    }
    offset <- call("offset", if (is_plain) asked else as.name("(offset)"))
    formula[[3]] <- call("+", formula[[3]], offset)
  }
  formula
}

# Put other expressions for some names.
.with_names <- function(formula, expressions) {
  as.formula(do.call(substitute, list(formula, expressions)), environment(formula))
}

# As text that is read to the same bits.
.text_of <- function(part) {
  attributes(part) <- NULL
  text <- paste(deparse(part, 500L), collapse = " ")
  if (!identical(str2lang(text), part)) {
    exact <- c("keepNA", "keepInteger", "niceNames", "digits17")
    text <- paste(deparse(part, 500L, control = exact), collapse = " ")
  }
  text
}

# The columns that the formula uses, and the constants that it names, such as the k of ns(x, k).
# `are_all`: the columns are of all rows, of which `rows` were used, as a basis such as poly(x, 2)
# is of those, too, that the fit left out.
.values_of <- function(fit, formula, frame, data) {
  names <- setdiff(all.vars(formula), c("(offset)", if (!"pi" %in% names(data)) "pi", "T", "F"))
  place <- environment(formula)
  found <- sapply(names, .look_up, data, place, simplify = FALSE)
  rows <- seq_len(nrow(frame))
  count <- if (is.data.frame(data)) nrow(data) else NROW(found[[1]])
  are_found <- if (is.data.frame(data)) {
    match(row.names(frame), row.names(data))
  } else {
    suppressWarnings(as.integer(row.names(frame)))
  }
  if (anyNA(are_found) || any(are_found > count)) {
    found[names(found) %in% c(names(data), names(frame))] <- list(NULL) # other data by now
    count <- nrow(frame)
  } else {
    rows <- are_found
  }
  is_constant <- vapply(found, .is_constant, TRUE, count) & !names(found) %in% names(frame)
  constants <- lapply(found[is_constant], unname)
  names <- setdiff(names, names(constants))
  is_whole <- vapply(
    names,
    function(name) {
      value <- found[[name]]
      is_here <- NROW(value) == count && is.null(dim(value))
      is_here && (is.null(frame[[name]]) || .is_same(value[rows], frame[[name]]))
    },
    TRUE
  )
  for (name in names[!is_whole]) {
    if (is.matrix(frame[[name]]) || is.matrix(found[[name]])) {
      .refuse("'", name, "' is a matrix; make its columns columns of the data, as by data.frame()")
    }
    if (is.null(frame[[name]])) {
      .refuse(
        "'",
        name,
        "' is not to be found as it was fitted; hand over the data of the fit: ",
        "deploy_lm(fit, name, data = ...)"
      )
    }
  }
  made_terms <- terms(fit)
  is_basis <- !identical(attr(made_terms, "predvars"), attr(made_terms, "variables"))
  are_all <- is_basis && length(rows) < count && all(is_whole)
  columns <- sapply(
    names,
    function(name) {
      if (are_all) {
        found[[name]]
      } else if (is_whole[[name]]) {
        found[[name]][rows]
      } else {
        frame[[name]]
      }
    },
    simplify = FALSE
  )
  list(columns = columns, constants = constants, rows = rows, count = count, are_all = are_all)
}

.look_up <- function(name, data, place) {
  if (!is.null(data[[name]])) {
    return(data[[name]])
  }
  value <- get0(name, place)
  if (is.function(value)) get0(name, place, mode = "numeric") else value
}

.is_constant <- function(value, count) {
  is.atomic(value) && !is.object(value) && is.null(dim(value)) && !length(value) %in% c(0, count)
}

.is_same <- function(a, b) identical(as.vector(a), as.vector(b))

# A name for a column: that of the expression, where it is one, or else what it is.
.name_for <- function(asked, what, columns, values, rows) {
  name <- if (is.name(asked)) as.character(asked) else what
  before <- columns[[name]]
  is_it <- .is_same(before, values) || .is_same(before[rows], values)
  if (is.null(before) || is_it) name else .unused(what, columns)
}

.unused <- function(name, columns) tail(make.unique(c(names(columns), name), "_"), 1)

# Values of the rows that were used, among all that are written.
.at_rows <- function(values, found) {
  values <- as.vector(values)
  if (!found$are_all) {
    return(values)
  }
  whole <- rep(values[NA_integer_], found$count)
  whole[found$rows] <- values
  whole
}

# A column as the server will read it: texts are factors, whose levels are in the order of the fit.
.as_read <- function(value, name, xlevels) {
  if (inherits(value, "POSIXlt")) {
    value <- as.POSIXct(value)
  }
  if (is.character(value)) {
    levels <- xlevels[[name]]
    value <- factor(value, if (is.null(levels)) sort(unique(value)) else levels)
  }
  if (is.factor(value)) {
    if (anyNA(levels(value)) || any(!nzchar(trimws(levels(value))))) {
      .refuse("a level of '", name, "' is empty or NA; give it a name, and fit again")
    }
    return(factor(as.character(value), levels(value), ordered = is.ordered(value)))
  }
  if (inherits(value, "Date")) {
    if (any(unclass(value) != floor(unclass(value)), na.rm = TRUE)) {
      .refuse("the dates '", name, "' have parts of days; use whole ones, and fit again")
    }
    return(.Date(as.numeric(value)))
  }
  if (inherits(value, "POSIXct")) {
    return(.POSIXct(as.numeric(value), "UTC"))
  }
  is_number <- is.numeric(value) || is.logical(value) || inherits(value, "difftime")
  if (!is_number || inherits(value, "integer64")) {
    .refuse("'", name, "' is of class '", class(value)[1], "'; make it numbers, text or dates")
  }
  as.vector(unclass(value))
}

# Contrasts other than R's default: the name of R's own, or a list of their columns.
.known_contrasts <- c("contr.treatment", "contr.sum", "contr.helmert", "contr.poly", "contr.SAS")

.other_contrasts <- function(fit) {
  classes <- attr(terms(fit), "dataClasses")
  chosen <- sapply(
    names(fit$contrasts),
    function(name) {
      values <- fit$contrasts[[name]]
      default <- if (classes[[name]] == "ordered") "contr.poly" else "contr.treatment"
      if (!identical(values, default)) .contrasts_of(values, fit$xlevels[[name]], fit)
    },
    simplify = FALSE
  )
  Filter(Negate(is.null), chosen)
}

.contrasts_of <- function(chosen, levels, fit) {
  if (is.character(chosen)) {
    if (chosen %in% .known_contrasts) {
      return(chosen)
    }
    chosen <- get(chosen, environment(formula(fit)), mode = "function")(levels)
  }
  names <- if (is.null(colnames(chosen))) seq_len(ncol(chosen)) else colnames(chosen)
  columns <- lapply(seq_len(ncol(chosen)), function(i) I(as.numeric(chosen[, i])))
  setNames(columns, names)
}

.as_contrasts <- function(chosen) {
  if (is.list(chosen)) do.call(cbind, lapply(chosen, unclass)) else chosen
}

# As the server will fit it.
.fit_again <- function(fit, recipe) {
  usual <- options(contrasts = c("contr.treatment", "contr.poly"))
  on.exit(options(usual))
  asked <- call("lm", recipe$formula, data = quote(data), na.action = quote(na.omit))
  asked$weights <- if (!is.null(recipe$weights)) as.name(recipe$weights)
  asked$subset <- if (!is.null(recipe$subset)) as.name(recipe$subset)
  asked$contrasts <- if (length(recipe$contrasts) > 0) lapply(recipe$contrasts, .as_contrasts)
  made <- tryCatch(
    eval(asked, list(data = recipe$data), environment(recipe$formula)),
    error = identity
  )
  if (inherits(made, "error")) {
    .refuse("R can't fit it again from what was found: ", conditionMessage(made))
  }
  before <- fit$coefficients
  now <- made$coefficients
  is_same <- length(before) == length(now) && identical(is.na(unname(before)), is.na(unname(now)))
  apart <- if (is_same) abs(now - before) / pmax(abs(before), abs(now), 1e-300)
  if (!is_same || max(apart, fit$df.residual != made$df.residual, na.rm = TRUE) > 1e-8) {
    most <- if (is_same) which.max(apart) else 1
    .refuse(
      "fitted again to what was found, ",
      names(before)[most],
      " is ",
      format(now[[most]], digits = 15),
      ", not ",
      format(before[[most]], digits = 15),
      ": the data or options have changed since; hand over the data of the fit by 'data'"
    )
  }
  made
}

# fitted.json ----------------------------------------------------------------------------------

.fitted_of <- function(made, recipe, folder, has_data) {
  kept <- recipe$data[match(row.names(made$model), row.names(recipe$data)), , drop = FALSE]
  counted <- if (is.null(made$weights)) TRUE else made$weights > 0
  names <- intersect(all.vars(delete.response(terms(made))), names(kept))
  predictors <- lapply(names, .predictor_of, kept, counted, formula(made))
  rows <- .reference_rows(made, kept[names], kept[counted, names, drop = FALSE])
  level <- 0.95
  answers <- lapply(c("confidence", "prediction"), function(interval) {
    suppressWarnings(predict(made, rows, interval = interval, level = level))
  })
  errors <- sqrt(diag(suppressWarnings(vcov(made, complete = TRUE))))
  fitted <- list(
    format = 1,
    r_version = as.character(getRversion()),
    blas = basename(extSoftVersion()[["BLAS"]]),
    formula = .text_of(formula(made)),
    n = nobs(made),
    df_residual = made$df.residual,
    terms = I(names(made$coefficients)),
    estimates = I(unname(made$coefficients)),
    std_errors = I(unname(errors)),
    predictors = I(predictors),
    rows = I(unname(Map(.coded, rows, kept[names]))),
    level = level,
    fit = I(unname(answers[[1]][, 1])),
    confidence = list(lower = I(unname(answers[[1]][, 2])), upper = I(unname(answers[[1]][, 3]))),
    prediction = list(lower = I(unname(answers[[2]][, 2])), upper = I(unname(answers[[2]][, 3])))
  )
  if (has_data) {
    fitted$data_md5 <- tools::md5sum(file.path(folder, "data.csv"))[[1]]
  } else {
    fitted$model <- .parts_of(made)
  }
  fitted
}

.predictor_of <- function(name, data, counted, formula) {
  values <- data[[name]]
  if (is.factor(values)) {
    return(list(
      name = name,
      kind = if (is.ordered(values)) "ordered" else "factor",
      levels = I(levels(droplevels(values))),
      all_levels = I(levels(values))
    ))
  }
  kind <- if (inherits(values, "Date")) {
    "date"
  } else if (inherits(values, "POSIXct")) {
    "datetime"
  } else if (is.double(values)) {
    "numeric"
  } else {
    typeof(values)
  }
  described <- list(name = name, kind = kind)
  if (kind != "logical") {
    described$min <- as.numeric(min(values[counted]))
    described$max <- as.numeric(max(values[counted]))
  }
  if (kind %in% c("numeric", "integer") && .is_only_a_factor(name, formula[[3]])) {
    described$values <- I(as.numeric(sort(unique(values))))
  }
  described
}

# Is a column nothing but what makes a factor's levels, as year in y ~ factor(year)?
.is_only_a_factor <- function(name, part) {
  is_it <- function(x) identical(x, as.name(name))
  if (!is.call(part)) {
    return(!is_it(part))
  }
  makes_one <- as.character(part[[1]])[1] %in% c("factor", "as.factor", "ordered", "interaction")
  all(vapply(
    as.list(part)[-1],
    function(x) makes_one && is_it(x) || .is_only_a_factor(name, x),
    TRUE
  ))
}

# Rows with every level and both ends of every range; none is one of the data.
.reference_rows <- function(made, data, counted_data) {
  if (length(data) == 0) {
    return(data[1, , drop = FALSE])
  }
  picked <- sapply(
    names(data),
    function(name) {
      values <- data[[name]]
      if (is.factor(values) || is.logical(values)) {
        return(match(unique(values), values))
      }
      ends <- range(counted_data[[name]])
      made_of_it <- unlist(lapply(.made_factors(made, name), function(variable) {
        made_values <- as.character(eval(variable, data, environment(formula(made))))
        match(unique(made_values), made_values)
      }))
      c(made_of_it, match(ends, values))
    },
    simplify = FALSE
  )
  count <- max(lengths(picked))
  rows <- Map(function(values, at) values[rep_len(at, count)], data, picked)
  rows <- structure(rows, class = "data.frame", row.names = seq_len(count))
  rows <- rows[!duplicated(rows), , drop = FALSE]
  can_be <- vapply(
    seq_len(nrow(rows)),
    function(i) {
      two <- rows[c(i, i), , drop = FALSE] # predict() stops for one row of poly(a, b)
      !is.null(tryCatch(suppressWarnings(predict(made, two)), error = function(e) NULL))
    },
    TRUE
  )
  if (!any(can_be)) {
    return(data[c(1, nrow(data)), , drop = FALSE])
  }
  rows[can_be, , drop = FALSE]
}

# The expressions of the factors that the formula makes of a column, such as weekdays(day).
.made_factors <- function(made, name) {
  made_terms <- terms(made)
  variables <- as.list(attr(made_terms, "variables"))[-1]
  makes_one <- names(attr(made_terms, "dataClasses"))[seq_along(variables)] %in% names(made$xlevels)
  Filter(function(variable) is.call(variable) && name %in% all.vars(variable), variables[makes_one])
}

# The numbers that a request sends for these values: positions of levels, days, seconds.
.coded <- function(values, column) {
  I(if (is.factor(values)) match(values, levels(droplevels(column))) else as.numeric(values))
}

# What predict() needs of the model.
.parts_of <- function(made) {
  made_terms <- terms(made)
  variables <- as.list(attr(made_terms, "variables"))[-1]
  with_fixed <- as.list(attr(made_terms, "predvars"))[-1]
  classes <- attr(made_terms, "dataClasses")
  estimable <- seq_len(made$rank)
  weights <- if (is.null(made$weights)) 1 else made$weights
  list(
    variables = I(lapply(seq_along(variables), function(i) {
      name <- names(classes)[i]
      list(
        class = classes[[i]],
        levels = if (!is.null(made$xlevels[[name]])) I(made$xlevels[[name]]),
        contrasts = if (!is.null(made$contrasts[[name]])) .contrasts_of(made$contrasts[[name]]),
        fixed = .fixed(variables[[i]], with_fixed[[i]])
      )
    })),
    rank = made$rank,
    pivot = I(made$qr$pivot),
    r = I(lapply(estimable, function(i) {
      I(unname(made$qr$qr[i, seq_along(made$qr$pivot) >= i]))
    })),
    means = I(unname(colMeans(model.matrix(made)))),
    rss = sum(weights * made$residuals^2),
    weighted = !is.null(made$weights)
  )
}

# The arguments that the fit fixed, as the knots of ns(), which stand instead of those given.
.fixed <- function(variable, with_fixed) {
  if (identical(variable, with_fixed)) {
    return(NULL)
  }
  before <- if (!any(c("ns", "bs") %in% as.character(variable[[1]]))) as.list(variable)
  arguments <- as.list(with_fixed)[-1]
  is_new <- vapply(
    names(arguments),
    function(name) nzchar(name) && !identical(arguments[[name]], before[[name]]),
    TRUE
  )
  lapply(arguments[is_new & !vapply(arguments, is.language, TRUE)], .bare)
}

.bare <- function(value) {
  if (is.list(value)) {
    return(lapply(value, .bare))
  }
  value <- as.vector(unname(value))
  if (is.logical(value)) value else I(value)
}

# Text -----------------------------------------------------------------------------------------

# Decimals that any correct reader takes for the same bits: 15 digits where a division that is
# exact but for its last rounding proves them, and 17 elsewhere.
.number <- function(x) {
  x[!is.finite(x)] <- NA
  digits <- sprintf("%.14e", replace(x, is.na(x), 0))
  power <- 14L - as.integer(sub(".*e", "", digits))
  whole <- as.numeric(sub("e.*", "", sub(".", "", digits, fixed = TRUE)))
  scaled <- ifelse(power >= 0, whole / 10^power, whole * 10^-power)
  is_short <- abs(power) <= 22 & scaled == x
  text <- ifelse(is_short %in% TRUE, sprintf("%.15g", x), sprintf("%.17g", x))
  ifelse(is.na(x), NA_character_, text)
}

.quoted <- function(text, mark = "\\\"") {
  text <- enc2utf8(text)
  if (mark == "\"\"") {
    return(paste0("\"", gsub("\"", mark, text, fixed = TRUE), "\""))
  }
  text <- gsub("\"", mark, gsub("\\", "\\\\", text, fixed = TRUE), fixed = TRUE)
  for (code in c(1:31, 127)) {
    text <- gsub(intToUtf8(code), sprintf("\\u%04x", code), text, fixed = TRUE)
  }
  paste0("\"", text, "\"", recycle0 = TRUE)
}

# A vector of class AsIs is a list, and an unnamed list, too.
.json <- function(x) {
  if (is.null(x)) {
    return("null")
  }
  if (is.list(x)) {
    parts <- vapply(x, .json, "", USE.NAMES = FALSE)
    if (is.null(names(x))) {
      return(paste0("[", paste(parts, collapse = ", "), "]"))
    }
    members <- paste0(.quoted(names(x)), ": ", parts, recycle0 = TRUE)
    return(paste0("{", paste(members, collapse = ", "), "}"))
  }
  values <- unclass(x)
  texts <- if (is.character(values)) {
    .quoted(values)
  } else if (is.logical(values)) {
    ifelse(values, "true", "false")
  } else {
    .number(as.numeric(values))
  }
  texts[is.na(values) | is.numeric(values) & !is.finite(values)] <- "null"
  if (inherits(x, "AsIs")) paste0("[", paste(texts, collapse = ", "), "]") else texts
}

# A line for each part; the last has the checksum of those above.
.sealed <- function(fitted) {
  parts <- paste0(.quoted(names(fitted)), ": ", vapply(fitted, .json, ""), ",")
  text <- paste0("{\n", paste(parts, collapse = "\n"), "\n")
  file <- tempfile()
  on.exit(unlink(file))
  .write_text(text, file)
  paste0(text, "\"md5\": \"", tools::md5sum(file)[[1]], "\"}\n")
}

.csv_of <- function(data) {
  fields <- lapply(data, function(values) {
    texts <- if (is.factor(values)) {
      .quoted(as.character(values), "\"\"")
    } else if (inherits(values, "Date")) {
      format(values, "%Y-%m-%d")
    } else if (inherits(values, "POSIXct")) {
      .time(as.numeric(values))
    } else if (is.double(values)) {
      sub("^(-?[0-9]+)$", "\\1.0", .number(values)) # else whole ones are read as integers
    } else {
      as.character(values)
    }
    ifelse(is.na(values), "NA", texts)
  })
  header <- paste(.quoted(names(data), "\"\""), collapse = ",")
  paste0(paste(c(header, do.call(paste, c(unname(fields), sep = ","))), collapse = "\n"), "\n")
}

.time <- function(seconds) {
  whole <- floor(seconds)
  fraction <- sub("^0", "", sprintf("%.9f", pmin(seconds - whole, 0.999999999)))
  fraction <- sub("[.]?0+$", "", fraction)
  paste0(format(.POSIXct(whole, "UTC"), "%Y-%m-%dT%H:%M:%S"), fraction, "Z")
}

.description_of <- function(fit, made, recipe) {
  lost <- recipe$rows_found - recipe$rows
  paste0(
    "Fitted in R ",
    getRversion(),
    " by ",
    if (inherits(fit, "aov")) "aov() to " else "lm() to ",
    recipe$rows,
    " observations",
    if (lost > 0) paste0("; ", lost, " rows were left out, as they lacked a value or by subset"),
    "."
  )
}

.toml_of <- function(recipe, title, description, has_data) {
  data <- recipe$data
  is_factor <- vapply(data, is.factor, TRUE)
  list_of <- function(texts) paste0("[", paste(.quoted(texts), collapse = ", "), "]")
  table <- function(name, values) {
    if (length(values) > 0) {
      c("", paste0("[", name, "]"), paste(.toml_key(names(values)), "=", values))
    }
  }
  key <- function(name, value) if (!is.null(value)) paste(name, "=", .quoted(value))
  lines <- c(
    key("title", title),
    key("description", description),
    key("data", if (has_data) "data.csv" else "fitted.json"),
    key("formula", .text_of(recipe$formula))
  )
  if (has_data) {
    ordered <- names(data)[vapply(data, is.ordered, TRUE)]
    lines <- c(
      lines,
      key("weights", recipe$weights),
      key("subset", recipe$subset),
      if (length(ordered) > 0) paste("ordered =", list_of(ordered)),
      table("factors", vapply(data[is_factor], function(x) list_of(levels(x)), "")),
      table("contrasts", vapply(recipe$contrasts, .toml_value, "")),
      table("csv", c(sep = "\",\"", encoding = "\"utf-8\""))
    )
  }
  paste0(paste(lines, collapse = "\n"), "\n")
}

# Contrasts: a name, or a table of columns.
.toml_value <- function(value) {
  if (is.character(value)) {
    return(.quoted(value))
  }
  paste0("{", paste(.toml_key(names(value)), "=", vapply(value, .json, ""), collapse = ", "), "}")
}

.toml_key <- function(names) ifelse(grepl("^[A-Za-z0-9_-]+$", names), names, .quoted(names))

.write_text <- function(text, file) {
  connection <- base::file(file, "wb")
  on.exit(close(connection))
  writeBin(charToRaw(enc2utf8(text)), connection)
}

# Ask ------------------------------------------------------------------------------------------

#' Make an object that stands for a model that a server answers for
#'
#' predict() takes it as an lm, and gives what predict.lm() gives; so do coef(), formula(), nobs(),
#' confint(), summary() and print(). Each asks the server anew, so that all are of the live version.
#'
#' @param url Where the server is, such as "https://models.example.org".
#' @param model The model's name there.
#' @param key The API key, where the server wants one.
#' @param timeout The most seconds that an answer may take.
#' @return An object of class lm_at. Stops where the server does not answer for such a model.
lm_at <- function(url, model, key = Sys.getenv("LM_API_KEY"), timeout = 60) {
  for (package in c("curl", "jsonlite")) {
    if (!requireNamespace(package, quietly = TRUE)) {
      .stop("lm_at() needs the package ", package, ": install.packages(\"", package, "\")")
    }
  }
  .check_text(url, "url")
  .check_text(model, "model")
  if (!grepl("^https?://", url)) {
    .stop("url is '", url, "'; it must begin with http:// or https://")
  }
  if (!identical(key, "")) {
    .check_text(key, "key")
  }
  at <- structure(
    list(url = sub("/+$", "", url), model = model, key = function() key, timeout = timeout),
    class = "lm_at"
  )
  .card(at)
  at
}

#' Predict by a model that a server answers for
#'
#' A row that lacks a value is NA. Rows outside the ranges of the training data are predicted as R
#' does it, with a warning that names them.
#'
#' @param object What lm_at() returned.
#' @param newdata A data frame. Without it, the rows that the model was fitted to, where the server
#'   has them.
#' @param se.fit,interval,level,type,terms As of predict.lm().
#' @param progress Show a progress bar where it takes several requests?
#' @param ... predict.lm() has more arguments; the server has not.
#' @return What predict.lm() returns.
predict.lm_at <- function(
  object,
  newdata = NULL,
  se.fit = FALSE,
  interval = c("none", "confidence", "prediction"),
  level = 0.95,
  type = c("response", "terms"),
  terms = NULL,
  progress = interactive(),
  ...
) {
  if (...length() > 0) {
    .stop("the server's predict has no argument '", c(...names(), "")[1], "'")
  }
  interval <- match.arg(interval)
  type <- match.arg(type)
  asked <- list(
    interval = interval,
    level = .number(level),
    extrapolation = "flag",
    format = "csv",
    se = .json(se.fit || type == "terms" && interval != "none"),
    terms = .json(type == "terms")
  )
  for (try in seq_len(.most_tries)) {
    card <- .card(object)
    rows <- if (is.null(newdata)) .fitted_rows(object, card) else .rows_of(newdata, card$predictors)
    answer <- .ask_for_rows(object, card, rows, asked, progress)
    if (!is.null(answer)) {
      answer$names <- rows$names
      answer$has_names <- card$rank > 1 # else predict.lm() drops them with a dimension
      warned <- unique(unlist(answer$warnings))
      if (is.null(newdata) && interval == "prediction") {
        warned <- c("predictions on current data refer to _future_ responses", warned)
      }
      lapply(warned, warning, call. = FALSE)
      return(
        if (type == "terms") {
          .terms_as_r(answer, card, se.fit, interval, terms)
        } else {
          .response_as_r(answer, se.fit, interval)
        }
      )
    }
  }
  .stop("model '", object$model, "' had another version in each of ", .most_tries, " tries")
}

coef.lm_at <- function(object, ...) .column_of(.card(object), "estimate")

formula.lm_at <- function(x, ...) {
  formula <- str2lang(.card(x)$formula)
  if (!is.call(formula) || !identical(formula[[1]], quote(`~`))) {
    .stop(x$url, ": the formula of model '", x$model, "' is none") # as.formula() would run it
  }
  structure(formula, class = "formula", .Environment = globalenv())
}

nobs.lm_at <- function(object, ...) .card(object)$n

confint.lm_at <- function(object, parm, level = 0.95, ...) {
  card <- .card(object)
  estimates <- .column_of(card, "estimate")
  names <- names(estimates)
  if (missing(parm)) {
    parm <- names
  }
  if (is.numeric(parm)) {
    parm <- names[parm]
  }
  # as confint.lm() does it, by the diagonal of vcov()
  variances <- .numbers(.key(object, "unrounded")$unscaled_variances)
  errors <- setNames(sqrt(card$sigma^2 * variances), names)
  tails <- c((1 - level) / 2, 1 - (1 - level) / 2)
  percent <- paste(format(100 * tails, trim = TRUE, scientific = FALSE, digits = 3), "%")
  limits <- array(NA_real_, c(length(parm), 2L), list(parm, percent))
  limits[] <- estimates[parm] + errors[parm] %o% qt(tails, card$df_residual)
  limits
}

#' Summarize a model that a server answers for
#'
#' @param object What lm_at() returned.
#' @param ... Not used.
#' @return A list with these elements of summary.lm()'s: coefficients, aliased, sigma, df, r.squared,
#'   adj.r.squared, fstatistic; and the text that R printed of it where the model was trained.
summary.lm_at <- function(object, ...) {
  card <- .card(object)
  unrounded <- .key(object, "unrounded")
  columns <- c("estimate", "std_error", "t_value", "p_value")
  coefficients <- do.call(cbind, lapply(columns, .column_of, card = card))
  colnames(coefficients) <- c("Estimate", "Std. Error", "t value", "Pr(>|t|)")
  aliased <- is.na(.column_of(card, "estimate"))
  f <- card$f_statistic
  told <- list(
    coefficients = coefficients[!aliased, , drop = FALSE],
    aliased = aliased,
    sigma = card$sigma,
    df = c(card$rank, card$df_residual, length(aliased)),
    r.squared = unrounded$r_squared,
    adj.r.squared = unrounded$adjusted_r_squared,
    fstatistic = if (!is.null(f)) c(value = f$value, numdf = f$df1, dendf = f$df2),
    text = .key(object, "call")
  )
  structure(Filter(Negate(is.null), told), class = "summary.lm_at")
}

print.summary.lm_at <- function(x, ...) {
  cat(x$text)
  invisible(x)
}

print.lm_at <- function(x, digits = max(3L, getOption("digits") - 3L), ...) {
  card <- .card(x)
  cat("\nModel '", x$model, "' at ", x$url, ", version ", card$version, ":\n", sep = "")
  cat(card$formula, "\n\nCoefficients:\n", sep = "")
  estimates <- .column_of(card, "estimate")
  print.default(format(estimates, digits = digits), print.gap = 2L, quote = FALSE)
  cat("\n")
  invisible(x)
}

#' List the versions of a model that a server keeps
#'
#' @param model What lm_at() returned.
#' @return A data frame, the newest version first.
versions <- function(model) {
  .json_at(model, "/versions", simplifyDataFrame = TRUE)
}

# Rows -----------------------------------------------------------------------------------------

# A list: `columns`, as the server reads them, and `names` of the rows.
.rows_of <- function(newdata, predictors) {
  if (!is.data.frame(newdata)) {
    .stop("newdata must be a data frame")
  }
  names <- vapply(predictors, function(predictor) predictor$name, "")
  missing <- setdiff(names, names(newdata))
  if (length(missing) > 0) {
    .stop("newdata lacks ", toString(missing), "; the predictors are: ", toString(names))
  }
  columns <- lapply(predictors, function(predictor) .as_sent(newdata[[predictor$name]], predictor))
  list(columns = setNames(columns, names), names = row.names(newdata))
}

# R's predict() stops for another class than that of the fit, and so it is here.
.as_sent <- function(values, predictor) {
  is_it <- switch(
    predictor$type,
    numeric = is.numeric(values) || inherits(values, "difftime"),
    factor = is.factor(values) || is.character(values),
    logical = is.logical(values),
    date = inherits(values, "Date"),
    datetime = inherits(values, "POSIXt")
  )
  refuse <- function(...) .stop("'", predictor$name, "' ", ...)
  if (all(is.na(values))) {
    return(rep(NA, length(values)))
  }
  if (!is_it) {
    refuse("is of class '", class(values)[1], "'; the model was fitted to a ", predictor$type)
  }
  sent <- switch(
    predictor$type,
    numeric = as.numeric(values),
    factor = as.character(values),
    logical = as.logical(values),
    date = format(values, "%Y-%m-%d"),
    datetime = ifelse(is.na(values), NA_character_, .time(as.numeric(as.POSIXct(values))))
  )
  if (is.double(sent) && any(is.infinite(sent))) {
    refuse("is infinite in row ", which(is.infinite(sent))[1], "; the server takes finite numbers")
  }
  if (predictor$type == "date" && any(unclass(values) != floor(unclass(values)), na.rm = TRUE)) {
    refuse("has parts of days; the server takes whole days")
  }
  sent
}

# Those of the training data.
.fitted_rows <- function(at, card) {
  names <- vapply(card$predictors, function(predictor) predictor$name, "")
  keys <- paste0(names, "_values", recycle0 = TRUE)
  there <- .json_at(at, "/list_keys")
  columns <- lapply(keys, function(key) {
    values <- if (key %in% there) .key(at, key)
    if (is.null(values) || is.list(values)) {
      # a summary, of many
      .stop("the server does not tell all data of model '", at$model, "'; hand over newdata")
    }
    values
  })
  rows <- seq_len(if (length(columns) > 0) length(columns[[1]]) else card$n)
  list(columns = setNames(columns, names), names = as.character(rows))
}

# Requests -------------------------------------------------------------------------------------

.most_tries <- 5
.longest_wait <- 60 # seconds
.rows_at_once <- 8192

# The predictions: `table` (a column for each number of a row), `df`, `residual_scale`, `constant`,
# `warnings`. NULL where another version than the card's has answered.
.ask_for_rows <- function(at, card, rows, asked, progress) {
  columns <- .without_gaps(rows$columns, card$example, is_whole = asked$terms == "false")
  path <- paste0("/predict?", paste(names(asked), asked, sep = "=", collapse = "&"))
  count <- length(rows$names)
  left <- seq_len(max(1, count)) # any row tells the rest
  size <- .rows_at_once
  parts <- list()
  bar <- if (progress && count > size) txtProgressBar(max = count, style = 3)
  on.exit(if (!is.null(bar)) close(bar))
  while (length(left) > 0) {
    now <- head(left, size)
    answer <- .ask(at, path, .body_of(columns, now), may_be_large = length(now) > 1)
    if (answer$status_code == 413) {
      size <- ceiling(length(now) / 2)
      next
    }
    version <- answer$headers[["lm-version"]]
    if (!identical(version, card$version)) {
      message("'", at$model, "' is now version ", version, ", not ", card$version, "; asking again")
      return(NULL)
    }
    parts <- c(parts, list(answer))
    left <- left[-seq_along(now)]
    if (!is.null(bar)) {
      setTxtProgressBar(bar, count - length(left))
    }
  }
  tables <- lapply(parts, function(answer) .table_in(.text_in(answer)))
  table <- .with_gaps(do.call(rbind, tables)[seq_len(count), , drop = FALSE], rows$columns)
  headers <- answer$headers
  number <- function(name) if (!is.null(headers[[name]])) .numbers_in(headers[[name]])
  list(
    table = table,
    df = number("lm-df"),
    residual_scale = number("lm-residual-scale"),
    constant = number("lm-constant"),
    warnings = c(lapply(parts, .warnings_in), .extrapolated(table, rows$names))
  )
}

# The server refuses a row that lacks a value. So it gets that of another row; of the terms, those of
# other columns stay right.
.without_gaps <- function(columns, example, is_whole) {
  if (length(columns) > 0 && length(columns[[1]]) == 0) {
    return(example[names(columns)])
  }
  gaps <- lapply(columns, is.na)
  if (is_whole) {
    gaps[] <- list(Reduce(`|`, gaps, FALSE))
  }
  Map(replace, columns, gaps, example[names(columns)])
}

.with_gaps <- function(table, columns) {
  for (name in colnames(table)) {
    label <- sub("^terms(_se|_lower|_upper)?[.]", "", name)
    used <- if (label == name) names(columns) else all.vars(str2lang(label))
    for (gaps in lapply(columns[intersect(used, names(columns))], is.na)) {
      table[gaps, name] <- NA
    }
  }
  table
}

# Those of R's predict(). That a number is not finite is to be seen.
.warnings_in <- function(answer) {
  told <- answer$headers[["lm-warnings"]]
  if (!is.null(told)) {
    told <- gsub(
      "(^|; )(fit|lower|upper) is (NaN|-?Inf) in rows? [0-9, ]+( and [0-9]+( more)?)?",
      "",
      told
    )
    if (nzchar(told)) sub("^; ", "", told)
  }
}

.extrapolated <- function(table, names) {
  outside <- which(table[, "extrapolated"] == 1)
  if (length(outside) > 0) {
    more <- length(outside) - 5
    paste0(
      "outside the ranges of the training data: row ",
      toString(names[head(outside, 5)]),
      if (more > 0) paste(" and", more, "more")
    )
  }
}

.body_of <- function(columns, rows) {
  if (length(columns) == 0) {
    return(paste0("[", toString(rep("{}", length(rows))), "]"))
  }
  .json(lapply(columns, function(values) I(values[rows])))
}

# Asks again where the server says when.
.ask <- function(at, path, body = NULL, may_be_large = FALSE) {
  url <- paste0(at$url, "/lm/api/models/", curl::curl_escape(at$model), path)
  for (try in seq_len(.most_tries)) {
    answer <- .fetch(at, url, body)
    wait <- .seconds_to_wait(answer)
    if (is.na(wait) || wait > .longest_wait || try == .most_tries) {
      break
    }
    message(.words_of(answer), "; asking again in ", wait, " s")
    Sys.sleep(wait)
  }
  if (answer$status_code != 200 && !(may_be_large && answer$status_code == 413)) {
    .stop(at$url, ": ", .words_of(answer))
  }
  answer
}

.fetch <- function(at, url, body) {
  handle <- curl::new_handle(timeout = at$timeout, followlocation = FALSE)
  key <- at$key()
  headers <- list(
    Expect = "",
    "Content-Type" = if (!is.null(body)) "application/json",
    Authorization = if (nzchar(key)) paste("Bearer", key)
  )
  curl::handle_setheaders(handle, .list = Filter(Negate(is.null), headers))
  if (!is.null(body)) {
    curl::handle_setopt(handle, copypostfields = enc2utf8(body))
  }
  answer <- tryCatch(
    curl::curl_fetch_memory(url, handle),
    error = function(e) .stop(at$url, " does not answer: ", conditionMessage(e))
  )
  answer$headers <- curl::parse_headers_list(answer$headers)
  answer
}

# NA where it did not ask to wait.
.seconds_to_wait <- function(answer) {
  after <- answer$headers[["retry-after"]]
  is_busy <- answer$status_code %in% c(429, 503) && grepl("^[0-9]+$", paste0("", after))
  if (is_busy) as.numeric(after) else NA_real_
}

# What the server says is wrong.
.words_of <- function(answer) {
  text <- .text_in(answer)
  detail <- tryCatch(jsonlite::parse_json(text)$detail, error = function(e) NULL)
  location <- answer$headers[["location"]]
  words <- if (is.character(detail)) {
    detail
  } else if (!is.null(location)) {
    paste("it has moved to", location)
  } else {
    substr(gsub("[[:space:]]+", " ", text), 1, 200)
  }
  paste0(words, " (HTTP ", answer$status_code, ")")
}

.text_in <- function(answer) {
  text <- rawToChar(answer$content)
  Encoding(text) <- "UTF-8"
  text
}

# The JSON at a path. fromJSON() would fetch what an answer names.
.json_at <- function(at, path, simplifyDataFrame = FALSE) {
  text <- .text_in(.ask(at, path))
  tryCatch(
    jsonlite::parse_json(text, simplifyVector = TRUE, simplifyDataFrame = simplifyDataFrame),
    error = function(e) .stop(at$url, ": the answer is no JSON; is it the right URL?")
  )
}

.key <- function(at, name) {
  .json_at(at, paste0("/key/", curl::curl_escape(name)))
}

.card <- function(at) {
  card <- .json_at(at, "")
  card$rank <- sum(!is.na(.column_of(card, "estimate")))
  card
}

# A column of the table of coefficients.
.column_of <- function(card, name) {
  values <- vapply(card$coefficients, function(row) .numbers(row[[name]])[1], 0)
  setNames(values, vapply(card$coefficients, function(row) row$term, ""))
}

# JSON's null is NULL, or NA among numbers.
.numbers <- function(x) if (is.null(x)) NA_real_ else as.numeric(unlist(x))

# The table of a CSV that has numbers and logicals only. R itself may read another last bit than jsonlite.
.table_in <- function(csv) {
  lines <- strsplit(csv, "\n", fixed = TRUE)[[1]]
  names <- scan(text = lines[1], what = "", sep = ",", quiet = TRUE)
  fields <- unlist(strsplit(lines[-1], ",", fixed = TRUE))
  matrix(.numbers_in(fields), ncol = length(names), byrow = TRUE, dimnames = list(NULL, names))
}

.numbers_in <- function(texts) {
  texts <- sub("^([A-Za-z-]+)$", "\"\\1\"", sub("^TRUE$", "1", sub("^FALSE$", "0", texts)))
  text <- paste0("[", paste(texts, collapse = ","), "]")
  as.numeric(jsonlite::parse_json(text, simplifyVector = TRUE))
}

# As predict.lm() -----------------------------------------------------------------------------

.response_as_r <- function(answer, se.fit, interval) {
  table <- answer$table
  fit <- unname(table[, "fit"])
  if (length(fit) > 0) {
    names(fit) <- answer$names
  }
  if (interval != "none") {
    fit <- table[, c("fit", "lower", "upper"), drop = FALSE]
    dimnames(fit) <- list(answer$names, c("fit", "lwr", "upr"))
  }
  if (!se.fit) {
    return(fit)
  }
  se <- unname(table[, "se"])
  if (length(se) > 1 && answer$has_names) {
    names(se) <- answer$names
  }
  list(fit = fit, se.fit = se, df = .whole(answer$df), residual.scale = answer$residual_scale)
}

.terms_as_r <- function(answer, card, se.fit, interval, terms) {
  constant <- answer$constant
  by_term <- function(what) {
    is_it <- startsWith(colnames(answer$table), paste0(what, "."))
    if (!any(is_it)) {
      return(matrix(0, card$n, 0L)) # as predict.lm() has it without terms
    }
    found <- answer$table[, is_it, drop = FALSE]
    dimnames(found) <- list(answer$names, substring(colnames(found), nchar(what) + 2))
    if (is.null(terms)) found else found[, terms, drop = FALSE]
  }
  limit <- function(what) {
    found <- by_term(what)
    if (ncol(found) > 0) structure(found, constant = constant) else found
  }
  fit <- structure(by_term("terms"), constant = constant)
  if (!se.fit && interval == "none") {
    return(fit)
  }
  c(
    list(fit = fit, se.fit = by_term("terms_se")),
    if (interval != "none") {
      list(lwr = limit("terms_lower"), upr = limit("terms_upper"))
    },
    list(df = .whole(answer$df), residual.scale = answer$residual_scale)
  )
}

.whole <- function(x) if (x == trunc(x)) as.integer(x) else x
