"""Write down what was predicted, beside serving: requests leave it in memory, and one thread writes it.

Where the disk is slow, full or away, what comes meanwhile is dropped and counted; no answer waits.
"""

import atexit
import logging
import os
import threading
import time
from array import array
from contextlib import suppress
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from django.conf import settings

from lm_app.engine.lm import Prediction
from lm_app.measured import dropped
from lm_app.monitoring import log_files, log_parquet
from lm_app.predict.check import Observations
from lm_app.schemas import Options
from lm_app.store.version import LoadedModel

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_WRITES = 0.05
"""So short that a batch of small requests takes Python from others for some ms only."""
SECONDS_TO_END = 2
MOST_BYTES_WAITING = 32 * 1024 * 1024
BYTES_AT_ONCE = 1024 * 1024
SMALL, BYTES_OF_FLOAT = 1000, 32
"""About what one request takes in memory, and what a number in a list does."""
BETWEEN_PARQUET = timedelta(hours=1)
LEFT_BEHIND = timedelta(days=2)
"""So old a file of JSON lines has no process that writes it."""


class Entry(NamedTuple):
    """A request that was answered."""

    time: float
    request_id: str | None
    model: LoadedModel
    options: Options
    columns: "list[array[float]]"
    fit: list[float]
    lower: list[float] | None
    upper: list[float] | None
    extrapolated: list[bool] | None
    size: int

    def line(self) -> bytes:
        """Write it as a line of JSON. What is not finite is null."""
        model, moment = self.model, datetime.fromtimestamp(self.time, timezone.utc)
        line: dict[str, Any] = {
            "time": moment.isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "request_id": self.request_id,
            "model": model.name,
            "version": model.version,
            "interval": self.options.interval,
            "level": self.options.level,
            "rows": len(self.fit),
            "inputs": {
                predictor.name: predictor.to_json(column)
                for predictor, column in zip(model.predictors, self.columns, strict=False)  # there may be none
            },
            "fit": self.fit,
        }
        if self.lower is not None:
            line |= {"lower": self.lower, "upper": self.upper}
        line["extrapolated"] = self.extrapolated or [False] * len(self.fit)  # else these would have been refused
        return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


class File(NamedTuple):
    """A file of JSON lines that this process writes. It is opened for each write, and may be gone by then."""

    path: Path
    begun: datetime

    def append(self, content: bytes) -> int:
        """Append whole lines, or nothing; returns the file's size. Raises OSError."""
        self.path.parent.mkdir(0o750, exist_ok=True)  # not the log's folder: where that is away, it may be a mount
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o640)
        try:
            size = os.fstat(descriptor).st_size
            written = 0
            try:
                while written < len(content):  # it stops early where the disk is full; the next time says why
                    written += os.write(descriptor, content[written:])
            except OSError:
                os.ftruncate(descriptor, size)
                if not size:
                    self.path.unlink()
                raise
            return size + written
        finally:
            os.close(descriptor)


class PredictionLog:
    """The log of one process."""

    def __init__(self) -> None:
        """Start its thread."""
        self.folder = Path(settings.LM_PREDICTION_LOG)
        self.is_parquet = settings.LM_PREDICTION_LOG_FORMAT == "parquet"
        if self.is_parquet:
            log_parquet.prepare()
        self._lock = threading.Lock()
        self._waiting: list[Entry] = []
        self._bytes_waiting = 0
        self._files: dict[tuple[str, str], File] = {}
        self._cleaned: date | None = None
        self._dropped, self._warned = 0, -60.0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prediction log", daemon=True)
        self._thread.start()

    def add(self, entry: Entry) -> None:
        """Have an entry written, unless too much waits already."""
        with self._lock:
            is_room = not self._bytes_waiting or self._bytes_waiting + entry.size <= MOST_BYTES_WAITING
            if is_room:
                self._waiting.append(entry)
                self._bytes_waiting += entry.size
        if not is_room:
            self._drop(1, "the disk is too slow")

    def end(self) -> None:
        """Write what waits; but a disk that does not take it holds up the end of the process for a moment only."""
        self._ending.set()
        self._thread.join(SECONDS_TO_END)

    def _run(self) -> None:
        is_ending = False
        while not is_ending:
            is_ending = self._ending.wait(SECONDS_BETWEEN_WRITES)
            self._write_waiting()
            self._close_files(log_files.now(), all_of_them=is_ending)

    def _write_waiting(self) -> None:
        with self._lock:
            entries, self._waiting = self._waiting, []
        lines: dict[tuple[str, str], list[bytes]] = {}
        size = 0
        for entry in entries:
            line = entry.line()
            lines.setdefault((entry.model.name, entry.model.version), []).append(line)
            size += len(line)
            if size > BYTES_AT_ONCE:
                self._write(lines)
                size = 0
        self._write(lines)
        with self._lock:
            self._bytes_waiting -= sum(entry.size for entry in entries)

    def _write(self, lines: dict[tuple[str, str], list[bytes]]) -> None:
        for key, of_version in lines.items():
            if key not in self._files:
                now = log_files.now()
                self._files[key] = File(log_files.new_file(self.folder / key[0], now, os.getpid()), now)
            try:
                size = self._files[key].append(b"".join(of_version))
            except OSError as error:
                del self._files[key]
                self._drop(len(of_version), f"{error.strerror} ({error.filename or self.folder})")
            else:
                if size >= settings.LM_PREDICTION_LOG_BYTES:
                    self._close(key)
        lines.clear()

    def _drop(self, requests: int, why: str) -> None:
        """Count what is not written, and say so once a minute."""
        now = time.monotonic()
        with self._lock:
            self._dropped += requests
            is_time = now >= self._warned + 60
            if is_time:
                self._warned = now
        for tell in dropped:
            tell(requests)
        if is_time:
            logger.warning("the prediction log leaves out requests, %d of this process by now: %s", self._dropped, why)

    def _close_files(self, now: datetime, all_of_them: bool) -> None:
        """Close files that are old, and once a day look for those that are far older."""
        for key, file in tuple(self._files.items()):
            is_old = file.begun.date() != now.date() or (self.is_parquet and now - file.begun >= BETWEEN_PARQUET)
            if is_old or all_of_them:
                self._close(key)
        if self._cleaned != now.date():
            self._cleaned = now.date()
            try:
                self._clean(now)
            except OSError as error:
                logger.warning("the prediction log: old files can't be removed: %s", error)

    def _close(self, key: tuple[str, str]) -> None:
        """Write no more to a file."""
        file = self._files.pop(key)
        if self.is_parquet:
            to_parquet(file.path)

    def _clean(self, now: datetime) -> None:
        """Remove files that have been kept long enough, and make Parquet of what a killed process left behind."""
        days = settings.LM_PREDICTION_LOG_DAYS
        for folder in log_files.folders(self.folder):
            for file in log_files.begun_before(folder, now - timedelta(days)) if days else ():
                file.unlink(missing_ok=True)  # another process may just do it
            if self.is_parquet:
                for file in log_files.begun_before(folder, now - LEFT_BEHIND):
                    if file.name.endswith(log_files.LINES):
                        to_parquet(file)


def to_parquet(file: Path) -> None:
    """Make Parquet of a file; where that can't be, it stays as it is, and can be read as well."""
    try:
        with suppress(FileNotFoundError):  # another process has just done it
            log_parquet.write(file)
    except (OSError, ValueError, LookupError, TypeError) as error:
        logger.warning("the prediction log: %s stays, as no Parquet can be made of it: %s", file, error)


_log: PredictionLog | None = None
_starting = threading.Lock()


def start() -> PredictionLog:
    """Start the log of this process, if it has not started: after the fork, as threads do not come along."""
    global _log
    with _starting:
        if _log is None:
            _log = PredictionLog()
            atexit.register(_log.end)
        return _log


def record(request_id: str | None, model: LoadedModel, observations: Observations, prediction: Prediction) -> None:
    """Have an answer written down, or drop it; returns at once."""
    fit, lower, upper = prediction[:3]
    if not fit:  # all of the request was answered by null
        return
    numbers = len(fit) * (len(observations.columns) + 2)
    start().add(
        Entry(
            time.time(),
            request_id,
            model,
            observations.options,
            observations.columns,
            fit,
            lower,
            upper,
            observations.extrapolated,
            SMALL + BYTES_OF_FLOAT * numbers,
        )
    )
