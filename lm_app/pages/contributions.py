"""What makes this prediction: the contributions of the terms, from R's predict(type = "terms")."""

from typing import Any

from django.conf import settings

from lm_app.api import never
from lm_app.errors import LmError
from lm_app.pages.numbers import rounded
from lm_app.pages.page import Page

OFFSET = "offset"
HALF = 100
"""The width of the longest bar."""
ROUNDING = 1e-9
"""Beyond this part of the prediction, what the terms do not explain is an offset of the formula."""


def context(page: Page) -> dict[str, Any]:
    """List what each term adds, the greatest first; with a problem, why that is not known."""
    if page.observations is None or page.prediction is None:
        return {}
    options = page.options
    try:
        more = page.model.lm.more(
            page.observations.columns,
            options.interval,
            options.level,
            se=False,
            terms=True,
            seconds=settings.LM_MAX_SECONDS,
            is_gone=never,
        )
    except LmError as error:
        return {"problem": str(error)}
    fit, start = page.prediction.fit[0], more.head["constant"] or 0.0
    added = {label: values[0] for label, values in more.terms["terms"].items()}
    rest = fit - start - sum(added.values())
    if abs(rest) > ROUNDING * max(abs(fit), *map(abs, added.values()), abs(start)):
        added[OFFSET] = rest
    decimals = page.decimals
    longest = max(map(abs, added.values()), default=0) or 1
    bars = [
        {"term": term, "adds": _signed(value, decimals), **_bar(value / longest)}
        for term, value in sorted(added.items(), key=lambda item: -abs(item[1]))
    ]
    has_intercept = page.info["intercept"] is not None
    return {
        "start": rounded(start, decimals),
        "fit": rounded(fit, decimals),
        "bars": bars,
        "has_offset": OFFSET in added,
        "has_intercept": has_intercept,
    }


def _signed(value: float, decimals: int) -> str:
    text = rounded(value, decimals)
    return text.replace("-", "\N{MINUS SIGN}") if text.startswith("-") else f"+{text}"


def _bar(part: float) -> dict[str, Any]:
    """Place a bar to the left or right of zero, which is at HALF."""
    width = round(abs(part) * HALF, 1)
    return {"x": HALF if part >= 0 else HALF - width, "width": width, "kind": "more" if part >= 0 else "less"}
