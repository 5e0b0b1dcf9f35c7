"""What the picture shows, as tables: for those who don't see it, or want to copy the numbers."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from lm_app.pages.numbers import rounded, short
from lm_app.pages.page import Page
from lm_app.pages.picture import picture_of

EVERY = 4
"""Of the points of a line every fourth is told."""
EPOCH = datetime(1970, 1, 1)


def context(page: Page) -> dict[str, Any]:
    """Make a table for each panel of the picture."""
    panels = picture_of(page)["panels"]
    return {"level": short(100 * page.options.level), "panels": [_table(panel, page.decimals) for panel in panels]}


def _table(panel: Mapping[str, Any], decimals: int) -> dict[str, Any]:
    every = 1 if "labels" in panel else EVERY
    of_line = [panel[name][::every] for name in ("x", "fit", "mean", "new")]
    labels = panel.get("labels") or [_as_read(x, panel["type"]) for x in of_line[0]]
    rows = [
        [label, rounded(fit, decimals), *(" to ".join(rounded(limit, decimals) for limit in band) for band in bands)]
        for label, _, fit, *bands in zip(labels, *of_line, strict=True)
    ]
    return {"name": panel["name"], "unit": panel["unit"], "rows": rows}


def _as_read(x: float, kind: str) -> str:
    if kind == "date":
        return (EPOCH + timedelta(days=x)).date().isoformat()
    if kind == "date-time":
        return (EPOCH + timedelta(seconds=x)).isoformat(timespec="seconds") + "Z"
    return short(x)
