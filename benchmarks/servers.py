"""The processes that are measured, and what asks them: a client, and wrk."""

import csv
import http.client
import io
import json
import math
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
PEERS = HERE / "peers"
SILENT = f"--config={HERE / 'silent.conf.py'}"
DATA = ROOT / "extra_files" / "timedistance" / "timedistance.csv"
CONNECTIONS = 8

Numbers = dict[str, list[float]]
"""Predictions as columns: fit and, with an interval, lower and upper."""


class Failed(Exception):
    """A server did not start, answered wrong, or failed under load: nothing that it did may be measured."""


@dataclass(frozen=True)
class Request:
    """What is asked, and what R itself answers."""

    path: str
    expected: Numbers = field(repr=False)
    body: bytes | None = field(default=None, repr=False)
    content_type: str = "application/json"
    tolerance: float = 1e-9
    key: str = ""

    def check(self, answer: bytes) -> None:
        """Raise Failed where the answer is not R's."""
        found = predictions(answer)
        for name, right in self.expected.items():
            ours = found.get(name, [])
            if len(ours) != len(right) or not all(
                math.isclose(a, b, rel_tol=self.tolerance) for a, b in zip(ours, right, strict=True)
            ):
                raise Failed(f"{self.path}: {name} is not R's: {ours!s:.80}, where R has {right!s:.80}")


def predictions(answer: bytes) -> Numbers:
    """The numbers in an answer of any server, in any shape: a number, an object, records, columns or CSV."""
    try:
        content: Any = json.loads(answer)
    except ValueError:
        header, *rows = csv.reader(io.StringIO(answer.decode()))
        return {name: list(map(float, values)) for name, values in zip(header, zip(*rows, strict=True), strict=True)}
    if isinstance(content, int | float):
        return {"fit": [content]}
    content = content.get("predictions", content)
    if isinstance(content, list):
        return {name: [row[name] for row in content] for name in content[0]}
    return {name: values if isinstance(values, list) else [values] for name, values in content.items()}


def median(measure: Callable[[], float], seconds: float) -> float:
    """Measure times again and again, for so many seconds and at least three times; their median."""
    times: list[float] = []
    while len(times) < 3 or sum(times) < seconds:
        times.append(measure())
    return statistics.median(times)


def send(connection: http.client.HTTPConnection, request: Request) -> bytes:
    """The answer; raises Failed where it is an error."""
    headers = {} if request.body is None else {"Content-Type": request.content_type, "Accept": request.content_type}
    if request.key:
        headers["X-API-Key"] = request.key
    connection.request("GET" if request.body is None else "POST", request.path, request.body, headers)
    with connection.getresponse() as response:
        answer = response.read()
    if response.status != 200:
        raise Failed(f"{request.path} answered {response.status}: {answer.decode():.300}")
    return answer


class Server:
    """A server process; `with` starts it and waits for its first answer, which is checked."""

    def __init__(self, command: Sequence[str], first: Request, cwd: Path = ROOT, **environment: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.command = [part.format(port=self.port) for part in command]
        self.first, self.cwd, self.environment = first, cwd, {**os.environ, **environment}
        self.startup = math.nan
        """Seconds from the start of the process to its first answer."""

    def __enter__(self) -> "Server":
        self.log = tempfile.TemporaryFile("w+")
        begin = time.perf_counter()
        self.process = subprocess.Popen(
            self.command, cwd=self.cwd, env=self.environment, stdout=self.log, stderr=self.log
        )
        try:
            while not self._listens():
                if self.process.poll() is not None or time.perf_counter() - begin > 60:
                    raise Failed("it did not start")
                time.sleep(0.005)
            self.first.check(self.ask(self.first))
        except (Failed, OSError, http.client.HTTPException) as failure:
            self.__exit__()
            self.log.seek(0)
            raise Failed(f"{' '.join(self.command)}: {failure}\n{self.log.read()}") from None
        self.startup = time.perf_counter() - begin
        return self

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        self.process.wait()

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def _connection(self) -> closing[http.client.HTTPConnection]:
        return closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=120))

    def ask(self, request: Request) -> bytes:
        """The answer to one request, over a connection of its own."""
        with self._connection() as connection:
            return send(connection, request)

    def time(self, request: Request, seconds: float) -> float:
        """The median of the seconds that one request takes, asked one after another over one connection."""

        def once() -> float:
            begin = time.perf_counter()
            send(connection, request)
            return time.perf_counter() - begin

        with self._connection() as connection:
            return median(once, seconds)

    def rate(self, request: Request, seconds: float, paths: Sequence[str] = ()) -> float:
        """Requests per second from 8 connections that stay open; of all `paths` in turn where there are some."""
        environment = {**os.environ, "PATHS": " ".join(paths), "CONTENT_TYPE": request.content_type}
        environment["API_KEY"] = request.key
        with tempfile.NamedTemporaryFile() as body:
            if request.body is not None:
                body.write(request.body)
                body.flush()
                environment["BODY"] = body.name
            url = f"http://127.0.0.1:{self.port}{request.path}"
            wrk = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds:.0f}s", "-s", str(HERE / "wrk.lua"), url]
            output = subprocess.run(wrk, env=environment, capture_output=True, text=True, check=True).stdout
        report = json.loads(output.splitlines()[-1])
        if report["refused"] or report["broken"] or not report["requests"]:
            raise Failed(f"{request.path} under load: {report}")
        return float(report["requests"] / report["seconds"])

    def waits(self, request: Request, during: Callable[[], None]) -> list[float]:
        """The seconds that each request takes, asked one after another, while something else is done."""
        times: list[float] = []
        is_done = threading.Event()

        def ask_on() -> None:
            with self._connection() as connection:
                while not is_done.is_set():
                    begin = time.perf_counter()
                    send(connection, request)
                    times.append(time.perf_counter() - begin)

        with ThreadPoolExecutor(1) as pool:
            asking = pool.submit(ask_on)
            try:
                during()
            finally:
                is_done.set()
            asking.result()
        return times

    def answering(self) -> int:
        """The process id of what answers: a worker, or the server itself where it has none."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0]) if children else self.process.pid

    def worker(self) -> int:
        """The process id of gunicorn's one worker."""
        [worker] = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(worker)


class Floor:
    """benchmarks/floor.py as a process."""

    def __init__(self, folder: Path, batch: Request) -> None:
        body, answer = folder / "batch.json", folder / "answer.json"
        body.write_bytes(batch.body or b"")
        command = [sys.executable, "-m", "benchmarks.floor", str(DATA), str(body), str(answer)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._line()
        batch.check(answer.read_bytes())

    def __enter__(self) -> "Floor":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()

    def _line(self) -> str:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise Failed("benchmarks.floor has ended")
        return line

    def time(self, seconds: float) -> float:
        """The median of the seconds that one sum takes."""

        def once() -> float:
            assert self.process.stdin
            self.process.stdin.write("\n")
            return float(self._line())

        return median(once, seconds)


def memory(pid: int) -> dict[str, float]:
    """A process's memory in MB: resident, proportional (shared pages divided by their users), and unshared."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    kb = {name.rstrip(":"): int(value) for name, value, *_ in map(str.split, lines)}
    return {"RSS": kb["Rss"] / 1024, "PSS": kb["Pss"] / 1024, "USS": (kb["Private_Clean"] + kb["Private_Dirty"]) / 1024}


def gunicorn(models: Path, first: Request, *options: str, **settings: str) -> Server:
    """Ours, as gunicorn.conf.py has it, with one worker, and benchmarks/urls.py's routes in the same process.

    The worker is never replaced: a new one would hide that memory grows.
    """
    command = [sys.executable, "-m", "gunicorn", "ml_api.wsgi", "--workers=1", "--max-requests=0"]
    command += ["--bind=127.0.0.1:{port}", *options]
    settings |= {"DJANGO_SETTINGS_MODULE": "benchmarks.settings", "LM_MODELS_DIR": str(models)}
    return Server(command, first, ROOT, **settings)


def original(first: Request) -> Server:
    """The original's way, under gunicorn's default, a sync worker."""
    command = [sys.executable, "-m", "gunicorn", "original:application", "--bind=127.0.0.1:{port}"]
    return Server([*command, "--no-control-socket"], first, PEERS, DATA=str(DATA))


def plumber(first: Request) -> Server:
    """Plumber, in R."""
    return Server(["Rscript", "plumber.R", "{port}"], first, PEERS, DATA=str(DATA))


def fastapi(library: str, first: Request, *options: str) -> Server:
    """FastAPI under uvicorn; without options, uvicorn takes uvloop and httptools, which are installed."""
    command = [str(HERE / ".venv/bin/uvicorn"), f"fastapi_{library}:app", "--port={port}", "--no-access-log"]
    return Server([*command, *options], first, PEERS, DATA=str(DATA))
