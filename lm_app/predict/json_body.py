"""Parse a body of JSON: records or columns."""

import json
from collections.abc import Sequence
from contextlib import suppress
from operator import itemgetter
from typing import Any

import orjson

from lm_app.errors import BadSyntax
from lm_app.predict.names import check_names, check_repeated, check_size
from lm_app.predict.question import MISSING, Columns, Errors, Frame, Source
from lm_app.predictors import Predictor, names_of


def read_json(content: bytes, predictors: Sequence[Predictor], errors: Errors) -> Frame:
    """Parse JSON; raises BadSyntax, InvalidObservations or ContentTooLarge."""
    try:
        data = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise BadSyntax(f"The body is not JSON: {error}.") from None
    if isinstance(data, list):
        _check_unique_names(content, data, errors)
        return Frame(Source.RECORDS, _columns_of_records(data, predictors, errors), len(data))
    if isinstance(data, dict):
        _check_unique_names(content, [data], errors)
        columns = _columns(data, predictors, errors)
        return Frame(Source.COLUMNS, columns, len(next(iter(columns.values()), [])))
    errors.add(["body"], "The body must be a list of records or an object of columns.", data)
    return Frame(Source.RECORDS, {}, 0)


def _check_unique_names(content: bytes, objects: Sequence[Any], errors: Errors) -> None:
    """Record names that stand twice in one object: orjson, as most readers, takes the last and says nothing.

    Each name has its colon, so that as many colons as names show that none stands twice. There are more colons in
    strings and in nested objects, too; then Python's slow reader looks again.
    """
    if set(map(type, objects)) == {dict} and content.count(b":") == sum(map(len, objects)):
        return

    def record_repeated(pairs: list[tuple[str, Any]]) -> None:
        check_repeated([name for name, _ in pairs], "", errors)

    try:
        orjson.dumps(objects)  # stops at a depth of 254, where Python's reader stops at one that its version chooses
    except orjson.JSONEncodeError:
        raise BadSyntax("The body is nested more deeply than any observations are.") from None
    json.loads(content, object_pairs_hook=record_repeated)


def _columns(data: dict[str, Any], predictors: Sequence[Predictor], errors: Errors) -> Columns:
    check_names(data, predictors, ["body"], errors)
    for name in [name for name, values in data.items() if not isinstance(values, list)]:
        errors.add(["body", name], f"{name} must be a list, with one value for each observation.", data.pop(name))
    lengths = {name: len(values) for name, values in data.items()}
    if len(set(lengths.values())) > 1:
        described = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        errors.add(["body"], f"The columns must have one length, but {described}.")
        errors.raise_if_any()
    if lengths:
        check_size(next(iter(lengths.values())), errors)
    elif not predictors:
        errors.add(["body"], "This model has no predictors; send records, {} for each observation.", data)
    return data


def _columns_of_records(records: list[Any], predictors: Sequence[Predictor], errors: Errors) -> Columns:
    names = names_of(predictors)
    check_size(len(records), errors)
    if set(map(type, records)) == {dict} and set(map(len, records)) == {len(names)}:
        with suppress(KeyError):
            return {name: list(map(itemgetter(name), records)) for name in names}
    for row, record in enumerate(records):
        if isinstance(record, dict):
            check_names(record, predictors, ["body", row], errors)
        else:
            errors.add(["body", row], f"row {row} must be an object, with a value for each predictor.", record)
    objects = [record if isinstance(record, dict) else {} for record in records]
    return {name: [record.get(name, MISSING) for record in objects] for name in names}
