"""What a request asks: options and observations, with every error that is found on the way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any, NamedTuple

import orjson

from lm_app.errors import InvalidObservations
from lm_app.schemas import Format, Options

Columns = dict[str, Sequence[Any]]

MISSING = object()
"""Marks a missing value whose error is already recorded."""

PREDICTED = ("fit", "lower", "upper", "extrapolated", "se")
"""The columns of an answer; with terms=true there are more, of numbers by term."""

MAX_ERRORS = 50
MAX_CHARACTERS = 50


class Source(Enum):
    """Where observations come from. Values in JSON have types; those in a URL, a form or CSV are text."""

    PATH = "path"
    QUERY = "query"
    FORM = "form"
    OBJECT = "object"
    RECORDS = "records"
    COLUMNS = "columns"
    CSV = "csv"

    def __init__(self, kind: str) -> None:
        # attributes, as they are read for each predictor of a request
        self.written = "csv" if kind == "csv" else "json" if kind in ("records", "columns", "object") else "text"
        """How predictors read its values: by from_csv(), from_json() or from_text()."""
        self.has_rows = kind in ("records", "columns", "csv")
        """May it hold more than one observation?"""

    def loc(self, name: str, row: int) -> list[str | int]:
        """Locate the value of a predictor, as in FastAPI's errors."""
        if self is Source.PATH:
            return ["path", "value"]
        if not self.has_rows:
            return ["query" if self is Source.QUERY else "body", name]
        return ["body", name, row] if self is Source.COLUMNS else ["body", row, name]


@dataclass(slots=True)
class Errors:
    """All errors of a request; the first 50 are listed, all are counted.

    `spares_rows`, with on_error=null: those of single observations, the ones of `rows`, refuse no request.
    """

    listed: list[dict[str, Any]] = field(default_factory=list)
    count: int = 0
    rows: set[int] = field(default_factory=set)
    in_rows: int = 0
    spares_rows: bool = False

    def add(self, loc: Sequence[str | int], msg: str, value: Any = None, row: int | None = None) -> None:
        """Add one error: where it is, what is wrong and what is allowed, the value that was sent, and the row.

        A number in `loc` is a row, too.
        """
        self.count += 1
        of_rows = [part for part in loc if isinstance(part, int)] if row is None else [row]
        self.rows.update(of_rows)
        self.in_rows += len(of_rows)
        if len(self.listed) < MAX_ERRORS:
            is_short = not isinstance(value, str | list | dict) or len(text := as_text(value)) <= MAX_CHARACTERS
            self.listed.append({"loc": list(loc), "msg": msg, "input": value if is_short else short(text)})

    def raise_if_any(self) -> None:
        """Raise InvalidObservations where there are errors that refuse the request."""
        if self.count and not (self.spares_rows and self.count == self.in_rows):
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

    `given`, with augment=true, are all columns as they were sent, in their order; `ignored` names what the model does
    not take.
    """

    source: Source
    columns: Columns
    rows: int
    ignored: Sequence[str] = ()
    given: Mapping[str, Sequence[Any]] = MappingProxyType({})


@dataclass(slots=True)
class Question:
    """What every reader in parse.py makes."""

    frame: Frame
    options: Options = DEFAULTS
    format: Format = "json"
    errors: Errors = field(default_factory=Errors)
