# What poly(), scale(), ns() and bs() learn from all rows, of rows that are in parts.

# The calls that learn from rows: their columns, one by one, and what of them must be known.
# `degree` is that of poly(), `probabilities` are those of the knots.
learned_arguments <- function(variables) {
  found <- list()
  for (label in names(variables)) {
    call <- variables[[label]]
    name <- learning_name(call)
    arguments <- if (!is.null(name)) arguments_of(call)
    for (i in seq_along(arguments)) {
      found[[paste(label, i)]] <- list(
        variable = label,
        name = name,
        argument = arguments[[i]],
        degree = if (name == "poly") degree_of(call),
        probabilities = if (name %in% c("ns", "bs")) knot_probabilities(call, name),
        boundary = if (name %in% c("ns", "bs")) eval(as.list(call)$Boundary.knots),
        learns = if (name == "scale") scale_learns(call)
      )
    }
  }
  found
}

# NULL for what does not learn.
learning_name <- function(variable) {
  name <- call_name(variable)
  if (name %in% c("poly", "ns", "bs", "scale") && !isTRUE(as.list(variable)$raw)) name
}

# Those that are no constants, such as the degree.
arguments_of <- function(call) {
  Filter(function(part) is.null(constant(part)) && !is.logical(part), as.list(call)[-1])
}

degree_of <- function(call) {
  numbers <- Filter(Negate(is.null), lapply(as.list(call)[-1], constant))
  given <- constant(as.list(call)$degree)
  if (!is.null(given)) {
    given
  } else if (length(numbers) > 0) {
    numbers[[1]]
  } else {
    1
  }
}

# The center, the scale: is it of the data?
scale_learns <- function(call) {
  given <- as.list(match.call(scale.default, call))
  is_learned <- function(part) is.null(part) || isTRUE(part)
  c(center = is_learned(given$center), scale = is_learned(given$scale))
}

# As ns() and bs() choose them.
knot_probabilities <- function(call, name) {
  given <- lapply(as.list(match.call(get(name), call))[-1], function(part) {
    if (is.null(constant(part))) part else constant(part)
  })
  if (is.null(given$df) || !is.null(given$knots)) {
    return(numeric())
  }
  lost <- isTRUE(given$intercept) +
    if (name == "ns") {
      1
    } else if (is.null(given$degree)) {
      3
    } else {
      given$degree
    }
  count <- given$df - lost
  if (count > 0) seq(0, 1, length.out = count + 2)[-c(1, count + 2)] else numeric()
}

# What tells whether a row has a variable, before it can be evaluated.
plain_variable <- function(variable) {
  if (is.null(learning_name(variable))) {
    return(variable)
  }
  arguments <- unname(arguments_of(variable))
  if (length(arguments) == 1) arguments[[1]] else as.call(c(quote(cbind), arguments))
}

# The values of an argument in the rows that lm() would have it learn from: all, but those that
# poly() can't take; step() has the rows of the fit only.
learned_values <- function(argument, fit, data, account) {
  x <- value_of(argument$argument, data)
  if (NCOL(x) != 1 || !(is.numeric(x) || is.logical(x) || is_date(x))) {
    refuse("'", argument$variable, "': of data in parts, it takes columns of numbers, one by one")
  }
  x <- as.numeric(x)
  x[(if (fit$stepwise == "none") account$is_for_poly else account$is_used) & !is.na(x)]
}

within <- function(x, boundary) {
  if (is.null(boundary)) x else x[x >= boundary[1] & x <= boundary[2]]
}

part_learn <- function(fit, data, place) {
  account <- account_for_rows(fit, data)
  lapply(fit$arguments, function(argument) {
    x <- learned_values(argument, fit, data, account)
    if (!is.null(argument$degree)) {
      r_factor(chebyshev(x, argument$moments, argument$degree))
    } else if (length(argument$probabilities) > 0) {
      sketch(within(x, argument$boundary))
    }
  })
}

merge_learn <- function(fit, values) {
  sapply(
    names(fit$arguments),
    function(name) {
      each <- Filter(Negate(is.null), lapply(values, `[[`, name))
      if (length(each) == 0) {
        return(NULL)
      }
      if (is.matrix(each[[1]])) merge_r(each) else merge_sketches(each)
    },
    simplify = FALSE
  )
}

after_learn <- function(fit, merged, job) {
  for (name in names(fit$arguments)) {
    argument <- fit$arguments[[name]]
    if (!is.null(argument$degree)) {
      fit$arguments[[name]]$coefs <- poly_coefs(merged[[name]], argument$moments, argument$degree)
    } else if (length(argument$probabilities) > 0) {
      n <- sum(merged[[name]]$counts)
      fit$arguments[[name]]$n <- n
      fit$arguments[[name]]$intervals <- bracket(merged[[name]], n, argument$probabilities)
    }
  }
  has_knots <- vapply(fit$arguments, function(argument) !is.null(argument$intervals), TRUE)
  if (any(has_knots)) {
    fit$pass <- "knots"
    return(fit)
  }
  with_terms(fit, job)
}

part_knots <- function(fit, data, place) {
  account <- account_for_rows(fit, data)
  lapply(fit$arguments, function(argument) {
    if (!is.null(argument$intervals)) {
      x <- within(learned_values(argument, fit, data, account), argument$boundary)
      gather(x, argument$intervals)
    }
  })
}

merge_knots <- function(fit, values) {
  sapply(
    names(fit$arguments),
    function(name) merge_gathered(lapply(values, `[[`, name)),
    simplify = FALSE
  )
}

after_knots <- function(fit, merged, job) {
  for (name in names(fit$arguments)) {
    argument <- fit$arguments[[name]]
    if (!is.null(argument$intervals)) {
      fit$arguments[[name]]$knots <- gathered_quantiles(
        merged[[name]],
        argument$n,
        argument$probabilities
      )
    }
  }
  with_terms(fit, job)
}

# The polynomials of Chebyshev, on the range of all rows: of a basis of powers, half the digits
# would be lost.
chebyshev <- function(x, moments, degree) {
  ends <- moments[["min"]] + moments[["max"]]
  scaled <- (2 * x - ends) / (moments[["max"]] - moments[["min"]])
  basis <- matrix(1, length(x), degree + 1)
  basis[, 2] <- scaled
  for (k in seq_len(degree - 1)) {
    basis[, k + 2] <- 2 * scaled * basis[, k + 1] - basis[, k]
  }
  basis
}

#' Compute what poly() keeps of a fit
#'
#' x times the basis is the basis times `by_x`; in the orthogonal polynomials this is their Jacobi
#' matrix, whose diagonal are poly()'s alpha.
#'
#' @param r R of the Chebyshev basis of all rows.
#' @param moments Those of x.
#' @param degree That of poly().
#' @return A list of `alpha` and `norm2`, as of poly().
poly_coefs <- function(r, moments, degree) {
  half <- (moments[["max"]] - moments[["min"]]) / 2
  middle <- (moments[["min"]] + moments[["max"]]) / 2
  each <- seq_len(degree)
  by_x <- matrix(0, degree + 1, degree)
  by_x[2, 1] <- 1
  for (j in each[-1]) {
    by_x[c(j - 1, j + 1), j] <- 0.5
  }
  jacobi <- r %*% by_x %*% backsolve(r[each, each, drop = FALSE], diag(degree))
  leading <- c(1, 2^(each - 1) / half^each) # coefficients of the highest powers
  list(alpha = diag(jacobi) * half + middle, norm2 = c(1, (diag(r) / leading)^2))
}

# The call that predicts, as R makes it of some rows, with what all rows say.
put_right <- function(call, arguments) {
  first <- arguments[[1]]
  moments <- first$moments
  switch(
    first$name,
    poly = {
      coefs <- lapply(unname(arguments), `[[`, "coefs")
      call$coefs <- if (length(coefs) == 1) coefs[[1]] else coefs
    },
    scale = {
      centre <- if (is.numeric(call$center)) call$center else 0
      if (first$learns[["center"]]) {
        centre <- call$center <- moments[["mean"]]
      }
      if (first$learns[["scale"]]) {
        squares <- moments[["squares"]] + moments[["n"]] * (moments[["mean"]] - centre)^2
        call$scale <- sqrt(squares / (moments[["n"]] - 1))
      }
    },
    {
      if (!is.null(first$knots)) {
        call$knots <- setNames(first$knots, names(call$knots))
      }
      if (is.null(first$boundary)) {
        call$Boundary.knots <- c(moments[["min"]], moments[["max"]])
      }
    }
  )
  call
}
