"""Which models there are for the one who looks."""

from dataclasses import dataclass

from django.http import HttpRequest

from lm_app.store.live import live_models
from lm_app.store.version import LoadedModel

NEEDED = {"read", "predict"}
"""The rights of an API key that the pages need, where there are keys; see ml_api/access/keys.py."""


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model by its name, and its live version, or None."""

    name: str
    live: LoadedModel | None

    @property
    def title(self) -> str:
        """The title, or the name of a model that has none."""
        return str(self.live.info["title"]) if self.live else f"{self.name} (not trained)"


def listed_models(request: HttpRequest) -> list[ListedModel]:
    """List the models that the visitor may ask: all, where there are no API keys."""
    if needs_key(request):
        return []
    key = request.META.get("ml_api.key")  # see ml_api/access/middleware.py
    return [ListedModel(name, model) for name, model in live_models().items() if not key or key.may_ask(name)]


def needs_key(request: HttpRequest) -> bool:
    """Tell whether the pages would show more to one who sends an API key, or one with more rights."""
    key = request.META.get("ml_api.key")
    return key is not None and not key.rights >= NEEDED
