"""Whatever is sent, stored or written at random: no error 500, no traceback, no growth, and right answers afterwards.

FUZZ_EXAMPLES says how many of each kind are tried; `make fuzz` tries many.
"""

import gzip
import hashlib
import http.client
import json
import os
import re
import socket
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings as django_settings
from django.test import Client
from hypothesis import HealthCheck, Phase, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from lm_app.errors import LmError, TookTooLong
from lm_app.store import live
from lm_app.store.signature import sign
from lm_app.training.update import create
from tests.conftest import Server, StartServer, without_requests
from tests.training.test_formula_functions import EXPRESSIONS, LIKELY

URL = "/lm/api/predict"
pytestmark = pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")  # of large bodies
GROWTH = 100
"""The MB that a worker may have more afterwards: what malloc keeps of large bodies, and no more with more examples."""
LONGEST_URL = 65_534
"""That Rust's HTTP reads."""
seen = Counter[int | str]()
"""How often there was each status, or what else came of it."""
fuzzed = hypothesis_settings(
    deadline=None,
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "60")),
    suppress_health_check=list(HealthCheck),
    database=None,
    phases=[Phase.generate],  # to make what fails smaller takes minutes
)


@pytest.fixture(autouse=True)
def tell() -> Iterator[None]:
    seen.clear()
    yield
    print(f"\n{sorted(seen.items(), key=str)}")


def worker_memory(server: Server) -> int:
    """The memory of the only worker, in MB."""
    [worker] = server.workers()
    [size] = re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{worker}/status").read_text())
    return int(size) // 1024


def fuzz(serve: StartServer, attack: Callable[[Server], None]) -> None:
    """Start a server, attack it, and see that it is the same afterwards."""
    with serve("gunicorn") as server:
        for _ in range(20):
            assert server.get(f"{URL}/29.5") == b"47.736486"
        [worker] = server.workers()
        before = worker_memory(server)
        attack(server)
        assert server.get(f"{URL}/29.5") == b"47.736486"
        after = worker_memory(server)
        print(f"memory: {before} to {after} MB")
        assert after < before + GROWTH
        assert worker in server.workers()
        assert server.interrupt() < 10
        log = server.log.read_text()
    assert "Traceback" not in log
    assert "Internal Server Error" not in log
    assert len(without_requests(log)) < 100_000


def check(status: int, content_type: str, content: bytes) -> None:
    """What any response has to be."""
    seen[status] += 1
    assert status < 500 or status == 503, content[:300]
    assert b"Traceback" not in content
    if status >= 400 and content_type == "text/html; charset=utf-8":  # an Accept that is made up may want it
        assert f"<title>{status} ".encode() in content
    elif status >= 400 and content:
        assert content_type == "application/problem+json", (status, content[:300])
        assert json.loads(content)["status"] == status


# What is changed at random


@st.composite
def changed(draw: st.DrawFn, good: bytes, pieces: tuple[bytes, ...] = ()) -> bytes:
    """A few bytes of it are others, there are more of them or fewer, or a part stands elsewhere."""
    content = bytearray(good)
    for _ in range(draw(st.sampled_from([1, 1, 1, 2, 4]))):
        at, to = sorted(draw(st.tuples(*[st.integers(0, len(content))] * 2)))
        new = draw(st.one_of(st.binary(max_size=3), st.sampled_from(pieces or (b"",))))
        times = draw(st.sampled_from([1, 1, 1, 2, 50, 2000]))
        way = draw(st.sampled_from(["insert", "replace", "delete", "cut", "repeat"]))
        if way == "insert":
            content[at:at] = new * times
        elif way == "replace":
            content[at : at + len(new)] = new
        elif way == "delete":
            del content[at : min(to, at + 9)]
        elif way == "cut":
            del content[to:]
        else:
            content[at:at] = content[at:to]
    return bytes(content)


HTTP_PIECES = (
    *(b"\r\n", b"\n", b"\r", b"\r\n\r\n", b" ", b"\t", b"\x0b", b"\0", b"\xff", b":", b"%00", b"%", b"/../", b"//"),
    *(b"HTTP/1.0", b"HTTP/2.0", b"HTTP/9", b"OPTIONS ", b"PRI * ", b"a" * 5000, b"Host: localhost\r\n", b"X_Y: z\r\n"),
    *(b"Content-Length: 20\r\n", b"Content-Length: +20\r\n", b"Content-Length: -1\r\n", b"Content-Length: 0x14\r\n"),
    *(b"Content-Length: 99999999999999999999\r\n", "Content-Length: \u0662\u0660\r\n".encode(), b"Upgrade: h2c\r\n"),
    *(b"Transfer-Encoding: chunked\r\n", b"Transfer-Encoding : chunked\r\n", b"Transfer-Encoding: xchunked\r\n"),
    *(
        b"Expect: 100-continue\r\n",
        b"Expect: wonders\r\n",
        b"Connection: close\r\n",
        b"Connection: \r\n",
        b" folded\r\n",
    ),
    *(b"14\r\n", b"FFFFFFFFFFFFFFFFFF\r\n", b"0\r\n\r\n", b"Content-Encoding: gzip\r\n", b"SCRIPT_NAME: /x\r\n"),
)
HEAD = b"POST /lm/api/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
REQUESTS = [
    b"GET /lm/api/predict/29.5?interval=confidence HTTP/1.1\r\nHost: localhost\r\nAccept: text/csv\r\n\r\n",
    HEAD + b'Content-Length: 20\r\n\r\n[{"distance": 29.5}]',
    HEAD + b'Transfer-Encoding: chunked\r\n\r\n14\r\n[{"distance": 29.5}]\r\n0\r\n\r\n',
    b"GET /static/ninja/swagger-ui.css HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-9\r\n\r\n",
    b'GET /lm/api/plots/fit.svg HTTP/1.1\r\nHost: localhost\r\nIf-None-Match: W/"x", *\r\nIf-Match: *\r\n\r\n',
]
RAW = st.sampled_from(REQUESTS).flatmap(lambda good: changed(good, HTTP_PIECES))

VALUES: st.SearchStrategy[object] = st.one_of(
    st.floats(),
    st.integers(),
    st.text(max_size=20),
    st.sampled_from(
        [
            *(
                29.5,
                6,
                -0.0,
                1e308,
                5e-324,
                2**63,
                2**64,
                10**308,
                True,
                None,
                "",
                "29,5",
                "1e3",
                "NaN",
                "manual",
                [],
                {},
            ),
            *(
                "a" * 70_000,
                "'; system('id')",
                "=1+1",
                "%s%n",
                "../../etc",
                "${7*7}",
                "\0",
                [1],
                {"a": 1},
                "2024-02-30",
            ),
        ]
    ),
)
ROWS: dict[str, dict[str, object]] = {
    "timedistance": {"distance": 29.5},
    "heightweight": {"weight": 70},
    "mtcars": {"wt": 2.6, "qsec": 17, "am": "manual"},
}
JSON_PIECES: tuple[bytes, ...] = (
    *(b'"', b"{", b"}", b"[", b"]", b",", b":", b"\\u0000", b"\\ud800", b"1e999", b"NaN", b"\n", b"\0", b"\xff"),
    *(b"\xef\xbb\xbf", b'{"distance":', b'{"distance":1,"distance":', b"9" * 5000, b"[[],", b"[[[[[[[["),
)
CSV_PIECES: tuple[bytes, ...] = (
    b'"',
    b",",
    b";",
    b"\t",
    b"\r",
    b"\n",
    b"\r\n",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"#",
    b"NA",
    b"1e999",
    b"distance",
)
TYPES = [
    "application/json",
    "text/csv",
    "application/json; charset=utf-16",
    "text/csv; charset=base64",
    "text/csv; charset=x",
    "text/plain",
    "application/x-ndjson",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=x",
    "application/vnd.apache.parquet",
    "application/vnd.apache.arrow.stream",
    "",
    ";",
]
CODINGS = ["gzip", "deflate", "br", ""]
ACCEPTS = [
    "*/*",
    "text/csv",
    "application/json",
    "text/csv;q=0.9,*/*;q=0.1",
    "x",
    "text/*;q=abc",
    ";;",
    ",",
    'text/csv;a="',
]


@st.composite
def bodies(draw: st.DrawFn) -> tuple[str, bytes, dict[str, str]]:
    """A path, a body and headers; half of the bodies are whole, with odd values."""
    model = draw(st.sampled_from(list(ROWS)))
    names = st.one_of(st.sampled_from(list(ROWS[model])), st.text(max_size=5))
    row: st.SearchStrategy[dict[str, object]] = st.dictionaries(names, VALUES, max_size=4) | st.just(ROWS[model])
    rows = draw(st.lists(row, max_size=4))
    if draw(st.booleans()):
        body, content_type, pieces = json.dumps(rows).encode(), "application/json", JSON_PIECES
        if draw(st.booleans()):
            body = json.dumps({name: [row.get(name) for row in rows] for name in ROWS[model]}).encode()
    else:
        lines = [",".join(ROWS[model]), *(",".join(map(str, row.values())) for row in rows)]
        body, content_type, pieces = "\n".join(lines).encode("utf-8", "surrogatepass"), "text/csv", CSV_PIECES
    if draw(st.booleans()):
        body = draw(changed(body, pieces))
    content_type = draw(st.sampled_from([content_type] * 12 + TYPES))
    headers = {"Content-Type": content_type, "Accept": draw(st.sampled_from(ACCEPTS))}
    if draw(st.integers(0, 9)) == 0:
        headers["Content-Encoding"] = draw(st.sampled_from(CODINGS))
        body = draw(st.sampled_from([body, gzip.compress(body), zlib.compress(body)]))
    return f"/lm/api/models/{model}/predict{draw(queries())}", body, headers


def queries() -> st.SearchStrategy[str]:
    """Query strings, empty ones too."""
    names = st.sampled_from(["interval", "level", "extrapolation", "distance", "x"]) | st.text(max_size=5)
    words = [
        "none",
        "confidence",
        "prediction",
        "refuse",
        "flag",
        "0.9",
        "0",
        "1",
        "nan",
        "1e-300",
        "-1",
        "0x1p-1",
        "1_0",
    ]
    values = st.one_of(st.sampled_from([*words, "0.9999999999999999", "\u0660.\u0665"]), VALUES.map(str))
    pair = st.builds(lambda name, value: f"{escaped(name)}={escaped(value)}", names, values)
    rubbish = st.text("&=;%+?/#[]aé\0 0", max_size=10).map(lambda text: quote(text, safe="&=;%+?/"))
    some = st.lists(pair | rubbish, max_size=5)
    many = st.builds(lambda pair, times: [pair] * times, pair, st.sampled_from([999, 1000, 1001, 3000]))
    return st.one_of(some, some, some, many).map("&".join).map(lambda text: f"?{text}" if text else "")


def escaped(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass")[:3000], safe="")


class Asking:
    """A connection that is opened anew where the server has closed it."""

    def __init__(self, server: Server) -> None:
        self.connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=20)

    def ask(self, method: str, url: str, body: bytes | None, headers: dict[str, str]) -> None:
        try:
            self.connection.request(method, url, body, headers)
            response = self.connection.getresponse()
        except ConnectionError:
            assert len(url) > LONGEST_URL  # refused before all has been sent
            self.connection.close()
            seen["refused while it was sent"] += 1
            return
        check(response.status, response.headers.get("Content-Type", ""), response.read())


# The tests


def test_bytes_that_may_be_requests(serve: StartServer) -> None:
    def attack(server: Server) -> None:
        host, port = server.url.removeprefix("http://").split(":")

        @fuzzed
        @given(RAW)
        def send(request: bytes) -> None:
            with socket.create_connection((host, int(port)), timeout=20) as connected:
                try:
                    connected.sendall(request)
                    connected.shutdown(socket.SHUT_WR)
                    answer = b"".join(iter(lambda: connected.recv(65536), b""))
                except OSError:  # refused before all of it was read, or before shutdown()
                    return
            for status in map(int, re.findall(rb"^HTTP/1\.[01] (\d{3})", answer, re.MULTILINE)):
                seen[status] += 1
                assert status < 500 or status == 503, answer[:300]
            assert b"Traceback" not in answer

        send()

    fuzz(serve, attack)


def test_bodies_of_json_and_csv(serve: StartServer) -> None:
    def attack(server: Server) -> None:
        with closing((asking := Asking(server)).connection):
            fuzzed(given(bodies())(lambda body: asking.ask("POST", body[0], body[1], body[2])))()

    fuzz(serve, attack)


def test_query_strings_and_paths(serve: StartServer) -> None:
    paths = st.sampled_from([URL, "/lm/api", "/lm/api/models/mtcars/predict", "/lm/api/key/n", "/lm", "/lm/api/docs"])
    segments = st.lists(VALUES.map(str).map(escaped), max_size=3).map("/".join)
    urls = st.builds(
        "{}{}{}".format, paths | st.builds("{}/{}".format, paths, segments), st.sampled_from(["", "/"]), queries()
    )
    methods = st.sampled_from(["GET", "GET", "GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])

    def attack(server: Server) -> None:
        with closing((asking := Asking(server)).connection):
            fuzzed(given(methods, urls)(lambda method, url: asking.ask(method, url, None, {})))()

    fuzz(serve, attack)


STORED = ["manifest.json", "model_info.json", "modelr.pickle", "fit.svg", "signature", "live"]


def test_files_of_the_store(models: Path, client: Client, caplog: pytest.LogCaptureFixture) -> None:
    """Those of one model. Manifest and information are signed anew now and then; pickles are not, as these are R."""
    pointer = models / "mtcars" / "live"
    version = models / "mtcars" / "versions" / pointer.read_text().strip()
    good = {name: (pointer if name == "live" else version / name) for name in STORED}
    content = {name: file.read_bytes() for name, file in good.items()}
    changes = st.sampled_from(STORED).flatmap(
        lambda name: st.tuples(st.just(name), changed(content[name], JSON_PIECES), st.booleans())
    )
    key = django_settings.LM_SIGNING_KEY
    assert key
    paths = ["/lm/api/models/mtcars/predict?wt=2.6&qsec=17&am=manual", "/lm/api/models", "/lm/api/openapi.json"]
    paths += [
        "/lm/api/models/mtcars",
        "/lm/api/models/mtcars/plots/fit.svg",
        "/",
        "/readyz",
        "/lm/api/models/mtcars/versions",
    ]

    @fuzzed
    @given(changes)
    def damage(change: tuple[str, bytes, bool]) -> None:
        name, new, signed = change
        good[name].write_bytes(new)
        if signed and name == "model_info.json":
            manifest = json.loads(content["manifest.json"])
            manifest["files"][name] = hashlib.sha256(new).hexdigest()
            good["manifest.json"].write_text(json.dumps(manifest))
        if signed and name in ("manifest.json", "model_info.json"):
            good["signature"].write_bytes(sign(good["manifest.json"].read_bytes(), key))
        live.cache.pop("mtcars", None)
        for path in paths:
            response = client.get(path)
            seen[response.status_code] += 1
            assert response.status_code in (200, 404, 422, 503), path
        assert "Traceback" not in caplog.text
        caplog.clear()
        assert client.get(f"{URL}/29.5").json() == 47.736486
        for name, file in good.items():
            file.write_bytes(content[name])

    damage()
    live.cache.clear()
    assert client.get(paths[0]).status_code == 200


def test_formulas_that_are_trained(models: Path, settings: Settings) -> None:
    """Those that a grammar makes: each is fitted, or is refused in one line and in a few seconds."""
    settings.LM_TRAINING_SECONDS, settings.LM_TRAINING_BYTES = 20, 2_000_000_000
    data = models / "data.csv"
    rows = [f"{i + i % 7},{i},{i % 5 + 1},{'abc'[i % 3]},{i % 4 + 1},{i * i},{i % 6}" for i in range(1, 41)]
    data.write_text("\n".join(["y,x,z,g,log,top speed,contr.sum", *rows]))

    @fuzzed
    @given(st.one_of(LIKELY, LIKELY, EXPRESSIONS))
    def train(formula: str) -> None:
        try:
            create("random", data, {"formula": f"y ~ {formula}", "factors": {"g": []}}, dry_run=True)
            seen["fitted"] += 1
        except TookTooLong:
            pytest.exit(f"R is busy with {formula!r}", 1)  # and nothing can stop it
        except LmError as error:
            seen["refused"] += 1
            assert "\n" not in str(error), formula
            assert "LM_TRAINING_BYTES" not in str(error), formula

    train()
