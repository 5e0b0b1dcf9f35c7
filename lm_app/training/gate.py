"""Is a candidate fit to be published? It is compared with the live version, on the same data."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from lm_app.engine.lm import Trained
from lm_app.training.replay import Replay

TOLERANCE = 0.05
"""How much worse than the live version's a leave-one-out error may be: 5 %."""
NOISE = 1e-12
"""Of the response: what an error may be of an exact fit, by the rounding of numbers alone."""
MORE_LEFT_OUT = 0.05
"""How much greater the share of rows left out may be: 5 percentage points."""
MOST_DIFFERENT = 1.0
"""Of the live version's residual standard error: by how much 95 % of the answers to what was asked may differ."""

Info = Mapping[str, Any]
Row = tuple[str, str, str]
"""What is compared, the live version's value, the candidate's."""

PRESS, SIGMA = "PRESS RMSE, same data", "residual standard error"
MEASURES = {"formula": "formula", "observations": "n", "R squared": "r_squared", SIGMA: "sigma"}


@dataclass(frozen=True, slots=True)
class Comparison:
    """A candidate beside the live version.

    `verdicts` are "better" or "worse" for some of `rows`; `coefficients` are those that differ; `notes` are for
    people, `objections` against publishing.
    """

    rows: list[Row]
    objections: list[str]
    verdicts: dict[str, str] = field(default_factory=dict)
    coefficients: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def compare(
    live: Info | None, trained: Trained, *, same_data: bool = False, replay: Replay | None = None
) -> Comparison:
    """Compare what was trained with the live version's information; `same_data` says that both are of one file."""
    candidate, live_press = trained.info, trained.live_press_rmse
    rows = [(what, _text(live and live[key]), _text(candidate[key])) for what, key in MEASURES.items()]
    rows.insert(2, ("rows left out", _left_out(live) if live else "-", _left_out(candidate)))
    rows.append((PRESS, _text(live_press), _text(candidate["press_rmse"])))
    if live is None:
        return Comparison(rows, [], notes=list(_notes(candidate)))
    comparison = Comparison(
        rows,
        list(_objections(live, candidate, live_press)),
        dict(_verdicts(live, candidate, live_press, same_data)),
        list(_coefficients(live, candidate)),
        [*_notes(candidate), *_not_compared(live, candidate, live_press)],
    )
    if replay:
        _add_replay(comparison, replay, live, candidate)
    return comparison


def _text(value: Any) -> str:
    return "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _rows_left_out(info: Info) -> tuple[int, int]:
    """Count the rows left out as a value is missing, and those meant to be fitted; release 1.1 left none out."""
    rows = info.get("rows", {"read": info["n"], "omitted": 0})
    return rows["omitted"], rows["read"] - rows.get("outside_subset", 0)


def _left_out(info: Info) -> str:
    omitted, read = _rows_left_out(info)
    return f"{omitted} of {read}"


def _add_replay(comparison: Comparison, replay: Replay, live: Info, candidate: Info) -> None:
    answered = replay.questions - replay.unanswered
    comparison.rows.append(("questions answered", str(replay.questions), str(answered)))
    outside, candidate_outside = replay.outside
    comparison.rows.append(("questions out of range", str(outside), str(candidate_outside)))
    if replay.unanswered:
        reasons = ", ".join(f"{name} in {count}" for name, count in replay.not_taken.items())
        why = f"; it does not take the value of {reasons}" if reasons else ""
        share = replay.unanswered / replay.questions
        comparison.objections.append(f"it can't answer {share:.1%} of {replay.questions} questions{why}")
    if live["response"] != candidate["response"]:
        comparison.notes.append("the answers to what was asked were not compared: the responses are on other scales")
    elif replay.differences:
        _add_differences(comparison, replay.differences, live["sigma"], NOISE * _scale(candidate))


def _add_differences(comparison: Comparison, found: Mapping[str, float], sigma: float | None, noise: float) -> None:
    median, most, greatest = (_text(found[key]) for key in ("median", "most", "max"))
    comparison.notes.append(
        f"answers to what was asked differ by {median} in the median, at most {most} in 95 % of them, and {greatest} "
        f"at most; the live version's {SIGMA} is {_text(sigma)}"
    )
    if found["most"] > MOST_DIFFERENT * (sigma or 0) + noise:
        allowed = f"{MOST_DIFFERENT:g} times the live version's {SIGMA} of {_text(sigma)}"
        comparison.objections.append(f"5 % of the answers to what was asked differ by {most} or more, above {allowed}")


def _aliased(info: Info) -> list[str]:
    return [row["term"] for row in info["coefficients"] if row["estimate"] is None]


def _notes(candidate: Info) -> Iterator[str]:
    """Yield what a person should know of the candidate alone."""
    omitted, read = _rows_left_out(candidate)
    if omitted:
        counts = {kind: dict(candidate["rows"].get(kind, {})) for kind in ("missing_by_column", "nan_by_term")}
        reasons = [f"{column} is missing in {count}" for column, count in counts["missing_by_column"].items()]
        reasons += [f"{term} is not a number in {count}" for term, count in counts["nan_by_term"].items()]
        yield f"{omitted} of {read} rows are left out: {', '.join(reasons)}"
    if aliased := _aliased(candidate):
        yield f"these terms are aliased with others, and have no coefficient: {', '.join(aliased)}"


def _objections(live: Info, candidate: Info, live_press: float | None) -> Iterator[str]:
    aliased = _aliased(candidate)
    if aliased and not _aliased(live):
        yield f"these terms are aliased with others: {', '.join(aliased)}"
    yield from _breaking_changes(live, candidate)
    (omitted, read), (live_omitted, live_read) = _rows_left_out(candidate), _rows_left_out(live)
    if omitted / read > live_omitted / live_read + MORE_LEFT_OUT:
        yield f"{omitted} of {read} rows are left out, and were {live_omitted} of {live_read}"
    errors = _errors(live, candidate, live_press)
    if errors and errors[1] > errors[0] * (1 + TOLERANCE) + NOISE * _scale(candidate):
        much = f"more than {TOLERANCE:.0%} above the live version's {errors[0]:.6g}"
        yield f"its PRESS RMSE of {errors[1]:.6g} is {much}"


def _scale(info: Info) -> float:
    fitted = info["fitted_values"]
    scale: float = max(map(abs, fitted if isinstance(fitted, list) else (fitted["min"], fitted["max"])))
    return scale


def _errors(live: Info, candidate: Info, live_press: float | None) -> tuple[float, float] | None:
    """Return the leave-one-out errors where they can be compared: the live version's and the candidate's."""
    press = candidate["press_rmse"]
    if live_press is None or press is None or live["response"] != candidate["response"]:
        return None
    return live_press, press


def _not_compared(live: Info, candidate: Info, live_press: float | None) -> Iterator[str]:
    """Yield why the leave-one-out errors could not be compared, where so."""
    if live["response"] != candidate["response"]:
        why = "the responses are on other scales"
    elif "rows" not in candidate:
        why = "the candidate is without its data"
    elif candidate["press_rmse"] is None:
        why = "it is not defined for the candidate: an observation has leverage 1"
    elif live_press is None:
        why = "the live version's formula can't be fitted to these data, or an observation has leverage 1 in it"
    else:
        return
    yield f"the PRESS RMSE was not compared: {why}"


def _verdicts(live: Info, candidate: Info, live_press: float | None, same_data: bool) -> Iterator[tuple[str, str]]:
    """Yield whether an error is smaller; not of R squared, which each further term makes greater."""
    pairs = {PRESS: _errors(live, candidate, live_press)}
    if same_data and live["response"] == candidate["response"]:
        pairs[SIGMA] = live["sigma"], candidate["sigma"]
    for what, pair in pairs.items():
        if pair and _text(pair[0]) != _text(pair[1]):
            yield what, "better" if pair[1] < pair[0] else "worse"


def _coefficients(live: Info, candidate: Info) -> Iterator[Row]:
    """Yield the coefficients that differ in the digits that are shown, and those that only one of the two has."""
    before, after = (
        {row["term"]: _text(row["estimate"]) for row in info["coefficients"]} for info in (live, candidate)
    )
    for term in {**before, **after}:
        row = (term, before.get(term, ""), after.get(term, ""))
        if row[1] != row[2]:
            yield row


def _breaking_changes(live: Info, candidate: Info) -> Iterator[str]:
    """Yield what clients of the live version would notice."""
    if live["response"] != candidate["response"]:
        yield f"the response is {candidate['response']}, and was {live['response']}"
    before = {predictor["name"]: predictor for predictor in live["predictors"]}
    after = {predictor["name"]: predictor for predictor in candidate["predictors"]}
    if gained := after.keys() - before.keys():
        yield f"it needs more predictors: {', '.join(sorted(gained))}"
    if lost := before.keys() - after.keys():
        yield f"it no longer takes the predictors: {', '.join(sorted(lost))}"
    for name in before:  # in their order
        if name in after:
            yield from _breaking_change(name, before[name], after[name])


def _breaking_change(name: str, before: Info, after: Info) -> Iterator[str]:
    """Yield what one predictor no longer takes. `values` are those of a number in factor()."""
    if before["type"] != after["type"]:
        yield f"{name} is {after['type']}, and was {before['type']}"
    elif gone := [level for level in before.get("levels", []) if level not in after["levels"]]:
        yield f"{name} no longer has the levels {', '.join(gone)}"
    elif "values" in after and "values" not in before:
        yield f"{name} now takes only the values {_some(after['values'])}"
    elif "values" in after and (gone := [value for value in before["values"] if value not in after["values"]]):
        yield f"{name} no longer has the values {_some(gone)}"


def _some(values: list[Any]) -> str:
    return ", ".join([*map(_text, values[:10]), *(["..."] if len(values) > 10 else [])])
