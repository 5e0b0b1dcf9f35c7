"""Read labelled data: new rows with their response, read as the model's training data were."""

import math
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from lm_app.data.reading import read_table
from lm_app.data.table import NA_INTEGER, Column
from lm_app.engine.drift import read_response
from lm_app.errors import DataError, RError
from lm_app.predictors import Factor
from lm_app.store.version import LoadedModel

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def read_labelled(file: Path, model: LoadedModel) -> tuple[dict[str, list[Any]], list[float]]:
    """Read a file: the predictors' values as JSON has them, and the response.

    Raises DataError with one line, or OSError.
    """
    recipe = model.manifest["recipe"]
    options = {**recipe["csv"], "sheet": recipe["sheet"] and str(recipe["sheet"])}
    factors = {predictor.name: predictor.levels for predictor in model.predictors if isinstance(predictor, Factor)}
    try:
        table = read_table(file, **{key: value for key, value in options.items() if value is not None}, factors=factors)
    except DataError as error:
        raise DataError(f"data file '{file}' {error}") from None
    try:
        response = read_response(table, model.info["formula"]).tolist()
    except RError as error:
        raise DataError(f"data file '{file}': {error}") from None
    inputs = {predictor.name: values_of(table.columns[predictor.name]) for predictor in model.predictors}
    return inputs, response


def values_of(column: Column) -> list[Any]:
    """Make the values of a column as JSON has them; None where they are missing."""
    if column.type == "text":
        return [None if value == NA_INTEGER else column.texts[value - 1] for value in column.values]
    if column.values.typecode == "i":
        of_code = bool if column.type == "logical" else int
        return [None if value == NA_INTEGER else of_code(value) for value in column.values]
    if column.type == "double":
        return [None if math.isnan(value) else value for value in column.values]
    step = timedelta(days=1) if column.type == "date" else timedelta(seconds=1)
    moments = [None if math.isnan(value) else EPOCH + value * step for value in column.values]
    if column.type == "date":
        return [moment and moment.date().isoformat() for moment in moments]
    return [moment and moment.isoformat() for moment in moments]
