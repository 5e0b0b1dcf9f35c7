"""Least squares by normal equations, as one writes them for a data frame or a database that knows no lm.

Prints the coefficients: normal_equations.py ENGINE FILES RESPONSE NUMBER,NUMBER,... [FACTOR LEVEL ...]
"""

import json
import sys
from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np


def sums_of_duckdb(files: str, numbers: Sequence[str], factor: Sequence[str]) -> Sequence[float]:
    """Sum the products of all pairs of columns."""
    import duckdb

    duckdb.execute("SET threads = 2")
    columns = ["1.0", *numbers[:-1], *(f"({factor[0]} = '{level}')" for level in factor[2:]), numbers[-1]]
    pairs = combinations_with_replacement(columns, 2)
    asked = ", ".join(f"sum(({one})::DOUBLE * ({other})::DOUBLE)" for one, other in pairs)
    row = duckdb.execute(f"SELECT {asked} FROM read_parquet(?)", [files]).fetchone()
    return [float(value) for value in row or ()]


def sums_of_polars(files: str, numbers: Sequence[str], factor: Sequence[str]) -> Sequence[float]:
    """Sum the products of all pairs of columns."""
    import polars

    levels = [polars.col(factor[0]).cast(polars.String) == level for level in factor[2:]]
    columns = [polars.lit(1.0), *map(polars.col, numbers[:-1]), *levels, polars.col(numbers[-1])]
    pairs = combinations_with_replacement([column.cast(polars.Float64) for column in columns], 2)
    asked = [(one * other).sum().alias(str(i)) for i, (one, other) in enumerate(pairs)]
    asked[0] = polars.len().cast(polars.Float64).alias("0")
    row: Sequence[float] = polars.scan_parquet(files).select(asked).collect(engine="streaming").row(0)
    return row


def main() -> None:
    """Print the coefficients: the intercept, then those of the numbers, then those of the levels but the first."""
    engine, files, response, numbers, *factor = sys.argv[1:]
    sums = {"duckdb": sums_of_duckdb, "polars": sums_of_polars}[engine](files, [*numbers.split(","), response], factor)
    columns = int((2 * len(sums)) ** 0.5)
    whole = np.zeros((columns, columns))
    whole[np.triu_indices(columns)] = sums
    whole = whole + np.triu(whole, 1).T
    coefficients = np.linalg.solve(whole[:-1, :-1], whole[:-1, -1])
    print(json.dumps(list(coefficients)))


if __name__ == "__main__":
    main()
