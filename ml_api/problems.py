"""Errors over HTTP are application/problem+json (RFC 9457), never a traceback.

Their `type` is `about:blank`: the status says what kind of problem it is, and `detail` and `errors` say the rest.
"""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from django.core.exceptions import DisallowedHost
from django.http import HttpRequest, HttpResponse

from ml_api.hosts import why_refused
from ml_api.observe.request_id import HEADER

logger = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
SECURITY_HEADERS = {  # as Django's middleware sets them
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
FAILED = "The server failed; its log says why."
TOO_MANY = "More requests wait here than the server takes on; try again in a second."
PHRASES = {413: "Content Too Large", 422: "Unprocessable Content"}  # RFC 9110; Python before 3.13 has older ones


class ProblemResponse(HttpResponse):
    """A problem document; where a browser asks, `ml_api.middleware.problems_as_pages` makes a page of it."""

    def __init__(self, problem: dict[str, Any], headers: Mapping[str, str] | None = None) -> None:
        self.problem = problem
        content = orjson.dumps(problem)
        super().__init__(content, status=problem["status"], content_type=PROBLEM_JSON, headers=headers)


def problem_response(
    status: int,
    detail: str,
    errors: list[dict[str, Any]] | None = None,
    headers: Mapping[str, str] | None = None,
    more: Mapping[str, Any] | None = None,
) -> ProblemResponse:
    """Make a problem document; `errors` lists each error of a request, where there may be several.

    `more` are members of its own.
    """
    title = PHRASES.get(status) or HTTPStatus(status).phrase
    problem: dict[str, Any] = {"type": "about:blank", "title": title, "status": status, "detail": detail}
    problem |= more or {}
    if errors:
        problem["errors"] = errors
    return ProblemResponse(problem, headers)


def server_problem(status: int, detail: str, request_id: str) -> HttpResponse:
    """Make a problem document that the server itself answers, without Django's middleware: its connection closes."""
    headers = {HEADER: request_id, "Connection": "close", **({"Retry-After": "1"} if status == 503 else {})}
    return problem_response(status, detail, headers=headers | SECURITY_HEADERS)


def told(response: HttpResponse) -> HttpResponse:
    """Mark a response of which the log says why: Django would add a line that does not."""
    response._has_been_logged = True  # type: ignore[attr-defined]
    return response


# Django's handlers (see ml_api/urls.py): for what happens before or outside the API.


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400, such as for a Host that is not in ALLOWED_HOSTS. The log gets a line, and no traceback."""
    detail = "The server does not answer such a request."
    if isinstance(exception, DisallowedHost):
        detail = why_refused(request.META.get("HTTP_HOST", ""))
    logger.warning("%s", detail)
    return problem_response(400, detail)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 404: no route has this URL."""
    return problem_response(404, f"There is nothing at {request.path}; /lm/api/docs lists what there is.")


def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500: a bug of ours. The log has the traceback."""
    return problem_response(500, FAILED)
