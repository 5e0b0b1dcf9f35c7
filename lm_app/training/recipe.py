"""The recipe of a model: what its model.toml says."""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import tomli
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    StringConstraints,
    ValidationError,
)
from pydantic_core import ErrorDetails

from lm_app.errors import TrainingError

MOST_BYTES = 1 << 24
"""Of a model.toml: 16 MiB."""

Text = Annotated[str, StringConstraints(pattern=r"^[^\x00]*$")]
"""R's strings hold all characters but NUL."""


def _separator(text: Any) -> Any:
    """Read what people write for a tab, which is hard to type."""
    return "\t" if text in ("\\t", "tab") else text


class CSV(BaseModel):
    """CSV dialect. What is not here is detected, or has a default; a description says what a value may be."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sep: Annotated[str | None, BeforeValidator(_separator)] = Field(
        None, pattern=r'^[^"\r\n]$', description="one character, or tab"
    )
    dec: Literal[".", ","] | None = Field(None, description='"." or ","')
    na: list[Text] | None = Field(None, description='a list of texts, such as ["NA", "-"]')
    encoding: Text | None = Field(None, min_length=1, description="the name of an encoding, such as cp1252")


KnownContrasts = Literal["contr.treatment", "contr.sum", "contr.helmert", "contr.poly", "contr.SAS"]
Contrasts = KnownContrasts | Annotated[dict[Text, list[FiniteFloat]], Field(min_length=1)]
"""Those that R names, or a number for each level, by their columns."""


class Recipe(BaseModel):
    """What model.toml says. A key that is not here is an error; a description says what its value may be."""

    model_config = ConfigDict(extra="forbid", strict=True)

    title: Text = Field(min_length=1, description="a text")
    description: Text = Field("", description="a text")
    data: str = Field(
        pattern=r"^([^/\\.][^/\\]*|[^\\.][^\\]*[*?\[][^\\]*)$",
        description="the name of a file beside model.toml, without a folder, or a pattern such as flights/*.parquet",
    )
    sheet: Text | Annotated[int, Field(ge=1)] | None = Field(None, description="a sheet's name, or its number from 1")
    """Of an Excel file; the first where there is none."""
    csv: CSV = Field(CSV(), description="a table, [csv]")
    formula: Text = Field(min_length=1, description="a text, such as 'y ~ x'")
    """As R's lm() takes it; see lm_app/R/formula.R."""
    weights: Text | None = Field(None, min_length=1, description="a text: a column, or an expression of columns")
    """The observations' weights."""
    subset: Text | None = Field(None, min_length=1, description="a text: a condition on columns, such as 'x > 0'")
    """The observations to fit."""
    factors: dict[Text, list[Text]] = Field(
        {}, description='a list of texts for each column, such as ["south", "north"], or [] to sort them'
    )
    """Columns to read as factors: their levels in order, or [] to sort them."""
    ordered: list[Text] = Field([], description="a list of columns")
    """The factors that are ordered."""
    contrasts: dict[Text, Contrasts] = Field(
        {}, description=f"one of {', '.join(get_args(KnownContrasts))} for each factor, or columns of numbers"
    )
    """As in R's lm(), for factors that are not to have the default."""
    na: Literal["omit", "refuse"] = Field("omit", description='"omit" or "refuse"')
    """What to do where a value is missing: leave the row out, or don't train."""
    stepwise: Literal["none", "both", "forward", "backward"] = Field(
        "none", description='"none", "both", "forward" or "backward"'
    )
    """Let R's step() choose the terms, by AIC."""
    units: dict[Text, Text] = Field({}, description="a text for each column")
    """The unit of a column, for people."""
    keep: int = Field(10, ge=1, description="a whole number, 1 or more")
    """How many versions are kept."""

    def of_data(self, file: Path, fitted: Path | None = None) -> dict[str, Any]:
        """Describe all that a version depends on: the recipe, and the sha256 of the data and of fitted.json."""
        return self.of_sha256(sha256(file), sha256(fitted) if fitted else None)

    def of_sha256(self, data: str | None, fitted: str | None = None) -> dict[str, Any]:
        """Do as of_data(), where the hashes are known."""
        return {**self.model_dump(exclude={"data", "keep"}), "data_sha256": data, "fitted_sha256": fitted}

    def asked(self) -> dict[str, Any]:
        """Return what R is asked to fit, as train() in lm_app/engine takes it."""
        keys = ("formula", "weights", "subset", "ordered", "contrasts", "stepwise", "na")
        return {**{key: getattr(self, key) for key in keys}, "factors": self.all_factors()}

    def drawing(self, folder: Path | None) -> dict[str, Any]:
        """Return what R is asked to draw, likewise: to a folder, or nothing."""
        return {"plots": folder, "title": self.title, "units": self.units}

    def all_factors(self) -> dict[str, list[str]]:
        """Return `factors`, with those that only `ordered` names."""
        return {**{name: [] for name in self.ordered}, **self.factors}

    def reading(self) -> dict[str, Any]:
        """Return the options of read_table() that are given."""
        sheet = {} if self.sheet is None else {"sheet": str(self.sheet)}
        return {**self.csv.model_dump(exclude_none=True), **sheet}

    def unknown_columns(self, columns: Collection[str]) -> list[str]:
        """List what names a column that the data do not have, and is for people only, so that R does not notice."""
        return [
            f"[units] names {name!r}, which is no column of the data{did_you_mean(name, columns)}"
            for name in self.units
            if name not in columns
        ]


def completed(stored: Mapping[str, Any]) -> dict[str, Any]:
    """Complete what of_data() returned in an older release, which knew fewer keys."""
    keys = Recipe.model_fields.items()
    defaults = {
        key: field.default for key, field in keys if key not in ("data", "keep", "csv") and not field.is_required()
    }
    return {**defaults, "fitted_sha256": None, **stored, "csv": {**CSV().model_dump(), **stored.get("csv", {})}}


def read_recipe(toml: Path, changes: Mapping[str, Any]) -> Recipe:
    """Read a model.toml, with changes to its keys. Raises TrainingError with one line, or OSError."""
    with toml.open("rb") as stream:
        content = stream.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise TrainingError(f"model.toml has more than {MOST_BYTES >> 20} MiB; data belong into a file of their own")
    try:
        written = tomli.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TrainingError(
            f"model.toml is not in UTF-8: line {line} has the byte {content[error.start]:#x}; save it as UTF-8"
        ) from None
    except RecursionError:
        raise TrainingError("model.toml is not a recipe: its values are nested too deeply") from None
    except ValueError as error:  # also of a number that is too long for Python
        raise TrainingError(f"model.toml is not TOML: {error}") from None
    return make_recipe(
        {**written, **{key: _merged(written.get(key), value) for key, value in changes.items()}}, changes
    )


def make_recipe(content: Mapping[str, Any], changes: Mapping[str, Any]) -> Recipe:
    """Check a recipe; `changes` are those of its keys that were options. Raises TrainingError with one line."""
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        first_of_key = {wrong["loc"][:2]: wrong for wrong in reversed(error.errors())}
        complaints = dict.fromkeys(_complaint(wrong, changes) for wrong in reversed(first_of_key.values()))
        raise TrainingError("; ".join(complaints)) from None


def sha256(file: Path) -> str | None:
    """Hash a file; None where there is none, which who reads it reports."""
    digest = hashlib.sha256()
    if not file.is_file():
        return None
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Suggest the name that looks most like this one, where there is one."""
    by_lower_case = {known.lower(): known for known in names}
    close = get_close_matches(name.lower(), by_lower_case, 1)
    return f" (did you mean {by_lower_case[close[0]]!r}?)" if close else ""


def _merged(written: Any, change: Any) -> Any:
    """Add an option to what model.toml says where both are tables, or lists."""
    if isinstance(written, dict) and isinstance(change, dict):
        return {**written, **change}
    if isinstance(written, list) and isinstance(change, list):
        return [*written, *change]
    return change


def _complaint(wrong: ErrorDetails, changes: Mapping[str, Any]) -> str:
    """Say what is wrong with a key: where it is, its value, and what is allowed."""
    where = [str(part) for part in wrong["loc"]]
    of_csv = where[0] == "csv" and len(where) > 1
    keys = (CSV if of_csv else Recipe).model_fields
    key = where[1 if of_csv else 0]
    path = ".".join(where[: 2 if where[0] in TABLES else 1])
    if wrong["type"] == "extra_forbidden":
        remedy = did_you_mean(key, keys) or f"; there are: {', '.join(keys)}"
        return f"model.toml has no key '{path}'{remedy}"
    allowed = keys[key].description
    if wrong["type"] == "missing":
        return f"model.toml: {key} is missing; it must be {allowed}"
    is_option = key in (changes.get("csv", {}) if of_csv else changes)
    name = f"--{'na-action' if path == 'na' else key}" if is_option else f"model.toml: {path}"
    return f"{name}: {_shown(wrong['input'])} is not allowed; it must be {allowed}"


TABLES = ("csv", "factors", "contrasts", "units")


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else f"{text[:57]}..."
