"""Find out how a text file separates its fields."""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NamedTuple

from lm_app.errors import DataError

if TYPE_CHECKING:
    from _csv import Reader

SEPARATORS = ",;\t|"
BLANKS = " "
"""Any number of blanks and tabs, as in R's read.table()."""
SPELLINGS = {"\\t": "\t", "tab": "\t", "TAB": "\t"}
SAMPLE_LINES = 200
SEP_LINE = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)  # what Excel looks for in a first line
HAS_NUMBER = re.compile(r'(^|[;,|\s"])[+-]?[0-9.]+([;,|\s"]|$)')


class Dialect(NamedTuple):
    """The separator, and how many lines stand before the header."""

    sep: str
    skip: int


class _Shape(NamedTuple):
    """How regular a sample is, read with one separator; the largest is the best."""

    share: float  # of the rows that have the most frequent number of fields
    matches: bool  # has the header as many?
    fields: int


def detect(sample: Sequence[str], sep: str | None = None) -> Dialect:
    """Detect the dialect of a file that begins with these lines. Raises DataError where the given separator is none."""
    sep = SPELLINGS.get(sep, sep) if sep else None
    if sep and (len(sep) > 1 or sep in '"\r\n'):
        raise DataError(f"can't be read with the separator {sep!r}: it must be one character, or TAB")
    skip = 0
    if sample and (match := SEP_LINE.fullmatch(sample[0])):
        skip, sep = 1, sep or match[1]
    comments = skip
    while comments < len(sample) and sample[comments].startswith("#"):
        comments += 1
    lines = sample[comments:]
    found = sep or _separator(lines)
    if comments > skip and _is_header(sample[comments - 1], lines, found):
        comments -= 1
    return Dialect(found, comments)


def rows_of(lines: Iterable[str], sep: str, *, has_blanks: bool = False, strict: bool = True) -> "Reader":
    """Read rows of fields; a blank line is an empty row. `has_blanks`: blanks may stand before a quote."""
    if sep == BLANKS:
        stripped = (line.replace("\t", " ").rstrip() + "\n" for line in lines)
        return csv.reader(stripped, delimiter=" ", skipinitialspace=True, strict=strict)
    return csv.reader(lines, delimiter=sep, skipinitialspace=has_blanks, strict=strict)


def _separator(lines: Sequence[str]) -> str:
    shapes = {sep: shape for sep in SEPARATORS if (shape := _shape(lines, sep))}
    if shapes:
        return max(shapes, key=lambda sep: shapes[sep])
    blanks = _shape(lines, BLANKS)
    return BLANKS if blanks and blanks.share == 1 else ","


def _shape(lines: Sequence[str], sep: str) -> _Shape | None:
    """Judge a separator; None where it separates nothing."""
    if not any(sep in line for line in lines[:1]) and sep != BLANKS:
        return None
    try:
        header, *rows = list(filter(None, rows_of(lines, sep, strict=False))) or [[]]
    except csv.Error:  # a field of more than 128 KB
        return None
    if len(lines) >= SAMPLE_LINES and len(rows) > 1:
        del rows[-1]  # its quoted field may go on after the sample
    if len(header) < 2:
        return None
    if not rows:
        return _Shape(1, True, len(header))
    [(fields, times)] = Counter(map(len, rows)).most_common(1)
    return _Shape(times / len(rows), fields == len(header), len(header)) if fields > 1 else None


def _is_header(comment: str, lines: Sequence[str], sep: str) -> bool:
    """Is the last line that begins with '#' the header, because numbers follow?"""
    commented = next(iter(rows_of([comment], sep, strict=False)))
    first: list[str] = next(iter(rows_of(lines[:1], sep, strict=False)), [])
    return len(commented) == len(first) and bool(HAS_NUMBER.search(lines[0]))
