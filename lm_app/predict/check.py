"""Check the values of a question: columns of doubles, as R takes them, or every error at once."""

from array import array
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lm_app.predict.question import MISSING, PREDICTED, Errors, Question, Source, as_text, short
from lm_app.predictors import CONSTANT, Predictor, one_of
from lm_app.schemas import Format, OneResponse, Options

Convert = Callable[[Sequence[Any]], Sequence[float] | None]
"""One of a predictor's ways to read values."""

CLASHES = {*PREDICTED, "errors", "terms", "terms_se", "terms_lower", "terms_upper"}
CLASHES_OF_ONE = CLASHES | OneResponse.model_fields.keys()
"""Names that the answer itself has, where what was sent stands beside it."""


@dataclass(slots=True)
class Observations:
    """What R predicts for, and how that was asked. `extrapolated` is set where the request asked to flag.

    `kept` are the rows of the request that are left, where some are wrong and shall be answered by null.
    """

    columns: list["array[float]"]  # one for each predictor, in the model's order
    source: Source
    options: Options
    format: Format
    errors: Errors
    given: Mapping[str, Sequence[Any]]
    ignored: Sequence[str]
    rows: int
    extrapolated: list[bool] | None = None
    kept: list[int] | None = None

    def row(self, position: int) -> int:
        """Find the row of the request."""
        return position if self.kept is None else self.kept[position]

    def drop(self, rows: Collection[int]) -> None:
        """Drop rows of the request."""
        before = range(self.rows) if self.kept is None else self.kept
        left = [position for position, row in enumerate(before) if row not in rows]
        self.columns = [array("d", map(column.__getitem__, left)) for column in self.columns]
        if self.extrapolated is not None:
            self.extrapolated = [self.extrapolated[position] for position in left]
        self.kept = [before[position] for position in left]


def check(question: Question, predictors: Sequence[Predictor]) -> Observations:
    """Check the columns, all of one length; raises InvalidObservations with all errors of the request.

    Each is converted as a whole, and only where that fails, value by value.

    The values as they were sent are not kept: that R's answer can take their memory is 7 % of a large batch's time.
    """
    frame, errors = question.frame, question.errors
    read, refuse = f"from_{frame.source.written}", question.options.extrapolation == "refuse"
    is_whole, columns = not errors.rows, []  # is nothing MISSING?
    for predictor in predictors:
        values = frame.columns.get(predictor.name)
        if values is None:
            continue
        convert: Convert = getattr(predictor, read)
        numbers = convert(values) if is_whole else None
        column = None if numbers is None else array("d", numbers)
        if column is None or (refuse and not predictor.are_inside(column)):
            column = _one_by_one(predictor, values, question, convert, refuse)
        columns.append(column)
    if question.options.augment:
        _check_clashes(question)
    errors.raise_if_any()
    if not predictors:
        columns = [array("d", [1.0]) * frame.rows]  # as R takes it: the intercept's
        predictors = [CONSTANT]
    observations = Observations(
        columns, frame.source, question.options, question.format, errors, frame.given, frame.ignored, frame.rows
    )
    if errors.rows:
        observations.drop(errors.rows)
        observations.given = {
            name: [None if value is MISSING else value for value in values] for name, values in frame.given.items()
        }
    if question.options.extrapolation == "flag":
        observations.extrapolated = _extrapolated(predictors, observations.columns)
    return observations


def drop_unseen(observations: Observations, variables: Sequence[Mapping[str, Any]]) -> None:
    """Drop the rows of which the formula makes levels that the fit has not seen; see UnseenLevels.

    Raises InvalidObservations with all of them, unless they shall be answered by null.
    """
    errors, source = observations.errors, observations.source
    for variable in variables:
        allowed = one_of(variable["allowed"])
        for position, value in zip(variable["rows"], variable["values"], strict=True):
            row = observations.row(position)
            prefix = f"row {row}: " if source.has_rows else ""
            msg = f"{prefix}{variable['variable']} is {value!r}; it must be {allowed}."
            errors.add(source.loc(variable["columns"][0], row), msg, value, row)
    errors.raise_if_any()
    observations.drop(errors.rows)


def _check_clashes(question: Question) -> None:
    """Record columns that were sent, and shall come back, by names that the answer itself has."""
    source = question.frame.source
    clashes = CLASHES if source.has_rows or question.format != "json" else CLASHES_OF_ONE
    where = "query" if source in (Source.PATH, Source.QUERY) else "body"
    for name in question.frame.given:
        if name in clashes:
            msg = f"augment=true: {name!r} is a column of the request and a name in the answer; rename that column."
            question.errors.add([where, name], msg)


def _extrapolated(predictors: Sequence[Predictor], columns: Sequence["array[float]"]) -> list[bool]:
    """Tell which observations are outside the training ranges."""
    inside = [
        [True] * len(column) if predictor.are_inside(column) else [predictor.are_inside([value]) for value in column]
        for predictor, column in zip(predictors, columns, strict=True)
    ]
    return [not all(row) for row in zip(*inside, strict=True)]


def _one_by_one(
    predictor: Predictor, values: Sequence[Any], question: Question, convert: Convert, refuse: bool
) -> "array[float]":
    """Convert a column that can't be converted as a whole, to tell what is wrong.

    A wrong value is 0 here; its row is dropped.
    """
    column, source = array("d", bytes(8 * len(values))), question.frame.source
    for row, value in enumerate(values):
        if value is MISSING:
            continue
        number = convert([value])
        if number is None:
            msg = _not_allowed(predictor, value, question)
        elif refuse and not predictor.are_inside(number):
            msg = _outside(predictor, value)
        else:
            column[row] = number[0]
            continue
        prefix = f"row {row}: " if source.has_rows else ""
        question.errors.add(source.loc(predictor.name, row), prefix + msg, value, row)
    return column


def _not_allowed(predictor: Predictor, value: Any, question: Question) -> str:
    written = question.frame.source.written
    allowed = predictor.allowed_in_csv() if written == "csv" else predictor.allowed(in_text=written == "text")
    described = "missing (null)" if value is None else short(repr(value) if isinstance(value, str) else as_text(value))
    return f"{predictor.name} is {described}; it must be {allowed}."


def _outside(predictor: Predictor, value: Any) -> str:
    return (
        f"{predictor.name} is {short(str(value))}; the model was trained on {predictor.range()}"
        " and does not answer outside of that range unless asked with extrapolation=flag."
    )
