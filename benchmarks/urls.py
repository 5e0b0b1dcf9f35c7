"""The project's URLs, and two that do nothing: what Django and Ninja cost on the very same server."""

from django.http import HttpRequest, HttpResponse
from django.urls import path
from ninja import NinjaAPI, Schema

from ml_api import urls
from ml_api.api import api

handler400, handler404, handler500 = urls.handler400, urls.handler404, urls.handler500

nothing = NinjaAPI(urls_namespace="benchmarks", renderer=api.renderer, docs_url=None, openapi_url=None)


class Nothing(Schema):
    """What an empty route answers."""

    fit: float


@nothing.get("/empty", response=Nothing)
def empty(request: HttpRequest) -> dict[str, float]:
    """An empty route with a response schema."""
    return {"fit": 47.736486}


def plain(request: HttpRequest) -> HttpResponse:
    """A Django view without Ninja."""
    return HttpResponse(b"47.736486", content_type="application/json")


urlpatterns = [*urls.urlpatterns, path("benchmarks/plain", plain), path("benchmarks/", nothing.urls)]
