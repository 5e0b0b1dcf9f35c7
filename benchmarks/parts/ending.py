"""SIGTERM beside busy clients."""

import http.client
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

from benchmarks.bench import GUNICORNS_THREADS, Bench, Findings
from benchmarks.report import Ratio, Table
from benchmarks.servers import Request, Server

CLIENTS = 32


def measure(bench: Bench) -> Findings:
    """SIGTERM beside 32 busy clients."""
    rows: list[list[str]] = []
    losses = 0
    for name, options in {"ours": [], "gunicorn's threads": [GUNICORNS_THREADS]}.items():
        for _ in range(3):
            with bench.ours(*options) as server:
                answered, lost, seconds = lost_at_the_end(server, bench.get())
            rows.append([name, f"{answered:,}", str(lost), f"{seconds:.2f}"])
            losses += lost if name == "ours" else 0
    yield Ratio("requests lost at SIGTERM beside 32 busy clients", losses, at_most=0)
    yield Table("SIGTERM beside 32 busy clients", ["worker", "answered", "lost", "seconds"], rows)


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
