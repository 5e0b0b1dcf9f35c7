"""The pages, for people in a browser."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from lm_app.errors import LmError, UnknownModel
from lm_app.pages import answer
from lm_app.pages.models import listed_models
from lm_app.pages.page import MODEL_PARAMETER, Page, page_of
from lm_app.store.live import live_model

SECTIONS: dict[str, Callable[[Page], dict[str, Any]]] = {
    "answer": answer.context,
}
"""The main page's sections in their order: each has a template, sections/<name>.html, where <name> is its context."""


def index(request: HttpRequest) -> HttpResponse:
    """Render /, the index page: the models."""
    return render(request, "lm_app/index.html", {"models": listed_models(request)})


def main_page(request: HttpRequest) -> HttpResponse:
    """Render /lm, the main page: a model, and its answer to what the URL asks."""
    name = request.GET.get(MODEL_PARAMETER) or settings.LM_DEFAULT_MODEL
    models = listed_models(request)
    context: dict[str, Any] = {"models": models, "name": name}
    try:
        if name not in {model.name for model in models}:
            raise UnknownModel(name, [model.name for model in models])
        page = page_of(request, live_model(name))
    except LmError as error:
        is_unknown = isinstance(error, UnknownModel) and MODEL_PARAMETER in request.GET
        return render(request, "lm_app/main_page.html", context | {"problem": error}, status=404 if is_unknown else 200)
    context |= {section: describe(page) for section, describe in SECTIONS.items()}
    context |= {"page": page, "sections": [f"lm_app/sections/{section}.html" for section in SECTIONS]}
    return render(request, "lm_app/main_page.html", context)
