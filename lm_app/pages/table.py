"""The section "Many at once": a file or pasted cells, which static/lm_app/table.js sends to the API."""

from typing import Any, get_args

from django.conf import settings

from lm_app.engine.lm import Interval
from lm_app.pages.page import Page
from lm_app.predictors import is_single_number, names_of


def context(page: Page) -> dict[str, Any]:
    """Tell which columns there have to be, and how large a file may be.

    `predictor` is the one that predictions are drawn by, where there is just one.
    """
    names = names_of(page.model.predictors)
    return {
        "predictor": names[0] if is_single_number(page.model.predictors) else "",
        "intervals": get_args(Interval),
        "columns": names,
        "cells": "\t".join(names) + "\n" + "\t".join(page.texts[name] for name in names),
        "most_rows": settings.LM_MAX_ROWS,
        "most_bytes": settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
    }
