"""Examples in the OpenAPI document: what this server answers, made by the functions that make its answers."""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from io import BytesIO
from typing import Any, cast
from urllib.parse import urlencode

import orjson
from django.conf import settings
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpResponse

from lm_app import api
from lm_app.engine.lm import LEVEL
from lm_app.errors import LmError, ManyVersions, NotTrained, UnknownKey, UnknownModel, UnknownPlot
from lm_app.openapi import PROBLEM_JSON
from lm_app.predict import parse
from lm_app.predict.body import CSV, JSON
from lm_app.predict.check import check
from lm_app.predict.question import Frame, Question, Source
from lm_app.predict.respond import respond
from lm_app.predictors import Numeric
from lm_app.schemas import ListedVersion, ModelCard
from lm_app.store.kept import kept_model
from lm_app.store.live import live_models
from lm_app.store.version import LoadedModel

NO_SUCH = "nothing"
"""What no model, version, key or plot is called."""
VERSIONS = ("20260102T030405.060708Z", "20260203T040506.070809Z")
SECONDS_FOR_R = 1.0
LINES, ROWS = 10, 2
"""So many are shown of a text, and of the training data."""

Schema = dict[str, Any]
Answers = dict[str, Schema]
"""By their media types."""
Errors = dict[int, LmError]


def add_examples(paths: Schema, prefix: str, problem_of: Callable[[LmError], Schema]) -> None:
    """Add an example to each answer of each operation that is about a model that is trained.

    Where there are API keys, what a model answers is for those only who may ask it, and not for all readers of the
    document. `problem_of` makes the problem document of an error.
    """
    models, is_open = live_models(), settings.LM_API_KEYS is None
    trained = [model for model in models.values() if model]
    default = models.get(settings.LM_DEFAULT_MODEL)
    mounts = {f"{prefix}/models/{name}": model for name, model in models.items()}
    mounts |= {f"{prefix}/models/{{model}}": default or next(iter(trained), None), prefix: default}
    predicted: dict[str, dict[tuple[str, str], Answers]] = {}
    if is_open:
        with suppress(LmError):  # where R is busy or away for one model, it is for the others, too
            predicted |= ((model.name, _predictions(model)) for model in trained)
    for path, operations in paths.items():
        mount = next(mount for mount in mounts if path == mount or path.startswith(f"{mount}/"))
        model, rest = mounts[mount], path.removeprefix(mount)
        if model is None:
            continue
        for method, operation in operations.items():
            answers = predicted.get(model.name, {}).get((method, rest)) or (_known(model, rest) if is_open else {})
            errors = _errors(model, method, rest)
            if "{model}" in mount:
                errors[404] = UnknownModel(NO_SUCH, models)
            for status, response in operation["responses"].items():
                error = errors.get(int(status))
                shown = {PROBLEM_JSON: {"example": problem_of(error)}} if error else answers
                response["content"] = {kind: what | shown.get(kind, {}) for kind, what in response["content"].items()}


def _predictions(model: LoadedModel) -> dict[tuple[str, str], Answers]:
    """Predict for the model's example; the answers by the methods and the paths to ask."""
    frame = Frame(Source.OBJECT, {name: [value] for name, value in model.info["example"].items()}, 1)
    observations = check(Question(frame), model.predictors)
    prediction = model.lm.predict(observations.columns, "none", LEVEL, SECONDS_FOR_R)
    answers = {}
    for observations.source in (Source.PATH, Source.OBJECT, Source.RECORDS, Source.COLUMNS):
        answers[observations.source] = orjson.loads(respond(model, observations, prediction).content)
    observations.format = "csv"
    csv = {CSV: {"example": respond(model, observations, prediction).content.decode()}}
    shapes = {"records": Source.RECORDS, "columns": Source.COLUMNS, "one": Source.OBJECT}
    return {
        ("get", "/predict"): {JSON: {"example": answers[Source.OBJECT]}, **csv},
        ("get", "/predict/{value}"): {JSON: {"example": answers[Source.PATH]}, **csv},
        ("post", "/predict"): {
            JSON: {"examples": {name: {"value": answers[source]} for name, source in shapes.items()}},
            **csv,
        },
    }


def _known(model: LoadedModel, rest: str) -> Answers:
    """Return what a route answers that is about a model, or about all."""
    request = cast(api.ModelRequest, _request())
    request.model = model
    with suppress(LmError):  # where a file is damaged
        return {kind: {"example": make()} for end, kind, make in _about(request) if end == rest}
    return {}


def _about(request: api.ModelRequest) -> list[tuple[str, str, Callable[[], Any]]]:
    """List these routes: the end of the path, the media type, and what makes the answer."""
    return [
        ("", JSON, lambda: ModelCard.model_validate(api.card(request)).model_dump(exclude_unset=True)),
        ("/prototype", JSON, lambda: api.prototype(request)),
        ("/list_keys", JSON, lambda: api.list_keys(request)),
        ("/key/{key}", JSON, lambda: api.key(request, "r_squared")),
        ("/observations", JSON, lambda: _first(api.observations(request), "observations")),
        ("/diagnostics", JSON, lambda: _first(api.diagnostics(request), "rows")),
        ("/plots", JSON, lambda: api.list_plots(request)),
        ("/plots/{name}.svg", "image/svg+xml", lambda: "..."),
        ("/card.md", "text/markdown", lambda: _beginning(api.card_for_people(request))),
        ("/summary.txt", "text/plain", lambda: api.summary(request).content.decode()),
        ("/lm.R", "text/plain", lambda: _beginning(api.code(request))),
        ("/versions", JSON, lambda: [ListedVersion(**it).model_dump() for it in api.list_versions(request)]),
        ("/models", JSON, lambda: api.list_models(request)),
    ]


def _first(listing: Schema, rows: str) -> Schema:
    return {**listing, rows: listing[rows][:ROWS]}


def _beginning(text: HttpResponse) -> str:
    return "\n".join([*text.content.decode().splitlines()[:LINES], "..."])


def _errors(model: LoadedModel, method: str, rest: str) -> Errors:
    """Return the errors of an operation by their statuses."""
    errors: Errors = {422: ManyVersions(VERSIONS), 503: NotTrained(model.name)}
    if rest == "/key/{key}":
        errors[404] = UnknownKey(NO_SUCH, sorted(model.info))
    elif rest == "/plots/{name}.svg":
        errors[404] = UnknownPlot(NO_SUCH, model.plots())
    elif settings.LM_API_KEYS is None:
        errors |= _error_of(lambda: kept_model(model.name, NO_SUCH))
    if rest.startswith("/predict"):
        for ask in _wrong_questions(model, method, rest):
            errors |= _error_of(lambda: check(ask(), model.predictors))  # noqa: B023
    return errors


def _wrong_questions(model: LoadedModel, method: str, rest: str) -> list[Callable[[], Question]]:
    """Ask what is refused, each time for another reason."""
    predictors, wrong = model.predictors, dict(model.info["example"])
    for predictor in predictors[:1]:
        wrong[predictor.name] = NO_SUCH
        if isinstance(predictor, Numeric) and predictor.values is None:
            wrong[predictor.name] = 2 * predictor.max - predictor.min + 1  # beyond the range
    if rest == "/predict/{value}":
        return [partial(parse.single_value, _request(), str(value), predictors) for value in wrong.values()]
    if method == "get":
        return [partial(parse.query, _request(QUERY_STRING=urlencode(wrong)), predictors)]
    requests = [
        _request(b"["),
        _request(HTTP_TRANSFER_ENCODING="chunked"),
        _request(CONTENT_LENGTH=str(settings.DATA_UPLOAD_MAX_MEMORY_SIZE + 1)),
        _request(CONTENT_TYPE="text/html"),
        _request(orjson.dumps([wrong])),
    ]
    return [partial(parse.body, request, predictors) for request in requests]


def _request(body: bytes = b"", **environ: str) -> WSGIRequest:
    length = str(len(body))
    defaults = {"REQUEST_METHOD": "POST", "QUERY_STRING": "", "CONTENT_TYPE": JSON, "CONTENT_LENGTH": length}
    return WSGIRequest({**defaults, "wsgi.input": BytesIO(body), **environ})


def _error_of(ask: Callable[[], object]) -> Errors:
    try:
        ask()
    except LmError as error:
        return {error.status: error}
    return {}
