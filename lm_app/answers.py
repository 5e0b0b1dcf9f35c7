"""Write predictions, in the shape of the request or as CSV. Each number reads back to R's own bits."""

from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse

from lm_app.observations import Observations, Shape
from lm_app.r_engine import Prediction
from lm_app.schemas import Options
from lm_app.store import LiveModel


def bare_number(prediction: Prediction) -> HttpResponse:
    """The one fit, rounded to 6 decimals as in the original project."""
    return _json(round(prediction.fit[0], 6))


def one(model: LiveModel, options: Options, observations: Observations, prediction: Prediction) -> HttpResponse:
    """The answer for one observation: a flat object."""
    columns = _columns(observations, prediction)
    return _json({**_head(model, options, prediction), **{name: values[0] for name, values in columns.items()}})


def many(
    request: HttpRequest,
    shape: Shape,
    model: LiveModel,
    options: Options,
    observations: Observations,
    prediction: Prediction,
) -> HttpResponse:
    """The answer for a data frame: records to records, columns to columns and to CSV, CSV where Accept asks for it."""
    columns = _columns(observations, prediction)
    head = _head(model, options, prediction)
    if _prefers_csv(request):
        headers = {f"LM-{name.title()}": str(head[name]) for name in ("interval", "level")}
        if prediction.warnings:
            headers["LM-Warnings"] = "; ".join(prediction.warnings)
        return HttpResponse(_csv(columns), content_type="text/csv; charset=utf-8", headers=headers)
    if shape == "records":
        return _json({**head, "predictions": orjson.Fragment(_records(columns))})
    return _json({**head, "predictions": columns})


def _prefers_csv(request: HttpRequest) -> bool:
    if "text/" not in request.META.get("HTTP_ACCEPT", ""):  # Django takes longer to find out than R for a prediction
        return False
    return request.get_preferred_type(["application/json", "text/csv"]) == "text/csv"


def _head(model: LiveModel, options: Options, prediction: Prediction) -> dict[str, Any]:
    return {
        "model": model.name,
        "version": model.version,
        "interval": options.interval,
        "level": options.level,
        "warnings": prediction.warnings,
    }


def _columns(observations: Observations, prediction: Prediction) -> dict[str, Sequence[Any]]:
    columns: dict[str, Sequence[Any]] = {"fit": prediction.fit}
    if prediction.lower is not None and prediction.upper is not None:
        columns |= {"lower": prediction.lower, "upper": prediction.upper}
    if observations.extrapolated is not None:
        columns["extrapolated"] = observations.extrapolated
    return columns


def _records(columns: Mapping[str, Sequence[Any]]) -> bytes:
    """The columns as a list of records in JSON, without a Python object for each."""
    pieces: list[list[bytes]] = []
    for name, values in columns.items():
        texts = _texts(values).split(b",")
        before = (b"," if pieces else b"},{") + orjson.dumps(name) + b":"
        pieces += [[before] * len(texts), texts]
    joined = b"".join(chain.from_iterable(zip(*pieces, strict=True)))
    return b"[" + joined.removeprefix(b"},") + b"}]"


def _csv(columns: Mapping[str, Sequence[Any]]) -> bytes:
    """As R reads it: TRUE and FALSE, NaN for NaN."""
    texts = [
        _texts(values).replace(b"true", b"TRUE").replace(b"false", b"FALSE").replace(b"null", b"NaN").split(b",")
        for values in columns.values()
    ]
    return b"\n".join([",".join(columns).encode(), *map(b",".join, zip(*texts, strict=True)), b""])


def _texts(values: Sequence[Any]) -> bytes:
    """Numbers and logicals, as JSON has them, with commas between."""
    return orjson.dumps(values)[1:-1]


def _json(content: Any) -> HttpResponse:
    return HttpResponse(orjson.dumps(content), content_type="application/json")
