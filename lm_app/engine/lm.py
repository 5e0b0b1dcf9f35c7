"""Train an lm, and predict with one: what the rest of the app asks of R."""

import math
import pickle
import time
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypedDict, TypeVar

from rpy2 import rinterface

from lm_app.data.table import Table
from lm_app.engine import runtime
from lm_app.engine.convert import (
    data_frame_columns,
    doubles,
    json_value,
    named_list,
    optional,
    problems_of,
    r_value,
    strings,
)
from lm_app.engine.fast import FastPredict, Values
from lm_app.engine.pickles import serialized_lm
from lm_app.errors import ClientGone, RError, TimedOut, UnseenLevels

if TYPE_CHECKING:
    from typing_extensions import Unpack

Interval = Literal["none", "confidence", "prediction"]
"""As in R's predict()."""
LEVEL = 0.95
"""The default of R's predict()."""
PRODUCTS = 1 << 24
"""So many products of two numbers R computes in some 10 ms."""
MANY = 1000
"""So many numbers are worth the way to R."""
MOST_ROWS, FEWEST_ROWS = 1 << 14, 1 << 4
"""Of a chunk."""
HEAD_OF_MORE = ("df", "residual_scale", "constant")
COLUMNS_OF_MORE = ("se", "terms", "terms_se", "terms_lower", "terms_upper")
NOT_FINITE = "where a number is none, R multiplies matrices in another way, and so for all rows"
SHORTEST, LOADING = 0.001, 10.0
"""Seconds for R: the least that is a limit to it, and the most to prepare a model; beyond, that is damaged."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Trained:
    """What train() in train.R returns.

    `pickled` is the R lm, pickled by rpy2; `code` makes it again in R; `info` is JSON data; `warnings` are R's.
    `live_press_rmse` is that of the live version's formula on the same data, or None where it can't be fitted to them.
    `distributions` are those of the predictors, JSON data, too; None where there were no data.
    """

    pickled: bytes
    code: str
    info: dict[str, Any]
    summary: str
    live_press_rmse: float | None
    distributions: dict[str, Any] | None
    warnings: list[str]


class Prediction(NamedTuple):
    """One number for each observation; `lower` and `upper` only where an interval was requested."""

    fit: list[float]  # NaN where R has no answer, such as for the log of a negative number
    lower: list[float] | None
    upper: list[float] | None
    warnings: list[str]
    seconds: float
    """In R."""
    more: "More | None" = None


class More(NamedTuple):
    """What R's predict() tells with se.fit = TRUE and type = "terms".

    `head` is of the whole answer: df, residual_scale, constant. `columns` have one number for each observation; `terms`
    have such a column for each term, by the names terms, terms_se, terms_lower and terms_upper.
    """

    head: dict[str, float | None]
    columns: dict[str, list[float]]
    terms: dict[str, dict[str, list[float]]]
    seconds: float
    """In R."""


class Asked(TypedDict, total=False):
    """What a fit may be asked for beside its formula; see train() in train.R."""

    weights: str | None
    subset: str | None
    factors: Mapping[str, Sequence[str]]
    ordered: Sequence[str]
    contrasts: Mapping[str, Any]
    stepwise: str
    na: str
    live_formula: str | None
    live_weights: str | None


def train(
    table: Table,
    formula: str,
    *,
    plots: Path | None = None,
    title: str = "",
    units: Mapping[str, str] | None = None,
    fitted: Mapping[str, Any] | None = None,
    console: runtime.Console = runtime.SILENT,
    **asked: "Unpack[Asked]",
) -> Trained:
    """Fit an lm to a table; see train() in train.R for the arguments. Raises RError with one line."""

    def job() -> Trained:
        with runtime.connected(console):
            data, _ = runtime.call("data_frame", data_frame_columns(table))
            value, warned = runtime.call(
                "train",
                data,
                formula,
                **arguments_of(asked),
                row_names=optional(table.row_names),
                problems=problems_of(table),
                plots=optional(str(plots) if plots else None),
                title=title,
                units=r_value(units or {}),
                fitted=r_value(fitted),
            )
        return trained(value, warned)

    return runtime.in_r(job)


def arguments_of(asked: Asked) -> dict[str, Any]:
    """Make R's arguments of what is asked."""
    return {
        "weights": optional(asked.get("weights")),
        "subset": optional(asked.get("subset")),
        "factors": named_list({name: strings(levels) for name, levels in asked.get("factors", {}).items()}),
        "ordered": strings(asked.get("ordered", ())),
        "contrasts": r_value(asked.get("contrasts", {})),
        "stepwise": asked.get("stepwise", "none"),
        "na": asked.get("na", "omit"),
        "live_formula": optional(asked.get("live_formula")),
        "live_weights": optional(asked.get("live_weights")),
    }


def rebuild(fitted: Mapping[str, Any]) -> Trained:
    """Rebuild an lm that was fitted elsewhere; see rebuild() in rebuild.R. Raises RError with one line."""
    return runtime.in_r(lambda: trained(*runtime.call("rebuild", r_value(fitted))))


def trained(value: Any, warned: list[str]) -> Trained:
    """Take what train() in train.R returned."""
    pickled = pickle.dumps(value[0])
    code, info, summary, live_press_rmse, distributions = map(json_value, list(value)[1:])
    return Trained(pickled, code, info, summary, live_press_rmse, distributions, warned)


class Model:
    """An lm that lives in R. `warnings` are of its preparation, `columns` those of its model matrix."""

    def __init__(self, pickled: bytes) -> None:
        """Load what train() pickled; raises RError where the bytes are anything else."""
        # in two calls, so that other models can answer in between
        self._prepared, self.columns, self.warnings = runtime.in_r(_prepare, runtime.in_r(_unpickle, pickled))

    def predict(
        self,
        columns: Sequence["array[float]"],
        interval: Interval = "none",
        level: float = LEVEL,
        seconds: float = math.inf,
        is_gone: Callable[[], bool] = lambda: False,
    ) -> Prediction:
        """Predict as R's predict() does, for observations in columns, one for each predictor in the model's order.

        All columns have one length; a factor's and a text's values are the positions of their levels, from 1, a
        logical's 0 and 1, a date's the days and a time's the seconds since 1970 (UTC). A model without predictors
        takes one column, of ones. Raises RError where R refuses them, UnseenLevels where it is known why, TimedOut
        where R is not done in so many seconds, and ClientGone where `is_gone` says so between the chunks of many rows.
        """
        deadline, rows = time.monotonic() + seconds, len(columns[0])
        if rows >= 2 * FEWEST_ROWS and rows >= 2 * (at_once := self._rows_at_once(interval)):
            with suppress(RError):  # what R says is to be said of all

                def ask(x: Values, rows: int) -> Prediction:
                    asked = self._prepared, x, rows, interval, level, deadline
                    return runtime.in_r_by(deadline, _predict, *asked, is_part=True)

                return _joined_predictions(_in_chunks(columns, at_once, is_gone, ask), interval)
        return runtime.in_r_by(deadline, _predict, self._prepared, _in_one(columns), rows, interval, level, deadline)

    def more(
        self,
        columns: Sequence["array[float]"],
        interval: Interval,
        level: float,
        *,
        se: bool,
        terms: bool,
        seconds: float,
        is_gone: Callable[[], bool],
    ) -> More:
        """Ask predict() itself for standard errors and terms; the rest is as in predict()."""
        deadline, rows = time.monotonic() + seconds, len(columns[0])

        def ask(x: Values, rows: int, is_part: bool = True) -> More:
            asked = self._prepared, x, rows, interval, level, se, terms, deadline
            return runtime.in_r_by(deadline, _more, *asked, is_part=is_part)

        if rows >= 2 * FEWEST_ROWS and rows >= 2 * (at_once := self._rows_at_once("prediction")):
            with suppress(RError):
                return _joined_more(_in_chunks(columns, at_once, is_gone, ask))
        return ask(_in_one(columns), rows, is_part=False)

    def _rows_at_once(self, interval: Interval) -> int:
        """Choose how many rows R computes in some 10 ms. A power of 2, as a BLAS may compute rows in blocks."""
        products = self.columns if interval == "none" else self.columns**2
        return 1 << (min(MOST_ROWS, max(FEWEST_ROWS, PRODUCTS // max(1, products))).bit_length() - 1)


def _in_one(columns: "Sequence[array[float] | memoryview[float]]") -> Values:
    return columns[0] if len(columns) == 1 else array("d", b"".join(columns))


def _in_chunks(
    columns: Sequence["array[float]"], at_once: int, is_gone: Callable[[], bool], ask: Callable[[Values, int], T]
) -> list[T]:
    """Ask R in chunks, between which it is free for others; raises RError where it has to be asked for all.

    The last chunk has up to twice as many rows: for one alone, a BLAS may compute otherwise.
    """
    views: list[memoryview[float]] = [memoryview(column) for column in columns]
    parts: list[T] = []
    starts = range(0, len(views[0]) - at_once + 1, at_once)
    for start in starts:
        if parts:
            runtime.give_way()
        if is_gone():
            raise ClientGone
        chunk = [view[start : None if start == starts[-1] else start + at_once] for view in views]
        parts.append(ask(_in_one(chunk), len(chunk[0])))
    return parts


def _joined_predictions(parts: Sequence[Prediction], interval: Interval) -> Prediction:
    fits, lowers, uppers, warned, seconds, _ = zip(*parts, strict=True)
    warnings = list(dict.fromkeys(_joined(warned)))
    if interval == "none":
        return Prediction(_joined(fits), None, None, warnings, sum(seconds))
    return Prediction(_joined(fits), _joined(lowers), _joined(uppers), warnings, sum(seconds))


def _joined_more(parts: Sequence[More]) -> More:
    first = parts[0]
    return More(
        first.head,
        {name: _joined(part.columns[name] for part in parts) for name in first.columns},
        {
            name: {label: _joined(part.terms[name][label] for part in parts) for label in by_term}
            for name, by_term in first.terms.items()
        },
        sum(part.seconds for part in parts),
    )


def range_of(values: Sequence[float]) -> tuple[float, float]:
    """Return the least and the greatest number. Of many, R does where it is free: in an eighth of Python's time."""
    if isinstance(values, array) and len(values) >= MANY:
        with suppress(TimedOut):
            return runtime.in_r_by(time.monotonic() + SHORTEST, _range_of, values)
    return min(values), max(values)


def _range_of(values: "array[float]") -> tuple[float, float]:
    least, greatest = rinterface.baseenv["range"](rinterface.FloatSexpVector.from_memoryview(memoryview(values)))
    return least, greatest


def _joined(lists: Iterable[list[T]]) -> list[T]:
    return list(chain.from_iterable(lists))


class _Prepared(NamedTuple):
    """The ways to answer that prepare_predict() in fast_predict.R returns, and what explains a refusal."""

    fast: FastPredict
    fallback: rinterface.SexpClosure
    more: rinterface.SexpClosure
    unseen: rinterface.SexpClosure


def _unpickle(pickled: bytes) -> runtime.Kept[rinterface.ListSexpVector]:
    content = serialized_lm(pickled)
    try:
        model = rinterface.ListSexpVector.__new__(rinterface.ListSexpVector)
        model.__setstate__(content)
    except rinterface.embedded.RRuntimeError as error:
        raise RError(f"not a pickled lm: {' '.join(str(error).split())}") from None
    if not runtime.call("is_trained", model)[0][0]:
        raise RError("not a pickled lm that update_lm made")
    return runtime.Kept(model)


def _prepare(model: runtime.Kept[rinterface.ListSexpVector]) -> tuple[runtime.Kept[_Prepared], int, list[str]]:
    (fast, fallback, more, unseen, columns), warned = runtime.call(
        "in_seconds", LOADING, runtime.function("prepare_predict"), model.value
    )
    return runtime.Kept(_Prepared(FastPredict(fast), fallback, more, unseen)), columns[0], warned


def _predict(
    prepared: runtime.Kept[_Prepared],
    x: Values,
    rows: int,
    interval: Interval,
    level: float,
    deadline: float,
    is_part: bool = False,
) -> Prediction:
    model, began = prepared.value, time.monotonic()
    warned: list[str] = []
    numbers = model.fast(x, rows if interval == "none" else 3 * rows, interval, level)
    if numbers is None:
        numbers, warned = _fall_back(model, x, interval, level, deadline)
        if is_part and not math.isfinite(sum(numbers)):
            raise RError(NOT_FINITE)
    if interval == "none":
        return Prediction(numbers, None, None, warned, time.monotonic() - began)
    fit, lower, upper = numbers[:rows], numbers[rows : 2 * rows], numbers[2 * rows :]
    return Prediction(fit, lower, upper, warned, time.monotonic() - began)


def _more(
    prepared: runtime.Kept[_Prepared],
    x: Values,
    rows: int,
    interval: Interval,
    level: float,
    se: bool,
    terms: bool,
    deadline: float,
    is_part: bool,
) -> More:
    began = time.monotonic()
    vector = rinterface.FloatSexpVector.from_memoryview(memoryview(x))
    asked = vector, strings(interval), level, se, terms, max(SHORTEST, deadline - time.monotonic())
    try:
        value, _ = runtime.outcome(prepared.value.more(*asked))  # predict() has warned before
    except RError as error:
        if time.monotonic() > deadline:
            raise TimedOut from None
        raise RError(f"R can't predict for this: {error}") from None
    found = dict(zip(value.names, value, strict=True))
    numbers = {name: doubles(found[name]).tolist() for name in COLUMNS_OF_MORE if name in found}
    if is_part and not all(math.isfinite(sum(column)) for column in numbers.values()):
        raise RError(NOT_FINITE)
    labels = list(found.get("labels", ()))
    return More(
        {name: json_value(found[name]) for name in HEAD_OF_MORE if name in found},
        {"se": numbers.pop("se")} if se else {},
        {
            name: {label: column[rows * term : rows * (term + 1)] for term, label in enumerate(labels)}
            for name, column in numbers.items()
        },
        time.monotonic() - began,
    )


def _fall_back(
    model: _Prepared, x: Values, interval: Interval, level: float, deadline: float
) -> tuple[list[float], list[str]]:
    """Ask predict() itself."""
    vector = rinterface.FloatSexpVector.from_memoryview(memoryview(x))
    numbers = [rinterface.FloatSexpVector([x]) for x in (level, max(SHORTEST, deadline - time.monotonic()))]
    try:
        value, warned = runtime.outcome(model.fallback(vector, strings(interval), *numbers))
    except RError as error:
        if time.monotonic() > deadline:
            raise TimedOut from None  # R has stopped for it
        message = f"R can't predict for this: {error}"
        if levels := json_value(model.unseen(vector)):
            raise UnseenLevels(message, levels) from None
        raise RError(message) from None
    return doubles(value).tolist(), warned
