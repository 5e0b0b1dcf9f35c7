"""What a request asks: options and observations, with every error that is found on the way."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple

import orjson

from lm_app.errors import InvalidObservations
from lm_app.schemas import Options

Columns = dict[str, Sequence[Any]]

MISSING = object()
"""Marks a missing value whose error is already recorded."""

MAX_ERRORS = 50
MAX_CHARACTERS = 50


class Source(Enum):
    """Where observations come from. Values in JSON have types; those in a URL or in CSV are text."""

    PATH = "path"
    QUERY = "query"
    OBJECT = "object"
    RECORDS = "records"
    COLUMNS = "columns"
    CSV = "csv"

    def __init__(self, kind: str) -> None:
        # attributes, as they are read for each predictor of a request
        self.is_csv = kind == "csv"
        self.is_text = kind not in ("object", "records", "columns")

    @property
    def has_rows(self) -> bool:
        """May it hold more than one observation?"""
        return self not in (Source.PATH, Source.QUERY, Source.OBJECT)

    @property
    def takes_options(self) -> bool:
        """May options stand beside it?"""
        return self is not Source.PATH

    def loc(self, name: str, row: int) -> list[str | int]:
        """Locate the value of a predictor, as in FastAPI's errors."""
        if self is Source.PATH:
            return ["path", "value"]
        if self is Source.QUERY:
            return ["query", name]
        if self is Source.OBJECT:
            return ["body", name]
        return ["body", name, row] if self is Source.COLUMNS else ["body", row, name]


@dataclass(slots=True)
class Errors:
    """All errors of a request; the first 50 are listed, all are counted."""

    listed: list[dict[str, Any]] = field(default_factory=list)
    count: int = 0

    def add(self, loc: Sequence[str | int], msg: str, value: Any = None) -> None:
        """Add one error: where it is, what is wrong and what is allowed, and the value that was sent."""
        self.count += 1
        if len(self.listed) < MAX_ERRORS:
            is_short = not isinstance(value, str | list | dict) or len(text := as_text(value)) <= MAX_CHARACTERS
            self.listed.append({"loc": list(loc), "msg": msg, "input": value if is_short else short(text)})

    def raise_if_any(self) -> None:
        """Raise InvalidObservations where there are errors."""
        if self.count:
            raise self.raised()

    def raised(self) -> InvalidObservations:
        """Make the exception of the errors that there are."""
        more = f" There are {self.count} errors; 'errors' lists them." if self.count > 1 else ""
        return InvalidObservations(self.listed[0]["msg"] + more, self.listed)


def as_text(value: Any) -> str:
    """Write a value as JSON does; one that is nested too deeply for that, as it may begin."""
    try:
        return value if isinstance(value, str) else orjson.dumps(value).decode()
    except orjson.JSONEncodeError:
        return "[" * 1000


def short(text: str) -> str:
    """Cut a text where it is long."""
    return text if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}..."


DEFAULTS = Options()


class Frame(NamedTuple):
    """What a request holds: `columns` has the values as they were sent, by the names of the model's predictors.

    `ignored` names the columns that are no predictors. `given` has all columns in their order, where augment asks for
    them.
    """

    source: Source
    columns: Columns
    rows: int
    ignored: Sequence[str] = ()
    given: Columns = {}  # noqa: RUF012 - nobody changes it


@dataclass(slots=True)
class Question:
    """What every reader in parse.py makes."""

    frame: Frame
    options: Options = DEFAULTS
    prefers_csv: bool = False
    errors: Errors = field(default_factory=Errors)
