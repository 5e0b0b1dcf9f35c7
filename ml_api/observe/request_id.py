"""The id of a request: in its response, and in each line of the log that is about it."""

import os
import re
import threading
from typing import Any

from ml_api.observe.observed import REQUEST_ID

HEADER = "X-Request-ID"
SAFE = re.compile(r"[A-Za-z0-9_.:-]{1,128}")
"""What a client may call its request."""


class _Thread(threading.local):
    request_id = ""


_thread = _Thread()


def new_id() -> str:
    """Make an id at random."""
    return os.urandom(16).hex()


def current_id() -> str:
    """Return the id of the request that this thread answers; empty where it answers none."""
    return _thread.request_id


def identify(environ: dict[str, Any]) -> str:
    """Take the id that the client sent, where it is a safe one, or make one; the environment keeps it."""
    sent = environ.get("HTTP_X_REQUEST_ID", "")
    environ[REQUEST_ID] = request_id = sent if SAFE.fullmatch(sent) else new_id()
    return request_id


class answering:
    """The context in which this thread answers a request: lines of the log have its id, which `with` returns."""

    def __init__(self, environ: dict[str, Any]) -> None:
        self.request_id: str = environ.get(REQUEST_ID) or identify(environ)

    def __enter__(self) -> str:
        self.before, _thread.request_id = _thread.request_id, self.request_id
        return self.request_id

    def __exit__(self, *_: object) -> None:
        _thread.request_id = self.before
