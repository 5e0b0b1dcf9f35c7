"""Who asks, whether they may, and how often."""

from collections.abc import Callable, Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse

from ml_api.access.addresses import client_of
from ml_api.access.keys import ALL_MODELS, METRICS, NOBODY, PREDICT, READ, Key
from ml_api.access.limits import Limiter
from ml_api.observe.observed import KEY
from ml_api.probes import PROBES
from ml_api.problems import ProblemResponse, problem_response

DOCS, PAGES, HEALTH = OPEN = ("docs", "pages", "health")
"""What LM_OPEN may name. Where docs or pages are not open, they are for keys that may read all models."""
MODELS = "lm/api/models"
OF_A_MODEL = {
    "": READ,
    "/prototype": READ,
    "/list_keys": READ,
    "/key/<path:key>": READ,
    "/observations": READ,
    "/diagnostics": READ,
    "/card.md": READ,
    "/summary.txt": READ,
    "/lm.R": READ,
    "/plots": READ,
    "/plots/<name>.svg": READ,
    "/versions": READ,
    "/predict": PREDICT,
    "/predict/<value>": PREDICT,
}
NEEDED = {
    "": PAGES,
    "lm": PAGES,
    "lm/": PAGES,
    "lm/api/docs": DOCS,
    "lm/api/openapi.json": DOCS,
    MODELS: READ,
    METRICS: METRICS,
    **{f"{mount}{rest}": right for mount in ("lm/api", f"{MODELS}/<model>") for rest, right in OF_A_MODEL.items()},
    "lm/api/lm.R": DOCS,  # the client, of no model
}
"""What each route needs. A route that is not listed is refused to everybody."""
ABOUT_ALL = (MODELS, METRICS)
"""Routes about no one model; the list of models has those that the key may ask."""


class Access:
    """Finds who asks, refuses what a key has no right to, and counts; not there without keys and limits."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        if settings.LM_API_KEYS is None and not settings.LM_RATE_LIMIT:
            raise MiddlewareNotUsed
        self._get_response, self._keys = get_response, settings.LM_API_KEYS
        self._open = settings.LM_OPEN | ({METRICS} if settings.LM_METRICS == "open" else set())
        self._default_model = settings.LM_DEFAULT_MODEL  # asked once, as each takes its time
        self._limiter = Limiter(settings.LM_RATE_LIMIT, settings.REDIS_URL) if settings.LM_RATE_LIMIT else None

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Find the key, and count the request. Health is never counted, and answered before there is a route."""
        environ, key = request.META, NOBODY
        if self._keys:
            environ[KEY] = key = self._keys.find(sent_key(environ))
        if request.path_info in PROBES:
            is_open = not self._keys or HEALTH in self._open or key is not NOBODY
            return self._get_response(request) if is_open else unauthorized(environ)
        if not self._limiter:
            return self._get_response(request)
        left, refusal = self._limiter.count(key.name or name_of_client(environ))
        response = refusal or self._get_response(request)
        response.headers._store["ratelimit"] = "RateLimit", left  # Django would look at each character
        return response

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: dict[str, Any]) -> HttpResponse | None:
        """Refuse what the key has no right to."""
        if not self._keys:
            return None
        key: Key = request.META[KEY]
        route = request.resolver_match.route  # type: ignore[union-attr]
        right = NEEDED.get(route)
        if right in key.rights and ALL_MODELS in key.models:  # most have
            return None
        model = kwargs.get("model", self._default_model)
        if right in self._open or (right in key.rights and (route in ABOUT_ALL or key.may_ask(model))):
            return None
        if key is NOBODY:
            return unauthorized(request.META)
        if right in OPEN:
            if READ in key.rights and key.may_ask(ALL_MODELS):
                return None
            right, about = READ, " about all models"
        else:
            about = "" if route in ABOUT_ALL else f" about the model {model!r}"
        asked = f"the right {right!r}{about}" if right else f"a right to {route}, and no key has"
        return forbidden(key.name, asked)


def name_of_client(environ: Mapping[str, Any]) -> str:
    """Name who sent no key by its address; all who come by one Unix socket are one."""
    client = client_of(environ)
    return client.name if client else "unix"


def sent_key(environ: Mapping[str, Any]) -> str:
    """Return the key that was sent, or nothing. X-API-Key goes first: Authorization may be for a proxy."""
    key: str = environ.get("HTTP_X_API_KEY", "")
    if key:
        return key
    scheme, _, key = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def forbidden(name: str, asked: str) -> ProblemResponse:
    """Answer whose key has no right to what it asks."""
    return problem_response(403, f"The API key {name!r} does not have {asked}.")


def unauthorized(environ: Mapping[str, Any]) -> ProblemResponse:
    """Answer who sent no key, or one that is not good."""
    what = "The API key is not one that is good here" if sent_key(environ) else "This needs an API key"
    detail = f"{what}; send one as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'."
    return problem_response(401, detail, headers={"WWW-Authenticate": "Bearer"})
