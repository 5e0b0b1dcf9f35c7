"""Tell what a Parquet file takes once it is decompressed, by its footer and the header of each page, before all else.

The footer alone may lie, and the library that reads the file believes what each page says of itself. That library is
not asked: as it looks at some wrong footers, it ends the process. Footer and headers are structs of Thrift's compact
protocol, see https://parquet.apache.org/docs/file-format/.
"""

from collections.abc import Iterator
from typing import Any

from django.conf import settings

from lm_app.errors import ContentTooLarge, DataError

MAGIC = b"PAR1"
MOST_FOOTER = 256 * 1024
"""Bytes of a footer. Some 100 of them describe a column of a row group."""
BROKEN = "is not Parquet that can be read"
I32, I64, BINARY, LIST, STRUCT = 5, 6, 8, 9, 12
SKIPPED = {3: 1, 7: 8}
"""Bytes of a byte, and of a double."""
LOGICALS = (1, 2)
VARINTS = (4, I32, I64)
MOST_NESTED = 12
IN_PAGE = (0,)
LISTS: dict[tuple[int, ...], int] = {
    **dict.fromkeys([(2,), (4,), (5,), (7,), (4, 1), (4, 4), (4, 1, 3, 8), (4, 1, 3, 13)], STRUCT),
    **dict.fromkeys([(4, 1, 3, 3), (4, 1, 8, 2, 1)], BINARY),
    **dict.fromkeys([(4, 1, 3, 16, 2), (4, 1, 3, 16, 3)], I64),
    **dict.fromkeys([(4, 1, 3, 2), (4, 1, 3, 17, 2)], I32),
}
"""What is in each list of a footer, by the numbers of the fields down to it; the library asks no list itself."""
MOST_VALUES = 100_000
"""In the footer and all headers: Python needs a microsecond for each."""

# The fields that are looked at, by number and type; of the file, a row group, a column chunk, a page.
FILE_ROWS, ROW_GROUPS = (3, I64), (4, LIST)
COLUMNS, GROUP_ROWS = (1, LIST), (3, I64)
CHUNK, CHUNK_VALUES, CHUNK_SIZE, DATA_AT, DICTIONARY_AT = (3, STRUCT), (5, I64), (7, I64), (9, I64), (11, I64)
PAGE_SIZE, PACKED_SIZE, DATA, DICTIONARY, DATA_V2 = (2, I32), (3, I32), (5, STRUCT), (7, STRUCT), (8, STRUCT)
VALUES, ENCODING, ENCODING_V2 = (1, I32), (2, I32), (4, I32)
DELTA_BYTE_ARRAY = 7
"""Texts by what each has in common with the one before: a few bytes make any number of long ones."""

Struct = dict[tuple[int, int], Any]
Path = tuple[int, ...]


class ParquetSize:
    """The size of a file: `rows`, and `add_bytes()`."""

    def __init__(self, content: bytes) -> None:
        """Read the footer; raises DataError."""
        size = int.from_bytes(content[-8:-4], "little")
        if not (content.startswith(MAGIC) and content.endswith(MAGIC) and size + 12 <= len(content)):
            raise DataError("is not Parquet")
        if size > MOST_FOOTER:
            raise DataError(f"is Parquet with a footer of more than {MOST_FOOTER} bytes; send fewer columns")
        self._headers = _Headers(content)
        footer, _ = self._headers.struct(len(content) - 8 - size, ())
        self._groups: list[Struct] = footer.get(ROW_GROUPS, [])
        self.rows = sum(_natural(group, GROUP_ROWS) for group in self._groups)
        if self.rows != footer.get(FILE_ROWS):
            raise DataError(f"{BROKEN}: its groups have other rows")

    def add_bytes(self) -> int:
        """Add up what all columns take; raises DataError, or ContentTooLarge where it is more than may be sent.

        All, and not those that are needed: which is which, a footer may tell the library otherwise than us.
        """
        most, size = settings.DATA_UPLOAD_MAX_MEMORY_SIZE, 0
        for group in self._groups:
            for column in group.get(COLUMNS, []):
                chunk = column.get(CHUNK, {})
                size += self._add_pages(chunk, group[GROUP_ROWS])
                if size > most:
                    raise ContentTooLarge(f"The columns have more than {most} bytes; send them in parts.")
        return size

    def _add_pages(self, chunk: Struct, rows: int) -> int:
        size = values = 0
        for page in self._pages(chunk):
            for header, encoding in ((DATA, ENCODING), (DATA_V2, ENCODING_V2)):
                data = page.get(header, {})
                values += _natural(data, VALUES)
                if data.get(encoding) == DELTA_BYTE_ARRAY:
                    raise DataError("is Parquet in the encoding DELTA_BYTE_ARRAY, which is not read; write it without")
            if _natural(page.get(DICTIONARY, {}), VALUES) > _natural(page, PAGE_SIZE):
                raise DataError(f"{BROKEN}: a dictionary has more values than bytes")
            size += page[PAGE_SIZE]
        if not values == chunk.get(CHUNK_VALUES) == rows:
            raise DataError(f"{BROKEN}: a column has not one value in each row")
        return size

    def _pages(self, chunk: Struct) -> Iterator[Struct]:
        """Read the headers of the pages, where the library finds them."""
        at, dictionary_at = _natural(chunk, DATA_AT), _natural(chunk, DICTIONARY_AT)
        if 0 < dictionary_at < at:
            at = dictionary_at
        end = at + _natural(chunk, CHUNK_SIZE)
        while at < end:
            page, at = self._headers.struct(at, IN_PAGE)
            yield page
            at += _natural(page, PACKED_SIZE)


def _natural(fields: Struct, field: tuple[int, int]) -> int:
    """Take a number that can't be negative, 0 where there is none; raises DataError."""
    number: int = fields.setdefault(field, 0)
    if not 0 <= number < 1 << (31 if field[1] == I32 else 63):
        raise DataError(f"{BROKEN}: a number is out of range")
    return number


class _Headers:
    """Reads structs as the library does, or refuses them: what it would cut, take twice or in part."""

    def __init__(self, content: bytes) -> None:
        self.content, self.left = content, MOST_VALUES

    def struct(self, at: int, path: Path) -> tuple[Struct, int]:
        """Read a struct: its fields by number and type, and where it ends."""
        fields, number = Struct(), 0
        while head := self._byte(at):
            at, kind, before = at + 1, head & 15, number
            if head >> 4:
                number += head >> 4
            else:
                number, at = self._number(at)
            if not before < number < 1 << 15:
                raise DataError(f"{BROKEN}: the fields of a header are not in order")
            fields[number, kind], at = (None, at) if kind in LOGICALS else self._value(at, kind, (*path, number))
        return fields, at + 1

    def _value(self, at: int, kind: int, path: Path) -> tuple[Any, int]:
        """Read a value, and where it ends; of those that are not looked at, None."""
        self.left -= 1
        if self.left < 0:
            raise DataError(f"is Parquet with more than {MOST_VALUES} values in its headers; write larger pages")
        if kind in VARINTS:
            return self._number(at)
        if kind == BINARY:
            length, at = self._length(at)
            return None, at + length
        if kind in SKIPPED:
            return None, at + SKIPPED[kind]
        if kind == STRUCT and len(path) < MOST_NESTED:
            return self.struct(at, path)
        if kind == LIST:
            return self._list(at, path)
        raise DataError(f"{BROKEN}: its headers have what none has")

    def _list(self, at: int, path: Path) -> tuple[list[Any], int]:
        head, values = self._byte(at), []
        length, at = self._length(at + 1) if head >> 4 == 15 else (head >> 4, at + 1)
        if length and head & 15 != LISTS.get(path):
            raise DataError(f"{BROKEN}: its headers have a list that none has")
        for _ in range(length):
            value, at = self._value(at, head & 15, path)
            values.append(value)
        return values, at

    def _length(self, at: int) -> tuple[int, int]:
        """Read a length, which is never negative."""
        value = 0
        for shift in range(0, 70, 7):
            byte = self._byte(at)
            at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value, at
        raise DataError(f"{BROKEN}: a number in its headers has too many bytes")

    def _number(self, at: int) -> tuple[int, int]:
        """Read a number: 0, -1, 1, -2 are written as 0, 1, 2, 3."""
        value, at = self._length(at)
        return value >> 1 ^ -(value & 1), at

    def _byte(self, at: int) -> int:
        try:
            return self.content[at]
        except IndexError:
            raise DataError(f"{BROKEN}: it ends within a header") from None
