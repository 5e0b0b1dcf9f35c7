"""Predict for a part of large data: what the server would answer, to the bit. This runs in the workers."""

import os
from array import array
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache, reduce
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow
from pyarrow import compute, csv, parquet, types

from lm_app.data.columns import with_points
from lm_app.engine.lm import Interval, Model
from lm_app.errors import Fault, RError, UnseenLevels
from lm_app.predict.arrow_values import values_of
from lm_app.predictors import Date, Numeric, Predictor, names_of, one_of
from lm_app.scale.pieces import Piece, place_of, read_piece

ROWS_AT_ONCE = 100_000
DOUBLE = pyarrow.float64()
SHOWN = 50


@dataclass(frozen=True)
class Job:
    """What all parts need. `about` becomes the metadata of Parquet files."""

    pickled: bytes
    predictors: Sequence[Predictor]
    interval: Interval
    level: float
    keep: Sequence[str]
    folder: Path
    suffix: str
    about: Mapping[str, str]

    def file(self, piece: Piece) -> Path:
        """Name the file of a part's predictions."""
        return self.folder / f"part-{piece.number:06}.{self.suffix}"


@dataclass
class Scored:
    """What came of a part, or of all. `wrong` rows have no prediction; `first_wrong` says why the first has none."""

    rows: int = 0
    extrapolated: int = 0
    wrong: int = 0
    first_wrong: str | None = None
    warnings: list[str] = field(default_factory=list)

    def add(self, part: "Scored") -> None:
        """Add what came of the next part."""
        self.rows += part.rows
        self.extrapolated += part.extrapolated
        self.wrong += part.wrong
        self.first_wrong = self.first_wrong or part.first_wrong
        self.warnings = list(dict.fromkeys([*self.warnings, *part.warnings]))


def score_part(job: Job, piece: Piece) -> Scored:
    """Write the predictions for a part, one for each of its rows. Raises Fault."""
    table = _read(job, piece)
    numbers = {predictor.name: _numbers(predictor, table[predictor.name], piece) for predictor in job.predictors}
    is_right = _all(map(compute.is_valid, numbers.values()), table.num_rows)
    scored = Scored(table.num_rows)
    if not compute.all(is_right).as_py():
        scored.first_wrong = _why_wrong(job, piece, table, numbers, compute.index(is_right, False).as_py())
    while True:
        try:
            predicted = _predict(job, numbers, is_right, scored)
            break
        except _UnseenRows as unseen:
            rows = compute.indices_nonzero(is_right).take(unseen.positions)
            positions = pyarrow.array(range(table.num_rows), pyarrow.uint64())
            is_right = compute.and_not(is_right, compute.is_in(positions, value_set=rows))
            scored.first_wrong = scored.first_wrong or f"{place_of(piece, rows[0].as_py())}: {unseen}"
        except RError as error:
            raise Fault(f"the part of {piece.path} from {place_of(piece, 0)} on: {error}") from None
    inside = _all((_is_inside(predictor, numbers[predictor.name]) for predictor in job.predictors), table.num_rows)
    extrapolated = compute.if_else(is_right, compute.invert(inside), pyarrow.scalar(None, pyarrow.bool_()))
    scored.extrapolated = compute.sum(extrapolated).as_py() or 0
    scored.wrong = table.num_rows - (compute.sum(is_right).as_py() or 0)
    kept = {name: _kept(name, table, numbers, piece) for name in job.keep}
    _write(job, piece, pyarrow.table({**kept, **predicted, "extrapolated": extrapolated}))
    return scored


def _read(job: Job, piece: Piece) -> Any:
    columns = list(dict.fromkeys([*names_of(job.predictors), *job.keep])) or list(piece.columns)[:1]
    try:
        return read_piece(piece, columns)
    except Fault:
        # Where a number is none, its column is read as texts, for the predictor to judge.
        texts: dict[str, Any] = {predictor.name: "text" for predictor in job.predictors}
        return read_piece(replace(piece, columns={**piece.columns, **texts}), columns)


def _all(masks: Iterable[Any], rows: int) -> Any:
    """Tell which rows are true in all masks."""
    return reduce(compute.and_, masks, pyarrow.repeat(True, rows))


# The check of a request, for whole columns. Of what is no column of numbers, each different value is read once.


def _numbers(predictor: Predictor, column: Any, piece: Piece) -> Any:
    """Read a column as R takes it; null where a value is not allowed."""
    column = _in_one(column)
    kind = column.type
    if isinstance(predictor, Numeric) and (types.is_integer(kind) or types.is_floating(kind)):
        numbers = column.cast(DOUBLE, safe=False)
        is_right = compute.is_finite(numbers)
        if predictor.values is not None:
            is_right = compute.and_(is_right, compute.is_in(numbers, value_set=pyarrow.array(predictor.values, DOUBLE)))
        return compute.if_else(is_right, numbers, pyarrow.scalar(None, DOUBLE))
    different = column if types.is_dictionary(kind) else column.dictionary_encode()
    read = predictor.from_csv if piece.format else predictor.from_json
    values = values_of(different.dictionary)
    if piece.format and piece.format.sep != "," and isinstance(predictor, Numeric):
        with suppress(ValueError):
            values = list(with_points(values, ","))
    found = [None if (number := read([value])) is None else float(number[0]) for value in values]
    return pyarrow.array(found, DOUBLE).take(different.indices)


def _is_inside(predictor: Predictor, numbers: Any) -> Any:
    """Tell which numbers are in the range of the training data."""
    if isinstance(predictor, Numeric):
        least, most = predictor.min, predictor.max
    elif isinstance(predictor, Date):
        least, most = predictor.limits
    else:
        return pyarrow.repeat(True, len(numbers))
    return compute.and_(compute.greater_equal(numbers, least), compute.less_equal(numbers, most))


def _why_wrong(job: Job, piece: Piece, table: Any, numbers: Mapping[str, Any], row: int) -> str:
    """Say what is wrong with a row."""
    predictor = next(predictor for predictor in job.predictors if not numbers[predictor.name][row].is_valid)
    [value] = values_of(_in_one(table[predictor.name]).slice(row, 1))
    described = "missing" if value is None else repr(value)[:SHOWN]
    allowed = predictor.allowed_in_csv() if piece.format else predictor.allowed(in_text=False)
    return f"{place_of(piece, row)}: {predictor.name} is {described}; it must be {allowed}"


# Predict


class _UnseenRows(Exception):
    """The formula makes levels of these rows' values that the fit has not seen."""

    def __init__(self, first: int, levels: Sequence[Mapping[str, Any]]) -> None:
        rows = sorted({first + row for variable in levels for row in variable["rows"]})
        self.positions = pyarrow.array(rows, pyarrow.int64())
        variable = min(levels, key=lambda variable: int(variable["rows"][0]))
        super().__init__(
            f"{variable['variable']} is {variable['values'][0]!r}; it must be {one_of(variable['allowed'])}"
        )


@lru_cache(1)
def _model(pickled: bytes) -> Model:
    return Model(pickled)


def _predict(job: Job, numbers: Mapping[str, Any], is_right: Any, scored: Scored) -> dict[str, Any]:
    """Predict for the rows that are right; null for the others. Raises _UnseenRows or RError."""
    names = ["fit"] if job.interval == "none" else ["fit", "lower", "upper"]
    predicted = {name: array("d") for name in names}
    rows, model = compute.sum(is_right).as_py() or 0, _model(job.pickled)
    columns = [_doubles(column.filter(is_right)) for column in numbers.values()] or [array("d", [1.0]) * rows]
    for first in range(0, rows, ROWS_AT_ONCE):
        batch = [column[first : first + ROWS_AT_ONCE] for column in columns]
        try:
            prediction = model.predict(batch, job.interval, job.level)
        except UnseenLevels as refusal:
            raise _UnseenRows(first, refusal.levels) from None
        for name in names:
            predicted[name].extend(getattr(prediction, name))
        scored.warnings = list(dict.fromkeys([*scored.warnings, *prediction.warnings]))
    running = compute.subtract(compute.cumulative_sum(is_right.cast(pyarrow.int64())), 1)
    positions = compute.if_else(is_right, running, pyarrow.scalar(None, pyarrow.int64()))
    return {
        name: pyarrow.Array.from_buffers(DOUBLE, rows, [None, pyarrow.py_buffer(values)]).take(positions)
        for name, values in predicted.items()
    }


def _doubles(column: Any) -> "array[float]":
    values = array("d")
    if len(column):
        values.frombytes(column.buffers()[1].slice(8 * column.offset, 8 * len(column)))
    return values


def _in_one(column: Any) -> Any:
    """Take the one chunk of a column."""
    return column.chunk(0) if column.num_chunks else pyarrow.array([], column.type)


# Write


def _kept(name: str, table: Any, numbers: Mapping[str, Any], piece: Piece) -> Any:
    """Give a column back: texts as texts, and numbers of CSV, which may be texts in one part, as numbers in all."""
    if piece.columns[name] == "number" and piece.format:
        return numbers[name]
    column = table[name]
    return column.cast(pyarrow.string()) if types.is_dictionary(column.type) else column


def _write(job: Job, piece: Piece, table: Any) -> None:
    """Write the file of a part, whole or not at all."""
    file = job.file(piece)
    aside = file.with_name(f".{file.name}-{uuid4().hex}")
    try:
        with aside.open("wb") as stream:
            if job.suffix == "parquet":
                parquet.write_table(table.replace_schema_metadata(job.about), stream)
            else:
                csv.write_csv(_as_r_writes(table), stream)
            stream.flush()
            os.fsync(stream.fileno())
        aside.replace(file)
    except OSError as error:
        with suppress(OSError):
            aside.unlink()
        raise Fault(f"{file} can't be written: {error.strerror or error}") from None


def _as_r_writes(table: Any) -> Any:
    """Spell what is no finite number as R reads it, such as Inf."""
    for position, name in enumerate(table.column_names):
        column = table[name]
        if types.is_floating(column.type) and not compute.all(compute.is_finite(column)).as_py():
            texts = column.cast(pyarrow.string())
            for arrow, r in (("nan", "NaN"), ("inf", "Inf"), ("-inf", "-Inf")):
                texts = compute.if_else(compute.equal(texts, arrow), r, texts)
            table = table.set_column(position, name, texts)
    return table
