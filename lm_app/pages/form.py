"""The form of the main page: a field for each predictor."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lm_app.pages.numbers import percent, short, typed
from lm_app.pages.page import Page
from lm_app.predictors import Date, DateTime, Factor, Logical, Numeric, Predictor

STEPS = 200
"""So many a slider has at least, where the numbers are not whole."""
LEVELS = ("0.8", "0.9", "0.95", "0.99")
INTERVALS = {"prediction": "a new observation", "confidence": "the mean", "none": "no interval"}


@dataclass(frozen=True, slots=True)
class Slider:
    """A slider over the range of the training data, in round steps."""

    min: str
    max: str
    step: str
    value: str


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a list."""

    value: str
    label: str
    chosen: bool


@dataclass(frozen=True, slots=True)
class Field:
    """A field: `type` is a number, a date, a text, or choice for a list."""

    id: str
    name: str
    text: str
    unit: str
    type: str
    range: str
    error: str
    may_extrapolate: bool
    """Is the error that the value is beyond the training range?"""
    choices: Sequence[Choice] = ()
    slider: Slider | None = None


def fields_of(page: Page) -> list[Field]:
    """Make the fields of the form."""
    return [_field(page, predictor, f"field-{number}") for number, predictor in enumerate(page.model.predictors)]


def options_of(page: Page) -> dict[str, list[Choice]]:
    """Make the lists of intervals and of levels."""
    interval, level = (page.asked.get(name, str(getattr(page.options, name))) for name in ("interval", "level"))
    return {
        "intervals": _choices(INTERVALS, interval),
        "levels": _choices({text: percent(float(text)) for text in LEVELS}, level),
    }


def _choices(labels: dict[str, str], chosen: str) -> list[Choice]:
    """List what can be chosen; what was sent is there, too."""
    return [Choice(value, label, value == chosen) for value, label in ({chosen: chosen} | labels).items()]


def _field(page: Page, predictor: Predictor, identifier: str) -> Field:
    name = predictor.name
    text, error = page.texts[name], page.errors.get(name, "")
    known: dict[str, Any] = {"id": identifier, "name": name, "text": text, "unit": predictor.unit or "", "error": error}
    known["may_extrapolate"] = bool(error) and predictor.from_text([text]) is not None
    if choices := _levels(predictor):
        sent = predictor.from_text([text])
        chosen = next((choice for choice in choices if sent and predictor.from_text([choice]) == sent), text)
        return Field(**known, type="choice", range="", choices=_choices({each: each for each in choices}, chosen))
    if isinstance(predictor, Numeric):
        described = f"{short(predictor.min)} to {short(predictor.max)}"
        return Field(**known, type="number", range=described, slider=_slider(predictor, text))
    kind = "date" if isinstance(predictor, Date) and not isinstance(predictor, DateTime) else "text"
    return Field(**known, type=kind, range=predictor.range() or "")


def _levels(predictor: Predictor) -> list[str]:
    """List the values of a predictor that has but some."""
    if isinstance(predictor, Factor):
        return predictor.levels
    if isinstance(predictor, Logical):
        return ["true", "false"]
    return list(map(typed, predictor.values or [])) if isinstance(predictor, Numeric) else []


def _slider(predictor: Numeric, text: str) -> Slider | None:
    """Make a slider with steps of 1, 2 or 5 times a power of ten; None where there is no room for one."""
    width = predictor.max - predictor.min
    if not math.isfinite(width) or width <= 0:
        return None
    power = 10.0 ** math.floor(math.log10(width / STEPS))
    step = next(power * factor for factor in (5, 2, 1) if power * factor <= width / STEPS)
    if predictor.integer:
        step = max(1.0, round(step))
    decimals = max(0, -math.floor(math.log10(step)))
    least, greatest = math.ceil(predictor.min / step) * step, math.floor(predictor.max / step) * step
    value = predictor.from_text([text]) or [least]
    numbers = least, greatest, step, min(max(value[0], least), greatest)
    return Slider(*(f"{number:.{decimals}f}" for number in numbers))
