"""So many requests at most."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from django.http import HttpResponse

from ml_api.access.counters import Counters, RedisCounters, SharedCounters, Used
from ml_api.problems import ProblemResponse, problem_response

UNITS = {"second": 1, "minute": 60, "hour": 60 * 60, "day": 24 * 60 * 60}
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


class Limiter:
    """Counts the requests of each client, and answers those beyond its limits."""

    def __init__(self, limits: Sequence[Limit], redis_url: str) -> None:
        """Begin to count, in Redis where there is one."""
        self._limits = limits
        windows = [UNITS[limit.unit] for limit in limits]
        self._counters: Counters = RedisCounters(redis_url, windows) if redis_url else SharedCounters(windows)
        policies = [f'"{limit.unit}";q={limit.requests};w={UNITS[limit.unit]}' for limit in limits]
        self._policy = ", ".join(policies)

    def count(self, who: str) -> tuple[str, HttpResponse | None]:
        """Count a request; returns its RateLimit header, and the answer where there were too many.

        The headers are those of draft-ietf-httpapi-ratelimit-headers-10.
        """
        used = self._counters.count(who)
        left, is_over = "", False
        for limit, (requests, seconds) in zip(self._limits, used):  # noqa: B905 - as fast as can be
            remaining = limit[0] - requests
            if remaining < 0:
                remaining, is_over = 0, True
            left = f'{left}, "{limit[1]}";r={remaining};t={seconds}'
        return left[2:], self._refusal(who, used) if is_over else None

    def _refusal(self, who: str, used: Used) -> HttpResponse:
        windows = zip(self._limits, used, strict=True)
        seconds, limit = max((left, limit) for limit, (requests, left) in windows if requests > limit.requests)
        response = too_many(limit, who, seconds)
        response["Retry-After"], response["RateLimit-Policy"] = str(seconds), self._policy
        return response


def too_many(limit: Limit, who: str, seconds: int) -> ProblemResponse:
    """Answer who has asked too often."""
    by = f"the {limit.requests} requests by the {limit.unit}"
    return problem_response(429, f"There were more than {by} that {who} has; ask again in {seconds} s.")
