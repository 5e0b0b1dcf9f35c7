"""The log stays readable, by people and by programs, and its disk free, whatever clients do."""

import logging
import os
import threading
import time
from datetime import datetime, timezone

import orjson

from ml_api.observe.request_id import current_id

LINES_A_MINUTE = 20


class JSONLines(logging.Formatter):
    """Write each record as JSON in one line, its traceback in it; with the id of the request that is answered."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the record."""
        line = {
            "time": datetime.fromtimestamp(record.created, timezone.utc),
            "level": record.levelname,
            "logger": record.name,
            "pid": os.getpid(),
            "message": encodable(record.getMessage()),
        }
        if request_id := current_id():
            line["id"] = request_id
        if record.exc_info:
            line["exception"] = encodable(self.formatException(record.exc_info))
        return orjson.dumps(line, option=orjson.OPT_UTC_Z).decode()


class TextLines(logging.Formatter):
    """Write each record as text, its traceback in the lines after it; with the id of the request that is answered."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Write the record's first line."""
        request_id = current_id()
        return super().formatMessage(record) + (f" (request {request_id})" if request_id else "")


def encodable(text: str) -> str:
    """Escape what is no UTF-8, such as in the name of a file."""
    return text.encode("utf-8", "backslashreplace").decode()


class RateLimit(logging.Filter):
    """Let 20 lines a minute of each kind through; the next one that is let through says how many were left out.

    A kind is a line of code that logs, so that no client can make new ones.
    """

    def __init__(self) -> None:
        """Start with nothing counted."""
        super().__init__()
        self._lock = threading.Lock()
        self._counted: dict[tuple[str, int], tuple[float, int]] = {}  # since when, and how many

    def filter(self, record: logging.LogRecord) -> bool:
        """Count the line; False where there are too many of its kind."""
        kind, now = (record.pathname, record.lineno), time.monotonic()
        with self._lock:
            since, count = self._counted.get(kind, (now, 0))
            if left_out := max(0, count - LINES_A_MINUTE) if now - since >= 60 else 0:
                record.msg = f"{record.getMessage()} ({left_out} such lines before it were left out)"
                record.args = ()
            if now - since >= 60:
                since, count = now, 0
            self._counted[kind] = since, count + 1
        return count < LINES_A_MINUTE
