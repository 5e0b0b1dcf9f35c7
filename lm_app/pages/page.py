"""The main page's state: a model, what its form holds, and what the model answers to that."""

from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest

from lm_app.api import never, predict
from lm_app.engine.lm import Prediction
from lm_app.errors import InvalidObservations, LmError
from lm_app.predict import parse
from lm_app.predict.check import Observations, check
from lm_app.schemas import Options
from lm_app.store.version import LoadedModel

MODEL_PARAMETER = "model"
"""By which the page's URL names the model."""
OPTIONS = Options(interval="prediction")
"""The page shows an interval, unless its URL says otherwise."""


@dataclass(slots=True)
class Page:
    """What the sections of the main page show.

    `texts` are the values of the form by the predictors' names, as they were typed; what the URL does not name is that
    of the model's example. `observations` and `prediction` are None where there is no answer; then `errors` say why by
    the name of a field, and `problem` says what no field is to blame for.
    """

    request: HttpRequest
    model: LoadedModel
    texts: dict[str, str]
    options: Options = OPTIONS
    observations: Observations | None = None
    prediction: Prediction | None = None
    errors: dict[str, str] = field(default_factory=dict)
    problem: str = ""

    @property
    def info(self) -> dict[str, Any]:
        """What is known about the model."""
        return self.model.info


def page_of(request: HttpRequest, model: LoadedModel) -> Page:
    """Read the form in the URL, as the API reads a query, and predict as the API does."""
    values = parse.query_values(request)
    for name in (MODEL_PARAMETER, "format", "augment", "se", "terms", "on_error"):
        values.pop(name, None)
    example = {name: _as_typed(value) for name, value in model.info["example"].items()}
    page = Page(request, model, {name: values.get(name, [text])[-1] for name, text in example.items()})
    fields = {**{name: [text] for name, text in example.items()}, "interval": [OPTIONS.interval], **values}
    try:
        question = parse.fields(fields, model.predictors)
        page.options = question.options
        page.observations = check(question, model.predictors)
        page.prediction = predict(model, page.observations, never)
    except InvalidObservations as error:
        page.errors = {str(each["loc"][-1]): each["msg"] for each in error.errors or []}
        page.problem = "" if page.errors else str(error)
    except LmError as error:
        page.problem = str(error)
    return page


def _as_typed(value: Any) -> str:
    """Write a value of the example as a form has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
