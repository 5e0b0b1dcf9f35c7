"""The pages, for people in a browser."""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.gzip import gzip_page

from lm_app.api import asked_model
from lm_app.errors import LmError, Unknown, UnknownModel
from lm_app.pages import answer, card, coefficients, contributions, diagnostics, elsewhere, table, values, versions
from lm_app.pages.models import listed_models, needs_key
from lm_app.pages.page import MODEL_PARAMETER, Page, page_of

SECTIONS: dict[str, Callable[[Page], dict[str, Any]]] = {
    "answer": answer.context,
    "values": values.context,
    "contributions": contributions.context,
    "coefficients": coefficients.context,
    "diagnostics": diagnostics.context,
    "versions": versions.context,
    "table": table.context,
    "elsewhere": elsewhere.context,
    "card": card.context,
}
"""The main page's sections in their order: each has a template, sections/<name>.html, where <name> is its context."""
FOLLOWING = ("values", "contributions", "elsewhere")
"""The sections that follow the form: while fields change, their elements, of these ids, are swapped."""
NEEDS_KEY = (
    "The models here are for those who send an API key with the rights read and predict, "
    "as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'."
)


@gzip_page
def index(request: HttpRequest) -> HttpResponse:
    """Render /, the index page: the models."""
    context = {"models": listed_models(request), "problem": NEEDS_KEY if needs_key(request) else ""}
    return render(request, "lm_app/index.html", context)


@gzip_page
def main_page(request: HttpRequest) -> HttpResponse:
    """Render /lm, the main page: a model, and its answer to what the URL asks."""
    models = listed_models(request)
    names = [model.name for model in models]
    name = request.GET.get(MODEL_PARAMETER) or settings.LM_DEFAULT_MODEL
    if MODEL_PARAMETER not in request.GET and names and name not in names:
        name = names[0]
    context: dict[str, Any] = {"models": models, "name": name}
    if needs_key(request):
        return render(request, "lm_app/main_page.html", context | {"problem": NEEDS_KEY})
    try:
        if name not in names:
            raise UnknownModel(name, names)
        page = page_of(request, asked_model(request, name))
    except LmError as error:
        status = 404 if isinstance(error, Unknown) and names else 200
        return render(request, "lm_app/main_page.html", context | {"problem": error}, status=status)
    context |= {section: describe(page) for section, describe in SECTIONS.items()}
    context["following"] = [section for section in FOLLOWING if section in SECTIONS]
    context |= {"page": page, "sections": [f"lm_app/sections/{section}.html" for section in SECTIONS]}
    return render(request, "lm_app/main_page.html", context)
