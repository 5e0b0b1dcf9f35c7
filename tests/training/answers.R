# What R tells of a model for some rows: asked of the lm itself, and of a server that answers for it. `briefly`: ask for
# most in few ways.

answers_of <- function(model, rows, briefly = FALSE) {
  ways <- expand.grid(
    interval = c("none", "confidence", "prediction"),
    type = c("response", "terms"),
    se.fit = c(FALSE, TRUE),
    stringsAsFactors = FALSE
  )
  if (briefly) {
    ways <- ways[ways$interval == "prediction" & ways$se.fit, ]
  }
  ask <- function(...) suppressWarnings(predict(model, ...))
  by_way <- Map(
    function(interval, type, se.fit) {
      ask(rows, se.fit = se.fit, interval = interval, level = 0.9, type = type)
    },
    ways$interval,
    ways$type,
    ways$se.fit
  )
  names(by_way) <- paste(ways$interval, ways$type, ifelse(ways$se.fit, "se", ""))
  lacking <- rows
  if (ncol(rows) > 0) {
    lacking[2, 1] <- NA
  }
  summarize <- if (inherits(model, "lm")) summary.lm else summary # not summary.aov
  summary <- suppressWarnings(summarize(model))
  told <- c("coefficients", "aliased", "sigma", "df", "r.squared", "adj.r.squared", "fstatistic")
  c(
    by_way,
    list(
      one = tryCatch(
        # predict() stops for one row of poly(a, b)
        ask(rows[1, , drop = FALSE], interval = "confidence", se.fit = TRUE),
        error = function(e) NULL
      ),
      lacking = ask(lacking, interval = "confidence"),
      `lacking terms` = ask(lacking, type = "terms", se.fit = TRUE),
      coef = coef(model),
      confint = suppressWarnings(confint(model, level = 0.9)),
      nobs = nobs(model),
      formula = formula(model),
      summary = summary[intersect(told, names(summary))]
    )
  )
}
