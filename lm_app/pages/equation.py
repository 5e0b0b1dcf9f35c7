"""A model's equation, as terms that a page shows in MathML."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lm_app.pages.numbers import short

INTERCEPT = "(Intercept)"
SHOWN = 8
"""So many terms are shown at once."""


@dataclass(frozen=True, slots=True)
class Term:
    """A term of the equation: sign, number, and what is multiplied by it."""

    sign: str
    number: str
    factors: list[str]


def equation_of(info: Mapping[str, Any]) -> tuple[list[Term], list[Term]]:
    """Make the terms that are shown, and those that are to unfold. Aliased ones are none."""
    names = level_names(info)
    terms: list[Term] = []
    for coefficient in info["coefficients"]:
        if (estimate := coefficient["estimate"]) is None:
            continue
        sign = "\N{MINUS SIGN}" if estimate < 0 else "+" if terms else ""
        term = coefficient["term"]
        factors = [] if term == INTERCEPT else [names.get(part, part) for part in term.split(":")]
        terms.append(Term(sign, short(abs(estimate), 3), factors))
    return terms[:SHOWN], terms[SHOWN:]


def level_names(info: Mapping[str, Any]) -> dict[str, str]:
    """Name what R calls by factor and level in one, such as ammanual, by what it is 1 for: [am = manual]."""
    factors = [*info.get("reference_levels", {})]
    factors += [predictor["name"] for predictor in info["predictors"] if predictor["type"] == "logical"]
    parts = {part for coefficient in info["coefficients"] for part in coefficient["term"].split(":")}
    return {
        part: f"[{factor} = {part.removeprefix(factor)}]"
        for factor in factors
        for part in parts
        if part.startswith(factor) and part != factor
    }
