"""Respond with predictions, in the shape of the question or as CSV. Each number reads back to R's own bits."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import orjson
from django.http import HttpResponse

from lm_app.engine.lm import Prediction
from lm_app.predict.check import Observations
from lm_app.predict.names import ignored_warning
from lm_app.predict.question import Source
from lm_app.store.version import LoadedModel


def bare_number(prediction: Prediction) -> HttpResponse:
    """Respond with the one fit, rounded to 6 decimals as in the original project."""
    return _json(round(prediction.fit[0], 6))


def one(model: LoadedModel, observations: Observations, prediction: Prediction) -> HttpResponse:
    """Respond to one observation with a flat object."""
    columns = _columns(observations, prediction)
    return _json({**_head(model, observations, prediction), **{name: values[0] for name, values in columns.items()}})


def many(model: LoadedModel, observations: Observations, prediction: Prediction) -> HttpResponse:
    """Respond to records with records, to columns and CSV with columns, and with CSV where that is preferred.

    One object is answered by one.
    """
    columns = _columns(observations, prediction)
    head = _head(model, observations, prediction)
    if observations.prefers_csv:
        headers = {f"LM-{name.title()}": str(head[name]) for name in ("interval", "level")}
        if head["warnings"]:
            headers["LM-Warnings"] = "; ".join(head["warnings"])
        return HttpResponse(_csv(columns), content_type="text/csv; charset=utf-8", headers=headers)
    if observations.source is Source.OBJECT:
        return one(model, observations, prediction)
    if observations.source is Source.RECORDS:
        return _json({**head, "predictions": orjson.Fragment(_records(columns))})
    return _json({**head, "predictions": columns})


def _head(model: LoadedModel, observations: Observations, prediction: Prediction) -> dict[str, Any]:
    warnings = prediction.warnings
    if observations.ignored:
        warnings = [*warnings, ignored_warning(observations.ignored)]
    return {
        "model": model.name,
        "version": model.version,
        "interval": observations.options.interval,
        "level": observations.options.level,
        "warnings": warnings,
    }


def _columns(observations: Observations, prediction: Prediction) -> dict[str, Sequence[Any]]:
    columns: dict[str, Sequence[Any]] = {"fit": prediction.fit}
    if prediction.lower is not None and prediction.upper is not None:
        columns |= {"lower": prediction.lower, "upper": prediction.upper}
    if observations.extrapolated is not None:
        columns["extrapolated"] = observations.extrapolated
    return columns


# orjson writes a column of 100,000 numbers in 2 ms, and a list of as many records in ten times that, most of it for
# making the records. So each column is written as a whole and its text cut at the commas, which are nowhere in it but
# between its numbers and logicals. Records and rows of CSV are joined from these pieces.


def _records(columns: Mapping[str, Sequence[Any]]) -> bytes:
    """Write columns as records: [{"fit":1.5,"lower":1.0},{"fit":...}]."""
    pieces: list[list[bytes]] = []
    for name, values in columns.items():
        texts = _texts(values).split(b",")
        before = (b"," if pieces else b"},{") + orjson.dumps(name) + b":"
        pieces += [[before] * len(texts), texts]
    joined = b"".join(chain.from_iterable(zip(*pieces, strict=True)))
    return b"[" + joined.removeprefix(b"},") + b"}]"


def _csv(columns: Mapping[str, Sequence[Any]]) -> bytes:
    """Write columns as R reads them: TRUE and FALSE, NaN for NaN."""
    texts = [
        _texts(values).replace(b"true", b"TRUE").replace(b"false", b"FALSE").replace(b"null", b"NaN").split(b",")
        for values in columns.values()
    ]
    return b"\n".join([",".join(columns).encode(), *map(b",".join, zip(*texts, strict=True)), b""])


def _texts(values: Sequence[Any]) -> bytes:
    """Write numbers or logicals as JSON has them, with commas between."""
    return orjson.dumps(values)[1:-1]


def _json(content: Any) -> HttpResponse:
    return HttpResponse(orjson.dumps(content), content_type="application/json")
