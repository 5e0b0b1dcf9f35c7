"""Gunicorn's settings; `gunicorn ml_api.wsgi` finds them here. Its command line and GUNICORN_CMD_ARGS go before them.

The figures behind them are in docs/decisions/0003-pinned-workers-and-threads.md.
"""

import gc
import itertools
import os
import random
import signal
import socket
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from dotenv import load_dotenv

from ml_api.environment import addresses, boolean, natural, port, positive
from ml_api.gunicorn_log import Log
from ml_api.log import RateLimit
from ml_api.sockets import let_nobody_in

try:
    from ml_api.worker import GranianWorker

    worker_class, without_granian = GranianWorker, ""
except ImportError as error:  # there is no Granian for this platform
    from ml_api.threads import Threads

    worker_class, without_granian = Threads, f"gunicorn's own threads serve, as Granian can't be imported: {error}"

load_dotenv(Path(__file__).with_name(".env"))

# One BLAS thread: predictions are too small to parallelise.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

logger_class = Log
accesslog = "-"
# IPv4 and IPv6 by one socket, where the system has both; some take localhost for ::1.
host = "0.0.0.0"
with suppress(OSError), socket.socket(socket.AF_INET6) as probe:
    probe.bind(("::", 0))
    if not probe.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY):
        host = "[::]"
try:
    # All settings are read here, so that a wrong value is reported before a worker starts.
    bind = f"{host}:{port('PORT', default=8000)}"
    forwarded_allow_ips = ",".join(addresses("FORWARDED_ALLOW_IPS", default="127.0.0.1,::1"))
    pin_workers = boolean("PIN_WORKERS", default=True)
    shutdown_delay = natural("SHUTDOWN_DELAY", default=0)
    # A worker for each CPU, as Python computes in one thread of a process at a time; see docs/decisions/0003.
    workers = positive("WEB_CONCURRENCY", default=min(max(2, len(os.sched_getaffinity(0))), 8))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ml_api.settings")
    settings.DEBUG  # noqa: B018 - reads Django's
    import lm_app.engine  # noqa: F401 - asks whether there is R

    has_metrics = settings.LM_METRICS != "off"
    if has_metrics:
        from ml_api.observe import metrics  # makes a temporary folder
except (ImproperlyConfigured, OSError) as error:
    sys.exit(str(error))  # else gunicorn prints a traceback
# So that single predictions get their turn beside large batches; see docs/decisions/0003.
threads = 8
# Seconds that an unused connection stays open: to open one takes longer than to predict.
keepalive = 75
# Connections that a worker keeps: each takes a file, and some 10 kB.
worker_connections = 4000
# For gunicorn's own workers: a URL of any length gets our own response (with the C parser, any means 1 MiB).
http_parser = "fast"
limit_request_line = 0
# Longer than the largest batch takes, and shorter than the 30 s after which Azure kills.
graceful_timeout = 20
# Workers start from what is imported once, R not: a new one answers in half the time; see docs/decisions/0007. So
# that SIGHUP replaces the workers, and reads these settings anew, but no code: SIGUSR2 starts another master for that.
preload_app = "--reload" not in sys.argv
# No worker is replaced after a number of requests: memory stays as it is; see docs/decisions/0003.
max_requests = 0
forwarder_headers = ""  # a SCRIPT_NAME from a client would be an error 500
control_socket_disable = True  # nothing here uses it, and its folder may be read-only


def tell_url(server: Any) -> None:
    """Write to the log which URL to open; on Azure, and at a Unix socket, that is not ours to know."""
    from ml_api.hosts import url_to_open

    address = server.LISTENERS[0].sock.getsockname()
    if not settings.WEBSITE_HOSTNAME and isinstance(address, tuple):
        answered = ", ".join(settings.ALLOWED_HOSTS)
        server.log.info("Open %s (ALLOWED_HOSTS: %s)", url_to_open(address[1]), answered)


def when_ready(server: Any) -> None:
    """Do before the fork what each worker would do; and make SIGTERM wait.

    Wait, as a load balancer goes on sending until it has noticed. A second SIGTERM ends the pause.
    """
    from lm_app.engine import runtime
    from lm_app.errors import NotStarted

    if without_granian:
        server.log.warning(without_granian)
    try:
        runtime.prepare()
    except NotStarted as error:
        sys.exit(str(error))
    if settings.OTEL_EXPORTER_OTLP_ENDPOINT or settings.APPLICATIONINSIGHTS_CONNECTION_STRING:
        prepare_traces(server.log)
    gc.freeze()  # what is loaded by now is shared with the workers as long as nothing writes to it
    if not settings.LM_API_KEYS:
        server.log.warning("There are no API keys (LM_API_KEYS_FILE): whoever reaches this server may ask")
    tell_url(server)
    stop = server.handle_term

    def close() -> None:
        if server.reexec_pid == server.master_pid == 0 and not server.systemd:  # nobody else listens to these sockets
            for listener in server.LISTENERS:
                let_nobody_in(listener.sock)
        stop()

    def close_later() -> None:
        server.handle_term = close
        signal.signal(signal.SIGALRM, lambda *_: server.signal(signal.SIGTERM, None))
        signal.alarm(shutdown_delay)

    server.handle_term = close_later if shutdown_delay else close


def prepare_traces(log: Any) -> None:
    """Import what sends traces; without it, the server does all else."""
    try:
        from ml_api.observe import traces

        traces.prepare()
    except ImportError as error:
        log.warning("No traces are sent (%s): pip install -r contrib/requirements-traces.txt", error)


def start_traces(worker: Any) -> None:
    """Send traces, if all is there."""
    traces = sys.modules.get("ml_api.observe.traces")  # imported where the settings ask for it
    if traces and traces.exporters:
        try:
            worker.end_traces = traces.start()
        except ValueError as error:  # in one of OpenTelemetry's own settings
            worker.log.warning("No traces are sent: %s", error)


# Between the fork and its own handlers, a worker has those of its master: a signal to end would be lost, and the end
# take graceful_timeout. So these signals wait until it has its own.
ENDING = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT}
os.register_at_fork(after_in_parent=lambda: signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING))


def pre_fork(server: Any, worker: Any) -> None:
    """Have signals wait for the worker, and choose its number and its CPU: one of those with the fewest workers."""
    signal.pthread_sigmask(signal.SIG_BLOCK, ENDING)
    numbers = {other.number for other in server.WORKERS.values()}
    worker.number = next(number for number in itertools.count() if number not in numbers)
    taken = [other.cpu for other in server.WORKERS.values()]
    cpus = os.sched_getaffinity(0)
    fewest = min(map(taken.count, cpus))
    worker.cpu = random.choice([cpu for cpu in cpus if taken.count(cpu) == fewest])  # noqa: S311 - no secret


def post_fork(server: Any, worker: Any) -> None:
    """Keep all threads of the worker on its CPU: Python's lock changes hands faster there; see docs/decisions/0003."""
    worker.log.error_log.addFilter(RateLimit())  # a line for each request that is none; the arbiter's lines all stay
    if pin_workers:
        os.sched_setaffinity(0, {worker.cpu})
    if has_metrics:
        metrics.start(worker.number)


def post_worker_init(worker: Any) -> None:
    """Start R and read the models before the first request; never before the fork."""
    from lm_app.engine import runtime
    from lm_app.errors import LmError
    from lm_app.store.live import live_model, live_models

    signal.pthread_sigmask(signal.SIG_UNBLOCK, ENDING)
    runtime.start()
    live_models()
    try:
        live_model(settings.LM_DEFAULT_MODEL)
    except LmError as error:
        where = f"LM_MODELS_DIR is {settings.LM_MODELS_DIR}, and LM_DEFAULT_MODEL {settings.LM_DEFAULT_MODEL}"
        worker.log.warning("%s (%s)", error, where)
    runtime.end_where_stuck(settings.LM_MAX_SECONDS + 5)  # R stops by itself where it can
    start_traces(worker)
    if settings.LM_PREDICTION_LOG:
        from lm_app.monitoring import prediction_log

        prediction_log.start()  # removes old files, even if nobody asks
    # What is loaded by now stays. The garbage collector need not look at it again each time a large request is read;
    # and while that makes a list for each row, to look at 10,000 at once takes a tenth less of its time.
    gc.freeze()
    gc.set_threshold(10_000)


def worker_exit(server: Any, worker: Any) -> None:
    """Send the last traces, and write what the worker has counted; the master calls this for one that is gone, too."""
    if hasattr(worker, "end_traces"):
        worker.end_traces()
    if has_metrics and worker.pid == os.getpid():
        metrics.write()


def child_exit(server: Any, worker: Any) -> None:
    """Forget what a worker was that has ended."""
    if has_metrics:
        metrics.end(worker.number)
