"""How many requests each client has made, in windows of time that begin with its first one."""

import fcntl
import logging
import mmap
import os
import threading
import time
from collections.abc import Sequence
from typing import NamedTuple, Protocol

logger = logging.getLogger(__name__)

NANO = 1_000_000_000


class Used(NamedTuple):
    """What a client has used in a window."""

    requests: int
    nanoseconds_left: int


class Counters(Protocol):
    """Counts requests."""

    def count(self, who: str) -> list[Used]:
        """Count a request of this client; tell how many it has made in each window."""


class SharedCounters:
    """Counts in memory that is made before the workers are forked, so that all of them share it.

    It is a table of SLOTS with three numbers each: whose window it is, as a hash (the same in all processes that are
    forked from one), when it ends, and the requests. Where all WAYS slots that a hash may have are taken, the window
    that ends first makes room.
    """

    SLOTS, WAYS, NUMBERS = 65_536, 8, 3

    def __init__(self, windows: Sequence[int]) -> None:
        """Make the table, for windows of so many seconds."""
        self._windows = windows
        self._file = os.memfd_create("rate limits")
        os.ftruncate(self._file, 8 * self.NUMBERS * (self.SLOTS + self.WAYS))
        self._table = memoryview(mmap.mmap(self._file, 0)).cast("q")
        self._threads = threading.Lock()  # the file's lock is for processes only

    def count(self, who: str) -> list[Used]:
        """Count a request of this client; tell how many it has made in each window."""
        with self._threads:
            fcntl.lockf(self._file, fcntl.LOCK_EX)  # Linux frees it where its process is killed
            try:
                now = time.monotonic_ns()
                return [self._count(hash((who, window)), window * NANO, now) for window in self._windows]
            finally:
                fcntl.lockf(self._file, fcntl.LOCK_UN)

    def _count(self, whose: int, length: int, now: int) -> Used:
        table, first = self._table, whose % self.SLOTS
        slots = range(self.NUMBERS * first, self.NUMBERS * (first + self.WAYS), self.NUMBERS)
        for slot in slots:
            if table[slot] == whose and table[slot + 1] > now:
                break
        else:
            slot = min(slots, key=lambda slot: table[slot + 1])
            table[slot + 2], table[slot + 1], table[slot] = 0, now + length, whose
        table[slot + 2] += 1
        return Used(table[slot + 2], table[slot + 1] - now)


class RedisCounters:
    """Counts in Redis, for all servers that name the same; and in their own memory, while it does not answer."""

    SECONDS_TO_ANSWER, SECONDS_BETWEEN_TRIES = 0.1, 1.0

    def __init__(self, url: str, windows: Sequence[int]) -> None:
        """Prepare to ask; the first request connects."""
        import redis
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        self._windows, self._own, self._next_try = windows, SharedCounters(windows), 0.0
        self._error = redis.RedisError
        self._redis = redis.Redis.from_url(
            url,
            socket_timeout=self.SECONDS_TO_ANSWER,
            socket_connect_timeout=self.SECONDS_TO_ANSWER,
            retry=Retry(NoBackoff(), 0),
        )

    def count(self, who: str) -> list[Used]:
        """Count a request of this client; tell how many it has made in each window."""
        if time.monotonic() < self._next_try:
            return self._own.count(who)
        try:
            with self._redis.pipeline() as asked:  # one transaction: all or nothing, in one round trip
                for window in self._windows:
                    name = f"ml_api:limit:{window}:{who}"
                    asked.set(name, 0, ex=window, nx=True)
                    asked.incr(name)
                    asked.pttl(name)
                told = asked.execute()
        except self._error as error:
            self._next_try = time.monotonic() + self.SECONDS_BETWEEN_TRIES
            logger.error("REDIS_URL: %s; until Redis answers, this server counts requests for itself", error)
            return self._own.count(who)
        return [Used(requests, left * 1_000_000) for requests, left in zip(told[1::3], told[2::3], strict=True)]
