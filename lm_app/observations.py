"""Observations that a model can answer for, or all that is wrong with them.

Inside, observations are columns, whatever their shape outside: one array of doubles for each predictor,
which R takes as it is. A factor is given by the positions of its levels, a logical by 0 and 1. A column is
converted as a whole; only where that fails is it read again, value by value, to tell what is wrong.
"""

import math
import re
from array import array
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import orjson

from lm_app.errors import InvalidObservation
from lm_app.schemas import Options

Shape = Literal["path", "query", "records", "columns", "csv"]
"""Where observations come from. Values in JSON have types; those in a URL or in CSV are text."""
JSON_SHAPES = ("records", "columns")

NUMBER = re.compile(r"[+-]?([0-9]+([.,][0-9]*)?|[.,][0-9]+)([eE][+-]?[0-9]+)?", re.ASCII)
LOGICALS = {"true": 1.0, "false": 0.0}  # in any case: R writes TRUE, Python True
MISSING = object()
"""Stands in a column for a value that is missing and has been told of."""
MOST_FAULTS = 50
MOST_CHARACTERS = 50


@dataclass(slots=True)
class Faults:
    """All that is wrong with a request; the first 50 are told."""

    told: list[dict[str, Any]] = field(default_factory=list)
    count: int = 0

    def add(self, loc: Sequence[str | int], msg: str, sent: Any = None) -> None:
        """Note one fault: where it is, what is wrong and what is allowed, and what was sent."""
        self.count += 1
        if len(self.told) < MOST_FAULTS:
            short = not isinstance(sent, str | list | dict) or len(str(sent)) <= MOST_CHARACTERS
            self.told.append({"loc": list(loc), "msg": msg, "input": sent if short else f"{sent!s:.50}..."})

    def stop_if_any(self) -> None:
        """Raise InvalidObservation where there are faults."""
        if self.count:
            more = f" There are {self.count} faults; 'errors' lists them." if self.count > 1 else ""
            raise InvalidObservation(self.told[0]["msg"] + more, self.told)


class Observations(NamedTuple):
    """What R predicts for. `extrapolated` is set where the request asked to flag."""

    columns: list["array[float]"]  # one for each predictor, in the model's order
    extrapolated: list[bool] | None


def are_numbers(values: Sequence[Any]) -> bool:
    """Are these values of JSON all numbers? To Python, True and False are, too."""
    types = list(map(type, values))
    return types.count(float) == len(types) or {int, float}.issuperset(types)  # to count one type is much the faster


def are_logicals(values: Sequence[Any]) -> bool:
    """Are these values of JSON all true or false?"""
    return {bool}.issuperset(map(type, values))


def number(text: str) -> float:
    """The number that a person wrote; raises ValueError for thousands separators, NaN, infinity and all else."""
    value = float(text.replace(",", ".")) if NUMBER.fullmatch(text) else math.nan
    if not math.isfinite(value):
        raise ValueError(text)
    return value


def numbers(texts: Sequence[str]) -> list[float]:
    """The numbers that people wrote; raises ValueError as number() does."""
    joined = ",".join(texts)
    with suppress(orjson.JSONDecodeError):  # numbers of JSON are read together, many times faster
        values: list[float] = orjson.loads(f"[{joined}]")
        without_blanks = joined.split() == [joined]  # JSON admits them, number() does not
        if len(values) == len(texts) and are_numbers(values) and without_blanks:
            return values
    return [number(text) for text in texts]


def logical(text: str) -> float:
    """1 for true, 0 for false; raises KeyError for anything else."""
    return LOGICALS[text.lower()]


def check(
    predictors: Sequence[Mapping[str, Any]],
    columns: Mapping[str, Sequence[Any]],
    shape: Shape,
    options: Options,
    faults: Faults,
) -> Observations:
    """The columns, all of one length, as R takes them; raises InvalidObservation with all faults."""
    checked = [
        _column(predictor, columns[predictor["name"]], shape, options, faults)
        for predictor in predictors
        if predictor["name"] in columns
    ]
    faults.stop_if_any()
    if options.extrapolation == "refuse":
        return Observations(checked, None)
    ranges = [(x, p["min"], p["max"]) for x, p in zip(checked, predictors, strict=True) if p["type"] == "numeric"]
    rows = range(len(checked[0]))
    return Observations(checked, [any(not low <= x[row] <= high for x, low, high in ranges) for row in rows])


def _column(
    predictor: Mapping[str, Any], values: Sequence[Any], shape: Shape, options: Options, faults: Faults
) -> "array[float]":
    ranged = predictor["type"] == "numeric" and options.extrapolation == "refuse"
    whole = _convert(predictor, values, shape)
    if whole is not None and not (
        ranged and whole and (min(whole) < predictor["min"] or max(whole) > predictor["max"])
    ):
        return array("d", whole)
    for row, value in enumerate(values):
        msg = None if value is MISSING else _what_is_wrong(predictor, value, shape, ranged)
        if msg:
            name = predictor["name"]
            where: dict[Shape, list[str | int]] = {
                "path": ["path", "value"], "query": ["query", name], "columns": ["body", name, row]
            }  # fmt: skip
            faults.add(
                where.get(shape, ["body", row, name]),
                msg if shape in ("path", "query") else f"row {row}: {msg}",
                value,
            )
    return array("d")


def _convert(predictor: Mapping[str, Any], values: Sequence[Any], shape: Shape) -> Sequence[float] | None:
    """The column as numbers, or None where some value is not what the predictor takes."""
    try:
        if predictor["type"] == "factor":
            positions = {level: position for position, level in enumerate(predictor["levels"], start=1)}
            return [positions[level] for level in values]
        if shape in JSON_SHAPES:
            suits = are_logicals if predictor["type"] == "logical" else are_numbers
            return values if suits(values) else None
        if predictor["type"] == "logical":
            return [logical(text) for text in values]
        return numbers(values)
    except (KeyError, TypeError, ValueError):  # no such level, or a value of another type
        return None


def _what_is_wrong(predictor: Mapping[str, Any], value: Any, shape: Shape, ranged: bool) -> str | None:
    """What is wrong with one value, and what is allowed."""
    converted = _convert(predictor, [value], shape)
    name, sent = predictor["name"], repr(value) if isinstance(value, str) else str(value)
    sent = sent if len(sent) <= MOST_CHARACTERS else f"{sent[:MOST_CHARACTERS]}..."
    if converted is None:
        return f"{name} is {'missing (null)' if value is None else sent}; it must be {_allowed(predictor, shape)}."
    if ranged and not predictor["min"] <= converted[0] <= predictor["max"]:
        flag = "" if shape == "path" else " unless asked with extrapolation=flag"
        return (
            f"{name} is {sent.strip(chr(39))}; the model was trained on {predictor['min']} to {predictor['max']}"
            f" and does not answer outside of that range{flag}."
        )
    return None


def _allowed(predictor: Mapping[str, Any], shape: Shape) -> str:
    if predictor["type"] == "factor":
        return f"one of {', '.join(map(repr, predictor['levels']))}"
    if predictor["type"] == "logical":
        return "true or false"
    return (
        "a finite number"
        if shape in JSON_SHAPES
        else ("a finite decimal number with a dot or a comma, such as 29.5, 29,5 or 17")
    )
