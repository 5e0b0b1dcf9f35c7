"""The pages, for people in a browser."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def index(request: HttpRequest) -> HttpResponse:
    """Render /, the index page."""
    return render(request, "lm_app/index.html")


def main_page(request: HttpRequest) -> HttpResponse:
    """Render /lm, the main page."""
    return render(request, "lm_app/main_page.html")
