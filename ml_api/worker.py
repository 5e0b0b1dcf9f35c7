"""Gunicorn's worker around Granian's HTTP server; see docs/decisions/0011-granian-under-gunicorn.md."""

from __future__ import annotations

import logging
import os
import select
import socket
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from io import BytesIO
from typing import Any

from django.conf import settings
from gunicorn.http.message import _ip_in_allow_list
from gunicorn.workers.base import Worker

from ml_api.exchange import Exchange, Turns
from ml_api.granian_core import serve
from ml_api.observe.observed import observe
from ml_api.sockets import allow_files, end_where_unread, stop_accepting

Stop = Callable[[Callable[[], None]], None]
logger = logging.getLogger(__name__)

SECONDS_TO_ACCEPT = 0.2
"""How long a worker that ends takes the connections that wait already."""
SECONDS_TO_CLOSE = 0.5
"""How long a worker that ends still answers on kept connections, each time with `Connection: close`."""
SECONDS_TO_TAKE = 3
"""How long clients of a worker that ends have to take their responses."""
OTHER_FILES = 200
"""That a worker may have open beside its connections."""
CONTENT = "CONTENT_LENGTH", "CONTENT_TYPE"
"""The two headers that WSGI names as they are."""


class GranianWorker(Worker):  # type: ignore[misc]
    """Has a thread of Rust read requests and write responses, and threads of Python answer them."""

    handle_quit = Worker.handle_exit  # at SIGINT and SIGQUIT, too, answer what is in flight

    def run(self) -> None:
        """Serve until a signal, or until the master is gone; beat all the while."""
        with suppress(OSError):  # where it is forbidden
            # Threads that start now run until they wait, whoever else could: Rust's then has several responses to send
            # at once, and as many requests to bring. See docs/decisions/0011-granian-under-gunicorn.md.
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
        self.is_closing = False
        self.exchanges: set[Exchange] = set()
        self.turns = Turns(self.cfg.threads, settings.LM_MAX_WAITING)
        self.environ = self.base_environ()
        self.secure = {variable(name): value for name, value in self.cfg.secure_scheme_headers.items()}
        allow_files(self.cfg.worker_connections + OTHER_FILES)
        stops = [self.serve(listener.sock) for listener in self.sockets]
        while self.alive and self.ppid == os.getppid():
            self.beat(1)
            for exchange in tuple(self.exchanges):
                exchange.refuse_if_late()
        self.is_closing = True
        self.beat_for(SECONDS_TO_ACCEPT)
        for listener in self.sockets:
            stop_accepting(listener.sock)
        self.beat_for(SECONDS_TO_CLOSE)
        self.end(stops)

    def serve(self, listener: socket.socket) -> Stop:
        """Serve one of the sockets; gunicorn's settings say how."""
        end_where_unread(listener)
        return serve(
            listener,
            self.handle,
            backlog=self.cfg.backlog,
            connections=self.cfg.worker_connections,
            header_seconds=self.cfg.keepalive,
            threads=self.cfg.threads + 1,  # one has requests wait, or refuses them, while the others answer
        )

    def handle(self, watcher: Any) -> None:
        """Begin with a request whose header has come."""
        try:
            Exchange(self, watcher.scope, watcher.proto).begin()
        except Exception:  # nobody else would tell
            logger.exception("A request failed")

    def beat(self, seconds: float) -> None:
        """Show the master that the worker lives, and wait for a signal."""
        self.notify()
        if select.select([self.PIPE[0]], [], [], seconds)[0]:
            os.read(self.PIPE[0], 4096)

    def beat_for(self, seconds: float) -> None:
        """Beat for so long."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.beat(0.05)

    def end(self, stops: list[Stop]) -> None:
        """Take no more requests, and wait for what is in flight: at most as long as the master does.

        Once all is answered, clients have some seconds to take it. Other connections need not end: a client may be
        sending its header for minutes.
        """
        ended: list[bool] = []
        for stop in stops:
            stop(lambda: ended.append(True))
        now = was_busy = time.monotonic()
        deadline = now + self.cfg.graceful_timeout
        while len(ended) < len(stops) and now < min(deadline, was_busy + SECONDS_TO_TAKE):
            self.beat(0.05)
            now = time.monotonic()
            was_busy = now if self.exchanges else was_busy

    def base_environ(self) -> dict[str, Any]:
        """Make what each request's environment has in common (PEP 3333)."""
        address = self.sockets[0].getsockname()
        host, port = address[:2] if isinstance(address, tuple) else ("localhost", "")  # a Unix socket has no address
        return {
            "SCRIPT_NAME": os.environ.get("SCRIPT_NAME", ""),
            "SERVER_NAME": host,
            "SERVER_PORT": str(port),
            "SERVER_SOFTWARE": "gunicorn",
            "wsgi.errors": sys.stderr,
            "wsgi.input": BytesIO(),
            "wsgi.input_terminated": True,
            "wsgi.multiprocess": self.cfg.workers > 1,
            "wsgi.multithread": True,
            "wsgi.run_once": False,
            "wsgi.url_scheme": "http",
            "wsgi.version": (1, 0),
        }

    def environ_of(self, scope: Any) -> dict[str, Any]:
        """Make a request's environment."""
        environ = self.environ.copy()
        environ["REQUEST_METHOD"] = scope.method
        environ["PATH_INFO"] = scope.path.encode().decode("latin-1").removeprefix(environ["SCRIPT_NAME"])
        environ["QUERY_STRING"] = scope.query_string
        environ["SERVER_PROTOCOL"] = "HTTP/1.1" if scope.http_version == "1.1" else "HTTP/1.0"
        environ["REMOTE_ADDR"] = scope.client.rpartition(":")[0].strip("[]")
        for name, value in scope.headers.items():
            key = variable(name)
            if key in environ and key not in CONTENT:
                environ[key] = f"{environ[key]},{value}"
            elif key:
                environ[key] = value
        if scope.authority:  # stands in the request line, and goes before the header (RFC 9112, 3.2.2)
            environ["HTTP_HOST"] = scope.authority
        for key, value in self.secure.items():
            if environ.get(key) == value and self.is_trusted(environ["REMOTE_ADDR"]):
                environ["wsgi.url_scheme"] = "https"
        return environ

    def is_trusted(self, address: str) -> bool:
        """May this peer say that its client came by HTTPS? See gunicorn's forwarded_allow_ips; a Unix socket's may."""
        networks = self.cfg.forwarded_allow_networks()
        return not address or bool(_ip_in_allow_list(address, self.cfg.forwarded_allow_ips, networks))

    def observe(self, exchange: Exchange, status: int, size: int) -> None:
        """Show a request to who writes requests down, and count it."""
        self.nr += 1
        if self.nr >= self.max_requests:
            self.alive = False
        observe(exchange.environ, status, size, time.monotonic() - exchange.began)


@lru_cache(maxsize=100)  # a name may have 64 kB
def variable(header: str) -> str:
    """Name a header in an environment; nothing where that would be taken for another, such as a proxy's."""
    if "_" in header:
        return ""
    name = header.upper().replace("-", "_")
    return name if name in CONTENT else f"HTTP_{name}"
