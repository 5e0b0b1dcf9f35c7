"""Workers that are killed under load take with them what they were at work on, and nothing else.

KILL_SECONDS says how long that is tried.
"""

import http.client
import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

from tests.conftest import Server, StartServer

SECONDS = float(os.environ.get("KILL_SECONDS", "8"))
EVERY = 1.0
CLIENTS = 4
INTERCEPT, SLOPE = 5.87837837837838, 1.41891891891892


def ask(server: Server, stop: threading.Event, seed: int) -> tuple[int, int, int]:
    """Ask until the stop: how many answers were right, how many wrong, and how many connections broke."""
    right = wrong = lost = 0
    chance = random.Random(seed)
    with closing(http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=20)) as connection:
        while not stop.is_set():
            distance = 5 + chance.randrange(270) / 10
            try:
                connection.request("GET", f"/lm/api/predict/{distance}")
                response = connection.getresponse()
                content = response.read()
            except (ConnectionError, http.client.HTTPException):  # no time-out: that is an answer that never came
                connection.close()
                lost += 1
                continue
            if response.status == 200 and abs(float(content) - (INTERCEPT + SLOPE * distance)) < 1.5e-6:
                right += 1
            else:
                wrong += 1
    return right, wrong, lost


def test_kills_lose_connections_and_make_nothing_wrong(serve: StartServer) -> None:
    stop, chance, kills = threading.Event(), random.Random(1), 0
    with serve("gunicorn", WEB_CONCURRENCY="2") as server, ThreadPoolExecutor(CLIENTS) as pool:
        clients = [pool.submit(ask, server, stop, seed) for seed in range(CLIENTS)]
        try:
            end = time.monotonic() + SECONDS
            while time.monotonic() < end:
                time.sleep(EVERY)
                with suppress(ProcessLookupError):
                    os.kill(chance.choice(sorted(server.workers())), signal.SIGKILL)
                    kills += 1
        finally:
            stop.set()
        right, wrong, lost = map(sum, zip(*(client.result() for client in clients), strict=True))
        print(f"{kills} kills in {SECONDS:.0f} s: {right} right, {wrong} wrong, {lost} lost")
        assert wrong == 0
        assert right > 50 * SECONDS
        assert lost <= CLIENTS * kills
        assert server.get("/lm/api/predict/29.5") == b"47.736486"
        assert server.process.poll() is None
        assert "Traceback" not in server.log.read_text()
