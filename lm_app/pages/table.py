"""The section "Many at once": a file or pasted cells, which static/lm_app/table.js sends to the API."""

from typing import Any

from django.conf import settings

from lm_app.pages.page import Page
from lm_app.predictors import is_single_number, names_of
from lm_app.response_scale import response_scale


def context(page: Page) -> dict[str, Any]:
    """Tell which columns there have to be, and how large a file may be.

    `predictor` is the one that predictions are drawn by, where there is just one. They are compared with the column of
    the response, or with `function` of it, which JavaScript's Math calls as R does.
    """
    response: str = page.info["response"]
    scale = response_scale(page.info)
    names = names_of(page.model.predictors)
    return {
        "predictor": names[0] if is_single_number(page.model.predictors) else "",
        "response": response,
        "column": scale["column"] or "" if scale else response.strip("`"),
        "function": response.partition("(")[0] if scale else "",
        "columns": names,
        "cells": "\t".join(names) + "\n" + "\t".join(page.texts[name] for name in names),
        "most_rows": settings.LM_MAX_ROWS,
        "most_bytes": settings.DATA_UPLOAD_MAX_MEMORY_SIZE,
    }
