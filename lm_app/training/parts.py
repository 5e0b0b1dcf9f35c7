"""Data that are fitted in parts: which they are, and how they become a candidate."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lm_app.data.decode import GZIP
from lm_app.data.files import OLE, ZIP
from lm_app.engine.runtime import Console
from lm_app.errors import Fault, TrainingError
from lm_app.scale.options import PART_BYTES, missing
from lm_app.training.fit import Candidate, Live, asked_of, with_plots
from lm_app.training.recipe import Recipe

if TYPE_CHECKING:
    from lm_app.scale.cluster import Engine, Say
    from lm_app.scale.pieces import Piece

IN_MEMORY_BYTES = 64 << 20
"""Below, a file is fitted in memory, unless it is asked for otherwise."""


def _silent(what: str, done: int, parts: int, rows: int) -> None:
    """Tell nothing."""


@dataclass(frozen=True, slots=True)
class Scale:
    """Where parts are worked on, how large they are, and who is told of progress; see lm_app/scale."""

    scheduler: str | None = None
    workers: int | None = None
    part_bytes: int = PART_BYTES
    say: "Say" = _silent

    @property
    def is_asked_for(self) -> bool:
        """Is a cluster or a size of parts named?"""
        return bool(self.scheduler or self.workers or self.part_bytes != PART_BYTES)


def is_pattern(file: Path) -> bool:
    """Can it name several files?"""
    return not file.is_file() and any(character in str(file) for character in "*?[")


def is_in_parts(file: Path, scale: Scale) -> bool:
    """Tell whether data are fitted in parts: where it is asked for, and where they are large."""
    if is_pattern(file) or scale.is_asked_for:
        return True
    if not file.is_file() or file.stat().st_size < IN_MEMORY_BYTES or missing():
        return False
    with file.open("rb") as stream:
        return not stream.read(4).startswith((ZIP, OLE, GZIP))


@dataclass(frozen=True, slots=True)
class Parts:
    """Data in parts, and a cluster for them; `about` is for the manifest."""

    pieces: "Sequence[Piece]"
    engine: "Engine"
    about: dict[str, Any]

    def made_from(self, recipe: Recipe) -> dict[str, Any]:
        """Describe all that a version depends on, as Recipe.of_data() does."""
        return recipe.of_sha256(self.about["sha256"])

    def fit(self, recipe: Recipe, live: Live | None, console: Console, *, draw: bool) -> Candidate:
        """Fit an lm, and the live version's formula in the same passes. Raises TrainingError with one line."""
        from lm_app.scale.fitting import fit

        def fit_parts(folder: Path) -> Any:
            drawing = recipe.drawing(folder if draw else None)
            return fit(self.engine, self.pieces, drawing, console, **recipe.asked(), **asked_of(live))

        try:
            trained, plots = with_plots(fit_parts, recipe.unknown_columns(self.pieces[0].columns))
        except Fault as fault:
            raise TrainingError(str(fault)) from None
        files = len(self.about["files"])
        notes = [f"fitted in {len(self.pieces)} parts of {files} file{'s' if files > 1 else ''}"]
        parts = {key: value for key, value in self.about.items() if key != "sha256"}
        return Candidate(recipe, self.made_from(recipe), trained, plots, notes, parts)


@contextmanager
def opened(recipe: Recipe, file: Path, scale: Scale) -> Iterator[Parts]:
    """Cut data into parts, and start or join a cluster for them. Raises TrainingError, DataError or Fault."""
    if why := missing():
        raise TrainingError(why)
    from lm_app.scale.cluster import cluster
    from lm_app.scale.fitting import describe
    from lm_app.scale.pieces import find_pieces

    if recipe.sheet is not None:
        raise TrainingError("a sheet can't be fitted in parts; leave out 'sheet', or write the data as Parquet")
    given = recipe.csv.model_dump(exclude_none=True)
    pieces = find_pieces(str(file), scale.part_bytes, **given, factors=recipe.all_factors())
    with cluster(scale.scheduler, scale.workers, scale.say) as engine:
        yield Parts(pieces, engine, describe(engine, pieces, scale.part_bytes))
