"""So many requests at most."""

import re
import time
from collections.abc import Iterable, Sequence
from math import ceil
from typing import NamedTuple

from django.http import HttpResponse

from ml_api.access.counters import Counters, RedisCounters, SharedCounters
from ml_api.problems import ProblemResponse, problem_response

UNITS = {"second": 1, "minute": 60, "hour": 60 * 60, "day": 24 * 60 * 60}
PART_AHEAD, MOST_AHEAD = 1000, 64
"""Such a part of what is left to a client is counted ahead, and so many requests at most."""
MOST_CLIENTS = 1000
"""For whom a worker has counted ahead at once; the requests of others are counted one by one."""
SECONDS_FRESH = 0.5
"""So long what was written ahead is told, though it may be a second off by then."""
LIMIT = re.compile(rf"([1-9][0-9]{{0,8}})/({'|'.join(UNITS)})")


class Limit(NamedTuple):
    """So many requests in a second, a minute, an hour or a day."""

    requests: int
    unit: str


def limits_of(parts: Iterable[str]) -> tuple[Limit, ...]:
    """Read limits such as 100/minute; raises ValueError with the part that is none, or the second of a unit."""
    limits: dict[str, Limit] = {}
    for part in parts:
        found = LIMIT.fullmatch(part)
        if not found or found[2] in limits:
            raise ValueError(part)
        limits[found[2]] = Limit(int(found[1]), found[2])
    return tuple(limits.values())


class Window(NamedTuple):
    """What a client has left of a limit, once all is used that was counted so far."""

    limit: Limit
    begin: str
    """Of its part of the RateLimit header."""
    left: int
    """Negative where there were too many."""
    end: float
    """On the monotonic clock."""


Ahead = tuple[str, float, int, Window]
"""A request that was counted before it came: what is told of it, and until when its seconds are right; how many come
after it that were counted with it, and in which window."""


class Limiter:
    """Counts the requests of each client, and answers those beyond its limits.

    To count where all workers see it takes longer than all else here, and in Redis as long as a prediction. So where a
    client has many requests left, a worker counts some before they come: a thousandth, by which it may be refused
    sooner. Only where there is one limit: as its window ends, those that did not come would be lost to longer ones.
    """

    def __init__(self, limits: Sequence[Limit], redis_url: str) -> None:
        """Begin to count, in Redis where there is one."""
        windows = [UNITS[limit.unit] for limit in limits]
        self._counters: Counters = RedisCounters(redis_url, windows) if redis_url else SharedCounters(windows)
        self._policy = ", ".join(f'"{limit.unit}";q={limit.requests};w={UNITS[limit.unit]}' for limit in limits)
        self._limits = [(limit, f'{"" if limit is limits[0] else ", "}"{limit.unit}";r=') for limit in limits]
        self._ahead: dict[str, list[Ahead]] = {}

    def count(self, who: str) -> tuple[str, HttpResponse | None]:
        """Count a request; returns its RateLimit header, and the answer where there were too many.

        The headers are those of draft-ietf-httpapi-ratelimit-headers-10.
        """
        now = time.monotonic()
        try:
            told, fresh, more, window = self._ahead[who].pop()  # at once: another thread may do the same
        except LookupError:
            return self._count(who, now)
        if now < fresh:
            return told, None
        return (header([window], more, now), None) if now < window.end else self._count(who, now)

    def _count(self, who: str, now: float) -> tuple[str, HttpResponse | None]:
        """Count a request where all see it; and others ahead, where many are left."""
        windows = self._windows(who, 1, now)
        fewest = min(window.left for window in windows)
        if fewest >= PART_AHEAD and len(windows) == 1:
            self._count_ahead(who, min(fewest // PART_AHEAD, MOST_AHEAD), now)
        return header(windows, 0, now), self._refusal(who, windows, now) if fewest < 0 else None

    def _count_ahead(self, who: str, many: int, now: float) -> None:
        if who not in self._ahead and len(self._ahead) >= MOST_CLIENTS:
            oldest = next(iter(self._ahead))
            if is_current(self._ahead[oldest], now):  # or clients without number would take from others what they have
                return
            self._ahead.pop(oldest, None)
        [window] = self._windows(who, many, now)
        over = max(0, -window.left)  # where others have counted meanwhile
        fresh = min(now + SECONDS_FRESH, window.end)
        told = [header([window], more, now) for more in range(many - over)]  # together, which takes half the time
        before = self._ahead.pop(who, [])  # another thread's, perhaps; and to stand last again
        ahead = [(text, fresh, more, window) for more, text in enumerate(told)]
        self._ahead[who] = before + ahead if is_current(before, now) else ahead

    def _windows(self, who: str, requests: int, now: float) -> list[Window]:
        used = self._counters.count(who, requests)
        return [
            Window(limit, begin, limit.requests - count, now + left)
            for (limit, begin), (count, left) in zip(self._limits, used, strict=True)
        ]

    def _refusal(self, who: str, windows: list[Window], now: float) -> HttpResponse:
        seconds, limit = max((ceil(window.end - now), window.limit) for window in windows if window.left < 0)
        response = too_many(limit, who, seconds)
        response["Retry-After"], response["RateLimit-Policy"] = str(seconds), self._policy
        return response


def is_current(ahead: list[Ahead], now: float) -> bool:
    """Tell whether there are some, in a window that has not ended."""
    return bool(ahead) and ahead[0][-1].end > now


def header(windows: list[Window], more: int, now: float) -> str:
    """Tell what is left of each limit, and the seconds until its window ends."""
    told = ""
    for _, begin, left, end in windows:
        left += more
        told += f"{begin}{left if left > 0 else 0};t={ceil(end - now)}"
    return told


def too_many(limit: Limit, who: str, seconds: int) -> ProblemResponse:
    """Answer who has asked too often."""
    by = f"the {limit.requests} requests by the {limit.unit}"
    return problem_response(429, f"There were more than {by} that {who} has; ask again in {seconds} s.")
