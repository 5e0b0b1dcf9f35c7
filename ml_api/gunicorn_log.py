"""Gunicorn's log: its own lines in the form of all others, and one line for each request."""

import os
import time
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from io import FileIO
from typing import Any
from urllib.parse import quote

import orjson
from django.conf import settings
from gunicorn.glogging import Logger

from ml_api.access.addresses import client_of
from ml_api.log import JSONLines
from ml_api.observe.observed import KEY, REQUEST_ID, Observed, observe, observers
from ml_api.observe.request_id import current_id, new_id

PATH, METHOD = 1000, 32
"""How many characters of each a line has at most: the system writes 4096 bytes to a pipe at once, or not at once."""


class Log(Logger):  # type: ignore[misc]
    """Writes requests to where gunicorn's setting accesslog says, and from what was observed, which is quicker."""

    def __init__(self, cfg: Any) -> None:
        """Write requests down from now on."""
        super().__init__(cfg)
        observers.append(self.write_request)

    def setup(self, cfg: Any) -> None:
        """Set up where lines go; gunicorn calls this anew where it reads its settings anew."""
        super().setup(cfg)
        self.requests = opened(cfg.accesslog)
        self.line = json_line if settings.LOG_FORMAT == "json" else text_line
        if settings.LOG_FORMAT == "json":
            for handler in self.error_log.handlers:
                handler.setFormatter(JSONLines())

    def reopen_files(self) -> None:
        """Open the files anew (SIGUSR1); a thread that writes just now still has the one that was moved away."""
        super().reopen_files()
        self.requests = opened(self.cfg.accesslog)

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        """Show the request to who writes requests down; gunicorn's workers call this after each."""
        if REQUEST_ID not in environ:  # gunicorn's own, where it answers an error
            environ[REQUEST_ID] = current_id() or new_id()
        observe(resp, environ, request_time)

    def write_request(self, observed: Observed) -> None:
        """Write a request's line, by one call, so that those of several workers never mix."""
        if self.requests:
            with suppress(OSError):  # a full disk stops no answers
                self.requests.write(self.line(fields(observed)))


def opened(path: str | None) -> FileIO | None:
    """Open what gunicorn's setting accesslog names, - for stdout, without a buffer."""
    return FileIO(1, "a", closefd=False) if path == "-" else FileIO(path, "a") if path else None


def fields(observed: Observed) -> dict[str, Any]:
    """Tell what a line has. No header of the client's is in it but its id, and no query: either may hold secrets."""
    environ, measured = observed.environ, observed.measured
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    client = client_of(environ)
    found = {
        "id": environ[REQUEST_ID],
        "client": client.text if client else "",
        "method": environ.get("REQUEST_METHOD", "")[:METHOD],
        "path": quote(path[:PATH])[:PATH],
        "route": observed.route,
        "status": observed.status,
        "bytes": observed.size,
        "ms": round(observed.seconds * 1000, 3),
        "queue_ms": round(observed.queued * 1000, 3),
        "key": environ.get(KEY),
    }
    if measured:
        found["r_ms"] = round(measured.r_seconds * 1000, 3)
        found["model"], found["version"], found["rows"] = measured.model, measured.version, measured.rows
    return found


def json_line(found: dict[str, Any]) -> bytes:
    """Write a line for programs."""
    head = {"time": datetime.now(timezone.utc), "level": "INFO", "logger": "gunicorn.access", "pid": os.getpid()}
    return orjson.dumps(head | found, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z)


def text_line(found: dict[str, Any]) -> bytes:
    """Write a line for a terminal."""
    when = time.strftime(Log.datefmt)
    line = '{when} [{pid}] [INFO] {client} "{method} {path}" {status} {bytes} bytes {ms} ms (request {id})\n'
    return line.format(when=when, pid=os.getpid(), **found).encode()
