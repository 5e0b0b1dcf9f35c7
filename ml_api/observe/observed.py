"""One request that was answered, for those who write it down: the server calls observe() with each."""

import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from lm_app.measured import MEASURED, Measured
from ml_api.access.addresses import client_of
from ml_api.access.keys import NOBODY

ROUTE, QUEUED, REQUEST_ID, KEY = "ml_api.route", "ml_api.queued", "ml_api.request_id", "ml_api.key"
"""In a request's environment: its route's pattern, how many seconds it waited for a thread, its id, and where there are
API keys, the one that was sent; see ml_api/access/keys.py."""
METHOD, PATH = 32, 1000
"""How many characters of each are observed at most."""


class Observed(NamedTuple):
    """A request and its response: no more of them than is told, as it is kept until a thread tells it.

    Times are in seconds, sizes in bytes.
    """

    time: float
    """When it was answered, since 1970."""
    id: str
    client: str
    """Its address, or nothing at a Unix socket."""
    method: str
    path: str
    key: str | None
    """The name of its API key."""
    route: str
    """The pattern of the route, such as lm/api/predict; empty where none answered."""
    status: int
    size: int
    """Of the response's body."""
    seconds: float
    """From the header's end to the response."""
    queued: float
    """How long it waited: for a thread, and for R."""
    measured: Measured | None
    """What lm_app found out, where the request was about a model."""


Observer = Callable[[Observed, Mapping[str, Any]], None]
observers: list[Observer] = []
"""What is called with each request and its environment, in the worker's process. Must be quick."""


def observe(environ: Mapping[str, Any], status: int, size: int, seconds: float) -> None:
    """Show a request to all observers."""
    client, measured = client_of(environ), environ.get(MEASURED)
    queued: float = environ.get(QUEUED, 0.0)
    observed = Observed(
        time.time(),
        environ[REQUEST_ID],
        client.text if client else "",
        environ.get("REQUEST_METHOD", "")[:METHOD],
        (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", ""))[:PATH],
        environ.get(KEY, NOBODY).name or None,
        environ.get(ROUTE, ""),
        status,
        size,
        seconds,
        queued + measured.waited_for_r if measured else queued,
        measured,
    )
    for observer in observers:
        observer(observed, environ)
