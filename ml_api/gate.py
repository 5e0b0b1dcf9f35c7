"""How many bytes of bodies a worker may hold at once."""

import threading
from collections.abc import Callable
from contextlib import suppress

from django.conf import settings
from django.http import HttpRequest, HttpResponse, UnreadablePostError

from lm_app.errors import Busy
from ml_api.problems import problem_response

SMALL = 64 * 1024
"""A body of so many bytes always gets in: all threads of a worker together can't hold much of them."""
COUNTED = "ml_api.counted"
"""In a request's environment where the server has read its body: how many bytes of it are counted."""
TAKE_BYTES = "ml_api.take_bytes"
"""In a request's environment: a function that counts what a body is decompressed to, or tells that it is too much."""
BUSY = str(Busy())


class BytesAtOnce:
    """Counts bytes. In work, a body takes several times its size."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.held = 0

    def take(self, size: int, *, beside: int = 0) -> bool:
        """Count more, where that is at most LM_MAX_BYTES_AT_ONCE. Who is alone with what it holds always may."""
        with self._lock:
            is_too_much = self.held > beside and self.held + size > settings.LM_MAX_BYTES_AT_ONCE
            self.held += 0 if is_too_much else size
        return not is_too_much

    def hold(self, size: int) -> None:
        """Count more; or fewer, where it is negative."""
        with self._lock:
            self.held += size


bytes_at_once = BytesAtOnce()


def bounded_bodies(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Answer 503 where the bodies in work have too many bytes together.

    One that is too large by itself is not read, and so not counted.
    """

    def middleware(request: HttpRequest) -> HttpResponse:
        if request.method == "GET":  # no route reads its body
            return get_response(request)
        most = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        size = most if "HTTP_TRANSFER_ENCODING" in request.META else int(request.META.get("CONTENT_LENGTH") or 0)
        counted, taken = request.META.get(COUNTED, 0), 0

        def take_bytes(more: int) -> bool:
            nonlocal taken
            is_room = bytes_at_once.take(more, beside=counted + taken)
            taken += more if is_room else 0
            return is_room

        request.META[TAKE_BYTES] = take_bytes
        if SMALL < size <= most and COUNTED not in request.META and not take_bytes(size):
            with suppress(UnreadablePostError):
                while request.read(SMALL):  # most clients read no answer before all is sent
                    pass
            return problem_response(503, BUSY, headers={"Retry-After": "1"})
        try:
            return get_response(request)
        finally:
            if taken:
                bytes_at_once.hold(-taken)

    return middleware
