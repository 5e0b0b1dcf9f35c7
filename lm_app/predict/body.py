"""Tell what the body of a request is: its format, decompressed and in UTF-8, out of a form where it came in one."""

from collections.abc import Mapping
from importlib.util import find_spec
from io import BytesIO
from typing import Any, NamedTuple

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, SuspiciousOperation, TooManyFieldsSent, TooManyFilesSent
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.http import HttpRequest
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from django.utils.encoding import force_str

from lm_app.data.decode import BYTE_ORDER_MARKS, GZIP, encoding_of
from lm_app.data.files import INSTALL
from lm_app.errors import BadSyntax, ContentTooLarge, DataError, LengthRequired, UnsupportedMediaType
from lm_app.predict import coding

# The formats, by the media types that the API's document lists.
JSON = "application/json"
LINES = "application/x-ndjson"
CSV = "text/csv"
FORM = "application/x-www-form-urlencoded"
MULTIPART = "multipart/form-data"
PARQUET = "application/vnd.apache.parquet"
ARROW = "application/vnd.apache.arrow.stream"
COLUMNAR = (PARQUET, ARROW)
KINDS = {
    **{kind: kind for kind in (JSON, LINES, CSV, FORM, MULTIPART, *COLUMNAR)},
    "application/csv": CSV,
    "application/vnd.ms-excel": CSV,  # what browsers on Windows say of a .csv
    "text/plain": CSV,
    "text/tab-separated-values": CSV,
    "application/jsonl": LINES,
    "application/ndjson": LINES,
    "application/vnd.apache.arrow.file": ARROW,
}
SUFFIXES = {
    "json": JSON,
    "ndjson": LINES,
    "jsonl": LINES,
    "parquet": PARQUET,
    "arrow": ARROW,
    "arrows": ARROW,
    "feather": ARROW,
}
"""Of files whose type the client did not know; all others are CSV."""
UNKNOWN_TYPES = ("", "application/octet-stream", "application/gzip", "application/x-gzip")
MARKS = tuple(BYTE_ORDER_MARKS)
SEEN = 100
"""So many bytes tell JSON from CSV where both are called plain text, as a page's fetch() calls each string."""


class Body(NamedTuple):
    """What was sent. Text is in UTF-8, but that of CSV without a charset, which the reader of CSV detects."""

    kind: str
    content: bytes
    charset: str | None = None
    fields: Mapping[str, list[str]] = {}
    """The plain fields of a form of several parts; a form without a file is its fields."""


def is_read(kind: str) -> bool:
    """Is what reads the format, and writes it, installed?"""
    return kind not in COLUMNAR or find_spec("pyarrow") is not None


def read_body(request: HttpRequest) -> Body:
    """Read the body; raises BadSyntax, Busy, ContentTooLarge, LengthRequired, UnsupportedCoding, UnsupportedMediaType.

    What it returns is decompressed, and out of the form of several parts in which it may have come.
    """
    kind = _kind_of(request.content_type or "")
    if "HTTP_TRANSFER_ENCODING" in request.META and not request.META.get("wsgi.input_terminated"):
        raise LengthRequired()
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    try:
        content = request.body
    except RequestDataTooBig:
        content = None
    if content is None or len(content) > most:
        raise ContentTooLarge(f"The body has more than {most} bytes; send it in parts.")
    if "HTTP_CONTENT_ENCODING" in request.META or content.startswith(GZIP):
        content = coding.decode(content, request)
    if kind == CSV and request.content_type == "text/plain" and content[:SEEN].lstrip().startswith((b"[", b"{")):
        kind = JSON
    if kind == MULTIPART:
        return _of_parts(content, request)
    return _body(kind, content, (request.content_params or {}).get("charset"))


def _kind_of(content_type: str) -> str:
    kind = KINDS.get(content_type)
    if kind is None and content_type.startswith("application/") and content_type.endswith("+json"):
        kind = JSON
    if kind is None:
        taken = ", ".join(kind for kind in dict.fromkeys(KINDS.values()) if is_read(kind))
        raise UnsupportedMediaType(f"The body's Content-Type is {content_type or 'none'}; it must be one of {taken}.")
    if not is_read(kind):
        raise UnsupportedMediaType(f"{content_type} is not read here; to have it read: {INSTALL}.")
    return kind


def _body(kind: str, content: bytes, charset: str | None) -> Body:
    """Make a body of which each mark between values is one byte of ASCII, whatever charset it came in."""
    if kind in COLUMNAR:
        return Body(kind, content)
    is_utf_8 = charset is None or charset.lower() in ("utf-8", "utf8")
    if is_utf_8 and (kind == CSV or not (content.startswith(MARKS) or b"\0" in content[:4])):
        return Body(kind, content, charset)
    try:
        encoding, _ = encoding_of(content, charset)
        return Body(kind, content.decode(encoding).encode(), "utf-8")
    except DataError as error:
        raise BadSyntax(f"The body {error}.") from None
    except UnicodeEncodeError:  # UTF-7 has halves of characters
        raise BadSyntax(f"The body is not text in {charset}.") from None


class _InMemory(MemoryFileUploadHandler):
    """Keep a file in memory, however large it is: the body is there already."""

    def handle_raw_input(self, *args: Any, **options: Any) -> None:
        self.activated = True


def _of_parts(content: bytes, request: HttpRequest) -> Body:
    """Take the one file of a form of several parts, or its fields."""
    head = {"CONTENT_TYPE": request.META["CONTENT_TYPE"], "CONTENT_LENGTH": len(content)}
    coding.take_bytes(len(content), request)
    try:
        fields, files = MultiPartParser(head, BytesIO(content), [_InMemory(request)]).parse()
    except (TooManyFieldsSent, TooManyFilesSent):
        most = settings.DATA_UPLOAD_MAX_NUMBER_FIELDS
        raise BadSyntax(f"The form has more than {most} fields, or many files; send one file.") from None
    except (MultiPartParserError, SuspiciousOperation) as error:
        raise BadSyntax(f"The body is no multipart/form-data: {str(error).rstrip('.')}.") from None
    sent = [file for name in files for file in files.getlist(name)]
    if len(sent) > 1:
        raise BadSyntax(f"The form has {len(sent)} files; send one.")
    texts = {name: fields.getlist(name) for name in fields}
    if not sent:
        return Body(MULTIPART, b"", fields=texts)
    return _of_file(sent[0], request)._replace(fields=texts)


def _of_file(file: Any, request: HttpRequest) -> Body:
    name, content_type = (file.name or "").lower(), file.content_type or ""
    if content_type in UNKNOWN_TYPES:
        content_type = SUFFIXES.get(name.removesuffix(".gz").rpartition(".")[2], CSV)
    kind = _kind_of(content_type)
    if kind in (FORM, MULTIPART):
        raise UnsupportedMediaType(f"The file's Content-Type is {content_type}; send data, such as text/csv.")
    content, charset = file.read(), file.charset and force_str(file.charset, "latin-1")
    return _body(kind, coding.gunzip(content, request) if content.startswith(GZIP) else content, charset)
