"""Predict for data of any size, part by part, into a folder of files.

Each part of the data becomes a file, written aside and then renamed. So what is there is whole, and where a run was
interrupted, the next one goes on: with the same data, version and options only.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from lm_app.engine.lm import Interval
from lm_app.errors import LmError
from lm_app.predict.names import check_names
from lm_app.predict.question import PREDICTED, Errors
from lm_app.predictors import Numeric, Predictor, names_of
from lm_app.scale.cluster import Say, cluster
from lm_app.scale.pieces import Kind, Piece, find_pieces
from lm_app.scale.scored_part import Job, Scored, score_part
from lm_app.store.files import reason
from lm_app.store.version import PICKLE, LoadedModel, sync, write

ABOUT = "_scored.json"
"""What the files are; who reads a folder of Parquet leaves out names that begin so."""
VERBATIM = ("NA", "")
"""Texts that are missing values elsewhere."""


class Asked(NamedTuple):
    """What is asked about new data. `keep` are columns of theirs that stand beside the predictions."""

    data: str
    folder: Path
    interval: Interval
    level: float
    keep: Sequence[str]
    suffix: str
    part_bytes: int


class ScoringError(LmError):
    """Nothing can be predicted, or not into this folder."""


def find_new_pieces(asked: Asked, predictors: Sequence[Predictor]) -> list[Piece]:
    """Cut new data into parts, of which a wrong value is no fault: its row has no prediction.

    Texts are read as they are, to be kept so, and for the predictors to judge. Raises DataError, InvalidObservations or
    ScoringError.
    """
    numeric = [predictor.name for predictor in predictors if isinstance(predictor, Numeric)]
    texts = {*asked.keep, *names_of(predictors)}.difference(numeric)
    pieces = find_pieces(asked.data, asked.part_bytes, factors=dict.fromkeys(texts, VERBATIM))
    _check_columns(pieces[0], asked.keep, predictors)
    numbers: dict[str, Kind] = dict.fromkeys(numeric, "number")
    columns = {**pieces[0].columns, **numbers}
    return [replace(piece, columns=columns, doubts={}) for piece in pieces]


def _check_columns(piece: Piece, keep: Sequence[str], predictors: Sequence[Predictor]) -> None:
    errors = Errors()
    check_names(piece.columns, predictors, ["body"], errors)
    errors.raise_if_any()
    for name in keep:
        if name in PREDICTED:
            raise ScoringError(f"--columns {name}: the predictions have a column of this name; rename that of the data")
        if name not in piece.columns:
            raise ScoringError(f"--columns {name}: there is no such column; there are: {', '.join(piece.columns)}")
    for name in [*names_of(predictors), *keep]:
        if name in piece.problems:
            raise ScoringError(f"column {name!r} can't be used: {piece.problems[name]}")


def score(model: LoadedModel, asked: Asked, scheduler: str | None, workers: int | None, say: Say) -> tuple[Scored, int]:
    """Predict for the parts that are not done; tells what came of them, and how many were done before.

    Raises LmError with one line.
    """
    pieces = find_new_pieces(asked, model.predictors)
    head = {"model": model.name, "version": model.version, "interval": asked.interval, "level": str(asked.level)}
    files = {os.path.abspath(piece.path): [piece.size, piece.modified] for piece in pieces}
    about = {**head, "columns": list(asked.keep), "format": asked.suffix, "part size": asked.part_bytes, "data": files}
    _open_folder(asked.folder, about)
    pickled, folder = model.files.read(PICKLE, model.manifest), asked.folder.resolve()
    job = Job(pickled, model.predictors, asked.interval, asked.level, asked.keep, folder, asked.suffix, head)
    left = [piece for piece in pieces if not job.file(piece).exists()]
    scored = Scored()
    if left:
        with cluster(scheduler, workers, say) as engine:
            for part in engine.map(score_part, job, left, "scoring"):
                scored.add(part)
    return scored, len(pieces) - len(left)


def _open_folder(folder: Path, about: Mapping[str, Any]) -> None:
    """Make the folder, or go on with one; raises ScoringError where it holds anything else."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not any(folder.iterdir()):
            write(folder / f".{ABOUT}", json.dumps(about, indent=2).encode())
            (folder / f".{ABOUT}").replace(folder / ABOUT)
            sync(folder)
        before = json.loads((folder / ABOUT).read_bytes())
        for left_behind in folder.glob(".part-*"):
            left_behind.unlink()
    except FileNotFoundError:
        raise ScoringError(f"{folder} has other files; name a new folder") from None
    except (OSError, ValueError) as error:
        raise ScoringError(f"{folder} can't be used: {reason(error)}; name a new folder") from None
    for key, value in about.items():
        if before.get(key) != value:
            what = key if key == "data" else f"{key} ({before.get(key)}, not {value})"
            raise ScoringError(f"{folder} has predictions of another {what}; name a new folder, or remove that one")
