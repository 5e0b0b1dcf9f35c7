"""How the model became what it is: its versions, how well each predicts, and two of them side by side."""

from collections.abc import Mapping
from typing import Any

from lm_app.api import listed
from lm_app.errors import Damaged, LmError
from lm_app.pages.numbers import decimals_of, rounded, short
from lm_app.pages.page import COMPARED, Page
from lm_app.store.folder import ModelFolder
from lm_app.store.live import find_folder

WIDTH, HEIGHT, MARGIN = 600, 200, 40
"""Of the plot, in its own units."""


def context(page: Page) -> dict[str, Any]:
    """List the versions, oldest first, and compare the two that are chosen, else the newest with the one before."""
    try:
        folder = find_folder(page.model.name)
    except LmError as error:  # the store went away while the model stays in memory
        return {"problem": str(error)}
    rows = [listed(version, folder) for version in folder.versions()]
    is_after_live = False
    for row in rows:
        row["rolled_back"] = is_after_live
        is_after_live = is_after_live or row["live"]
        row["error_of_prediction"] = short(row.get("press_rmse")) if row.get("press_rmse") is not None else ""
        row["r_squared"] = short(row.get("r_squared")) if row.get("r_squared") is not None else ""
    names = [row["version"] for row in rows if "error" not in row]
    defaults = dict(zip(COMPARED, names[-2:], strict=False))
    chosen = {key: page.request.GET.get(key, defaults.get(key, "")) for key in COMPARED}
    kept = [(name, value) for name, values in page.request.GET.lists() if name not in COMPARED for value in values]
    return {
        "rows": rows,
        "plot": _plot(rows),
        "names": names,
        "chosen": chosen,
        "kept": kept,
        "compared": _compared(folder, chosen) if len(names) > 1 else None,
    }


def _plot(rows: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Place PRESS RMSE over the versions; from zero, so that a small change looks like one."""
    known = [(i, row) for i, row in enumerate(rows) if row.get("press_rmse") is not None]
    if len(known) < 2:
        return None
    highest = max(row["press_rmse"] for _, row in known) or 1
    step = (WIDTH - 2 * MARGIN) / max(1, len(rows) - 1)
    points = [
        {
            **row,
            "x": round(MARGIN + i * step, 1),
            "y": round(HEIGHT - MARGIN - row["press_rmse"] / highest * (HEIGHT - 2 * MARGIN), 1),
        }
        for i, row in known
    ]
    line = " ".join(f"{point['x']},{point['y']}" for point in points)
    return {"points": points, "line": line, "highest": short(highest, 3), "bottom": HEIGHT - MARGIN}


def _compared(folder: ModelFolder, chosen: Mapping[str, str]) -> dict[str, Any]:
    """Put the coefficients of two versions side by side, by their terms."""
    try:
        versions = [folder.kept_version(chosen[key]) for key in COMPARED]
        estimates = [{each["term"]: each for each in version.info()["coefficients"]} for version in versions]
    except (LmError, Damaged) as error:
        return {"problem": str(error)}
    terms = dict.fromkeys([*estimates[0], *estimates[1]])
    rows = [{"term": term, "values": [_estimate(found.get(term)) for found in estimates]} for term in terms]
    return {"versions": [version.name for version in versions], "rows": rows}


def _estimate(coefficient: Mapping[str, Any] | None) -> str:
    if coefficient is None:
        return "no such term"
    numbers = [coefficient[name] for name in ("estimate", "lower", "upper")]
    if None in numbers:
        return "aliased"
    decimals = decimals_of(numbers[2] - numbers[1])
    estimate, lower, upper = (rounded(value, decimals) for value in numbers)
    return f"{estimate} ({lower} to {upper})"
