"""Write down what was asked and answered, where LM_PREDICTION_LOG names a folder.

A thread of its own writes, so that no answer waits for the disk. Where that is slow or full, requests are left out, and
counted. Each worker writes files of its own, `<model>/<UTC time>-<process>.jsonl`, a line for each request, and whole
lines only; or Parquet files, a row for each observation, at least each minute. log_reader.py reads both.
"""

import atexit
import logging
import os
import re
import threading
import time
from collections import defaultdict
from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta, timezone
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple

import orjson
from django.conf import settings

from lm_app.engine.lm import Prediction
from lm_app.measured import dropped
from lm_app.monitoring.log_reader import INPUT
from lm_app.predict.check import Observations, extrapolated
from lm_app.store.version import LoadedModel

logger = logging.getLogger(__name__)

MOST_BYTES_WAITING = 16 * 1024 * 1024
SECONDS_TOGETHER, SECONDS_TO_END = 0.2, 1.5
"""For how long entries are gathered to be written at once; how long the end of the process waits for the last."""
MOST_ROWS, MOST_SECONDS = 50_000, 60
"""Of a file of Parquet."""
NAME = re.compile(r"([0-9]{8}T[0-9]{6})\.[0-9]{6}Z-[0-9]+\.(jsonl|parquet)")


class Entry(NamedTuple):
    """A request that was answered."""

    time: datetime
    request_id: str | None
    model: LoadedModel
    observations: Observations
    prediction: Prediction

    def size(self) -> int:
        """Estimate the bytes that it takes."""
        return 500 + 8 * len(self.prediction.fit) * (len(self.observations.columns) + 3)

    def as_json(self) -> dict[str, Any]:
        """Make a line of the log."""
        model, observations, prediction = self.model, self.observations, self.prediction
        line = {
            "time": self.time.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "request_id": self.request_id,
            "model": model.name,
            "version": model.version,
            "interval": observations.options.interval,
            "level": observations.options.level,
            "rows": len(prediction.fit),
            "inputs": {
                predictor.name: predictor.to_json(column)
                for predictor, column in zip(model.predictors, observations.columns, strict=False)
            },
            "fit": prediction.fit,
            "extrapolated": extrapolated(model.predictors, observations.columns),
        }
        if prediction.lower is not None:
            line |= {"lower": prediction.lower, "upper": prediction.upper}
        return line


def record(request_id: str | None, model: LoadedModel, observations: Observations, prediction: Prediction) -> None:
    """Have a request written down, soon; leave it out where too many wait for that."""
    _log().put(Entry(datetime.now(timezone.utc), request_id, model, observations, prediction))


class PredictionLog:
    """The queue, and the thread that writes."""

    def __init__(self, folder: Path) -> None:
        """Begin."""
        self._queue: SimpleQueue[Entry] = SimpleQueue()
        self._waiting, self._counting, self._ends = 0, threading.Lock(), threading.Event()
        self._write: _Lines | _Parquet = (
            _Parquet(folder) if settings.LM_PREDICTION_LOG_FORMAT == "parquet" else _Lines(folder)
        )
        self._folder, self._next_removal = folder, 0.0
        self._thread = threading.Thread(target=self._run, name="prediction log", daemon=True)
        self._thread.start()
        atexit.register(self.end)

    def put(self, entry: Entry) -> None:
        """Add a request."""
        size = entry.size()
        with self._counting:
            is_room = self._waiting == 0 or self._waiting + size <= MOST_BYTES_WAITING
            self._waiting += size if is_room else 0
        if is_room:
            self._queue.put(entry)
        else:
            _drop(1, "it writes more slowly than requests come")

    def end(self) -> None:
        """Write what is left."""
        self._ends.set()
        self._thread.join(SECONDS_TO_END)

    def _run(self) -> None:
        is_last = False
        while not is_last:
            is_last = self._ends.wait(SECONDS_TOGETHER)
            by_model = defaultdict[str, list[Entry]](list)
            with suppress(Empty):
                while True:
                    entry = self._queue.get_nowait()
                    by_model[entry.model.name].append(entry)
            for model, entries in by_model.items():
                try:
                    self._write.add(model, entries)
                except OSError as error:
                    _drop(len(entries), str(error))
                with self._counting:
                    self._waiting -= sum(entry.size() for entry in entries)
            self._write.flush(is_last)
            if time.monotonic() > self._next_removal:
                self._next_removal = time.monotonic() + 24 * 60 * 60
                _remove_old(self._folder)


class _Lines:
    """Writes JSON lines."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: dict[str, tuple[int, str, int]] = {}
        """By model: the file, its day and its size."""

    def add(self, model: str, entries: Iterable[Entry]) -> None:
        """Write entries by one call; raises OSError where they are not, or not all, on the disk."""
        lines = b"".join(orjson.dumps(entry.as_json(), option=orjson.OPT_APPEND_NEWLINE) for entry in entries)
        today = datetime.now(timezone.utc).date().isoformat()
        file, day, size = self._files.pop(model, (-1, "", 0))
        if file >= 0 and (day != today or size >= settings.LM_PREDICTION_LOG_BYTES):
            os.close(file)
            file = -1
        if file < 0:
            file, size = (
                os.open(_new_file(self._folder, model, "jsonl"), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640),
                0,
            )
        try:
            written = os.write(file, lines)
            if written < len(lines):
                raise OSError(f"{written} of {len(lines)} bytes were written; is the disk full?")
        except OSError:
            os.close(file)  # what was written of a line ends this file, so that readers know
            raise
        self._files[model] = file, today, size + written

    def flush(self, is_last: bool) -> None:
        """Do nothing: all is written."""


class _Parquet:
    """Gathers observations, and writes files of them."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._began = folder, time.monotonic()
        self._rows = defaultdict[str, list[dict[str, Any]]](list)
        self._requests = defaultdict[str, int](int)

    def add(self, model: str, entries: Iterable[Entry]) -> None:
        """Gather entries."""
        for entry in entries:
            self._requests[model] += 1
            self._rows[model] += _rows(entry.as_json())

    def flush(self, is_last: bool) -> None:
        """Write what is enough, or old enough; all where it is the last time."""
        is_due = is_last or time.monotonic() - self._began > MOST_SECONDS
        for model, rows in list(self._rows.items()):
            if is_due or len(rows) >= MOST_ROWS:
                try:
                    _write_parquet(_new_file(self._folder, model, "parquet"), rows)
                except OSError as error:
                    _drop(self._requests[model], str(error))
                del self._rows[model], self._requests[model]
        if is_due:
            self._began = time.monotonic()


def _rows(line: dict[str, Any]) -> list[dict[str, Any]]:
    """Make a row for each observation."""
    of_all = {name: line[name] for name in ("time", "request_id", "version", "interval", "level")}
    columns = {f"{INPUT}{name}": values for name, values in line["inputs"].items()}
    columns |= {name: line.get(name) or [None] * line["rows"] for name in ("fit", "lower", "upper", "extrapolated")}
    return [of_all | dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _write_parquet(file: Path, rows: list[dict[str, Any]]) -> None:
    import pyarrow
    from pyarrow import parquet

    names = dict.fromkeys(name for row in rows for name in row)
    numbers = {name: pyarrow.float64() for name in ("fit", "lower", "upper", "level")}
    columns = {name: pyarrow.array([row.get(name) for row in rows], numbers.get(name)) for name in names}
    part = file.with_name(f".{file.name}")
    with open(part, "xb", opener=lambda path, flags: os.open(path, flags, 0o640)) as stream:
        parquet.write_table(pyarrow.table(columns), stream)
    part.replace(file)


def _new_file(folder: Path, model: str, suffix: str) -> Path:
    (folder / model).mkdir(mode=0o750, exist_ok=True)
    return folder / model / f"{datetime.now(timezone.utc):%Y%m%dT%H%M%S.%fZ}-{os.getpid()}.{suffix}"


def _remove_old(folder: Path) -> None:
    """Remove the files that are older than LM_PREDICTION_LOG_DAYS, by their names, and nothing else."""
    if not settings.LM_PREDICTION_LOG_DAYS:
        return
    oldest = datetime.now(timezone.utc) - timedelta(days=settings.LM_PREDICTION_LOG_DAYS)
    for file in folder.glob("*/*"):
        if (name := NAME.fullmatch(file.name)) and name[1] < f"{oldest:%Y%m%dT%H%M%S}":
            with suppress(OSError):  # another worker was first
                file.unlink()


def _drop(requests: int, why: str) -> None:
    for tell in dropped:
        tell(requests)
    logger.error("the prediction log leaves out %d requests: %s", requests, why)


_logs: dict[int, PredictionLog] = {}  # by process: a thread does not survive a fork
_starting = threading.Lock()


def _log() -> PredictionLog:
    if (log := _logs.get(os.getpid())) is None:
        with _starting:
            log = _logs.get(os.getpid()) or PredictionLog(Path(settings.LM_PREDICTION_LOG))
            _logs[os.getpid()] = log
    return log
