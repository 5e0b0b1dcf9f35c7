"""Decompress a body in steps, so that never much more comes out of it than may be sent.

That its length is at most LM_MAX_BYTES says little of what is compressed: of zeros, gzip makes a thousandth.
"""

import gzip
import zlib
from collections.abc import Callable
from io import BytesIO

from django.conf import settings
from django.http import HttpRequest

from lm_app.data.decode import GZIP
from lm_app.errors import BadSyntax, Busy, ContentTooLarge, UnsupportedCoding

GZIPPED, DEFLATED = ("gzip", "x-gzip"), "deflate"
STEP = 64 * 1024
MEMBER = GZIP + b"\x08"
MOST_MEMBERS = 2000
"""Parts of one file, each compressed by itself. An empty one takes 20 bytes, and some 10 us."""


def decode(content: bytes, request: HttpRequest) -> bytes:
    """Undo the Content-Encoding, and a file's own compression by gzip.

    Raises BadSyntax, ContentTooLarge, UnsupportedCoding or Busy.
    """
    coding = request.META.get("HTTP_CONTENT_ENCODING", "identity").strip().lower()
    if coding in GZIPPED:
        content = gunzip(content, request)
    elif coding == DEFLATED:
        content = _in_steps(_inflating(content), request)
    elif coding not in ("identity", ""):
        raise UnsupportedCoding(coding[:100])
    return gunzip(content, request) if content.startswith(GZIP) else content


def gunzip(content: bytes, request: HttpRequest) -> bytes:
    """Decompress what gzip compressed. Raises BadSyntax, ContentTooLarge or Busy."""
    if content.count(MEMBER) > MOST_MEMBERS:
        raise BadSyntax(f"The body is of more than {MOST_MEMBERS} parts that gzip compressed; compress it as a whole.")
    with gzip.GzipFile(fileobj=BytesIO(content)) as file:
        return _in_steps(file.read, request)


def take_bytes(size: int, request: HttpRequest) -> None:
    """Count bytes that a body takes beside those that came; raises Busy where they are too many. See ml_api/gate.py."""
    if not request.META.get("ml_api.take_bytes", lambda size: True)(size):
        raise Busy()


def _inflating(content: bytes) -> Callable[[int], bytes]:
    """Make a function that reads what is compressed by deflate, in the format of zlib (RFC 9110, 8.4.1.2)."""
    inflate, source = zlib.decompressobj(), BytesIO(content)

    def read(size: int) -> bytes:
        while not inflate.eof:
            rest = inflate.unconsumed_tail or source.read(STEP)
            if part := inflate.decompress(rest, size):
                return part
            if not rest:
                raise EOFError("it ends too early")
        return b""

    return read


def _in_steps(read: Callable[[int], bytes], request: HttpRequest) -> bytes:
    most, size, parts = settings.DATA_UPLOAD_MAX_MEMORY_SIZE, 0, list[bytes]()
    try:
        while part := read(STEP):
            size += len(part)
            if size > most:
                raise ContentTooLarge(f"The body has more than {most} bytes once it is decompressed; send it in parts.")
            take_bytes(len(part), request)
            parts.append(part)
    except (OSError, EOFError, zlib.error) as error:
        raise BadSyntax(f"The body can't be decompressed: {error}.") from None
    return b"".join(parts)
