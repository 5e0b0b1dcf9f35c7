"""Fit a model to data: a recipe becomes a candidate."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lm_app.data.reading import read_table
from lm_app.engine.lm import Trained, train
from lm_app.engine.runtime import Console
from lm_app.errors import DataError, TrainingError
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

    `made_from` is Recipe.of_data(); `plots` are SVG files by their names; `notes` tell how the data were read.
    """

    recipe: Recipe
    made_from: dict[str, Any]
    trained: Trained
    plots: dict[str, bytes]
    notes: list[str]


def fit_csv(recipe: Recipe, data: Path, live: Live | None, console: Console, *, draw: bool = True) -> Candidate:
    """Fit an lm to a file of data, and the live version's formula to the same data.

    The plots are drawn now, before the gate, as only now R has the data. Raises RError, or TrainingError where R
    could not write a plot.
    """
    console.on_message(f"reading {data.name}")
    try:
        table = read_table(data, **recipe.csv.model_dump(exclude_none=True), factors=recipe.factors)
    except DataError as error:
        raise TrainingError(f"data file '{data}' {error}") from None
    for note in table.notes:
        console.on_message(note)
    with TemporaryDirectory() as folder:
        trained = train(
            table,
            recipe.formula,
            weights=recipe.weights,
            factors=recipe.factors,
            stepwise=recipe.stepwise,
            plots=Path(folder) if draw else None,
            live_formula=live.info["formula"] if live else None,
            live_weights=live.recipe["weights"] if live else None,
            console=console,
        )
        plots = {file.name: file.read_bytes() for file in sorted(Path(folder).iterdir())}
        broken = [name for name, content in plots.items() if not content.rstrip().endswith(b"</svg>")]
        if broken:
            raise TrainingError(f"R could not write {', '.join(broken)} to {folder}; is its disk full?")
    return Candidate(recipe, recipe.of_data(data), trained, plots, table.notes)
