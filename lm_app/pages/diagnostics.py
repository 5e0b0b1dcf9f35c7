"""How good the fit is: R's pictures of the residuals, how to read each, and what the numbers say of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from lm_app.pages.numbers import p_value, short
from lm_app.pages.page import Page

FAR = 2
"""Standardised residuals beyond it are about 5 % where the model holds."""
SIGNIFICANT = 0.05
NAMED = 3
"""So many rows are named."""

Info = Mapping[str, Any]


def context(page: Page) -> dict[str, Any]:
    """Describe the four pictures of R's plot.lm(); without residuals, why there are none."""
    info, drawn = page.info, page.model.plots()
    if not info.get("diagnostics"):
        return {"without": "The data are elsewhere, and with them the residuals."}
    if not info["sigma"]:
        return {"without": "The fit is exact: there are no residuals to look at."}
    pictures = [
        {
            "name": "residuals_vs_fitted",
            "title": "Residuals vs fitted",
            "reading": "The line should be flat at zero: where it bends, the formula misses a curve.",
            "verdict": _of_residuals(info),
        },
        {
            "name": "normal_qq",
            "title": "Normal Q-Q",
            "reading": "The points should follow the line: then the residuals are normal, and the intervals hold.",
            "verdict": _of_normality(info),
        },
        {
            "name": "scale_location",
            "title": "Scale-location",
            "reading": "The line should be flat: where it rises, greater predictions have greater errors.",
            "verdict": _of_variance(info),
        },
        {
            "name": "residuals_vs_leverage",
            "title": "Residuals vs leverage",
            "reading": "No point should lie beyond the dashed lines of Cook's distance: it would decide the fit alone.",
            "verdict": _of_influence(info),
        },
    ]
    measured = info.get("row_diagnostics")
    return {
        "pictures": [{**picture, "is_drawn": picture["name"] in drawn} for picture in pictures],
        "all_rows": measured and measured["n"] == len(measured["row"]),
    }


def _of_residuals(info: Info) -> str:
    measured = info.get("row_diagnostics")
    if measured is None:
        return "Which rows lie far off is known once the model is trained anew."
    what = f"more than {FAR} standard errors off, where about 5 % would be by chance"
    if not (far := measured["far"]):
        return f"No row lies {what}."
    residuals = zip(measured["row"], measured["std_residual"], strict=True)
    farthest = sorted((-abs(size), row) for row, size in residuals if size is not None)[:far]
    named = _rows([row for _, row in farthest], far)
    return f"{_counted(far, 'row')} of {measured['n']} {'lie' if far > 1 else 'lies'} {what}: {named}."


def _of_normality(info: Info) -> str:
    test = info["diagnostics"]["shapiro_wilk"]
    if not test:
        return "Not tested: there are too few residuals, or all are the same."
    what = "are not normal" if test["p_value"] < SIGNIFICANT else "could well be normal"
    tested = test.get("n", info["n"])
    of = "" if tested == info["n"] else f", of {tested} of the {info['n']} residuals"
    return f"The residuals {what} (Shapiro-Wilk: W = {short(test['w'])}, p {_equal(test['p_value'])}{of})."


def _of_variance(info: Info) -> str:
    tests = info["diagnostics"]
    test = tests.get("breusch_pagan_fitted") or tests["breusch_pagan"]  # as it was called before 1.1.0
    if test["p_value"] is None:
        return "Not tested."
    what = "The variance changes" if test["p_value"] < SIGNIFICANT else "Nothing says that the variance changes"
    value = short(test["statistic"])
    return f"{what} with the fitted values (Breusch-Pagan, studentised: {value}, p {_equal(test['p_value'])})."


def _of_influence(info: Info) -> str:
    cook = info["diagnostics"]["cooks_distance"]
    rule = f"a Cook's distance above 4/n = {short(cook['threshold'], 3)}"
    if not cook["above"]:
        return f"No row has {rule}."
    greatest = [each for each in cook["greatest"] if each["distance"] is not None][: min(NAMED, cook["above"])]
    named = ", ".join(f"row {each['row']} ({short(each['distance'], 2)})" for each in greatest)
    return f"{_counted(cook['above'], 'row')} {'have' if cook['above'] > 1 else 'has'} {rule}; the greatest: {named}."


def _equal(p: float) -> str:
    text = p_value(p)
    return text if text.startswith("<") else f"= {text}"


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count > 1 else ''}"


def _rows(rows: Sequence[int], count: int) -> str:
    named = ", ".join(f"row {row}" for row in rows[:NAMED])
    return named if count <= NAMED else f"{named} and {count - NAMED} more"
