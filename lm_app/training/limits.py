"""What one fit may take of time and memory, by the settings."""

import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.conf import settings

from lm_app.engine import runtime
from lm_app.errors import LmError, TookTooLong, TrainingError

NO_MEMORY = ("cannot allocate", "memory exhausted")
"""What R says where it gets none."""


@contextmanager
def limited() -> Iterator[None]:
    """Bound what is done within, in the main thread; raises TrainingError with one line that names the setting."""
    runtime.start()  # its own memory is not the training's
    with _limited_memory(settings.LM_TRAINING_BYTES), limited_time():
        yield


@contextmanager
def limited_time() -> Iterator[None]:
    """Bound the time of what is done within, in the main thread; raises TookTooLong."""
    seconds = settings.LM_TRAINING_SECONDS

    def expired(*_: object) -> None:
        raise TookTooLong(f"training took longer than LM_TRAINING_SECONDS, {seconds} s")

    if not seconds:
        yield
        return
    before = signal.signal(signal.SIGALRM, expired)
    signal.alarm(min(seconds, 2**31 - 1))  # what C can hold
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _limited_memory(size: int) -> Iterator[None]:
    if not size:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    allowed = pages * os.sysconf("SC_PAGE_SIZE") + size
    bounds = [bound for bound in (allowed, soft, hard, sys.maxsize) if bound != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_AS, (min(bounds), hard))
    try:
        yield
    except (LmError, MemoryError) as error:
        if isinstance(error, MemoryError) or any(text in str(error) for text in NO_MEMORY):
            raise TrainingError(f"training needs more memory than LM_TRAINING_BYTES, {size}, beside R's own") from None
        raise
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
