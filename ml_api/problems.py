"""Errors over HTTP are application/problem+json (RFC 9457), never a traceback."""

from collections.abc import Mapping
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse

PROBLEM_JSON = "application/problem+json"


def problem_response(
    status: int,
    title: str,
    detail: str,
    errors: list[dict[str, Any]] | None = None,
    headers: Mapping[str, str] | None = None,
) -> HttpResponse:
    """A problem document; `errors` lists single faults of a request, where there may be several."""
    problem: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    if errors:
        problem["errors"] = errors
    return HttpResponse(orjson.dumps(problem), status=status, content_type=PROBLEM_JSON, headers=headers)


# Django's handlers (see ml_api/urls.py): for what happens before or outside the API.


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400, such as for a Host that is not in ALLOWED_HOSTS."""
    return problem_response(400, "Bad Request", "The server does not answer such a request; is the Host allowed?")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: no route has this URL."""
    return problem_response(404, "Not Found", f"There is nothing at {request.path}; /lm/api/docs lists what there is.")


def server_error(request: HttpRequest) -> HttpResponse:
    """500: a fault of ours. The log has the traceback."""
    return problem_response(500, "Internal Server Error", "The server failed; its log says why.")
