"""Gunicorn's threaded worker, mended where it would answer otherwise than the rest of the server."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus
from typing import Any

from django.conf import settings
from gunicorn import util
from gunicorn.workers.base import Worker
from gunicorn.workers.gthread import ThreadWorker

from ml_api.observe.request_id import answering, current_id, new_id
from ml_api.problems import FAILED, PHRASES, TOO_MANY, server_problem

MAX_CHARACTERS = 300
SECONDS_TO_ASK, MOST_BYTES_UNREAD = 0.2, 64 * 1024


class Threads(ThreadWorker):  # type: ignore[misc]
    """Gunicorn's threaded worker, but Ctrl-C (SIGINT, SIGQUIT) always ends it, and it says where it closes.

    Its own way to quit takes a lock in the signal's handler. Where the main thread holds that already, because it is
    just starting a request or at the signal before, the worker hangs until it is killed.
    """

    handle_quit = Worker.handle_quit

    def load_wsgi(self) -> None:
        """Load the application."""
        super().load_wsgi()
        self.wsgi: Callable[..., Iterable[bytes]] = closing_after_unread(self.wsgi)
        self.refusing = ThreadPoolExecutor(1, thread_name_prefix="refuses")

    def enqueue_req(self, connection: Any) -> None:
        """Have a thread answer the connection's request; at once, and shortly, where too many wait for that."""
        if self.tpool._work_queue.qsize() < settings.LM_MAX_WAITING:
            super().enqueue_req(connection)
            return
        refused = self.refusing.submit(refuse, connection)
        refused.add_done_callback(lambda _: self.method_queue.defer(self.finish_request, connection, refused))

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Answer what is no request, and log it; both by an id of its own."""
        with answering({}):
            super().handle_error(req, client, addr, exc)


def refuse(connection: Any) -> bool:
    """Answer 503, when the request has come: a client that is answered before may not read that."""
    with suppress(OSError):
        connection.sock.settimeout(SECONDS_TO_ASK)
        connection.sock.recv(MOST_BYTES_UNREAD)
        write_problem(connection.sock, 503, "", TOO_MANY)
    return False  # not to be kept open


def closing_after_unread(application: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    """Close the connection, and say so, where the application leaves a body unread.

    The next request would have to be looked for behind that body. Gunicorn reads 64 KiB of it, and where there is
    more closes a connection that it has just called kept.
    """

    def closing(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        reader = environ["wsgi.input"].reader
        if getattr(reader, "length", 1) == 0:  # no body, by far the most
            return application(environ, start_response)

        def start(*args: Any) -> Any:
            if getattr(reader, "length", 1) > 0:  # of a body in chunks, it is not known
                start_response.__self__.force_close()  # type: ignore[attr-defined]
            return start_response(*args)

        return application(environ, start)

    return closing


def write_problem(client: Any, status: int, reason: str, message: str) -> None:
    """Write gunicorn's own errors, such as for a request that is none, as problem documents."""
    problem = server_problem(status, message[:MAX_CHARACTERS] or FAILED, current_id() or new_id())
    head = [f"HTTP/1.1 {status} {PHRASES.get(status) or HTTPStatus(status).phrase}"]
    head += [f"{name}: {value}" for name, value in problem.items()] + [f"Content-Length: {len(problem.content)}"]
    util.write_nonblock(client, "\r\n".join([*head, "", ""]).encode() + problem.content)


util.write_error = write_problem  # gunicorn has no other place to say so
