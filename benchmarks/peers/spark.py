"""Spark's own LinearRegression by its normal equations: prints the coefficients, as normal_equations.py does."""

import json
import sys

from pyspark.ml.feature import VectorAssembler
from pyspark.ml.regression import LinearRegression
from pyspark.sql import SparkSession

files, response, numbers, *factor = sys.argv[1:]
spark = SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false").getOrCreate()
data = spark.read.parquet(*files.split(","))
columns = numbers.split(",")
for level in factor[2:]:
    data = data.withColumn(f"level_{level}", (data[factor[0]] == level).cast("double"))
    columns.append(f"level_{level}")
rows = VectorAssembler(inputCols=columns, outputCol="x").transform(data).select("x", response)
model = LinearRegression(featuresCol="x", labelCol=response, solver="normal", regParam=0.0).fit(rows)
print(json.dumps([float(model.intercept), *map(float, model.coefficients)]))
