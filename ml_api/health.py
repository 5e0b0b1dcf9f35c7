"""Whether the server lives, and whether it is ready: what load balancers and supervisors ask.

Both are answered to any Host, by plain HTTP: they ask by an address, and follow no redirect. And both are answered by a
server that is at work on all that it takes (LM_MAX_WAITING): they are never refused, and go before all that waits. For
whoever restarts a server as it is busy, or takes it out of a load balancer, gives its work to the others, until these
are busy, too. (Gunicorn's own threads, ml_api/threads.py, don't know before who asks, and refuse them as others.)
"""

import logging
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse

from lm_app.engine import runtime
from lm_app.errors import LmError, TimedOut
from lm_app.store.live import live_model, model_states
from ml_api.probes import HEALTH_PATH, READY_PATH
from ml_api.problems import problem_response, told

logger = logging.getLogger(__name__)

SECONDS_FOR_R = 3.0
"""Less than a probe waits, 4 or 5 s. A busy R answers far sooner: its calls take some 10 ms, and then others come."""


def health(request: HttpRequest) -> HttpResponse:
    """Answer 200: the server lives. What a restart can't mend, such as a damaged model, is none of its business."""
    return JsonResponse({"status": "ok"})


def ready(request: HttpRequest) -> HttpResponse:
    """Answer the state of each model: 200 where R answers and all required models can be served, else 503 and why not.

    Required are the default model and LM_REQUIRED_MODELS. An R that is at one call for seconds answers nobody else, so
    that other instances should; this worker ends where that takes too long (docs/decisions/0010).

    App Service takes an instance that answers 503 out of its load balancer, but never all of them, and replaces one
    an hour at most. So 503 hides an instance that can't reach its models behind those that can, keeps an image
    without models from being swapped into production, and starts no endless round of restarts where the models are
    missing for all.
    """
    try:
        runtime.ask(SECONDS_FOR_R)
    except TimedOut:
        return not_ready([f"R does not answer within {SECONDS_FOR_R:g} s: it is at one call, or stuck"])
    except LmError as error:
        return not_ready([str(error)])
    required = dict.fromkeys(settings.LM_REQUIRED_MODELS, "LM_REQUIRED_MODELS names it")
    required[settings.LM_DEFAULT_MODEL] = f"LM_DEFAULT_MODEL is {settings.LM_DEFAULT_MODEL!r}"
    reasons = []
    for name, setting in required.items():
        try:
            live_model(name)
        except LmError as error:
            reasons.append(f"{error} ({setting})")
    models = [{**state._asdict(), "required": state.model in required} for state in model_states()]
    return not_ready(reasons, models=models) if reasons else JsonResponse({"status": "ready", "models": models})


def not_ready(reasons: list[str], **more: list[dict[str, object]]) -> HttpResponse:
    """Answer 503, and log why."""
    for reason in reasons:
        logger.warning("%s: %s", READY_PATH, reason)
    return told(problem_response(503, "; ".join(reasons), more=more, headers={"Retry-After": "1"}))


ANSWERS = {HEALTH_PATH: health, READY_PATH: ready}


def health_first(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Answer the probes before all that looks at the Host or redirects to HTTPS."""

    def middleware(request: HttpRequest) -> HttpResponse:
        probe = ANSWERS.get(request.path_info)
        return probe(request) if probe else get_response(request)

    return middleware
