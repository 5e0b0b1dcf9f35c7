"""Mixed load for half an hour: whether memory stays as it is, and what was answered."""

import http.client
import json
import random
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks import models, servers
from benchmarks.bench import Bench, Findings
from benchmarks.report import Ratio, Table
from benchmarks.servers import Failed, Request, Server

CLIENTS = 4
SAMPLED, PUBLISHED = 1.0, 30.0
"""Seconds between two looks at the memory, and between two publications."""
BUSY = 503


def measure(bench: Bench) -> Findings:
    """Half an hour (600 times SECONDS) of mixed load: nothing but what is due, and memory stays as it is."""
    asked = kinds(bench.distance, bench.ten)
    with bench.ours() as ours:
        sizes, found, published = load(ours, bench.models, asked, 600 * bench.seconds)
    yield Ratio("memory in the last fifth of the soak, against the second", growth(sizes), at_most=1.05)
    yield Table("Soak: MB (RSS) of the worker", ["fifth", "least", "median", "most"], fifths(sizes))
    yield Table(
        f"Soak: what was answered, beside {published} publications",
        ["request", "status", "how often"],
        [[*what, f"{count:,}"] for what, count in sorted(found.items())],
    )


@dataclass(frozen=True)
class Kind:
    """A kind of request: how often it is asked, and the status that is due."""

    name: str
    often: int
    request: Request
    status: int = 200
    is_broken_off: bool = False


def kinds(distance: models.Case, ten: models.Case) -> list[Kind]:
    """List what clients ask: one observation, mostly; batches; and what is refused."""
    path = "/lm/api/predict"

    def refused(status: int, path: str, body: bytes | None = None, content_type: str = "application/json") -> Kind:
        return Kind(f"refused, {status}", 5, Request(path, {}, body, content_type), status)

    batches = [
        Kind(f"{rows:,} as {shape}, {interval}", often, distance.post(shape, rows, interval))
        for rows, often in [(10, 20), (1000, 8), (models.BATCH, 1)]
        for shape in ("columns", "records", "csv")
        for interval in ("none", "prediction")
    ]
    beyond = json.dumps({"distance": [29.5] * (models.BATCH + 1)}).encode()
    return [
        Kind("GET of a value", 300, models.single(distance, f"{path}/29.5")),
        Kind("GET by names", 100, distance.by_names()),
        Kind("GET with prediction interval", 100, distance.by_names("prediction")),
        Kind("POST of 10 predictors", 100, ten.post("records")),
        *batches,
        refused(422, f"{path}/33"),
        refused(422, path, b'[{"distance": "far"}, {"near": 1}]'),
        refused(422, path, b"distance\n1\nx\n", "text/csv"),
        refused(400, path, b'[{"distance": 29.5'),
        refused(404, "/lm/api/models/nobody/predict"),
        refused(415, path, b"29.5", "image/png"),
        Kind("refused, 413", 1, Request(path, {}, beyond), 413),
        Kind("broken off", 5, distance.post("columns", 1000), is_broken_off=True),
    ]


def ask_on(server: Server, asked: list[Kind], seed: int, stop: threading.Event) -> Counter[tuple[str, str]]:
    """Ask until the stop: how often each kind was answered, and by what. Raises Failed for what is not due."""
    found, chance = Counter[tuple[str, str]](), random.Random(seed)
    weights = [kind.often for kind in asked]
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)) as connection:
        while not stop.is_set():
            [kind] = chance.choices(asked, weights)
            if kind.is_broken_off:
                break_off(server, kind.request)
                found[kind.name, "no answer"] += 1
                continue
            method = "GET" if kind.request.body is None else "POST"
            headers = {"Content-Type": kind.request.content_type, "Accept": kind.request.content_type}
            connection.request(method, kind.request.path, kind.request.body, headers if kind.request.body else {})
            with connection.getresponse() as response:
                answer = response.read()
            if response.status == 200 == kind.status:
                kind.request.check(answer)
            elif response.status not in (kind.status, BUSY):
                raise Failed(f"{kind.name} answered {response.status}: {answer.decode():.300}")
            found[kind.name, str(response.status)] += 1
    return found


def break_off(server: Server, request: Request) -> None:
    """Send half of a body, and go away."""
    body = request.body or b""
    head = f"POST {request.path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: "
    with socket.create_connection(("127.0.0.1", server.port)) as connection, suppress(OSError):
        connection.sendall(f"{head}{len(body)}\r\n\r\n".encode() + body[: len(body) // 2])


def publish_on(folder: Path, stop: threading.Event) -> int:
    """Publish a version every now and then, until the stop; how many."""
    count = 0
    while not stop.wait(PUBLISHED):
        command = [*models.training("timedistance"), "--force"]
        subprocess.run(command, cwd=servers.ROOT, env=models.environment(folder), stdout=subprocess.DEVNULL, check=True)
        count += 1
    return count


def memory_of(server: Server, seconds: float, stop: threading.Event) -> Iterator[float]:
    """Look at the worker's memory for so many seconds, in MB."""
    begin, told = time.monotonic(), 0.0
    while (now := time.monotonic() - begin) < seconds and not stop.wait(SAMPLED):
        size = servers.memory(server.worker())["RSS"]
        if now - told > 60:
            told = now
            print(f"minute {now / 60:.0f}: {size:.1f} MB", file=sys.stderr)
        yield size


def load(
    server: Server, folder: Path, asked: list[Kind], seconds: float
) -> tuple[list[float], Counter[tuple[str, str]], int]:
    """Ask for so many seconds: the MB in between, what was answered, and how many versions were published."""
    stop = threading.Event()
    with ThreadPoolExecutor(CLIENTS + 1) as pool:
        try:
            publishing = pool.submit(publish_on, folder, stop)
            asking = [pool.submit(ask_on, server, asked, seed, stop) for seed in range(CLIENTS)]
            for asked_on in asking:
                asked_on.add_done_callback(lambda _: stop.set())  # where one fails, all end
            publishing.add_done_callback(lambda _: stop.set())
            sizes = list(memory_of(server, seconds, stop))
        finally:
            stop.set()
        found = sum((job.result() for job in asking), Counter[tuple[str, str]]())
        return sizes, found, publishing.result()


def fifths(sizes: list[float]) -> list[list[str]]:
    """The least, the median and the most MB in each fifth of the time."""
    length = len(sizes) // 5
    parts = [sizes[i * length : (i + 1) * length] for i in range(5)]
    return [[str(i + 1), *(f"{f(part):.1f}" for f in (min, statistics.median, max))] for i, part in enumerate(parts)]


def growth(sizes: list[float]) -> float:
    """The median of the last fifth against that of the second."""
    length = len(sizes) // 5
    return statistics.median(sizes[-length:]) / statistics.median(sizes[length : 2 * length])
