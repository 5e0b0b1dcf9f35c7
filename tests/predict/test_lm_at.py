"""lm_at() of contrib/lm.R, against servers that are slow, busy, away, or answer something else."""

import json
import re
import subprocess
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any, ClassVar

import pytest

from tests.conftest import ROOT, free_port

CARD: dict[str, Any] = {
    "model": "cars",
    "formula": "dist ~ speed",
    "predictors": [{"name": "speed", "type": "numeric", "min": 4, "max": 25}],
    "coefficients": [{"term": "(Intercept)", "estimate": 0}, {"term": "speed", "estimate": 1}],
    "n": 50,
    "example": {"speed": 4},
}
PROBLEMS = {
    "unauthorized": (401, "This needs an API key."),
    "forbidden": (403, "The API key 'bob' does not have the right 'read'."),
    "too-large": (413, "The body is too large."),
    "busy": (429, "There were too many requests."),
    "busy-twice": (429, "There were too many requests."),
    "busy-for-an-hour": (503, "The server is at work."),
    "not-trained": (503, "Model 'cars' has no version that can be served."),
    "wrong": (422, "speed is 'a'; it must be a finite number."),
}
WAITS = {"busy": "0", "busy-twice": "0", "busy-for-an-hour": "3600"}


class Answers(BaseHTTPRequestHandler):
    """Answers as the first part of the path says: each prediction is the speed, which the formula says, too."""

    ended = Event()
    asked: ClassVar = Counter[tuple[str, str]]()
    keys: ClassVar = dict[str, str | None]()

    def do_GET(self) -> None:
        kind = self.path.split("/")[1]
        self.asked[kind, "card"] += 1
        self.keys[kind] = self.headers["Authorization"]
        if kind == "page":
            self.answer(502, "<html>\n<h1>Bad Gateway</h1>", "text/html")
        elif kind == "moved":
            self.answer(301, "", "text/html", Location="https://models.example.org/")
        elif kind == "no-json":
            self.answer(200, f"http://{self.headers['Host']}/fetched", "text/html")
        elif kind == "no-formula":
            self.answer(200, json.dumps({**CARD, "version": "A", "formula": "file.create('ran')"}))
        else:
            is_new = kind == "new" and self.asked[kind, "predict"] > 1
            self.answer(200, json.dumps({**CARD, "version": "B" if is_new else "A"}))

    def do_POST(self) -> None:
        kind = self.path.split("/")[1]
        speeds = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["speed"]
        self.asked[kind, "predict"] += 1
        times = self.asked[kind, "predict"]
        if kind == "slow":
            self.ended.wait(60)
        elif kind == "breaks-off":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nfit\n")
        elif kind == "takes-3000" and len(speeds) > 3000:
            self.problem(413, "Send at most 3000 at once.")
        elif kind in PROBLEMS and not (kind == "busy-twice" and times > 2):
            status, detail = PROBLEMS[kind]
            waits = {"Retry-After": WAITS[kind]} if kind in WAITS else {}
            self.problem(status, detail, **waits)
        else:
            is_new = kind == "always-new" or (kind == "new" and times > 1)
            table = "".join(f"{speed!r},{str(speed > 25).upper()}\n" for speed in speeds)
            self.answer(200, f"fit,extrapolated\n{table}", "text/csv", **{"LM-Version": "B" if is_new else "A"})

    def problem(self, status: int, detail: str, **headers: str) -> None:
        self.answer(status, json.dumps({"status": status, "detail": detail}), "application/problem+json", **headers)

    def answer(self, status: int, body: str, kind: str = "application/json", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def outcomes() -> Iterator[dict[str, Any]]:
    """What R makes of each kind of server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    Thread(target=server.serve_forever).start()
    try:
        command = ["Rscript", "--vanilla", "tests/predict/lm_at.R", f"http://127.0.0.1:{server.server_port}"]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        yield json.loads(done.stdout)
    finally:
        Answers.ended.set()
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        *((kind, f": {detail} (HTTP {status})") for kind, (status, detail) in PROBLEMS.items() if kind != "busy-twice"),
        ("slow", " does not answer: Timeout was reached"),
        ("breaks-off", " does not answer: "),
        ("page", ": <html> <h1>Bad Gateway</h1> (HTTP 502)"),
        ("moved", ": it has moved to https://models.example.org/ (HTTP 301)"),
        ("no-json", ": the answer is no JSON"),
        ("no-formula", ": the formula of model 'cars' is none"),
        ("always-new", "model 'cars' had another version in each of 5 tries"),
    ],
)
def test_the_servers_words_become_an_error(outcomes: dict[str, Any], kind: str, error: str) -> None:
    assert error in outcomes[kind]["error"]
    assert "\n" not in outcomes[kind]["error"]


def test_nothing_that_a_server_answers_is_run_or_fetched(outcomes: dict[str, Any]) -> None:
    assert outcomes["no-formula"]["error"]
    assert not (ROOT / "ran").exists()
    assert Answers.asked["fetched", "card"] == 0


def test_a_busy_server_is_asked_again_as_it_says(outcomes: dict[str, Any]) -> None:
    told = "There were too many requests. (HTTP 429); asking again in 0 s"
    assert (outcomes["busy-twice"]["value"], outcomes["busy-twice"]["told"]) == ([4.0001], [told] * 2)
    assert (outcomes["busy"]["told"], Answers.asked["busy", "predict"]) == ([told] * 4, 5)
    for kind in ("busy-for-an-hour", "not-trained", "too-large"):
        assert (outcomes[kind]["told"], Answers.asked[kind, "predict"]) == ([], 1)


def test_many_rows_take_several_requests(outcomes: dict[str, Any]) -> None:
    expected = [4 + row / 1e4 for row in range(1, 20001)]
    for kind in ("many", "many, shown", "small"):
        assert outcomes[kind]["value"] == expected
        assert outcomes[kind]["told"] == []
        assert ("100%" in outcomes[kind]["printed"]) is (kind == "many, shown")
    assert Answers.asked["takes-3000", "predict"] == 2 + 10


def test_another_version_in_the_middle_is_told_and_all_is_asked_again(outcomes: dict[str, Any]) -> None:
    assert len(outcomes["new"]["value"]) == 20000
    assert outcomes["new"]["told"] == ["'cars' is now version B, not A; asking again"]
    assert Answers.asked["new", "predict"] == 2 + 3


def test_rows_outside_the_training_ranges_are_told(outcomes: dict[str, Any]) -> None:
    assert outcomes["outside"]["value"] == list(range(24, 32))
    assert outcomes["outside"]["told"] == ["outside the ranges of the training data: row 3, 4, 5, 6, 7 and 1 more"]


def test_the_key_is_that_of_the_argument_or_of_the_environment(outcomes: dict[str, Any]) -> None:
    assert outcomes["key"]["value"] == [0]
    assert Answers.keys["key-by-argument"] == "Bearer lm_alice_1"
    assert Answers.keys["key-by-environment"] == "Bearer lm_bob_2"
    assert Answers.keys["well"] is None


def test_a_server_that_is_away_is_an_error(tmp_path: Path) -> None:
    script = f'source("contrib/lm.R"); lm_at("http://127.0.0.1:{free_port()}", "cars")'
    done = subprocess.run(["Rscript", "--vanilla", "-e", script], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0
    assert re.search("does not answer: .*(Failed to|Could not) connect", done.stderr)
