"""Fit an lm to rows that are in parts: what lm_app/scale asks of parts.R. R's values are bytes between processes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from rpy2 import rinterface

from lm_app.data.table import NA_INTEGER, NA_REAL
from lm_app.engine import runtime
from lm_app.engine.convert import ffi, json_value, named_list, optional, r_value, rlib, strings
from lm_app.engine.lm import Asked, Trained, arguments_of, trained

if TYPE_CHECKING:
    from typing_extensions import Unpack

DONE = "done"


class Sent(NamedTuple):
    """What a pass needs on each worker: the columns to read, and R's job."""

    used: tuple[str, ...]
    job: bytes


class Plan(NamedTuple):
    """A fit between two passes. `pass_name` is the next one, or DONE; `warnings` are R's so far."""

    pass_name: str
    job: bytes
    sent: Sent
    warnings: tuple[str, ...]


def plan(columns: Sequence[str], formula: str, **asked: "Unpack[Asked]") -> Plan:
    """Plan a fit; see plan_parts() in parts.R for the arguments. Raises RError with one line."""

    def job() -> Plan:
        return _plan(*runtime.call("plan_parts", strings(columns), formula, **arguments_of(asked)))

    return runtime.in_r(job)


def do_part(sent: Sent, file: str, before: int, rows: Mapping[str, float], table: Any, whole: frozenset[str]) -> bytes:
    """Do one part of a pass; raises RError with one line.

    `file` has so many rows `before` it, and all parts before have so many `rows`, by kind; see part_of_pass() in
    parts.R. `table` is pyarrow's; columns of `whole` are integers where all of their numbers are.
    """

    def job() -> bytes:
        place = {"where": strings(file), "before": _number(before), **{key: _number(n) for key, n in rows.items()}}
        columns = {name: _column(table[name], name in whole) for name in table.column_names}
        value, _ = runtime.call("part_of_pass", _loads(sent.job), named_list(place), named_list(columns))
        return _dumps(value)

    return runtime.in_r(job)


def merge(sent: Sent, *values: bytes) -> bytes:
    """Merge what do_part() or this made, in the order of the parts; raises RError with one line."""

    def job() -> bytes:
        merged, _ = runtime.call("merge_parts", _loads(sent.job), rinterface.ListSexpVector(list(map(_loads, values))))
        return _dumps(merged)

    return runtime.in_r(job)


def go_on(before: Plan, merged: bytes, console: runtime.Console) -> Plan:
    """Go on after a pass; raises RError with one line."""

    def job() -> Plan:
        with runtime.connected(console):
            return _plan(*runtime.call("after_pass", _loads(before.job), _loads(merged)), before.warnings)

    return runtime.in_r(job)


def rows_before(current: Plan, parts: int) -> list[dict[str, float]]:
    """Count the rows before each part, by their kind; before they are known, 0."""

    def job() -> list[dict[str, float]]:
        found: list[dict[str, float]] = json_value(runtime.call("rows_before", _loads(current.job), parts)[0])
        return found

    return runtime.in_r(job)


def finish(
    last: Plan, console: runtime.Console, *, plots: Path | None, title: str, units: Mapping[str, str]
) -> Trained:
    """Make of the last plan what train() returns; raises RError with one line."""

    def job() -> Trained:
        with runtime.connected(console):
            value, warned = runtime.call(
                "finish_parts",
                _loads(last.job),
                plots=optional(str(plots) if plots else None),
                title=title,
                units=r_value(units),
            )
        return trained(value, list(dict.fromkeys([*last.warnings, *warned])))

    return runtime.in_r(job)


# What follows runs within in_r.


def _plan(job: Any, warned: list[str], before: Sequence[str] = ()) -> Plan:
    parts = dict(zip(job.names, job, strict=True))
    for_workers, _ = runtime.call("for_workers", job)
    sent = Sent(tuple(parts["used"]), _dumps(for_workers))
    return Plan(parts["pass"][0], _dumps(job), sent, tuple(dict.fromkeys([*before, *warned])))


def _dumps(value: Any) -> bytes:
    serialized = rinterface.baseenv["serialize"](value, rinterface.NULL, xdr=rinterface.BoolSexpVector([False]))
    return bytes(ffi.buffer(rlib.RAW(serialized.__sexp__._cdata), len(serialized)))


def _loads(serialized: bytes) -> Any:
    return rinterface.baseenv["unserialize"](rinterface.ByteSexpVector.from_memoryview(memoryview(serialized)))


def _number(value: float) -> rinterface.FloatSexpVector:
    return rinterface.FloatSexpVector([value])


def _column(column: Any, may_be_whole: bool) -> rinterface.ListSexpVector:
    """Make what data_frame() in data.R takes of pyarrow's column, by one copy of its buffer."""
    import pyarrow
    from pyarrow import compute, types

    array = column.combine_chunks()
    array = array.chunk(0) if isinstance(array, pyarrow.ChunkedArray) else array
    texts: list[str] = []
    kind = array.type
    if types.is_dictionary(kind):
        type_, texts = "text", array.dictionary.to_pylist()
        array = compute.add(array.indices.cast(pyarrow.int32()), pyarrow.scalar(1, pyarrow.int32()))
    elif types.is_boolean(kind):
        type_, array = "logical", array.cast(pyarrow.int32())
    elif types.is_date(kind):
        type_, array = "date", array.cast(pyarrow.date32()).cast(pyarrow.int32()).cast(pyarrow.float64())
    elif types.is_timestamp(kind):
        micros = array.cast(pyarrow.timestamp("us", kind.tz), safe=False).cast(pyarrow.int64())
        type_, array = "datetime", compute.divide(micros.cast(pyarrow.float64()), 1e6)
    else:
        type_ = "number" if may_be_whole else "double"
        array = array.cast(pyarrow.float64(), safe=False)
    return named_list({"type": strings(type_), "values": _vector(array), "texts": strings(texts)})


def _vector(array: Any) -> Any:
    """Copy the buffer of an array of doubles or of integers of 32 bits; what is null becomes R's NA."""
    from pyarrow import types

    is_double = types.is_floating(array.type)
    if array.null_count:
        array = array.fill_null(NA_REAL if is_double else NA_INTEGER)
    vector = rinterface.FloatSexpVector if is_double else rinterface.IntSexpVector
    if not len(array):
        return vector([])
    size = 8 if is_double else 4
    buffer = memoryview(array.buffers()[1])[size * array.offset : size * (array.offset + len(array))]
    return vector.from_memoryview(buffer.cast("B").cast("d" if is_double else "i"))
