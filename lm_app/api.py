"""The routes of one model. ml_api/api.py mounts them twice under /lm/api: for the default model, and for any."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.cache import get_conditional_response
from ninja import P, PathEx, Router

from lm_app import answers, openapi, requests, store
from lm_app.errors import UnknownKey, UnknownPlot
from lm_app.schemas import Key, ListedModel, ModelCard, OneAnswer, Problem

models_router = Router(tags=["models"])
router = Router(tags=["linear model"])
value_router = Router(tags=["linear model"])
router.add_router("/predict/{value}", value_router)

PROBLEMS: dict[int, Any] = dict.fromkeys((404, 503), Problem)


def in_url(request: HttpRequest) -> dict[str, str]:
    """What the URL has for {model} and {value}.

    They are of the routers' prefixes, so that no route declares them: what one declares is checked by pydantic, which
    for a text takes as long as R for a prediction.
    """
    return request.resolver_match.kwargs if request.resolver_match else {}


def live_model(request: HttpRequest) -> store.LiveModel:
    """The model that the URL means, as it is now; the request remembers it, for the answer's headers."""
    model = store.live(in_url(request).get("model", settings.LM_DEFAULT_MODEL))
    request.live_model = model  # type: ignore[attr-defined]
    return model


def names_the_version(operation: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Every answer, errors too, says which model and version it is of; a GET's can be revalidated by its ETag."""

    @wraps(operation)
    def answer(request: HttpRequest, **path: Any) -> HttpResponse:
        response = operation(request, **path)
        model: store.LiveModel | None = getattr(request, "live_model", None)
        if model is None:
            return response
        if request.method == "GET" and response.status_code == 200:
            etag = response["ETag"] = f'"{model.name}-{model.version}"'
            response["Cache-Control"] = "no-cache"  # keep it, but ask whether it is still right
            if "HTTP_IF_NONE_MATCH" in request.META:
                response = get_conditional_response(request, etag=etag, response=response) or response
        response["LM-Model"], response["LM-Version"] = model.name, model.version
        return response

    return answer


router.add_decorator(names_the_version, mode="view")


@models_router.get("/models", response=list[ListedModel], summary="All models")
def list_models(request: HttpRequest) -> list[dict[str, Any]]:
    """The models, their versions and formulas."""
    return [
        {
            "model": name,
            "version": model and model.version,
            "default": name == settings.LM_DEFAULT_MODEL,
            "title": model and model.info["title"],
            "formula": model and model.info["formula"],
        }
        for name, model in store.all_live().items()
    ]


@value_router.get("", response={200: float, 422: Problem, **PROBLEMS}, summary="Predict from one number")
def predict_value(request: HttpRequest) -> HttpResponse:
    """R's prediction, rounded to 6 decimals, for a model with one numeric predictor.

    The value may have a dot or a comma, and must lie in the range of the training data.
    """
    model = live_model(request)
    observations = requests.single_value(in_url(request)["value"], model.info["predictors"])
    return answers.bare_number(model.lm.predict(observations.columns))


@router.get("/predict", response={200: OneAnswer, 422: Problem, **PROBLEMS}, summary="Predict for one observation")
def predict_one(request: HttpRequest) -> HttpResponse:
    """R's prediction at full precision, with limits where an interval is asked for."""
    model = live_model(request)
    options, observations = requests.named_values(request.GET, model.info["predictors"])
    prediction = model.lm.predict(observations.columns, options.interval, options.level)
    return answers.one(model, options, observations, prediction)


@router.post(
    "/predict",
    response={200: Any, **dict.fromkeys((400, 411, 413, 415, 422), Problem), **PROBLEMS},
    summary="Predict for a data frame",
)
def predict_many(request: HttpRequest) -> HttpResponse:
    """R's predictions for many observations.

    The body is a data frame: JSON records, JSON columns or CSV. The answer has the shape of the request, or is
    CSV where `Accept` asks for it.
    """
    model = live_model(request)
    options, shape, observations = requests.data_frame(request, model.info["predictors"])
    prediction = model.lm.predict(observations.columns, options.interval, options.level)
    return answers.many(request, shape, model, options, observations, prediction)


@router.get("", response={200: ModelCard, **PROBLEMS}, summary="The model card", exclude_unset=True)
def card(request: HttpRequest) -> dict[str, Any]:
    """What the model predicts from what, how well, and what it was trained on."""
    model = live_model(request)
    unit = model.info["units"].get(model.info["response"])
    return {**model.info, "model": model.name, "version": model.version, "unit": unit}


@router.get("/prototype", response={200: dict[str, Any], **PROBLEMS}, summary="The JSON Schema of one observation")
def prototype(request: HttpRequest) -> dict[str, Any]:
    """The predictors with their types, units, training ranges and levels, and an example."""
    model = live_model(request)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **openapi.observation_schema(model.info, model.name),
    }


@router.get("/list_keys", response={200: list[str], **PROBLEMS}, summary="The keys of the model's information")
def list_keys(request: HttpRequest) -> list[str]:
    """All keys that `/key/{key}` answers, sorted."""
    return sorted(live_model(request).info)


@router.get("/key/{path:key}", response={200: Key, **PROBLEMS}, summary="One key's value")
def key(request: HttpRequest, key: PathEx[str, P(example="fitted_values")]) -> Any:
    """The value of one key of the model's information, such as `fitted_values` or `r_squared`."""
    info = live_model(request).info
    if key not in info:
        raise UnknownKey(key, sorted(info))
    return info[key]


@router.get("/plots/{name}.svg", response={200: Any, **PROBLEMS}, summary="A picture of the model")
def plot(request: HttpRequest, name: PathEx[str, P(example="fit")]) -> HttpResponse:
    """Drawn by R at training, as SVG.

    `fit` shows the response against the predictor with its bands, or observed against fitted values;
    `residuals_vs_fitted`, `normal_qq`, `scale_location` and `residuals_vs_leverage` are those of R's `plot.lm`.
    """
    model = live_model(request)
    names = [file.removesuffix(".svg") for file in model.files() if file.endswith(".svg")]
    if name not in names:
        raise UnknownPlot(name, names)
    return HttpResponse(model.read(f"{name}.svg"), content_type="image/svg+xml")
