"""Convert between R's values and Python's; called where R may be called."""

import math
from array import array
from collections.abc import Mapping, Sequence
from typing import Any

from rpy2 import rinterface
from rpy2.rinterface_lib import openrlib

from lm_app.data.table import Table

rlib, ffi = openrlib.rlib, openrlib.ffi


def doubles(vector: rinterface.FloatSexpVector) -> "array[float]":
    """Copy R's numbers.

    Not by vector.memoryview(): in rpy2 3.6 each such call loses one reference to None (its C function returns None
    without owning it), and Python up to 3.11 ends with "deallocating None" when the last one is gone.
    """
    return doubles_at(rlib.REAL(vector.__sexp__._cdata), len(vector))


def doubles_at(pointer: Any, size: int) -> "array[float]":
    """Copy so many of R's numbers."""
    values = array("d")
    values.frombytes(ffi.buffer(pointer, 8 * size))
    return values


def strings(texts: str | Sequence[str]) -> rinterface.StrSexpVector:
    """Make a character vector."""
    return rinterface.StrSexpVector([texts] if isinstance(texts, str) else list(texts))


def optional(text: str | None) -> Any:
    """Make a character vector of one, or NULL for None."""
    return rinterface.NULL if text is None else strings(text)


def named_list(items: Mapping[str, Any]) -> rinterface.ListSexpVector:
    """Make a named list of R's values."""
    vector = rinterface.ListSexpVector(list(items.values()))
    vector.names = strings(list(items))
    return vector


def r_value(value: Any) -> Any:
    """Make R's of JSON data: an object is a named list, and an array of numbers (null is NA) or texts a vector."""
    if value is None:
        return rinterface.NULL
    if isinstance(value, Mapping):
        return named_list({name: r_value(item) for name, item in value.items()})
    if isinstance(value, bool):
        return rinterface.BoolSexpVector([value])
    items = value if isinstance(value, list) else [value]
    if all(type(item) is str for item in items):
        return strings(items)
    if all(item is None or type(item) in (int, float) for item in items):
        return rinterface.FloatSexpVector([rinterface.NA_Real if item is None else float(item) for item in items])
    return rinterface.ListSexpVector([r_value(item) for item in items])


def data_frame_columns(table: Table) -> rinterface.ListSexpVector:
    """Make the argument of data_frame() in data.R: for each column its type, values and texts."""
    return named_list(
        {
            name: named_list(
                {
                    "type": strings(column.type),
                    "values": _vector(column.values),
                    "texts": strings(column.texts),
                }
            )
            for name, column in table.columns.items()
        }
    )


def problems_of(table: Table) -> rinterface.ListSexpVector:
    """Make the argument `problems` of train() in train.R."""
    return named_list({name: strings(f"column '{name}': {why}") for name, why in table.problems.items()})


def _vector(values: "array[Any]") -> Any:
    vector = rinterface.FloatSexpVector if values.typecode == "d" else rinterface.IntSexpVector
    return vector.from_memoryview(memoryview(values))


def json_value(value: Any) -> Any:
    """Make JSON data: a named list is an object, a vector of one is a scalar (unless I() protects it)."""
    if isinstance(value, rinterface.NULLType):
        return None
    if isinstance(value, rinterface.ListSexpVector):
        if isinstance(value.names, rinterface.NULLType):
            return [json_value(item) for item in value]
        return {name: json_value(item) for name, item in zip(value.names, value, strict=True)}
    if isinstance(value, rinterface.FloatSexpVector):
        items = [x if math.isfinite(x) else None for x in doubles(value)]
    else:
        missing = (rinterface.NA_Character, rinterface.NA_Integer, rinterface.NA_Logical)
        items = [None if x in missing else x for x in value]
    protected = "AsIs" in value.rclass
    return items if protected or len(items) != 1 else items[0]
