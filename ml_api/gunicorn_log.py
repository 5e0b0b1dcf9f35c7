"""Gunicorn's log: its own lines in the form of all others, and one line for each request."""

import re
import time
from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import quote

import orjson
from django.conf import settings
from gunicorn.glogging import Logger

from ml_api.lines import Lines
from ml_api.log import JSONLines
from ml_api.observe.observed import PATH, REQUEST_ID, Observed, observe, observers
from ml_api.observe.request_id import current_id, new_id

PLAIN = re.compile(r"[A-Za-z0-9_.~/-]*")
"""What quote() leaves as it is."""


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
        """Show the request to who writes requests down; gunicorn's own workers call this after each."""
        if REQUEST_ID not in environ:  # gunicorn's own, where it answers an error
            environ[REQUEST_ID] = current_id() or new_id()
        observe(environ, int(str(resp.status)[:3]), resp.sent, request_time.total_seconds())

    def write_request(self, observed: Observed, environ: Mapping[str, Any]) -> None:
        """Have a request's line written."""
        if self.requests:
            self.requests.add(observed)


def in_ms(seconds: float) -> float:
    """Give milliseconds, cut to microseconds. round() goes by way of text: three take as long as to write the line."""
    return int(seconds * 1e6) / 1000


def quoted(path: str) -> str:
    """Quote a path, as one may hold anything. To look at it is quicker than quote(), which most need not."""
    return path if PLAIN.fullmatch(path) else quote(path)[:PATH]


# No header of the client's is in a line but its id, and no query: either may hold secrets.


def json_line(observed: Observed, pid: int) -> bytes:
    """Write a line for programs."""
    fields = {
        "time": datetime.fromtimestamp(observed.time, timezone.utc),
        "level": "INFO",
        "logger": "gunicorn.access",
        "pid": pid,
        "id": observed.id,
        "client": observed.client,
        "method": observed.method,
        "path": quoted(observed.path),
        "route": observed.route,
        "status": observed.status,
        "bytes": observed.size,
        "ms": in_ms(observed.seconds),
        "queue_ms": in_ms(observed.queued),
        "key": observed.key,
    }
    if measured := observed.measured:
        fields["r_ms"] = in_ms(measured.r_seconds)
        fields["model"], fields["version"], fields["rows"] = measured.model, measured.version, measured.rows
    return orjson.dumps(fields, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z)


def text_line(observed: Observed, pid: int) -> bytes:
    """Write a line for a terminal."""
    when, took = time.strftime(Log.datefmt, time.localtime(observed.time)), in_ms(observed.seconds)
    asked = f'{observed.client} "{observed.method} {quoted(observed.path)}"'
    answered = f"{observed.status} {observed.size} bytes {took} ms (request {observed.id})"
    return f"{when} [{pid}] [INFO] {asked} {answered}\n".encode()
