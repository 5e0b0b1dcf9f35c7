"""Read rows of fields from text in any common dialect and encoding."""

import csv
import io
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from lm_app.data.decode import encoding_of
from lm_app.data.dialect import BLANKS, SAMPLE_LINES, Dialect, detect, rows_of
from lm_app.errors import DataError

if TYPE_CHECKING:
    from _csv import Reader

SHOWN_LINES = 3
NAMES = {BLANKS: "blanks", "\t": "TAB"}


@dataclass(frozen=True, slots=True)
class Text:
    """Rows of fields in bytes; they can be read more than once."""

    content: bytes
    encoding: str
    dialect: Dialect
    has_blanks: bool
    notes: list[str] = field(default_factory=list)

    @property
    def sep(self) -> str:
        """The separator."""
        return self.dialect.sep

    def rows(self) -> "Reader":
        """Read the rows, the header first; a blank line is an empty row. Raises csv.Error."""
        lines = _lines(self.content, self.encoding)
        for _ in range(self.dialect.skip):
            next(lines)
        return rows_of(lines, self.sep, has_blanks=self.has_blanks)

    def ragged(self, fields: int) -> DataError:
        """Name the lines that have another number of fields."""
        wrong, total, line = list[str](), 0, 1
        reader = self.rows()
        next(filter(any, reader))
        for row in reader:
            if any(row):
                total += 1
                if len(row) != fields:
                    wrong.append(f"line {self.dialect.skip + line} has {len(row)}")
            line = reader.line_num + 1
        shown = ", ".join([*wrong[:SHOWN_LINES], *(["..."] if len(wrong) > SHOWN_LINES else [])])
        return DataError(
            f"has {fields} columns, but {len(wrong)} of {total} rows have more or fewer fields: {shown}; "
            f"correct them, and quote each field that holds a separator"
        )

    def misquoted(self) -> DataError:
        """Name the line where a quoted field goes wrong."""
        reader, line = self.rows(), 1
        try:
            while True:  # that there is such a line is known
                next(reader)
                line = reader.line_num + 1
        except csv.Error as error:
            why = "text follows the closing quote" if "expected after" in str(error) else "the quote is never closed"
        at = self.dialect.skip + line
        return DataError(f"can't be read: line {at}: {why}; a quote within a quoted field is written twice")


def open_text(content: bytes, *, sep: str | None = None, encoding: str | None = None) -> Text:
    """Detect encoding and dialect, but for those that are known. Raises DataError."""
    encoding, notes = encoding_of(content, encoding)
    sample = list(islice(_lines(content, encoding), SAMPLE_LINES))
    dialect = detect(sample, sep)
    has_blanks = any(f'{dialect.sep} "' in line for line in sample)
    if dialect.sep != ",":
        notes.append(f"its separator is {NAMES.get(dialect.sep, dialect.sep)}")
    return Text(content, encoding, dialect, has_blanks, notes)


def _lines(content: bytes, encoding: str) -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(content), encoding=encoding, newline="")
