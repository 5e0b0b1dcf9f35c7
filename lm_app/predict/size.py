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

COSTS = dict.fromkeys("{\r\n", 4)
"""What a mark counts, where it is more than one, as an object or a row does; one is some 100 bytes of memory."""

WIDE = 50
"""What the marks of an observation may count in any case: it may have some 40 columns that are no predictors.

With 100,000 observations that is 500 MB. Measured worst: one object of 1.85 million names takes 600 MB, and 900 MB
where one of them stands twice.
"""

HARMLESS = 4 * 1024 * 1024
"""Bytes that need no counting, which would take 8 % of a large batch's time."""


def check_marks(content: bytes, kind: str, predictors: Sequence[Predictor]) -> None:
    """Raise ContentTooLarge where there are far more marks than LM_MAX_ROWS observations have.

    Of narrow ones twice as many, as a body that is only somewhat too large is told how many observations it has, by who
    reads it.
    """
    if len(content) <= HARMLESS:
        return
    marks = MARKS.get(kind, "")
    of_predictors = 2 * (1 + sum(1 + _cost_within(predictor, marks) for predictor in predictors))
    if _cost(content, marks) > settings.LM_MAX_ROWS * max(of_predictors, WIDE):
        raise ContentTooLarge(f"The body holds far more values than {settings.LM_MAX_ROWS} observations have.")


def _cost_within(predictor: Predictor, marks: str) -> int:
    """Count the marks in the predictor's name and the most in one of its levels."""
    levels = predictor.levels if isinstance(predictor, Factor) else [""]
    return _cost(predictor.name.encode(), marks) + max(_cost(level.encode(), marks) for level in levels)


def _cost(content: bytes, marks: str) -> int:
    return sum(content.count(mark.encode()) * COSTS.get(mark, 1) for mark in marks)
