"""On which scale a model answers, as log(dist), and how to read that on the scale of the column itself."""

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from lm_app.engine.lm import Prediction

PLAIN = re.compile(r"[\w.]+|`[^`]+`")
CALL = re.compile(rf"(\w+)\(({PLAIN.pattern})\)")


def _squared(x: float) -> float:
    if x < 0:
        raise ValueError("no square root is negative")
    return x * x


INVERSES: dict[str, tuple[str, Callable[[float], float]]] = {
    "log": ("exp(fit)", math.exp),
    "log1p": ("expm1(fit)", math.expm1),
    "log2": ("2^fit", lambda x: 2.0**x),
    "log10": ("10^fit", lambda x: 10.0**x),
    "sqrt": ("fit^2", _squared),
}
"""By the function of the response: its inverse in R, and here. All increase, so medians and limits stay such."""


def response_scale(info: Mapping[str, Any]) -> dict[str, Any] | None:
    """Describe the scale of the response; None where it is a plain column, as in y ~ x."""
    response: str = info["response"]
    if PLAIN.fullmatch(response):
        return None
    called = CALL.fullmatch(response)
    told = f"The fit is {response}"
    if not called or called[1] not in INVERSES:
        return {"fit_is": response, "column": None, "unit": None, "inverse": None, "note": f"{told}."}
    column, (inverse, _) = called[2].strip("`"), INVERSES[called[1]]
    note = (
        f"{told}; {inverse} is the median of {column}, not its mean: half of the values lie above it, "
        "and those lie farther off than the others, which raises the mean."
    )
    unit = info["units"].get(column)
    return {"fit_is": response, "column": column, "unit": unit, "inverse": inverse, "note": note}


def back_transformed(scale: Mapping[str, Any], prediction: Prediction) -> dict[str, Any]:
    """Read the first prediction on the scale of the column; without an entry where there is no way back."""
    if not scale["inverse"] or not prediction.fit:
        return {}
    inverse = INVERSES[scale["fit_is"].partition("(")[0]][1]
    read = {"median": _finite(inverse, prediction.fit[0])}
    if prediction.lower and prediction.upper:
        read |= {"lower": _finite(inverse, prediction.lower[0]), "upper": _finite(inverse, prediction.upper[0])}
    return {"back_transformed": read}


def _finite(inverse: Callable[[float], float], value: float) -> float | None:
    try:
        result = inverse(value)
    except (OverflowError, ValueError):
        return None
    return result if math.isfinite(result) else None
