"""The predictors of a model: each reads, checks and describes itself.

R takes a predictor as one column of doubles: a factor's values are the positions of its levels, from 1, a logical's
are 0 and 1, a date's the days and a time's the seconds since 1970 (UTC).
"""

import math
import re
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any, ClassVar

import orjson

from lm_app.data.columns import NUMBER as POINT_NUMBER
from lm_app.data.dates import read_dates, write_time
from lm_app.engine.lm import range_of

NUMBER = re.compile(r"[+-]?([0-9]+([.,][0-9]*)?|[.,][0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
LOGICALS = {"true": 1.0, "false": 0.0, "t": 1.0, "f": 0.0, "1": 1.0, "0": 0.0}  # in any case: R's TRUE, Python's True
WHOLE = re.compile(r"[+-]?[0-9]+", re.ASCII)
BITS = {0: 0.0, 1: 1.0}  # to Python, these are False and True, and 0.0 and 1.0, too
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
EPOCH = date(1970, 1, 1).toordinal()
SECONDS_OF_A_DAY = 86400
MOST_LISTED = 50
"""Of more values that are allowed, a message lists some."""


@dataclass(frozen=True)
class Predictor(ABC):
    """A variable that the model predicts from."""

    name: str
    unit: str | None

    @abstractmethod
    def from_json(self, values: Sequence[Any]) -> Sequence[float] | None:
        """Read values of JSON as R takes them; None where one of them is not allowed."""

    @abstractmethod
    def from_text(self, values: Sequence[Any]) -> Sequence[float] | None:
        """Read text as R takes it; None where a value is not allowed."""

    @abstractmethod
    def allowed(self, *, in_text: bool) -> str:
        """Describe the allowed values, in JSON or in text."""

    def from_csv(self, values: Sequence[str]) -> Sequence[float] | None:
        """Read the text of a CSV file as R takes it; blanks may stand around it. None where a value is not allowed."""
        numbers = self.from_text(values)
        return self.from_text([text.strip() for text in values]) if numbers is None else numbers

    def allowed_in_csv(self) -> str:
        """Describe the allowed values in a CSV file."""
        return self.allowed(in_text=True)

    @abstractmethod
    def value_schema(self) -> dict[str, Any]:
        """Make the JSON Schema of a value, without its description."""

    @abstractmethod
    def to_json(self, values: Sequence[float]) -> list[Any]:
        """Write as JSON has them the values that R takes."""

    def are_inside(self, values: Sequence[float]) -> bool:
        """Are all values inside the range of the training data?"""
        return True

    def range(self) -> str | None:
        """Describe the range of the training data, where there is one."""
        return None

    def schema(self) -> dict[str, Any]:
        """Make the JSON Schema of a value."""
        schema = self.value_schema()
        described = [f"in {self.unit}"] if self.unit else []
        if self.unit:
            schema["x-unit"] = self.unit
        if self.range():
            described.append(f"trained on {self.range()}")
        if described:
            schema["description"] = f"{self.name}, {', '.join(described)}"
        return schema


@dataclass(frozen=True)
class Numeric(Predictor):
    """A number, and the range of the training data.

    `values` are the numbers that are allowed, where the formula makes levels of them, as factor(year) does; `integer`
    says that all were whole.
    """

    min: float
    max: float
    values: list[float] | None = None
    integer: bool = False

    @cached_property
    def distinct(self) -> set[float]:
        """The allowed values, to look them up."""
        return set(self.values or [])

    def __post_init__(self) -> None:
        """Raise TypeError where the range is none."""
        if not isinstance(self.min, int | float) or not isinstance(self.max, int | float):
            raise TypeError(f"the range of {self.name} is {self.min!r} to {self.max!r}")

    def from_json(self, values: Sequence[Any]) -> Sequence[float] | None:
        """Read numbers, and their texts, as forms send them; to Python, True and False are numbers, too."""
        if _are_numbers(values):
            return self._allowed(values)
        texts = [
            value if type(value) is str else repr(value) if type(value) in (int, float) else "" for value in values
        ]
        return self.from_csv(texts)

    def from_text(self, values: Sequence[str]) -> Sequence[float] | None:
        """Read numbers with a dot or a comma; None for thousands separators, NaN, infinity and all else."""
        try:
            return self._allowed([_number(text) for text in values])
        except ValueError:
            return None

    def from_csv(self, values: Sequence[str]) -> Sequence[float] | None:
        """Read numbers as training does: a comma is no part of a number, and blanks may stand around it."""
        try:
            numbers = _together(",".join(values), len(values))
            return self._allowed(numbers or [_number(text.strip(), POINT_NUMBER) for text in values])
        except ValueError:
            return None

    def allowed_in_csv(self) -> str:
        """Describe a number in CSV."""
        if self.values is not None:
            return one_of(self.values)
        return "a finite decimal number such as 29.5 or 17, without a thousands separator"

    def _allowed(self, values: Sequence[float]) -> Sequence[float] | None:
        return values if self.values is None or self.distinct.issuperset(values) else None

    def allowed(self, *, in_text: bool) -> str:
        """Describe a number."""
        if self.values is not None:
            return one_of(self.values)
        if in_text:
            return "a finite decimal number with a dot or a comma, such as 29.5, 29,5 or 17"
        return "a finite number"

    def are_inside(self, values: Sequence[float]) -> bool:
        """Are all values inside the range of the training data?"""
        if len(values) == 1:
            return self.min <= values[0] <= self.max
        if not values:
            return True
        least, greatest = range_of(values)
        return self.min <= least and greatest <= self.max

    def to_json(self, values: Sequence[float]) -> list[Any]:
        """Write numbers."""
        return list(values)

    def range(self) -> str:
        """Describe the range of the training data."""
        return f"{self.min} to {self.max}"

    def value_schema(self) -> dict[str, Any]:
        """Make the JSON Schema of a number."""
        if self.values is not None:
            return {"type": "integer" if self.integer else "number", "enum": self.values}
        return {"type": "number", "minimum": self.min, "maximum": self.max}


@dataclass(frozen=True)
class Factor(Predictor):
    """One of some levels; the first is the reference level. `ordered`: in R they have an order."""

    levels: list[str]
    ordered: bool = False

    def __post_init__(self) -> None:
        """Raise TypeError where there are no levels."""
        iter(self.levels)

    @cached_property
    def positions(self) -> dict[str, int]:
        """The position of each level, from 1; without the blanks around it, too, where that is unique."""
        positions = {level: position for position, level in enumerate(self.levels, start=1)}
        times = Counter(map(str.strip, self.levels))
        stripped = {level.strip(): position for level, position in positions.items() if times[level.strip()] == 1}
        return stripped | positions

    @cached_property
    def _meant(self) -> dict[tuple[bool, float], int]:
        """The position of the one level that a number or a logical of JSON can mean; the first says which it is."""
        meant = [(_meaning(level.strip()), position) for position, level in enumerate(self.levels, start=1)]
        times = Counter(key for key, _ in meant)
        return {key: position for key, position in meant if key and times[key] == 1}

    def from_json(self, values: Sequence[Any]) -> Sequence[float] | None:
        """Read levels, and numbers or logicals that are written as one level is."""
        positions = self.from_text(values)
        if positions is not None:
            return positions
        try:
            return [
                self.positions[value] if type(value) is str else self._meant[type(value) is bool, value]
                for value in values
            ]
        except (KeyError, TypeError):
            return None

    def from_text(self, values: Sequence[Any]) -> Sequence[float] | None:
        """Read levels."""
        try:
            return [self.positions[level] for level in values]
        except (KeyError, TypeError):  # a value of another type may not even be hashable
            return None

    def allowed(self, *, in_text: bool) -> str:
        """List the levels."""
        return one_of(self.levels)

    def to_json(self, values: Sequence[float]) -> list[Any]:
        """Write levels."""
        return [self.levels[int(value) - 1] for value in values]

    def value_schema(self) -> dict[str, Any]:
        """Make the JSON Schema of a level."""
        return {"type": "string", "enum": self.levels}


@dataclass(frozen=True)
class Logical(Predictor):
    """True or false."""

    def from_json(self, values: Sequence[Any]) -> Sequence[float] | None:
        """Read true and false, also as 1 and 0, and as texts."""
        if {bool}.issuperset(map(type, values)):
            return values
        try:
            return [LOGICALS[value.lower()] if type(value) is str else BITS[value] for value in values]
        except (KeyError, TypeError):
            return None

    def from_text(self, values: Sequence[str]) -> Sequence[float] | None:
        """Read true and false in any case."""
        try:
            return [LOGICALS[text.lower()] for text in values]
        except KeyError:
            return None

    def allowed(self, *, in_text: bool) -> str:
        """Describe a logical."""
        return "true or false"

    def to_json(self, values: Sequence[float]) -> list[Any]:
        """Write true and false."""
        return list(map(bool, values))

    def value_schema(self) -> dict[str, Any]:
        """Make the JSON Schema of a logical."""
        return {"type": "boolean"}


@dataclass(frozen=True)
class Date(Predictor):
    """A date, and the range of the training data, all as ISO 8601 has them."""

    min: str
    max: str

    kind: ClassVar[str] = "date"
    example: ClassVar[str] = "a date such as 2024-12-31"

    @cached_property
    def limits(self) -> tuple[float, float]:
        """The range as R takes it."""
        return self.read(self.min), self.read(self.max)

    @staticmethod
    def read(text: str) -> float:
        """Read a date as R takes it; raises ValueError or TypeError."""
        if not DATE.fullmatch(text):
            raise ValueError(text)
        return date.fromisoformat(text).toordinal() - EPOCH

    def from_text(self, values: Sequence[Any]) -> Sequence[float] | None:
        """Read text; None where a value is no such text."""
        try:
            return list(map(self.read, values))
        except (ValueError, TypeError, OverflowError):
            return None

    from_json = from_text

    def to_json(self, values: Sequence[float]) -> list[Any]:
        """Write the text."""
        return list(map(self.write, values))

    @staticmethod
    def write(value: float) -> str:
        """Write a date."""
        return date.fromordinal(int(value) + EPOCH).isoformat()

    def allowed(self, *, in_text: bool) -> str:
        """Describe the text."""
        return self.example

    def are_inside(self, values: Sequence[float]) -> bool:
        """Are all values inside the range of the training data?"""
        least, greatest = self.limits
        return not values or (least <= min(values) and max(values) <= greatest)

    def range(self) -> str:
        """Describe the range of the training data."""
        return f"{self.min} to {self.max}"

    def value_schema(self) -> dict[str, Any]:
        """Make the JSON Schema of the text."""
        return {"type": "string", "format": self.kind}


@dataclass(frozen=True)
class DateTime(Date):
    """A date and a time, and the range of the training data; without an offset it is UTC."""

    kind: ClassVar[str] = "date-time"
    example: ClassVar[str] = "a date and a time such as 2024-12-31T18:30:00Z"

    @staticmethod
    def read(text: str) -> float:
        """Read a time as training does; raises ValueError, TypeError or OverflowError."""
        kind, [number] = read_dates([text])
        return number if kind == "datetime" else number * SECONDS_OF_A_DAY

    @staticmethod
    def write(value: float) -> str:
        """Write a time."""
        return write_time(value)


TYPES: dict[str, type[Predictor]] = {
    "numeric": Numeric,
    "factor": Factor,
    "logical": Logical,
    "date": Date,
    "datetime": DateTime,
}
CONSTANT = Numeric("(Intercept)", None, 1, 1)
"""What R takes instead of predictors where a model has none."""


def predictors_of(info: Mapping[str, Any]) -> list[Predictor]:
    """Make the predictors of model_info.json; raises KeyError or TypeError where it is not one."""
    return [
        TYPES[predictor["type"]](**{key: value for key, value in predictor.items() if key != "type"})
        for predictor in info["predictors"]
    ]


def names_of(predictors: Sequence[Predictor]) -> list[str]:
    """List the predictors' names."""
    return [predictor.name for predictor in predictors]


def is_single_number(predictors: Sequence[Predictor]) -> bool:
    """Can the model be asked by one number?"""
    return len(predictors) == 1 and isinstance(predictors[0], Numeric)


def one_of(values: Sequence[Any]) -> str:
    """List the values that are allowed, the first of many."""
    listed = ", ".join(map(repr, values[:MOST_LISTED]))
    more = f" and {len(values) - MOST_LISTED} more, see the prototype" if len(values) > MOST_LISTED else ""
    return f"one of {listed}{more}"


def _meaning(level: str) -> tuple[bool, float] | None:
    """Tell which number or logical a level is, where it is one; whole numbers exactly."""
    if level.lower() in ("true", "false"):
        return True, level.lower() == "true"
    with suppress(ValueError):
        number = _number(level, POINT_NUMBER)
        return False, int(level) if number.is_integer() and WHOLE.fullmatch(level) else number
    return None


def _are_numbers(values: Sequence[Any]) -> bool:
    types = list(map(type, values))
    return types.count(float) == len(types) or {int, float}.issuperset(types)  # counting one type is much the faster


def _number(text: str, pattern: "re.Pattern[str]" = NUMBER) -> float:
    value = float(text.replace(",", ".")) if pattern.fullmatch(text) else math.nan
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _together(joined: str, count: int) -> list[float] | None:
    """Read numbers as JSON writes them, many times faster than one by one; None where they are not so written."""
    with suppress(orjson.JSONDecodeError):
        values: list[float] = orjson.loads(f"[{joined}]")
        if len(values) == count and _are_numbers(values):
            return values
    return None
