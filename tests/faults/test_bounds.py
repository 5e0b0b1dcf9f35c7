"""What R can't be interrupted in ends one worker, and more requests than a worker takes on are told so at once."""

import http.client
import json
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lm_app.training.update import update
from tests.conftest import ROOT, Server, StartServer, write_model

LEVELS, ROWS = 500, 90_000


def test_a_worker_ends_where_r_cannot_be_interrupted_and_others_go_on(serve: StartServer, models: Path) -> None:
    """One product of large matrices in which R never looks at its clock, and which can't be done in chunks."""
    write_slow_model(models)
    body = json.dumps({"x": [-1, *[2] * (ROWS - 1)], "g": [f"l{i % LEVELS}" for i in range(ROWS)]}).encode()
    url = "/lm/api/models/slow/predict?interval=prediction&extrapolation=flag"
    with serve("gunicorn", WEB_CONCURRENCY="2", LM_MAX_SECONDS="1") as server, ThreadPoolExecutor(1) as client:
        asking = client.submit(ask, server, url, body)
        answered = 0
        while not asking.done():
            answered += single(server)
        assert asking.exception() is not None  # its worker has gone
        assert answered > 3  # the others wait a second for a 503 each
        assert "R is at one call for more than 6 s; this process ends, to be replaced" in server.log.read_text()
        for _ in range(10):
            assert server.get("/lm/api/predict/29.5") == b"47.736486"


def write_slow_model(models: Path) -> None:
    """A model whose prediction intervals take R long."""
    rows = "".join(f"{i % 17},{1 + i % 7},l{i % LEVELS}\n" for i in range(3 * LEVELS))
    write_model(models, name="slow", formula="y ~ log(x) + g", rows=f"y,x,g\n{rows}", factors={"g": []})
    update("slow", force=True)


def slow_batch(models: Path) -> tuple[str, bytes]:
    """The URL and the body of a batch that takes some seconds, in chunks."""
    write_slow_model(models)
    rows = 15_000
    body = json.dumps({"x": [2] * rows, "g": [f"l{i % LEVELS}" for i in range(rows)]}).encode()
    return "/lm/api/models/slow/predict?interval=prediction", body


def ask(server: Server, url: str, body: bytes) -> None:
    request = urllib.request.Request(server.url + url, body, {"Content-Type": "application/json"})
    urllib.request.urlopen(request, timeout=60).close()


def single(server: Server) -> bool:
    """Is one prediction right? It is 503 after a second where it has come to the worker that is busy, or cut off."""
    try:
        return server.get("/lm/api/predict/29.5") == b"47.736486"
    except (OSError, http.client.HTTPException):
        return False


def test_the_process_ends_itself() -> None:
    script = f"""
import sys, time; sys.path.insert(0, {str(ROOT)!r})
from lm_app.engine import runtime
runtime.end_where_stuck(0.5)
for _ in range(3):
    runtime.in_r(time.sleep, 0.3)  # each call for itself
print("not yet", flush=True)
runtime.in_r(time.sleep, 60)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (70, "not yet\n")
    assert done.stderr == "R is at one call for more than 0.5 s; this process ends, to be replaced\n"


@pytest.mark.parametrize("kind", ["gunicorn", "gunicorn gthread"])
def test_more_requests_than_may_wait_are_answered_503_at_once(
    serve: StartServer, monkeypatch: pytest.MonkeyPatch, models: Path, kind: str
) -> None:
    url, body = slow_batch(models)
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--threads=1")
    with serve(kind, LM_MAX_WAITING="2") as server, ThreadPoolExecutor(3) as clients:
        holding = clients.submit(ask, server, url, body)
        time.sleep(0.5)
        waiting = [clients.submit(server.get, "/lm/api/predict/29.5") for _ in range(2)]
        time.sleep(0.3)
        begin = time.monotonic()
        with pytest.raises(urllib.error.HTTPError) as refused:
            server.get("/lm/api/predict/29.5")
        assert time.monotonic() - begin < 0.5
        with refused.value as answer:
            assert (answer.code, answer.headers["Retry-After"]) == (503, "1")
            assert json.load(answer)["detail"].startswith("More requests wait here than the server takes on")
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert not holding.done()
        assert [request.result() for request in waiting] == [b"47.736486"] * 2
        holding.result()
