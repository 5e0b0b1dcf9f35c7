"""The health route."""

import logging
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse

from lm_app.errors import LmError
from lm_app.store.live import live_model
from ml_api.problems import problem_response, told

logger = logging.getLogger(__name__)

HEALTH_PATH = "/healthz"


def health(request: HttpRequest) -> HttpResponse:
    """Answer whether the default model can be served: 200, or 503 and why not.

    App Service takes an instance that answers 503 out of its load balancer, but never all of them, and replaces one
    an hour at most. So 503 hides an instance that can't reach its models behind those that can, keeps an image
    without models from being swapped into production, and starts no endless round of restarts where the models are
    missing for all.
    """
    try:
        model = live_model(settings.LM_DEFAULT_MODEL)
    except LmError as error:
        detail = f"{error} (LM_DEFAULT_MODEL is {settings.LM_DEFAULT_MODEL!r})"
        logger.warning("%s: %s", HEALTH_PATH, detail)
        return told(problem_response(503, detail))
    return JsonResponse({"model": model.name, "version": model.version})


def health_first(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Answer the health route before all that looks at the Host or redirects to HTTPS.

    App Service asks by an address, over plain HTTP, and follows no redirect.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        return health(request) if request.path_info == HEALTH_PATH else get_response(request)

    return middleware
