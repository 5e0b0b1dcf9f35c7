"""The log stays readable, by people and by programs, and its disk free, whatever clients do."""

import json
import logging
import os
import threading
import time

from ml_api.observe.request_id import current_id

LINES_A_MINUTE = 20


class JSONLines(logging.Formatter):
    """Write each record as JSON in one line, its traceback in it; with the id of the request that is answered."""

    converter = time.gmtime  # type: ignore[assignment]
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def format(self, record: logging.LogRecord) -> str:
        """Write the record; the standard library's encoder takes any text, such as the name of a file in no UTF-8."""
        line = {
            "time": self.formatTime(record),
            "level": record.levelname,
            "logger": record.name,
            "pid": os.getpid(),
            "message": record.getMessage(),
        }
        if request_id := current_id():
            line["id"] = request_id
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, separators=(",", ":"))


class TextLines(logging.Formatter):
    """Write each record as text, its traceback in the lines after it; with the id of the request that is answered."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """Write the record's first line."""
        request_id = current_id()
        return super().formatMessage(record) + (f" (request {request_id})" if request_id else "")


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
