"""The prediction log in Parquet: a row for each observation. pyarrow does it all, and does not hold Python's lock."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from lm_app.data.files import INSTALL
from lm_app.errors import DataError
from lm_app.monitoring.log_files import PARQUET

LEAST_BLOCK = 1 << 20
MODEL, INPUT = b"model", "inputs."
"""In the schema's metadata, the model; and what the names of predictors begin with."""


def prepare() -> None:
    """Import pyarrow, which takes half a second, before there is anything to be held up by that."""
    import pyarrow.json
    import pyarrow.parquet  # noqa: F401


def write(lines: Path) -> None:
    """Make a Parquet file of a closed file of JSON lines, and remove that. All its lines are of one version.

    Raises OSError, or ValueError, LookupError or TypeError where they are no lines of the log.
    """
    import pyarrow
    from pyarrow import json, parquet

    with lines.open("rb") as stream:
        first = orjson.loads(stream.readline())
        stream.seek(0)
        lengths = [len(line) for line in stream if line.endswith(b"\n")]  # a torn one is none
    inputs = {name: _kind(values) for name, values in first["inputs"].items()}
    before, after = _own_fields()
    fields = [*before, *((f"{INPUT}{name}", kind) for name, kind in inputs.items()), *after]
    schema = pyarrow.schema(fields, {MODEL: first["model"]})
    kinds = {field.name: field.type for field in before} | {field.name: pyarrow.list_(field.type) for field in after}
    kinds["inputs"] = pyarrow.struct([(name, pyarrow.list_(kind)) for name, kind in inputs.items()])
    batches = json.open_json(
        pyarrow.BufferReader(pyarrow.memory_map(str(lines)).read_buffer(sum(lengths))),
        json.ReadOptions(use_threads=False, block_size=max(LEAST_BLOCK, *lengths)),
        json.ParseOptions(explicit_schema=pyarrow.schema(kinds), unexpected_field_behavior="ignore"),
    )
    new = lines.with_suffix(f"{PARQUET}-{os.getpid()}")
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640)
        with open(descriptor, "wb") as out, parquet.ParquetWriter(out, schema) as file:
            for batch in batches:
                file.write_table(pyarrow.table(_columns(batch, before, after), schema))
        new.replace(lines.with_suffix(PARQUET))
    finally:
        new.unlink(missing_ok=True)
    lines.unlink(missing_ok=True)


def read(file: Path, model: str) -> tuple[dict[str, Sequence[Any]], dict[str, Sequence[Any]]]:
    """Read the columns of the log and those of the predictors; raises OSError, or DataError."""
    try:
        import pyarrow
        from pyarrow import compute, parquet
    except ImportError:
        raise DataError(f"{file} is Parquet; to read it: {INSTALL}") from None

    before, after = _own_fields()
    try:
        with file.open("rb") as stream:
            table = parquet.read_table(stream, use_threads=False)
        if [field for field in table.schema if not field.name.startswith(INPUT)] != before + after:
            raise ValueError(f"its columns are {', '.join(table.column_names)}")
        if (of_model := (table.schema.metadata or {}).get(MODEL, b"").decode()) != model:
            raise ValueError(f"it is of model {of_model!r}, not of {model!r}")
    except (ValueError, pyarrow.ArrowException) as error:
        raise DataError(f"{file} can't be read as the log's: {' '.join(str(error).split())}") from None
    values = {name: table[name].to_pylist() for name in table.column_names}
    values["time"] = compute.strftime(table["time"], "%Y-%m-%dT%H:%M:%SZ").to_pylist()
    inputs = {name.removeprefix(INPUT): values.pop(name) for name in table.column_names if name.startswith(INPUT)}
    return values, inputs


def _own_fields() -> tuple[list[Any], list[Any]]:
    """Make the fields that stand before the predictors, and those behind them."""
    import pyarrow

    before = [
        pyarrow.field("time", pyarrow.timestamp("us", "UTC"), nullable=False),
        pyarrow.field("request_id", pyarrow.string()),
        pyarrow.field("version", pyarrow.string(), nullable=False),
        pyarrow.field("interval", pyarrow.string(), nullable=False),
        pyarrow.field("level", pyarrow.float64(), nullable=False),
    ]
    after = [pyarrow.field(name, pyarrow.float64()) for name in ("fit", "lower", "upper")]
    return before, [*after, pyarrow.field("extrapolated", pyarrow.bool_())]


def _kind(values: Sequence[Any]) -> Any:
    """Tell the type of a predictor by some of its values; nulls are numbers that are none."""
    import pyarrow

    kinds = {str: pyarrow.string(), bool: pyarrow.bool_()}
    return kinds.get(type(values[0]), pyarrow.float64())


def _columns(batch: Any, before: Sequence[Any], after: Sequence[Any]) -> list[Any]:
    """Make rows of observations of rows of requests."""
    import pyarrow
    from pyarrow import compute

    fit = batch["fit"]
    request = compute.list_parent_indices(fit)

    def flat(lists: Any, kind: Any) -> Any:
        missing = pyarrow.ListArray.from_arrays(fit.offsets, pyarrow.nulls(len(fit.values), kind))
        return compute.list_flatten(compute.coalesce(lists, missing))

    once = [batch[field.name].take(request) for field in before]
    inputs = [compute.list_flatten(values) for values in batch["inputs"].flatten()]
    return [*once, *inputs, *(flat(batch[field.name], field.type) for field in after)]
