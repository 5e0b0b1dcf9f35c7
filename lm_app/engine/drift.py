"""Compare distributions and errors: what lm_app/monitoring and lm_app/training ask of drift.R."""

from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from rpy2 import rinterface

from lm_app.data.table import Table
from lm_app.engine import runtime
from lm_app.engine.convert import data_frame_columns, doubles, json_value, named_list, problems_of, strings


class Panel(NamedTuple):
    """A panel of the picture: lines of a number for each period, and a threshold, where there is one."""

    lines: Mapping[str, Sequence[float]]
    threshold: float | None = None


def check_drift(
    trained: Mapping[str, Mapping[str, Any]],
    asked: Mapping[str, "array[float]"],
    outside: Sequence[bool],
    period: Sequence[int],
    labelled: Mapping[str, Sequence[float]] | None,
) -> dict[str, Any]:
    """Ask check_drift() in drift.R; its value as JSON data. NaN is what the model can't take."""

    def job() -> dict[str, Any]:
        value, _ = runtime.call(
            "check_drift",
            named_list({name: named_list(_numbers(described)) for name, described in trained.items()}),
            named_list(_numbers(asked)),
            rinterface.BoolSexpVector(outside),
            rinterface.IntSexpVector(period),
            rinterface.NULL if labelled is None else named_list(_numbers(labelled)),
        )
        found: dict[str, Any] = json_value(value)
        return found

    return runtime.in_r(job)


def read_response(table: Table, formula: str) -> "array[float]":
    """Work out the response of a formula in a table; raises RError with one line."""

    def job() -> "array[float]":
        data, _ = runtime.call("data_frame", data_frame_columns(table))
        return doubles(runtime.call("response_of", data, formula, problems_of(table))[0])

    return runtime.in_r(job)


def sum_up_differences(differences: Sequence[float]) -> dict[str, float] | None:
    """Ask differences() in drift.R; None where no difference is a number."""

    def job() -> dict[str, float] | None:
        found: dict[str, float] | None = json_value(
            runtime.call("differences", rinterface.FloatSexpVector(differences))[0]
        )
        return found

    return runtime.in_r(job)


def draw_drift(folder: Path, labels: Sequence[str], panels: Mapping[str, Panel]) -> bytes:
    """Draw the panels over the periods, as SVG; raises OSError where R can't write it."""

    def job() -> None:
        as_lists = {
            title: named_list(
                {
                    "lines": named_list(_numbers(panel.lines)),
                    "threshold": rinterface.NULL if panel.threshold is None else _vector([panel.threshold]),
                }
            )
            for title, panel in panels.items()
        }
        runtime.call("draw_drift", str(folder), strings(labels), named_list(as_lists))

    runtime.in_r(job)
    return (folder / "drift.svg").read_bytes()


def _numbers(named: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _vector(values if isinstance(values, Sequence | array) else [values]) for name, values in named.items()
    }


def _vector(values: Sequence[float]) -> rinterface.FloatSexpVector:
    return rinterface.FloatSexpVector(values)
