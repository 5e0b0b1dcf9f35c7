"""The routes of one model. ml_api/api.py mounts them under /lm/api."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import P, PathEx, Router

from lm_app import observations, store
from lm_app.errors import UnknownKey
from lm_app.schemas import Key, Problem

router = Router(tags=["linear model"])
NOT_TRAINED: dict[int, type] = {503: Problem}


def live_model(response: HttpResponse) -> store.LiveModel:
    """The model that the URL means, as it is now; the answer's headers name it and its version."""
    model = store.live(settings.LM_DEFAULT_MODEL)
    response["LM-Model"], response["LM-Version"] = model.name, model.version
    return model


@router.get("/list_keys", response={200: list[str], **NOT_TRAINED}, summary="The keys of the model's information")
def list_keys(request: HttpRequest, response: HttpResponse) -> list[str]:
    """All keys that `/key/{key}` answers, sorted."""
    return sorted(live_model(response).info)


@router.get("/key/{path:key}", response={200: Key, 404: Problem, **NOT_TRAINED}, summary="One key's value")
def key(request: HttpRequest, response: HttpResponse, key: PathEx[str, P(example="fitted_values")]) -> Any:
    """The value of one key of the model's information, such as `fitted_values` or `r_squared`."""
    info = live_model(response).info
    if key not in info:
        raise UnknownKey(key, sorted(info))
    return info[key]


@router.get("/predict/{value}", response={200: float, 422: Problem, **NOT_TRAINED}, summary="Predict from one number")
def predict_value(
    request: HttpRequest,
    response: HttpResponse,
    value: PathEx[str, P(example="29.5", description="The predictor's value, with a dot or a comma.")],
) -> float:
    """R's prediction, rounded to 6 decimals. The value must lie in the range of the training data."""
    model = live_model(response)
    [fit] = model.lm.predict(observations.single_value(value, model.info)).fit
    return round(fit, 6)
