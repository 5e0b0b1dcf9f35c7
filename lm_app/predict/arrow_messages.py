"""Look at the messages of an Arrow stream before it is read: how many rows they are, and that none is compressed.

Their framing and their headers, which are FlatBuffers: https://arrow.apache.org/docs/format/Columnar.html.
"""

import struct

from lm_app.errors import ContentTooLarge, DataError

FILE, FILE_START = b"ARROW1", 8
"""A file is a stream after these bytes, and then an index of it, which nobody needs who reads all."""
CONTINUATION = 0xFFFFFFFF
MOST_METADATA = 128 * 1024
"""Bytes of a message's header: a schema's may name one field many times, and each becomes an object."""
MOST_MESSAGES = 1000
DICTIONARY_BATCH, RECORD_BATCH = 2, 3
HEADER_TYPE, HEADER, BODY_LENGTH = 1, 2, 3
LENGTH, COMPRESSION = 0, 3
DATA, IS_DELTA = 1, 2


def stream_of(content: bytes) -> bytes:
    """Take the stream out of a file in Arrow's format."""
    return content[FILE_START:] if content.startswith(FILE) else content


def count_rows(stream: bytes) -> int:
    """Add up the rows; raises DataError or ContentTooLarge where it is not a stream that is safe to read."""
    rows = at = messages = 0
    try:
        while at < len(stream):
            mark, size = struct.unpack_from("<II", stream, at)
            if mark != CONTINUATION:
                raise DataError("is not an Arrow stream")
            if size == 0:
                break
            if size > MOST_METADATA:
                raise ContentTooLarge(f"The header of an Arrow message has more than {MOST_METADATA} bytes.")
            length, body_length = _look(stream[at + 8 : at + 8 + size])
            rows += length
            at += 8 + size + body_length
            messages += 1
            if messages > MOST_MESSAGES:
                raise ContentTooLarge(f"The Arrow stream has more than {MOST_MESSAGES} messages; send larger batches.")
    except struct.error:
        raise DataError("is not an Arrow stream that can be read: it ends too early") from None
    return rows


def _look(metadata: bytes) -> tuple[int, int]:
    """Tell how many rows a message has, and how long its body is."""
    [root] = struct.unpack_from("<I", metadata)
    message = _Table(metadata, root)
    kind, body_length = message.number(HEADER_TYPE, "B"), message.number(BODY_LENGTH, "q")
    batch = message.table(HEADER)
    if kind == DICTIONARY_BATCH:
        if batch.number(IS_DELTA, "B"):
            raise DataError("is Arrow with dictionaries that grow; send one dictionary")
        batch = batch.table(DATA)
    if body_length < 0:
        raise struct.error
    if kind not in (DICTIONARY_BATCH, RECORD_BATCH):
        return 0, body_length
    if batch.has(COMPRESSION):
        raise DataError("is Arrow with compressed buffers; send them uncompressed, and the whole by gzip if you like")
    length = batch.number(LENGTH, "q")
    if length < 0:
        raise struct.error
    return length if kind == RECORD_BATCH else 0, body_length


class _Table:
    """A table of a FlatBuffer: fields by number."""

    def __init__(self, buffer: bytes, at: int) -> None:
        self.buffer, self.at = buffer, at
        [back] = struct.unpack_from("<i", buffer, at)
        self.vtable = at - back
        [self.size] = struct.unpack_from("<H", buffer, self.vtable)

    def _offset(self, field: int) -> int:
        place = 4 + 2 * field
        return int(struct.unpack_from("<H", self.buffer, self.vtable + place)[0]) if place < self.size else 0

    def has(self, field: int) -> bool:
        return self._offset(field) > 0

    def number(self, field: int, kind: str) -> int:
        offset = self._offset(field)
        return int(struct.unpack_from(f"<{kind}", self.buffer, self.at + offset)[0]) if offset else 0

    def table(self, field: int) -> "_Table":
        at = self.at + self._offset(field)
        [forth] = struct.unpack_from("<I", self.buffer, at)
        return _Table(self.buffer, at + forth)
