"""Read a body of Parquet or Arrow: its columns have types, and become the values that JSON would have.

Both formats may say much in few bytes, so that rows and bytes are counted before any column is read, and texts while
they are.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from lm_app.data.files import INDEX
from lm_app.errors import BadSyntax, ContentTooLarge, DataError
from lm_app.predict.arrow_messages import count_rows, stream_of
from lm_app.predict.arrow_values import is_read, is_text, values_of
from lm_app.predict.body import PARQUET, Body
from lm_app.predict.coding import take_bytes
from lm_app.predict.names import check_names, check_repeated, check_size
from lm_app.predict.parquet_size import ParquetSize
from lm_app.predict.question import Columns, Errors, Frame, Source
from lm_app.predictors import Predictor, names_of
from lm_app.schemas import Options

MOST_ELEMENTS = 20_000
"""Of each list in a Parquet file's footer."""


def read_columnar(
    body: Body, request: HttpRequest, predictors: Sequence[Predictor], errors: Errors, options: Options
) -> Frame:
    """Read the columns that the model has; raises BadSyntax, InvalidObservations, ContentTooLarge or Busy."""
    import pyarrow  # takes half a second, and not all have it

    try:
        file = _Parquet(body.content) if body.kind == PARQUET else _Arrow(body.content)
        check_size(file.rows, errors)
        names = [name for name in file.schema.names if name != INDEX]
        check_repeated(names, " in the schema", errors)
        errors.raise_if_any()
        check_names(names, predictors, ["body"], errors)
        needed = names_of(predictors)
        for name in needed:
            if name in names and not is_read(kind := file.schema.field(name).type):
                errors.add(["body", name], f"{name} has the type {kind}; send numbers, texts, logicals or dates.")
        errors.raise_if_any()
        take_bytes(file.check_bytes(), request)
        read = [name for name in names if is_read(file.schema.field(name).type)] if options.augment else needed
        given: Columns = {}
        if read:  # the libraries take no columns for all
            table = file.read(read)
            table.validate(full=True)
            given |= {name: _values(table[name]) for name in read}
    except DataError as error:
        raise BadSyntax(f"The body {error}.") from None
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:
        raise BadSyntax(f"The body can't be read: {_line(error)}.") from None
    columns = {name: given[name] for name in needed}
    ignored = [name for name in names if name not in needed]
    return Frame(Source.COLUMNS, columns, file.rows, ignored, given if options.augment else {})


class _Parquet:
    """A Parquet file."""

    def __init__(self, content: bytes) -> None:
        from pyarrow import BufferReader, parquet

        self.content, self.size = content, ParquetSize(content)
        self.rows = self.size.rows
        self.options = {"thrift_container_size_limit": MOST_ELEMENTS, "pre_buffer": False}
        self.schema = parquet.ParquetFile(BufferReader(content), **self.options).schema_arrow

    def check_bytes(self) -> int:
        """Add up what the columns take; raises ContentTooLarge or DataError."""
        from pyarrow import types

        if any(types.is_nested(field.type) for field in self.schema):  # one may be called as another's path
            raise DataError("has columns within columns; send them one beside the other")
        return self.size.add_bytes()

    def read(self, names: list[str]) -> Any:
        """Read these columns, texts as dictionaries: one that stands in each row takes its bytes once."""
        from pyarrow import BufferReader, parquet

        texts = [name for name in names if is_text(self.schema.field(name).type)]
        file = parquet.ParquetFile(BufferReader(self.content), read_dictionary=texts, **self.options)
        return file.read(columns=names, use_threads=False)


class _Arrow:
    """A stream or a file in Arrow's format, of which nothing is copied."""

    def __init__(self, content: bytes) -> None:
        from pyarrow import BufferReader, ipc

        self.stream = stream_of(content)
        self.rows = count_rows(self.stream)
        self.schema = ipc.open_stream(BufferReader(self.stream)).schema

    def check_bytes(self) -> int:
        """No bytes are taken."""
        return 0

    def read(self, names: list[str]) -> Any:
        """Read these columns."""
        from pyarrow import BufferReader, ipc

        fields = [self.schema.get_field_index(name) for name in names]
        options = ipc.IpcReadOptions(included_fields=fields, use_threads=False)
        return ipc.open_stream(BufferReader(self.stream), options=options).read_all()


def _values(column: Any) -> list[Any]:
    """Make the values of a column as JSON has them."""
    from pyarrow import types

    kind = column.type.value_type if types.is_dictionary(column.type) else column.type
    return list(_texts(column)) if is_text(kind) else values_of(column)


def _texts(column: Any) -> Iterator[str | None]:
    """Make texts, as long as they are no more than may be sent: in Arrow, many may share their bytes."""
    from pyarrow import types

    left = settings.DATA_UPLOAD_MAX_MEMORY_SIZE

    def bounded(texts: Iterable[str | None]) -> Iterator[str | None]:
        nonlocal left
        for text in texts:
            left -= len(text or "")
            if left < 0:
                raise ContentTooLarge("The texts of a column have more characters than a body may have bytes.")
            yield text

    for chunk in column.chunks:
        if types.is_dictionary(chunk.type):
            levels = [*bounded(value.as_py() for value in chunk.dictionary), None]
            indices = chunk.indices.cast("int64").fill_null(-1)
            yield from bounded(map(levels.__getitem__, indices.to_pylist()))
        else:
            yield from bounded(value.as_py() for value in chunk)


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0][:200].rstrip(".")
