"""Training: from a model's folder (model.toml and data) to a new version of it. Offline; see scripts/update_lm.py."""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version as package_version
from pathlib import Path
from typing import Literal

import tomli
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lm_app import r_engine, store
from lm_app.errors import TrainingError


class ModelToml(BaseModel):
    """What model.toml says. A key that is not here is an error."""

    model_config = ConfigDict(extra="forbid", strict=True)

    title: str = Field(min_length=1)
    description: str = ""
    data: str = Field(pattern=r"^[^/\\]+$")
    """The name of a CSV file beside model.toml."""
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


@dataclass(frozen=True, slots=True)
class Report:
    """What a training made: R's summary, R's warnings, and the folder of the new version."""

    summary: str
    warnings: list[str]
    version: Path


def update(name: str) -> Report:
    """Train one model and make it live.

    Raises UnknownModel, or TrainingError with one line; then the live version is as it was.
    """
    folder = store.folder(name)
    try:
        with store.only_training(folder):
            return _train_and_publish(folder)
    except (TrainingError, r_engine.RError) as error:
        raise TrainingError(f"{name}: {error}") from None
    except OSError as error:
        raise TrainingError(f"{name}: {error.strerror}: {error.filename}") from None


def _train_and_publish(folder: Path) -> Report:
    toml = _read_toml(folder / "model.toml")
    data = folder / toml.data
    trained = r_engine.train(data, toml.formula, toml.weights, toml.factors, toml.stepwise)
    info = {
        **trained.info,
        "title": toml.title,
        "description": toml.description,
        "units": toml.units,
        "data_sha256": hashlib.sha256(data.read_bytes()).hexdigest(),
        "trained_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "rpy2_version": package_version("rpy2"),
    }
    for predictor in info["predictors"]:
        predictor["unit"] = toml.units.get(predictor["name"])
    version = store.publish(folder, trained.pickled, info)
    return Report(trained.summary, trained.warnings, version)


def _read_toml(file: Path) -> ModelToml:
    try:
        return ModelToml.model_validate(tomli.loads(file.read_text(encoding="utf-8")))
    except (tomli.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrainingError(f"model.toml is not TOML: {error}") from None
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise TrainingError(f"model.toml: {'; '.join(faults)}") from None
