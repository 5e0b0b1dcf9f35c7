columns <- c("mpg", "wt", "hp", "g", "day", "top speed", "T.Stage")

expect_same_formula <- function(read, written) expect_identical(deparse1(read), deparse1(written))

passes <- c(
  "mpg ~ wt",
  "mpg ~ .",
  "mpg ~ 1",
  "mpg ~ wt - 1",
  "mpg ~ 0 + wt * hp",
  "mpg ~ (wt + hp)^2 - wt:hp",
  "mpg ~ wt/hp + wt %in% hp",
  "mpg ~ . - wt + I(wt^2)",
  "mpg ~ -1 + wt",
  "log(mpg) ~ wt + poly(hp, 2)",
  "mpg + 1 ~ wt",
  "(mpg) ~ wt",
  "mpg ~ splines::ns(wt, 3) + stats::poly(hp, 2) + base::log(wt)",
  "mpg ~ ns(wt, df = 3, intercept = TRUE) + bs(hp, knots = c(2, 3), Boundary.knots = c(0, 9))",
  "mpg ~ `top speed` + I(`top speed`^2)",
  "mpg ~ offset(hp) + ifelse(wt > 3 & !(hp < 100) | hp == 2, wt, 0)",
  "mpg ~ cut(wt, seq(0, 10, 2), labels = NULL)",
  "mpg ~ cut(wt, c(-Inf, 3, 1e3), labels = c('a', 'b'), include.lowest = TRUE, dig.lab = 4)",
  "mpg ~ cut(wt, breaks = 1:4, labels = FALSE) + cut(hp, seq(0, by = 10, length.out = 5))",
  "mpg ~ poly(wt, 2, raw = TRUE) + poly(wt, hp, degree = 2)",
  "mpg ~ log(wt, base = 2) + log(hp, 10) + round(wt, 1) + signif(hp, 2) + trunc(wt)",
  "mpg ~ pmin(wt, 3) + pmax(hp, 2 * pi, na.rm = TRUE) + cbind(wt, hp^2)",
  "mpg ~ as.numeric(g) + as.integer(hp) + as.character(hp) + as.logical(wt) + unclass(g)",
  "mpg ~ factor(g, levels = c('b', 'a'), labels = 1:2, exclude = NULL) + ordered(hp, c(1, 2))",
  "mpg ~ relevel(g, ref = 'b') + interaction(g, hp, sep = '-', drop = TRUE)",
  "mpg ~ scale(wt) + scale(hp, center = FALSE, scale = 2)",
  "mpg ~ I(scale(wt, center = 2, scale = FALSE)) + (scale(hp)) + I(poly(wt, 2, raw = TRUE))",
  "mpg ~ I(bs(wt, knots = 3, Boundary.knots = c(0, 9))) + bs(wt, knots = 3)",
  "scale(mpg) ~ wt",
  "mpg ~ as.Date(day, format = '%d.%m.%Y') + as.numeric(day)",
  "mpg ~ as.Date(day, '%Y', tryFormats = c('%Y', '%y')) + as.Date(hp, origin = '1970-01-01')",
  "mpg ~ weekdays(day) + months(day, abbreviate = TRUE) + quarters(day) + format(day, '%Y')",
  "mpg ~ I(day > as.Date('2024-02-01')) + (g == 'a') + I(g %in% c('a', 'b')) + (wt > 1 | hp > 2)",
  "mpg ~ C(g, contr.sum) + C(g, 'contr.helmert') + C(g, sum) + C(g, contr = contr.SAS, 1)",
  "mpg ~ C(factor(g, levels = c('a', 'b')), contr.sum) + C(cut(wt, 1:4), sum)",
  "mpg ~ relevel(factor(g, levels = c('a', 'b')), 'b')",
  "mpg ~ C(g, base = 2) + C(g, c(-1, 0, 1)) + C(g, matrix(c(-1, 0, 1, 2, 3, 1), 3, 2))",
  "mpg ~ sin(2 * pi * wt / 12) + wt %% 2 + wt %/% 2 - hp",
  "mpg ~ wt + # a comment\n hp"
)
for (text in passes) {
  test_that(paste("it passes:", text), {
    formula <- read_formula(text, columns)
    expect_s3_class(formula, "formula")
    expect_identical(formula, as.formula(text, globalenv()))
    expect_identical(environment(formula), globalenv())
  })
}

notation <- "this is not R's formula notation; write it like 'time ~ distance'"
parts <- "a formula has a response, one '~' and its predictors, like 'time ~ distance'"
assigns <- "assigns; a formula is written with '~'"
row_number <- "must be one number a row"
refused <- list(
  list("", notation),
  list("mpg ~", notation),
  list("mpg ~ wt; hp", notation),
  list("mpg ~ wt\nhp", notation),
  list("mpg ~ wt)", notation),
  list("mpg", parts),
  list("~ wt", parts),
  list("mpg <- wt", parts),
  list("mpg = wt", parts),
  list("'mpg ~ wt'", parts),
  list("mpg ~ wt ~ hp", "there may be only one '~'"),
  list("mpg ~ I(mpg ~ hp)", "there may be only one '~'"),
  list("NULL ~ wt", "'NULL' is not allowed here"),
  list("1 ~ wt", "the response, left of '~', must be a column of the data"),
  list("c(1:3, 7, 6) ~ wt", "the response, left of '~', must be a column of the data"),
  list("cbind(mpg, hp) ~ wt", "makes several models; train one for each column"),
  list("poly(mpg, 2) ~ wt", row_number),
  list("factor(g) ~ wt", row_number),
  list("offset(mpg) ~ wt", row_number),
  list("'mpg' ~ wt", "'mpg' is text where a column or a number belongs"),
  list(". ~ wt", "'.' stands for all other columns, as a term by itself only"),
  list("mpg ~ log(.)", "'.' stands for all other columns, as a term by itself only"),
  list("mpg ~ 'wt'", "a column's name has no quotes"),
  list("mpg ~ wt / 2", "'2' is no term; to compute with numbers, write I(), such as I(x / 2)"),
  list("mpg ~ TRUE", "'TRUE' is no term"),
  list("mpg ~ NULL", "'NULL' is no term"),
  list("mpg ~ 1i", "'0+1i' is no term"),
  list("mpg ~ log(1i)", "'0+1i' is not allowed here"),
  list("mpg ~ pi", "the term 'pi' names no column of the data"),
  list("mpg ~ I(3)", "the term 'I(3)' names no column of the data"),
  list("mpg ~ `+`(wt, )", "'wt +': an argument is empty"),
  list("mpg ~ log(wt, )", "'log(wt, )': an argument is empty"),
  list("mpg ~ (1 | g)", "'|' is of mixed models, which lm() does not fit; add the group as a term"),
  list("mpg ~ wt | g", "'|' is of mixed models"),
  list("mpg ~ g %in% c('a', 'b')", "between terms, '%in%' nests; write I(g %in% c(\"a\", \"b\"))"),
  list("mpg ~ wt + wt %>% log", "'%>%' hands on a value; write log(x) for x %>% log()"),
  list("mpg ~ {wt}", "'{' is programming; choose by ifelse()"),
  list("mpg ~ if (wt > 3) wt", "if() is programming; choose by ifelse()"),
  list("mpg ~ wt[1]", "'[' takes a part of an object; name the column itself"),
  list("mpg ~ mtcars$wt", "'$' takes a part of an object; name the column itself"),
  list("mpg ~ (wt <- hp)", assigns),
  list("mpg ~ (1 -> wt)", assigns),
  list("mpg ~ I(wt + rnorm(50))", "rnorm() is random, so that two trainings would differ"),
  list("residuals(fit)^2 ~ wt", "residuals() is of another model; save its values as a column"),
  list("mpg ~ factor(cycle(wt))", "cycle() depends on the order of the rows (as in a time series)"),
  list("mpg ~ lag(wt)", "lag() depends on the order of the rows"),
  list("mpg ~ B(wt, g)", "B() depends on groups of rows; make the column in the data"),
  list(
    "mpg ~ I(wt - mean(wt))",
    "mean() is of all rows, and would differ for those of a prediction"
  ),
  list("mpg ~ s(wt) + lo(hp)", "s() is a package's function; use ns(), bs() or poly()"),
  list("Surv(mpg, hp) ~ wt", "Surv() is of another kind of model, which lm() does not fit"),
  list("mpg ~ I(wt > 2 && hp > 3)", "'&&' compares one value only; use & and |"),
  list("mpg ~ ln(wt)", "ln() is log() in R"),
  list("mpg ~ is.na(wt)", "rows with a missing value are left out before"),
  list("mpg ~ paste(g, hp)", "cross columns by interaction(a, b)"),
  list("mpg ~ reorder(g, wt)", 'list them in their order in model.toml: [factors] g = ["b", "a"'),
  list("mpg ~ year(day)", 'use as.Date(), as.numeric() or format(day, "%Y")'),
  list("mpg ~ Log(wt)", "is not one of the functions a formula may use (did you mean 'log'?)"),
  list("mpg ~ utils::head(wt)", "'utils::head' is of a package"),
  list("mpg ~ base::poly(wt, 2)", "'base::poly' is of a package, or none that a formula may use"),
  list("mpg ~ stats:::poly(wt, 2)", "'stats:::poly' is of a package"),
  list("mpg ~ base::'log'(wt)", "is of a package"),
  list("mpg ~ base::wt", "'::' is not one of the functions"),
  list("mpg ~ log()", "'log()': log() needs its argument 'x'"),
  list("mpg ~ ns()", "ns() needs its argument 'x'"),
  list("mpg ~ log(base = 2)", "log() needs its argument 'x'"),
  list("mpg ~ log(wt, 2, 3)", "log() has too many arguments, or one twice; it takes x, base"),
  list("mpg ~ log(x = wt, x = hp)", "log() has too many arguments, or one twice"),
  list("mpg ~ log(wt, bas = 2)", "log() has no argument 'bas'; it takes x, base"),
  list("mpg ~ I(a = wt)", "I() has no argument 'a'; it takes x"),
  list("mpg ~ `+`(a = wt, hp)", "the sides of an operator have no names"),
  list("mpg ~ I(`+`(wt, hp, wt))", "+() has too many arguments"),
  list("mpg ~ log('a')", "'a' is text where a column or a number belongs"),
  list("mpg ~ I(wt + c('a', 'b'))", "'c(\"a\", \"b\")' is text where a column or numbers belong"),
  list("mpg ~ I(wt + c(hp, 1))", "'c(hp, 1)': c() may hold constants only, at most 1000"),
  list(
    "mpg ~ I(wt:hp)",
    "within a term, ':' counts from number to number; cross columns as a term"
  ),
  list(
    "mpg ~ cut(wt, 4)",
    "'breaks' must be numbers, as the data's own breaks change with the rows"
  ),
  list("mpg ~ cut(wt, quantile(wt))", "such as c(0, 20, 40)"),
  list("mpg ~ poly(wt, hp, 2)", "poly(): of several columns, name the degree: degree = 2"),
  list(
    "mpg ~ polym(wt, hp, degree = 2, raw = TRUE)",
    "write the products, such as x + z + I(x * z)"
  ),
  list("mpg ~ poly(wt, 2, simple = TRUE)", "poly(): 'simple' is not allowed"),
  list("mpg ~ poly(wt, coefs = list(1))", "poly(): 'coefs' is not allowed"),
  list("mpg ~ poly(wt, 2.5)", "'degree' must be a whole number from 1 to 50, not '2.5'"),
  list("mpg ~ poly(wt, -1)", "'degree' must be a whole number from 1 to 50"),
  list("mpg ~ relevel(factor(g), 'a')", 'a factor by model.toml, [factors] g = ["a", "b"]'),
  list("mpg ~ C(as.factor(g), contr.sum)", 'such as factor(g, levels = c("a", "b"))'),
  list("mpg ~ format(day)", 'format() needs a format, such as format(day, "%Y")'),
  list("mpg ~ format(wt, width = 1e9)", "format() has no argument 'width'"),
  list("mpg ~ as.Date(day, format = day)", "'format' must be text in quotes, not 'day'"),
  list("mpg ~ as.Date(day, tz = '../../x')", "as.Date() has no argument 'tz'"),
  list("mpg ~ scale(wt, mean)", "scale(): 'center' must be TRUE, FALSE or a number"),
  list("mpg ~ factor(g, levels = g)", "factor(): 'levels' must be constants"),
  list("mpg ~ ns(wt, knots = hp)", "ns(): 'knots' must be numbers"),
  list("mpg ~ I(scale(wt) - hp)", "scale() within another function is computed anew from the rows"),
  list("mpg ~ I(scale(wt, FALSE))", "scale() within another function"),
  list("mpg ~ hp + log(poly(wt, 2))", "poly() within another function"),
  list("mpg ~ I(ns(wt, knots = 3))", "ns() within another function"),
  list("mpg ~ ns(df = 3, wt)", "ns(): its column must come first, such as ns(x, df = 4)"),
  list("mpg ~ round(wt, hp)", "round(): 'digits' must be a number"),
  list("mpg ~ months(day, abbreviate = wt)", "'abbreviate' must be TRUE or FALSE, not 'wt'")
)
for (case in refused) {
  test_that(paste("it is refused:", case[[1]]), {
    expect_refusal(read_formula(case[[1]], columns), case[[2]])
  })
}

# What would make R run something, if it were evaluated: a file shows whether it was.
S <- "file.create(victim)"
attacks <- c(
  paste("mpg ~ I(", S, ")"),
  paste("mpg ~ wt + base::", S),
  paste0("mpg ~ `file.create`(victim)"),
  paste("mpg ~ (function(z)", S, ")(1)"),
  paste("mpg ~ (\\(z)", S, ")(1)"),
  paste("mpg ~ ifelse(TRUE,", S, ", wt)"),
  paste(S, "~ wt"),
  "mpg ~ `function`(wt, wt)",
  "mpg ~ C(g, 'file.create')",
  "mpg ~ C(g, file.create)",
  "mpg ~ C(g, C)",
  "mpg ~ C(g, ('file.create'))",
  "mpg ~ C(g, c('file.create'))",
  "mpg ~ C(g, contr = matrix('file.create', 1))",
  "mpg ~ C(g, contr = quote(file.create('x')))",
  "mpg ~ C(contr = 'file.create', g)",
  "mpg ~ C(object = g, 'file.create')",
  "mpg ~ C(g, cont = 'file.create')",
  "mpg ~ C(g, how.many = file.create('x'))",
  "mpg ~ C(g, contr.sum, 1, 'file.create')",
  "mpg ~ C(g, contr.sum, contrasts = 'file.create')",
  "mpg ~ C(g, base = file.create('x'))",
  "mpg ~ stats::C(g, 'file.create')",
  "mpg ~ I(C(g, 'file.create'))",
  "mpg ~ match.fun('file.create')('x')",
  "mpg ~ do.call('file.create', list('x'))",
  "mpg ~ Reduce('file.create', wt)",
  "mpg ~ vapply(wt, 'file.create', TRUE)",
  "mpg ~ sapply(wt, file.create)",
  "mpg ~ Map('file.create', wt)",
  "mpg ~ Filter('file.create', wt)",
  "mpg ~ outer(wt, wt, 'file.create')",
  "mpg ~ get('file.create')('x')",
  "mpg ~ base::get('wt')",
  "mpg ~ assign('wt', 1)",
  "mpg ~ eval(wt)",
  "mpg ~ evalq(file.create('x'))",
  "mpg ~ eval(parse(text = 'file.create(1)'))",
  "mpg ~ quote(wt)",
  "mpg ~ bquote(.(file.create('x')))",
  "mpg ~ substitute(wt)",
  "mpg ~ ~ wt",
  "mpg ~ environment()",
  "mpg ~ globalenv()",
  "mpg ~ sys.call()",
  "mpg ~ q()",
  "mpg ~ attr(wt, 'class')",
  "mpg ~ `attr<-`(wt, 'class', 'x')",
  "mpg ~ `class<-`(wt, 'x')",
  "mpg ~ structure(wt, class = 'x')",
  "mpg ~ wt[[file.create('x')]]",
  "mpg ~ `[[`(wt, 1)",
  "mpg ~ wt@x",
  "mpg ~ `@`(wt, x)",
  "mpg ~ `$`(wt, x)",
  "mpg ~ for (i in wt) i",
  "mpg ~ while (TRUE) wt",
  "mpg ~ repeat wt",
  "mpg ~ `if`(wt, wt)",
  "mpg ~ `{`(wt)",
  "mpg ~ `<-`(wt, 1)",
  "mpg ~ (wt <<- 1)",
  "mpg ~ (wt = 1)",
  "mpg ~ wt := 1",
  "mpg ~ ?wt",
  "mpg ~ as.formula('mpg ~ wt')",
  "mpg ~ model.frame(wt, data = hp)",
  "mpg ~ lm(wt, data = hp)",
  "mpg ~ offset(wt, data = hp)",
  "mpg ~ .Internal(wt)",
  "mpg ~ .Call('x')",
  "mpg ~ .Primitive('log')(wt)",
  "mpg ~ delayedAssign('wt', 1)",
  "mpg ~ makeActiveBinding('wt', 1)",
  "mpg ~ source('x')",
  "mpg ~ library(x)",
  "mpg ~ Sys.getenv('HOME')",
  "mpg ~ readLines('x')",
  "mpg ~ url('x')",
  "mpg ~ unlink('x')",
  "mpg ~ I(wt)(hp)",
  "mpg ~ log(wt)(hp)",
  "mpg ~ wt(hp)",
  "mpg ~ T(wt)",
  "mpg ~ pi(wt)",
  "mpg ~ prepare_predict(wt)",
  "mpg ~ ...",
  "mpg ~ ..1",
  "mpg ~ log(...)",
  "mpg ~ \u0455in(wt)",
  "mpg ~ l\u043eg(wt)",
  "mpg ~ log(\u0445)",
  "mpg ~ log\u200b(wt)",
  "mpg ~ wt\u00a0+ hp",
  "mpg ~ I(wt + \"",
  "mpg ~ poly(wt, 2, raw = file.create('x'))",
  "mpg ~ scale(wt, file.create('x'))",
  "mpg ~ scale(wt, 'mean')",
  "mpg ~ cut(wt, c(0, file.create('x')))",
  "mpg ~ cut(wt, 'file.create')",
  "mpg ~ cut(wt, c(0, 1), labels = file.create('x'))",
  "mpg ~ factor(wt, levels = unique(wt))",
  "mpg ~ interaction(wt, hp, sep = wt)",
  "mpg ~ interaction(wt, drop = eval(wt))",
  "mpg ~ cbind(wt, deparse.level = 2)",
  "mpg ~ seq(1, 10, along.with = wt)",
  "mpg ~ months(day, file.create('x'))"
)
for (text in attacks) {
  test_that(paste("it is refused, and not run:", text), {
    victim <- tempfile()
    text <- gsub("victim", paste0("'", victim, "'"), text, fixed = TRUE)
    expect_error(read_formula(text, columns), class = "refusal")
    expect_error(read_expression(sub("^mpg ~", "wt +", text), columns), class = "refusal")
    expect_false(file.exists(victim))
    expect_false(any(file.exists(c("x", "1", "a", "b"))))
  })
}

# What would take R minutes or gigabytes.
repeated <- function(text, times, last = "wt", end = "") {
  paste0("mpg ~ ", strrep(text, times), last, strrep(end, times))
}
bombs <- list(
  list(
    "mpg ~ .^20",
    "the power of '^' between terms must be a whole number from 1 to 10, not '20'"
  ),
  list("mpg ~ (wt + hp)^1000000000", "a whole number from 1 to 10"),
  list("mpg ~ (wt + hp)^(10^9)", "a whole number from 1 to 10"),
  list("mpg ~ (wt + hp)^-1", "a whole number from 1 to 10"),
  list("mpg ~ (wt + hp)^1.5", "a whole number from 1 to 10"),
  list("mpg ~ wt^hp", "a whole number from 1 to 10, not 'hp'"),
  list("mpg ~ poly(wt, 1e8)", "'degree' must be a whole number from 1 to 50, not '1e+08'"),
  list("mpg ~ poly(wt, 1e999)", "a whole number from 1 to 50, not 'Inf'"),
  list("mpg ~ poly(wt, 0xFFFFFF)", "a whole number from 1 to 50, not '16777215'"),
  list("mpg ~ poly(wt, hp, g, degree = 50)", "it has more than 5000 columns"),
  list("mpg ~ ns(wt, df = 1e8)", "'df' must be a whole number from 1 to 1000, not '1e+08'"),
  list("mpg ~ bs(wt, degree = 1e4)", "'degree' must be a whole number from 1 to 50, not '10000'"),
  list("mpg ~ offset(seq(1, 1e12))", "seq() may hold constants only, at most 1000"),
  list("mpg ~ I(wt + seq(1, 10, by = 1e-9))", "at most 1000"),
  list("mpg ~ I(wt + seq(1, 10, len = 1e9))", "at most 1000"),
  list("mpg ~ I(pmin(wt, 1:1e9))", "'1:1e+09': within a term"),
  list("mpg ~ I(wt + matrix(1, 1e5, 1e5))", "at most 1000"),
  list("mpg ~ I(wt + c(1:1000, 1:1000))", "at most 1000"),
  list("mpg ~ rep(wt, 1e9)", "'rep' is not one of the functions"),
  list(repeated("(", 400, end = ")"), notation),
  list(repeated("-", 10000), notation),
  list(repeated("I(", 45, end = ")"), NA),
  list(repeated("wt + ", 100000), "it is longer than 200000 characters"),
  list(repeated("wt+", 11000), "it has more than 10000 operators and functions"),
  list(repeated("wt*", 20), "it has more than 2000 terms; name the terms that you need"),
  list(repeated("wt+", 2100), "it has more than 2000 terms"),
  list(repeated("a", 250000), "it is longer than 200000 characters"),
  list(paste0("mpg ~ I(g == '", strrep("a", 2000), "')"), "text is longer than 1000 characters")
)
for (case in bombs) {
  test_that(paste("it is bounded:", substr(case[[1]], 1, 60)), {
    seconds <- system.time({
      if (is.na(case[[2]])) {
        expect_s3_class(read_formula(case[[1]], columns), "formula")
      } else {
        expect_refusal(read_formula(case[[1]], columns), case[[2]])
      }
    })[["elapsed"]]
    expect_lt(seconds, 10)
  })
}

test_that("a formula that R nests deeper than we do is refused", {
  # R's parser stops by itself at about our limit, but not in every version
  part <- quote(wt)
  for (i in 1:60) {
    part <- call("log", part)
  }
  expect_refusal(check_call(part, columns), "it is nested deeper than 50 calls")
})

test_that("a model of 1,000 columns may name or mean them all", {
  many <- paste0("column", 1:1000)
  by_name <- read_formula(paste("y ~", paste(many, collapse = " + ")), c("y", many))
  expect_length(used_columns(by_name, c("y", many)), 1001)
  expect_same_formula(read_formula("y ~ .", c("y", many)), y ~ .)
  expect_s3_class(
    read_formula(paste("y ~ I(", paste(many, collapse = "+"), ")"), c("y", many)),
    "formula"
  )
  expect_refusal(read_formula("y ~ .^2", c("y", many)), "it has more than 2000 terms")
  expect_s3_class(read_formula("y ~ .^2", c("y", many[1:60])), "formula")
})

test_that("all that is wrong is told at once", {
  expect_refusal(
    read_formula("mpg ~ wtt + nope + rnorm(3) + wt[1] + poly(hp, 99) + foo(hp)", columns),
    paste0(
      "formula 'mpg ~ wtt + nope + rnorm(3) + wt[1] + poly(hp, 99) + foo(hp)': ",
      "the data have no columns 'wtt' (did you mean 'wt'?), 'nope'; ",
      "their columns are mpg, wt, hp, g, day, top speed, T.Stage; ",
      "rnorm() is random, so that two trainings would differ; make the column in the data; ",
      "'[' takes a part of an object; name the column itself; ",
      "poly(): 'degree' must be a whole number from 1 to 50, not '99'; ",
      "'foo' is not one of the functions a formula may use; make the column in the data; ",
      "a formula may use c, seq, "
    )
  )
})

test_that("a message stays one line of a moderate length", {
  many <- paste0("column", 1:1000)
  message <- tryCatch(read_formula("y ~\n nope", many), refusal = conditionMessage)
  expect_match(message, "column30 and 970 more", fixed = TRUE)
  expect_no_match(message, "\n")
  long <- strrep("a", 90000)
  message <- tryCatch(read_formula(paste0("y ~ b", long), long), refusal = conditionMessage)
  expect_lt(nchar(message), 1000)
})

test_that("a column may be given as read.csv() names it, and back", {
  formula <- read_formula("mpg ~ top.speed + log(`T Stage`)", columns)
  expect_same_formula(formula, mpg ~ `top speed` + log(T.Stage))
  expect_refusal(read_formula("y ~ a.b", c("y", "a b", "a-b")), "no column 'a.b'")
})

test_that("T, F and pi are what they are in R, unless they are columns", {
  expect_same_formula(
    read_formula("mpg ~ poly(wt, 2, raw = T) + sin(pi * wt)", columns),
    mpg ~ poly(wt, 2, raw = TRUE) + sin(pi * wt)
  )
  formula <- read_formula("mpg ~ T + F + pi", c(columns, "T", "F", "pi"))
  expect_same_formula(formula, mpg ~ T + F + pi)
  expect_identical(used_columns(formula, c(columns, "T", "F", "pi")), c("mpg", "T", "F", "pi"))
  expect_identical(used_columns(mpg ~ sin(pi * wt) + C(g, contr.sum), columns), c("mpg", "wt", "g"))
})

test_that("polym() becomes poly(), whose predictions R gets right", {
  expect_same_formula(
    read_formula("mpg ~ polym(wt, hp, degree = 2)", columns),
    mpg ~ poly(wt, hp, degree = 2)
  )
  model <- lm(read_formula("mpg ~ polym(wt, hp, degree = 2)", names(mtcars)), mtcars)
  expect_equal(predict(model, mtcars[1:3, ]), fitted(model)[1:3])
})

test_that("scale() has its center and scale by their names, else R can't predict", {
  expect_same_formula(
    read_formula("mpg ~ scale(wt, 2, 3) + scale(hp)", columns),
    mpg ~ scale(wt, center = 2, scale = 3) + scale(hp)
  )
  model <- lm(read_formula("mpg ~ scale(wt, 2, 3)", names(mtcars)), mtcars)
  expect_equal(predict(model, mtcars[1:3, ]), fitted(model)[1:3])
})

test_that("the columns used by '.' are all but the response's", {
  expect_identical(used_columns(log(mpg) ~ ., columns), setdiff(columns, character()))
  expect_identical(used_columns(quote(1 / wt^2), columns), "wt")
})

test_that("a column named like a function changes nothing that is called", {
  data <- data.frame(
    y = c(1, 3, 2, 5),
    log = 1:4,
    C = factor(c("a", "b", "a", "b")),
    I = 4:1,
    poly = 2:5
  )
  formula <- read_formula("y ~ log(log) + I(I * 2) + C(C, contr.sum) + poly", names(data))
  model <- lm(formula, data)
  expect_equal(unname(model.matrix(model)[, "log(log)"]), log(1:4))
})

test_that("a column named like contrasts is not called: R would take its text for a function", {
  data <- c("y", "g", "contr.sum")
  expect_refusal(read_formula("y ~ C(g, contr.sum)", data), "C(): 'contr' must be one of")
  expect_s3_class(read_formula("y ~ C(g, 'contr.sum')", data), "formula")
  expect_refusal(check_call(quote(C(g, contr.sum)), data), "C(): 'contr' must be one of")
})

test_that("expressions for weights and rows pass", {
  expect_identical(read_expression("1/wt^2", columns), quote(1 / wt^2))
  expect_identical(read_expression("wt", columns), quote(wt))
  expect_identical(read_expression("top.speed > 3", columns), quote(`top speed` > 3))
  expect_identical(read_expression("g == 'a' & !(wt >= 30 & hp <= 60)", columns)[[1]], quote(`&`))
  expect_identical(read_expression("'a' != g", columns), quote("a" != g))
})

not_of_columns <- list(
  list("-18", "weights '-18': it names no column of the data (numbers of rows mean others"),
  list("-c(7, 18)", "it names no column of the data"),
  list("1", "it names no column of the data"),
  list("train", "the data have no column 'train'"),
  list("row.names(g) != 'a'", "row.names() depends on the order of the rows"),
  list("wt < max(wt)", "max() is of all rows"),
  list("1/exp(fitted(fit))", "fitted() is of another model"),
  list("wt ~ hp", "there may be only one '~'"),
  list("wt; hp", "this is not R's notation; write it like '1 / distance' or 'distance > 3'"),
  list(".", "'.' stands for all other columns"),
  list("system('ls')", "'system' is not one of the functions")
)
for (case in not_of_columns) {
  test_that(paste("an expression is refused:", case[[1]]), {
    expect_refusal(read_expression(case[[1]], columns, "weights"), case[[2]])
  })
}

test_that("the arguments that we know are R's, in R's order", {
  of_method <- c(
    cut = "cut.default",
    scale = "scale.default",
    seq = "seq.default",
    as.Date = "as.Date.character",
    format = "format.POSIXlt",
    weekdays = "weekdays.Date",
    months = "months.Date",
    relevel = "relevel.factor"
  )
  for (name in setdiff(names(formula_functions), c("(", comparisons))) {
    method <- if (name %in% names(of_method)) of_method[[name]] else name
    f <- get0(method, mode = "function")
    if (is.null(f)) {
      f <- getAnywhere(method)$objs[[1]]
    }
    theirs <- names(formals(args(f)))
    ours <- names(formula_functions[[name]])
    before_dots <- ours[cumsum(ours == "...") == 0]
    known <- intersect(before_dots, theirs)
    if (name %in% c("as.numeric", "as.integer", "as.character", "as.logical", "ordered", "poly")) {
      known <- "x"
    } else if (name == "C") {
      expect_identical(names(formals(contr.treatment))[2], "base")
    } else if (name == "as.Date") {
      known <- c("x", "format", "tryFormats")
    }
    expect_identical(known, theirs[seq_along(known)], info = name)
  }
})

# As train() stores it.
stored <- function(model, data) {
  used <- intersect(names(data), all.vars(delete.response(model$terms)))
  environment(model$terms) <- globalenv()
  model$call$formula <- formula(model$terms)
  model$call$data <- quote(data)
  c(model[c("terms", "call", "contrasts")], list(predictors = data[used]))
}

# A formula for each function, and data of every kind.
dated <- data.frame(
  y = c(5.1, 4.8, 6.9, 7.7, 9.1, 8.6, 10.9, 12.2, 11.1, 13.4, 15.2, 14.1),
  x = c(1.2, 2.6, 3.1, 4.9, 5.2, 6.8, 7.7, 8.3, 9.4, 10.5, 11.6, 12.9),
  z = c(3, 1, 4, 1.5, 5, 9, 2, 6, 5.5, 3.5, 8, 9.5),
  g = rep(c("a", "b", "c"), 4),
  day = as.Date("2024-01-07") + 31 * 0:11
)
dated$f <- factor(dated$g, levels = c("c", "a", "b"))
of_data <- c(
  "y ~ exp(x / 10) + expm1(z / 10)",
  "y ~ sqrt(x) + abs(z - 4)",
  "y ~ log2(x) + log10(z)",
  "y ~ log1p(x) + log(z, base = 3)",
  "y ~ sin(x) + cos(x) + tan(z / 10)",
  "y ~ asin(x / 20) + acos(z / 20) + atan(x)",
  "y ~ sign(x - 5) + floor(z) + ceiling(x)",
  "y ~ round(x) + trunc(z) + signif(x, 1)",
  "y ~ pmin(x, 5) + pmax(z, x)",
  "y ~ ifelse(g == 'a', x, 0) + x %% 2 + z %/% 2",
  "y ~ cbind(x, x^2, z)",
  "y ~ poly(x, 2) + poly(z, 2, raw = TRUE)",
  "y ~ poly(x, z, degree = 2)",
  "y ~ ns(x, 3) + ns(z, knots = c(3, 5))",
  "y ~ bs(x, degree = 2) + scale(z)",
  "y ~ scale(x, center = FALSE) + scale(z, center = 2, scale = 3)",
  "y ~ factor(g, levels = c('b', 'a', 'c'))",
  "y ~ as.factor(g) + ordered(x > 5)",
  "y ~ ordered(g, levels = c('c', 'b', 'a'))",
  "y ~ relevel(f, ref = 'b')",
  "y ~ interaction(g, x > 6)",
  "y ~ C(f, contr.sum)",
  "y ~ C(f, 'contr.helmert')",
  "y ~ C(f, sum)",
  "y ~ C(f, base = 2) + x",
  "y ~ C(f, contr = contr.poly, how.many = 1)",
  "y ~ C(f, c(-1, 0, 1))",
  "y ~ C(f, matrix(c(-1, 0, 1, 1, -2, 1), 3))",
  "y ~ cut(x, c(0, 4, 8, 20)) + cut(z, c(-Inf, 4, Inf), labels = c('low', 'high'))",
  "y ~ as.numeric(f) + as.integer(x) + as.numeric(day)",
  "y ~ as.character(x > 4) + as.logical(z > 3)",
  "y ~ unclass(f) + unclass(x)",
  "y ~ day + offset(x / 100)",
  "y ~ quarters(day) + I(day > as.Date('2024-03-01'))",
  "y ~ I(weekdays(day) == 'Sunday') + I(quarters(day, TRUE) %in% 'Q1')",
  "y ~ (format(day, '%m') > '06') + x",
  "y ~ as.Date(as.character(day), format = '%Y-%m-%d')",
  "y ~ I(g %in% c('a', 'b')) + !(x > 3) + (x > 6 | z > 4)",
  "y ~ x * z + g / x - 1",
  "y ~ 1",
  "sqrt(y) ~ ."
)
for (text in of_data) {
  test_that(paste("R fits it, and its model's calls pass when it is loaded:", text), {
    formula <- read_formula(text, names(dated))
    model <- suppressWarnings(lm(formula, dated))
    expected <- suppressWarnings(lm(as.formula(text, globalenv()), dated))
    expect_identical(coef(model), coef(expected))
    expect_equal(
      suppressWarnings(predict(model, dated[1:2, ])),
      fitted(model)[1:2],
      check.attributes = FALSE
    )
    expect_true(check_model_calls(stored(model, dated)))
  })
}

test_that("a model with weights, contrasts and rows left out passes", {
  model <- lm(
    y ~ f + poly(x, 2),
    dated,
    weights = 1 / z^2,
    subset = x > 2,
    contrasts = list(f = "contr.sum"),
    na.action = na.omit
  )
  expect_true(check_model_calls(stored(model, dated)))
})

evil <- quote(file.create("x"))
changes <- list(
  "a call in predvars" = function(m) attr(m$terms, "predvars")[[3]] <- evil,
  "a call deep in predvars" = function(m) attr(m$terms, "predvars")[[3]]$x <- evil,
  "a call in the coefficients of poly()" = function(m) {
    attr(m$terms, "predvars")[[3]]$coefs <- list(alpha = 1, norm2 = evil)
  },
  "a function in predvars" = function(m) attr(m$terms, "predvars")[[3]][[1]] <- function(...) 1,
  "predvars that are another call" = function(m) attr(m$terms, "predvars")[[1]] <- quote(eval),
  "predvars that are no call" = function(m) attr(m$terms, "predvars") <- NULL,
  "a call in variables" = function(m) attr(m$terms, "variables")[[3]] <- evil,
  "a call in the formula" = function(m) m$terms[[3]] <- evil,
  "a call in the response" = function(m) m$terms[[2]] <- evil,
  "a function of the session as a column" = function(m) m$terms[[3]] <- quote(quit),
  "terms that are no formula" = function(m) m$terms <- quote(x + z),
  "terms of another environment" = function(m) attr(m$terms, ".Environment") <- new.env(),
  "terms without environment" = function(m) attr(m$terms, ".Environment") <- NULL,
  "an offset in the call" = function(m) m$call$offset <- evil,
  "weights that call" = function(m) m$call$weights <- evil,
  "a subset that calls" = function(m) m$call$subset <- evil,
  "data that call" = function(m) m$call$data <- evil,
  "an na.action that is another function" = function(m) m$call$na.action <- quote(quit),
  "an na.action that calls" = function(m) m$call$na.action <- evil,
  "a call of another function" = function(m) m$call[[1]] <- quote(eval),
  "a call without formula" = function(m) m$call$formula <- NULL,
  "a call's formula that calls" = function(m) m$call$formula[[3]] <- evil,
  "no call" = function(m) m$call <- NULL,
  "contrasts by the name of another function" = function(m) m$contrasts <- list(f = "file.create"),
  "contrasts that are a function" = function(m) m$contrasts <- list(f = file.create),
  "contrasts that call" = function(m) m$contrasts <- list(f = evil),
  "contrasts that are no list" = function(m) m$contrasts <- "file.create",
  "contrasts in the call" = function(m) m$call$contrasts <- list(f = "file.create"),
  "contrasts in the call that call" = function(m) m$call$contrasts <- quote(list(f = file.create)),
  "C() by the name of another function" = function(m) {
    attr(m$terms, "predvars")[[3]] <- quote(C(f, "file.create"))
  },
  "a number with a class" = function(m) {
    attr(m$terms, "predvars")[[3]]$coefs <- list(alpha = structure(1, class = "evil"))
  },
  "a list with a class" = function(m) {
    attr(m$terms, "predvars")[[3]]$coefs <- structure(list(alpha = 1), class = "evil")
  },
  "a call with a class" = function(m) {
    attr(m$terms, "predvars")[[3]] <- structure(quote(log(x)), class = "evil")
  }
)
for (name in names(changes)) {
  test_that(paste("a stored model is refused that has", name), {
    m <- stored(lm(y ~ poly(x, 2) + f, dated), dated)
    change <- changes[[name]]
    body(change) <- call("{", body(change), quote(m))
    expect_refusal(check_model_calls(change(m)), "stored model: ")
    expect_false(any(file.exists(c("x", levels(dated$f)))))
  })
}

test_that("what R keeps of a fit passes as a call of a stored model only", {
  kept <- quote(poly(x, 2, coefs = C))
  kept$coefs <- list(alpha = c(1, 2), norm2 = c(1, 2, 3))
  expect_true(check_call(kept, "x"))
  kept <- quote(ns(x, knots = K, intercept = T))
  kept$knots <- c("50%" = 3)
  expect_true(check_call(kept, "x"))
  expect_true(check_call(quote(sin(pi * x)), "x"))
})

test_that("the number of columns is estimated from the data's levels", {
  data <- data.frame(y = 1:60, a = rep(letters[1:10], 6), x = rep(1:20, 3), z = 60:1)
  data$b <- factor(rep(c("p", "q", "r"), 20))
  size <- function(formula) check_formula_size(formula, names(data), data)
  expect_equal(size(y ~ x + z), 2)
  expect_equal(size(y ~ .), 9 + 2 + 2)
  expect_equal(size(y ~ . - x), 9 + 2 + 2) # at most
  expect_equal(size(y ~ a * b), 9 + 2 + 18)
  expect_equal(size(y ~ a:b + a %in% x), 18 + 9)
  expect_equal(size(y ~ a / b), 9 + 18)
  expect_equal(size(y ~ (b + x)^2), 3 + 1.5^2)
  expect_equal(size(y ~ 1), 0)
  expect_equal(size(y ~ offset(x) + 0 + -z), 0)
  expect_equal(size(y ~ poly(x, 3) + poly(x, z, degree = 3)), 3 + 9)
  expect_equal(size(y ~ ns(x, 4) + bs(z, knots = c(1, 2))), 4 + 6)
  expect_equal(size(y ~ cut(x, c(0, 1, 2, 3)) + cbind(x, z, 1)), 2 + 3)
  expect_equal(size(y ~ interaction(a, b) + factor(a, 1:20)), 30 + 19)
  expect_equal(size(y ~ factor(x) + as.factor(x) + C(b, contr.sum) + as.character(x)), 19 * 3 + 2)
  expect_equal(size(y ~ months(x) + weekdays(x) + log(x + 1)), 11 + 6 + 1)
  many <- as.data.frame(lapply(1:3, function(i) paste(1:100)))
  names(many) <- c("y", "a", "b")
  expect_refusal(check_formula_size(y ~ a * b, names(many), many), "it has more than 5000 columns")
  expect_refusal(
    check_formula_size(y ~ interaction(a, b), names(many), many, "formula 'f'"),
    "formula 'f': it has more than 5000 columns; name the terms that you need"
  )
})

test_that("interaction() crosses what has few values only", {
  data <- data.frame(y = 1:12, x = 1:12 / 3, n = rep(1:3, 4), g = rep(c("a", "b"), 6))
  data$f <- factor(data$g)
  data$l <- data$n > 1
  data$day <- as.Date("2024-01-01") + 1:12
  for (few in list(
    y ~ interaction(g, f, l, n, sep = ":"),
    y ~ interaction(n, n) + x,
    y ~ stats::offset(x) + base::interaction(factor(n), as.factor(n)),
    y ~ interaction(x > 1, cut(x, c(0, 2, 4)), weekdays(day), !(x <= 2)),
    y ~ interaction(factor(x, c(1, 2)), ordered(x, levels = 1:2)),
    y ~ interaction(ifelse(x > 2, "a", "b"), ifelse(no = g, yes = f, test = x > 1)),
    y ~ x + log(n)
  )) {
    expect_no_error(check_crossed(few, data))
  }
  many <- "interaction() would cross any number of values of "
  for (formula in list(
    y ~ interaction(g, n) + n,
    y ~ interaction((n), n),
    y ~ interaction(g, day),
    y ~ interaction(g, round(x)),
    y ~ interaction(g, ifelse(x > 2, x, 0)),
    y ~ interaction(factor(I(n / 2)), g)
  )) {
    expect_refusal(check_crossed(formula, data), many)
  }
  expect_refusal(
    train_quietly(data, "y ~ interaction(I(n + 0), abs(x))"),
    paste0(
      "formula 'y ~ interaction(I(n + 0), abs(x))': ",
      many,
      "I(n + 0), abs(x); give the levels, such as factor(x, levels = c(4, 6, 8)), or classes by cut()"
    )
  )
})
