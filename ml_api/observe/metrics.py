"""/metrics for Prometheus, of all workers together. Nothing imports this where LM_METRICS is off.

Each worker notes what it answers, and several times a second counts that in files of its own. Whichever worker is asked
adds up the files of all. A worker has a number from 0, and its successor goes on with its files: so nothing is lost
with a worker but what it had not written, and there are no more files than there were workers at once.
"""

import atexit
import logging
import os
import shutil
import tempfile
import threading
import time
from bisect import bisect_left
from collections import Counter as Counts
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_GET
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from lm_app.measured import dropped
from lm_app.store import live
from ml_api.access.keys import METRICS
from ml_api.lines import taken_from
from ml_api.observe.observed import KEY, Observed, observers
from ml_api.problems import problem_response
from ml_api.version import VERSION

logger = logging.getLogger(__name__)

FOLDER, MASTER = tempfile.mkdtemp(prefix="lm-metrics-"), os.getpid()
"""Of the files; and the process that made it, which removes it."""
SECONDS_BETWEEN_WRITES = 0.1
BUCKETS = (1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
"""What a client calls otherwise is one label."""

number = "master"
"""Of this worker."""
os.environ["PROMETHEUS_MULTIPROC_DIR"] = FOLDER
values.ValueClass = values.MultiProcessValue(lambda: number)  # type: ignore[no-untyped-call]


@atexit.register
def remove_folder() -> None:
    """Remove the folder at the end of the master; workers are copies of it, and end earlier."""
    if os.getpid() == MASTER:
        shutil.rmtree(FOLDER, ignore_errors=True)


class Buffered(Histogram):
    """A histogram that counts in memory until write(), as to write takes several times as long."""

    def _metric_init(self) -> None:
        super()._metric_init()
        self._counts, self._seconds = [0] * len(self._upper_bounds), 0.0
        buffered.append(self)

    def observe(self, amount: float, exemplar: dict[str, str] | None = None) -> None:
        """Count one, in memory."""
        self._counts[bisect_left(self._upper_bounds, amount)] += 1
        self._seconds += amount

    def write(self) -> None:
        """Write what was counted."""
        for bucket, count in zip(self._buckets, self._counts, strict=True):
            if count:
                bucket.inc(count)
        self._sum.inc(self._seconds)
        self._counts, self._seconds = [0] * len(self._counts), 0.0


buffered: list[Buffered] = []
lock = threading.Lock()

REQUESTS = Buffered(
    "lm_http_request_duration_seconds",
    "From the end of a request's header to its response; the route is a pattern, or empty where there is none",
    ["route", "method", "status"],
    buckets=BUCKETS,
    registry=None,
)
QUEUE = Buffered(
    "lm_queue_duration_seconds",
    "How long a request waited, for a thread and for R",
    buckets=BUCKETS,
    registry=None,
)
IN_R = Buffered(
    "lm_r_duration_seconds", "How long R predicted for a request", ["model"], buckets=BUCKETS, registry=None
)
PREDICTIONS = Counter(
    "lm_predictions_total", "Observations that were predicted for", ["model", "version"], registry=None
)
EXTRAPOLATIONS = Counter(
    "lm_extrapolations_total",
    "Predictions outside of what the model was fitted to, in requests that ask for that",
    ["model"],
    registry=None,
)
LOADS = Counter(
    "lm_model_loads_total",
    "How often a worker has read a live version, and whether it was loaded or damaged",
    ["model", "result"],
    registry=None,
)
DROPPED = Counter("lm_prediction_log_dropped_total", "Requests that the prediction log left out", registry=None)
MEMORY = Gauge(
    "process_resident_memory_bytes",
    "Resident memory of a worker",
    ["worker"],
    multiprocess_mode="livemax",
    registry=None,
)

# labels() takes longer than to count.
requests_of, in_r_of = cache(REQUESTS.labels), cache(IN_R.labels)

answered: list[Observed] = []
loaded: list[tuple[str, bool]] = []
"""What has not been counted yet."""


def note(observed: Observed, environ: Mapping[str, Any]) -> None:
    """Note a request, to be counted later: all at once, that takes half the time."""
    answered.append(observed)


def note_load(model: str, is_damaged: bool) -> None:
    """Note that this worker has read the live version of a model."""
    loaded.append((model, is_damaged))


def write() -> None:
    """Count what was noted, and write it, and how much memory this worker has."""
    predicted: Counts[tuple[str, str]] = Counts()
    with lock:
        for observed in taken_from(answered):
            method = observed.method if observed.method in METHODS else "other"
            requests_of(observed.route, method, observed.status).observe(observed.seconds)
            QUEUE.observe(observed.queued)
            measured = observed.measured
            if measured and measured.rows:
                in_r_of(measured.model).observe(measured.r_seconds)
                predicted[measured.model, measured.version] += measured.rows
                if measured.extrapolated:
                    EXTRAPOLATIONS.labels(measured.model).inc(measured.extrapolated)
        for (model, version), rows in predicted.items():
            PREDICTIONS.labels(model, version).inc(rows)
        for histogram in buffered:
            histogram.write()
        for model, is_damaged in taken_from(loaded):
            LOADS.labels(model, "damaged" if is_damaged else "loaded").inc()
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        MEMORY.labels(number).set(pages * os.sysconf("SC_PAGE_SIZE"))


def start(worker: int) -> None:
    """Begin to count, in the worker that has this number."""
    global number
    number = str(worker)
    observers.append(note)
    live.on_load.append(note_load)
    dropped.append(DROPPED.inc)
    threading.Thread(target=write_often, name="metrics", daemon=True).start()


def write_often() -> None:
    """Write as long as the worker lives."""
    while True:
        time.sleep(SECONDS_BETWEEN_WRITES)
        try:
            write()
        except Exception:  # goes on: the folder may be away, or full
            logger.exception("The metrics can't be written")


def end(worker: int) -> None:
    """Forget how much memory a worker had that has ended; the rest of it stays."""
    mark_process_dead(worker, FOLDER)  # type: ignore[no-untyped-call]


@require_GET
def metrics(request: HttpRequest) -> HttpResponse:
    """Answer in Prometheus' text format."""
    key = request.META.get(KEY)
    if settings.LM_METRICS == "key" and not (key and METRICS in key.rights):
        return problem_response(403, "Metrics need an API key with the right 'metrics' (LM_METRICS is 'key').")
    write()
    registry = CollectorRegistry()
    MultiProcessCollector(registry, FOLDER)  # type: ignore[no-untyped-call]
    registry.register(Now())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_PLAIN_0_0_4)


class Now:
    """What is served at the moment when somebody asks."""

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """Tell the version of the API, and of each model the live version."""
        build = GaugeMetricFamily("lm_build_info", "The version of the API", labels=["version"])
        build.add_metric([VERSION], 1)
        served = GaugeMetricFamily(
            "lm_model_info", "The version of a model that is served", labels=["model", "version"]
        )
        trained = GaugeMetricFamily(
            "lm_model_trained_timestamp_seconds", "When the version that is served was trained", labels=["model"]
        )
        damaged = GaugeMetricFamily(
            "lm_model_damaged", "1 where the live version is damaged: another is served, or none", labels=["model"]
        )
        for name, model in live.live_models().items():
            entry = live.cache.get(name)
            damaged.add_metric([name], bool(entry and entry.damage))
            if model:
                served.add_metric([name, model.version], 1)
                trained.add_metric([name], datetime.fromisoformat(model.info["trained_at"]).timestamp())
        return build, served, trained, damaged
