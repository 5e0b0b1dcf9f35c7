"""Parse a request: a URL, JSON or CSV becomes columns of values by the predictors' names.

Names, lengths and sizes are checked here; the values are, in check.py.
"""

import csv
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from operator import itemgetter
from typing import Any
from urllib.parse import parse_qs

import orjson
from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent
from django.http import HttpRequest
from pydantic import ValidationError

from lm_app.data.columns import with_points
from lm_app.data.header import align
from lm_app.data.text import open_text
from lm_app.errors import (
    BadSyntax,
    ContentTooLarge,
    DataError,
    InvalidObservations,
    LengthRequired,
    UnsupportedMediaType,
)
from lm_app.predict.question import DEFAULTS, Errors, Question, Source
from lm_app.predict.size import check_marks
from lm_app.predictors import Numeric, Predictor, is_single_number, names_of
from lm_app.schemas import OPTION_NAMES, Options

Columns = dict[str, Sequence[Any]]

MISSING = object()
"""Marks a missing value whose error is already recorded."""


def single_value(text: str, predictors: Sequence[Predictor]) -> Question:
    """Parse the value in the path, for a model with one numeric predictor. Raises InvalidObservations."""
    if not is_single_number(predictors):
        names = ", ".join(names_of(predictors))
        raise InvalidObservations(f"This model does not predict from one number; give its predictors by name: {names}.")
    return Question(Source.PATH, {predictors[0].name: [text]})


def query(request: HttpRequest, predictors: Sequence[Predictor]) -> Question:
    """Parse the options and the one observation of a query string. Raises InvalidObservations, TooManyFieldsSent."""
    if clash := OPTION_NAMES & set(names_of(predictors)):
        raise InvalidObservations(f"{', '.join(clash)}: a predictor and an option; ask this model by POST.")
    errors = Errors()
    values = _query_values(request)
    options = _options(values, errors)
    columns: Columns = {name: texts for name, texts in values.items() if name not in OPTION_NAMES}
    _check_names(columns, predictors, ["query"], errors)
    return Question(Source.QUERY, columns, options=options, errors=errors)


def body(request: HttpRequest, predictors: Sequence[Predictor]) -> Question:
    """Parse the options, and the observations of the body.

    Raises InvalidObservations, BadSyntax, UnsupportedMediaType, ContentTooLarge or LengthRequired.
    """
    if request.content_type not in ("application/json", "text/csv"):
        raise UnsupportedMediaType(request.content_type or "none")
    if "HTTP_TRANSFER_ENCODING" in request.META and not request.META.get("wsgi.input_terminated"):
        raise LengthRequired()
    most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    try:
        content = request.body
    except RequestDataTooBig:
        content = None
    if content is None or len(content) > most:
        raise ContentTooLarge(f"The body has more than {most} bytes; send it in parts.")
    check_marks(content, request.content_type, predictors)
    errors = Errors()
    values = _query_values(request)
    options = _options(values, errors)
    for name in values.keys() - OPTION_NAMES:
        errors.add(["query", name], f"{name!r} is no option; there are: {', '.join(Options.model_fields)}.")
    if request.content_type == "text/csv":
        charset = (request.content_params or {}).get("charset")
        source, columns, rows = _csv(content, charset, predictors, errors)
    else:
        source, columns, rows = _json(content, predictors, errors)
    return Question(source, columns, rows, options, _prefers_csv(request), errors)


def _query_values(request: HttpRequest) -> dict[str, list[str]]:
    """Parse the query string as Django does, but without its QueryDict, which takes longer than R."""
    text = request.META["QUERY_STRING"]
    if not text.isascii():
        text = text.encode("latin-1").decode(errors="replace")
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=settings.DATA_UPLOAD_MAX_NUMBER_FIELDS)
    except ValueError:
        raise TooManyFieldsSent from None


def _options(query: dict[str, list[str]], errors: Errors) -> Options:
    for name, values in query.items():
        if len(values) > 1:
            errors.add(["query", name], f"{name} is given more than once.", values)
    requested = {name: query[name][-1] for name in Options.model_fields if name in query}
    if not requested:
        return DEFAULTS
    try:
        return Options.model_validate(requested)
    except ValidationError as error:
        for wrong in error.errors():
            name = str(wrong["loc"][0])
            value = wrong["input"]
            errors.add(["query", name], f"{name} is {value!r}; it must be {Options.allowed(name)}.", value)
        return DEFAULTS


def _prefers_csv(request: HttpRequest) -> bool:
    if "text/" not in request.META.get("HTTP_ACCEPT", ""):  # by far the most; Django needs some 10 us to find out
        return False
    return request.get_preferred_type(["application/json", "text/csv"]) == "text/csv"


def _json(content: bytes, predictors: Sequence[Predictor], errors: Errors) -> tuple[Source, Columns, int]:
    try:
        data = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise BadSyntax(f"The body is not JSON: {error}.") from None
    if isinstance(data, list):
        _check_unique_names(content, data, errors)
        return Source.RECORDS, _columns_of_records(data, predictors, errors), len(data)
    if isinstance(data, dict):
        _check_unique_names(content, [data], errors)
        columns = _columns(data, predictors, errors)
        return Source.COLUMNS, columns, len(next(iter(columns.values()), []))
    errors.add(["body"], "The body must be a list of records or an object of columns.", data)
    return Source.RECORDS, {}, 0


def _check_unique_names(content: bytes, objects: Sequence[Any], errors: Errors) -> None:
    """Record names that stand twice in one object: orjson, as most readers, takes the last and says nothing.

    Each name has its colon, so that as many colons as names show that none stands twice. There are more colons in
    strings and in nested objects, too; then Python's slow reader looks again.
    """
    if set(map(type, objects)) == {dict} and content.count(b":") == sum(map(len, objects)):
        return

    def record_repeated(pairs: list[tuple[str, Any]]) -> None:
        _check_repeated([name for name, _ in pairs], "", errors)

    try:
        orjson.dumps(objects)  # stops at a depth of 254, where Python's reader stops at one that its version chooses
    except orjson.JSONEncodeError:
        raise BadSyntax("The body is nested more deeply than any observations are.") from None
    json.loads(content, object_pairs_hook=record_repeated)


def _columns(data: dict[str, Any], predictors: Sequence[Predictor], errors: Errors) -> Columns:
    _check_names(data, predictors, ["body"], errors)
    for name in [name for name, values in data.items() if not isinstance(values, list)]:
        errors.add(["body", name], f"{name} must be a list, with one value for each observation.", data.pop(name))
    lengths = {name: len(values) for name, values in data.items()}
    if len(set(lengths.values())) > 1:
        described = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        errors.add(["body"], f"The columns must have one length, but {described}.")
        errors.raise_if_any()
    if lengths:
        _check_size(next(iter(lengths.values())), errors)
    elif not predictors:
        errors.add(["body"], "This model has no predictors; send records, {} for each observation.", data)
    return data


def _columns_of_records(records: list[Any], predictors: Sequence[Predictor], errors: Errors) -> Columns:
    names = names_of(predictors)
    _check_size(len(records), errors)
    if set(map(type, records)) == {dict} and set(map(len, records)) == {len(names)}:
        with suppress(KeyError):
            return {name: list(map(itemgetter(name), records)) for name in names}
    for row, record in enumerate(records):
        if isinstance(record, dict):
            _check_names(record, predictors, ["body", row], errors)
        else:
            errors.add(["body", row], f"row {row} must be an object, with a value for each predictor.", record)
    objects = [record if isinstance(record, dict) else {} for record in records]
    return {name: [record.get(name, MISSING) for record in objects] for name in names}


def _csv(
    content: bytes, charset: str | None, predictors: Sequence[Predictor], errors: Errors
) -> tuple[Source, Columns, int]:
    """Parse CSV of any dialect and encoding that training reads, too."""
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
    _check_repeated(list(filter(None, header)), " in the header", errors)
    _check_names(named, predictors, ["body"], errors)
    if widths != {len(header)}:
        for row, values in enumerate(rows):
            if len(values) != len(header):
                errors.add(["body", row], f"row {row} has {len(values)} fields; the header has {len(header)}.", values)
    errors.raise_if_any()  # misaligned fields would be reported again, under wrong names
    _check_size(len(rows), errors)
    columns: Columns = {name: list(map(itemgetter(column), rows)) for name, column in named.items()}
    if text.sep != ",":
        for predictor in predictors:
            if isinstance(predictor, Numeric):
                with suppress(ValueError):
                    columns[predictor.name] = with_points(columns[predictor.name], ",")
    return Source.CSV, columns, len(rows)


def _check_repeated(names: Sequence[str], where: str, errors: Errors) -> None:
    for name, times in Counter(names).items():
        if times > 1:
            errors.add(["body", name], f"{name} is given more than once{where}.")


def _check_names(
    found: Iterable[str], predictors: Sequence[Predictor], loc: Sequence[str | int], errors: Errors
) -> None:
    names = names_of(predictors)
    row = f"row {loc[1]}: " if len(loc) > 1 else ""
    for name in names:
        if name not in found:
            errors.add([*loc, name], f"{row}{name} is missing; the predictors are: {', '.join(names)}.")
    for name in found:
        if name not in names:
            errors.add([*loc, name], f"{row}{name!r} is no predictor of this model; they are: {', '.join(names)}.")


def _check_size(rows: int, errors: Errors) -> None:
    if rows > settings.LM_MAX_ROWS:
        raise ContentTooLarge(f"There are {rows} observations; send at most {settings.LM_MAX_ROWS} at once.")
    if rows == 0:
        errors.add(["body"], "There are no observations; send at least one.")
