"""Run functions over the parts of large data, on a cluster of processes: Dask's, on this machine or elsewhere.

What a function returns depends on its part alone, and what is merged on the order of the parts, never on that of their
arrival: so the bits are the same for any number of workers. A worker that is lost is replaced, and its parts are done
again. A fault that is the data's would come again: it is returned as a value, and raised here.
"""

import hashlib
import ipaddress
import logging
import re
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import dask
from distributed import Client, Future, KilledWorker, LocalCluster, as_completed, get_worker
from distributed.client import ClosedClientError, FutureCancelledError
from distributed.security import Security

from lm_app.engine import runtime
from lm_app.errors import Fault as Fault
from lm_app.errors import LmError, TrainingError
from lm_app.scale.pieces import Piece

FAN_IN = 8
CONNECT_SECONDS = 5
LOGGERS = ("distributed", "distributed.client")
ADDRESS = re.compile(
    r"(?P<protocol>tcp|tls)://(\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<host>[^\[\]:/@\s]+)):(?P<port>[0-9]{1,5})"
)
SETTINGS = {
    # No pages about the cluster: they would be open to all users of this machine.
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.comm.timeouts.connect": f"{CONNECT_SECONDS}s",
    # R does not give all memory back, and a worker that pauses for that would wait for ever. What is needed too much
    # ends the worker; nothing is kept there that could be written to disk.
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.memory.pause": False,
    "distributed.worker.memory.terminate": 0.95,
}


class Say(Protocol):
    """Tell of progress: the pass, how many parts of all are done, and how many rows they have."""

    def __call__(self, what: str, done: int, parts: int, rows: int) -> None:
        """Tell it."""


@contextmanager
def cluster(scheduler: str | None, workers: int | None, say: Say) -> Iterator["Engine"]:
    """Connect to a scheduler, or start a cluster on this machine, of as many workers as it has cores, for a while.

    Raises TrainingError with one line.
    """
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters, an exception tells
    with dask.config.set(SETTINGS), _elsewhere(scheduler) if scheduler else _here(workers) as client:
        yield Engine(client, say, _software())


@contextmanager
def _here(workers: int | None) -> Iterator[Client]:
    # Whoever reaches Dask's port can run code: on this machine, too, only who has these certificates.
    with without_interrupts():
        local = LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            protocol="tls",
            security=Security.temporary(),
            dashboard_address=None,
            scheduler_kwargs={"dashboard_address": "127.0.0.1:0"},
            silence_logs=logging.CRITICAL,
        )
    with local, Client(local, set_as_default=False) as client:
        yield client


@contextmanager
def without_interrupts() -> Iterator[None]:
    """Start threads and processes that Ctrl-C does not reach: it is for who started them to end them."""
    resource_tracker.ensure_running()  # else it starts with the first process, and unblocks the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _elsewhere(scheduler: str) -> Iterator[Client]:
    _check_address(scheduler)
    try:
        client = Client(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, ValueError, TypeError) as error:
        why = " ".join(str(error).split()) or type(error).__name__
        raise TrainingError(f"the scheduler {scheduler} does not answer: {why[:200]}; is it running?") from None
    with client:
        yield client


def _check_address(scheduler: str) -> None:
    """Raise TrainingError where it is no address, or one that would let anybody run code."""
    match = ADDRESS.fullmatch(scheduler)
    if not match or not 0 < int(match["port"]) < 65536:
        raise TrainingError(f"--scheduler {scheduler}: it must be an address such as tls://host:8786")
    if match["protocol"] == "tcp" and not _is_this_machine(match["six"] or match["host"]):
        raise TrainingError(
            f"--scheduler {scheduler}: over plain tcp://, whoever reaches a port of Dask can run code there; "
            "take tls://, with certificates: docs/scale.md"
        )
    if match["protocol"] == "tls":
        for name in ("distributed.comm.tls.ca-file", "distributed.comm.tls.client.cert"):
            file = dask.config.get(name, None)
            if not (file and Path(file).is_file()):
                wrong = f"names {file}, which is no file" if file else "is not set"
                raise TrainingError(f"--scheduler {scheduler}: Dask's setting {name} {wrong}; docs/scale.md has them")


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Software(NamedTuple):
    """What has to be the same on all workers, for the bits to be."""

    r: str
    files: str
    """A hash of our .R files."""


@lru_cache(1)
def _software() -> Software:
    hashed = hashlib.sha256()
    for file in runtime.R_FILES:
        hashed.update(file.read_bytes())
    return Software(runtime.version(), hashed.hexdigest()[:12])


class Engine:
    """Passes over the parts of large data."""

    def __init__(self, client: Client, say: Say, software: Software) -> None:
        """Keep the client; called by cluster()."""
        self._client, self._say, self._software = client, say, software

    def map(self, function: Callable[[Any, Piece], Any], job: Any, pieces: Sequence[Piece], what: str) -> Iterator[Any]:
        """Call function(job, piece) for all parts; gives the values in their order. Raises Fault or TrainingError."""
        with _told(pieces):
            leaves = self._leaves(function, self._shared(job), pieces)
            self._wait(as_completed(leaves, loop=self._client.loop), pieces, what)
            leaves.reverse()
            while leaves:
                yield _value(leaves.pop())

    def reduce(
        self, part: Callable[[Any, Piece], Any], merge: Callable[..., Any], job: Any, pieces: Sequence[Piece], what: str
    ) -> Any:
        """Call part(job, piece) for all parts and merge(job, *values) by a tree; gives the value of its root.

        Raises Fault or TrainingError.
        """
        with _told(pieces):
            shared = self._shared(job)
            level = self._leaves(part, shared, pieces)
            done = as_completed(level, loop=self._client.loop)
            while True:
                level = [
                    self._client.submit(_merge, merge, shared, *level[first : first + FAN_IN], pure=False, priority=1)
                    for first in range(0, len(level), FAN_IN)
                ]
                if len(level) == 1:
                    break
            self._wait(done, pieces, what)  # which drops each part's value when that is merged
            return _value(level[0])

    def _shared(self, job: Any) -> Future:
        """Send what all parts need, as a task: what is scattered is lost with its worker."""
        return self._client.submit(_same, job, pure=False)

    def _leaves(self, function: Callable[[Any, Piece], Any], shared: Future, pieces: Sequence[Piece]) -> list[Future]:
        call = partial(_part, function, self._software)
        leaves: list[Future] = self._client.map(call, [shared] * len(pieces), pieces, pure=False)
        return leaves

    def _wait(self, done: as_completed, pieces: Sequence[Piece], what: str) -> None:
        """Wait for all parts, and tell of them; raises Fault or TrainingError at the first that has none."""
        rows = 0
        self._say(what, 0, len(pieces), 0)
        for count, leaf in enumerate(done, start=1):
            if leaf.status != "finished" or leaf.type is Fault:
                _value(leaf)
            rows += pieces[count - 1].rows
            self._say(what, count, len(pieces), rows)


def _value(future: Future) -> Any:
    value = future.result()
    if isinstance(value, Fault):
        raise value
    return value


@contextmanager
def _told(pieces: Sequence[Piece]) -> Iterator[None]:
    """Tell what went wrong with the cluster, as TrainingError."""
    try:
        yield
    except KilledWorker:
        raise TrainingError(_too_large(pieces)) from None
    except (FutureCancelledError, ClosedClientError, OSError) as error:
        raise TrainingError(f"the cluster went away: {' '.join(str(error).split())[:200]}; start again") from None


def _too_large(pieces: Sequence[Piece]) -> str:
    largest = max(pieces, key=lambda piece: piece.bytes)
    fits = max(1, largest.bytes // 4 >> 20)
    groups = f", or smaller row groups in {largest.path}" if largest.kind == "parquet" else ""
    return f"a part needs more than the worker's memory; take --part-size {fits}M{groups}"


# What runs in a worker.


def _same(job: Any) -> Any:
    return job


def _part(function: Callable[[Any, Piece], Any], software: Software, job: Any, piece: Piece) -> Any:
    try:
        if _software() != software:
            ours, theirs = (f"{found.r} and lm_app {found.files}" for found in (software, _software()))
            raise Fault(f"the worker {get_worker().address} has {theirs}, not {ours}; start all from one image")
        return function(job, piece)
    except LmError as error:
        return Fault(str(error))


def _merge(merge: Callable[..., Any], job: Any, *values: Any) -> Any:
    faults = [value for value in values if isinstance(value, Fault)]
    try:
        return faults[0] if faults else merge(job, *values)
    except LmError as error:
        return Fault(str(error))
