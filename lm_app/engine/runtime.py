"""R in this process: its start, its thread, its lock.

There is one R in a process, and it is single-threaded: one lock admits one call at a time. It starts at the first
use, in the process that uses it (so never before a server forks its workers), in a thread made for it:

- R in the main thread takes part in the process's signals, and Ctrl-C no longer ends the server
  (https://github.com/rpy2/rpy2/issues/875). So the main thread hands its calls to R's thread.
- On the usual stack of 8 MB, a deep recursion in R ends the process. R's thread has a larger one, and it is there
  that training meets what people write.

Other threads, those of a server that ask for predictions, call R themselves: handing over costs more than a
prediction, and predictions do not recurse. See docs/decisions/0001-one-r-in-a-thread.md.
"""

import ctypes
import functools
import itertools
import logging
import math
import os
import threading
import time
import traceback
import warnings
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Generic, NamedTuple, ParamSpec, TypeVar

from rpy2 import rinterface
from rpy2.rinterface_lib import callbacks

from lm_app.errors import NotStarted, RError, TimedOut

logger = logging.getLogger(__name__)

R_FILES = sorted((Path(__file__).parent.parent / "R").glob("*.R"))
STACK_BYTES = 64 * 1024 * 1024
LONGEST_WAY = 0.1  # seconds
STUCK = 70  # the status that a process ends with
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_ARENA_MAX = -1, -3, -8  # of malloc.h

P = ParamSpec("P")
T = TypeVar("T")


def start() -> None:
    """Start R now, so that the first request need not wait for it. Raises NotStarted."""
    in_r(lambda: None)


# R's environment variables, for which rpy2 starts an R of its own, once: workers have them from before the fork.
rinterface._getrenvvars = functools.cache(rinterface._getrenvvars)


def prepare() -> None:
    """Do what a start needs, and what is the same in each process that is forked later. Raises NotStarted."""
    try:
        rinterface._getrenvvars()
    except Exception:  # by way of a temporary file
        raise NotStarted from None


def in_r(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run the function where R may be called, and wait for its result or exception."""

    return in_r_by(math.inf, function, *args, **kwargs)


def in_r_by(deadline: float, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do as in_r, but raise TimedOut where R is not free by then; the deadline is one of time.monotonic()."""

    if not _is_started.is_set():
        _start_thread()
    if threading.current_thread() is threading.main_thread():
        return _thread.submit(_in_turn, deadline, function, args, kwargs).result()
    return _in_turn(deadline, function, args, kwargs)


def ask(seconds: float) -> None:
    """Have R answer something. Raises TimedOut where it is not free within so many seconds, or NotStarted."""
    in_r_by(time.monotonic() + seconds, lambda: rinterface.baseenv["Sys.getpid"]())


def version() -> str:
    """Tell which R this is, in its own words, such as "R version 4.5.0 (2025-04-11)"."""
    return str(in_r(lambda: rinterface.baseenv["R.version.string"][0]))


def give_way() -> None:
    """Let those who wait for R have it, before this thread asks for more; called where it does not have R.

    A lock that is free again goes to whoever asks first, and that is the thread which has just released it.
    """
    all_served, latest = _served + _waiting, time.monotonic() + LONGEST_WAY
    while _served < all_served and time.monotonic() < latest:
        time.sleep(0.0005)


def end_where_stuck(seconds: float) -> None:
    """End this process where one call in R takes longer than that: nobody can interrupt it, and all others wait.

    For a server that replaces its processes.
    """

    def watch() -> None:
        while time.monotonic() - _busy_since < seconds:
            time.sleep(min(1, seconds / 10))
        logger.critical("R is at one call for more than %g s; this process ends, to be replaced", seconds)
        os._exit(STUCK)

    threading.Thread(target=watch, name="watches R", daemon=True).start()


class Kept(Generic[T]):
    """Something that holds R objects, which are released where R may be called, whoever drops it.

    Made and read within in_r only. Python's collector may drop it anywhere, so that it only notes a number.
    """

    def __init__(self, value: T) -> None:
        self._number = next(_numbers)
        _kept[self._number] = value
        weakref.finalize(self, _released.put, self._number).atexit = False

    @property
    def value(self) -> T:
        """What is kept."""
        value: T = _kept[self._number]
        return value


def kept_count() -> int:
    """Count what is kept in R now, after releasing what nobody holds any more."""
    return in_r(lambda: len(_kept))


# What follows runs within in_r.


def call(function: str, *args: Any, **kwargs: Any) -> tuple[Any, list[str]]:
    """Call a function of our .R files: its value, still R's, and R's warnings. Raises RError."""
    return outcome(_functions["attempt"](_functions[function], *args, **kwargs))


def function(name: str) -> rinterface.SexpClosure:
    """Return a function of our .R files, as an argument for others."""
    return _functions[name]


def outcome(attempted: rinterface.ListSexpVector) -> tuple[Any, list[str]]:
    """Unpack what attempt() in attempt.R returns: the value and the warnings. Raises RError."""
    if attempted.names[0] == "error":
        raise RError(" ".join(attempted[0][0].split()))
    value, warned = attempted
    return value, list(warned)


class Console(NamedTuple):
    """Callbacks for R's console, a line at a time: message() and printed output. They run in R's thread."""

    on_message: Callable[[str], None]
    on_print: Callable[[str], None]


SILENT = Console(lambda line: None, lambda line: None)


@contextmanager
def connected(console: Console) -> Iterator[None]:
    """Send R's messages and what it prints to the console."""
    with (
        callbacks.replace_in_module(callbacks, "consolewrite_warnerror", _by_line(console.on_message)),
        callbacks.replace_in_module(callbacks, "consolewrite_print", _by_line(console.on_print)),
    ):
        yield


def _by_line(write_line: Callable[[str], None]) -> Callable[[str], None]:
    unfinished = ""

    def write(text: str) -> None:
        nonlocal unfinished
        *lines, unfinished = (unfinished + text).split("\n")
        for line in lines:
            write_line(line)

    return write


# The state of this process's R.

_functions: rinterface.SexpEnvironment  # of our .R files
_kept: dict[int, Any] = {}
_numbers = itertools.count()
_released: SimpleQueue[int] = SimpleQueue()  # safe to use wherever Python's collector happens to run


def _start() -> None:
    global _functions
    before = {name: os.environ.get(name, "") for name in ("R_DEFAULT_PACKAGES", "LD_LIBRARY_PATH")}
    os.environ["LANGUAGE"] = "en"  # our messages are English, so R's among them are, too
    os.environ["R_DEFAULT_PACKAGES"] = "utils,grDevices,graphics,stats"  # without S4, a process needs 20 MB less
    # Memory that large vectors took goes back to the system. By itself, the C library soon keeps it all; to give it
    # all back would cost a batch of 100,000 observations a fifth of its time.
    c_library = ctypes.CDLL(None)
    c_library.mallopt(M_MMAP_THRESHOLD, 1 << 22)
    c_library.mallopt(M_TRIM_THRESHOLD, 1 << 24)
    # Threads share what is free again. By itself, the library gives each thread a heap of its own, up to 8 for a CPU.
    c_library.mallopt(M_ARENA_MAX, 2)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "R is not initialized by the main thread")  # it is meant
        rinterface.initr(interactive=False)
    # Not for child processes: by the path that rpy2 sets, a Python may load the library of another Python.
    os.environ.update(before)
    # An environment of their own: in the global one, formulas are evaluated.
    _functions = rinterface.baseenv["new.env"](parent=rinterface.globalenv)
    for file in R_FILES:
        rinterface.baseenv["sys.source"](str(file), envir=_functions)
    _functions["prepare_session"]()


_thread = ThreadPoolExecutor(1, thread_name_prefix="R", initializer=_start)
_is_started = threading.Event()
_one_at_a_time = threading.Lock()
_busy_since = math.inf  # by time.monotonic()
_waiting, _served = 0, 0  # calls that found R busy
_counting = threading.Lock()


def _in_turn(deadline: float, function: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
    global _busy_since
    if not _one_at_a_time.acquire(blocking=False):
        _wait(deadline)
    try:
        _busy_since = time.monotonic()
        if _busy_since > deadline:
            raise TimedOut
        while not _released.empty():
            del _kept[_released.get()]
        return function(*args, **kwargs)
    except Exception as error:
        # The frames may hold R objects, which must be released here, while no other thread is in R.
        traceback.clear_frames(error.__traceback__)
        raise
    finally:
        _busy_since = math.inf
        _one_at_a_time.release()


def _wait(deadline: float) -> None:
    """Wait until R is this thread's; raises TimedOut."""
    global _waiting, _served
    with _counting:
        _waiting += 1
    try:
        timeout = -1 if deadline == math.inf else max(0.0, deadline - time.monotonic())
        if not _one_at_a_time.acquire(timeout=timeout):
            raise TimedOut
    finally:
        with _counting:
            _waiting -= 1
            _served += 1


def _start_thread() -> None:
    with _one_at_a_time:  # the size of stacks is the process's, for threads that start now
        usual = threading.stack_size(STACK_BYTES)
        try:
            _thread.submit(_is_started.set).result()
        except BrokenExecutor:
            raise NotStarted from None
        finally:
            threading.stack_size(usual)
