"""The routes. ml_api/api.py mounts those of a model twice under /lm/api: for the default model, and for any."""

import hashlib
import time
from collections.abc import Callable
from functools import cache, lru_cache, wraps
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import ResponseHeaders
from django.utils.cache import get_conditional_response
from django.utils.http import parse_etags
from ninja import P, PathEx, Router
from pydantic import JsonValue

from lm_app import openapi
from lm_app.engine.lm import Prediction
from lm_app.errors import (
    ContentTooLarge,
    Damaged,
    ManyVersions,
    NotKnown,
    PreconditionFailed,
    TimedOut,
    UnknownKey,
    UnknownPlot,
    UnseenLevels,
)
from lm_app.measured import MEASURED, Measured
from lm_app.predict import parse, respond
from lm_app.predict.body import JSON
from lm_app.predict.check import Observations, check, drop_unseen
from lm_app.response_scale import response_scale
from lm_app.schemas import (
    VERSION_HEADER,
    VERSION_PARAMETER,
    Diagnostics,
    ListedModel,
    ListedVersion,
    ModelCard,
    NamedObservations,
    Problem,
)
from lm_app.store.folder import ModelFolder
from lm_app.store.kept import kept_model
from lm_app.store.live import find_folder, live_model, live_models
from lm_app.store.version import CARD, CODE, LoadedModel, Version

models_router = Router(tags=["models"])
client_router = Router(tags=["client"])
versions_router = Router()
router = Router()
code_router = Router()  # for any model alone: of the default one, the path is the client's
value_router = Router()  # these two are mounted first: Django tries the URLs in their order, and each takes its time
predict_router = Router()

SVG_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""R draws by style attributes; nothing else is allowed to an SVG that is opened by itself."""
CLIENT = Path(__file__).resolve().parent.parent / "contrib" / "lm.R"
R_CODE = "text/plain; charset=utf-8"

PROBLEMS: dict[int, Any] = dict.fromkeys((404, 422, 503), Problem)


class ModelRequest(HttpRequest):
    """A request about one model."""

    model: LoadedModel
    """The live version or the one that is asked, found once for the whole request."""


def path_parameters(request: HttpRequest) -> dict[str, str]:
    """Return {model} and {value} of the URL.

    They stand in router prefixes because Ninja would run pydantic on declared ones: 12 us, more than R needs.
    """
    return request.resolver_match.kwargs if request.resolver_match else {}


def find_model(operation: Callable[..., Any]) -> Callable[..., Any]:
    """Find the model that the URL names, or the default one, before the operation."""

    @wraps(operation)
    def with_model(request: ModelRequest, **parameters: Any) -> Any:
        name, meta = path_parameters(request).get("model", settings.LM_DEFAULT_MODEL), request.META
        if "HTTP_LM_VERSION" in meta or VERSION_PARAMETER in meta["QUERY_STRING"] or "%" in meta["QUERY_STRING"]:
            model = asked_model(request, name)
        else:  # by far the most
            model = live_model(name)
        request.model = model
        request.META[MEASURED] = Measured(model.name, model.version)
        if "HTTP_IF_MATCH" in request.META:
            check_if_match(request.META["HTTP_IF_MATCH"], model)
        return operation(request, **parameters)

    return with_model


def asked_model(request: HttpRequest, name: str) -> LoadedModel:
    """Find the version that the query or the header asks; the live one where both are empty.

    Raises ManyVersions, and what kept_model() raises.
    """
    asked = [*parse.query_values(request).get(VERSION_PARAMETER, []), request.headers.get(VERSION_HEADER, "")]
    models = [kept_model(name, version) for version in dict.fromkeys(filter(None, asked))] or [live_model(name)]
    if len({model.version for model in models}) > 1:
        raise ManyVersions(model.version for model in models)
    return models[0]


def etag_of(model: str, version: str, media_type: str = JSON) -> str:
    """Make the ETag of all that is answered about a model: another version or other software answers otherwise.

    So does another format of the same prediction.
    """
    kind = "" if media_type == JSON else f"-{media_type.partition(';')[0].rpartition('/')[2]}"
    return f'"{model}-{version}-{settings.LM_SOFTWARE_VERSION}{kind}"'


def check_if_match(if_match: str, model: LoadedModel) -> None:
    """Raise PreconditionFailed where If-Match names other ETags, in whichever format (RFC 9110, 13.1.1)."""
    etag = etag_of(model.name, model.version)
    begins = etag[:-1] + "-"
    if if_match.strip() != "*" and not any(tag == etag or tag.startswith(begins) for tag in parse_etags(if_match)):
        raise PreconditionFailed(f"If-Match is {if_match[:100]}, but what is served has the ETag {etag}.")


@lru_cache(maxsize=1000)
def headers_about(model: str, version: str, media_type: str) -> ResponseHeaders:
    """Make the headers about a model; with an ETag, where there is a media type.

    They are kept, as Django looks at each character of each header, in each response anew: a 20th of a prediction.
    """
    headers = {"Vary": VERSION_HEADER, "LM-Model": model, "LM-Version": version}
    if media_type:
        headers["ETag"] = etag_of(model, version, media_type)
        headers["Cache-Control"] = "no-cache"  # keep it, but ask whether it is still right
    return ResponseHeaders(headers)


def add_version_headers(run: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Add LM-Model and LM-Version to every response, errors too, and an ETag to GET."""

    @wraps(run)
    def with_headers(request: ModelRequest, **parameters: Any) -> HttpResponse:
        response = run(request, **parameters)
        if not hasattr(request, "model"):
            response.headers.setdefault("Vary", VERSION_HEADER)
            return response
        kind = response["Content-Type"] if request.method == "GET" and response.status_code == 200 else ""
        about = headers_about(request.model.name, request.model.version, kind)
        if kind and "HTTP_IF_NONE_MATCH" in request.META:
            response = get_conditional_response(request, etag=about["ETag"], response=response) or response
        response.headers._store = about._store | response.headers._store
        return response

    return with_headers


for about_a_model in (value_router, predict_router, router, code_router):
    about_a_model.add_decorator(find_model, mode="operation")
    about_a_model.add_decorator(add_version_headers, mode="view")


@models_router.get("/models", response=list[ListedModel], summary="All models")
def list_models(request: HttpRequest) -> list[dict[str, Any]]:
    """The models that an API key may ask, or all where there are no keys; their versions and formulas."""
    key = request.META.get("ml_api.key")  # see ml_api/access/middleware.py
    return [
        {
            "model": name,
            "version": model and model.version,
            "default": name == settings.LM_DEFAULT_MODEL,
            "title": model and model.info["title"],
            "formula": model and model.info["formula"],
        }
        for name, model in live_models().items()
        if not key or key.may_ask(name)
    ]


@client_router.get("/lm.R", response={200: str}, summary="The R functions deploy_lm() and lm_at()")
def client(request: HttpRequest) -> HttpResponse:
    """R code for any R session, `source(url)`: `deploy_lm()` deploys a fitted lm, and `lm_at()` asks this server."""
    code, etag = client_code()
    response = HttpResponse(code, content_type=R_CODE, headers={"ETag": etag, "Cache-Control": "no-cache"})
    return get_conditional_response(request, etag=etag, response=response) or response


@cache
def client_code() -> tuple[bytes, str]:
    """Read contrib/lm.R, and make its ETag."""
    code = CLIENT.read_bytes()
    return code, f'"{hashlib.sha256(code).hexdigest()[:32]}"'


@versions_router.get(
    "/versions", response={200: list[ListedVersion], 404: Problem, 503: Problem}, summary="The versions that are kept"
)
def list_versions(request: HttpRequest) -> list[dict[str, Any]]:
    """The versions that can be asked by `version` or `LM-Version`, newest first."""
    folder = find_folder(path_parameters(request).get("model", settings.LM_DEFAULT_MODEL))
    return [listed(version, folder) for version in reversed(folder.versions())]


def listed(version: Version, folder: ModelFolder) -> dict[str, Any]:
    """Describe a version in the list of all."""
    what = {"version": version.name, "live": folder.is_live(version), "labels": folder.labels_of(version)}
    try:
        info, manifest = version.info(), version.manifest()
    except Damaged as damage:
        return {**what, "error": str(damage)}
    known = {key: info[key] for key in ("trained_at", "formula", "n", "r_squared", "press_rmse")}
    return {**what, **known, "forced": bool(manifest.get("objections"))}


# Parse, check, predict, respond. The OpenAPI document describes these routes for each model; see openapi.py.


def answer(request: ModelRequest, observations: Observations) -> HttpResponse:
    """Predict and respond, and measure it."""
    model, began = request.model, time.monotonic()
    prediction = predict(model, observations, request.META.get("ml_api.client_gone", never))  # see ml_api/exchange.py
    measured: Measured = request.META[MEASURED]
    measured.rows, measured.r_seconds = len(prediction.fit), prediction.seconds
    if prediction.more:
        measured.r_seconds += prediction.more.seconds
    measured.waited_for_r = time.monotonic() - began - measured.r_seconds
    if observations.extrapolated:
        measured.extrapolated = sum(observations.extrapolated)
    response = respond.respond(model, observations, prediction)
    if settings.LM_PREDICTION_LOG:
        from lm_app.monitoring.prediction_log import record

        record(request.META.get("ml_api.request_id"), model, observations, prediction)
    return response


def never() -> bool:
    """Tell that no client goes away, where the server does not know."""
    return False


def predict(model: LoadedModel, observations: Observations, is_gone: Callable[[], bool]) -> Prediction:
    """Ask R, as long as the client has not gone.

    Raises RError, InvalidObservations where it is known which values R refuses, ContentTooLarge, TimedOut, ClientGone.
    """
    options, seconds = observations.options, settings.LM_MAX_SECONDS
    if not (rows := len(observations.columns[0])):  # all are wrong, and shall be answered by null
        return Prediction([], *(([], []) if options.interval != "none" else (None, None)), [], 0.0)
    if rows * model.lm.columns > settings.LM_MAX_CELLS:
        raise ContentTooLarge(
            f"There are {rows} observations, and the model has {model.lm.columns} coefficients; send at most "
            f"{settings.LM_MAX_CELLS // model.lm.columns} observations at once (LM_MAX_CELLS)."
        )
    try:
        prediction = model.lm.predict(observations.columns, options.interval, options.level, seconds, is_gone)
        if not (options.se or options.terms):
            return prediction
        return prediction._replace(
            more=model.lm.more(
                observations.columns,
                options.interval,
                options.level,
                se=options.se,
                terms=options.terms,
                seconds=seconds,
                is_gone=is_gone,
            )
        )
    except UnseenLevels as refusal:
        unseen = refusal.levels
    except TimedOut:
        asked = f"{rows} observations of {model.lm.columns} coefficients, interval={options.interval}"
        raise TimedOut(
            f"Model {model.name!r} has no answer within {seconds} s (LM_MAX_SECONDS) to {asked}; "
            "send fewer observations at once, or try again."
        ) from None
    drop_unseen(observations, unseen)
    return predict(model, observations, is_gone)


@value_router.get("", include_in_schema=False)
def predict_value(request: ModelRequest) -> HttpResponse:
    """Predict from one number."""
    predictors, value = request.model.predictors, path_parameters(request)["value"]
    return answer(request, check(parse.single_value(request, value, predictors), predictors))


@predict_router.get("/predict", include_in_schema=False)
def predict_one(request: ModelRequest) -> HttpResponse:
    """Predict for one observation."""
    predictors = request.model.predictors
    return answer(request, check(parse.query(request, predictors), predictors))


@predict_router.post("/predict", include_in_schema=False)
def predict_many(request: ModelRequest) -> HttpResponse:
    """Predict for a data frame."""
    predictors = request.model.predictors
    return answer(request, check(parse.body(request, predictors), predictors))


@router.get("", response={200: ModelCard, **PROBLEMS}, summary="The model card", exclude_unset=True)
def card(request: ModelRequest) -> dict[str, Any]:
    """What the model predicts from what, how well, and what it was trained on."""
    info = request.model.info
    unit = info["units"].get(info["response"])
    names = {"model": request.model.name, "version": request.model.version, "unit": unit}
    return {**info, **names, "response_scale": response_scale(info)}


@router.get("/prototype", response={200: dict[str, Any], **PROBLEMS}, summary="The JSON Schema of one observation")
def prototype(request: ModelRequest) -> dict[str, Any]:
    """The predictors with their types, units, training ranges and levels, and an example."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **openapi.observation_schema(request.model),
    }


@router.get("/list_keys", response={200: list[str], **PROBLEMS}, summary="The keys of the model's information")
def list_keys(request: ModelRequest) -> list[str]:
    """All keys that `/key/{key}` answers, sorted."""
    return sorted(request.model.info)


@router.get("/key/{path:key}", response={200: JsonValue, **PROBLEMS}, summary="One key's value")
def key(request: ModelRequest, key: PathEx[str, P(example="r_squared")]) -> Any:
    """The value of one key of the model's information, such as `fitted_values` or `r_squared`."""
    info = request.model.info
    if key not in info:
        raise UnknownKey(key, sorted(info))
    return info[key]


@router.get("/observations", response={200: NamedObservations, **PROBLEMS}, summary="The observations, by name")
def observations(request: ModelRequest) -> dict[str, Any]:
    """The observations that the model was fitted to, each as an object, with its columns' names."""
    info = request.model.info
    if "observation_columns" not in info:
        raise NotKnown("the names of the observations' columns", info)
    columns, listed = info["observation_columns"], info["observations"]
    rows = listed if isinstance(listed, list) else listed["first"]
    named = [dict(zip(columns, row, strict=True)) for row in rows]
    return {"n": info["n"], "columns": columns, "observations": named}


@router.get("/diagnostics", response={200: Diagnostics, **PROBLEMS}, summary="The rows of the training data")
def diagnostics(request: ModelRequest) -> dict[str, Any]:
    """Of each row R's `hatvalues`, `rstandard` and `cooks.distance`: which do not fit, and which decide the fit."""
    info = request.model.info
    if "row_diagnostics" not in info:
        raise NotKnown("the diagnostics of its rows", info)
    by_name = {**info["row_diagnostics"]}
    counts = {name: by_name.pop(name) for name in ("n", "far")}
    return {**counts, "rows": [dict(zip(by_name, row, strict=True)) for row in zip(*by_name.values(), strict=True)]}


@router.get("/card.md", response={200: str, **PROBLEMS}, summary="The model card, for people")
def card_for_people(request: ModelRequest) -> HttpResponse:
    """The model card, in Markdown."""
    return HttpResponse(request.model.text(CARD), content_type="text/markdown; charset=utf-8")


@router.get("/summary.txt", response={200: str, **PROBLEMS}, summary="R's summary")
def summary(request: ModelRequest) -> HttpResponse:
    """What R's `summary()` prints of the model."""
    return HttpResponse(request.model.info["call"], content_type="text/plain; charset=utf-8")


@code_router.get("/lm.R", response={200: str, **PROBLEMS}, summary="The lm, as R code")
def code(request: ModelRequest) -> HttpResponse:
    """R code that makes the model in an R session, where `predict()` gives the same bits: `source(url)$value`."""
    return HttpResponse(request.model.text(CODE), content_type=R_CODE)


@router.get("/plots", response={200: list[str], **PROBLEMS}, summary="The plots that there are")
def list_plots(request: ModelRequest) -> list[str]:
    """The names of the plots."""
    return request.model.plots()


@router.get("/plots/{name}.svg", response={200: Any, **PROBLEMS}, summary="A plot of the model")
def plot(request: ModelRequest, name: PathEx[str, P(example="fit")]) -> HttpResponse:
    """Drawn by R at training, as SVG.

    `fit` shows the response against the predictor with its bands, or observed against fitted values;
    `residuals_vs_fitted`, `normal_qq`, `scale_location` and `residuals_vs_leverage` are those of R's `plot.lm`.
    """
    names = request.model.plots()
    if name not in names:
        raise UnknownPlot(name, names)
    policy = {"Content-Security-Policy": SVG_POLICY}
    return HttpResponse(request.model.plot(name), content_type="image/svg+xml", headers=policy)
