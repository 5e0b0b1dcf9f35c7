"""Add up what a column of a Parquet file takes once it is decompressed, by its pages and before any is read.

The file's footer says it, too, but a file may lie there, and its reader believes what each page says of itself.
Header of pages are structs of Thrift's compact protocol, see https://parquet.apache.org/docs/file-format/.
"""

from collections.abc import Iterator
from typing import Any

from lm_app.errors import DataError

I32, BINARY, STRUCT = 5, 8, 12
FIXED = {1: 0, 2: 0, 3: 1, 7: 8}
"""Bytes of the types that always take as many: true, false, a byte, a double."""
VARINTS = (4, I32, 6)
MOST_NESTED = 8
SIZE, COMPRESSED_SIZE, DATA, DICTIONARY, DATA_V2 = (2, I32), (3, I32), (5, STRUCT), (7, STRUCT), (8, STRUCT)
NUM_VALUES, ENCODING, ENCODING_V2 = (1, I32), (2, I32), (4, I32)
DELTA_BYTE_ARRAY = 7
"""Texts by what each has in common with the one before: a few bytes make any number of long ones."""

Struct = dict[tuple[int, int], Any]


def size_of_column(content: bytes, chunk: Any) -> int:
    """Add up the pages of a column chunk, as its metadata locate it; raises DataError where it is not what they say."""
    size = values = 0
    for page in _pages(content, chunk):
        page_size, dictionary = page.get(SIZE, 0), page.get(DICTIONARY, Struct())
        data = page.get(DATA, page.get(DATA_V2, Struct()))
        rows = data.get(NUM_VALUES, 0)
        if page_size < 0 or rows < 0 or not 0 <= dictionary.get(NUM_VALUES, 0) <= page_size:
            raise DataError("is not Parquet that can be read: a page's size is wrong")
        if DELTA_BYTE_ARRAY in (page.get(DATA, Struct()).get(ENCODING), page.get(DATA_V2, Struct()).get(ENCODING_V2)):
            raise DataError("is Parquet in the encoding DELTA_BYTE_ARRAY, which is not read; write it without")
        size += page_size
        values += rows
    if values != chunk.num_values:
        raise DataError(f"is not Parquet that can be read: pages of {values} values are to hold {chunk.num_values}")
    return size


def _pages(content: bytes, chunk: Any) -> Iterator[Struct]:
    """Read the headers of the pages, where Arrow's reader finds them."""
    at = chunk.data_page_offset
    if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < at:
        at = chunk.dictionary_page_offset
    end = at + chunk.total_compressed_size
    if not 0 <= at <= end <= len(content):
        raise DataError("is not Parquet that can be read: a column lies outside of it")
    while at < end:
        page, at = _struct(content, at)
        yield page
        compressed_size = page.get(COMPRESSED_SIZE, -1)
        if compressed_size < 0:
            raise DataError("is not Parquet that can be read: a page has no length")
        at += compressed_size


def _struct(content: bytes, at: int, depth: int = 0) -> tuple[Struct, int]:
    """Read a struct: its fields that are numbers or structs, by number and type; and where it ends."""
    fields, number = Struct(), 0
    while head := _byte(content, at):
        at, kind = at + 1, head & 15
        if head >> 4:
            number += head >> 4
        else:
            number, at = _varint(content, at)
            number = _signed(number)
        if kind == STRUCT and depth < MOST_NESTED:
            fields[number, kind], at = _struct(content, at, depth + 1)
        elif kind in VARINTS:
            value, at = _varint(content, at)
            fields[number, kind] = _signed(value)
        elif kind == BINARY:
            length, at = _varint(content, at)
            at += length
        elif kind in FIXED:
            at += FIXED[kind]
        else:
            raise DataError("is not Parquet that can be read: a page's header has what none has")
    return fields, at + 1


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        byte = _byte(content, at)
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise DataError("is not Parquet that can be read: a page's header has a number of too many bytes")


def _signed(value: int) -> int:
    """Undo the zigzag: 0, -1, 1, -2."""
    return value >> 1 ^ -(value & 1)


def _byte(content: bytes, at: int) -> int:
    try:
        return content[at]
    except IndexError:
        raise DataError("is not Parquet that can be read: it ends within a page's header") from None
