"""Parse a body of JSON: records, columns or one object."""

import json
from collections.abc import Collection, Sequence
from contextlib import suppress
from itertools import chain
from operator import itemgetter
from typing import Any

import orjson

from lm_app.errors import BadSyntax
from lm_app.predict.names import check_names, check_repeated, check_size
from lm_app.predict.question import MISSING, Columns, Errors, Frame, Source
from lm_app.predict.shapes import recognise
from lm_app.predictors import Predictor, names_of
from lm_app.schemas import Options


def read_json(content: bytes, predictors: Sequence[Predictor], errors: Errors, options: Options) -> Frame:
    """Parse JSON; raises BadSyntax, InvalidObservations or ContentTooLarge."""
    try:
        data = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise BadSyntax(f"The body is not JSON: {error}.") from None
    if options.augment:
        _written(data)  # what is too deep for that can't be given back
    source, found = recognise(data, predictors, errors)
    _check_unique_names(content, data, names_of(predictors) if found is data else None, errors)
    if source is Source.RECORDS:
        return _of_records(found, predictors, errors, options)
    if source is Source.OBJECT:
        return _of_object(found, predictors, errors, options)
    return _of_columns(found, predictors, errors, options)


def _check_unique_names(content: bytes, data: Any, names: Collection[str] | None, errors: Errors) -> None:
    """Record names that stand twice in one object: orjson, as most readers, takes the last and says nothing.

    Where `names` are given, only these matter, and in other shapes all names. Each name has its colon, so that as many
    colons as names show that none stands twice. There are more colons in strings and in nested objects, too; then what
    orjson read is written and has as many colons, unless names or an escaped colon got lost; then Python's slow reader
    looks again.
    """
    objects = data if isinstance(data, list) else [data]
    colons = len(content) - len(content.replace(b":", b""))  # of few, count() takes ten times as long
    if set(map(type, objects)) == {dict} and colons == sum(map(len, objects)):
        return
    if _written(data).count(b":") == colons and b"\\u003" not in content:
        return

    def record_repeated(pairs: list[tuple[str, Any]]) -> None:
        check_repeated([name for name, _ in pairs if names is None or name in names], "", errors)

    json.loads(content, object_pairs_hook=record_repeated)


def _written(data: Any) -> bytes:
    try:
        return orjson.dumps(data)  # stops at a depth of 254; Python's reader, at one that its version chooses
    except orjson.JSONEncodeError:
        raise BadSyntax("The body is nested more deeply than any observations are.") from None


def _of_object(data: dict[str, Any], predictors: Sequence[Predictor], errors: Errors, options: Options) -> Frame:
    check_names(data, predictors, ["body"], errors)
    given: Columns = {name: [value] for name, value in data.items()}
    names = names_of(predictors)
    columns = {name: given[name] for name in names if name in given}
    ignored = [name for name in data if name not in names]
    return Frame(Source.OBJECT, columns, 1, ignored, given if options.augment else {})


def _of_columns(data: dict[str, Any], predictors: Sequence[Predictor], errors: Errors, options: Options) -> Frame:
    names = names_of(predictors)
    check_names(data, predictors, ["body"], errors)
    lists: Columns = {name: values for name, values in data.items() if isinstance(values, list)}
    for name in names:
        if name in data and name not in lists:
            errors.add(["body", name], f"{name} must be a list, with one value for each observation.", data[name])
    lengths = {name: len(values) for name, values in lists.items()}
    if len(set(lengths.values())) > 1:
        described = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        errors.add(["body"], f"The columns must have one length, but {described}.")
        errors.raise_if_any()
    rows = next(iter(lengths.values()), 0)
    if lengths:
        check_size(rows, errors)
    elif not predictors:
        errors.add(["body"], "This model has no predictors; send records, {} for each observation.", data)
    columns = {name: lists[name] for name in names if name in lists}
    ignored = [name for name in data if name not in names]
    return Frame(Source.COLUMNS, columns, rows, ignored, lists if options.augment else {})


def _of_records(records: list[Any], predictors: Sequence[Predictor], errors: Errors, options: Options) -> Frame:
    names = names_of(predictors)
    check_size(len(records), errors)
    if set(map(type, records)) == {dict}:
        with suppress(KeyError):
            columns: Columns = {name: list(map(itemgetter(name), records)) for name in names}
            ignored: Sequence[str] = ()
            if set(map(len, records)) != {len(names)}:
                ignored = [name for name in _names(records) if name not in names]
            return Frame(
                Source.RECORDS, columns, len(records), ignored, _given(records, columns) if options.augment else {}
            )
    for row, record in enumerate(records):
        if isinstance(record, dict):
            check_names(record, predictors, ["body", row], errors)
        else:
            errors.add(["body", row], f"row {row} must be an object, with a value for each predictor.", record)
    objects = [record if isinstance(record, dict) else {} for record in records]
    columns = {name: [record.get(name, MISSING) for record in objects] for name in names}
    ignored = [name for name in _names(objects) if name not in names]
    return Frame(Source.RECORDS, columns, len(records), ignored, _given(objects, columns) if options.augment else {})


def _names(records: list[dict[str, Any]]) -> Collection[str]:
    """List all names of the records in their order; a union of sets takes a third of the time, and has none."""
    first = records[0].keys() if records else set()
    return first if set().union(*records) == first else dict.fromkeys(chain.from_iterable(records))


def _given(records: list[dict[str, Any]], columns: Columns) -> Columns:
    """Take all columns of the records, with null where a record has none."""
    return {name: columns.get(name) or [record.get(name) for record in records] for name in _names(records)}
