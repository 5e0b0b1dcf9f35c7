"""The recipe of a model: what its model.toml says."""

import hashlib
from pathlib import Path
from typing import Any, Literal

import tomli
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lm_app.errors import TrainingError


class CSV(BaseModel):
    """CSV dialect. Separator and decimal mark are detected, the rest has defaults."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sep: str | None = Field(None, min_length=1, max_length=1)
    dec: str | None = Field(None, min_length=1, max_length=1)
    na: list[str] | None = None
    encoding: str | None = None


class Recipe(BaseModel):
    """What model.toml says. A key that is not here is an error."""

    model_config = ConfigDict(extra="forbid", strict=True)

    title: str = Field(min_length=1)
    description: str = ""
    data: str = Field(pattern=r"^[^/\\]+$")
    """The name of a CSV file beside model.toml."""
    csv: CSV = CSV()
    formula: str = Field(min_length=1)
    """As R's lm() takes it; see lm_app/R/formula.R."""
    weights: str | None = None
    """The column with the observations' weights."""
    factors: dict[str, list[str]] = {}
    """Columns to read as factors: their levels in order, or [] to sort them."""
    stepwise: Literal["none", "both", "forward", "backward"] = "none"
    """Let R's step() choose the terms, by AIC."""
    units: dict[str, str] = {}
    """The unit of a column, for people."""
    keep: int = Field(10, ge=1)
    """How many versions are kept."""

    def of_data(self, file: Path) -> dict[str, Any]:
        """Describe all that a version depends on: the recipe, and the sha256 of the data."""
        return {**self.model_dump(exclude={"data", "keep"}), "data_sha256": _sha256(file)}


def read_recipe(toml: Path, changes: dict[str, Any]) -> Recipe:
    """Read a model.toml, with changes to its keys. Raises TrainingError with one line, or OSError."""
    try:
        return Recipe.model_validate({**tomli.loads(toml.read_text(encoding="utf-8")), **changes})
    except (tomli.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrainingError(f"model.toml is not TOML: {error}") from None
    except ValidationError as error:
        errors = (f"{'.'.join(map(str, wrong['loc']))}: {wrong['msg']}" for wrong in error.errors())
        raise TrainingError(f"model.toml: {'; '.join(errors)}") from None


def _sha256(file: Path) -> str | None:
    """Hash a file; None where there is none, which R reports."""
    digest = hashlib.sha256()
    if not file.is_file():
        return None
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
