"""Is a candidate fit to be published? It is compared with the live version, on the same data."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

TOLERANCE = 0.05
"""How much worse than the live version's a leave-one-out error may be: 5 %."""

Info = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Comparison:
    """`rows` of a table: what, the live version's value, the candidate's. `objections` against publishing."""

    rows: list[tuple[str, str, str]]
    objections: list[str]


def compare(live: Info | None, candidate: Info, live_press_rmse: float | None) -> Comparison:
    """Compare both versions. `live_press_rmse` is that of the live version's formula on the candidate's data."""
    measures = {"formula": "formula", "observations": "n", "R squared": "r_squared", "residual standard error": "sigma"}
    rows = [(what, _text(live and live[key]), _text(candidate[key])) for what, key in measures.items()]
    rows.append(("PRESS RMSE, same data", _text(live_press_rmse), _text(candidate["press_rmse"])))
    objections = list(_objections(live, candidate, live_press_rmse))
    return Comparison(rows, objections)


def _text(value: Any) -> str:
    return "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _objections(live: Info | None, candidate: Info, live_press_rmse: float | None) -> Iterator[str]:
    aliased = [row["term"] for row in candidate["coefficients"] if row["estimate"] is None]
    if aliased:
        yield f"the data can't tell these terms from the others: {', '.join(aliased)}"
    if live is None:
        return
    yield from _breaking_changes(live, candidate)
    press = candidate["press_rmse"]
    if press is not None and live_press_rmse is not None and press > live_press_rmse * (1 + TOLERANCE):
        much = f"more than {TOLERANCE:.0%} above the live version's {live_press_rmse:.6g}"
        yield f"its PRESS RMSE of {press:.6g} is {much}"


def _breaking_changes(live: Info, candidate: Info) -> Iterator[str]:
    """What clients of the live version would notice."""
    if live["response"] != candidate["response"]:
        yield f"the response is {candidate['response']}, and was {live['response']}"
    before = {predictor["name"]: predictor for predictor in live["predictors"]}
    after = {predictor["name"]: predictor for predictor in candidate["predictors"]}
    if gained := after.keys() - before.keys():
        yield f"it needs more predictors: {', '.join(sorted(gained))}"
    if lost := before.keys() - after.keys():
        yield f"it no longer takes the predictors: {', '.join(sorted(lost))}"
    for name in before.keys() & after.keys():
        if before[name]["type"] != after[name]["type"]:
            yield f"{name} is {after[name]['type']}, and was {before[name]['type']}"
        elif gone := set(before[name].get("levels", [])) - set(after[name].get("levels", [])):
            yield f"{name} no longer has the levels {', '.join(sorted(gone))}"
