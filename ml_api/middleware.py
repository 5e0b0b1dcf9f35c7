"""What every route has in common."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from ml_api.problems import problem_response

GetResponse = Callable[[HttpRequest], HttpResponse]


def optional_slash(get_response: GetResponse) -> GetResponse:
    """Answer every URL with and without a slash at its end, without a redirect."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path_info.endswith("/"):
            request.path_info = request.path_info.rstrip("/") or "/"
        return get_response(request)

    return middleware


def head_as_get(get_response: GetResponse) -> GetResponse:
    """Answer HEAD wherever GET is answered: with its headers, without its body (RFC 9110, 9.3.2)."""

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.method != "HEAD":
            return get_response(request)
        request.method = "GET"
        response = get_response(request)
        response.headers.setdefault("Content-Length", str(len(response.content)))
        response.content = b""
        return response

    return middleware


def method_not_allowed_as_problem(get_response: GetResponse) -> GetResponse:
    """Turn Ninja's plain-text 405 into a problem document."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if response.status_code != 405:
            return response
        allowed = ", ".join(sorted(response["Allow"].split(", ")))
        detail = f"{request.method} is not allowed at {request.path}; allowed: {allowed}."
        return problem_response(405, detail, headers={"Allow": allowed})

    return middleware
