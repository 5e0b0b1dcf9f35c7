"""The main page's state: a model, what its form holds, and what the model answers to that."""

from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpRequest

from lm_app.api import never, predict
from lm_app.engine.lm import Prediction
from lm_app.errors import InvalidObservations, LmError
from lm_app.pages.numbers import decimals_of, typed
from lm_app.predict import parse
from lm_app.predict.check import Observations, check
from lm_app.response_scale import response_scale
from lm_app.schemas import QUERY_NAMES, VERSION_PARAMETER, Options
from lm_app.store.version import LoadedModel

MODEL_PARAMETER = "model"
"""By which the page's URL names the model."""
COMPARED = ("version_a", "version_b")
"""By which the page's URL names two versions to compare."""
OF_THE_PAGE = ("interval", "level", "extrapolation")
"""The options of the API that the page has, too."""
RESERVED = QUERY_NAMES | {MODEL_PARAMETER}
DEFAULTS = Options(interval="prediction")


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
    asked: Mapping[str, str]
    """The options and the version, as they stand in the URL."""
    options: Options = DEFAULTS
    observations: Observations | None = None
    prediction: Prediction | None = None
    errors: dict[str, str] = field(default_factory=dict)
    problem: str = ""
    has_form: bool = True

    @property
    def info(self) -> dict[str, Any]:
        """What is known about the model."""
        return self.model.info

    @property
    def scale(self) -> dict[str, Any] | None:
        """Of the response, where that is no plain column."""
        return response_scale(self.info)

    @property
    def unit(self) -> str:
        """The unit of the response, where it has one."""
        return str(self.info["units"].get(self.info["response"], ""))

    @property
    def decimals(self) -> int:
        """How many decimals of an answer say something."""
        answer = self.prediction
        if answer and answer.lower and answer.upper:
            return decimals_of(answer.upper[0] - answer.lower[0])
        return decimals_of(4 * (self.info["sigma"] or 0))

    def held(self) -> list["array[float]"]:
        """Return what stands in the form as R takes it, and of the example where that is refused."""
        if not self.model.predictors:
            return [array("d", [1.0])]
        example = {name: typed(value) for name, value in self.info["example"].items()}
        texts = {**self.texts, **{name: example[name] for name in self.errors.keys() & example.keys()}}
        return [array("d", predictor.from_text([texts[predictor.name]]) or []) for predictor in self.model.predictors]


def page_of(request: HttpRequest, model: LoadedModel) -> Page:
    """Read the form in the URL, as the API reads a query, and predict as the API does."""
    values = parse.query_values(request)
    for name in (MODEL_PARAMETER, *COMPARED):
        values.pop(name, None)
    asked = {name: values[name][-1] for name in (*OF_THE_PAGE, VERSION_PARAMETER) if name in values}
    example = {name: typed(value) for name, value in model.info["example"].items()}
    page = Page(request, model, {name: values.get(name, [text])[-1] for name, text in example.items()}, asked)
    fields = {name: [text] for name, text in example.items()} | {"interval": [DEFAULTS.interval]}
    fields |= {name: texts for name, texts in values.items() if name in OF_THE_PAGE or name not in QUERY_NAMES}
    if clash := sorted(page.texts.keys() & RESERVED):
        page.has_form = False
        page.problem = (
            f"{', '.join(clash)}: a predictor, and a name in the page's URL; ask this model by POST, in JSON."
        )
        return page
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
