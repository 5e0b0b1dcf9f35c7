"""Recognise the shapes in which JSON holds a data frame, and make records or columns of each, or one object.

Those of pandas' `orient`, of MLflow and of other model servers; docs/requests.md lists them.
"""

from collections.abc import Sequence
from typing import Any

from lm_app.predict.names import check_repeated, check_size
from lm_app.predict.question import Errors, Source, as_text
from lm_app.predictors import Predictor, names_of

WRAPPERS = {"dataframe_split", "dataframe_records", "inputs", "instances"}
SPLIT = {"columns", "data"}
MORE_OF_SPLIT = {"index", "index_names", "column_names"}
TABLE = {"schema", "data"}
KEYWORDS = WRAPPERS | SPLIT | MORE_OF_SPLIT | TABLE
SHOWN = 3


def recognise(data: Any, predictors: Sequence[Predictor], errors: Errors) -> tuple[Source, Any]:
    """Tell whether these are records, columns or one object, which is `data` itself where it was so sent.

    An object that has all predictors is taken as it is, as a predictor may have the name of a shape's part. Raises
    InvalidObservations where it is nothing of that, and ContentTooLarge.
    """
    names = names_of(predictors)
    if isinstance(data, dict) and not (names and data.keys() >= set(names)):
        data = _unwrapped(data, names, errors)
    if isinstance(data, list):
        if data and type(data[0]) is list:
            _refuse("The body has values without names", names, errors)
        return Source.RECORDS, data
    if not isinstance(data, dict):
        _refuse("The body is no data frame", names, errors)
    present = [data[name] for name in names if name in data]
    kinds = set(map(type, present or data.values()))
    if kinds == {dict}:
        if present:
            return Source.COLUMNS, _columns_of_objects(data, errors)
        if not names or (not data.keys() & KEYWORDS and any(name in next(iter(data.values())) for name in names)):
            return Source.RECORDS, list(data.values())  # with a key for each row
    if not present and names and (data.keys() & KEYWORDS or dict in kinds):
        _refuse("The body has none of the predictors", names, errors)
    return Source.OBJECT if kinds and not kinds & {list, dict} else Source.COLUMNS, data


def _unwrapped(data: Any, names: Sequence[str], errors: Errors) -> Any:
    """Take the records or columns out of what is around them."""
    if len(data) == 1 and data.keys() <= WRAPPERS:
        [inner] = data.values()
        if isinstance(inner, dict) or (isinstance(inner, list) and (not inner or isinstance(inner[0], dict | list))):
            data = inner
    if not isinstance(data, dict):
        return data
    if SPLIT <= data.keys() <= SPLIT | MORE_OF_SPLIT and all(isinstance(data[key], list) for key in SPLIT):
        return _records_of_split(list(map(as_text, data["columns"])), data["data"], names, errors)
    if data.keys() == TABLE and isinstance(data["data"], list) and isinstance(data["schema"], dict):
        return data["data"]
    return data


def _records_of_split(
    columns: Sequence[str], rows: Sequence[Any], names: Sequence[str], errors: Errors
) -> list[dict[str, Any]]:
    check_repeated([name for name in columns if name in names], " in 'columns'", errors)
    if rows:
        check_size(len(rows), errors)
    for row, values in enumerate(rows):
        if not isinstance(values, list) or len(values) != len(columns):
            msg = f"row {row} must be a list of {len(columns)} values, as there are so many columns."
            errors.add(["body", row], msg, values)
    if errors.rows:
        raise errors.raised()
    return [dict(zip(columns, values, strict=True)) for values in rows]


def _columns_of_objects(data: dict[str, Any], errors: Errors) -> dict[str, Any]:
    """Make lists of columns that have an object each, with a key for each row."""
    objects = {name: column for name, column in data.items() if isinstance(column, dict)}
    first, keys = next(iter(objects.items()))
    for name, column in objects.items():
        if column.keys() != keys.keys():
            errors.add(["body", name], f"{name} has other rows than {first}; all columns must have the same keys.")
    errors.raise_if_any()
    return data | {name: list(map(column.__getitem__, keys)) for name, column in objects.items()}


def _refuse(what: str, names: Sequence[str], errors: Errors) -> None:
    pairs = ", ".join([*(f'"{name}": ...' for name in names[:SHOWN]), *(["..."] if len(names) > SHOWN else [])])
    msg = (
        f"{what}; send [{{{pairs}}}], with an object for each observation, or columns, "
        "or pandas' to_json() with orient='records', 'split' or any other that has the names."
    )
    errors.add(["body"], msg)
    errors.raise_if_any()
