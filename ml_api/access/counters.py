"""How many requests each client has made, in windows of time that begin with its first one."""

import logging
import mmap
import multiprocessing
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

logger = logging.getLogger(__name__)

Used = list[tuple[int, float]]
"""For each window: the requests in it, and the seconds until it ends."""


class Counters(Protocol):
    """Counts requests."""

    def count(self, who: str, requests: int) -> Used:
        """Count requests of this client, and tell what it has used."""


class SharedCounters:
    """Counts in memory that is made before the workers are forked, so that all of them share it.

    It is a table of SLOTS, each of one client: the hash of its name (the same in all processes that are forked from
    one), and for each window when it ends, and how many requests are in it. Where all WAYS slots that a client may have
    are taken, the one whose window ends first makes room.
    """

    SLOTS, WAYS = 65_536, 8
    SECONDS_TO_COUNT = 1
    """Who holds the lock for so long was killed meanwhile, or stopped. To count takes microseconds."""

    def __init__(self, windows: Sequence[int]) -> None:
        """Make the table, for windows of so many seconds."""
        self._windows = windows
        self._width = 1 + 2 * len(windows)
        size = 8 * self._width * (self.SLOTS + self.WAYS)
        memory = memoryview(mmap.mmap(-1, size))
        self._table, self._ends = memory.cast("q"), memory.cast("d")
        self._lock = multiprocessing.get_context("fork").Lock()

    def count(self, who: str, requests: int) -> Used:
        """Count requests of this client, and tell what it has used."""
        table, ends, whose, used = self._table, self._ends, hash(who), []
        self._lock.acquire(timeout=self.SECONDS_TO_COUNT)
        now = time.monotonic()
        at = self._width * (whose % self.SLOTS)
        if table[at] != whose:
            at = self._slot(whose, at)
        for window in self._windows:
            if ends[at + 1] <= now:
                ends[at + 1], table[at + 2] = now + window, 0
            table[at + 2] += requests
            used.append((table[at + 2], ends[at + 1] - now))
            at += 2
        with suppress(ValueError):  # it was held for too long, and another has released it
            self._lock.release()
        return used

    def _slot(self, whose: int, first: int) -> int:
        """Find the client's slot, or make one."""
        table, width = self._table, self._width
        slots = range(first, first + self.WAYS * width, width)
        for slot in slots:
            if table[slot] == whose:
                return slot
        slot = min(slots, key=lambda slot: max(self._ends[slot + 1 : slot + width : 2]))
        table[slot : slot + width] = memoryview(bytes(8 * width)).cast("q")
        table[slot] = whose
        return slot


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

    def count(self, who: str, requests: int) -> Used:
        """Count requests of this client, and tell what it has used."""
        if time.monotonic() < self._next_try:
            return self._own.count(who, requests)
        try:
            with self._redis.pipeline() as asked:  # one transaction: all or nothing, in one round trip
                for window in self._windows:
                    name = f"ml_api:limit:{window}:{who}"
                    asked.set(name, 0, ex=window, nx=True)
                    asked.incrby(name, requests)
                    asked.pttl(name)
                told = asked.execute()
        except self._error as error:
            self._next_try = time.monotonic() + self.SECONDS_BETWEEN_TRIES
            logger.error("REDIS_URL: %s; until Redis answers, this server counts requests for itself", error)
            return self._own.count(who, requests)
        return [(used, left / 1000) for used, left in zip(told[1::3], told[2::3], strict=True)]
