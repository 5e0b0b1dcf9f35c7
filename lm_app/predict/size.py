"""Refuse a body that holds far more values than may be sent, before any of them is made.

A list in a body of JSON takes 3 bytes, and in memory 64: a body of 32 MiB would take more than a gigabyte.
"""

from collections.abc import Sequence

from django.conf import settings

from lm_app.errors import ContentTooLarge
from lm_app.predict.body import CSV, JSON, LINES
from lm_app.predictors import Factor, Predictor

MARKS = {JSON: ",[{", LINES: ",[{\r\n", CSV: ",;\t|\r\n"}
"""What stands between values, and at their lists' and objects' beginnings. Each has to be counted on its own.

Forms have few fields, and columnar.py looks at the lengths of columns itself.
"""

HARMLESS = 2 * 1024 * 1024
"""Bytes that need no counting, which would take 8 % of a large batch's time."""


def check_marks(content: bytes, kind: str, predictors: Sequence[Predictor]) -> None:
    """Raise ContentTooLarge where there are twice as many marks as LM_MAX_ROWS observations have.

    Twice, as a body that is only somewhat too large is told how many observations it has, by who reads it.
    """
    marks = MARKS.get(kind, "")
    most = 2 * settings.LM_MAX_ROWS * (1 + sum(1 + _marks_within(predictor, marks) for predictor in predictors))
    if len(content) > HARMLESS and sum(content.count(mark.encode()) for mark in marks) > most:
        raise ContentTooLarge(f"The body holds far more values than {settings.LM_MAX_ROWS} observations have.")


def _marks_within(predictor: Predictor, marks: str) -> int:
    """Count the most marks in the predictor's name and in one of its levels."""
    levels = predictor.levels if isinstance(predictor, Factor) else [""]
    return sum(map(predictor.name.count, marks)) + max(sum(map(level.count, marks)) for level in levels)
