"""Write lines in a thread beside the answers, several at once.

A thread that writes lets the others go on meanwhile, and then has to wait for its turn: that takes longer than all else
about a line.
"""

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable
from io import FileIO
from typing import Generic, TypeVar

T = TypeVar("T")
logger = logging.getLogger(__name__)

AT_ONCE = 4096
"""Bytes. What is longer, a pipe may mix with the lines of other workers."""
SECONDS_BETWEEN_WRITES, SECONDS_AT_END = 0.05, 1.0
MOST_WAITING = 10_000
"""Lines that wait for a slow pipe or disk. What is more is left out, so that no answer waits for its line."""
SECONDS_BETWEEN_COMPLAINTS = 60.0


class Lines(Generic[T]):
    """A file that has a line for each thing that is noted."""

    def __init__(self, path: str, line_of: Callable[[T, int], bytes]) -> None:
        """Open the file, - for stdout; `line_of` makes a line, in the thread, and is told the process's id."""
        self._line_of = line_of
        self._path, self._file = path, opened(path)
        self._waiting: list[T] = []
        self._process = self._left_out = self._told = 0
        self._complained = -SECONDS_BETWEEN_COMPLAINTS
        self._lock = threading.Lock()

    def reopen(self) -> None:
        """Open the file anew; the thread, if it writes just now, still has the one that was moved away."""
        self._file = opened(self._path)

    def add(self, noted: T) -> None:
        """Have the line of it written soon."""
        if len(self._waiting) < MOST_WAITING:
            self._waiting.append(noted)
        else:
            self._leave_out(1)
        if not self._process:  # in each worker, which is a copy of a master that notes nothing
            self._begin()

    def _begin(self) -> None:
        self._process, self._is_ending = os.getpid(), threading.Event()
        self._thread = threading.Thread(target=self._write_on, name="writes lines", daemon=True)
        atexit.register(self._end)  # first, as a signal may end a worker anywhere
        self._thread.start()

    def _write_on(self) -> None:
        while not self._is_ending.wait(SECONDS_BETWEEN_WRITES):
            try:
                self._write()
                self._complain()
            except Exception:  # goes on: one line that can't be made must not cost all others
                logger.exception("Lines of requests can't be made")
        self._write()

    def _end(self) -> None:
        self._is_ending.set()
        self._thread.join(SECONDS_AT_END)

    def _write(self) -> None:
        some: list[bytes] = []
        size = 0
        for noted in taken_from(self._waiting):
            line = self._line_of(noted, self._process)
            if size + len(line) > AT_ONCE:
                self._write_at_once(some)
                some, size = [], 0
            some.append(line)
            size += len(line)
        if some:
            self._write_at_once(some)

    def _write_at_once(self, lines: list[bytes]) -> None:
        try:
            self._file.write(b"".join(lines))
        except OSError:  # a full disk stops no answers
            self._leave_out(len(lines))

    def _leave_out(self, lines: int) -> None:
        with self._lock:
            self._left_out += lines

    def _complain(self) -> None:
        """Say once a minute what was left out; not before a line goes out again where the log has the same pipe."""
        now = time.monotonic()
        if self._left_out > self._told and now >= self._complained + SECONDS_BETWEEN_COMPLAINTS:
            self._complained, self._told = now, self._left_out
            why = f"{self._path} is full, or slower than they come"
            logger.error("%d requests to this process have no line in the log by now: %s", self._left_out, why)


def opened(path: str) -> FileIO:
    """Open without a buffer."""
    return FileIO(1, "a", closefd=False) if path == "-" else FileIO(path, "a")


def taken_from(noted: list[T]) -> list[T]:
    """Take what is there; other threads may be adding."""
    taken = noted.copy()
    del noted[: len(taken)]
    return taken
