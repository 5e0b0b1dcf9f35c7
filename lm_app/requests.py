"""Read what a request holds: its options, and its observations by name, as JSON or as CSV."""

import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from operator import itemgetter
from typing import Any

import orjson
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, QueryDict
from pydantic import ValidationError

from lm_app.errors import BadSyntax, InvalidObservation, LengthRequired, TooLarge, UnsupportedMediaType
from lm_app.observations import MISSING, Faults, Observations, Shape, check
from lm_app.schemas import Options

Predictors = Sequence[Mapping[str, Any]]
Columns = dict[str, Sequence[Any]]


def single_value(text: str, predictors: Predictors) -> Observations:
    """The observation of a model with one numeric predictor. Raises InvalidObservation."""
    if len(predictors) != 1 or predictors[0]["type"] != "numeric":
        names = ", ".join(_names(predictors))
        raise InvalidObservation(f"This model does not predict from one number; give its predictors by name: {names}.")
    return check(predictors, {predictors[0]["name"]: [text]}, "path", Options(), Faults())


def named_values(query: QueryDict, predictors: Predictors) -> tuple[Options, Observations]:
    """The options and the one observation of a query string. Raises InvalidObservation."""
    if clash := Options.model_fields.keys() & set(_names(predictors)):
        raise InvalidObservation(f"{', '.join(clash)}: a predictor and an option; ask this model by POST.")
    faults = Faults()
    options = _read_options(query, faults)
    values = {name: texts for name, texts in query.lists() if name not in Options.model_fields}
    _check_names(values, predictors, ["query"], faults)
    return options, check(predictors, values, "query", options, faults)


def data_frame(request: HttpRequest, predictors: Predictors) -> tuple[Options, Shape, Observations]:
    """The options, and the observations of the body with their shape.

    Raises InvalidObservation, BadSyntax, UnsupportedMediaType, TooLarge or LengthRequired.
    """
    if request.content_type not in ("application/json", "text/csv"):
        raise UnsupportedMediaType(request.content_type or "none")
    if "HTTP_TRANSFER_ENCODING" in request.META:
        raise LengthRequired()
    try:
        body = request.body
    except RequestDataTooBig:
        most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        raise TooLarge(f"The body has more than {most} bytes; send it in parts.") from None
    faults = Faults()
    options = _read_options(request.GET, faults)
    for name in request.GET.keys() - Options.model_fields.keys():
        faults.add(["query", name], f"{name!r} is no option; there are: {', '.join(Options.model_fields)}.")
    read = _read_csv if request.content_type == "text/csv" else _read_json
    shape, columns = read(body, predictors, faults)
    return options, shape, check(predictors, columns, shape, options, faults)


def _read_options(query: QueryDict, faults: Faults) -> Options:
    for name, values in query.lists():
        if len(values) > 1:
            faults.add(["query", name], f"{name} is given more than once.", values)
    try:
        return Options.model_validate({name: query[name] for name in Options.model_fields if name in query})
    except ValidationError as error:
        for fault in error.errors():
            name = str(fault["loc"][0])
            faults.add(["query", name], f"{name} is {fault['input']!r}: {fault['msg']}.", fault["input"])
        return Options()


def _read_json(body: bytes, predictors: Predictors, faults: Faults) -> tuple[Shape, Columns]:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadSyntax(f"The body is not JSON: {error}.") from None
    if isinstance(content, list):
        _check_unique_names(body, content, faults)
        return "records", _columns_of_records(content, predictors, faults)
    if isinstance(content, dict):
        _check_unique_names(body, [content], faults)
        _check_names(content, predictors, ["body"], faults)
        for name in [name for name, values in content.items() if not isinstance(values, list)]:
            faults.add(["body", name], f"{name} must be a list, with one value for each observation.", content[name])
            del content[name]
        _check_rows(content, faults)
        return "columns", content
    faults.add(["body"], "The body must be a list of records or an object of columns.", content)
    return "records", {}


def _check_unique_names(body: bytes, objects: Sequence[Any], faults: Faults) -> None:
    """A name twice in one object: orjson, as most readers, takes the last and says nothing."""
    # Each name has its colon. There are more in strings, in nested objects, or where a name is given twice.
    if set(map(type, objects)) == {dict} and body.count(b":") == sum(map(len, objects)):
        return

    def note_twice(pairs: list[tuple[str, Any]]) -> None:
        for name in [name for name, times in Counter(name for name, _ in pairs).items() if times > 1]:
            faults.add(["body", name], f"{name} is given more than once.")

    json.loads(body, object_pairs_hook=note_twice)


def _columns_of_records(records: list[Any], predictors: Predictors, faults: Faults) -> Columns:
    names = _names(predictors)
    _check_size(len(records), faults)
    if set(map(type, records)) == {dict} and set(map(len, records)) == {len(names)}:
        with suppress(KeyError):
            return {name: list(map(itemgetter(name), records)) for name in names}
    for row, record in enumerate(records):
        if isinstance(record, dict):
            _check_names(record, predictors, ["body", row], faults)
        else:
            faults.add(["body", row], f"row {row} must be an object, with a value for each predictor.", record)
    records = [record if isinstance(record, dict) else {} for record in records]
    return {name: [record.get(name, MISSING) for record in records] for name in names}


def _read_csv(body: bytes, predictors: Predictors, faults: Faults) -> tuple[Shape, Columns]:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadSyntax(f"The body is not CSV in UTF-8: byte {error.start} is wrong.") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header, *rows = list(filter(None, reader)) or [[]]
    except csv.Error as error:
        raise BadSyntax(f"The body is not CSV: line {reader.line_num}: {error}.") from None
    for name in [name for name, times in Counter(header).items() if times > 1]:
        faults.add(["body", name], f"{name} is given more than once in the header.")
    _check_names(header, predictors, ["body"], faults)
    ragged = set(map(len, rows)) != {len(header)}
    for row, fields in enumerate(rows) if ragged else ():
        if len(fields) != len(header):
            faults.add(["body", row], f"row {row} has {len(fields)} fields; the header has {len(header)}.", fields)
    faults.stop_if_any()  # fields that are out of place would only be told of twice
    columns: Columns = {name: list(map(itemgetter(column), rows)) for column, name in enumerate(header)}
    _check_size(len(rows), faults)
    return "csv", columns


def _check_names(given: Iterable[str], predictors: Predictors, loc: list[str | int], faults: Faults) -> None:
    names = _names(predictors)
    where = f"row {loc[1]}: " if len(loc) > 1 else ""
    for name in names:
        if name not in given:
            faults.add([*loc, name], f"{where}{name} is missing; the predictors are: {', '.join(names)}.")
    for name in given:
        if name not in names:
            faults.add([*loc, name], f"{where}{name!r} is no predictor of this model; they are: {', '.join(names)}.")


def _check_rows(columns: Mapping[str, list[Any]], faults: Faults) -> None:
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        faults.add(["body"], f"The columns must have one length, but {told}.")
        faults.stop_if_any()
    if lengths:
        _check_size(next(iter(lengths.values())), faults)


def _check_size(rows: int, faults: Faults) -> None:
    if rows > settings.LM_MAX_ROWS:
        raise TooLarge(f"There are {rows} observations; send at most {settings.LM_MAX_ROWS} at once.")
    if rows == 0:
        faults.add(["body"], "There are no observations; send at least one.")


def _names(predictors: Predictors) -> list[str]:
    return [predictor["name"] for predictor in predictors]
