"""Write numbers for people: as many digits as say something."""

import math
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString

MOST_DECIMALS = 12
"""Of a number that is written without a power of ten."""
LEAST_P = 0.001


def decimals_of(width: float | None) -> int:
    """Choose the decimals that show three digits of half an interval of this width; below 0, tens or hundreds.

    Where there is no such interval, 6.
    """
    if width is None or not math.isfinite(width) or width <= 0:
        return 6
    return 2 - math.floor(math.log10(width / 2))


def rounded(value: float | None, decimals: int) -> str:
    """Write a number with so many decimals, or rounded to tens or hundreds."""
    if value is None or not math.isfinite(value):
        return "not a number" if value is None or math.isnan(value) else "infinite"
    if decimals > MOST_DECIMALS or abs(value) >= 1e15:
        return f"{value:.4g}"
    text = f"{round(value, decimals):,.{max(0, decimals)}f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return text.removeprefix("-") if float(text.replace("\N{NARROW NO-BREAK SPACE}", "")) == 0 else text


def short(value: float | None, digits: int = 4) -> str:
    """Write a number with so many digits at most, and without zeros at its end."""
    if value is None or not math.isfinite(value):
        return rounded(value, 0)
    if value == 0 or not 1e-5 <= abs(value) < 1e15:
        return f"{value:.{digits}g}"
    text = rounded(value, digits - 1 - math.floor(math.log10(abs(value))))
    return text.rstrip("0").rstrip(".") if "." in text else text


def percent(share: float) -> str:
    """Write a share of 1, as 95 %; the two never part at the end of a line."""
    return f"{short(100 * share)}\N{NO-BREAK SPACE}%"


def p_value(p: float | None) -> str:
    """Write a p value with two digits, and a tiny one as what it is less than: none is 0."""
    if p is None or math.isnan(p):
        return "not defined"
    return short(p, 2) if p >= LEAST_P else f"< {LEAST_P}"


def exact(value: float, text: str) -> SafeString:
    """Show a text for a number that is copied with all its digits; see copy.js."""
    return format_html('<data value="{}">{}</data>', repr(value), text)


def typed(value: Any) -> str:
    """Write a value as a form has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
