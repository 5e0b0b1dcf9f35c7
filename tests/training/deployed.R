# Fit models of every kind that lm() takes, deploy each, and write down what predict() says of it.
# Rscript tests/training/deployed.R FOLDER; each model is deployed twice, as NAME and as NAME-text. All that R tells
# of them is in FOLDER.rds, for asked.R.

source("contrib/lm.R")
source("tests/training/answers.R")
library(splines)
folder <- commandArgs(TRUE)[1]
answers <- list()
in_r <- list()

deploy <- function(name, fit, data, title = name, hand_over = TRUE) {
  suppressMessages(deploy_lm(fit, name, folder, title, data = hand_over))
  suppressMessages(deploy_lm(fit, paste0(name, "-text"), folder, title, data = FALSE))
  used <- data[row.names(data) %in% row.names(model.frame(fit)), , drop = FALSE]
  names <- intersect(all.vars(delete.response(terms(fit))), names(used))
  names <- union(names, intersect(all.vars(fit$call$offset), names(used)))
  rows <- used[unique(c(1, nrow(used), seq(1, nrow(used), length.out = 7))), names, drop = FALSE]
  in_r[[name]] <<- list(rows = rows, answers = answers_of(fit, rows))
  ask <- function(interval) suppressWarnings(predict(fit, rows, interval = interval, level = 0.9))
  texts <- lapply(rows, function(x) {
    if (inherits(x, "POSIXct")) {
      format(x, "%Y-%m-%dT%H:%M:%OS3Z", tz = "UTC")
    } else if (inherits(x, "Date") || is.factor(x) || is.character(x)) {
      as.character(x)
    } else {
      as.vector(unclass(x))
    }
  })
  terms <- suppressWarnings(predict(fit, rows, type = "terms"))
  answers[[name]] <<- list(
    se = I(as.vector(suppressWarnings(predict(fit, rows, se.fit = TRUE))$se.fit)),
    terms = I(as.vector(terms)),
    constant = attr(terms, "constant"),
    rows = lapply(texts, I),
    none = I(as.vector(suppressWarnings(predict(fit, rows)))),
    confidence = I(as.vector(ask("confidence"))),
    prediction = I(as.vector(ask("prediction")))
  )
}

# One column of each type, and some that lack values.
set.seed(1)
n <- 60
things <- data.frame(
  y = round(rnorm(n, 20, 3), 2),
  x = runif(n, 1, 9),
  z = rpois(n, 4) + 1L,
  g = factor(rep(c("low", "middle", "high"), n / 3), c("low", "middle", "high")),
  size = factor(rep(c("S", "M", "L", "XL"), n / 4), c("S", "M", "L", "XL"), ordered = TRUE),
  word = rep(c("Zebra", "apple", "01", "T", "é, \"quoted\""), n / 5),
  flag = rep(c(TRUE, FALSE, FALSE, TRUE), n / 4),
  day = as.Date("2023-12-01") + 3 * seq_len(n),
  time = as.POSIXct("2024-02-29 12:00:00", tz = "UTC") + 7777.25 * seq_len(n),
  "top speed" = rexp(n) * 1e-7,
  check.names = FALSE
)
holes <- things
holes$x[c(3, 20)] <- NA
holes$g[7] <- NA

# Plain, and of R's data sets
deploy("cars", lm(dist ~ speed, cars), cars)
deploy("dot", lm(mpg ~ ., mtcars), mtcars)
deploy("none", lm(dist ~ 1, cars), cars)
deploy("no-intercept", lm(dist ~ speed - 1, cars), cars)
deploy("women", lm(weight ~ height + I(height^2), women), women)
deploy("iris", lm(Sepal.Length ~ Petal.Width * Species, iris), iris)
deploy("plant", lm(weight ~ group, PlantGrowth), PlantGrowth)
deploy("trees", lm(log(Volume) ~ log(Girth) + log(Height), trees), trees)
deploy("warp", lm(breaks ~ wool * tension, warpbreaks), warpbreaks)
deploy("tooth", aov(len ~ supp + factor(dose), ToothGrowth), ToothGrowth)
deploy("swiss", lm(Fertility ~ (Agriculture + Education + Catholic)^2, swiss), swiss)
deploy("long", lm(Employed ~ ., longley), longley)
deploy("boston", lm(medv ~ log(lstat) + rm + factor(rad), MASS::Boston), MASS::Boston)
deploy("whiteside", lm(Gas ~ Insul / Temp - 1, MASS::whiteside), MASS::whiteside)
deploy("hills", lm(time ~ dist + climb, MASS::hills, weights = 1 / dist^2), MASS::hills)

# Weights, offsets, rows
deploy("weights", lm(y ~ x, things, weights = z), things)
deploy("weights-0", lm(y ~ x + g, things, weights = as.numeric(x > 2)), things)
deploy("offset", lm(y ~ x + offset(2 * z), things), things)
deploy("offset-argument", lm(y ~ x, things, offset = log(z)), things)
deploy("offsets", lm(y ~ x + offset(z / 3), things, offset = z), things)
deploy("subset", lm(y ~ x * g, things, subset = z > 3 & flag), things)
deploy("subset-poly", lm(y ~ poly(x, 2) + ns(z, 2), things, subset = z > 2), things)
deploy("omit", lm(y ~ x + g, holes), holes)
deploy("exclude", lm(y ~ x + g, holes, na.action = na.exclude), holes)
deploy("omit-ns", lm(y ~ ns(x, 3) + g, holes, weights = z), holes)

# Factors and contrasts
deploy("contrasts", lm(y ~ g, things, contrasts = list(g = "contr.sum")), things)
deploy("helmert", lm(y ~ g * x, things, contrasts = list(g = contr.helmert(3))), things)
deploy("own", lm(y ~ g, things, contrasts = list(g = cbind(c(-1, 0, 1) / 3))), things)
own <- things
contrasts(own$g) <- cbind(a = c(1, -1, 0), b = c(1, 1, -2))
deploy("attribute", lm(y ~ g + x, own), own)
deploy("sdif", lm(y ~ g, things, contrasts = list(g = MASS::contr.sdif(3))), things)
usual <- options(contrasts = c("contr.sum", "contr.helmert"))
deploy("options", lm(y ~ g + size + flag, things), things)
options(usual)
deploy("ordered", lm(y ~ size + x, things), things)
deploy("text", lm(y ~ word + x, things), things)
deploy("text-factor", lm(y ~ factor(word), things), things)
deploy("logical", lm(y ~ flag * x, things), things)
deploy("cut", lm(y ~ cut(x, c(0, 3, 6, 9)), things), things)
deploy("interaction", lm(y ~ interaction(g, flag), things), things)
unused <- subset(things, g != "high")
deploy("unused-level", lm(y ~ g + x, unused), unused)

# Dates and times
deploy("day", lm(y ~ day, things), things)
deploy("weekday", lm(y ~ weekdays(day) + as.numeric(day), things), things)
deploy("time", lm(y ~ time + x, things), things)

zoned <- transform(things, time = as.POSIXct(format(time), tz = "America/New_York"))
deploy("zone", lm(y ~ time, zoned), zoned)

# Names and levels that are hard to write
odd <- data.frame(
  things[c("y", "x")],
  rep(c("NA", "TRUE", " blank", "a,b;\t\"c\""), n / 4),
  1 / seq_len(n)
)
names(odd)[3:4] <- c("#country, \"code\"", "größe\\(m)")
deploy("odd", lm(y ~ `#country, "code"` * x + `größe\\(m)`, odd), odd)

# Bases
deploy("poly", lm(y ~ poly(x, 3), things), things)
deploy("poly-raw", lm(y ~ poly(x, 2, raw = TRUE):g, things), things)
deploy("poly-2", lm(y ~ poly(x, z, degree = 2), things), things)
deploy("ns", lm(y ~ ns(x, df = 4) * g, things), things)
deploy("bs", lm(y ~ bs(x, knots = c(3, 6)) + z, things), things)
deploy("bs-namespace", lm(y ~ splines::bs(x, df = 5, degree = 2), things), things)
deploy("scale", lm(y ~ scale(x) + scale(z, scale = FALSE), things), things)
deploy("log-response", lm(log(y) ~ sqrt(x) + I(z^2), things), things)
deploy("condition", lm(y ~ I(x > 4) + pmin(x, 5), things), things)
deploy("blanks", lm(y ~ `top speed` + x, things), things)

# Aliased
aliased <- transform(things, twice = 2 * x)
deploy("aliased", lm(y ~ x + twice + z, aliased), aliased)
deploy("aliased-cell", lm(y ~ g * flag + x, things), things)

# From the workspace, a function, a file
y <- things$y
x <- things$x
k <- 3
deploy("workspace", lm(y ~ x), data.frame(y, x))
deploy("workspace-subset", lm(y ~ log(x), subset = x > 2), data.frame(y, x))
deploy("constant", lm(y ~ ns(x, df = k), things), things)
in_function <- function(theirs, degree) {
  centred <- theirs$x
  breaks <- c(0, 4, 9)
  lm(y ~ poly(centred, degree) + cut(z, breaks), theirs)
}
deploy("function", in_function(things, 2), transform(things, centred = x))
of_formula <- function(formula, theirs) lm(formula, theirs)
deploy("formula", of_formula(y ~ x + g, things), things)
deploy("do-call", do.call(lm, list(y ~ x + log(z), data = things)), things)
saved <- function() {
  local_data <- things
  lm(y ~ log(x) + word, local_data)
}
file <- tempfile()
saveRDS(saved(), file)
deploy("saved", readRDS(file), things)
deploy("slim", lm(y ~ x + g, things, model = FALSE, x = TRUE), things)
gone <- lm(y ~ log(x), within(things, x <- x + 1))
deploy("handed-over", gone, within(things, x <- x + 1), hand_over = within(things, x <- x + 1))

# By update() and step()
deploy("update", update(lm(y ~ x, things), log(.) ~ . + g), things)
deploy("step", step(lm(mpg ~ wt + qsec + am + drat, mtcars), trace = 0), mtcars)

# Numbers that are hard to write
hard <- data.frame(y = things$y, x = 10^runif(n, -300, 300), v = 1 / seq(3, 3 * n, 3))
deploy("hard", lm(y ~ log(x) + v, hard), hard)
large <- data.frame(y = things$y, k = rep(c(1e5, 2e5, 123456.5), n / 3))
deploy("large", lm(y ~ factor(k), large), large)

saveRDS(in_r, paste0(folder, ".rds"))
cat(.json(answers))
