"""On which values of a predictor a model was trained, in words."""

from collections.abc import Mapping
from typing import Any

from lm_app.pages.numbers import short

DIGITS = 7


def trained_on(predictor: Mapping[str, Any]) -> str:
    """Say which values of a predictor the training data have; `predictor` is as in model_info.json."""
    if predictor.get("levels"):
        return ", ".join(predictor["levels"])
    if predictor.get("values"):
        return ", ".join(short(value, DIGITS) for value in predictor["values"])
    if predictor["type"] == "logical":
        return "true, false"
    ends = predictor["min"], predictor["max"]
    return " to ".join([short(end, DIGITS) for end in ends] if predictor["type"] == "numeric" else ends)
