"""Gunicorn's log: its own lines in the form of all others, and one line for each request."""

import os
import time
from datetime import datetime, timedelta, timezone
from typing import Any, NamedTuple
from urllib.parse import quote

import orjson
from django.conf import settings
from gunicorn.glogging import Logger

from lm_app.measured import Measured
from ml_api.access.addresses import client_of
from ml_api.lines import Lines
from ml_api.log import JSONLines
from ml_api.observe.observed import KEY, REQUEST_ID, Observed, observe, observers
from ml_api.observe.request_id import current_id, new_id

PATH, METHOD = 1000, 32
"""How many characters of each a line has at most: the system writes 4096 bytes to a pipe at once, or not at once."""


class Noted(NamedTuple):
    """A request, for its line: small, and quickly made, as a thread writes the line later. Times are in seconds."""

    time: float
    id: str
    client: str
    method: str
    path: str
    key: str | None
    route: str
    status: int
    size: int
    seconds: float
    queued: float
    measured: Measured | None


class Log(Logger):  # type: ignore[misc]
    """Writes requests to where gunicorn's setting accesslog says, and from what was observed, which is quicker."""

    def __init__(self, cfg: Any) -> None:
        """Write requests down from now on."""
        super().__init__(cfg)
        observers.append(self.write_request)

    def setup(self, cfg: Any) -> None:
        """Set up where lines go; gunicorn calls this anew where it reads its settings anew."""
        super().setup(cfg)
        line = json_line if settings.LOG_FORMAT == "json" else text_line
        self.requests = Lines(cfg.accesslog, line) if cfg.accesslog else None
        if settings.LOG_FORMAT == "json":
            for handler in self.error_log.handlers:
                handler.setFormatter(JSONLines())

    def reopen_files(self) -> None:
        """Open the files anew (SIGUSR1)."""
        super().reopen_files()
        if self.requests:
            self.requests.reopen()

    def access(self, resp: Any, req: Any, environ: dict[str, Any], request_time: timedelta) -> None:
        """Show the request to who writes requests down; gunicorn's workers call this after each."""
        if REQUEST_ID not in environ:  # gunicorn's own, where it answers an error
            environ[REQUEST_ID] = current_id() or new_id()
        observe(resp, environ, request_time)

    def write_request(self, observed: Observed) -> None:
        """Have a request's line written."""
        if self.requests:
            self.requests.add(note(observed))


def note(observed: Observed) -> Noted:
    """Note what a line tells: no more of the request, which a client may have made large."""
    environ = observed.environ
    client = client_of(environ)
    return Noted(
        time.time(),
        environ[REQUEST_ID],
        client.text if client else "",
        environ.get("REQUEST_METHOD", "")[:METHOD],
        (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""))[:PATH],
        environ.get(KEY),
        observed.route,
        observed.status,
        observed.size,
        observed.seconds,
        observed.queued,
        observed.measured,
    )


def fields(noted: Noted) -> dict[str, Any]:
    """Tell what a line has. No header of the client's is in it but its id, and no query: either may hold secrets."""
    found = {
        "id": noted.id,
        "client": noted.client,
        "method": noted.method,
        "path": quote(noted.path)[:PATH],
        "route": noted.route,
        "status": noted.status,
        "bytes": noted.size,
        "ms": in_ms(noted.seconds),
        "queue_ms": in_ms(noted.queued),
        "key": noted.key,
    }
    if measured := noted.measured:
        found["r_ms"] = in_ms(measured.r_seconds)
        found["model"], found["version"], found["rows"] = measured.model, measured.version, measured.rows
    return found


def in_ms(seconds: float) -> float:
    """Give milliseconds, cut to microseconds. round() goes by way of text: three take as long as to write the line."""
    return int(seconds * 1e6) / 1000


def json_line(noted: Noted) -> bytes:
    """Write a line for programs."""
    when = datetime.fromtimestamp(noted.time, timezone.utc)
    head = {"time": when, "level": "INFO", "logger": "gunicorn.access", "pid": os.getpid()}
    return orjson.dumps(head | fields(noted), option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z)


def text_line(noted: Noted) -> bytes:
    """Write a line for a terminal."""
    when = time.strftime(Log.datefmt, time.localtime(noted.time))
    line = '{when} [{pid}] [INFO] {client} "{method} {path}" {status} {bytes} bytes {ms} ms (request {id})\n'
    return line.format(when=when, pid=os.getpid(), **fields(noted)).encode()
