"""What Arrow's columns hold, as the values that JSON would have."""

from typing import Any


def is_text(kind: Any) -> bool:
    """Is it a type of texts?"""
    from pyarrow import types

    return any(is_it(kind) for is_it in (types.is_string, types.is_large_string, types.is_string_view))


def is_read(kind: Any) -> bool:
    """Is it a type whose values JSON has, too?"""
    from pyarrow import types

    if types.is_dictionary(kind):
        kind = kind.value_type
    plain = (types.is_integer, types.is_floating, types.is_decimal, types.is_boolean, types.is_date, types.is_timestamp)
    return is_text(kind) or types.is_null(kind) or any(is_it(kind) for is_it in plain)


def values_of(column: Any) -> list[Any]:
    """Make the values of a column as JSON has them. A number that is none (NaN) is missing, as pandas means it."""
    import pyarrow
    from pyarrow import compute, types

    kind = column.type
    if types.is_dictionary(kind):
        column, kind = column.cast(kind.value_type), kind.value_type
    if types.is_floating(kind) or types.is_decimal(kind):
        numbers = column.cast(pyarrow.float64(), safe=False)
        return list(compute.if_else(compute.is_finite(numbers), numbers, None).to_pylist())
    if types.is_timestamp(kind):
        microseconds = column.cast(pyarrow.timestamp("us", kind.tz), safe=False).cast(pyarrow.int64())
        column = microseconds.cast(pyarrow.timestamp("us"))  # in UTC, without a look at the zone's name
    if types.is_timestamp(kind) or types.is_date(kind):
        return [time and time.isoformat().removesuffix("T00:00:00") for time in column.to_pylist()]
    return list(column.to_pylist())
