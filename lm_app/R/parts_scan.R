# The first pass over data in parts: which rows a fit leaves out, and the rows that stand for all.

#' Find the rows of a part that lm() would fit
#'
#' @param fit One of job$fits.
#' @param data A part.
#' @return A list: `in_subset`, `is_used` and `is_for_poly` (whether poly() can take it) by row; of the
#'   variables, as far as they can be evaluated before all rows are known, `values` and which rows
#'   lack them (`lacks`).
account_for_rows <- function(fit, data) {
  values <- lapply(fit$plain, value_of, data)
  refuse_all(unlist(Map(evaluation_fault, fit$plain, names(values), values, list(data))))
  lacks <- lapply(values, function(value) {
    if (anyNA(value)) rowSums(is.na(cbind(value))) > 0 else FALSE
  })
  in_subset <- in_subset_of(fit$request, data)
  of_poly <- unique(unlist(lapply(fit$arguments, function(one) {
    if (one$name == "poly") one$variable
  })))
  list(
    in_subset = in_subset,
    is_used = in_subset & !Reduce(`|`, lacks),
    is_for_poly = !Reduce(`|`, lacks[of_poly], logical(nrow(data))),
    values = values,
    lacks = lacks
  )
}

part_scan <- function(fit, data, place) {
  refuse_all(row_value_faults(fit$request, data))
  account <- account_for_rows(fit, data)
  refuse_infinite(fit, account, data)
  is_used <- account$is_used
  is_counted <- if (is.null(fit$request$weights)) {
    is_used
  } else {
    is_used & as.numeric(value_of(fit$request$weights, data)) > 0
  }
  used <- if (all(is_used)) data else data[is_used, , drop = FALSE]
  counted <- if (all(is_counted[is_used])) TRUE else is_counted[is_used]
  list(
    counts = count_part(fit, account, data, sum(is_counted)),
    parts = rows_of_part(nrow(data), sum(is_used), sum(is_counted)),
    rows = standing_for_all(fit, list(data = used, is_counted = is_counted[is_used])),
    arguments = lapply(fit$arguments, function(argument) {
      moments_of(within(learned_values(argument, fit, data, account), argument$boundary))
    }),
    columns = sapply(
      fit$request$columns,
      function(name) describe_values(used[[name]], counted, name),
      simplify = FALSE
    )
  )
}

refuse_infinite <- function(fit, account, data) {
  rows <- which(account$is_used)
  refuse_all(unlist(Map(
    function(variable, label, value) {
      if (is.numeric(value) && !all(is.finite(value))) {
        value <- if (is.matrix(value)) value[rows, , drop = FALSE] else value[rows]
        infinite_fault(variable, label, value, attr(data, "row.names")[rows], data)
      }
    },
    fit$plain,
    names(fit$plain),
    account$values
  )))
}

# As count_rows() does.
count_part <- function(fit, account, data, counted) {
  is_lost <- account$in_subset & !account$is_used
  lost <- data[is_lost, fit$request$used, drop = FALSE]
  is_known <- stats::complete.cases(lost)
  list(
    read = nrow(data),
    used = counted,
    omitted = nrow(lost),
    missing_by_column = positive_counts(lapply(lost, is.na)),
    nan_by_term = positive_counts(lapply(account$lacks, function(lacks) {
      rep_len(lacks, nrow(data))[is_lost][is_known]
    })),
    zero_weight = sum(account$is_used) - counted,
    outside_subset = sum(!account$in_subset),
    lost_for_poly = sum(!account$is_for_poly),
    deleted = sum(is_lost & account$is_for_poly)
  )
}

merge_counts <- function(fit, all) {
  sapply(
    names(all[[1]]),
    function(name) {
      each <- lapply(all, `[[`, name)
      if (!is.list(each[[1]])) {
        return(Reduce(`+`, each))
      }
      labels <- intersect(c(fit$request$used, names(fit$plain)), unlist(lapply(each, names)))
      sapply(labels, function(label) sum(unlist(lapply(each, `[[`, label))), simplify = FALSE)
    },
    simplify = FALSE
  )
}

#' Find rows that stand for all
#'
#' They have what reference_rows() and model.frame() need: every level, also of what the formula
#' makes of columns, both ends of every range, enough different values for poly(), the first rows and
#' the last. Those of some such rows are those of all rows, so that parts can be merged in any way.
#'
#' @param fit One of job$fits.
#' @param rows A list: `data`, rows that are fitted, and `is_counted`, whether their weight is not 0.
#' @return The same of fewer rows.
standing_for_all <- function(fit, rows) {
  data <- rows$data
  counted <- which(rows$is_counted)
  each <- function(values) match(unique(values), values)
  ends <- function(values) {
    c(
      which.min(values),
      which.max(values),
      counted[which.min(values[counted])],
      counted[which.max(values[counted])]
    )
  }
  of_columns <- lapply(data[fit$request$columns], function(values) {
    if (is.numeric(values) || is_date(values)) ends(values) else each(values)
  })
  response <- deparse1(fit$request$formula[[2]])
  of_variables <- lapply(names(Filter(is.call, fit$plain)), function(label) {
    values <- value_of(fit$plain[[label]], data)
    if (label == response) {
      ends(values)
    } else if (!is.numeric(values)) {
      each(values)
    }
  })
  of_arguments <- lapply(fit$arguments, function(argument) {
    head(which(!duplicated(value_of(argument$argument, data))), formula_limits$degree + 2L)
  })
  at <- c(head(seq_len(nrow(data)), 10), nrow(data), counted[1])
  at <- sort(unique(c(at, unlist(of_columns), unlist(of_variables), unlist(of_arguments))))
  list(data = data[at, , drop = FALSE], is_counted = rows$is_counted[at])
}

merge_scan <- function(fit, values) {
  rows <- lapply(values, `[[`, "rows")
  list(
    counts = merge_counts(fit, lapply(values, `[[`, "counts")),
    parts = add_up(values, "parts"),
    rows = standing_for_all(
      fit,
      list(
        data = do.call(rbind, lapply(rows, `[[`, "data")),
        is_counted = unlist(lapply(rows, `[[`, "is_counted"))
      )
    ),
    arguments = sapply(
      names(fit$arguments),
      function(name) merge_moments(lapply(values, function(value) value$arguments[[name]])),
      simplify = FALSE
    ),
    columns = sapply(
      fit$request$columns,
      function(name) merge_described(lapply(values, function(value) value$columns[[name]]), name),
      simplify = FALSE
    )
  )
}

after_scan <- function(fit, merged, job) {
  rows <- merged$rows
  unlevelled <- setdiff(job$used, names(job$levels))
  rows$data[unlevelled] <- Map(as_kind_of, rows$data[unlevelled], job$kinds[unlevelled])
  counts <- merged$counts
  fit$left_out <- counts[!names(counts) %in% c("lost_for_poly", "deleted")]
  fit$deleted <- counts$deleted
  refuse_all(c(
    no_row_faults(
      fit$request,
      counts$outside_subset < counts$read,
      counts$used > 0 || counts$zero_weight == 0
    ),
    response_faults(fit$request, rows$data)
  ))
  if (nrow(rows$data) == 0) {
    refuse("each of the ", counts$read, " rows lacks a value: ", missing_text(counts))
  }
  check_crossed(formula(fit$request$terms), rows$data)
  if (!fit$is_live) {
    tell_parts_rows(fit, counts, job$asked$na)
  }
  fit$rows <- rows
  fit$columns <- merged$columns
  fit$counts <- merged$parts[1, ]
  fit$all_used <- counts$omitted + counts$outside_subset == 0
  used <- seq_len(fit$counts[["used"]])
  fit$picked <- sort(unique(c(thin(used, most_points), thin(used, 10))))
  fit$tested <- thin(seq_len(fit$counts[["counted"]]), 5000)
  for (name in names(fit$arguments)) {
    fit$arguments[[name]]$moments <- merged$arguments[[name]]
  }
  learns <- vapply(
    fit$arguments,
    function(one) !is.null(one$degree) || length(one$probabilities) > 0,
    TRUE
  )
  if (any(learns)) {
    fit$pass <- "learn"
    return(fit)
  }
  with_terms(fit, job)
}

tell_parts_rows <- function(fit, counts, na) {
  tell_rows(fit$left_out)
  if (na == "refuse") {
    refuse_missing(fit$left_out)
  }
  if (counts$lost_for_poly > 0) {
    labels <- vapply(Filter(function(one) one$name == "poly", fit$arguments), `[[`, "", "variable")
    warn_of_poly(labels, counts$lost_for_poly)
  }
  if (fit$stepwise != "none" && counts$omitted + counts$outside_subset > 0) {
    warn_of_same_rows(fit$left_out$used + fit$left_out$zero_weight)
  }
}
