"""Update a model, or create one: recipe, fit, gate, release."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from django.conf import settings

from lm_app.engine.runtime import SILENT, Console
from lm_app.errors import Damaged, NotPublished, RError, TrainingError
from lm_app.store.folder import MODEL_NAME, ModelFolder
from lm_app.store.publish import locked
from lm_app.store.version import Version
from lm_app.training.fit import Candidate, Live, fit_csv
from lm_app.training.gate import Comparison, compare
from lm_app.training.recipe import Recipe, read_recipe
from lm_app.training.release import release


@dataclass(frozen=True, slots=True)
class Report:
    """What a training made; `version` is None where nothing was published."""

    candidate: Candidate
    comparison: Comparison
    version: Version | None = None


def update(
    name: str,
    *,
    data: Path | None = None,
    changes: dict[str, Any] | None = None,
    force: bool = False,
    dry_run: bool = False,
    console: Console = SILENT,
) -> Report | None:
    """Train one model and make it live, or return None where neither its data nor its model.toml have changed.

    `data` and `changes` (of keys of model.toml) are for this training only. `force` publishes what the gate
    objects to, and what has not changed. `dry_run` publishes nothing.
    Raises UnknownModel, NotPublished where the gate objects, or TrainingError; each is one line, and then the live
    version is as it was.
    """
    folder = ModelFolder.named(name)
    try:
        with locked(folder):
            recipe = read_recipe(folder.toml, changes or {})
            return _update(folder, recipe, data or folder.path / recipe.data, force, dry_run, console)
    except NotPublished as error:
        raise NotPublished(f"{name}: {error}", error.report) from None
    except (TrainingError, RError) as error:
        raise TrainingError(f"{name}: {error}") from None
    except OSError as error:
        raise TrainingError(f"{name}: {error.strerror}: {error.filename}") from None


def create(name: str, data: Path, changes: dict[str, Any], console: Console = SILENT) -> Report:
    """Make the folder of a new model, and train it. Raises TrainingError with one line; then there is no folder."""
    if not MODEL_NAME.fullmatch(name):
        raise TrainingError(f"{name!r} can't be a model's name: letters, digits, '-' and '_', at most 64 of them")
    folder = ModelFolder(settings.LM_MODELS_DIR / name)
    try:
        folder.path.mkdir()
        try:
            shutil.copyfile(data, folder.path / "data.csv")
            folder.toml.write_text(_toml({"title": name, "data": "data.csv", **changes}), encoding="utf-8")
            report = update(name, console=console)
            assert report  # noqa: S101  (a new model has changed)
            return report
        except BaseException:
            shutil.rmtree(folder.path)
            raise
    except OSError as error:
        raise TrainingError(f"{name}: {error.strerror}: {error.filename}") from None


def _update(
    folder: ModelFolder, recipe: Recipe, data: Path, force: bool, dry_run: bool, console: Console
) -> Report | None:
    live = _live(folder)
    if live and live.recipe == recipe.of_data(data) and not force:
        return None
    candidate = fit_csv(recipe, data, live, console, draw=not dry_run)
    comparison = compare(live.info if live else None, candidate.trained)
    report = Report(candidate, comparison)
    if dry_run:
        return report
    if comparison.objections and not force:
        raise NotPublished(
            f"not published: {'; '.join(comparison.objections)}; publish it all the same with --force", report
        )
    return replace(report, version=release(folder, candidate, comparison, live))


def _live(folder: ModelFolder) -> Live | None:
    """Read the live version's files, or those of the newest version that is whole. R is not asked."""
    try:
        versions = [folder.live_version()]
    except Damaged:
        versions = []
    for version in [*versions, *reversed(folder.versions())]:
        try:
            return Live(version.name, version.manifest()["recipe"], version.info())
        except Damaged:
            continue
    return None


def _toml(content: dict[str, Any]) -> str:
    """Write TOML: strings and lists of them as JSON has them, then the tables."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in content.items() if not isinstance(value, dict)]
    for name, table in content.items():
        if isinstance(table, dict):
            lines += ["", f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"
