"""The model card as part of the page: the same facts as in MODEL_CARD.md, and R's summary."""

from typing import Any

from lm_app.pages.numbers import short
from lm_app.pages.page import Page
from lm_app.pages.ranges import trained_on

FEW = 30
"""Observations; with fewer, the card warns."""


def context(page: Page) -> dict[str, Any]:
    """Describe the model as its card does."""
    info = page.info
    accuracy = (
        ("R²", info["r_squared"]),
        ("adjusted R²", info["adjusted_r_squared"]),
        (f"residual standard error, on {info['df_residual']} degrees of freedom", info["sigma"]),
        ("error on new data (leave-one-out, PRESS RMSE)", info["press_rmse"]),
        ("AIC", info["aic"]),
        ("BIC", info["bic"]),
    )
    return {
        "predictors": [{**predictor, "trained_on": trained_on(predictor)} for predictor in info["predictors"]],
        "accuracy": [(what, "not defined" if value is None else short(value)) for what, value in accuracy],
        "few": info["n"] < FEW,
        "scale": page.scale,
        "summary": info["call"].strip("\n"),
    }
