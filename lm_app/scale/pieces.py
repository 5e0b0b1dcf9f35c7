"""Cut data of any size into parts, and read one: a range of a CSV file's bytes, or row groups of a Parquet file."""

import hashlib
import os
from array import array
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from glob import glob
from itertools import islice
from types import MappingProxyType
from typing import Any, BinaryIO, Literal, NamedTuple

import pyarrow
from pyarrow import csv, parquet, types

from lm_app.data.columns import LOGICALS, Numbers
from lm_app.data.dates import read_dates
from lm_app.data.decode import GZIP
from lm_app.data.dialect import BLANKS, rows_of
from lm_app.data.files import INDEX, is_parquet, is_workbook
from lm_app.data.header import align, unique
from lm_app.data.reading import CHUNK_ROWS, read_table
from lm_app.data.table import Column
from lm_app.data.text import Text, open_text
from lm_app.errors import DataError, Fault

Kind = Literal["number", "text", "logical", "date", "datetime"]
KINDS: dict[str, Kind] = {"double": "number", "integer": "number"}
SAMPLE_BYTES = 1 << 18
VALUE_BYTES = 12
"""Of a part's size, what a value counts at least: a number takes 8 bytes in memory, however few in the file."""
WRITE_PARQUET = "write the data as Parquet"
TEXTS = pyarrow.dictionary(pyarrow.int32(), pyarrow.string())
CONVERTED: dict[Kind, Any] = {
    "logical": pyarrow.bool_(),
    "date": pyarrow.date32(),
    "datetime": pyarrow.timestamp("us"),
}
"""What is read as texts, each different one of which is then converted as lm_app/data does."""
ASKED: dict[Kind, str] = {
    "number": "a number",
    "logical": "TRUE or FALSE",
    "date": "a date such as 2024-12-31",
    "datetime": "a date and a time such as 2024-12-31T18:30:00Z",
}


class Format(NamedTuple):
    """How a CSV file is to be read. `names` has a name for each field, or "" for one that is left out."""

    names: tuple[str, ...]
    sep: str
    mark: str
    encoding: str
    na: tuple[str, ...]
    levels: Mapping[str, Collection[str]]
    """Of factors: texts of `na` that are no missing values there."""


@dataclass(frozen=True)
class Piece:
    """A part of the data: bytes of a CSV file, or row groups of a Parquet file, from `start` up to `stop`.

    All parts have the same `columns`. `problems` tells why some of these can't be read, and `doubts` why they should
    not be used: their values are not of one kind.
    """

    path: str
    kind: Literal["csv", "parquet"]
    start: int
    stop: int
    number: int
    """Of the part, from 0, in the order of the data."""
    rows: int
    """How many it has; of CSV, about."""
    before: int
    """How many rows of the file are before it; 0 for CSV."""
    span: tuple[int, int]
    """Its share of the file's bytes; those of all parts are the whole file."""
    size: int
    modified: int
    """Of the file: its bytes, and its time of change in nanoseconds."""
    columns: Mapping[str, Kind]
    problems: Mapping[str, str]
    doubts: Mapping[str, str]
    format: Format | None = None

    @property
    def bytes(self) -> int:
        """How many bytes of the file it is."""
        return self.span[1] - self.span[0]


def find_pieces(
    pattern: str,
    part_bytes: int,
    *,
    sep: str | None = None,
    dec: str | None = None,
    na: Sequence[str] = ("NA",),
    encoding: str | None = None,
    factors: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> list[Piece]:
    """Cut all files that a pattern names, in the order of their names, into parts of about so many bytes.

    The rest is as in read_table(), which finds out dialect and types from each file's beginning. Raises DataError.
    """
    paths = [pattern] if os.path.isfile(pattern) else sorted(filter(os.path.isfile, glob(pattern, recursive=True)))
    if not paths:
        raise DataError(f"{pattern}: there is no such file")

    asked = _Asked(sep, dec, tuple(na), encoding, {name: tuple(levels) for name, levels in factors.items()})
    files = [_look_at(path, part_bytes, asked) for path in paths]
    known = _merged(files)
    pieces = [replace(piece, **known) for file in files for piece in file.pieces]
    if not pieces:
        raise DataError(f"{pattern}: there is a header, and no observations")
    return [replace(piece, number=number) for number, piece in enumerate(pieces)]


class _Asked(NamedTuple):
    """What was asked of find_pieces() for CSV."""

    sep: str | None
    dec: str | None
    na: tuple[str, ...]
    encoding: str | None
    factors: Mapping[str, Collection[str]]


class _File(NamedTuple):
    path: str
    columns: Mapping[str, Kind | None]
    """None where nothing is known, as all values are missing."""
    problems: Mapping[str, str]
    doubts: Mapping[str, str]
    pieces: list[Piece]


def _look_at(path: str, part_bytes: int, asked: _Asked) -> _File:
    try:
        with open(path, "rb") as stream:
            status = os.fstat(stream.fileno())
            sample = stream.read(SAMPLE_BYTES)
            empty = Piece(path, "csv", 0, 0, 0, 0, 0, (0, 0), status.st_size, status.st_mtime_ns, {}, {}, {})
            if is_parquet(sample):
                return _look_at_parquet(replace(empty, kind="parquet"), part_bytes)
            return _look_at_text(stream, sample, empty, part_bytes, asked)
    except DataError as error:
        raise DataError(f"{path} {error}") from None
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}") from None


# Parquet


def _look_at_parquet(empty: Piece, part_bytes: int) -> _File:
    try:
        with parquet.ParquetFile(empty.path) as file:
            groups = [file.metadata.row_group(group) for group in range(file.metadata.num_row_groups)]
            sizes = [
                (group.num_rows, max(group.total_byte_size, VALUE_BYTES * group.num_rows * group.num_columns))
                for group in groups
            ]
            fields = [field for field in file.schema_arrow if field.name != INDEX]
    except (pyarrow.ArrowException, OSError) as error:
        raise DataError(f"is not Parquet that can be read: {_line(error)}") from None
    problems = _repeated(field.name for field in fields)
    columns: dict[str, Kind | None] = {}
    for field in fields:
        columns[field.name] = _kind_of(field.type)
        if columns[field.name] is None and not types.is_null(field.type):
            problems[field.name] = f"its type {field.type} is none that lm() takes; convert it"
    return _File(empty.path, columns, problems, {}, list(_of_groups(empty, sizes, part_bytes)))


def _of_groups(empty: Piece, sizes: Sequence[tuple[int, int]], part_bytes: int) -> Iterator[Piece]:
    """Put small row groups together, up to the size of a part; the file's bytes are shared out evenly."""
    start = before = rows = size = 0
    for group, (more_rows, more_bytes) in enumerate([*sizes, (0, part_bytes)]):
        if rows and size + more_bytes > part_bytes:
            span = (empty.size * start // len(sizes), empty.size * group // len(sizes))
            yield replace(empty, start=start, stop=group, rows=rows, before=before, span=span)
            start, before, rows, size = group, before + rows, 0, 0
        rows, size = rows + more_rows, size + more_bytes


def _kind_of(kind: Any) -> Kind | None:
    if types.is_dictionary(kind):
        kind = kind.value_type
    if types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind):
        return "text"
    if types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind):
        return "number"
    if types.is_boolean(kind):
        return "logical"
    if types.is_date(kind):
        return "date"
    return "datetime" if types.is_timestamp(kind) else None


# CSV


def _look_at_text(stream: BinaryIO, sample: bytes, empty: Piece, part_bytes: int, asked: _Asked) -> _File:
    if is_workbook(sample) or sample.startswith(GZIP):
        what = "a workbook" if is_workbook(sample) else "compressed by gzip"
        raise DataError(f"is {what}, which can't be cut into parts; {WRITE_PARQUET}")
    if len(sample) < empty.size:
        sample = sample[: sample.rfind(b"\n") + 1]
        if not sample:
            raise DataError(f"has no line that ends within {SAMPLE_BYTES} bytes; {WRITE_PARQUET}")
    found = _read_sample(sample, asked)
    begin = _end_of_header(sample, found.text)
    rows_in_byte = found.rows / max(1, len(sample) - begin)
    in_memory = VALUE_BYTES * len(found.format.names) * rows_in_byte
    part_bytes = max(1, int(part_bytes / max(1, in_memory)))
    pieces, start = list[Piece](), begin
    while start < empty.size:
        stream.seek(start + part_bytes - 1)
        stream.readline()
        stop = min(stream.tell(), empty.size)
        span = (start if pieces else 0, stop)
        about = round((stop - start) * rows_in_byte)
        pieces.append(replace(empty, start=start, stop=stop, rows=about, span=span, format=found.format))
        start = stop
    kinds = {column.name: _kind_of_text(column) for column in found.columns}
    doubts = {column.name: column.problem for column in found.columns if column.problem}
    return _File(empty.path, kinds, _repeated(filter(None, found.names)), doubts, pieces)


class _Sample(NamedTuple):
    text: Text
    format: Format
    names: Sequence[str]
    columns: Sequence[Column]
    rows: int


def _read_sample(sample: bytes, asked: _Asked) -> _Sample:
    """Find out from a file's beginning how it is to be read. Raises DataError."""
    text = open_text(sample, sep=asked.sep, encoding=asked.encoding)
    if text.encoding != "utf-8-sig" and ",\n".encode(text.encoding) != b",\n":
        raise DataError(
            f"is in {text.encoding}, which can't be cut into parts; convert it to UTF-8, or {WRITE_PARQUET}"
        )
    if text.sep == BLANKS or text.has_blanks:
        raise DataError(f"has blanks between its fields, so that it can't be cut into parts; {WRITE_PARQUET}")
    rows = [row for row in text.rows() if any(row)]
    if not rows:
        raise DataError("is empty")
    if len(rows) == 1:
        given, mark = [name.strip() for name in rows[0]], "."
        names = unique(given)
        columns = [Column(name, "logical", array("i")) for name in names if name]
    else:
        table = read_table(sample, **asked._asdict())
        columns = list(table.columns.values())
        mark = "." if text.sep == "," and not asked.dec else asked.dec or _mark(sample, asked, columns)
        given = align(rows[0], rows[1 : CHUNK_ROWS + 1]) or rows[0]
        names = unique([table.row_names or given[0], *given[1:]])
        names = [name if name in table.columns else "" for name in names]
    form = Format(tuple(names), text.sep, mark, text.encoding, asked.na, asked.factors)
    return _Sample(text, form, given, columns, len(rows) - 1)


def _mark(sample: bytes, asked: _Asked, columns: Sequence[Column]) -> str:
    """Find out the decimal mark: a point, unless columns are numbers only by commas."""
    pointed = read_table(sample, **{**asked._asdict(), "dec": "."}).columns.values()
    return "." if [column.type for column in pointed] == [column.type for column in columns] else ","


def _kind_of_text(column: Column) -> Kind | None:
    if column.type == "logical" and not any(value in (0, 1) for value in column.values):
        return None
    return KINDS.get(column.type, column.type)  # type: ignore[arg-type]


def _end_of_header(sample: bytes, text: Text) -> int:
    """Tell where the first line after the header begins."""
    lines = sample.splitlines(keepends=True)
    number = text.dialect.skip
    while not any(any(row) for row in rows_of([lines[number].decode(text.encoding)], text.sep, strict=False)):
        number += 1
    return sum(map(len, lines[: number + 1]))


# All files


def _merged(files: Sequence[_File]) -> dict[str, Any]:
    """Find the columns of all files, and what is wrong with them."""
    columns: dict[str, Kind] = {}
    problems: dict[str, str] = {}
    doubts: dict[str, str] = {}
    where: dict[str, str] = {}
    for file in files:
        problems |= {name: f"{problem} ({file.path})" for name, problem in file.problems.items()}
        doubts |= {name: f"{doubt} ({file.path})" for name, doubt in file.doubts.items()}
        for name, kind in file.columns.items():
            if kind and columns.setdefault(name, kind) != kind:
                remedy = ", or name it as a factor (--factors)" if "text" in (kind, columns[name]) else ""
                what = f"it is a {columns[name]} in {where[name]} and a {kind} in {file.path}"
                doubts.setdefault(name, f"{what}; correct that{remedy}")
            elif kind:
                where.setdefault(name, file.path)
    for name in dict.fromkeys(name for file in files for name in file.columns):
        columns.setdefault(name, "number")  # all are missing
        if lacking := [file.path for file in files if name not in file.columns]:
            problems.setdefault(name, f"{lacking[0]} has no such column")
    return {"columns": columns, "problems": problems, "doubts": doubts}


# Read a part


def read_piece(piece: Piece, columns: Sequence[str] | None) -> Any:
    """Read some columns of a part, or all that can be used, as a pyarrow.Table.

    Texts are dictionaries (int32, string) in one chunk; of CSV, numbers are float64, dates date32 and times
    timestamp[us]. What is missing is null. Raises Fault with one line.
    """
    if columns is None:
        columns = [name for name in piece.columns if name not in piece.problems and name not in piece.doubts]
    for name in columns:
        if name not in piece.columns:
            raise Fault(f"there is no column {name!r} in {piece.path}; it has {', '.join(piece.columns)}")
        if wrong := piece.problems.get(name) or piece.doubts.get(name):
            raise Fault(f"column {name!r} can't be used: {wrong}")
    try:
        with open(piece.path, "rb") as stream:
            _check_unchanged(piece, stream)
            table = (_read_text if piece.kind == "csv" else _read_groups)(piece, stream, list(columns))
    except (pyarrow.ArrowException, OSError, UnicodeError) as error:
        raise Fault(f"{piece.path} can't be read: {_line(error)}") from None
    return table.unify_dictionaries().combine_chunks()


def place_of(piece: Piece, row: int) -> str:
    """Name a row of a part, counted from 0, as people find it in the file."""
    if piece.kind == "parquet":
        return f"row {piece.before + row + 1} of {piece.path}"
    with open(piece.path, "rb") as stream:
        before = _lines_before(stream, piece)
        stream.seek(piece.start)
        lines = (number for number, line in enumerate(stream, start=before + 1) if line.strip(b"\r\n"))
        return f"line {next(islice(lines, row, None))} of {piece.path}"


def rows_before(piece: Piece) -> int:
    """Count the rows of the file that are before a part; of CSV, the lines below a header of one line."""
    if piece.kind == "parquet":
        return piece.before
    with open(piece.path, "rb") as stream:
        return _lines_before(stream, piece) - 1


def _lines_before(stream: BinaryIO, piece: Piece) -> int:
    return sum(block.count(b"\n") for block in _blocks(stream, 0, piece.start))


def digest(piece: Piece) -> str:
    """Hash the part's share of the file's bytes (SHA-256). Raises Fault."""
    try:
        with open(piece.path, "rb") as stream:
            _check_unchanged(piece, stream)
            hashed = hashlib.sha256()
            for block in _blocks(stream, *piece.span):
                hashed.update(block)
    except OSError as error:
        raise Fault(f"{piece.path} can't be read: {_line(error)}") from None
    return hashed.hexdigest()


def _blocks(stream: BinaryIO, start: int, stop: int) -> Iterator[bytes]:
    stream.seek(start)
    while start < stop and (block := stream.read(min(SAMPLE_BYTES, stop - start))):
        start += len(block)
        yield block


def _check_unchanged(piece: Piece, stream: BinaryIO) -> None:
    status = os.fstat(stream.fileno())
    if (status.st_size, status.st_mtime_ns) != (piece.size, piece.modified):
        raise Fault(f"{piece.path} has changed since it was first read; start again, when nobody writes to it")


def _read_groups(piece: Piece, stream: BinaryIO, columns: list[str]) -> Any:
    texts = [name for name in columns if piece.columns[name] == "text"]
    with parquet.ParquetFile(stream, read_dictionary=texts, pre_buffer=False) as file:
        table = file.read_row_groups(range(piece.start, piece.stop), columns=columns, use_threads=False)
    return pyarrow.table({name: _plain(table[name]) for name in columns})


def _plain(column: Any) -> Any:
    if _kind_of(column.type) == "text":
        return column if column.type == TEXTS else column.cast(pyarrow.string()).dictionary_encode()
    return column.cast(pyarrow.float64(), safe=False) if types.is_decimal(column.type) else column


def _read_text(piece: Piece, stream: BinaryIO, columns: list[str]) -> Any:
    stream.seek(piece.start)
    block = stream.read(piece.stop - piece.start)
    if block.count(b'"') % 2:
        raise Fault(f"{piece.path} has a field in quotes that goes over several lines; {WRITE_PARQUET}")
    assert piece.format  # noqa: S101  (of every CSV file)
    if piece.format.encoding not in ("utf-8", "utf-8-sig"):
        block = block.decode(piece.format.encoding).encode()
    numbers = [name for name in columns if piece.columns[name] == "number"]
    try:
        read = _parsed(piece, block, columns, numbers)
    except pyarrow.ArrowInvalid:  # a number that Arrow does not read, perhaps none
        read = _parsed(piece, block, columns, [])
    return pyarrow.table({name: _converted(piece, name, read[name]) for name in columns})


def _parsed(piece: Piece, block: bytes, columns: list[str], numbers: Collection[str]) -> dict[str, Any]:
    """Have Arrow read a part: numbers as such, all else as texts."""
    form = piece.format
    assert form  # noqa: S101
    fields = {name: str(position) for position, name in enumerate(form.names) if name}
    wrong = []

    def note(row: Any) -> str:
        wrong.append(f"{place_of(piece, row.number - 1)} has {row.actual_columns} fields, not {row.expected_columns}")
        return "error"

    try:
        table = csv.read_csv(
            pyarrow.BufferReader(block),
            csv.ReadOptions(
                column_names=list(map(str, range(len(form.names)))), use_threads=False, block_size=len(block) + 1
            ),
            csv.ParseOptions(delimiter=form.sep, invalid_row_handler=note),
            csv.ConvertOptions(
                column_types={fields[name]: pyarrow.float64() if name in numbers else TEXTS for name in columns},
                include_columns=[fields[name] for name in columns],
                null_values=["", *form.na],
                decimal_point=form.mark,
            ),
        )
    except pyarrow.ArrowInvalid:
        if wrong:
            raise Fault(f"{wrong[0]}; quote each field that holds a separator") from None
        raise
    return {name: table[fields[name]].unify_dictionaries().combine_chunks() for name in columns}


def _converted(piece: Piece, name: str, column: Any) -> Any:
    """Make a column of its kind. What Arrow has read as texts is converted as lm_app/data does."""
    kind, form = piece.columns[name], piece.format
    assert form  # noqa: S101
    if not types.is_dictionary(column.type):
        return column
    texts = column.dictionary.to_pylist()
    na = {"", *form.na} - {*form.levels.get(name, ())}
    values = [None if text.strip() in na else _value(kind, text, form.mark) for text in texts]
    if _WRONG in values:
        first, code = next((i, code) for i, code in enumerate(column.indices.to_pylist()) if values[code] is _WRONG)
        raise Fault(
            f"column {name!r}, {place_of(piece, first)}: {texts[code]!r} is not {ASKED[kind]}, as the first are; "
            "correct it, or name the column as a factor (--factors)"
        )
    if kind != "text":
        return pyarrow.array(values, CONVERTED.get(kind, pyarrow.float64())).take(column.indices)
    kept = [text for text, value in zip(texts, values, strict=True) if value is not None]
    positions = {text: position for position, text in enumerate(kept)}
    codes = pyarrow.array([None if value is None else positions[value] for value in values], pyarrow.int32())
    return pyarrow.DictionaryArray.from_arrays(codes.take(column.indices), pyarrow.array(kept, pyarrow.string()))


_WRONG = object()


def _value(kind: Kind, text: str, mark: str) -> Any:
    """Convert one text, or return _WRONG."""
    if kind == "text":
        return text
    stripped = text.strip()
    if kind == "logical":
        return bool(LOGICALS[stripped]) if stripped in LOGICALS else _WRONG
    try:
        if kind == "number":
            numbers = Numbers((), mark)
            numbers.extend([stripped])
            return numbers.values[0]
        found, [value] = read_dates([stripped])
    except ValueError:
        return _WRONG
    if kind == "datetime":
        return round(value * 1_000_000 if found == "datetime" else value * 86_400_000_000)
    return _WRONG if found == "datetime" else int(value)


def _repeated(names: Iterable[str]) -> dict[str, str]:
    """Tell what is wrong with names that stand there twice."""
    return {
        name: f"{times} columns have this name; rename all but one"
        for name, times in Counter(names).items()
        if times > 1
    }


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200].rstrip(".")
