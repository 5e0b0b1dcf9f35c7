"""How the server behaves beside clients that are slow, while versions are published, and at its end."""

import http.client
import os
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from benchmarks.servers import Failed, Request, Server, send

SLOW, PROBE_SECONDS, PATIENCE = 500, 0.1, 3.0
CLIENTS = 32
HEAD = "POST /lm/api/predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"


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


def row(name: str, times: list[float]) -> list[str]:
    """How many were answered, and the percentiles of all, in ms."""
    answered = [value for value in times if value < PATIENCE]
    figures = [percentile(times, 50), percentile(times, 99), max(times)]
    return [name, f"{len(answered)} of {len(times)}", *(f"{1000 * figure:.1f}" for figure in figures)]


def percentile(times: list[float], percent: int) -> float:
    """A percentile of some times: that which so many of them do not exceed."""
    return sorted(times)[min(len(times) - 1, len(times) * percent // 100)]


def publish_in_turn(model: Path, times: int, seconds: float) -> None:
    """Make the newest two versions live in turn, evenly over so many seconds."""
    versions = sorted(version.name for version in (model / "versions").iterdir())[-2:]
    if not times:
        time.sleep(seconds)
    for number in range(times):
        (model / "live.new").write_text(f"{versions[number % 2]}\n")
        os.replace(model / "live.new", model / "live")
        time.sleep(seconds / times)


def lost_at_the_end(server: Server, request: Request, before: float = 1) -> tuple[int, int, float]:
    """SIGTERM beside clients that heed `Connection: close`: answered, lost, and the seconds until the server ended.

    A client opens another connection where one is closed; that nobody takes it is no loss, as nothing was sent.
    """
    answered, lost = [0] * CLIENTS, [0] * CLIENTS

    def ask_on(number: int) -> None:
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
            try:
                connection.connect()
            except OSError:
                return
            with closing(connection):
                is_open = True
                while is_open:
                    try:
                        connection.request("GET", request.path)
                        response = connection.getresponse()
                        request.check(response.read())
                        answered[number] += 1
                        is_open = response.getheader("Connection", "").lower() != "close"
                    except (OSError, http.client.HTTPException):
                        lost[number] += 1
                        is_open = False

    with ThreadPoolExecutor(CLIENTS) as pool:
        asking = [pool.submit(ask_on, number) for number in range(CLIENTS)]
        time.sleep(before)
        begin = time.perf_counter()
        server.process.terminate()
        server.process.wait()
        seconds = time.perf_counter() - begin
        for client in asking:
            client.result()
    return sum(answered), sum(lost), seconds


def processor(pid: int) -> float:
    """The seconds of processor time that a process has used, the kernel's for it included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def median_row(name: str, rates: list[float], costs: list[float]) -> list[str]:
    """Requests a second, and microseconds of processor time for each."""
    return [name, f"{statistics.median(rates):,.0f}", f"{statistics.median(costs):,.0f}" if costs else ""]
