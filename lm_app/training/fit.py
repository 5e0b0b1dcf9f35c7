"""Fit a model to data: a recipe becomes a candidate."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lm_app.data.reading import read_table
from lm_app.engine.lm import Trained, rebuild, train
from lm_app.engine.runtime import Console
from lm_app.errors import DataError, RError, TrainingError
from lm_app.training.fitted import FITTED, check_data, read_fitted
from lm_app.training.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Live:
    """What a training needs to know of the live version."""

    version: str
    recipe: dict[str, Any]
    info: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that may become a version, whatever made it.

    `made_from` is Recipe.of_data(); `plots` are SVG files by their names; `notes` tell how the data were read; `parts`
    describes data that were read in parts.
    """

    recipe: Recipe
    made_from: dict[str, Any]
    trained: Trained
    plots: dict[str, bytes]
    notes: list[str]
    parts: dict[str, Any] | None = None


def fit_csv(
    recipe: Recipe,
    data: Path,
    live: Live | None,
    console: Console,
    *,
    fitted: Path | None = None,
    draw: bool = True,
) -> Candidate:
    """Fit an lm to a file of data, and the live version's formula to the same data.

    `fitted` is the fitted.json that it must reproduce. The plots are drawn now, before the gate, as only now R has the
    data. Raises TrainingError with all that is wrong, or where R could not write a plot.
    """
    expected = read_fitted(fitted) if fitted else None
    if expected:
        check_data(expected, data)
    console.on_message(f"reading {data.name}")
    try:
        table = read_table(data, **recipe.reading(), factors=recipe.all_factors())
    except DataError as error:
        raise TrainingError(f"data file '{data}' {error}") from None
    unknown = recipe.unknown_columns(table.columns)
    live_asked = asked_of(live)

    def fit(folder: Path) -> Trained:
        drawing = recipe.drawing(folder if draw else None)
        return train(table, **recipe.asked(), **drawing, **live_asked, fitted=expected, console=console)

    trained, plots = with_plots(fit, unknown)
    return Candidate(recipe, recipe.of_data(data, fitted), trained, plots, table.notes)


def asked_of(live: Live | None) -> dict[str, Any]:
    """Return what R is to compare with."""
    return {
        "live_formula": live.info["formula"] if live else None,
        "live_weights": live.recipe["weights"] if live else None,
    }


def with_plots(fit: Callable[[Path], Trained], unknown: Sequence[str]) -> tuple[Trained, dict[str, bytes]]:
    """Fit, and take the plots that R writes to a folder; `unknown` is what else is wrong. Raises TrainingError."""
    with TemporaryDirectory() as folder:
        try:
            trained = fit(Path(folder))
        except RError as error:
            raise TrainingError("; ".join([str(error), *unknown])) from None
        if unknown:
            raise TrainingError("; ".join(unknown))
        plots = {file.name: file.read_bytes() for file in sorted(Path(folder).iterdir())}
        broken = [name for name, content in plots.items() if not content.rstrip().endswith(b"</svg>")]
        if broken:
            raise TrainingError(f"R could not write {', '.join(broken)} to {folder}; is its disk full?")
    return trained, plots


def rebuild_fitted(recipe: Recipe, file: Path) -> Candidate:
    """Rebuild the lm of a fitted.json whose data are elsewhere. Raises TrainingError or RError."""
    fitted = read_fitted(file)
    if not fitted["model"]:
        raise TrainingError(f"{FITTED} is of a model with data; name their file in model.toml as 'data'")
    if recipe.formula != fitted["formula"]:
        raise TrainingError(
            f"model.toml has the formula '{recipe.formula}', and {FITTED} is of '{fitted['formula']}'; "
            "without data it can't be another"
        )
    given = recipe.model_dump(exclude_defaults=True, exclude=WITHOUT_DATA)
    if given:
        raise TrainingError(f"{', '.join(given)}: without data, there is nothing to fit; leave it out")
    trained = rebuild(fitted)
    if unknown := recipe.unknown_columns([predictor["name"] for predictor in trained.info["predictors"]]):
        raise TrainingError("; ".join(unknown))
    return Candidate(recipe, recipe.of_data(file), trained, {}, [])


WITHOUT_DATA = {"title", "description", "data", "formula", "units", "keep"}
"""What the recipe of a model without data may say."""
