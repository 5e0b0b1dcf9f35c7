"""What the coefficients say: in words where one acts alone, and as a table."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lm_app.pages.numbers import decimals_of, p_value, rounded, short
from lm_app.pages.page import Page
from lm_app.response_scale import response_scale

INTERCEPT = "(Intercept)"
HALF = 60
"""Half the width of a picture; zero is in its middle."""
FACTORS: dict[str, Callable[[float], float]] = {
    "exp(fit)": math.expm1,
    "2^fit": lambda x: math.expm1(x * math.log(2)),
    "10^fit": lambda x: math.expm1(x * math.log(10)),
}
"""By the way back from a logarithm: by which part of itself the response grows where the fit grows by x."""

Coefficient = Mapping[str, Any]


def context(page: Page) -> dict[str, Any]:
    """Describe the coefficients."""
    info = page.info
    return {
        "words": [said for each in info["coefficients"] if (said := in_words(each, info))],
        "others": len(info["predictors"]) > 1,
        "references": _references(info),
        "scale": page.scale,
        "rows": [_row(each) for each in info["coefficients"]],
    }


def in_words(coefficient: Coefficient, info: Mapping[str, Any]) -> str | None:
    """Say what a coefficient means; None where it acts together with others, or its limits are not known."""
    what = _what_changes(coefficient["term"], info)
    values = [coefficient[name] for name in ("estimate", "lower", "upper")]
    if what is None or None in values:
        return None
    return f"{what}: {_change(values, info)}"


def _what_changes(term: str, info: Mapping[str, Any]) -> str | None:
    terms = [each["term"] for each in info["coefficients"]]
    for factor, reference in _references(info).items():
        level = term.removeprefix(factor)
        if level != term and _acts_alone(factor, terms) and ":" not in level:
            return f"{factor} {level} instead of {reference}"
    for predictor in info["predictors"]:
        name = predictor["name"]
        if predictor["type"] == "logical" and term == f"{name}TRUE" and _acts_alone(name, terms):
            return f"{name} true instead of false"
        if predictor["type"] == "numeric" and term.strip("`") == name and _is_named_once(name, terms):
            unit = predictor.get("unit")
            if unit is None:
                return f"{name}, 1 more"
            return f"{name}, {unit if unit[:1].isdigit() else f'1 {unit}'} more"
    return None


def _references(info: Mapping[str, Any]) -> dict[str, str]:
    """Return the reference levels by factor; where there are none, R writes an empty list."""
    return dict(info.get("reference_levels") or {})


def _acts_alone(name: str, terms: Sequence[str]) -> bool:
    """Does no interaction hold a factor? A level follows its name there without a space."""
    return not any(part.startswith(name) for term in terms if ":" in term for part in term.split(":"))


def _is_named_once(name: str, terms: Sequence[str]) -> bool:
    whole = re.compile(rf"(?<![\w.]){re.escape(name)}(?![\w.])")
    return sum(bool(whole.search(term)) for term in terms) == 1


def _change(values: Sequence[float], info: Mapping[str, Any]) -> str:
    """Say how the response changes: 3.9 miles/US gallon less, 2.5 to 5.4."""
    scale = response_scale(info)
    if scale and scale["inverse"] in FACTORS:
        try:
            values = [100 * FACTORS[scale["inverse"]](value) for value in values]
        except OverflowError:
            return f"{info['response']} {_more_or_less(values, '')}"
        return f"{scale['column']} {_more_or_less(values, ' %')}"
    unit = None if scale else info["units"].get(info["response"].strip("`"))
    return _more_or_less(values, f" {unit}") if unit else f"{info['response']} {_more_or_less(values, '')}"


def _more_or_less(values: Sequence[float], unit: str) -> str:
    estimate, lower, upper = values
    decimals = decimals_of(upper - lower)

    def size(value: float) -> str:
        return rounded(abs(value), decimals)

    def way(value: float) -> str:
        return "less" if value < 0 else "more"

    told = f"{size(estimate)}{unit} {way(estimate)}"
    if way(lower) == way(upper):
        near, far = sorted((lower, upper), key=abs)
        return f"{told}, {size(near)} to {size(far)}"
    return f"{told}, between {size(lower)} less and {size(upper)} more"


def _row(coefficient: Coefficient) -> dict[str, Any]:
    term, (estimate, lower, upper) = coefficient["term"], (coefficient[name] for name in ("estimate", "lower", "upper"))
    if None in (estimate, lower, upper):
        return {"term": term}
    t, decimals, farthest = coefficient["t_value"], decimals_of(upper - lower), max(abs(lower), abs(upper)) or 1
    row = {
        "term": term,
        "estimate": rounded(estimate, decimals),
        "lower": rounded(lower, decimals),
        "upper": rounded(upper, decimals),
        "std_error": short(coefficient["std_error"]),
        "t": "not defined" if t is None else short(t, 3),
        "p": p_value(coefficient["p_value"]),
    }
    if term != INTERCEPT:
        places = {"x": estimate, "x1": lower, "x2": upper}
        row["picture"] = {name: round(HALF + value / farthest * (HALF - 4), 1) for name, value in places.items()}
    return row
