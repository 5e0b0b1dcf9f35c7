"""Tell what a Parquet file takes once it is decompressed, by its footer and the header of each page, before all else.

The footer alone may lie, and the library that reads the file believes what each page says of itself. That library is
not asked: as it looks at some wrong footers, it ends the process. Footer and headers are structs of Thrift's compact
protocol, see https://parquet.apache.org/docs/file-format/.
"""

from collections.abc import Collection, Iterator
from typing import Any

from django.conf import settings

from lm_app.errors import ContentTooLarge, DataError

MAGIC = b"PAR1"
MOST_FOOTER = 256 * 1024
"""Bytes of a footer. Some 100 of it describe a column of a row group."""
BROKEN = "is not Parquet that can be read"
I32, I64, BINARY, LIST, STRUCT = 5, 6, 8, 9, 12
SKIPPED = {1: 1, 2: 1, 3: 1, 7: 8}
"""Bytes of true and false in a list (the head of a field says which it is), of a byte, and of a double."""
VARINTS = (4, I32, I64)
MOST_NESTED = 12

# The fields that are looked at, by number and type; of the file, a row group, a column chunk, a page.
FILE_ROWS, ROW_GROUPS = (3, I64), (4, LIST)
COLUMNS, GROUP_ROWS = (1, LIST), (3, I64)
CHUNK, PATH, CHUNK_VALUES, CHUNK_SIZE, DATA_AT, DICTIONARY_AT = (
    (3, STRUCT),
    (3, LIST),
    (5, I64),
    (7, I64),
    (9, I64),
    (11, I64),
)
PAGE_SIZE, PACKED_SIZE, DATA, DICTIONARY, DATA_V2 = (2, I32), (3, I32), (5, STRUCT), (7, STRUCT), (8, STRUCT)
VALUES, ENCODING, ENCODING_V2 = (1, I32), (2, I32), (4, I32)
DELTA_BYTE_ARRAY = 7
"""Texts by what each has in common with the one before: a few bytes make any number of long ones."""

Struct = dict[tuple[int, int], Any]


def footer_of(content: bytes) -> Struct:
    """Read the footer; raises DataError."""
    size = int.from_bytes(content[-8:-4], "little")
    if not (content.startswith(MAGIC) and content.endswith(MAGIC) and size + 12 <= len(content)):
        raise DataError("is not Parquet")
    if size > MOST_FOOTER:
        raise DataError(f"is Parquet with a footer of more than {MOST_FOOTER} bytes; send fewer columns")
    return _struct(content[-8 - size : -8], 0)[0]


def rows_of(footer: Struct) -> int:
    """Tell how many rows there are; raises DataError where the groups of rows have others."""
    rows = [_natural(group, GROUP_ROWS) for group in footer.get(ROW_GROUPS, [])]
    if sum(rows) != footer.get(FILE_ROWS):
        raise DataError(f"{BROKEN}: its groups have other rows")
    return sum(rows)


def bytes_of(content: bytes, footer: Struct, names: Collection[str]) -> int:
    """Add up what these columns take; raises DataError, or ContentTooLarge where it is more than may be sent."""
    most, size, paths = settings.DATA_UPLOAD_MAX_MEMORY_SIZE, 0, [[name.encode()] for name in names]
    for group in footer.get(ROW_GROUPS, []):
        for column in group.get(COLUMNS, []):
            chunk = column.get(CHUNK, {})
            if chunk.get(PATH) in paths:
                if chunk.get(CHUNK_VALUES) != group[GROUP_ROWS]:
                    raise DataError(f"{BROKEN}: a column has other rows")
                size += _bytes_of_column(content, chunk)
                if size > most:
                    raise ContentTooLarge(f"The columns have more than {most} bytes; send them in parts.")
    return size


def _bytes_of_column(content: bytes, chunk: Struct) -> int:
    size = values = 0
    for page in _pages(content, chunk):
        for header, encoding in ((DATA, ENCODING), (DATA_V2, ENCODING_V2)):
            data = page.get(header, {})
            values += _natural(data, VALUES)
            if data.get(encoding) == DELTA_BYTE_ARRAY:
                raise DataError("is Parquet in the encoding DELTA_BYTE_ARRAY, which is not read; write it without")
        if _natural(page.get(DICTIONARY, {}), VALUES) > _natural(page, PAGE_SIZE):
            raise DataError(f"{BROKEN}: a dictionary has more values than bytes")
        size += page[PAGE_SIZE]
    if values != chunk[CHUNK_VALUES]:
        raise DataError(f"{BROKEN}: pages of {values} values are to hold {chunk[CHUNK_VALUES]}")
    return size


def _pages(content: bytes, chunk: Struct) -> Iterator[Struct]:
    """Read the headers of the pages, where the library finds them."""
    at, dictionary_at = _natural(chunk, DATA_AT), _natural(chunk, DICTIONARY_AT)
    if 0 < dictionary_at < at:
        at = dictionary_at
    end = at + _natural(chunk, CHUNK_SIZE)
    while at < end:
        page, at = _struct(content, at)
        yield page
        at += _natural(page, PACKED_SIZE)


def _natural(fields: Struct, field: tuple[int, int]) -> int:
    """Take a number that can't be negative, 0 where there is none; raises DataError."""
    number: int = fields.setdefault(field, 0)
    if number < 0:
        raise DataError(f"{BROKEN}: a number is negative")
    return number


def _struct(content: bytes, at: int, depth: int = 0) -> tuple[Struct, int]:
    """Read a struct: its fields by number and type, and where it ends."""
    fields, number = Struct(), 0
    while head := _byte(content, at):
        at, kind = at + 1, head & 15
        if head >> 4:
            number += head >> 4
        else:
            number, at = _varint(content, at)
        fields[number, kind], at = (None, at) if kind in (1, 2) else _value(content, at, kind, depth)
    return fields, at + 1


def _value(content: bytes, at: int, kind: int, depth: int) -> tuple[Any, int]:
    """Read a value, and where it ends; of those that are not looked at, None."""
    if kind in VARINTS:
        return _varint(content, at)
    if kind == BINARY:
        length, at = _length(content, at)
        return content[at : at + length], at + length
    if kind in SKIPPED:
        return None, at + SKIPPED[kind]
    if depth >= MOST_NESTED or kind not in (LIST, STRUCT):
        raise DataError(f"{BROKEN}: its headers have what none has")
    if kind == STRUCT:
        return _struct(content, at, depth + 1)
    head = _byte(content, at)
    length, at = _length(content, at + 1) if head >> 4 == 15 else (head >> 4, at + 1)
    values = []
    for _ in range(length):
        value, at = _value(content, at, head & 15, depth + 1)
        values.append(value)
    return values, at


def _length(content: bytes, at: int) -> tuple[int, int]:
    """Read a length, which no zigzag hides."""
    value = 0
    for shift in range(0, 70, 7):
        byte = _byte(content, at)
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise DataError(f"{BROKEN}: a number in its headers has too many bytes")


def _varint(content: bytes, at: int) -> tuple[int, int]:
    """Read a number: 0, -1, 1, -2 are written as 0, 1, 2, 3."""
    value, at = _length(content, at)
    return value >> 1 ^ -(value & 1), at


def _byte(content: bytes, at: int) -> int:
    try:
        return content[at]
    except IndexError:
        raise DataError(f"{BROKEN}: it ends within a header") from None
