"""Read a file of data as a table of typed columns."""

import csv
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import chain, islice
from pathlib import Path
from types import MappingProxyType

from lm_app.data.assembly import assemble
from lm_app.data.columns import Numbers, Texts, read_column
from lm_app.data.decode import decompress
from lm_app.data.files import Sheet, is_parquet, is_workbook, open_sheet, read_parquet
from lm_app.data.header import align
from lm_app.data.table import Table
from lm_app.data.text import Text, open_text
from lm_app.errors import DataError

CHUNK_ROWS = 2000  # more of them would not stay in the processor's cache


def read_table(
    file: Path | bytes,
    *,
    sep: str | None = None,
    dec: str | None = None,
    na: Sequence[str] = ("NA",),
    encoding: str | None = None,
    sheet: str | None = None,
    factors: Mapping[str, Collection[str]] = MappingProxyType({}),
) -> Table:
    """Read a CSV or Parquet file or a sheet of a workbook.

    What is not given is detected: `sep` and `dec`, the separator and the decimal mark, and the encoding. `na` are the
    texts that stand for a missing value, besides the empty one; `sheet` is a name or a number from 1. The columns
    `factors` keep their texts; one that is listed as a level, such as NA, is not missing there. Raises DataError with
    one line that does not name the file, or OSError.
    """
    try:
        content = decompress(file if isinstance(file, bytes) else file.read_bytes())
    except FileNotFoundError:
        raise DataError("does not exist") from None
    if is_parquet(content):
        return read_parquet(content)
    source = open_sheet(content, sheet) if is_workbook(content) else open_text(content, sep=sep, encoding=encoding)
    try:
        return _read(source, dec or ("." if source.sep in ("", ",") else ".,"), na, factors)
    except csv.Error:
        assert isinstance(source, Text)  # noqa: S101  (a sheet is no CSV)
        raise source.misquoted() from None


class _Chunks:
    """The rows below the header, some at a time, without empty ones."""

    def __init__(self, source: Text | Sheet) -> None:
        self._rows = source.rows()
        self.header: list[str] = next(filter(any, self._rows), [])
        self.empty = 0

    def __iter__(self) -> Iterator[list[list[str]]]:
        while chunk := list(islice(self._rows, CHUNK_ROWS)):
            if not all(map(any, chunk)):
                self.empty += sum(len(row) > 1 and not any(row) for row in chunk)  # a blank line is nothing to tell
                chunk = [row for row in chunk if any(row)]
            if chunk:
                yield chunk


def _read(source: Text | Sheet, marks: str, na: Sequence[str], factors: Mapping[str, Collection[str]]) -> Table:
    chunks = _Chunks(source)
    if not chunks.header:
        raise DataError("is empty")
    first = next(iter(chunks), None)
    if first is None:
        raise DataError("has a header and no observations")
    names = align(chunks.header, first)
    if names is None:
        raise DataError(f"has a header of {len(chunks.header)} fields, but {len(first[0])} in its first row")
    columns: list[Numbers | Texts] = []
    late = set[int]()  # columns that turn out to hold texts after the first chunk are read again
    for chunk in chain([first], chunks):
        if set(map(len, chunk)) != {len(names)}:
            assert isinstance(source, Text)  # noqa: S101  (a sheet's rows have one length)
            raise source.ragged(len(names))
        fields = list(zip(*chunk, strict=True))
        if not columns:
            columns = [
                read_column(texts, sorted({*na} - {*factors.get(name, ())}), "" if name in factors else marks)
                for name, texts in zip(names, fields, strict=True)
            ]
            continue
        for i, texts in enumerate(fields):
            try:
                if i not in late:
                    columns[i].extend(texts)
            except ValueError:
                columns[i] = Texts(na)
                late.add(i)
    if late:
        for chunk in _Chunks(source):
            for i in late:
                columns[i].extend([row[i] for row in chunk])
    if chunks.empty:
        source.notes.append(f"{chunks.empty} empty rows are skipped")
    return assemble(names, columns, marks, factors, source.notes)
