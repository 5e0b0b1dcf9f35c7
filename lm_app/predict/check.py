"""Check the values of a question: columns of doubles, as R takes them, or every error at once."""

from array import array
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from lm_app.errors import InvalidObservations
from lm_app.predict.question import MISSING, Errors, Question, Source, as_text, short
from lm_app.predictors import CONSTANT, Predictor, one_of
from lm_app.schemas import Options


class Observations(NamedTuple):
    """What R predicts for, and how that was asked. `extrapolated` is set where the request asked to flag."""

    columns: list["array[float]"]  # one for each predictor, in the model's order
    extrapolated: list[bool] | None
    source: Source
    options: Options
    prefers_csv: bool
    ignored: Sequence[str] = ()


def check(question: Question, predictors: Sequence[Predictor]) -> Observations:
    """Check the columns, all of one length; raises InvalidObservations with all errors of the request.

    The values as they were sent are not kept: that R's answer can take their memory is 7 % of a large batch's time.
    """
    columns = [
        _column(predictor, question.frame.columns[predictor.name], question)
        for predictor in predictors
        if predictor.name in question.frame.columns
    ]
    question.errors.raise_if_any()
    if not predictors:
        columns = [array("d", [1.0]) * question.frame.rows]  # as R takes it: the intercept's
        predictors = [CONSTANT]
    extrapolated = _extrapolated(predictors, columns) if question.options.extrapolation == "flag" else None
    frame = question.frame
    return Observations(columns, extrapolated, frame.source, question.options, question.prefers_csv, frame.ignored)


def unseen(observations: Observations, levels: Sequence[Mapping[str, Any]]) -> InvalidObservations:
    """Tell of levels that the formula makes of the values, and the fit has not seen; see UnseenLevels."""
    errors, source = Errors(), observations.source
    for level in levels:
        row = f"row {level['row']}: " if source.has_rows else ""
        msg = f"{row}{level['variable']} is {level['value']!r}; it must be {one_of(level['allowed'])}."
        errors.add(source.loc(level["columns"][0], level["row"]), msg, level["value"])
    return errors.raised()


def _extrapolated(predictors: Sequence[Predictor], columns: Sequence["array[float]"]) -> list[bool]:
    inside = [
        [predictor.are_inside([value]) for value in column]
        for predictor, column in zip(predictors, columns, strict=True)
    ]
    return [not all(row) for row in zip(*inside, strict=True)]


def _column(predictor: Predictor, values: Sequence[Any], question: Question) -> "array[float]":
    """Convert a column as a whole; only where that fails, value by value, to tell what is wrong."""
    refuse = question.options.extrapolation == "refuse"
    if question.frame.source.is_text:
        convert = predictor.from_csv if question.frame.source.is_csv else predictor.from_text
    else:
        convert = predictor.from_json
    numbers = convert(values)
    if numbers is not None and not (refuse and not predictor.are_inside(numbers)):
        return array("d", numbers)
    for row, value in enumerate(values):
        if value is MISSING:
            continue
        number = convert([value])
        if number is None:
            msg = _not_allowed(predictor, value, question)
        elif refuse and not predictor.are_inside(number):
            msg = _outside(predictor, value, question)
        else:
            continue
        prefix = f"row {row}: " if question.frame.source.has_rows else ""
        question.errors.add(question.frame.source.loc(predictor.name, row), prefix + msg, value)
    return array("d")


def _not_allowed(predictor: Predictor, value: Any, question: Question) -> str:
    if question.frame.source.is_csv:
        allowed = predictor.allowed_in_csv()
    else:
        allowed = predictor.allowed(in_text=question.frame.source.is_text)
    described = "missing (null)" if value is None else short(repr(value) if isinstance(value, str) else as_text(value))
    return f"{predictor.name} is {described}; it must be {allowed}."


def _outside(predictor: Predictor, value: Any, question: Question) -> str:
    remedy = " unless asked with extrapolation=flag" if question.frame.source.takes_options else ""
    return (
        f"{predictor.name} is {short(str(value))}; the model was trained on {predictor.range()}"
        f" and does not answer outside of that range{remedy}."
    )
