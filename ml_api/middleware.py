"""What every route has in common."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse

from lm_app import store
from lm_app.errors import RequestError
from ml_api.problems import problem_response

GetResponse = Callable[[HttpRequest], HttpResponse]

HEALTH_PATH = "/healthz"


def optional_slash(get_response: GetResponse) -> GetResponse:
    """Every URL is answered with and without a slash at its end, without a redirect."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path_info.endswith("/"):
            request.path_info = request.path_info.rstrip("/") or "/"
        return get_response(request)

    return middleware


def head_as_get(get_response: GetResponse) -> GetResponse:
    """HEAD is answered wherever GET is: with its headers, without its body (RFC 9110, 9.3.2)."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.method != "HEAD":
            return get_response(request)
        request.method = "GET"
        response = get_response(request)
        response.headers.setdefault("Content-Length", str(len(response.content)))
        response.content = b""
        return response

    return middleware


def health(get_response: GetResponse) -> GetResponse:
    """Whether the default model can be served: 200, or 503 and why not.

    This comes before all that looks at the Host or redirects to HTTPS: App Service asks by an address, over
    plain HTTP, and follows no redirect. It takes an instance that answers 503 out of its load balancer, but
    never all of them, and replaces one an hour at most. So 503 hides an instance that can't reach its models
    behind those that can, keeps an image without models from being swapped into production, and starts no
    endless round of restarts where the models are missing for all.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path_info != HEALTH_PATH:
            return get_response(request)
        try:
            model = store.live(settings.LM_DEFAULT_MODEL)
        except RequestError as error:
            return problem_response(503, error.title, str(error))
        return JsonResponse({"model": model.name, "version": model.version})

    return middleware


def method_not_allowed_as_problem(get_response: GetResponse) -> GetResponse:
    """Ninja answers a method that a route does not have by itself, in plain text."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if response.status_code != 405:
            return response
        allowed = ", ".join(sorted(response["Allow"].split(", ")))
        detail = f"{request.method} is not allowed at {request.path}; allowed: {allowed}."
        return problem_response(405, "Method Not Allowed", detail, headers={"Allow": allowed})

    return middleware
