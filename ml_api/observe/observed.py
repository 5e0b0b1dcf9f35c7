"""One request that was answered, for those who write it down: gunicorn's log calls observe() after each response."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from lm_app.measured import MEASURED, Measured

ROUTE, QUEUED, REQUEST_ID, KEY = "ml_api.route", "ml_api.queued", "ml_api.request_id", "ml_api.key"
"""In a request's environment: its route's pattern, how many seconds it waited for a thread, its id, and the name of its
API key."""


@dataclass(slots=True)
class Observed:
    """A request and its response. Times are in seconds, sizes in bytes."""

    environ: Mapping[str, Any]
    status: int
    size: int
    """Of the response's body."""
    seconds: float
    """From the header's end to the response."""
    measured: Measured | None
    """What lm_app found out, where the request was about a model."""

    @property
    def route(self) -> str:
        """The pattern of the route, such as lm/api/predict; empty where none answered."""
        route: str = self.environ.get(ROUTE, "")
        return route

    @property
    def queued(self) -> float:
        """How long it waited: for a thread, and for R."""
        waited: float = self.environ.get(QUEUED, 0.0)
        return waited + (self.measured.waited_for_r if self.measured else 0.0)


observers: list[Callable[[Observed], None]] = []
"""What is called with each request, in the worker's process, after its response was handed over. Must be quick."""


def observe(response: Any, environ: Mapping[str, Any], took: timedelta) -> None:
    """Show a request to all observers; `response` is gunicorn's, or what looks like it."""
    status = int(str(response.status)[:3])
    observed = Observed(environ, status, response.sent, took.total_seconds(), environ.get(MEASURED))
    for observer in observers:
        observer(observed)
