"""Respond with predictions, in the format and the shape that were asked for. Each number reads back to R's own bits."""

import math
import re
from collections.abc import Mapping, Sequence
from itertools import chain, starmap
from typing import Any

import orjson
from django.http import HttpResponse

from lm_app.engine.lm import HEAD_OF_MORE, Prediction
from lm_app.predict import columnar_out
from lm_app.predict.body import JSON
from lm_app.predict.check import Observations
from lm_app.predict.names import ignored_warning
from lm_app.predict.question import DEFAULTS, PREDICTED, Source, as_text
from lm_app.response_scale import back_transformed, response_scale
from lm_app.schemas import VERSION_HEADER
from lm_app.store.version import LoadedModel

VARY = "Vary", f"Accept, {VERSION_HEADER}"
"""A cache shall not answer with another format or version than the one that is asked for. It is set as Django keeps it,
who else looks at each character, in each response anew."""
NAMED = 3
"""So many rows are named in a warning."""
TO_QUOTE = re.compile('[,"\r\n]')

Columns = Mapping[str, Sequence[Any]]


def respond(model: LoadedModel, observations: Observations, prediction: Prediction) -> HttpResponse:
    """Respond to one observation with a flat object, to records with records, and to all else with columns.

    One number in the path, without options, is answered by a number that is rounded as in the original project.
    """
    kind, source = observations.format, observations.source
    if kind == "json" and source is Source.PATH and observations.options is DEFAULTS:
        return _response(orjson.dumps(round(prediction.fit[0], 6)), JSON)
    columns, head = _columns(observations, prediction), _head(model, observations, prediction)
    if kind == "csv":
        return _csv_response(columns, head)
    if kind != "json":
        return _response(columnar_out.write(kind, columns, head), columnar_out.TYPES[kind])
    predictions: dict[str, Any]
    if not source.has_rows:
        predictions = {name: values[0] for name, values in columns.items()}
        if scale := head.get("response_scale"):
            predictions |= back_transformed(scale, prediction)
    elif source is Source.RECORDS:
        predictions = {"predictions": orjson.Fragment(_records(columns))}
    else:
        predictions = {"predictions": columns}
    return _response(orjson.dumps(head | predictions), JSON)


def _response(content: bytes, media_type: str) -> HttpResponse:
    response = HttpResponse(content, content_type=media_type)
    response.headers._store["vary"] = VARY
    return response


def _head(model: LoadedModel, observations: Observations, prediction: Prediction) -> dict[str, Any]:
    warnings = prediction.warnings + _not_finite(observations, prediction)
    if observations.ignored:
        warnings = [*warnings, ignored_warning(observations.ignored)]
    head = {
        "model": model.name,
        "version": model.version,
        "interval": observations.options.interval,
        "level": observations.options.level,
        "warnings": warnings,
    }
    if prediction.more:
        head |= prediction.more.head
    if scale := response_scale(model.info):
        head["response_scale"] = scale
    if observations.errors.spares_rows:
        head |= {"errors": observations.errors.listed, "error_count": observations.errors.count}
    return head


def _columns(observations: Observations, prediction: Prediction) -> dict[str, Any]:
    """Make the columns of the answer, with None for each observation that is wrong."""
    columns: dict[str, Any] = {"fit": prediction.fit}
    if prediction.lower is not None and prediction.upper is not None:
        columns |= {"lower": prediction.lower, "upper": prediction.upper}
    if observations.extrapolated is not None:
        columns["extrapolated"] = observations.extrapolated
    if prediction.more:
        columns |= prediction.more.columns
    columns = {name: _spread(values, observations) for name, values in columns.items()}
    if prediction.more:
        columns |= _term_columns(prediction.more.terms, observations)
    return {**observations.given, **columns} if observations.given else columns


def _term_columns(terms: Mapping[str, Columns], observations: Observations) -> dict[str, Any]:
    """Make an object for each row of records, one of columns for columns, and plain columns for a table."""
    source = observations.source
    if observations.format == "json" and (source is Source.RECORDS or not source.has_rows):
        rows = range(len(observations.columns[0]))
        return {
            name: _spread([{label: values[row] for label, values in by_term.items()} for row in rows], observations)
            for name, by_term in terms.items()
        }
    spread = {
        name: {label: _spread(values, observations) for label, values in by_term.items()}
        for name, by_term in terms.items()
    }
    if observations.format == "json":
        return spread
    return {f"{name}.{label}": values for name, by_term in spread.items() for label, values in by_term.items()}


def _spread(values: Sequence[Any], observations: Observations) -> Sequence[Any]:
    if observations.kept is None:
        return values
    spread: list[Any] = [None] * observations.rows
    for row, value in zip(observations.kept, values, strict=True):
        spread[row] = value
    return spread


def _not_finite(observations: Observations, prediction: Prediction) -> list[str]:
    """Tell which numbers are NaN, Inf or -Inf: JSON has none of these."""
    warnings: list[str] = []
    for name, numbers in zip(PREDICTED, (prediction.fit, prediction.lower, prediction.upper), strict=False):
        if numbers is None or math.isfinite(sum(numbers)):
            continue
        kinds: dict[str, list[int]] = {}
        for row, number in enumerate(numbers):
            if not math.isfinite(number):
                kinds.setdefault(_in_r(number), []).append(row)
        for kind, rows in kinds.items():
            named = [str(observations.row(row)) for row in rows[:NAMED]]
            if len(rows) > NAMED:
                where = f" in rows {', '.join(named)} and {len(rows) - NAMED} more"
            elif len(rows) > 1:
                where = f" in rows {', '.join(named[:-1])} and {named[-1]}"
            else:
                where = f" in row {named[0]}"
            warnings.append(f"{name} is {kind}{where if observations.source.has_rows else ''}")
    return warnings


# orjson writes a column of 100,000 numbers in 2 ms, and a list of as many records in ten times that, most of it for
# making the records. So each column of R's is written as a whole and its text cut at the commas, which are nowhere in
# it but between its numbers and logicals. Records and rows of CSV are joined from these pieces; where there is but one
# column, a comma becomes what stands between two records or rows.


def _records(columns: Columns) -> bytes:
    """Write columns as records: [{"fit":1.5,"lower":1.0},{"fit":...}]."""
    if list(columns) == ["fit"]:
        return b'[{"fit":' + _texts(columns["fit"]).replace(b",", b'},{"fit":') + b"}]"
    pieces: list[list[bytes]] = []
    for name, values in columns.items():
        texts = _texts(values).split(b",") if name in PREDICTED else [orjson.dumps(value) for value in values]
        before = (b"," if pieces else b"},{") + orjson.dumps(name) + b":"
        pieces += [[before] * len(texts), texts]
    joined = b"".join(chain.from_iterable(zip(*pieces, strict=True)))
    return b"[" + joined.removeprefix(b"},") + b"}]"


def _csv_response(columns: Columns, head: Mapping[str, Any]) -> HttpResponse:
    response = _response(_csv(columns), "text/csv; charset=utf-8")
    response["LM-Interval"], response["LM-Level"] = head["interval"], head["level"]
    for name in HEAD_OF_MORE:
        if name in head:
            response[f"LM-{name.title().replace('_', '-')}"] = _in_r(head[name])
    if head["warnings"]:
        response["LM-Warnings"] = "; ".join(head["warnings"])
    if "error_count" in head:
        response["LM-Errors"] = head["error_count"]
    return response


def _csv(columns: Columns) -> bytes:
    """Write columns as R reads them: TRUE and FALSE; NaN, Inf and -Inf; NA for what is null."""
    if list(columns) == ["fit"] and b"null" not in (text := _texts(columns["fit"])):
        return b"fit\n" + text.replace(b",", b"\n") + b"\n"
    header = ",".join(map(_quoted, columns)).encode()
    return b"\n".join([header, *map(b",".join, zip(*starmap(_csv_column, columns.items()), strict=True)), b""])


def _csv_column(name: str, values: Sequence[Any]) -> list[bytes]:
    if name in PREDICTED and b"null" not in (text := _texts(values)):
        if name == "extrapolated":
            text = text.replace(b"true", b"TRUE").replace(b"false", b"FALSE")
        return text.split(b",")
    return [_in_r(value).encode() for value in values]


def _in_r(value: Any) -> str:
    """Write one value for R."""
    if value is None:
        return "NA"
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Inf" if value > 0 else "-Inf"
    return _quoted(as_text(value))


def _quoted(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if TO_QUOTE.search(text) else text


def _texts(values: Sequence[Any]) -> bytes:
    """Write numbers or logicals as JSON has them, with commas between."""
    return orjson.dumps(values)[1:-1]
