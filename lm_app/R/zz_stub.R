read_expression <- function(text, columns, what) {
  f <- read_formula(paste(as.character(as.name(columns[1])), "~ I(", text, ")"), columns)
  f[[3]][[2]]
}
