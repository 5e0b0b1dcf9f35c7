"""The project's settings of gunicorn; and coverage.py sees what Rust's threads call. It knows of Python's only."""

import runpy
import sys
import threading
from collections.abc import Callable
from typing import Any

from ml_api import granian_core, worker

globals().update(runpy.run_path("gunicorn.conf.py", run_name=__name__))


def traced(function: Callable[..., None]) -> Callable[..., None]:
    def run(*arguments: Any, **options: Any) -> None:
        sys.settrace(threading.gettrace())
        function(*arguments, **options)

    return run


def serve(listener: Any, handle: Callable[[Any], None], **settings: int) -> Any:
    return granian_core.serve(listener, traced(handle), **settings)


setattr(worker, "serve", serve)  # noqa: B010 - mypy
granian_core._AtOnce.call_soon_threadsafe = staticmethod(traced(granian_core._AtOnce.call_soon))
