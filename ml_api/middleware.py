"""What every route has in common."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import ResponseHeaders
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers

from ml_api.observe.observed import ROUTE
from ml_api.problems import PROBLEM_JSON, SECURITY_HEADERS, ProblemResponse, problem_response

GetResponse = Callable[[HttpRequest], HttpResponse]


def security_headers(get_response: GetResponse) -> GetResponse:
    """Set the headers that each response has, the server's own, too; see ml_api/problems.py.

    All at once, as Django would look at each of their characters in each response anew.
    """
    checked = ResponseHeaders(SECURITY_HEADERS)._store

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers._store = checked | response.headers._store
        return response

    return middleware


def problems_as_pages(get_response: GetResponse) -> GetResponse:
    """Answer a problem as a page where the client prefers HTML to JSON, as browsers do and programs don't."""

    def middleware(request: HttpRequest) -> HttpResponse:
        is_head = request.method == "HEAD"  # asked before as_routes_expect() makes it a GET
        response = get_response(request)
        if not isinstance(response, ProblemResponse):
            return response
        patch_vary_headers(response, ["Accept"])
        if request.get_preferred_type([PROBLEM_JSON, "application/json", "text/html"]) == "text/html":
            page = render_to_string("lm_app/problem.html", {"problem": response.problem}).encode()
            response["Content-Type"], response["Content-Length"] = "text/html; charset=utf-8", str(len(page))
            response.content = b"" if is_head else page
        return response

    return middleware


def as_routes_expect(get_response: GetResponse) -> GetResponse:
    """Answer every URL with and without a slash at its end, and HEAD wherever GET is answered.

    HEAD gets the headers of GET, without its body (RFC 9110, 9.3.2).
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.path_info.endswith("/"):
            request.path_info = request.path_info.rstrip("/") or "/"
        is_head = request.method == "HEAD"
        if is_head:
            request.method = "GET"
        response = get_response(request)
        if request.resolver_match:
            request.META[ROUTE] = request.resolver_match.route
        response.headers.setdefault("Content-Length", str(len(response.content)))
        if is_head:
            response.content = b""
        return response

    return middleware


def method_not_allowed_as_problem(get_response: GetResponse) -> GetResponse:
    """Turn a plain-text 405, of Ninja or of the static files, into a problem document."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        if response.status_code != 405:
            return response
        allowed = ", ".join(sorted(response["Allow"].split(", ")))
        detail = f"{request.method} is not allowed at {request.path}; allowed: {allowed}."
        return problem_response(405, detail, headers={"Allow": allowed})

    return middleware


def known_host(get_response: GetResponse) -> GetResponse:
    """Refuse a Host that is not in ALLOWED_HOSTS."""

    def middleware(request: HttpRequest) -> HttpResponse:
        request.get_host()
        return get_response(request)

    return middleware
