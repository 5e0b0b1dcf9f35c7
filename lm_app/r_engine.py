"""R inside this process: the only module that imports rpy2. No R object leaves it.

There is one R in a process, and it is single-threaded: one lock admits one call at a time. It starts at the
first use, in the process that uses it (so never before a server forks its workers), in a thread made for it:

- Where R runs in the main thread, it takes part in the process's signals, and Ctrl-C no longer ends the server
  (https://github.com/rpy2/rpy2/issues/875). So it never does: the main thread hands its calls to R's thread.
- On the usual stack of 8 MB, a deep recursion in R ends the process. R's thread has more, and it is there that
  training meets what people write.

Other threads, those of a threaded server that ask for predictions, call R themselves: to hand over costs more than
R needs for an answer, and what they ask does not recurse.
"""

import ctypes
import io
import itertools
import math
import os
import pickle
import threading
import traceback
import warnings
import weakref
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Literal, NamedTuple, ParamSpec, TypeVar, get_args

from rpy2 import rinterface
from rpy2.rinterface_lib import callbacks, openrlib

rlib, ffi = openrlib.rlib, openrlib.ffi
R_FILES = sorted((Path(__file__).parent / "R").glob("*.R"))
STACK_BYTES = 64 * 1024 * 1024
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of malloc.h

Interval = Literal["none", "confidence", "prediction"]
P = ParamSpec("P")
T = TypeVar("T")


class RError(Exception):
    """R stopped; the text is R's own, or that of our .R files."""


class Progress(NamedTuple):
    """Who is told, line by line, what R does (its messages) and what it prints meanwhile (such as step's tables)."""

    message: Callable[[str], None]
    print: Callable[[str], None]


SILENT = Progress(lambda line: None, lambda line: None)


@dataclass(frozen=True, slots=True)
class Trained:
    """What `train` in train.R returns.

    `pickled` is the R lm, pickled by rpy2; `info` is plain JSON data; `warnings` are R's.
    """

    pickled: bytes
    info: dict[str, Any]
    summary: str
    baseline_press_rmse: float | None
    warnings: list[str]


class Prediction(NamedTuple):
    """One number for each observation; `lower` and `upper` only where an interval was asked for."""

    fit: list[float]  # NaN where R has no answer, such as for the log of a negative number
    lower: list[float] | None
    upper: list[float] | None
    warnings: list[str]


def train(
    file: Path,
    formula: str,
    *,
    weights: str | None = None,
    factors: Mapping[str, Sequence[str]] | None = None,
    stepwise: str = "none",
    csv: Mapping[str, str | Sequence[str]] | None = None,
    plots: Path | None = None,
    baseline: tuple[str, str | None] | None = None,
    progress: Progress = SILENT,
) -> Trained:
    """Fit an lm to a CSV file (see train.R for what the arguments are, and what is returned).

    `progress` is called in R's thread. Raises RError with one line.
    """

    def job() -> Trained:
        with _heard("message", progress.message), _heard("print", progress.print):
            value, warned = _call(
                "train",
                str(file),
                formula,
                weights=weights or rinterface.NULL,
                factors=_named_list({name: _texts(levels) for name, levels in (factors or {}).items()}),
                stepwise=stepwise,
                csv=_named_list({name: _texts([v] if isinstance(v, str) else v) for name, v in (csv or {}).items()}),
                plots=str(plots) if plots else rinterface.NULL,
                live_formula=baseline[0] if baseline else rinterface.NULL,
                live_weights=(baseline and baseline[1]) or rinterface.NULL,
            )
        model, info, summary, baseline_press_rmse = value
        return Trained(pickle.dumps(model), _plain(info), _plain(summary), _plain(baseline_press_rmse), warned)

    return _in_r(job)


class Model:
    """An lm that lives in R. Python holds its number only."""

    def __init__(self, pickled: bytes) -> None:
        """Raises RError where the bytes are not a model that `train` made. `warnings` are of its preparation."""
        self._number, self.warnings = _in_r(_load, pickled)
        weakref.finalize(self, _dropped.put, self._number).atexit = False

    def predict(
        self, columns: Sequence["array[float]"], interval: Interval = "none", level: float = 0.95
    ) -> Prediction:
        """R's `predict` for the observations that the columns hold, one for each predictor, in the model's order.

        All columns have one length; a factor's values are the positions of its levels, from 1, a logical's 0 and 1.
        Raises RError where R refuses them.
        """
        x = columns[0] if len(columns) == 1 else array("d", b"".join(columns))
        return _in_r(_predict, self._number, x, len(columns[0]), interval, level)


def start() -> None:
    """Start R now, so that the first request need not wait for it."""
    _in_r(lambda: None)


# Everything below runs with the lock held, except _in_r and _start_r_thread, which take it.

_models: dict[int, "_Prepared"] = {}
_numbers = itertools.count()
_INTERVALS: dict[Interval, rinterface.StrSexpVector] = {}
_r_functions: dict[str, rinterface.SexpClosure] = {}
# Numbers of models that nobody holds any more. Their R objects may only be released with the lock held,
# and this queue is safe to use where Python's garbage collector happens to run.
_dropped: SimpleQueue[int] = SimpleQueue()


def _start_r() -> None:
    before = {name: os.environ.get(name, "") for name in ("R_DEFAULT_PACKAGES", "LD_LIBRARY_PATH")}
    os.environ["LANGUAGE"] = "en"  # our messages are English, so R's among them are, too
    os.environ["R_DEFAULT_PACKAGES"] = "utils,grDevices,graphics,stats"  # without S4, a process needs 20 MB less
    # Memory that large vectors took goes back to the system. By itself, the C library soon keeps it all; to give it
    # all back would cost a batch of 100,000 observations a fifth of its time.
    c_library = ctypes.CDLL(None)
    c_library.mallopt(M_MMAP_THRESHOLD, 1 << 22)
    c_library.mallopt(M_TRIM_THRESHOLD, 1 << 24)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "R is not initialized by the main thread")  # it is meant
        rinterface.initr(interactive=False)
    # Not for child processes: by the path that rpy2 sets, a Python may load the library of another Python.
    os.environ.update(before)
    # The order of a factor's levels shall not depend on the machine.
    rinterface.baseenv["Sys.setlocale"]("LC_COLLATE", "C")
    _INTERVALS.update({name: rinterface.StrSexpVector([name]) for name in get_args(Interval)})
    # An environment of their own: the formulas' is the global one, and finds nothing of ours.
    environment = rinterface.baseenv["new.env"](parent=rinterface.globalenv)
    for file in R_FILES:
        rinterface.baseenv["sys.source"](str(file), environment)
    _r_functions.update({name: environment[name] for name in ("attempt", "is_trained", "prepare_predict", "train")})


_r_thread = ThreadPoolExecutor(1, thread_name_prefix="R", initializer=_start_r)
_r_is_started = threading.Event()
_one_at_a_time = threading.Lock()


def _in_r(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run the function where R may be called, and wait for its result or exception."""

    def job() -> T:
        with _one_at_a_time:
            while not _dropped.empty():
                del _models[_dropped.get()]
            try:
                return function(*args, **kwargs)
            except Exception as error:
                # The frames may hold R objects, which must be released here, while no other thread is in R.
                traceback.clear_frames(error.__traceback__)
                raise

    if not _r_is_started.is_set():
        _start_r_thread()
    if threading.current_thread() is threading.main_thread():
        return _r_thread.submit(job).result()
    return job()


def _start_r_thread() -> None:
    """Start R in its thread; raises RError where it does not start."""
    with _one_at_a_time:  # the size of stacks is the process's, for threads that start now
        usual = threading.stack_size(STACK_BYTES)
        try:
            _r_thread.submit(_r_is_started.set).result()
        except BrokenExecutor:
            raise RError("R can't start, the log says why; can it write to its temporary folder (TMPDIR)?") from None
        finally:
            threading.stack_size(usual)


def _call(function: str, *args: Any, **kwargs: Any) -> tuple[Any, list[str]]:
    """Call a function of our .R files: its value, still R's, and the warnings. Raises RError."""
    return _outcome(_r_functions["attempt"](_r_functions[function], *args, **kwargs))


def _outcome(outcome: rinterface.ListSexpVector) -> tuple[Any, list[str]]:
    """What attempt in attempt.R returned: the value and the warnings. Raises RError."""
    if outcome.names[0] == "error":
        raise RError(" ".join(outcome[0][0].split()))
    value, warned = outcome
    return value, list(warned)


def _load(pickled: bytes) -> tuple[int, list[str]]:
    try:
        model = _LmUnpickler(io.BytesIO(pickled)).load()
    except Exception as error:  # pickle documents that it may raise any
        raise RError(f"not a pickled lm: {error}") from None
    if not isinstance(model, rinterface.ListSexpVector) or not _call("is_trained", model)[0][0]:
        raise RError("not a pickled lm that update_lm made")
    number = next(_numbers)
    (fast, fallback), warned = _call("prepare_predict", model)
    _models[number] = _Prepared(fast, fallback)
    return number, warned


class _LmUnpickler(pickle.Unpickler):
    """Un-pickling can run any code; this one admits the class of an lm, and nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) != ("rpy2.rinterface", "ListSexpVector"):
            raise pickle.UnpicklingError(f"{module}.{name} is not allowed")
        return rinterface.ListSexpVector


class _Prepared:
    """The two ways to answer that `prepare_predict` in fast_predict.R returns."""

    def __init__(self, call: rinterface.LangSexpVector, by_r: rinterface.SexpClosure) -> None:
        self.call, self.by_r = call, by_r
        self.c_call = call.__sexp__._cdata
        self.x = rlib.CDR(self.c_call)
        self.interval = rlib.CDR(self.x)
        self.level = rlib.CDR(self.interval)
        self.asked: tuple[Interval, float] | None = None
        self.failed = ffi.new("int *")

    def sum_up(self, x: "array[float]", size: int, interval: Interval, level: float) -> list[float] | None:
        """The prepared sum, or None where only predict() can tell.

        This is R's own interface for C, used as sparingly as can be. By that of rpy2, a call takes four times what R
        needs for the sum; and some thirty times, another thread may take Python's lock meanwhile.
        """
        vector = rlib.Rf_allocVector(rlib.REALSXP, len(x))
        ffi.memmove(rlib.REAL(vector), x, 8 * len(x))
        rlib.SETCAR(self.x, vector)  # what the call holds, R does not collect
        if self.asked != (interval, level):
            as_vector = rinterface.FloatSexpVector([level])
            rlib.SETCAR(self.interval, _INTERVALS[interval].__sexp__._cdata)
            rlib.SETCAR(self.level, as_vector.__sexp__._cdata)
            self.asked = interval, level
        answer = rlib.R_tryEval(self.c_call, rlib.R_GlobalEnv, self.failed)
        rlib.SETCAR(self.x, rlib.R_NilValue)
        if self.failed[0] or rlib.Rf_xlength(answer) != size:
            return None
        numbers: list[float] = ffi.unpack(rlib.REAL(answer), size)
        return numbers


def _predict(number: int, x: "array[float]", rows: int, interval: Interval, level: float) -> Prediction:
    model, warned = _models[number], list[str]()
    numbers = model.sum_up(x, rows if interval == "none" else 3 * rows, interval, level)
    if numbers is None:
        vector = rinterface.FloatSexpVector.from_memoryview(memoryview(x))
        answer, warned = _outcome(model.by_r(vector, _INTERVALS[interval], rinterface.FloatSexpVector([level])))
        numbers = _doubles(answer).tolist()
    if interval == "none":
        return Prediction(numbers, None, None, warned)
    return Prediction(numbers[:rows], numbers[rows : 2 * rows], numbers[2 * rows :], warned)


def _doubles(vector: rinterface.FloatSexpVector) -> "array[float]":
    """A copy of R's numbers. Not by vector.memoryview(): in rpy2 3.6 each such call loses one
    reference to None (its C function returns None without owning it), and Python up to 3.11 ends
    with "deallocating None" when the last one is gone.
    """
    values = array("d")
    values.frombytes(ffi.buffer(rlib.REAL(vector.__sexp__._cdata), 8 * len(vector)))
    return values


def _texts(texts: Sequence[str]) -> rinterface.StrSexpVector:
    return rinterface.StrSexpVector(list(texts))


@contextmanager
def _heard(channel: str, write_line: Callable[[str], None]) -> Iterator[None]:
    """Call write_line with each line of R's messages, or of what R prints."""
    unfinished = ""

    def write(text: str) -> None:
        nonlocal unfinished
        *lines, unfinished = (unfinished + text).split("\n")
        for line in lines:
            write_line(line)

    callback = "consolewrite_warnerror" if channel == "message" else "consolewrite_print"
    with callbacks.replace_in_module(callbacks, callback, write):
        yield


def _named_list(items: Mapping[str, Any]) -> rinterface.ListSexpVector:
    vector = rinterface.ListSexpVector(list(items.values()))
    vector.names = rinterface.StrSexpVector(list(items))
    return vector


def _plain(value: Any) -> Any:
    """R data as JSON data: a named list is an object, a vector of one a scalar (but not if I() protects it)."""
    if isinstance(value, rinterface.NULLType):
        return None
    if isinstance(value, rinterface.ListSexpVector):
        if isinstance(value.names, rinterface.NULLType):
            return [_plain(item) for item in value]
        return {name: _plain(item) for name, item in zip(value.names, value, strict=True)}
    if isinstance(value, rinterface.FloatSexpVector):
        items = [x if math.isfinite(x) else None for x in _doubles(value)]
    else:
        missing = (rinterface.NA_Character, rinterface.NA_Integer, rinterface.NA_Logical)
        items = [None if x in missing else x for x in value]
    protected = "AsIs" in value.rclass
    return items if protected or len(items) != 1 else items[0]
