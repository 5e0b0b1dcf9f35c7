"""How much may be in work at once."""

import threading
from collections.abc import Callable
from contextlib import suppress

from django.conf import settings
from django.http import HttpRequest, HttpResponse, UnreadablePostError

from ml_api.problems import problem_response

SMALL = 64 * 1024
"""A body of so many bytes always gets in: all threads of a worker together can't hold much of them."""


def bounded_bodies(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Answer 503 where the bodies in work have more than LM_MAX_BYTES_AT_ONCE bytes together.

    In work, a body takes several times its size. One that is too large by itself is not read, and so not counted.
    """
    lock = threading.Lock()
    in_work = 0

    def middleware(request: HttpRequest) -> HttpResponse:
        nonlocal in_work
        if "CONTENT_LENGTH" not in request.META:  # a GET, by far the most
            return get_response(request)
        size = int(request.META["CONTENT_LENGTH"] or 0)
        if not SMALL < size <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            return get_response(request)
        with lock:
            is_too_much = in_work > 0 and in_work + size > settings.LM_MAX_BYTES_AT_ONCE
            in_work += 0 if is_too_much else size
        if is_too_much:
            with suppress(UnreadablePostError):
                while request.read(SMALL):  # most clients read no answer before all is sent
                    pass
            detail = "The server is at work on as many bytes as it takes at once; try again in a second."
            return problem_response(503, detail, headers={"Retry-After": "1"})
        try:
            return get_response(request)
        finally:
            with lock:
                in_work -= size

    return middleware
