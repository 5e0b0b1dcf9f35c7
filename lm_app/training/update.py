"""Update a model, or create one: recipe, fit, gate, release."""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from django.conf import settings

from lm_app.engine.runtime import SILENT, Console
from lm_app.errors import Damaged, DataError, Fault, NotPublished, RError, TookTooLong, TrainingError
from lm_app.store.folder import ModelFolder
from lm_app.store.names import ALLOWED_NAMES, MODEL_NAME
from lm_app.store.publish import locked, replace_data
from lm_app.store.version import Version
from lm_app.training.fit import Candidate, Live, fit_csv, rebuild_fitted
from lm_app.training.fitted import FITTED
from lm_app.training.gate import Comparison, compare
from lm_app.training.limits import limited, limited_time
from lm_app.training.model_toml import model_toml
from lm_app.training.parts import Scale, is_in_parts, is_pattern, opened
from lm_app.training.recipe import Recipe, completed, make_recipe, read_recipe
from lm_app.training.release import release
from lm_app.training.replay import Replay, replay
from lm_app.training.sources import describe_source, goes_back

IN_MEMORY = Scale()
TEXTS = (".csv", ".tsv", ".txt")
OTHERS = (".gz", ".xlsx", ".xls", ".ods", ".parquet")
"""Suffixes of data files."""


@dataclass(frozen=True, slots=True)
class Report:
    """What a training made; `version` is None where nothing was published."""

    candidate: Candidate
    comparison: Comparison
    live: Live | None = None
    """The version that was live before."""
    version: Version | None = None


def update(
    name: str,
    *,
    data: Path | None = None,
    changes: dict[str, Any] | None = None,
    force: bool = False,
    dry_run: bool = False,
    keep_data: bool = False,
    log: Path | None = None,
    scale: Scale = IN_MEMORY,
    console: Console = SILENT,
) -> Report | None:
    """Train one model and make it live, or return None where neither its data nor its model.toml have changed.

    `data` and `changes` (of keys of model.toml) are for this training only; `keep_data` makes the data the model's
    own. `force` publishes what the gate objects to, and what has not changed. `dry_run` changes nothing. `log` is a
    prediction log, to be replayed. `scale` is for data that are fitted in parts.

    Raises UnknownModel, NotPublished where the gate objects, or TrainingError; each is one line, and then the live
    version is as it was.
    """
    folder = ModelFolder.named(name)
    with _errors_of(name), locked(folder):
        recipe = read_recipe(folder.toml, changes or {})
        own = folder.path / recipe.data
        if keep_data and any(file and is_pattern(file) for file in (data, own)):
            raise TrainingError("--keep-data is of one file; write a pattern to model.toml, as data")
        if data and keep_data and (_kinds(data) != _kinds(own) or own.name == FITTED):
            raise TrainingError(
                f"{data.name} is no {own.suffix}: change data in model.toml, and replace {own.name} yourself"
            )
        report = _update(folder, recipe, own, data, force, dry_run, log, scale, console)
        if data and keep_data and not dry_run:
            replace_data(folder, data, own)
            (folder.path / FITTED).unlink(missing_ok=True)  # which was of the data of before
        return report


def create(
    name: str,
    data: Path,
    changes: dict[str, Any],
    *,
    dry_run: bool = False,
    keep_folder: bool = False,
    scale: Scale = IN_MEMORY,
    console: Console = SILENT,
) -> Report:
    """Make the folder of a new model, and train it; `changes` are keys of its model.toml.

    Raises TrainingError with one line; then there is no folder, unless `keep_folder` leaves what was tried.
    """
    if not MODEL_NAME.fullmatch(name):
        raise TrainingError(f"{name!r} can't be a model's name: {ALLOWED_NAMES}")
    folder = ModelFolder(settings.LM_MODELS_DIR / name)
    own = os.path.abspath(data) if is_pattern(data) else f"data{_suffix(data)}"
    content = {"title": name, "data": own, **changes}
    with _errors_of(name):
        recipe = make_recipe(content, changes)
        if dry_run:
            candidate = _dry_candidate(recipe, data, scale, console)
            return Report(candidate, compare(None, candidate.trained))
        if folder.path.exists():
            raise TrainingError(f"the folder {folder.path} has no model.toml; write one, or choose another name")
        folder.path.mkdir()
    try:
        with _errors_of(name):
            if not is_pattern(data):
                shutil.copyfile(data, folder.path / recipe.data)
            folder.toml.write_text(model_toml(content), encoding="utf-8")
        report = update(name, scale=scale, console=console)
        assert report  # noqa: S101  (a new model has changed)
        return report
    except BaseException:
        if not keep_folder:
            shutil.rmtree(folder.path)
        raise


def why_unchanged(name: str) -> str:
    """Say why update() made nothing."""
    folder = ModelFolder.named(name)
    live, newest = folder.live_version().name, folder.versions()[-1].name
    unchanged = "neither its data nor its model.toml have changed since"
    if live == newest:
        return f"{unchanged} the live version; nothing new is made"
    return (
        f"version {live} is live by --activate; {unchanged} version {newest}; nothing new is made, --force trains anew"
    )


@contextmanager
def _errors_of(name: str) -> Iterator[None]:
    """Make each error one line that begins with the model's name."""
    try:
        yield
    except NotPublished as error:
        raise NotPublished(f"{name}: {error}", error.report) from None
    except TookTooLong as error:
        raise TookTooLong(f"{name}: {error}") from None
    except (TrainingError, Fault, RError, DataError, Damaged) as error:
        raise TrainingError(f"{name}: {error}") from None
    except OSError as error:
        raise TrainingError(f"{name}: {error.strerror}: {error.filename}") from None


def _dry_candidate(recipe: Recipe, data: Path, scale: Scale, console: Console) -> Candidate:
    if is_in_parts(data, scale):
        with limited_time(), opened(recipe, data, scale) as parts:
            return parts.fit(recipe, None, console, draw=False)
    with limited():
        return fit_csv(recipe, data, None, console, draw=False)


Fit = Callable[[Live | None], Candidate]


def _update(
    folder: ModelFolder,
    recipe: Recipe,
    own: Path,
    data: Path | None,
    force: bool,
    dry_run: bool,
    log: Path | None,
    scale: Scale,
    console: Console,
) -> Report | None:
    file, beside = data or own, folder.path / FITTED
    fitted = beside if file == own != beside and beside.exists() else None

    def train(made_from: dict[str, Any], fit: Fit) -> Report | None:
        if not (force or dry_run) and made_from in _recipes_of_now(folder):
            return None
        return _publish(folder, own, data, force, dry_run, log, made_from, fit)

    def fit(live: Live | None) -> Candidate:
        with limited():  # what follows only writes files
            if file == beside:
                return rebuild_fitted(recipe, file)
            return fit_csv(recipe, file, live, console, fitted=fitted, draw=not dry_run)

    if file == beside or fitted or not is_in_parts(file, scale):
        return train(recipe.of_data(file, fitted), fit)
    with limited_time(), opened(recipe, file, scale) as parts:
        return train(parts.made_from(recipe), lambda live: parts.fit(recipe, live, console, draw=not dry_run))


def _publish(
    folder: ModelFolder,
    own: Path,
    data: Path | None,
    force: bool,
    dry_run: bool,
    log: Path | None,
    made_from: dict[str, Any],
    fit: Fit,
) -> Report:
    live = _live(folder)
    candidate = fit(live)
    comparison = compare(
        live.info if live else None,
        candidate.trained,
        same_data=live is not None and live.recipe.get("data_sha256") == made_from["data_sha256"],
        replay=_replay(folder, live, candidate, log) if log else None,
    )
    remedy = "publish it all the same with --force"
    if data is None and (objection := goes_back(folder, candidate, own)):
        comparison.objections.append(objection)
        remedy += ", or keep the other data with --data FILE --keep-data"
    report = Report(candidate, comparison, live)
    if dry_run:
        return report
    if comparison.objections and not force:
        raise NotPublished(f"not published: {'; '.join(comparison.objections)}; {remedy}", report)
    source = describe_source(candidate, data or own, own)
    return replace(report, version=release(folder, candidate, comparison, live, source))


def _replay(folder: ModelFolder, live: Live | None, candidate: Candidate, log: Path) -> Replay:
    if live is None:
        raise TrainingError("--replay compares with the live version, and there is none; leave it out")
    return replay(log, folder.version(live.version).load(), candidate.trained)


def _recipes_of_now(folder: ModelFolder) -> list[dict[str, Any]]:
    """List what a training need not be made from: the live version's recipe and the newest's.

    They differ after a rollback, which holds until data or model.toml change.
    """
    try:
        live = _whole(folder.live_version())
    except Damaged:
        return []
    newest = next(_whole_versions(folder), live)
    return [live.recipe, newest.recipe]


def _live(folder: ModelFolder) -> Live | None:
    """Read the live version's files, or those of the newest version that is whole. R is not asked."""
    try:
        return _whole(folder.live_version())
    except Damaged:
        return next(_whole_versions(folder), None)


def _whole_versions(folder: ModelFolder) -> Iterator[Live]:
    """Yield the versions that are whole, the newest first."""
    for version in reversed(folder.versions()):
        with suppress(Damaged):
            yield _whole(version)


def _whole(version: Version) -> Live:
    return Live(version.name, completed(version.manifest()["recipe"]), version.info())


def _suffix(data: Path) -> str:
    """Keep the suffixes that say what a file is: .csv where there is none."""
    return "".join(suffix for suffix in data.suffixes[-2:] if suffix.lower() in TEXTS + OTHERS) or ".csv"


def _kinds(file: Path) -> set[str]:
    """Say what a file is that is no plain text."""
    return {suffix.lower() for suffix in file.suffixes} & set(OTHERS)
