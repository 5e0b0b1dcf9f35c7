"""The pages, for people in a browser."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from lm_app.store.live import live_models


def index(request: HttpRequest) -> HttpResponse:
    """Render /, the index page."""
    return render(request, "lm_app/index.html")


def main_page(request: HttpRequest) -> HttpResponse:
    """Render /lm, the main page: each model, and the observations that it was fitted to."""
    return render(request, "lm_app/main_page.html", {"models": live_models()})
