"""Training: from a model's folder (model.toml and data) to a new version of it. Offline; see scripts/update_lm.py."""

import hashlib
import json
import shutil
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version as package_version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import tomli
from django.conf import settings
from django.template.loader import render_to_string
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from lm_app import gate, r_engine, store
from lm_app.errors import NotTrained, TrainingError


class CSV(BaseModel):
    """How the data are written; what is not given is found out, or usual."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sep: str | None = Field(None, min_length=1, max_length=1)
    dec: str | None = Field(None, min_length=1, max_length=1)
    na: list[str] | None = None
    encoding: str | None = None


class ModelToml(BaseModel):
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


@dataclass(frozen=True, slots=True)
class Report:
    """What a training made. `version` is the new version's folder, or None where nothing was published."""

    name: str
    trained: r_engine.Trained
    comparison: gate.Comparison
    version: Path | None


def update(
    name: str,
    *,
    data: Path | None = None,
    changes: dict[str, Any] | None = None,
    force: bool = False,
    dry_run: bool = False,
    progress: r_engine.Progress = r_engine.SILENT,
) -> Report | None:
    """Train one model and make it live, or None where neither its data nor its model.toml have changed.

    `data` and `changes` (of keys of model.toml) are for this training only. `force` publishes what the gate
    objects to, and what has not changed. `dry_run` publishes nothing.
    Raises UnknownModel, or TrainingError with one line; then the live version is as it was. Where it is the gate
    that objects, the error's `report` tells more.
    """
    folder = store.folder(name)
    try:
        with store.only_training(folder):
            toml = _read_toml(folder / "model.toml", changes or {})
            return _train(folder, toml, data or folder / toml.data, force, dry_run, progress)
    except (TrainingError, r_engine.RError) as error:
        raise TrainingError(f"{name}: {error}", getattr(error, "report", None)) from None
    except OSError as error:
        raise TrainingError(f"{name}: {error.strerror}: {error.filename}") from None


def create(name: str, data: Path, changes: dict[str, Any], progress: r_engine.Progress = r_engine.SILENT) -> Report:
    """Make the folder of a new model, and train it. Raises TrainingError with one line; then there is no folder."""
    if not store.NAME.fullmatch(name):
        raise TrainingError(f"{name!r} can't be a model's name: letters, digits, '-' and '_', at most 64 of them")
    folder: Path = settings.LM_MODELS_DIR / name
    try:
        folder.mkdir()
        try:
            shutil.copyfile(data, folder / "data.csv")
            toml = {"title": name, "data": "data.csv", **changes}
            lines = [f"{key} = {json.dumps(value)}" for key, value in toml.items() if not isinstance(value, dict)]
            lines += ["", "[csv]", *(f"{key} = {json.dumps(value)}" for key, value in changes.get("csv", {}).items())]
            (folder / "model.toml").write_text("\n".join(lines) + "\n", encoding="utf-8")
            report = update(name, progress=progress)
            assert report  # noqa: S101  (a new model has changed)
            return report
        except BaseException:
            shutil.rmtree(folder)
            raise
    except OSError as error:
        raise TrainingError(f"{name}: {error.strerror}: {error.filename}") from None


def _train(
    folder: Path, toml: ModelToml, data: Path, force: bool, dry_run: bool, progress: r_engine.Progress
) -> Report | None:
    try:
        live = store.live(folder.name)
    except NotTrained:
        live = None
    recipe = {**toml.model_dump(exclude={"data", "keep"}), "data_sha256": _sha256(data)}
    if live and live.manifest["recipe"] == recipe and not force:
        return None
    with TemporaryDirectory() as plots:
        trained = r_engine.train(
            data,
            toml.formula,
            weights=toml.weights,
            factors=toml.factors,
            stepwise=toml.stepwise,
            csv=toml.csv.model_dump(exclude_none=True),
            plots=None if dry_run else Path(plots),
            baseline=(live.info["formula"], live.manifest["recipe"]["weights"]) if live else None,
            progress=progress,
        )
        pictures = {file.name: file.read_bytes() for file in sorted(Path(plots).iterdir())}
    comparison = gate.compare(live.info if live else None, trained.info, trained.baseline_press_rmse)
    report = Report(folder.name, trained, comparison, None)
    if dry_run:
        return report
    if comparison.objections and not force:
        why = "; ".join(comparison.objections)
        raise TrainingError(f"not published: {why}; publish it all the same with --force", report)
    broken = [name for name, content in pictures.items() if not content.rstrip().endswith(b"</svg>")]
    if broken:
        raise TrainingError(f"R could not write {', '.join(broken)} to {plots}; is its disk full?")
    info = {
        **trained.info,
        "title": toml.title,
        "description": toml.description,
        "units": toml.units,
        "data_sha256": recipe["data_sha256"],
        "trained_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "rpy2_version": package_version("rpy2"),
    }
    for predictor in info["predictors"]:
        predictor["unit"] = toml.units.get(predictor["name"])
    contents = {
        store.PICKLE: trained.pickled,
        store.INFO: json.dumps(info, ensure_ascii=False, allow_nan=False).encode(),
        "MODEL_CARD.md": render_to_string("lm_app/MODEL_CARD.md", {"info": info, "model": folder.name}).encode(),
        **pictures,
    }
    facts = {
        "recipe": recipe,
        "made": {key: info[key] for key in ("trained_at", "formula", "r_version", "rpy2_version")},
        "compared_with": live and live.version,
        "comparison": comparison.rows,
        "objections": comparison.objections,
    }
    version = store.publish(folder, contents, facts, toml.keep)
    return Report(folder.name, trained, comparison, folder / "versions" / version)


def _read_toml(file: Path, changes: dict[str, Any]) -> ModelToml:
    try:
        return ModelToml.model_validate({**tomli.loads(file.read_text(encoding="utf-8")), **changes})
    except (tomli.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TrainingError(f"model.toml is not TOML: {error}") from None
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise TrainingError(f"model.toml: {'; '.join(faults)}") from None


def _sha256(file: Path) -> str | None:
    """None where there is no such file; R says so in its own words."""
    digest = hashlib.sha256()
    if not file.is_file():
        return None
    with file.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
