"""Read what prediction_log.py wrote."""

import gzip
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lm_app.data.files import INSTALL
from lm_app.errors import DataError

SUFFIXES = (".jsonl", ".jsonl.gz", ".parquet")
INPUT = "inputs."
"""What the names of predictors begin with in Parquet."""


@dataclass(frozen=True)
class LogTable:
    """Observations that were asked for, one value for each in each list; None where a predictor was not asked for."""

    time: list[str] = field(default_factory=list)
    version: list[str] = field(default_factory=list)
    inputs: dict[str, list[Any]] = field(default_factory=dict)
    fit: list[float] = field(default_factory=list)
    extrapolated: list[bool | None] = field(default_factory=list)
    lower: list[float | None] = field(default_factory=list)
    upper: list[float | None] = field(default_factory=list)
    level: list[float] = field(default_factory=list)
    interval: list[str] = field(default_factory=list)

    def add(self, entry: dict[str, Any]) -> None:
        """Add what was asked at once. Raises KeyError, TypeError or ValueError where it is not what the log writes."""
        rows, before = len(entry["fit"]), len(self.fit)
        columns = {name: entry.get(name) or [None] * rows for name in ("lower", "upper", "extrapolated")}
        inputs: dict[str, Sequence[Any]] = dict(entry["inputs"])
        if any(len(values) != rows for values in [*columns.values(), *inputs.values()]):
            raise ValueError("its columns differ in length")
        self.fit.extend(math.nan if value is None else float(value) for value in entry["fit"])
        for name, values in columns.items():
            getattr(self, name).extend(values)
        for name in ("time", "version", "level", "interval"):
            getattr(self, name).extend([entry[name]] * rows)
        for name in inputs.keys() - self.inputs.keys():
            self.inputs[name] = [None] * before
        for name, values in self.inputs.items():
            values.extend(inputs.get(name, [None] * rows))


def read_log(path: Path, model: str) -> LogTable:
    """Read the log of a model: its folder, or one file. Raises DataError with file and line.

    A line that was broken off at the end of a file, as by a killed server, is left out.
    """
    table = LogTable()
    for file in _files(path, model):
        for line, entry in _entries(file):
            try:
                table.add(entry)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise DataError(f"{file}, line {line}: not of a prediction log: {error}") from None
    return table


def _files(path: Path, model: str) -> list[Path]:
    if path.is_file():
        return [path]
    files = sorted(file for file in (path / model).glob("*") if file.name.endswith(SUFFIXES))
    if not files:
        raise DataError(f"there is no prediction log of {model!r} in {path}: no file {model}/*.jsonl or *.parquet")
    return files


def _entries(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield what was asked at once, with its line; a row of Parquet counts as one."""
    if file.suffix == ".parquet":
        yield from enumerate(_entries_of_parquet(file), start=1)
        return
    try:
        content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    except (OSError, EOFError) as error:
        raise DataError(f"{file} can't be read: {error}") from None
    for line, text in enumerate(content.splitlines(keepends=True), start=1):
        if not text.endswith(b"\n"):
            return
        try:
            yield line, json.loads(text)
        except ValueError:
            raise DataError(f"{file}, line {line}: not JSON") from None


def _entries_of_parquet(file: Path) -> Iterator[dict[str, Any]]:
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise DataError(f"{file} needs pyarrow: {INSTALL}") from None
    try:
        rows = parquet.read_table(file).to_pylist()
    except (OSError, ArrowException) as error:
        raise DataError(f"{file} can't be read: {error}") from None
    for row in rows:
        columns = {name: [row.get(name)] for name in ("fit", "lower", "upper", "extrapolated")}
        inputs = {name.removeprefix(INPUT): [value] for name, value in row.items() if name.startswith(INPUT)}
        yield {**row, **columns, "inputs": inputs}
