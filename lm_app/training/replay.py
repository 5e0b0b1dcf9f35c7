"""Replay what was asked: does a candidate answer it, and as the live version does?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lm_app.engine.drift import sum_up_differences
from lm_app.engine.lm import Model, Trained
from lm_app.errors import TrainingError
from lm_app.monitoring.asked import Columns, answers, columns_of, outside_of
from lm_app.monitoring.log_reader import read_log
from lm_app.predictors import Predictor, predictors_of
from lm_app.store.version import LoadedModel


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of the questions that the live version answers.

    `outside` counts those that the live version and the candidate answer with extrapolation=flag only. `unanswered`
    are those that the candidate can't answer; `not_taken` counts them by the predictors whose value it does not take.
    `differences` are between the answers that both give (median, most: of 95 %, max), None where there are none.
    """

    questions: int
    outside: tuple[int, int]
    unanswered: int
    not_taken: dict[str, int]
    differences: dict[str, float] | None


def replay(log: Path, live: LoadedModel, trained: Trained) -> Replay:
    """Ask both what is in the log. Raises TrainingError where the live version answers nothing of it."""
    described = [{**predictor, "unit": None} for predictor in trained.info["predictors"]]
    table, predictors = read_log(log, live.name), predictors_of({"predictors": described})
    rows = len(table.time)
    live_columns, columns = (columns_of(known, table.inputs, rows) for known in (live.predictors, predictors))
    before = answers(live.lm, live_columns, rows).fit
    after = answers(Model(trained.pickled), columns, rows).fit
    asked = [row for row in range(rows) if math.isfinite(before[row])]
    if not asked:
        raise TrainingError(f"--replay {log}: there is no question in it that the live version answers")
    unanswered = [row for row in asked if not math.isfinite(after[row])]
    not_taken = {
        predictor.name: sum(math.isnan(column[row]) for row in unanswered)
        for predictor, column in zip(predictors, columns, strict=True)
    }
    return Replay(
        len(asked),
        (_count_outside(live.predictors, live_columns, asked), _count_outside(predictors, columns, asked)),
        len(unanswered),
        {name: count for name, count in not_taken.items() if count},
        sum_up_differences([after[row] - before[row] for row in asked]),
    )


def _count_outside(predictors: Sequence[Predictor], columns: Columns, rows: Sequence[int]) -> int:
    """Count the rows outside the ranges, without those that the model does not take."""
    flags = [outside_of(*pair) for pair in zip(predictors, columns, strict=True)]
    taken = [row for row in rows if not any(math.isnan(column[row]) for column in columns)]
    return sum(any(of_one[row] for of_one in flags) for row in taken)
