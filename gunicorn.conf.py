"""Gunicorn's settings; `gunicorn ml_api.wsgi` finds them here. Its command line and GUNICORN_CMD_ARGS go before them.

Numbers in comments are of one run on 2 CPUs, with the client beside the server: only their ratios mean anything.
"""

import gc
import os
import random
from pathlib import Path
from typing import Any

from dotenv import load_dotenv
from gunicorn.workers.base import Worker
from gunicorn.workers.gthread import ThreadWorker

from ml_api.environment import boolean


class Threads(ThreadWorker):  # type: ignore[misc]
    """Gunicorn's threaded worker, but Ctrl-C (SIGINT, SIGQUIT) always ends it.

    Its own way to quit takes a lock in the signal's handler. Where the main thread holds that already, because it is
    just starting a request or at the signal before, the worker hangs until it is killed.
    """

    handle_quit = Worker.handle_quit


load_dotenv(Path(__file__).with_name(".env"))

# BLAS shall not share its sums out among threads: small as a prediction's are, that gains nothing.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

bind = f"0.0.0.0:{os.environ.get('PORT') or 8000}"
worker_class = Threads
pin_workers = boolean(
    "PIN_WORKERS", default=True
)  # ours, see post_fork; read here, so that a wrong value is told at once
# A worker for each CPU: on 2 CPUs, the second answered 1.8 times as many requests, a third and a fourth 1.1 times. At
# least 2, so that one answers while the other starts; at most 8, as a container may use but few of its host's CPUs.
workers = int(os.environ.get("WEB_CONCURRENCY") or min(max(2, len(os.sched_getaffinity(0))), 8))
# So that others get a turn while large batches are read: beside two clients that sent 100,000 observations each, 8
# threads answered 380 single predictions a second, 4 threads 180, one 28, and 16 no more than 8.
threads = 8
# Seconds that an unused connection stays open. To make one anew takes longer than to predict.
keepalive = 75
# A URL of any length gets our own answer (with the C parser, any means 1 MiB), not gunicorn's HTML.
http_parser = "fast"
limit_request_line = 0
# A batch as large as is allowed takes less than a second. Azure kills 30 s after it has told to stop.
graceful_timeout = 20
# No worker is replaced after a number of requests: memory stays as it is (10 minutes of load: make bench PARTS=soak).
max_requests = 0
if os.environ.get("WEBSITE_HOSTNAME"):
    # Behind App Service, the peer is always its front end; that adds the client's address to this header, as the last.
    accesslog = "-"
    access_log_format = '%({x-forwarded-for}i)s "%(r)s" %(s)s %(b)s bytes %(M)s ms'
control_socket_disable = True  # nothing here uses it, and its folder may be read-only


def pre_fork(server: Any, worker: Any) -> None:
    """Choose the worker's CPU: one of those with the fewest workers."""
    taken = [other.cpu for other in server.WORKERS.values()]
    cpus = os.sched_getaffinity(0)
    fewest = min(map(taken.count, cpus))
    worker.cpu = random.choice([cpu for cpu in cpus if taken.count(cpu) == fewest])  # noqa: S311 - no secret


def post_fork(server: Any, worker: Any) -> None:
    """Keep all threads of the worker on its CPU.

    Python's lock lets one of them compute at a time. It goes from one to another some times in each request; from one
    CPU to another, this takes so long that a worker answers half as many requests. Where others compute on the same
    CPUs, the system can't give the worker another one: then it is better off with PIN_WORKERS=False.
    """
    if pin_workers:
        os.sched_setaffinity(0, {worker.cpu})


def post_worker_init(worker: Any) -> None:
    """Start R and read the models before the first request; never before the fork."""
    from django.conf import settings

    from lm_app.engine import runtime
    from lm_app.errors import LmError
    from lm_app.store.live import live_model, live_models

    runtime.start()
    live_models()
    try:
        live_model(settings.LM_DEFAULT_MODEL)
    except LmError as error:
        worker.log.warning("%s", error)
    # What is loaded by now stays. The garbage collector need not look at it again each time a large request is read.
    gc.freeze()
