"""Parse a body of CSV, of any dialect and encoding that training reads, too."""

import csv
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from operator import itemgetter

from lm_app.data.columns import with_points
from lm_app.data.header import align
from lm_app.data.text import open_text
from lm_app.errors import BadSyntax, DataError
from lm_app.predict.names import check_names, check_repeated, check_size
from lm_app.predict.question import MISSING, Columns, Errors, Frame, Source
from lm_app.predictors import Numeric, Predictor, names_of
from lm_app.schemas import Options


def read_csv(
    content: bytes, charset: str | None, predictors: Sequence[Predictor], errors: Errors, options: Options
) -> Frame:
    """Parse CSV; raises BadSyntax, InvalidObservations or ContentTooLarge."""
    try:
        text = open_text(content, encoding=charset)
        fields = list(filter(None, text.rows()))
    except DataError as error:
        raise BadSyntax(f"The body {error}.") from None
    except csv.Error:
        raise BadSyntax(f"The body {text.misquoted()}.") from None
    while fields and not any(fields[-1]):  # spreadsheets end with such rows
        del fields[-1]
    header, *rows = fields or [[]]
    header, widths = [name.strip() for name in header], set(map(len, rows))
    if rows and widths != {len(header)}:
        header = align(header, rows) or header
    named = {name: column for column, name in enumerate(header) if name}  # that of row names has none, as in R
    names = names_of(predictors)
    check_repeated([name for name in header if name in names], " in the header", errors)
    check_names(named, predictors, ["body"], errors)
    if widths != {len(header)}:
        for row, values in enumerate(rows):
            if len(values) != len(header):
                errors.add(["body", row], f"row {row} has {len(values)} fields; the header has {len(header)}.", values)
                rows[row] = [""] * len(header)
    errors.raise_if_any()  # misaligned fields would be reported again, under wrong names
    check_size(len(rows), errors)
    columns = _columns(rows, {name: named[name] for name in names})
    if text.sep != ",":
        for predictor in predictors:
            if isinstance(predictor, Numeric):
                with suppress(ValueError):
                    columns[predictor.name] = with_points(columns[predictor.name], ",")
    given = _columns(rows, named) | columns if options.augment else {}
    if errors.rows:
        columns, given = _without(columns, errors.rows), _without(given, errors.rows)
    return Frame(Source.CSV, columns, len(rows), [name for name in named if name not in names], given)


def _columns(rows: Sequence[Sequence[str]], named: Mapping[str, int]) -> Columns:
    return {name: list(map(itemgetter(column), rows)) for name, column in named.items()}


def _without(columns: Columns, wrong: Collection[int]) -> Columns:
    return {
        name: [MISSING if row in wrong else text for row, text in enumerate(texts)] for name, texts in columns.items()
    }
