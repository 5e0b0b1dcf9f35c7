"""One request and its response, between Granian (https://github.com/emmett-framework/granian) and WSGI."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from contextlib import suppress
from io import BytesIO
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from django.conf import settings

from ml_api.gate import BUSY, COUNTED, SMALL, bytes_at_once
from ml_api.observe.observed import QUEUED, REQUEST_ID
from ml_api.observe.request_id import answering, identify
from ml_api.probes import PROBES
from ml_api.problems import FAILED, TOO_MANY, server_problem

if TYPE_CHECKING:
    from ml_api.worker import GranianWorker

logger = logging.getLogger(__name__)

CLIENT_GONE = "ml_api.client_gone"
"""In the environment of a request with a large body: a function that tells whether its client went away."""
MANY_PARTS, PART = 1000, 512
"""More parts of a body than that must have so many bytes on average: each costs more than it brings."""


class Turns:
    """Has so many requests answered at once. Others wait; where too many do, more are refused.

    Probes are not, and wait before the others; see ml_api/health.py.
    """

    def __init__(self, threads: int, most_waiting: int) -> None:
        self._free, self._most_waiting = threads, most_waiting
        self._waiting: deque[Exchange] = deque()
        self._lock = threading.Lock()

    def take(self, exchange: Exchange) -> None:
        """Answer it now, and then those that have begun to wait meanwhile; or have it wait for another's thread."""
        exchange.was_whole = time.monotonic()
        with self._lock:
            is_free, waits = self._free > 0, len(self._waiting) < self._most_waiting
            if is_free:
                self._free -= 1
            elif exchange.is_probe:
                self._waiting.appendleft(exchange)
                waits = True
            elif waits:
                self._waiting.append(exchange)
        if is_free:
            following: Exchange | None = exchange
            while following:
                following.answer()
                with self._lock:
                    following = self._waiting.popleft() if self._waiting else None
                    self._free += following is None
        elif not waits:
            exchange.refuse(503, TOO_MANY)


class Exchange:
    """A request, from its header to its response."""

    def __init__(self, worker: GranianWorker, scope: Any, proto: Any) -> None:
        self.worker, self.scope, self.proto = worker, scope, proto
        self.began = self.was_whole = time.monotonic()
        self.environ = worker.environ_of(scope)
        identify(self.environ)
        self.is_reading = self.is_too_large = False
        self.parts: list[bytes] = []
        self.held = 0
        """Bytes of the body that are counted."""
        self.refusal: tuple[int, str] | None = None
        self.gone: Any = None

    @property
    def is_probe(self) -> bool:
        """Does a load balancer or a supervisor ask?"""
        return self.environ["PATH_INFO"].rstrip("/") in PROBES

    def begin(self) -> None:
        """Have the body read, where there is one, and the request answered.

        Rust reads it, and no thread of Python waits. What is too large stays unread; Django says so, by its length.
        """
        self.worker.exchanges.add(self)
        length = int(self.environ.get("CONTENT_LENGTH", 0))
        is_chunked = "HTTP_TRANSFER_ENCODING" in self.environ
        self.is_too_large = length > settings.DATA_UPLOAD_MAX_MEMORY_SIZE
        if self.is_too_large or not (length or is_chunked):
            self.worker.turns.take(self)
            return
        self.is_reading = True
        if length <= SMALL and not is_chunked:
            self.proto().add_done_callback(self.take_all)
        else:
            self.gone = self.proto.client_disconnect()
            self.environ[CLIENT_GONE] = self.gone.done
            self.proto.__aiter__()
            self.read_part()

    def take_all(self, future: Any) -> None:
        """Take a small body, all at once."""
        with suppress(RuntimeError):  # Granian's, where the client went away
            self.parts.append(future.result())
        self.end_body()

    def read_part(self) -> None:
        """Have the next part of a large body read."""
        self.proto.__anext__().add_done_callback(self.take_part)

    def take_part(self, future: Any) -> None:
        """Take a part of a large body, as long as there is room for it; the last one is empty."""
        part = future.result()
        size = self.held + len(part)
        if not part:
            self.end_body()
        elif size > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            self.is_too_large, self.environ["CONTENT_LENGTH"] = True, str(size)
            self.end_body()
        elif len(self.parts) > MANY_PARTS and self.held < PART * len(self.parts):
            self.refusal = 400, f"The body comes in parts of less than {PART} bytes; send it as a whole."
            self.end_body()
        else:
            if not self.refusal and bytes_at_once.take(len(part), beside=self.held):
                self.parts.append(part)
                self.held = size
            else:
                self.refusal = 503, BUSY  # told when all has come: most clients read no answer before
            self.read_part()

    def end_body(self) -> None:
        """Go on with what has come of the body."""
        self.is_reading = False
        content = b"".join(self.parts)
        self.parts.clear()
        length = int(self.environ.setdefault("CONTENT_LENGTH", str(len(content))))
        if self.refusal:
            self.refuse(*self.refusal)
        elif len(content) < length and not self.is_too_large:
            self.refuse(400, "The client went away.")  # nobody reads it
        else:
            self.environ |= {"wsgi.input": BytesIO(content), COUNTED: self.held}
            self.worker.turns.take(self)

    def refuse_if_late(self) -> None:
        """Answer 408 where the body has taken too long."""
        seconds = settings.LM_BODY_SECONDS
        if self.is_reading and time.monotonic() > self.began + seconds:
            self.is_reading = False
            self.refuse(408, f"The body did not come within {seconds} s (LM_BODY_SECONDS).")

    def answer(self) -> None:
        """Have the application answer."""
        head: list[Any] = []
        self.environ[QUEUED] = time.monotonic() - self.was_whole

        def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> None:
            head[:] = int(status[:3]), headers

        try:
            response = self.worker.wsgi(self.environ, start_response)
            content = b"".join(response)
            response.close()
            status, headers = head
        except Exception:
            with answering(self.environ):
                logger.exception("%s failed", quote(self.scope.path)[:200])  # a line feed in it starts no line there
            self.refuse(500, FAILED)
        else:
            self.respond(status, headers, content)

    def refuse(self, status: int, detail: str) -> None:
        """Respond with a problem of the server's own."""
        problem = server_problem(status, detail, self.environ[REQUEST_ID])
        self.respond(status, list(problem.items()), problem.content)

    def respond(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        """Send the response, unless there was one."""
        bytes_at_once.hold(-self.held)
        self.held = 0
        try:
            self.worker.exchanges.remove(self)
        except KeyError:  # its body came late, when that was told already
            return
        if (self.is_too_large or self.worker.is_closing) and ("Connection", "close") not in headers:
            headers.append(("Connection", "close"))
        if self.gone:
            self.gone.cancel()
        try:  # to observe it afterwards would take Rust's turn, who sends it
            self.worker.observe(self, status, len(content))
        finally:
            self.proto.response_bytes(status, headers, content)
