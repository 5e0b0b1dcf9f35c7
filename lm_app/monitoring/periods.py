"""Cut rows into periods, to see what changes over time."""

from collections.abc import Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import NamedTuple

MOST_DAYS, MOST_WEEKS = 14, 14
"""A span of more days is told by weeks, and of more weeks by months."""
PARTS, FEWEST_ROWS = 10, 30
"""Where there are no dates: how many parts at most, of how many rows at least."""
NO_DATE = "no date"


class Periods(NamedTuple):
    """The labels in their order, and for each row the number of its period, from 1."""

    labels: list[str]
    of_row: list[int]


def by_time(days: Sequence[date | None]) -> Periods:
    """Cut by day, by week (named by its Monday) or by month, whichever the span makes readable."""
    known = [day for day in days if day]
    span = (max(known) - min(known)).days if known else 0

    def label(day: date | None) -> str:
        if day is None:
            return NO_DATE
        if span < MOST_DAYS:
            return day.isoformat()
        if span < 7 * MOST_WEEKS:
            return (day - timedelta(days=day.weekday())).isoformat()
        return day.isoformat()[:7]

    return _numbered([label(day) for day in days])


def by_rows(rows: int) -> Periods:
    """Cut into equal parts, in the order of the rows."""
    parts = max(1, min(PARTS, rows // FEWEST_ROWS))
    bounds = list(pairwise(part * rows // parts for part in range(parts + 1)))
    labels = [f"rows {begin + 1}-{end}" for begin, end in bounds]
    return Periods(labels, [number for number, bound in enumerate(bounds, start=1) for _ in range(*bound)])


def _numbered(labels: Sequence[str]) -> Periods:
    ordered = sorted(set(labels))  # "no date" comes last
    numbers = {label: number for number, label in enumerate(ordered, start=1)}
    return Periods(ordered, [numbers[label] for label in labels])
