"""Read workbooks (Excel) and Parquet, by libraries that are installed where they are wanted."""

import io
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from typing import Any

from lm_app.data.columns import Texts
from lm_app.data.table import NA_INTEGER, NA_REAL, Column, Table
from lm_app.errors import DataError

ZIP, OLE, PARQUET = b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"PAR1"
INSTALL = "pip install -r contrib/requirements-files.txt"
INDEX = "__index_level_0__"  # pandas' row names


@dataclass(frozen=True, slots=True)
class Sheet:
    """Rows of fields of a sheet."""

    cells: list[list[Any]]
    notes: list[str] = field(default_factory=list)
    sep = ""

    def rows(self) -> Iterator[list[str]]:
        """Read the rows, the header first; an empty row is one of empty texts."""
        return ([_text(cell) for cell in row] for row in self.cells)


def is_workbook(content: bytes) -> bool:
    """Is it an .xlsx, .xls, .xlsb or .ods file?"""
    return content.startswith((ZIP, OLE))


def is_parquet(content: bytes) -> bool:
    """Is it a Parquet file?"""
    return content.startswith(PARQUET)


def open_sheet(content: bytes, sheet: str | None = None) -> Sheet:
    """Read a sheet of a workbook, the first or that of this name or number (from 1). Raises DataError."""
    try:
        from python_calamine import CalamineError, load_workbook
    except ImportError:
        raise DataError(f"is a workbook; to read it: {INSTALL}") from None
    try:
        workbook = load_workbook(io.BytesIO(content))
        names = workbook.sheet_names
        name = _sheet_name(names, sheet)
        cells = workbook.get_sheet_by_name(name).to_python()
    except CalamineError as error:
        raise DataError(f"is not a workbook that can be read: {error}") from None
    return Sheet(cells, [f"sheet {name!r} of {len(names)} is read"] if len(names) > 1 else [])


def _sheet_name(names: list[str], sheet: str | None) -> str:
    if sheet is None and names:
        return names[0]
    if sheet in names:
        return sheet
    if sheet and sheet.isdecimal() and 0 < int(sheet) <= len(names):
        return names[int(sheet) - 1]
    raise DataError(f"has no sheet {sheet!r}; its sheets are {', '.join(names)}")


def _text(cell: Any) -> str:
    """Write a cell as CSV would have it."""
    if isinstance(cell, bool):
        return str(cell).upper()
    if isinstance(cell, float):
        return f"{cell:.0f}" if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
    if isinstance(cell, datetime):
        return cell.isoformat() if cell.time() != time() else cell.date().isoformat()
    return str(cell.total_seconds()) if isinstance(cell, timedelta) else str(cell)


def read_parquet(content: bytes) -> Table:
    """Read a Parquet file, whose columns have types. Raises DataError."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise DataError(f"is Parquet; to read it: {INSTALL}") from None
    try:
        table = parquet.read_table(pyarrow.BufferReader(content))
        columns = {name: _column(name, table[name], pyarrow) for name in table.column_names}
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"is not Parquet that can be read: {error}") from None
    return Table(columns, table.num_rows, INDEX if INDEX in columns else None)


def _column(name: str, values: Any, pyarrow: Any) -> Column:
    """Take a column of Parquet with its type; one of a type that R has not can't be used."""
    is_a, kind = pyarrow.types, values.type
    if is_a.is_dictionary(kind):
        values, kind = values.cast(kind.value_type), kind.value_type
    if is_a.is_boolean(kind):
        return Column(name, "logical", _integers(values))
    if is_a.is_integer(kind):
        present = [value for value in values.to_pylist() if value is not None]
        if not present or (min(present) > NA_INTEGER and max(present) < -NA_INTEGER):
            return Column(name, "integer", _integers(values))
    if is_a.is_integer(kind) or is_a.is_floating(kind) or is_a.is_decimal(kind):
        return Column(name, "double", _doubles(values.cast(pyarrow.float64(), safe=False)))
    if is_a.is_date(kind):
        return Column(name, "date", _doubles(values.cast(pyarrow.date32()).cast(pyarrow.int32())))
    if is_a.is_timestamp(kind):
        microseconds = values.cast(pyarrow.timestamp("us", kind.tz), safe=False).cast(pyarrow.int64())
        return Column(name, "datetime", _doubles(microseconds, 1e6))
    if is_a.is_string(kind) or is_a.is_large_string(kind):
        texts = Texts(())
        texts.extend(["" if text is None else text for text in values.to_pylist()])
        return texts.column(name, convert=False)
    missing = array("i", [NA_INTEGER]) * len(values)
    return Column(name, "text", missing, problem=f"its type {kind} is none that lm() takes; convert it")


def _integers(values: Any) -> "array[int]":
    return array("i", [NA_INTEGER if value is None else int(value) for value in values.to_pylist()])


def _doubles(values: Any, divisor: float = 1.0) -> "array[float]":
    return array("d", [NA_REAL if value is None else value / divisor for value in values.to_pylist()])
