# Walk what parse() read, note all that is wrong, and return it as lm() shall evaluate it.
#
# A formula has two levels. Between '~' and its terms, operators are R's algebra of terms
# (check_terms); within a term, and in the response, they are arithmetic (check_value).

#' Begin to read
#'
#' @param columns The names that may be used.
#' @param is_stored Whether it is of a stored model: R has put there what the fit fixed, vectors
#'   and lists of numbers, and T, F and pi may stand for themselves.
#' @return An environment, in which what is wrong is noted.
new_reader <- function(columns, is_stored = FALSE) {
  list2env(
    list(
      columns = columns,
      is_stored = is_stored,
      problems = character(), # whole sentences
      unknown = character(), # names of columns that are none
      term = NULL, # that is being read, right of '~'
      lists_functions = FALSE # whether to list the functions that there are
    ),
    parent = emptyenv()
  )
}

add_problem <- function(reader, ...) {
  reader$problems <- unique(c(reader$problems, paste0(...)))
}

count_problems <- function(reader) length(reader$problems) + length(reader$unknown)

refuse_problems <- function(reader, label) {
  problems <- c(
    unknown_columns(reader$unknown, reader$columns),
    reader$problems,
    if (reader$lists_functions) paste("a formula may use", listed_functions())
  )
  if (length(problems) > 0) {
    refuse(label, ": ", paste(problems, collapse = "; "))
  }
}

# A call of a binary operator. `a + b + c` is nested to the left, as deep as it is long.
is_chain <- function(part, operators = c(algebra, arithmetic)) {
  is.call(part) &&
    is.name(part[[1]]) &&
    as.character(part[[1]]) %in% operators &&
    length(part) == 3 &&
    !is_missing(part[[2]]) &&
    !is_missing(part[[3]])
}

# Check each operand by itself, without going deeper; on_right checks the right one of each call.
check_chain <- function(part, operators, on_first, on_right) {
  calls <- list()
  while (is_chain(part, operators) && is.null(names(part))) {
    calls <- c(calls, list(part))
    part <- part[[2]]
  }
  part <- on_first(part)
  for (operation in rev(calls)) {
    operation[[2]] <- part
    operation[[3]] <- on_right(operation)
    part <- operation
  }
  part
}

check_response <- function(reader, part) {
  checked <- check_value(reader, part)
  if (is_call_of(part, "cbind")) {
    add_problem(reader, "cbind() left of '~' makes several models; train one for each column")
  } else if (call_name(part) %in% c(not_one_number, "offset")) {
    add_problem(reader, call_name(part), "() can't be the response: it must be one number a row")
  } else if (count_problems(reader) == 0 && !uses_column(checked, reader$columns)) {
    add_problem(reader, "the response, left of '~', must be a column of the data")
  }
  checked
}

# Right of '~', between the terms.
check_terms <- function(reader, part) {
  check_chain(
    part,
    algebra,
    function(first) check_term(reader, first),
    function(operation) {
      operator <- as.character(operation[[1]])
      right <- operation[[3]]
      if (operator == "^") {
        check_number(reader, right, "the power of '^' between terms", 1, formula_limits$power)
        power <- constant(right)
        return(if (is.numeric(power)) as.numeric(power[1]) else 1)
      }
      if (operator == "%in%" && !is.null(constant(right))) {
        add_problem(reader, "between terms, '%in%' nests; write I(", brief(operation), ")")
        return(right)
      }
      check_term(reader, right)
    }
  )
}

check_term <- function(reader, part) {
  name <- call_name(part)
  if (is_missing(part)) {
    add_problem(reader, "a term is empty")
    part
  } else if (name %in% c("(", "+", "-") && length(part) == 2) {
    part[[2]] <- check_terms(reader, part[[2]])
    part
  } else if (is_chain(part, algebra) && is.null(names(part))) {
    check_terms(reader, part)
  } else if (is_call_of(part, "|") && !any(vapply(as.list(part)[-1], is_condition, TRUE))) {
    add_problem(reader, "'|' is of mixed models, which lm() does not fit; add the group as a term")
    part
  } else if (identical(part, quote(.))) {
    part
  } else if (is.name(part) || is.call(part)) {
    known <- count_problems(reader)
    reader$term <- part
    checked <- check_value(reader, part)
    if (count_problems(reader) == known && !uses_column(checked, reader$columns)) {
      add_problem(reader, "the term '", brief(part), "' names no column of the data")
    }
    checked
  } else if (is.character(part)) {
    check_value(reader, part)
  } else {
    if (!(is.numeric(part) && part %in% 0:1)) {
      why <- " is no term; to compute with numbers, write I(), such as I(x / 2)"
      add_problem(reader, "'", brief(part), "'", why)
    }
    part
  }
}

is_condition <- function(part) {
  while (call_name(part) == "(") {
    part <- part[[2]]
  }
  call_name(part) %in% c(comparisons, "!", "&", "|")
}

# Within a term: what is computed row by row. Text may stand where it is compared or chosen.
check_value <- function(reader, part, text_may_be = FALSE) {
  if (is_missing(part)) {
    add_problem(reader, "an argument is empty")
  } else if (is.name(part)) {
    return(check_name(reader, part))
  } else if (is.call(part)) {
    return(check_call_part(reader, part, text_may_be))
  } else if (is.character(part) && text_may_be) {
    check_text(reader, part, "text")
  } else if (is.character(part)) {
    remedy <- "' is text where a column or a number belongs; a column's name has no quotes"
    add_problem(reader, "'", brief(part), remedy)
  } else if (!is_plain(part, reader$is_stored) || is.null(part)) {
    add_problem(reader, "'", brief(part), "' is not allowed here")
  }
  part
}

check_name <- function(reader, part) {
  name <- as.character(part)
  if (name == "." && !"." %in% reader$columns) {
    add_problem(reader, "'.' stands for all other columns, as a term by itself only")
    return(part)
  }
  column <- resolve_column(name, reader$columns)
  if (is.null(column)) {
    if (!(name == "pi" || reader$is_stored && name %in% c("T", "F"))) {
      reader$unknown <- unique(c(reader$unknown, name))
    }
    return(part)
  }
  as.name(column)
}

# A column by its name, or as make.names() writes it, as R's read.csv() does; NULL for none.
resolve_column <- function(name, columns) {
  if (name %in% columns) {
    return(name)
  }
  alike <- columns[make.names(columns) == make.names(name)]
  if (length(alike) == 1) alike
}

check_call_part <- function(reader, part, text_may_be = FALSE) {
  name <- call_name(part)
  if (length(setdiff(names(attributes(part)), "names")) > 0) {
    add_problem(reader, "'", brief(part), "' has attributes")
    return(part)
  }
  if (!is_known_function(part)) {
    note_refused_function(reader, part)
    return(part)
  }
  if (name %in% constant_functions) {
    check_constants(reader, part, paste0(name, "()"), text_may_be)
    return(part)
  }
  if (is_chain(part, arithmetic)) {
    return(check_arithmetic(reader, part))
  }
  check_arguments(reader, part, name)
}

check_arithmetic <- function(reader, part) {
  compares <- function(operation) as.character(operation[[1]]) %in% comparisons
  if (!is.null(names(part))) {
    add_problem(reader, "'", brief(part), "': the sides of an operator have no names")
    return(part)
  }
  check_chain(
    part,
    arithmetic,
    function(first) check_value(reader, first, is.character(first) && compares(part)),
    function(operation) check_value(reader, operation[[3]], compares(operation))
  )
}

# Every argument must be one that the function is known to take, and of the kind that it may be.
check_arguments <- function(reader, part, name) {
  takes <- formula_functions[[name]]
  arguments <- as.list(part)[-1]
  if (any(vapply(arguments, is_missing, TRUE))) {
    add_problem(reader, "'", brief(part), "': an argument is empty")
    return(part)
  }
  formal <- match_arguments(names(takes), arguments)
  unknown <- unique(names(arguments)[is.na(formal)])
  if (anyNA(formal) || anyDuplicated(formal[formal != "..."])) {
    add_problem(reader, why_arguments_refused(name, unknown, takes))
    return(part)
  }
  first <- names(takes)[1]
  if (!first %in% formal) {
    add_problem(reader, "'", brief(part), "': ", name, "() needs its argument '", first, "'")
  }
  for (i in seq_along(arguments)) {
    kind <- takes[[formal[i]]]
    where <- paste0(name, "(): '", formal[i], "'")
    checked <- argument_kinds[[kind]](reader, arguments[[i]], where)
    if (!is.null(checked)) {
      part[[i + 1]] <- checked # to assign NULL would remove it
    }
  }
  check_together(reader, part, name, arguments, formal)
  as_predicted(part, name, formal)
}

# As R can predict from it. R 4.2 does not keep polym()'s coefficients; of scale(), it adds the
# center and scale of the fit by their names, to those that stand there without.
as_predicted <- function(part, name, formal) {
  if (name == "polym") {
    part[[1]] <- as.name("poly")
  } else if (name == "scale") {
    names(part) <- c("", sub("^x$", "", formal))
  }
  part
}

# The formal argument that R takes each argument for; NA where there is none. Names must be whole:
# R would complete the beginning of a name, we don't.
match_arguments <- function(formals, arguments) {
  given <- names(arguments)
  if (is.null(given)) {
    given <- character(length(arguments))
  }
  matched <- ifelse(given %in% setdiff(formals, "..."), given, NA)
  before_dots <- formals[cumsum(formals == "...") == 0]
  for (i in which(given == "")) {
    free <- setdiff(before_dots, matched)
    matched[i] <- if (length(free) > 0) {
      free[1]
    } else if ("..." %in% formals) {
      "..."
    } else {
      NA
    }
  }
  matched
}

# The name of the function that is called, without base::, stats:: or splines::; "" for what is
# no call, or calls something that has no name.
call_name <- function(part) {
  if (!is.call(part)) {
    return("")
  }
  called <- part[[1]]
  if (is_namespaced(called)) {
    called <- called[[3]]
  }
  if (is.name(called)) as.character(called) else ""
}

is_namespaced <- function(called) {
  is_call_of(called, "::") && length(called) == 3 && is.name(called[[2]]) && is.name(called[[3]])
}

is_known_function <- function(part) {
  name <- call_name(part)
  called <- part[[1]]
  is_ours <- name %in% c(names(formula_functions), constant_functions)
  if (!is_ours || is.name(called)) {
    return(is_ours)
  }
  package <- as.character(called[[2]])
  package %in% c("base", "stats", "splines") && name %in% getNamespaceExports(package)
}

is_missing <- function(part) identical(part, quote(expr = ))

# One constant as parse() reads it; in a stored model a vector of them, too.
is_plain <- function(part, is_stored) {
  (is.null(part) || is.numeric(part) || is.logical(part) || is.character(part)) &&
    !is.object(part) &&
    (length(part) <= 1 &&
      is.null(attributes(part)) ||
      is_stored && all(names(attributes(part)) %in% c("names", "dim", "dimnames")))
}

# R does not deparse all that it parses, such as `function`(x, x).
brief <- function(part) {
  text <- if (is.character(part)) part else tryCatch(deparse1(part), error = function(e) "this")
  shorten(text)
}
