"""Show what a check for drift has found: as tables, and as a picture."""

from collections.abc import Iterator, Sequence
from math import nan
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from lm_app.command_line import columns
from lm_app.engine.drift import Panel, draw_drift
from lm_app.monitoring.drift import Check

MOST_LINES = 8
"""In one panel: the predictors that have moved most."""
PREDICTORS = ("predictor", "rows", "outside", "test", "statistic", "p-value", "distance", "")


def lines(check: Check) -> Iterator[str]:
    """Yield the lines of the tables."""
    found, names = check.found, list(check.found["predictors"])
    yield f"{check.model}: version {check.version}, {check.rows} rows of {check.source}"
    yield ""
    if names:
        yield from columns([PREDICTORS, *(_predictor(name, found["predictors"][name]) for name in names)])
        yield ""
    yield f"outside the training data: {_share(found['outside'])}"
    if accuracy := found["accuracy"]:
        press = "-" if check.press_rmse is None else f"{check.press_rmse:.6g}"
        limits = f"{accuracy['rmse_lower']:.6g} to {accuracy['rmse_upper']:.6g}"
        yield f"RMSE: {accuracy['rmse']:.6g} ({limits}); leave-one-out RMSE in training: {press}"
        yield f"coverage of 95 % prediction intervals: {_share(accuracy['coverage'])}"
    yield ""
    accuracy_names = ["RMSE", "coverage"] if found["accuracy"] else []
    header = ["period", "rows", "outside", *names, *accuracy_names]
    yield from columns([header, *(_period(period, names, bool(accuracy_names)) for period in found["periods"])])
    if names:
        yield "Below a predictor's name is its distance from the training data in that period."


def draw(check: Check) -> bytes:
    """Draw what changes over the periods, as SVG. Raises OSError."""
    periods = check.found["periods"]
    panels = {"share outside training data": Panel({"": [period["outside"] for period in periods]})}
    by_distance = sorted(
        check.found["predictors"].items(), key=lambda compared: compared[1]["distance"] or 0, reverse=True
    )
    distances = {name: _line(period["distances"][name] for period in periods) for name, _ in by_distance[:MOST_LINES]}
    if distances:
        decides = any(compared["many"] for compared in check.found["predictors"].values())
        panels["distance from training data"] = Panel(distances, check.thresholds.distance if decides else None)
    if check.found["accuracy"]:
        rmse = _line(_of(period, "rmse") for period in periods)
        panels["RMSE, and leave-one-out"] = Panel({"": rmse}, check.press_rmse)
    if check.found["accuracy"] and check.found["accuracy"]["coverage"]:
        coverage = _line((_of(period, "coverage") or {}).get("share") for period in periods)
        panels["coverage of 95 % intervals"] = Panel({"": coverage}, 0.95)
    with TemporaryDirectory() as folder:
        return draw_drift(Path(folder), [period["period"] for period in periods], panels)


def _of(period: dict[str, Any], what: str) -> Any:
    return period["accuracy"] and period["accuracy"][what]


def _line(values: Iterator[float | None]) -> list[float]:
    return [nan if value is None else value for value in values]


def _predictor(name: str, compared: dict[str, Any]) -> Sequence[str]:
    return (
        name,
        str(compared["rows"]),
        f"{compared['outside']:.1%}",
        compared["test"],
        _number(compared["statistic"]),
        _number(compared["p_value"]),
        _number(compared["distance"]),
        compared["measure"],
    )


def _period(period: dict[str, Any], names: Sequence[str], is_labelled: bool) -> Sequence[str]:
    row = [period["period"], str(period["rows"]), f"{period['outside']:.1%}"]
    row += [_number(period["distances"][name]) for name in names]
    if is_labelled:
        coverage = _of(period, "coverage")
        row += [_number(_of(period, "rmse")), f"{coverage['share']:.1%}" if coverage else "-"]
    return row


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3g}"


def _share(share: dict[str, float] | None) -> str:
    return f"{share['share']:.1%} ({share['lower']:.1%} to {share['upper']:.1%})" if share else "-"
