# The data of NIST's Statistical Reference Datasets as columns of numbers, and the certified coefficients, as JSON.

source("tests/R/helper-nist.R")

# https://www.itl.nist.gov/div898/strd/lls/data/Filip.shtml
nist$Filip <- list(
  formula = powers_to(10),
  data = filip,
  certified = c(
    -1467.48961422980,
    -2772.17959193342,
    -2316.37108160893,
    -1127.97394098372,
    -354.478233703349,
    -75.1242017393757,
    -10.8753180355343,
    -1.06221498588947,
    -0.670191154593408e-1,
    -0.246781078275479e-2,
    -0.402962525080404e-4
  )
)
columns <- lapply(nist, function(set) {
  matrix <- model.matrix(as.formula(set$formula), set$data)[, -1]
  colnames(matrix) <- paste0("x", seq_len(ncol(matrix)))
  list(columns = c(list(y = set$data$y), as.data.frame(matrix)), certified = set$certified)
})
cat(jsonlite::toJSON(columns, digits = I(17)))
