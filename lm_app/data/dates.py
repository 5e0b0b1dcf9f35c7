"""Read ISO dates and times, and write them."""

import math
import re
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from typing import Literal

ISO_DATE = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d)(\.\d{1,9})?)? ?(?:(Z|UTC)|([+-]\d\d):?(\d\d))?)?", re.ASCII
)
TIME_GROUP = 4
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
BILLION = 10**9
LAST = int((datetime.max.replace(microsecond=0, tzinfo=timezone.utc) - EPOCH).total_seconds()) * BILLION + BILLION - 1
"""The last nanosecond that a text may name; as seconds it is rounded, into the year 10000."""


def read_dates(texts: Sequence[str]) -> tuple[Literal["date", "datetime"], list[float]]:
    """Read dates as days, or where one has a time, all as seconds, since 1970 in UTC.

    A time without a zone is UTC. Raises ValueError where one is none, such as 2024-02-30.
    """
    matches = [ISO_DATE.fullmatch(text) for text in texts]
    seconds = [_seconds(match) for match in matches]
    if any(match and match[TIME_GROUP] for match in matches):
        return "datetime", seconds
    return "date", [float(second // 86400) for second in seconds]


def write_time(seconds: float) -> str:
    """Write seconds since 1970 as a time in UTC, from which read_dates() reads the same number."""
    whole = math.floor(seconds)
    whole, nanoseconds = divmod(min(whole * BILLION + round((seconds - whole) * BILLION), LAST), BILLION)
    fraction = f".{nanoseconds:09}".rstrip("0") if nanoseconds else ""
    return f"{(EPOCH + timedelta(seconds=whole)).replace(tzinfo=None).isoformat()}{fraction}Z"


def is_date(text: str) -> bool:
    """Is it an ISO date that there is?"""
    try:
        read_dates([text])
    except ValueError:
        return False
    return True


def _seconds(match: "re.Match[str] | None") -> float:
    if match is None:
        raise ValueError("no ISO date")
    year, month, day, hour, minute, second, fraction, _, zone_hours, zone_minutes = match.groups(default="0")
    moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second), tzinfo=timezone.utc)
    behind = timedelta(hours=abs(int(zone_hours)), minutes=int(zone_minutes))
    moment += behind if zone_hours.startswith("-") else -behind
    return (moment - EPOCH).total_seconds() + float(fraction)
