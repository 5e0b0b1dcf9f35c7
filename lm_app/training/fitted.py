"""What deploy_lm() in contrib/lm.R wrote of an lm that was fitted elsewhere: fitted.json.

It is read as if anybody had written it: each value has a type and bounds before R sees any of it, and no value is code.
Only the formula is, and that is read as any formula is.
"""

import hashlib
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, StringConstraints, ValidationError, model_validator

from lm_app.errors import TrainingError
from lm_app.store.files import read_file
from lm_app.training.recipe import Contrasts, Text

FITTED = "fitted.json"
MOST_BYTES = 1 << 26
"""64 MiB: R of 2,000 coefficients."""
MOST_COLUMNS = 5000
"""Of the model matrix, as of that of a formula: see docs/formulas.md."""
MOST_CELLS = 10_000_000
"""Of the model matrix of the rows."""
SEAL = re.compile(rb'"md5": "([0-9a-f]{32})"\}\s*')

Name = Annotated[Text, StringConstraints(min_length=1, max_length=10_000)]
Level = Annotated[Text, StringConstraints(min_length=1, max_length=1000)]
Levels = Annotated[list[Level], Field(min_length=1, max_length=100_000)]
Numbers = Annotated[list[FiniteFloat], Field(max_length=100_000)]
Answers = Annotated[list[FiniteFloat | None], Field(max_length=100_000)]
Few = Annotated[list[FiniteFloat], Field(max_length=1000)]
Count = Annotated[int, Field(ge=1, lt=2**31)]


class Part(BaseModel):
    """What has no other keys, and no values of another type."""

    model_config = ConfigDict(extra="forbid", strict=True)


class FittedPredictor(Part):
    """A column that the formula uses. Numbers are as R has them: of dates the days, of times the seconds since 1970."""

    name: Name
    kind: Literal["numeric", "integer", "logical", "factor", "ordered", "date", "datetime"]
    levels: Levels | None = None
    all_levels: Levels | None = None
    min: FiniteFloat | None = None
    max: FiniteFloat | None = None
    values: Annotated[Few, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def check_kind(self) -> "FittedPredictor":
        """Check that it has what its kind needs."""
        levels, all_levels = self.levels or [], self.all_levels or []
        is_levelled = self.kind in ("factor", "ordered")
        if is_levelled != bool(levels) or not set(levels) <= set(all_levels):
            raise ValueError(f"'{self.name}' has not the levels of its kind")
        if len(set(levels)) < len(levels) or len(set(all_levels)) < len(all_levels):
            raise ValueError(f"'{self.name}' has a level twice")
        if not is_levelled and self.kind != "logical" and (self.min is None or self.max is None or self.min > self.max):
            raise ValueError(f"'{self.name}' has no range")
        return self

    def takes(self, values: list[float]) -> bool:
        """Are these values that a request could send?"""
        if self.levels:
            return all(value in range(1, len(self.levels) + 1) for value in values)
        return self.kind != "logical" or {0, 1}.issuperset(values)


class Limits(Part):
    """The limits of an interval."""

    lower: Answers
    upper: Answers


class Polynomials(Part):
    """What poly() keeps of a column."""

    alpha: Annotated[list[FiniteFloat], Field(min_length=1, max_length=50)]
    norm2: Annotated[list[FiniteFloat], Field(min_length=3, max_length=52)]


class Fixed(Part):
    """The arguments of a function that the fit fixed, as the knots of ns()."""

    coefs: Polynomials | Annotated[list[Polynomials], Field(min_length=2, max_length=100)] | None = None
    knots: Few | None = None
    boundary_knots: Annotated[list[FiniteFloat], Field(min_length=2, max_length=2)] | None = Field(
        None, alias="Boundary.knots"
    )
    intercept: bool | None = None
    degree: Annotated[list[Annotated[int, Field(ge=1, le=50)]], Field(min_length=1, max_length=1)] | None = None
    center: Few | None = None
    scale: Few | None = None


class Variable(Part):
    """A variable of the terms, the response first."""

    class_: str = Field(alias="class", pattern=r"^(numeric|logical|factor|ordered|character|other|nmatrix\.\d{1,4})$")
    levels: Levels | None
    contrasts: Contrasts | None
    fixed: Fixed | None

    @model_validator(mode="after")
    def check_contrasts(self) -> "Variable":
        """Check that contrasts have a number for each level."""
        if self.contrasts and not isinstance(self.contrasts, str):
            levels = 2 if self.class_ == "logical" else len(self.levels or [])
            if len(self.contrasts) >= levels or {len(column) for column in self.contrasts.values()} != {levels}:
                raise ValueError("contrasts have not a number for each level")
        return self


class Parts(Part):
    """What predict() needs of a model whose data are elsewhere.

    `r` is R of the QR decomposition, from its diagonal, and `means` are those of the columns of the model matrix.
    """

    variables: Annotated[list[Variable], Field(min_length=1, max_length=MOST_COLUMNS)]
    rank: Count
    pivot: Annotated[list[int], Field(max_length=MOST_COLUMNS)]
    r: Annotated[list[list[FiniteFloat]], Field(max_length=MOST_COLUMNS)]
    means: Annotated[list[FiniteFloat], Field(max_length=MOST_COLUMNS)]
    rss: FiniteFloat = Field(ge=0)
    weighted: bool


class Fitted(Part):
    """What is known of an lm that was fitted elsewhere: what it predicts for `rows`; its data's md5, or else itself."""

    format: Literal[1]
    r_version: str = Field(pattern=r"^\d{1,2}\.\d{1,2}\.\d{1,2}$")
    blas: str = Field(max_length=100, pattern=r"^[\x20-\x7e]*$")
    formula: Text = Field(min_length=1)
    n: Count
    df_residual: Count
    terms: Annotated[list[Name], Field(min_length=1, max_length=MOST_COLUMNS)]
    estimates: Answers
    std_errors: Answers
    predictors: Annotated[list[FittedPredictor], Field(max_length=MOST_COLUMNS)]
    rows: Annotated[list[Numbers], Field(max_length=MOST_COLUMNS)]
    level: float = Field(gt=0, lt=1)
    fit: Annotated[Answers, Field(min_length=1)]
    confidence: Limits
    prediction: Limits
    data_md5: str | None = None
    model: Parts | None = None

    @model_validator(mode="after")
    def check_lengths(self) -> "Fitted":
        """Check that what belongs together has one length, so that R may trust it."""
        count, columns = len(self.fit), len(self.terms)
        limits = self.confidence.lower, self.confidence.upper, self.prediction.lower, self.prediction.upper
        if {len(self.estimates), len(self.std_errors)} != {columns}:
            raise ValueError("terms, estimates and std_errors are not of one length")
        if len(self.rows) != len(self.predictors) or {*map(len, self.rows), *map(len, limits)} != {count}:
            raise ValueError("rows and what is predicted for them are not of one length")
        if count * columns > MOST_CELLS:
            raise ValueError(f"{count} rows of {columns} coefficients are more than {MOST_CELLS} numbers")
        names = [predictor.name for predictor in self.predictors]
        if len(set(names)) < len(names):
            raise ValueError("a predictor is there twice")
        for predictor, values in zip(self.predictors, self.rows, strict=True):
            if not predictor.takes(values):
                raise ValueError(f"rows have values that '{predictor.name}' does not take")
        if (self.model is None) == (self.data_md5 is None):
            raise ValueError("it must have either data_md5 or model")
        if self.model:
            _check_rank(self.model, columns, self.estimates)
        return self


def _check_rank(model: Parts, columns: int, estimates: list[float | None]) -> None:
    if model.rank > columns or sorted(model.pivot) != list(range(1, columns + 1)):
        raise ValueError("rank and pivot are not of these terms")
    if [len(row) for row in model.r] != [columns - i for i in range(model.rank)]:
        raise ValueError("r is not of this rank")
    if len(model.means) != columns:
        raise ValueError("means are not of these terms")
    if not all(row[0] for row in model.r):
        raise ValueError("r has a zero on its diagonal")
    aliased = {place - 1 for place in model.pivot[model.rank :]}
    if aliased != {i for i, estimate in enumerate(estimates) if estimate is None}:
        raise ValueError("the terms without an estimate are not those beyond the rank")


def read_fitted(file: Path) -> dict[str, Any]:
    """Read fitted.json as R is to have it. Raises TrainingError with one line, or OSError."""
    try:
        content = read_file(file, MOST_BYTES)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise TrainingError(f"{FITTED} can't be read: {error}") from None
    begin = max(content.rfind(b'"md5": "'), 0)
    seal = SEAL.fullmatch(content[begin:])
    if not seal or hashlib.md5(content[:begin], usedforsecurity=False).hexdigest().encode() != seal[1]:
        raise TrainingError(f"{FITTED} is not as deploy_lm() wrote it (its md5 differs); deploy the model again")
    try:
        written = orjson.loads(content)
        del written["md5"]
        fitted = Fitted.model_validate(written)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        why = first["msg"].removeprefix("Value error, ")
        raise TrainingError(f"{FITTED} is refused: {where + ': ' if where else ''}{why}") from None
    except (ValueError, TypeError) as error:
        raise TrainingError(f"{FITTED} is refused: {error}") from None
    return fitted.model_dump(by_alias=True)


def check_data(fitted: dict[str, Any], data: Path) -> None:
    """Raise TrainingError where the data are not those of the fit."""
    if hashlib.md5(data.read_bytes(), usedforsecurity=False).hexdigest() != fitted["data_md5"]:
        raise TrainingError(
            f"{data.name} is not the file that {FITTED} was made with (its md5 differs); deploy the model again, "
            f"or where the data are changed on purpose, remove {FITTED}"
        )
