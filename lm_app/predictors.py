"""The predictors of a model: each reads, checks and describes itself.

R takes a predictor as one column of doubles: a factor's values are the positions of its levels, from 1, a logical's
are 0 and 1.
"""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import orjson

NUMBER = re.compile(r"[+-]?([0-9]+([.,][0-9]*)?|[.,][0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
LOGICALS = {"true": 1.0, "false": 0.0}  # in any case: R writes TRUE, Python True


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

    @abstractmethod
    def value_schema(self) -> dict[str, Any]:
        """Make the JSON Schema of a value, without its description."""

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
    """A number, and the range of the training data."""

    min: float
    max: float

    def __post_init__(self) -> None:
        """Raise TypeError where the range is none."""
        math.isfinite(self.min), math.isfinite(self.max)

    def from_json(self, values: Sequence[Any]) -> Sequence[float] | None:
        """Read numbers; to Python, True and False are numbers, too."""
        return values if _are_numbers(values) else None

    def from_text(self, values: Sequence[str]) -> Sequence[float] | None:
        """Read numbers with a dot or a comma; None for thousands separators, NaN, infinity and all else."""
        try:
            return _numbers(values)
        except ValueError:
            return None

    def allowed(self, *, in_text: bool) -> str:
        """Describe a number."""
        if in_text:
            return "a finite decimal number with a dot or a comma, such as 29.5, 29,5 or 17"
        return "a finite number"

    def are_inside(self, values: Sequence[float]) -> bool:
        """Are all values inside the range of the training data?"""
        return not values or (self.min <= min(values) and max(values) <= self.max)

    def range(self) -> str:
        """Describe the range of the training data."""
        return f"{self.min} to {self.max}"

    def value_schema(self) -> dict[str, Any]:
        """Make the JSON Schema of a number."""
        return {"type": "number", "minimum": self.min, "maximum": self.max}


@dataclass(frozen=True)
class Factor(Predictor):
    """One of some levels; the first is the reference level."""

    levels: list[str]

    def __post_init__(self) -> None:
        """Raise TypeError where there are no levels."""
        iter(self.levels)

    @cached_property
    def positions(self) -> dict[str, int]:
        """The position of each level, from 1."""
        return {level: position for position, level in enumerate(self.levels, start=1)}

    def from_text(self, values: Sequence[Any]) -> Sequence[float] | None:
        """Read levels."""
        try:
            return [self.positions[level] for level in values]
        except (KeyError, TypeError):  # a value of another type may not even be hashable
            return None

    from_json = from_text

    def allowed(self, *, in_text: bool) -> str:
        """List the levels."""
        return f"one of {', '.join(map(repr, self.levels))}"

    def value_schema(self) -> dict[str, Any]:
        """Make the JSON Schema of a level."""
        return {"type": "string", "enum": self.levels}


@dataclass(frozen=True)
class Logical(Predictor):
    """True or false."""

    def from_json(self, values: Sequence[Any]) -> Sequence[float] | None:
        """Read true and false."""
        return values if {bool}.issuperset(map(type, values)) else None

    def from_text(self, values: Sequence[str]) -> Sequence[float] | None:
        """Read true and false in any case."""
        try:
            return [LOGICALS[text.lower()] for text in values]
        except KeyError:
            return None

    def allowed(self, *, in_text: bool) -> str:
        """Describe a logical."""
        return "true or false"

    def value_schema(self) -> dict[str, Any]:
        """Make the JSON Schema of a logical."""
        return {"type": "boolean"}


TYPES: dict[str, type[Predictor]] = {"numeric": Numeric, "factor": Factor, "logical": Logical}


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


def _are_numbers(values: Sequence[Any]) -> bool:
    types = list(map(type, values))
    return types.count(float) == len(types) or {int, float}.issuperset(types)  # counting one type is much the faster


def _number(text: str) -> float:
    value = float(text.replace(",", ".")) if NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def _numbers(texts: Sequence[str]) -> list[float]:
    # Numbers as JSON writes them are read together, many times faster than one by one.
    joined = ",".join(texts)
    with suppress(orjson.JSONDecodeError):
        values: list[float] = orjson.loads(f"[{joined}]")
        without_blanks = joined.split() == [joined]  # JSON admits them, _number() does not
        if len(values) == len(texts) and _are_numbers(values) and without_blanks:
            return values
    return [_number(text) for text in texts]
