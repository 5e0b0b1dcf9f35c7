"""Gunicorn's settings; `gunicorn ml_api.wsgi` finds them here."""

import gc
import os
import random
from typing import Any

from gunicorn.workers.base import Worker
from gunicorn.workers.gthread import ThreadWorker


class Threads(ThreadWorker):  # type: ignore[misc]
    """Gunicorn's threaded worker, but Ctrl-C (SIGINT, SIGQUIT) always ends it.

    Its own way to quit takes a lock in the signal's handler. Where the main thread holds that already, because it is
    just starting a request or at the signal before, the worker hangs until it is killed.
    """

    handle_quit = Worker.handle_quit


bind = f"0.0.0.0:{os.environ.get('PORT') or 8000}"
worker_class = Threads
workers = int(os.environ.get("WEB_CONCURRENCY") or 2)
threads = 4
# A URL of any length gets our own answer (with the C parser, any means 1 MiB), not gunicorn's HTML.
http_parser = "fast"
limit_request_line = 0
graceful_timeout = 20
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
    CPU to another, this takes so long that a worker answers half as many requests.
    """
    os.sched_setaffinity(0, {worker.cpu})


def post_worker_init(worker: Any) -> None:
    """Start R and read the default model before the first request; never before the fork."""
    from django.conf import settings

    from lm_app import r_engine, store
    from lm_app.errors import RequestError

    r_engine.start()
    try:
        store.live(settings.LM_DEFAULT_MODEL)
    except RequestError as error:
        worker.log.warning("%s", error)
    # What is loaded by now stays. The garbage collector need not look at it again each time a large request is read.
    gc.freeze()
