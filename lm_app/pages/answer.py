"""The first screen: what the model is, and its answer to what stands in the form."""

from typing import Any

from lm_app.pages.page import Page


def context(page: Page) -> dict[str, Any]:
    """Describe the model, the form and the answer."""
    return {}
