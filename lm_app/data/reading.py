"""Read a file of data."""

import csv
import io
from array import array
from collections.abc import Collection, Sequence
from pathlib import Path

from lm_app.data.table import NA_INTEGER, NA_REAL, Column, Table
from lm_app.errors import DataError


def read_table(
    file: Path,
    *,
    sep: str | None = None,
    dec: str | None = None,
    na: Sequence[str] = ("NA", ""),
    encoding: str | None = None,
    factors: Collection[str] = (),
) -> Table:
    """Read a CSV file that has a header. Raises DataError with one line."""
    try:
        text = file.read_bytes().decode(encoding or "utf-8-sig").removeprefix("\ufeff")
    except FileNotFoundError:
        raise DataError("does not exist") from None
    except LookupError:
        raise DataError(f": there is no encoding '{encoding}'; try UTF-8 or latin1") from None
    except UnicodeDecodeError as error:
        raise DataError(f"can't be decoded: {error}") from None
    first = text.partition("\n")[0]
    sep = sep or (";" if ";" in first and "," not in first else ",")
    header, *rows = list(filter(None, csv.reader(io.StringIO(text, newline=""), delimiter=sep))) or [[]]
    if not header:
        raise DataError("is empty")
    if not rows:
        raise DataError("has a header and no observations")
    header = [name.strip() for name in header]
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise DataError(f"row {number} has {len(row)} fields; the header has {len(header)}")
    for name in header:
        if header.count(name) > 1:
            raise DataError(f"two columns have one name, {name!r}")
    dec = dec or ("," if sep == ";" and "." not in text else ".")
    columns = zip(*rows, strict=True)
    named = {name: _column(name, texts, dec, na, name in factors) for name, texts in zip(header, columns, strict=True)}
    return Table(named, len(rows))


def _column(name: str, texts: Sequence[str], dec: str, na: Sequence[str], is_text: bool) -> Column:
    present = [text.strip() for text in texts if text.strip() not in na]
    if not is_text and set(present) <= {"T", "F", "TRUE", "FALSE"}:
        codes = [NA_INTEGER if text.strip() in na else int(text.strip() in ("T", "TRUE")) for text in texts]
        return Column(name, "logical", array("i", codes))
    if not is_text:
        try:
            numbers = [NA_REAL if text.strip() in na else float(text.replace(dec, ".")) for text in texts]
        except ValueError:
            pass
        else:
            if all(text.lstrip("+-").isdigit() and abs(int(text)) < 2**31 for text in present):
                whole = [NA_INTEGER if text.strip() in na else int(text) for text in texts]
                return Column(name, "integer", array("i", whole))
            return Column(name, "double", array("d", numbers))
    positions = {text: position for position, text in enumerate(dict.fromkeys(present), start=1)}
    return Column(
        name, "text", array("i", [positions.get(text.strip(), NA_INTEGER) for text in texts]), list(positions)
    )
