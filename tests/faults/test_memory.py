"""No body makes a worker take more memory than a small instance has."""

import http.client
import re
from contextlib import closing
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from lm_app.training.update import update
from tests.conftest import Server, StartServer

URL = "/lm/api/predict"
BODIES = {
    "lists": (b"[" + b",".join([b"[]"] * 11_000_000) + b"]", "application/json"),
    "objects": (b"[" + b",".join([b'{"a":0}'] * 4_100_000) + b"]", "application/json"),
    "numbers": (b'{"distance":[' + b",".join([b"6"] * 16_000_000) + b"]}", "application/json"),
    "rows": (b"distance\n" + b"6\n" * 16_000_000, "text/csv"),
    "fields": (b"," * 33_000_000, "text/csv"),
}
NAMES = b",".join(b'"%x":"%x"' % (number, number) for number in range(1_850_000))
JUST_ALLOWED = {
    "names": (b'{"distance":1,"distance":2,' + NAMES + b"}", "application/json"),
    "objects": (b"[" + b",".join([b'{"a":0}'] * 990_000) + b"]", "application/json"),
    "nested": (b"[" + b",".join([b'{"a":' * 200 + b"0" + b"}" * 200] * 6_000) + b"]", "application/json"),
    "rows": (b"distance\n" + b"6\n" * 1_200_000, "text/csv"),
}


def peak_memory(pid: int) -> int:
    """The most memory that the workers of a server have had, in MB."""
    workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    status = [Path(f"/proc/{worker}/status").read_text() for worker in workers]
    return max(int(re.findall(r"VmHWM:\s+(\d+)", text)[0]) for text in status) // 1024


def post(server: Server, body: bytes, content_type: str) -> tuple[int, bytes]:
    """Send a body: the status, and what is said."""
    with closing(http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)) as asking:
        asking.request("POST", URL, body, {"Content-Type": content_type})
        response = asking.getresponse()
        return response.status, response.read()


def test_bodies_of_millions_of_values_are_refused_before_these_are_made(serve: StartServer) -> None:
    with serve("gunicorn") as server:
        for name, (body, content_type) in BODIES.items():
            status, said = post(server, body, content_type)
            assert status == 413, name
            assert b"far more values than 100000 observations" in said
        assert peak_memory(server.process.pid) < 400
        assert server.get(f"{URL}/29.5") == b"47.736486"


def test_what_is_just_not_too_large_takes_a_bounded_memory(serve: StartServer) -> None:
    """The bound is for frames of many columns; what it lets through beside these is read, and refused."""
    with serve("gunicorn") as server:
        for name, (body, content_type) in JUST_ALLOWED.items():
            status, said = post(server, body, content_type)
            assert status in (413, 422), name
            assert b"far more values" not in said
        assert peak_memory(server.process.pid) < 1_200
        assert server.get(f"{URL}/29.5") == b"47.736486"


def test_a_level_may_hold_what_stands_between_values(models: Path, client: Client, settings: Settings) -> None:
    """Where the data have such levels, they are no sign of too many values."""
    settings.LM_MAX_ROWS = 20
    level = "a, b, [c], {d}"
    folder = models / "levels"
    folder.mkdir()
    rows = "".join(f'{i},"{level if i % 2 else "other"}"\n' for i in range(1, 41))
    (folder / "levels.csv").write_text(f"y,g\n{rows}")
    (folder / "model.toml").write_text('title = "Levels"\ndata = "levels.csv"\nformula = "y ~ g"\n[factors]\ng = []\n')
    update("levels", force=True)
    padding = " " * 3_000_000
    for count, status in ((20, 200), (21, 413)):
        body = f'{{"g": [{", ".join([chr(34) + level + chr(34)] * count)}]{padding}}}'
        response = client.post("/lm/api/models/levels/predict", body, content_type="application/json")
        assert response.status_code == status
    assert response.json()["detail"] == "There are 21 observations; send at most 20 at once."


@pytest.mark.parametrize("times", [2, 3])
def test_a_body_of_a_few_rows_too_many_is_told_how_many(
    models: Path, client: Client, settings: Settings, times: int
) -> None:
    settings.LM_MAX_ROWS = 10
    body = "[" + ",".join(['{"distance": 6}'] * 10 * times) + "]"
    response = client.post(URL, body, content_type="application/json")
    assert response.json()["detail"] == f"There are {10 * times} observations; send at most 10 at once."
