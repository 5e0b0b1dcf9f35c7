"""Single predictions beside clients that stall."""

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress

from benchmarks.bench import GUNICORNS_THREADS, WAITS, Bench, Findings, percentile, row_of
from benchmarks.report import Ratio, Table
from benchmarks.servers import Failed, Request, Server, send

SLOW, PROBE_SECONDS, PATIENCE = 500, 0.02, 3.0
HEAD = "POST /lm/api/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


def measure(bench: Bench) -> Findings:
    """Single predictions beside clients that stall, with our worker and with gunicorn's threads."""
    batch = bench.distance.post("columns", 20_000).body or b""
    rows: list[list[str]] = []
    worst = 0.0
    for name, options in {"ours": [], "gunicorn's threads": [GUNICORNS_THREADS]}.items():
        seconds = 3 * bench.seconds if name == "ours" else bench.seconds
        with bench.ours(*options) as server:
            alone = probe(server, bench.get(), seconds)
            rows.append(row_of(f"{name}: nobody", alone))
        for kind, (at_once, then) in kinds(batch).items():
            count = SLOW // 10 if kind == "answers never read" else SLOW
            with bench.ours(*options) as server, slow_clients(server, count, at_once, then):
                time.sleep(PATIENCE)  # until all are accepted, or answered
                times = probe(server, bench.get(), seconds)
            rows.append(row_of(f"{name}: {count} x {kind}", times))
            if name == "ours" and "byte a second" in kind:
                worst = max(worst, percentile(times, 99) / percentile(alone, 99))
    yield Ratio("p99 beside 500 clients that send a byte a second, against alone", worst, at_most=2)
    yield Table("Beside slow clients", ["beside", *WAITS], rows)


def kinds(batch: bytes) -> dict[str, tuple[bytes, bytes]]:
    """What each slow client sends at once, and what byte by byte, one each second; `batch` is a large body."""
    whole = f"{HEAD}Content-Length: {len(batch)}\r\n\r\n".encode() + batch
    small = f"{HEAD}Content-Length: 1000\r\n\r\n".encode()
    return {
        "silent": (b"", b""),
        "half a header": (HEAD.encode(), b""),
        "a header, a byte a second": (HEAD.encode() + b"X: ", b"x"),
        "half a body": (small + b"[", b""),
        "a body, a byte a second": (small + b"[", b" "),
        "half a large body": (whole[: len(whole) // 2], b""),
        "answers never read": (whole, b""),
    }


@contextmanager
def slow_clients(server: Server, count: int, at_once: bytes, then: bytes) -> Iterator[None]:
    """Connect so many clients, which stall."""
    stop = threading.Event()

    def drip(connections: list[socket.socket]) -> None:
        while not stop.wait(1):
            for connection in connections:
                with suppress(OSError):  # the server has closed it, as it may
                    connection.send(then)

    with ExitStack() as stack, ThreadPoolExecutor(1) as pool:
        connections = []
        for _ in range(count):
            connections.append(stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=30)))
            connections[-1].setblocking(False)
            with suppress(BlockingIOError):
                connections[-1].send(at_once)
        dripping = pool.submit(drip, connections if then else [])
        try:
            yield
        finally:
            stop.set()
            dripping.result()


def probe(server: Server, request: Request, seconds: float) -> list[float]:
    """Ask several times a second, over a new connection each time: seconds, or infinity where there is no answer."""
    times: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        begin = time.perf_counter()
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)) as connection:
                send(connection, request)
            times.append(time.perf_counter() - begin)
        except (OSError, http.client.HTTPException, Failed):  # 503, too
            times.append(float("inf"))
        time.sleep(PROBE_SECONDS)
    return times
