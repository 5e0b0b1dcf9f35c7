"""What was found out about a request on its way, for logs, metrics and traces; ml_api/observe reads it."""

from collections.abc import Callable
from dataclasses import dataclass

dropped: list[Callable[[int], None]] = []
"""What is called with a number of requests that the prediction log left out."""
MEASURED = "lm_app.measured"
"""In the environment of a request about a model: its Measured."""


@dataclass(slots=True)
class Measured:
    """A request about a model. Times are in seconds."""

    model: str
    version: str
    rows: int = 0
    """That were predicted."""
    extrapolated: int = 0
    """Of these, where the request asked to flag them."""
    r_seconds: float = 0.0
    waited_for_r: float = 0.0
