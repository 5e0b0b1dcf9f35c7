# The columns of data in parts: their kinds, their levels, and how they are distributed.

# The columns of a part in the classes of all parts.
as_part <- function(columns, job, before) {
  data <- data_frame(columns)
  attr(data, "row.names") <- as.integer(before) + seq_len(nrow(data))
  for (name in names(data)) {
    kind <- if (is.null(job$kinds)) columns[[name]]$type else job$kinds[[name]]
    data[[name]] <- as_kind_of(data[[name]], kind)
  }
  refuse_all(unlist(lapply(names(job$levels), function(name) {
    undeclared_levels(data[[name]], job$levels[[name]], name, attr(data, "row.names"))
  })))
  for (name in names(job$levels)) {
    data[[name]] <- as_factor(data[[name]], job$levels[[name]], name %in% job$ordered)
  }
  data
}

# The numbers of a column are integers where they are whole in all parts.
as_kind_of <- function(values, kind) {
  switch(
    kind,
    double = as.numeric(values),
    integer = as.integer(values),
    number = as_whole_or_not(values),
    values
  )
}

as_whole_or_not <- function(values) {
  known <- values[!is.na(values)]
  is_whole <- all(known == trunc(known) & abs(known) <= .Machine$integer.max)
  if (is_whole) as.integer(values) else values
}

# What concerns the columns, whatever is fitted to them. The first rows are all of few.
scan_data <- function(columns, data, job) {
  kinds <- vapply(columns, `[[`, "", "type")
  is_number <- kinds == "number"
  kinds[is_number] <- vapply(data[is_number], typeof, "")
  list(
    read = nrow(data),
    kinds = kinds,
    first = head(data, complete_up_to + 1L),
    levels = sapply(
      job$unknown_levels,
      function(name) few_levels(data[[name]], name),
      simplify = FALSE
    )
  )
}

few_levels <- function(values, name) {
  found <- unique(values[!is.na(values)])
  if (length(found) > parts_limits$levels) {
    refuse(
      "column '",
      name,
      "' has more than ",
      parts_limits$levels,
      " levels; leave it out, or group it"
    )
  }
  found
}

merge_data <- function(all, job) {
  kinds <- do.call(rbind, lapply(all, `[[`, "kinds"))
  first <- all[[1]]
  first$kinds <- apply(kinds, 2, function(kind) {
    # only numbers may differ
    if (any(kind == "double")) "double" else kind[1]
  })
  put <- function(rows) {
    rows[] <- Map(as_kind_of, rows, first$kinds)
    rows
  }
  first$first <- head(
    do.call(rbind, lapply(all, function(one) put(one$first))),
    complete_up_to + 1L
  )
  first$levels <- sapply(
    job$unknown_levels,
    function(name) {
      each <- lapply(all, function(one) as_kind_of(one$levels[[name]], first$kinds[[name]]))
      few_levels(unlist(each), name)
    },
    simplify = FALSE
  )
  first$read <- add_up(all, "read")
  first
}

after_data <- function(job, merged) {
  job$read <- merged$read
  job$first <- merged$first
  job$kinds <- as.list(merged$kinds)
  for (name in names(merged$levels)) {
    job$levels[[name]] <- levels(factor(merged$levels[[name]]))
  }
  job
}

# Of numbers and dates the moments and how they are distributed, of all others how often each is
# there; of the rows whose weight is not 0 the same, where these are not all.
describe_values <- function(values, counted, name) {
  described <- if (is.numeric(values) || is_date(values)) {
    list(moments = moments_of(values), sketch = sketch(values))
  } else {
    found <- few_levels(values, name)
    counts <- as.numeric(tabulate(match(values, found), length(found)))
    list(counts = setNames(counts, as.character(found)))
  }
  if (!isTRUE(counted)) {
    described$counted <- describe_values(values[counted], TRUE, name)
  }
  described
}

merge_described <- function(all, name) {
  merged <- if (!is.null(all[[1]]$counts)) {
    counts <- unlist(lapply(all, `[[`, "counts"))
    found <- few_levels(names(counts), name)
    list(counts = setNames(as.vector(rowsum(counts, match(names(counts), found))), found))
  } else {
    list(
      moments = merge_moments(lapply(all, `[[`, "moments")),
      sketch = merge_sketches(lapply(all, `[[`, "sketch"))
    )
  }
  if (any(vapply(all, function(one) !is.null(one$counted), TRUE))) {
    merged$counted <- merge_described(lapply(all, of_counted), name)
  }
  merged
}

of_counted <- function(described) {
  if (is.null(described$counted)) described else described$counted
}
