"""What the API takes as options, and what it responds, as types: the OpenAPI document is made of them."""

from collections.abc import Mapping
from typing import Any, Literal, get_args

from ninja import Schema
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lm_app.engine.lm import LEVEL, Interval

Format = Literal["json", "csv", "arrow", "parquet"]
"""Of an answer with predictions."""
Number = int | float
"""Whole numbers stay whole."""


class Error(Schema):
    """One error of a request."""

    loc: list[str | int] = Field(description="Where: the part of the request, then name and row (from 0).")
    msg: str = Field(description="What is wrong, and what is allowed.")
    input: Any = Field(None, description="The value that was sent.")


class Problem(Schema):
    """A problem document (RFC 9457)."""

    type: str = Field("about:blank", description="`about:blank`: the status says what kind of problem it is.")
    title: str = Field(description="The status in words.")
    status: int = Field(description="The HTTP status.")
    detail: str = Field(description="What is wrong, what is allowed, and what to do.")
    errors: list[Error] = Field([], description="The errors of the request, where there may be several; the first 50.")


class ListedModel(Schema):
    """A model in the list of all."""

    model: str = Field(description="Its name in URLs.")
    version: str | None = Field(description="The version that is served; null where none is trained.")
    default: bool = Field(description="Is it the one that answers where a URL names none?")
    title: str | None
    formula: str | None


class ListedVersion(Schema):
    """A version in the list of a model's."""

    version: str = Field(description="Its name: when it was made, in UTC.")
    live: bool = Field(description="Is it the one that the model's file `live` names?")
    labels: list[str] = Field(description="What else it may be called.")
    trained_at: str | None = None
    formula: str | None = None
    n: int | None = Field(None, description="The number of observations.")
    r_squared: float | None = None
    press_rmse: float | None = Field(None, description="The root mean square error of leave-one-out prediction.")
    forced: bool | None = Field(None, description="Did `--force` publish it, in spite of the comparison?")
    error: str | None = Field(None, description="What is wrong with its files; null where it can be asked.")


class PredictorDescription(Schema):
    """A variable that the model predicts from."""

    name: str
    type: Literal["numeric", "factor", "logical", "date", "datetime"]
    unit: str | None = None
    min: Number | str | None = Field(None, description="The least value in the training data; of dates ISO 8601.")
    max: Number | str | None = Field(None, description="The greatest value in the training data.")
    values: list[Number] | None = Field(
        None, description="The numbers that are allowed, where the formula makes a factor of them."
    )
    integer: bool | None = Field(None, description="Are all numbers of the training data whole?")
    levels: list[str] | None = Field(None, description="The levels of a factor; the first is the reference level.")
    ordered: bool | None = Field(None, description="Is the factor ordered?")


class Coefficient(Schema):
    """A row of R's table of coefficients; null for an aliased term (R's NA)."""

    term: str
    estimate: float | None
    std_error: float | None
    t_value: float | None
    p_value: float | None
    lower: float | None = Field(description="The lower limit of the 95 % confidence interval.")
    upper: float | None = Field(description="The upper limit of the 95 % confidence interval.")


class FStatistic(Schema):
    """The F test of all terms together; null where R has no number, as of an exact fit (Inf)."""

    value: float | None
    df1: Number
    df2: Number
    p_value: float | None


class ResponseScale(Schema):
    """On which scale a model answers, where its formula transforms the response."""

    fit_is: str = Field(description="What `fit` is, as the formula has it: log(dist).")
    column: str | None = Field(description="The column; null where there is no way back to it.")
    unit: str | None = Field(description="The column's unit.")
    inverse: str | None = Field(description="The way back, in R: exp(fit). It is that of limits, too.")
    note: str = Field(description="What that is, and what it is not: the median, not the mean.")


class ModelCard(Schema):
    """What a client should know of a model."""

    model: str
    version: str
    title: str
    description: str
    response: str = Field(description="The response, as the formula has it.")
    unit: str | None = Field(description="The response's unit, where it is a plain column.")
    response_scale: ResponseScale | None = Field(None, description="What `fit` is; null where it is a plain column.")
    formula: str = Field(description="The formula that the model has.")
    formula_given: str = Field(description="The formula that training was given.")
    dropped_terms: list[str] = Field(description="The terms that stepwise selection left out.")
    equation: str
    predictors: list[PredictorDescription]
    coefficients: list[Coefficient]
    n: int = Field(description="The number of observations.")
    df_residual: int
    sigma: float | None = Field(description="The residual standard error.")
    r_squared: float | None
    adjusted_r_squared: float | None
    f_statistic: FStatistic | None
    aic: float | None
    bic: float | None
    press_rmse: float | None = Field(description="The root mean square error of leave-one-out prediction.")
    weighted: bool
    rank_deficient: bool
    trained_at: str
    r_version: str
    origin: str | None = Field(None, description="Where it was fitted before, where deploy_lm() wrote it.")
    example: dict[str, Number | bool | str] = Field(description="An observation, the first of the training data.")


class NamedObservations(Schema):
    """The observations of the training data, their columns named."""

    n: int = Field(description="How many there are; where there are very many, the first are listed.")
    columns: list[str] = Field(description="The columns of the formula, in the order of the file.")
    observations: list[dict[str, Number | bool | str | None]]


class RowDiagnostics(Schema):
    """A row of the training data, and its weight in the fit; null where R has no number, as of an exact fit."""

    row: int = Field(description="Its number in the data, from 1.")
    observed: float | None = Field(description="The response, as the formula has it.")
    fitted: float | None
    leverage: float | None = Field(description="R's `hatvalues`.")
    std_residual: float | None = Field(description="R's `rstandard`.")
    cooks_distance: float | None = Field(description="R's `cooks.distance`.")


class Diagnostics(Schema):
    """The rows of the training data: how well they are fitted, and how much they decide."""

    n: int = Field(
        description="How many rows took part in the fit. Where there are more than 1000, `rows` are the 20 greatest of "
        "each measure."
    )
    far: int = Field(description="How many standardised residuals are beyond 2; by chance, that are about 5 %.")
    rows: list[RowDiagnostics]


def check_info(info: Mapping[str, Any]) -> None:
    """Check what the routes need of model_info.json; raises ValueError, KeyError or TypeError where it is missing."""
    try:
        card = ModelCard.model_validate({**info, "model": "", "version": "", "unit": None})
    except ValidationError as error:
        first = error.errors()[0]
        raise ValueError(f"its {'.'.join(map(str, first['loc']))}: {first['msg']}") from None  # in one line
    if not isinstance(info["units"], dict):
        raise TypeError("its units are no object")
    if missing := {predictor.name for predictor in card.predictors} - card.example.keys():
        raise KeyError(*missing)


class Options(BaseModel):
    """How to predict, and how to answer: the query parameters of every `predict`."""

    model_config = ConfigDict(frozen=True)

    interval: Interval = Field(
        "none", description="An interval for the mean response (confidence) or for a new observation (prediction)."
    )
    level: float = Field(LEVEL, gt=0, lt=1, description="The probability that the interval covers.")
    extrapolation: Literal["refuse", "flag"] = Field(
        "refuse", description="Outside the training ranges: refuse to answer, or answer and flag these observations."
    )
    on_error: Literal["refuse", "null"] = Field(
        "refuse", description="Where an observation is wrong: refuse the request, or answer null for it and list why."
    )
    se: bool = Field(False, description="The standard errors of the fit, as R's `se.fit`.")
    terms: bool = Field(
        False, description='What each term contributes, as R\'s `type = "terms"`; they add to `constant`.'
    )
    augment: bool = Field(False, description="Give the columns of the request back beside the predictions.")
    format: Format = Field(
        "json", description="The format of the answer, whatever `Accept` says; Arrow and Parquet need pyarrow there."
    )

    @classmethod
    def allowed(cls, name: str) -> str:
        """Describe the values that an option may have."""
        kind = cls.model_fields[name].annotation
        if kind is bool:
            return "true or false"
        choices = get_args(kind)
        return " or ".join(map(repr, choices)) if choices else "a number between 0 and 1"


OPTION_NAMES = frozenset(Options.model_fields)
VERSION_PARAMETER, VERSION_HEADER = "version", "LM-Version"
"""By which a request about a model asks for another version than the live one."""
QUERY_NAMES = OPTION_NAMES | {VERSION_PARAMETER}
"""What can't be a predictor in a query."""


class Response(Schema):
    """What every response with predictions says."""

    model: str
    version: str
    interval: Interval
    level: float
    warnings: list[str] = Field(
        description="R's warnings, such as of a rank-deficient fit; where a number is NaN, Inf or -Inf; and the "
        "columns of the request that were ignored."
    )
    df: float | None = Field(None, description="With se=true: the residual degrees of freedom.")
    residual_scale: float | None = Field(None, description="With se=true: the residual standard error.")
    constant: float | None = Field(None, description="With terms=true: what the terms of an observation add to.")
    response_scale: ResponseScale | None = Field(None, description="What `fit` is, where that is no plain column.")
    errors: list[Error] | None = Field(None, description="With on_error=null: why there are nulls; the first 50.")
    error_count: int | None = Field(None, description="With on_error=null: how many errors there are.")


FIT = Field(
    description="The predicted response; null where R has no finite number, such as for the log of a negative number "
    "(see warnings), and with on_error=null where the observation is wrong."
)
LOWER = Field(None, description="The interval's lower limit, where one was requested.")
UPPER = Field(None, description="The interval's upper limit, where one was requested.")
SE = Field(None, description="With se=true: the standard error of the fit.")
TERMS = Field(
    None,
    description="With terms=true: what each term contributes, beside its mean in the training data; with se=true and "
    "with an interval, `terms_se`, `terms_lower` and `terms_upper` have the same names.",
)
EXTRAPOLATED = Field(None, description="With extrapolation=flag: is it outside the training ranges?")


class Prediction(Schema):
    """The prediction for one observation; with augment=true beside what was sent."""

    fit: float | None = FIT
    lower: float | None = LOWER
    upper: float | None = UPPER
    extrapolated: bool | None = EXTRAPOLATED
    se: float | None = SE
    terms: dict[str, float | None] | None = TERMS
    terms_se: dict[str, float | None] | None = TERMS
    terms_lower: dict[str, float | None] | None = TERMS
    terms_upper: dict[str, float | None] | None = TERMS


class PredictionColumns(Schema):
    """The predictions for many observations, in their order; with augment=true beside what was sent."""

    fit: list[float | None] = FIT
    lower: list[float | None] | None = LOWER
    upper: list[float | None] | None = UPPER
    extrapolated: list[bool | None] | None = EXTRAPOLATED
    se: list[float | None] | None = SE
    terms: dict[str, list[float | None]] | None = TERMS
    terms_se: dict[str, list[float | None]] | None = TERMS
    terms_lower: dict[str, list[float | None]] | None = TERMS
    terms_upper: dict[str, list[float | None]] | None = TERMS


class BackTransformed(Schema):
    """`fit` and the limits of its interval on the scale of the column; null where it has no such value."""

    median: float | None
    lower: float | None = LOWER
    upper: float | None = UPPER


class OneResponse(Response, Prediction):
    """The response to one observation."""

    back_transformed: BackTransformed | None = Field(
        None, description="The median of the column; see `response_scale`, which says how to read other answers so."
    )


class RecordsResponse(Response):
    """The response to records."""

    predictions: list[Prediction]


class ColumnsResponse(Response):
    """The response to columns."""

    predictions: PredictionColumns
