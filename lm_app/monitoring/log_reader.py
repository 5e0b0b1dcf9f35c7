"""Read the prediction log, also while it is written."""

import gzip
import math
import zlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from lm_app.engine.lm import Interval
from lm_app.errors import DataError
from lm_app.monitoring import log_files, log_parquet

Numbers = list[float | None]
OF_ALL, OF_SOME = ("time", "request_id", "version", "interval", "level"), ("lower", "upper", "extrapolated")
"""What a line says once for all its observations, and columns that it may have."""


@dataclass(frozen=True, slots=True)
class LogTable:
    """What was asked and answered: columns that have a value for each observation, in the order of the files.

    `time` is ISO 8601, of the answer. None stands for a predictor that the version has not, for limits where
    no interval was requested, and for what was not finite. But `fit` is NaN there.
    """

    time: list[str] = field(default_factory=list)
    request_id: list[str | None] = field(default_factory=list)
    version: list[str] = field(default_factory=list)
    interval: list[str] = field(default_factory=list)
    level: list[float] = field(default_factory=list)
    inputs: dict[str, list[Any]] = field(default_factory=dict)
    """By predictor: numbers, levels as texts, logicals, dates and times as ISO 8601 has them."""
    fit: list[float] = field(default_factory=list)
    lower: Numbers = field(default_factory=list)
    upper: Numbers = field(default_factory=list)
    extrapolated: list[bool | None] = field(default_factory=list)

    def add(self, columns: Mapping[str, Sequence[Any]], inputs: Mapping[str, Sequence[Any]]) -> None:
        """Add observations; `columns` are all others than `inputs`."""
        before, rows = len(self.time), len(columns["time"])
        for name, values in columns.items():
            getattr(self, name).extend(values)
        self.fit[before:] = [math.nan if number is None else number for number in columns["fit"]]
        for name in inputs:
            self.inputs.setdefault(name, [None] * before)
        for name, column in self.inputs.items():
            column.extend(inputs.get(name) or [None] * rows)


class Line(BaseModel):
    """A line of the log: a request and its answer."""

    model_config = ConfigDict(strict=True)

    time: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")]
    request_id: str | None
    model: str
    version: str
    interval: Interval
    level: float
    rows: int
    inputs: dict[str, list[float | str | bool | None]]
    fit: Numbers
    lower: Numbers | None = None
    upper: Numbers | None = None
    extrapolated: list[bool] | None = None


def read_log(path: Path, model: str) -> LogTable:
    """Read what is logged of a model; `path` is the log's folder or one of its files. Raises DataError."""
    table = LogTable()
    try:
        if not path.is_dir():
            _read(path, model, table)
            return table
        stems = log_files.stems(path / model)
        if not stems:
            raise DataError(f"there is no prediction log of {model!r} in {path}: no file {model}/*.jsonl or *.parquet")
        for stem in stems:
            for kind in log_files.KINDS:
                with suppress(FileNotFoundError):  # it may become one of the next kind just now
                    _read(path / model / f"{stem}{kind}", model, table)
                    break
    except (OSError, EOFError, zlib.error) as error:
        where = getattr(error, "filename", None) or path
        raise DataError(f"{where} can't be read: {getattr(error, 'strerror', None) or error}") from None
    return table


def _read(file: Path, model: str, table: LogTable) -> None:
    if file.name.endswith(log_files.PARQUET):
        table.add(*log_parquet.read(file, model))
        return
    with gzip.open(file) if file.name.endswith(log_files.GZIP) else file.open("rb") as lines:
        for number, text in enumerate(lines, start=1):
            try:
                line = _line(text, model)
            except ValueError as error:
                if text.endswith(b"\n"):
                    raise DataError(f"{file}, line {number}: {error}") from None
                continue  # it is the last one, and torn or not yet whole
            rows = line.rows
            columns: dict[str, Sequence[Any]] = {name: [getattr(line, name)] * rows for name in OF_ALL}
            columns["fit"] = line.fit
            for name in OF_SOME:
                columns[name] = getattr(line, name) or [None] * rows
            table.add(columns, line.inputs)


def _line(text: bytes, model: str) -> Line:
    """Read one line; raises ValueError, in one line."""
    try:
        line = Line.model_validate(orjson.loads(text))
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    if line.model != model:
        raise ValueError(f"it is of model {line.model!r}, not of {model!r}")
    lengths = {name: len(values) for name, values in line.inputs.items()} | {"fit": len(line.fit)}
    lengths |= {name: len(values) for name in OF_SOME if (values := getattr(line, name)) is not None}
    for name, length in lengths.items():
        if length != line.rows:
            raise ValueError(f"{name} has {length} values, and rows is {line.rows}")
    return line
