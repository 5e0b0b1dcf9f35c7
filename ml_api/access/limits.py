"""So many requests at most, for each key, or for each address without one."""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse

from ml_api.access.addresses import client
from ml_api.access.counters import NANO, Counters, RedisCounters, SharedCounters, Used
from ml_api.observe.observed import KEY
from ml_api.problems import problem_response

UNITS = {"second": 1, "minute": 60, "hour": 60 * 60, "day": 24 * 60 * 60}
LIMIT = re.compile(rf"([1-9][0-9]{{0,8}})/({'|'.join(UNITS)})")


class Limit(NamedTuple):
    """So many requests in a second, a minute, an hour or a day."""

    requests: int
    unit: str

    @property
    def seconds(self) -> int:
        """How long its window is."""
        return UNITS[self.unit]


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
    """Counts requests, and refuses those beyond a limit; not there without limits."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        if not settings.LM_RATE_LIMIT:
            raise MiddlewareNotUsed
        self._get_response, self._limits = get_response, settings.LM_RATE_LIMIT
        windows = [limit.seconds for limit in self._limits]
        url = settings.REDIS_URL
        self._counters: Counters = RedisCounters(url, windows) if url else SharedCounters(windows)
        policies = [f'"{limit.unit}";q={limit.requests};w={limit.seconds}' for limit in self._limits]
        self._policy = ", ".join(policies)

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Count the request, and say what is left, as draft-ietf-httpapi-ratelimit-headers wants it."""
        environ = request.META
        who = environ.get(KEY) or client(
            environ["REMOTE_ADDR"],
            environ.get("HTTP_X_FORWARDED_FOR", ""),
            settings.LM_TRUSTED_PROXIES,
            peer_is_proxy=bool(settings.WEBSITE_HOSTNAME),
        )
        used = self._counters.count(who)
        over = [pair for pair in zip(self._limits, used, strict=True) if pair[1].requests > pair[0].requests]
        response = self._refuse(who, over) if over else self._get_response(request)
        response.headers["RateLimit"] = ", ".join(map(left_of, self._limits, used))
        return response

    def _refuse(self, who: str, over: list[tuple[Limit, Used]]) -> HttpResponse:
        limit, used = max(over, key=lambda pair: pair[1].nanoseconds_left)
        seconds = seconds_left(used)
        asked = f"There may be {limit.requests} requests in a {limit.unit}"
        detail = f"{asked} of {who}; the next one is answered in {seconds} s."
        headers = {"Retry-After": str(seconds), "RateLimit-Policy": self._policy}
        return problem_response(429, detail, headers=headers)


def seconds_left(used: Used) -> int:
    """Round up the seconds until a window ends."""
    return -(-used.nanoseconds_left // NANO)


def left_of(limit: Limit, used: Used) -> str:
    """Write how many requests are left of a limit, and when there are all again."""
    return f'"{limit.unit}";r={max(0, limit.requests - used.requests)};t={seconds_left(used)}'
