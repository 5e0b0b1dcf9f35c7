"""From a request to observations that a model can answer for, or to all that is wrong with them."""

import math
import re
from typing import Any

from lm_app.errors import InvalidObservation

NUMBER = re.compile(r"[+-]?([0-9]+([.,][0-9]*)?|[.,][0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
NUMBER_HELP = "a finite decimal number with a dot or a comma, such as 29.5, 29,5 or 17"


def number(text: str) -> float | None:
    """The number that a person wrote, or None where it is none: no thousands separators, no NaN, no infinity."""
    if not NUMBER.fullmatch(text):
        return None
    value = float(text.replace(",", "."))
    return value if math.isfinite(value) else None


def single_value(text: str, info: dict[str, Any]) -> dict[str, list[float]]:
    """The one observation of a model with one numeric predictor, from the text of its value.

    Raises InvalidObservation where the text is no number or lies outside the training data's range.
    """
    predictor, *others = info["predictors"]
    if others or predictor["type"] != "numeric":
        names = ", ".join(p["name"] for p in info["predictors"])
        raise InvalidObservation(f"This model takes more than one number ({names}); give them by name.")
    name, low, high = predictor["name"], predictor["min"], predictor["max"]
    value = number(text)
    if value is None:
        raise InvalidObservation(f"{name} is {text[:50]!r}; it must be {NUMBER_HELP}.")
    if not low <= value <= high:
        raise InvalidObservation(
            f"{name} is {text}; the model was trained on {low} to {high} and does not answer outside of that range."
        )
    return {name: [value]}
