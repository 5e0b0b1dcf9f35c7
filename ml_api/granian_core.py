"""Granian's HTTP server, without its command line and its processes.

None of these names is Granian's public interface. So they stand here alone, and requirements.txt pins the version.
"""

import os
import socket
from collections.abc import Callable
from typing import Any

from granian._granian import CallbackScheduler, RSGIWorker, SocketHolder, WorkerSignal
from granian.http import HTTP1Settings

MOST_BYTES_OF_HEAD = 128 * 1024
"""Of a request line and headers; also the largest part of a body that is read at once."""
os.environ.setdefault("RUST_MIN_STACK", str(8 * 1024 * 1024))  # of threads, as Python's have; R runs in them


class _AtOnce:
    """Stands where Granian wants an event loop: what waits for Rust goes on in the thread that brings the result."""

    @staticmethod
    def call_soon(callback: Callable[[Any], None], future: Any, context: Any = None) -> None:
        callback(future)

    call_soon_threadsafe = call_soon


def serve(
    listener: socket.socket,
    handle: Callable[[Any], None],
    *,
    backlog: int,
    connections: int,
    header_seconds: int,
    threads: int,
) -> Callable[[Callable[[], None]], None]:
    """Serve a listening socket, and return at once; what is returned stops it, and calls back when it has ended.

    One thread of Rust reads and writes, for so many connections at most. `handle` is called in one of so many threads
    of Python with each request's `scope` and `proto` (https://github.com/emmett-framework/granian/blob/master/docs/spec/RSGI.md),
    when its header has come. It must not raise, nor return anything: Granian looks at neither.
    """
    loop, signal = _AtOnce(), WorkerSignal()
    scheduler = CallbackScheduler(loop, None, None, None, None)
    scheduler._schedule_fn = handle
    is_unix = listener.family == socket.AF_UNIX
    worker = RSGIWorker(
        1,
        (None, SocketHolder(listener.fileno(), is_unix, backlog)),
        None,
        threads=1,
        blocking_threads=1,
        py_threads=threads,
        py_threads_idle_timeout=30,
        backpressure=connections,
        http_mode="1",
        http1_opts=HTTP1Settings(header_read_timeout=header_seconds * 1000, max_buffer_size=MOST_BYTES_OF_HEAD),
        websockets_enabled=False,
    )
    (worker.serve_mtr_uds if is_unix else worker.serve_mtr)(scheduler, loop, signal)

    def stop(ended: Callable[[], None]) -> None:
        signal.add_cb(ended)
        signal.set()

    return stop
