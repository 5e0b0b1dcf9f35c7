"""Train an lm, and predict with one: what the rest of the app asks of R."""

import pickle
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from rpy2 import rinterface

from lm_app.data.table import Table
from lm_app.engine import runtime
from lm_app.engine.convert import data_frame_columns, doubles, json_value, named_list, optional, strings
from lm_app.engine.fast import FastPredict
from lm_app.engine.pickles import serialized_lm
from lm_app.errors import RError, UnseenLevels

Interval = Literal["none", "confidence", "prediction"]
"""As in R's predict()."""
LEVEL = 0.95
"""The default of R's predict()."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What train() in train.R returns.

    `pickled` is the R lm, pickled by rpy2; `info` is JSON data; `warnings` are R's. `live_press_rmse` is that of the
    live version's formula on the same data, or None where it can't be fitted to them.
    """

    pickled: bytes
    info: dict[str, Any]
    summary: str
    live_press_rmse: float | None
    warnings: list[str]


class Prediction(NamedTuple):
    """One number for each observation; `lower` and `upper` only where an interval was requested."""

    fit: list[float]  # NaN where R has no answer, such as for the log of a negative number
    lower: list[float] | None
    upper: list[float] | None
    warnings: list[str]


def train(
    table: Table,
    formula: str,
    *,
    weights: str | None = None,
    subset: str | None = None,
    factors: Mapping[str, Sequence[str]] | None = None,
    ordered: Sequence[str] = (),
    contrasts: Mapping[str, str] | None = None,
    stepwise: str = "none",
    na: str = "omit",
    plots: Path | None = None,
    live_formula: str | None = None,
    live_weights: str | None = None,
    console: runtime.Console = runtime.SILENT,
) -> Trained:
    """Fit an lm to a table; see train() in train.R for the arguments. Raises RError with one line."""

    def job() -> Trained:
        with runtime.connected(console):
            data, _ = runtime.call("data_frame", data_frame_columns(table))
            value, warned = runtime.call(
                "train",
                data,
                formula,
                weights=optional(weights),
                subset=optional(subset),
                factors=named_list({name: strings(levels) for name, levels in (factors or {}).items()}),
                ordered=strings(ordered),
                contrasts=named_list({name: strings(contrast) for name, contrast in (contrasts or {}).items()}),
                stepwise=stepwise,
                na=na,
                row_names=optional(table.row_names),
                problems=named_list({name: strings(f"column '{name}': {why}") for name, why in table.problems.items()}),
                plots=optional(str(plots) if plots else None),
                live_formula=optional(live_formula),
                live_weights=optional(live_weights),
            )
        model, info, summary, live_press_rmse = value
        return Trained(pickle.dumps(model), json_value(info), json_value(summary), json_value(live_press_rmse), warned)

    return runtime.in_r(job)


class Model:
    """An lm that lives in R. `warnings` are of its preparation."""

    def __init__(self, pickled: bytes) -> None:
        """Load what train() pickled; raises RError where the bytes are anything else."""
        # in two calls, so that other models can answer in between
        self._prepared, self.warnings = runtime.in_r(_prepare, runtime.in_r(_unpickle, pickled))

    def predict(
        self, columns: Sequence["array[float]"], interval: Interval = "none", level: float = LEVEL
    ) -> Prediction:
        """Predict as R's predict() does, for observations in columns, one for each predictor in the model's order.

        All columns have one length; a factor's and a text's values are the positions of their levels, from 1, a
        logical's 0 and 1, a date's the days and a time's the seconds since 1970 (UTC). A model without predictors
        takes one column, of ones. Raises RError where R refuses them, UnseenLevels where it is known why.
        """
        x = columns[0] if len(columns) == 1 else array("d", b"".join(columns))
        return runtime.in_r(_predict, self._prepared, x, len(columns[0]), interval, level)


class _Prepared(NamedTuple):
    """The two ways to answer that prepare_predict() in fast_predict.R returns, and what explains a refusal."""

    fast: FastPredict
    fallback: rinterface.SexpClosure
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


def _prepare(model: runtime.Kept[rinterface.ListSexpVector]) -> tuple[runtime.Kept[_Prepared], list[str]]:
    (fast, fallback, unseen), warned = runtime.call("prepare_predict", model.value)
    return runtime.Kept(_Prepared(FastPredict(fast), fallback, unseen)), warned


def _predict(
    prepared: runtime.Kept[_Prepared], x: "array[float]", rows: int, interval: Interval, level: float
) -> Prediction:
    model, warned = prepared.value, list[str]()
    numbers = model.fast(x, rows if interval == "none" else 3 * rows, interval, level)
    if numbers is None:
        vector = rinterface.FloatSexpVector.from_memoryview(memoryview(x))
        attempted = model.fallback(vector, strings(interval), rinterface.FloatSexpVector([level]))
        try:
            value, warned = runtime.outcome(attempted)
        except RError as error:
            message = f"R can't predict for this: {error}"
            if levels := json_value(model.unseen(vector)):
                raise UnseenLevels(message, levels) from None
            raise RError(message) from None
        numbers = doubles(value).tolist()
    if interval == "none":
        return Prediction(numbers, None, None, warned)
    return Prediction(numbers[:rows], numbers[rows : 2 * rows], numbers[2 * rows :], warned)
