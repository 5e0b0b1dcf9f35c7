"""What the picture shows: for each predictor the line and its bands, the others held at what stands in the form.

Each observation is drawn where it would be with the others held so: on the line, plus its residual. With one
predictor, that is the observation itself. All numbers are R's, by the way on which the API has them.
"""

import math
from array import array
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from django.conf import settings

from lm_app.engine.lm import Interval
from lm_app.errors import LmError
from lm_app.pages.page import Page
from lm_app.predictors import Factor, Logical, Numeric, Predictor

MOST_PANELS = 12
POINTS = 41
"""Of a line."""
MOST_DOTS = 1000
"""Observations in all panels together."""
MOST_LEVELS = 30
DIGITS = 7
"""Of a number in the picture."""
X_DIGITS = 12
"""Of where it is: seconds since 1970 are many."""

BANDS: dict[str, Interval] = {"mean": "confidence", "new": "prediction"}

Columns = list["array[float]"]


class Observed:
    """The observations that the model was fitted to, as R takes them, and how they are fitted."""

    def __init__(self, columns: Columns, response: Sequence[float], fitted: Sequence[float]) -> None:
        self.columns, self.response, self.fitted = columns, response, fitted
        self.residuals = [y - fit for y, fit in zip(response, fitted, strict=True)]


def picture_of(page: Page) -> dict[str, Any]:
    """Make what picture.js draws."""
    info, predictors = page.info, page.model.predictors
    held, drawn = page.held(), page.model.predictors[:MOST_PANELS]
    observed, panels = None, []
    with suppress(LmError):  # such as of R, which is busy
        observed = _observed(page)
    for position, predictor in enumerate(drawn):
        with suppress(LmError):  # such as of R, for levels that the fit has not seen
            panels.append(_panel(page, position, predictor, held, observed, MOST_DOTS // len(drawn)))
    answer = page.prediction
    return {
        "response": info["response"],
        "unit": page.unit,
        "level": page.options.level,
        "interval": page.options.interval,
        "decimals": page.decimals,
        "answer": answer and [_short(number[0]) for number in (answer.fit, answer.lower, answer.upper) if number],
        "panels": panels,
        "fitted": observed and len(predictors) > 1 and {"x": _thin(observed.fitted), "y": _thin(observed.response)},
        "is_partial": len(predictors) > 1,
        "notes": _notes(page, observed),
    }


def _notes(page: Page, observed: Observed | None) -> list[str]:
    """Say what is not drawn."""
    predictors, notes = page.model.predictors, []
    if len(predictors) > MOST_PANELS:
        notes.append(f"The first {MOST_PANELS} of {len(predictors)} predictors are drawn.")
    for predictor in predictors[:MOST_PANELS]:
        if (levels := _levels(predictor)) and len(levels) > MOST_LEVELS:
            notes.append(f"Of {len(levels)} levels of {predictor.name}, the first {MOST_LEVELS} are drawn.")
    if predictors and not observed:
        notes.append("The observations are not drawn: the model does not keep them all.")
    return notes


def _observed(page: Page) -> Observed | None:
    """Find the observations; None where the version does not have them all: too many, or trained elsewhere."""
    info = page.info
    rows, names = info.get("observations"), info.get("observation_columns")
    if not isinstance(rows, list) or not names:
        return None
    by_name = dict(zip(names, zip(*rows, strict=True), strict=True))
    read = [predictor.from_json(list(by_name[predictor.name])) for predictor in page.model.predictors]
    if not (read and all(read)):
        return None
    columns: Columns = [array("d", values or []) for values in read]
    response = by_name.get(info["response"].strip("`"))
    fitted = _fit(page, columns)
    if response is None:  # it is transformed
        pairs = zip(info["fitted_values"], info["residuals"], strict=True)
        response = tuple(fit + residual for fit, residual in pairs)
    return Observed(columns, response, fitted)


def _fit(page: Page, columns: Columns) -> list[float]:
    return page.model.lm.predict(columns, seconds=settings.LM_MAX_SECONDS).fit


def _panel(
    page: Page, position: int, predictor: Predictor, held: Columns, observed: Observed | None, most_dots: int
) -> dict[str, Any]:
    at = held[position][0]
    levels = _levels(predictor)
    if levels is None:
        least, greatest = _range(predictor)
        x = _grid(least, greatest, at)
    else:
        least, greatest = 0.0, 0.0
        x = _some([float(level) for level, _ in levels], at)
    columns = _moved(held, position, x)
    bands: dict[str, list[list[float | None]]] = {}
    for band, interval in BANDS.items():
        answer = page.model.lm.predict(columns, interval, page.options.level, settings.LM_MAX_SECONDS)
        limits = zip(answer.lower or [], answer.upper or [], strict=True)
        bands[band] = [[_short(lower), _short(upper)] for lower, upper in limits]
    panel: dict[str, Any] = {
        "name": predictor.name,
        "unit": predictor.unit or "",
        "type": predictor.value_schema().get("format", "number") if levels is None else "choice",
        "field": f"field-{position}",
        "at": _short(at, X_DIGITS),
        "range": [_short(least, X_DIGITS), _short(greatest, X_DIGITS)],
        "x": [_short(value, X_DIGITS) for value in x],
        "fit": list(map(_short, answer.fit)),
        **bands,
    }
    if levels is not None:
        labels = dict(levels)
        panel["labels"] = [labels[value] for value in x]
    if observed:
        line = _fit(page, _moved(held, position, observed.columns[position]))
        dots = zip(observed.columns[position], line, observed.residuals, strict=True)
        panel["dots"] = [
            [_short(value, X_DIGITS), _short(fit + residual)] for value, fit, residual in _thin(list(dots), most_dots)
        ]
    return panel


def _moved(held: Columns, position: int, x: Sequence[float]) -> Columns:
    """Return columns in which one predictor takes these values, and the others are held."""
    return [array("d", x) if other == position else column * len(x) for other, column in enumerate(held)]


def _range(predictor: Predictor) -> tuple[float, float]:
    if isinstance(predictor, Numeric):
        return predictor.min, predictor.max
    least, greatest = predictor.limits  # type: ignore[attr-defined]
    return least, greatest


def _levels(predictor: Predictor) -> list[tuple[float, str]] | None:
    """List the values of a predictor that has but some, with their labels."""
    if isinstance(predictor, Factor):
        return [(position, level) for position, level in enumerate(predictor.levels, start=1)]
    if isinstance(predictor, Logical):
        return [(0, "false"), (1, "true")]
    if isinstance(predictor, Numeric) and predictor.values is not None:
        return [(value, str(value)) for value in predictor.values]
    return None


def _some(values: list[float], at: float) -> list[float]:
    """Choose the first of many values, and the one in the form."""
    shown = values[:MOST_LEVELS]
    return shown if at in shown else [*shown, at]


def _grid(least: float, greatest: float, at: float) -> list[float]:
    """Spread points over the training range, and on to where the form's value lies beyond it."""
    inside = [least + (greatest - least) * step / (POINTS - 1) for step in range(POINTS)]
    inside[-1] = greatest
    if least <= at <= greatest:
        return inside
    edge = least if at < least else greatest
    beyond = [edge + (at - edge) * step / 10 for step in range(1, 11)]
    return [*reversed(beyond), *inside] if at < least else [*inside, *beyond]


def _thin(values: Sequence[Any], most: int = MOST_DOTS) -> list[Any]:
    """Keep at most so many, evenly over their order."""
    every = math.ceil(len(values) / most)
    return list(values[::every])


def _short(value: float, digits: int = DIGITS) -> float | None:
    return float(f"{value:.{digits}g}") if math.isfinite(value) else None
