"""Find out the encoding of a text file."""

import codecs
import gzip
import io
import re
import zlib

from lm_app.errors import DataError

GZIP = b"\x1f\x8b"
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16, whose mark it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
R_NAMES = {"utf-8-bom": "utf-8-sig"}
OF_NAMES = {"idna", "punycode"}
"""Encodings of host names, for which Python takes hours where the text is long."""
CONTROL_CHARACTER = re.compile(rb"[\x00-\x08\x0e-\x1f]")
SAMPLE_BYTES = 4096


def decompress(content: bytes) -> bytes:
    """Decompress what gzip compressed, and let all else be. Raises DataError."""
    if not content.startswith(GZIP):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"is not what gzip compressed: {error}") from None


def encoding_of(content: bytes, name: str | None = None) -> tuple[str, list[str]]:
    """Tell the encoding in which these bytes are text: that of this name, or else a detected one.

    The second value is a note for people where the encoding was guessed. Raises DataError.
    """
    detected = next((encoding for mark, encoding in BYTE_ORDER_MARKS.items() if content.startswith(mark)), None)
    if name:
        named = R_NAMES.get(name.lower(), name)
        # "UTF-8" and "UTF-16LE" are said of files with a mark, too; it is no part of the first name
        return _checked(content, detected if detected and _is_unicode(named) else named), []
    detected = detected or _utf_16_without_mark(content)
    if detected:
        return _checked(content, detected), []
    if b"\0" in content:
        raise DataError("is not text: it has NUL bytes")
    if _is(content, "utf-8"):
        return "utf-8", []
    if CONTROL_CHARACTER.search(content):
        raise DataError("is not text: it has control characters, and is not UTF-8")
    guess = "cp1252" if _is(content, "cp1252") else "latin1"
    return guess, [f"it is not UTF-8; read as {guess} (--encoding names another)"]


def _is_unicode(name: str) -> bool:
    return name.lower().replace("_", "-").startswith(("utf-", "utf8", "utf16", "utf32"))


def _utf_16_without_mark(content: bytes) -> str | None:
    """Every other byte of Western text is NUL."""
    sample = content[:SAMPLE_BYTES]
    for first, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
        if sample[first::2].count(0) >= max(1, len(sample) / 8):
            return encoding
    return None


def _is(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _checked(content: bytes, encoding: str) -> str:
    try:
        if codecs.lookup(encoding).name in OF_NAMES:
            raise LookupError(encoding)
        io.TextIOWrapper(io.BytesIO(), encoding).read()  # no bytes decode to no text without a look at the name
        content.decode(encoding)
    except LookupError:
        raise DataError(f"can't be read: there is no encoding '{encoding}'; try UTF-8, latin1 or cp1252") from None
    except UnicodeDecodeError as error:
        raise DataError(f"is not text in {encoding}: byte {error.start} is wrong") from None
    except ValueError:  # of codecs that only encode, and of names with a NUL
        raise DataError(f"is not text in {encoding!r}") from None
    return encoding
