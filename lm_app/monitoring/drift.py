"""Has what a model is asked drifted from what it was trained on, or what comes of it from what it answers?"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path
from typing import Any

from lm_app.engine.drift import check_drift
from lm_app.errors import DataError
from lm_app.monitoring.asked import Columns, answers, columns_of, outside_of
from lm_app.monitoring.labelled import read_labelled
from lm_app.monitoring.log_reader import read_log
from lm_app.monitoring.periods import Periods, by_rows, by_time
from lm_app.predictors import Date
from lm_app.store.version import DISTRIBUTIONS, LoadedModel


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What is beyond. That of a share, a coverage or an RMSE is passed where the whole 95 % interval is beyond it."""

    p_value: float = 0.01
    """Of a test, by Holm's correction: in a weekly check without any drift, an alarm in two years."""
    distance: float = 0.1
    """Evidently's: of Wasserstein in standard deviations of the training data, and of Jensen-Shannon."""
    outside: float = 0.05
    """The share of rows outside of the training data, beside what is to be expected; see _expected_outside()."""
    rmse: float = 1.1
    """Of the leave-one-out RMSE."""
    coverage: float = 0.9
    """Of 95 % prediction intervals."""


@dataclass(frozen=True, slots=True)
class Check:
    """What was found. `found` is what check_drift() in drift.R returns; `beyond` has a line for each excess."""

    model: str
    version: str
    source: str
    rows: int
    thresholds: Thresholds
    press_rmse: float | None
    found: dict[str, Any]
    beyond: list[str]

    def as_json(self) -> str:
        """Write it as JSON."""
        return json.dumps(asdict(self), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def check_log(model: LoadedModel, log: Path, since: date | None, until: date | None, thresholds: Thresholds) -> Check:
    """Check what was asked, on these days (in UTC) only. Raises DataError where that is nothing."""
    trained = _distributions(model)
    table = read_log(log, model.name)
    days = [date.fromisoformat(time[:10]) for time in table.time]
    chosen = [row for row, day in enumerate(days) if (since or day) <= day <= (until or day)]
    if not chosen:
        raise DataError(f"{log}: there is no prediction of model {model.name!r} in the log, of the days asked for")
    inputs = {name: [values[row] for row in chosen] for name, values in table.inputs.items()}
    columns = columns_of(model.predictors, inputs, len(chosen))
    days = [days[row] for row in chosen]
    source = f"{log}, {min(days)} to {max(days)}"
    return _check(model, trained, source, columns, by_time(days), None, thresholds)


def check_data(model: LoadedModel, file: Path, thresholds: Thresholds) -> Check:
    """Check labelled data. Raises DataError or RError with one line, or OSError."""
    trained = _distributions(model)
    inputs, response = read_labelled(file, model)
    columns = columns_of(model.predictors, inputs, len(response))
    periods = by_rows(len(response))
    for predictor in model.predictors:
        if isinstance(predictor, Date):
            periods = by_time([text and date.fromisoformat(text[:10]) for text in inputs[predictor.name]])
            break
    return _check(model, trained, str(file), columns, periods, response, thresholds)


def _check(
    model: LoadedModel,
    trained: dict[str, Any],
    source: str,
    columns: Columns,
    periods: Periods,
    response: Sequence[float] | None,
    thresholds: Thresholds,
) -> Check:
    names = [predictor.name for predictor in model.predictors]
    rows = len(periods.of_row)
    outside = [outside_of(*pair) for pair in zip(model.predictors, columns, strict=True)]
    labelled = None
    if response is not None:
        answered = answers(model.lm, columns, rows)
        labelled = {"observed": response, "fit": answered.fit}
        if not model.info["weighted"]:  # the interval is of weight 1, and nobody knows those of these rows
            labelled |= {"lower": answered.lower, "upper": answered.upper}
    found = check_drift(
        {name: trained[name] for name in names},
        dict(zip(names, columns, strict=True)),
        list(map(any, zip(*outside, strict=True))) or [False] * rows,
        periods.of_row,
        labelled,
    )
    for name, flags in zip(names, outside, strict=True):
        found["predictors"][name]["outside"] = sum(flags) / rows
    for label, period in zip(periods.labels, found["periods"], strict=True):
        period["period"] = label
    beyond = [*_beyond(found, trained, model.info["press_rmse"], thresholds)]
    return Check(model.name, model.version, source, rows, thresholds, model.info["press_rmse"], found, beyond)


def _distributions(model: LoadedModel) -> dict[str, Any]:
    if DISTRIBUTIONS not in model.manifest["files"]:
        raise DataError(
            f"version {model.version} does not hold the distributions of its training data, as versions of before "
            f"1.2.0; train it anew: python manage.py runscript update_lm --script-args {model.name} --force"
        )
    distributions: dict[str, Any] = json.loads(model.files.read(DISTRIBUTIONS, model.manifest))
    return distributions


def _expected_outside(trained: dict[str, Any]) -> float:
    """Return the share of new rows to be expected outside the ranges of n, where nothing has changed.

    Each of n + 1 values of one distribution is the greatest with the same probability, 1 / (n + 1), and so the least.
    """
    each: list[float] = [2 / (described["n"] + 1) for described in trained.values() if "n" in described]
    return min(1.0, sum(each))


def _beyond(
    found: dict[str, Any], trained: dict[str, Any], press_rmse: float | None, thresholds: Thresholds
) -> Iterator[str]:
    """Yield what is beyond the thresholds."""
    for name, compared in found["predictors"].items():
        p_value, distance = compared["p_value"], compared["distance"]
        if p_value is None or p_value >= thresholds.p_value:
            continue
        if not compared["many"]:
            yield f"{name}: {compared['test']} p = {p_value:.3g}, below {thresholds.p_value:g}"
        elif distance > thresholds.distance:
            yield f"{name}: {compared['measure']} distance {distance:.3g}, above {thresholds.distance:g}"
    outside, allowed = found["outside"], thresholds.outside + _expected_outside(trained)
    if outside["lower"] > allowed:
        yield f"{outside['share']:.1%} of the rows are outside the training data, above {allowed:.1%}"
    accuracy = found["accuracy"]
    if accuracy and press_rmse and accuracy["rmse_lower"] > thresholds.rmse * press_rmse:
        much = f"above {thresholds.rmse:g} times the leave-one-out RMSE of {press_rmse:.6g}"
        yield f"RMSE {accuracy['rmse']:.6g}, {much}"
    if accuracy and accuracy["coverage"] and accuracy["coverage"]["upper"] < thresholds.coverage:
        share = accuracy["coverage"]["share"]
        yield f"95 % prediction intervals cover {share:.1%}, below {thresholds.coverage:.1%}"
