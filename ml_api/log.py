"""The log stays readable, and its disk free, whatever clients do."""

import logging
import threading
import time

LINES_A_MINUTE = 20


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
