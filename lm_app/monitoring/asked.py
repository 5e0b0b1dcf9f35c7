"""What a model was asked, as R takes it, and what it answers to that."""

import math
from array import array
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lm_app.engine.lm import Model
from lm_app.errors import UnseenLevels
from lm_app.predictors import Predictor

Columns = list["array[float]"]
"""One for each predictor, NaN where the model can't take the value."""


class Answers(NamedTuple):
    """Predictions with their 95 % intervals, NaN where there are none."""

    fit: list[float]
    lower: list[float]
    upper: list[float]


def columns_of(predictors: Sequence[Predictor], inputs: Mapping[str, Sequence[Any]], rows: int) -> Columns:
    """Read columns of JSON's values as a request's are read; one that is missing is all NaN."""
    return [_column(predictor, inputs.get(predictor.name, [None] * rows)) for predictor in predictors]


def _column(predictor: Predictor, values: Sequence[Any]) -> "array[float]":
    numbers = predictor.from_json(values)
    if numbers is None:
        each = (predictor.from_json([value]) for value in values)
        numbers = [math.nan if number is None else number[0] for number in each]
    return array("d", numbers)


def unknown_rows(columns: Columns, rows: int) -> list[bool]:
    """Tell for each row whether the model can't take it."""
    return [any(map(math.isnan, row)) for row in zip(*columns, strict=True)] if columns else [False] * rows


def outside_of(predictor: Predictor, column: "array[float]") -> list[bool]:
    """Tell for each value whether it is outside of the training data's range, or none that the model can take."""
    return [math.isnan(value) or not predictor.are_inside([value]) for value in column]


def answers(lm: Model, columns: Columns, rows: int) -> Answers:
    """Predict what can be predicted. Raises RError where R refuses it for another reason than a level it never saw."""
    known = [row for row, is_unknown in enumerate(unknown_rows(columns, rows)) if not is_unknown]
    found = Answers(*([math.nan] * rows for _ in Answers._fields))
    while known:
        try:
            prediction = _predict(lm, columns, known)
        except UnseenLevels as refusal:  # of a level that the formula makes, such as a month
            unseen = {known[row] for variable in refusal.levels for row in variable["rows"]}
            known = [row for row in known if row not in unseen]
            continue
        for all_rows, numbers in zip(found, prediction, strict=True):
            for row, number in zip(known, numbers, strict=True):
                all_rows[row] = number
        break
    return found


def _predict(lm: Model, columns: Columns, rows: Sequence[int]) -> Answers:
    picked = [array("d", map(column.__getitem__, rows)) for column in columns]
    fit, lower, upper, *_ = lm.predict(picked or [array("d", [1.0]) * len(rows)], "prediction")
    return Answers(fit, lower or [], upper or [])
