"""The first screen: what the model is, and its answer to what stands in the form."""

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.utils.safestring import SafeString

from lm_app.pages.equation import equation_of
from lm_app.pages.form import fields_of, options_of
from lm_app.pages.numbers import decimals_of, exact, percent, rounded, short
from lm_app.pages.page import Page
from lm_app.pages.picture import picture_of
from lm_app.response_scale import back_transformed


def context(page: Page) -> dict[str, Any]:
    """Describe the model, the form and the answer."""
    info = page.info
    shown, more = equation_of(info)
    fields = fields_of(page)
    return {
        "terms": shown,
        "more_terms": more,
        "figures": figures(info),
        "fields": fields,
        **options_of(page),
        "result": result(page),
        "picture": picture_of(page),
        "has_plot": "fit" in page.model.plots(),
        "follows": [f"#{field.id}-error" for field in fields],
    }


def figures(info: Mapping[str, Any]) -> list[tuple[str, str | SafeString, str]]:
    """Name the key figures in words, each with what it means."""
    sigma, press = info["sigma"], info.get("press_rmse")
    trained = datetime.fromisoformat(info["trained_at"].replace("Z", "+00:00"))
    found: list[tuple[str, str | SafeString, str]] = [
        ("observations", f"{info['n']:,}".replace(",", "\N{NARROW NO-BREAK SPACE}"), "that the model was fitted to"),
        ("trained", f"{trained:%d %b %Y}".lstrip("0"), info["trained_at"]),
    ]
    if press is not None:
        meaning = "root mean square error of each observation, predicted without it (PRESS)"
        found.insert(0, ("error on new data", _error(press), meaning))
    found.insert(0, ("typical error", _error(sigma), "residual standard error"))
    if info["r_squared"] is not None:
        found.insert(0, ("R\N{SUPERSCRIPT TWO}", f"{info['r_squared']:.2f}", "share of the variance that is explained"))
    return found


def _error(value: float) -> SafeString:
    return exact(value, f"\N{PLUS-MINUS SIGN} {short(value, 2)}")


def result(page: Page) -> dict[str, Any] | None:
    """Say the answer in words: numbers with the digits that the interval's width leaves. None where there is none."""
    if page.prediction is None:
        return None
    answer: dict[str, Any] = {"fit": _number(page.prediction.fit[0], page.decimals)}
    if page.prediction.lower and page.prediction.upper:
        answer |= _limits(page.prediction.lower[0], page.prediction.upper[0], page.decimals)
    if page.scale and (read := back_transformed(page.scale, page.prediction).get("back_transformed")):
        lower, upper = read.get("lower"), read.get("upper")
        decimals = decimals_of(upper - lower if lower is not None and upper is not None else None)
        answer["median"] = {"fit": _number(read["median"], decimals), **_limits(lower, upper, decimals)}
    return {
        **answer,
        "level": percent(page.options.level),
        "interval": page.options.interval,
        "extrapolated": bool(page.observations and any(page.observations.extrapolated or [])),
        "warnings": page.prediction.warnings,
    }


def _limits(lower: float | None, upper: float | None, decimals: int) -> dict[str, str]:
    return {"lower": _number(lower, decimals), "upper": _number(upper, decimals)}


def _number(value: float | None, decimals: int) -> str:
    text = rounded(value, decimals)
    return text if value is None or not math.isfinite(value) else exact(value, text)
