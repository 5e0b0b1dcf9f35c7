"""Write lines in a thread beside the answers, several at once.

A thread that writes lets the others go on meanwhile, and then has to wait for its turn: that takes longer than all else
about a line.
"""

import atexit
import os
import threading
from contextlib import suppress
from io import FileIO
from typing import TypeVar

T = TypeVar("T")

AT_ONCE = 4096
"""Bytes. What is longer, a pipe may mix with the lines of other workers."""
SECONDS_BETWEEN_WRITES, SECONDS_AT_END = 0.05, 1.0
MOST_WAITING = 10_000
"""Lines that wait for a slow pipe or disk. What is more is left out, so that no answer waits for its line."""


class Lines:
    """A file that lines are added to."""

    def __init__(self, path: str) -> None:
        """Open the file, - for stdout."""
        self._path, self._file = path, opened(path)
        self._waiting: list[bytes] = []
        self._process = 0

    def reopen(self) -> None:
        """Open the file anew; the thread, if it writes just now, still has the one that was moved away."""
        self._file = opened(self._path)

    def add(self, line: bytes) -> None:
        """Have a line written soon."""
        if len(self._waiting) < MOST_WAITING:
            self._waiting.append(line)
        if self._process != os.getpid():  # in each worker, which is a copy of its master
            self._begin()

    def _begin(self) -> None:
        self._process, self._is_ending = os.getpid(), threading.Event()
        self._thread = threading.Thread(target=self._write_on, name="writes lines", daemon=True)
        atexit.register(self._end)  # first, as a signal may end a worker anywhere
        self._thread.start()

    def _write_on(self) -> None:
        while not self._is_ending.wait(SECONDS_BETWEEN_WRITES):
            self._write()
        self._write()

    def _end(self) -> None:
        self._is_ending.set()
        self._thread.join(SECONDS_AT_END)

    def _write(self) -> None:
        some = b""
        with suppress(OSError):  # a full disk stops no answers
            for line in taken_from(self._waiting):
                if len(some) + len(line) > AT_ONCE:
                    self._file.write(some)
                    some = b""
                some += line
            if some:
                self._file.write(some)


def opened(path: str) -> FileIO:
    """Open without a buffer."""
    return FileIO(1, "a", closefd=False) if path == "-" else FileIO(path, "a")


def taken_from(noted: list[T]) -> list[T]:
    """Take what is there; other threads may be adding."""
    taken = noted.copy()
    del noted[: len(taken)]
    return taken
