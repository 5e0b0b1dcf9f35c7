"""The log: one line for each request, all lines in one form, an id that joins them, and nothing secret."""

import http.client
import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

import ml_api.lines
from tests.conftest import ROOT, Server, StartServer, live_version, wait_until
from tests.deploy.test_worker import talk

Lines = list[dict[str, Any]]
BROKEN = {
    "broken_settings.py": "from tests.settings import *\nROOT_URLCONF = 'broken_urls'\n",
    "broken_urls.py": "from django.urls import path\nfrom ml_api.urls import *\n"
    "urlpatterns.append(path('fails/<int:number>', lambda request, number: number / 0))\n",
}


def lines(log: Path) -> Lines:
    """All lines: each is JSON, and has what any line has."""
    found: Lines = [json.loads(line) for line in log.read_bytes().splitlines()]
    for line in found:
        assert datetime.fromisoformat(line["time"].replace("Z", "+00:00")).tzinfo == timezone.utc
        assert {"level", "logger", "pid"} <= line.keys()
    return found


def requests(log: Path) -> Lines:
    """The lines of requests."""
    return [line for line in lines(log) if line["logger"] == "gunicorn.access"]


def ask(server: Server, method: str, path: str, body: str | None = None, **headers: str) -> http.client.HTTPResponse:
    """The response, whatever its status is."""
    with closing(http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=20)) as connection:
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        answer = connection.getresponse()
        answer.read()
        return answer


# The lines of requests


def test_each_request_to_two_workers_under_load_is_one_line_with_its_fields(serve: StartServer, models: Path) -> None:
    version, rows = live_version(models), '[{"distance": 29.5}, {"distance": 30}, {"distance": 31}]'
    model = {"model": "timedistance", "version": version}
    asked: dict[str, tuple[str, str, str | None, dict[str, Any]]] = {
        "value": ("GET", "/lm/api/predict/29.5", None, {"status": 200, "rows": 1, "bytes": 9, **model,
                  "path": "/lm/api/predict/29.5", "route": "lm/api/predict/<value>"}),
        "query": ("GET", "/lm/api/models/timedistance/predict?distance=29.5", None, {"status": 200, "rows": 1, **model,
                  "path": "/lm/api/models/timedistance/predict", "route": "lm/api/models/<model>/predict"}),
        "rows": ("POST", "/lm/api/predict", rows, {"status": 200, "rows": 3, **model, "path": "/lm/api/predict"}),
        "wrong": ("GET", "/lm/api/predict/33", None, {"status": 422, "rows": 0, **model}),
        "head": ("HEAD", "/lm/api/predict/29.5", None, {"status": 200, "bytes": 0, **model}),
        "page": ("GET", "/lm", None, {"status": 200, "route": "lm"}),
        "static": ("GET", "/static/ninja/favicon.png", None, {"status": 200, "route": ""}),
        "none": ("GET", "/none", None, {"status": 404, "route": "", "path": "/none"}),
        "method": ("DELETE", "/lm/api/predict", None, {"status": 405}),
    }  # fmt: skip

    def ask_all(server: Server, client: int) -> None:
        for i in range(20):
            for name, (method, path, body, _) in asked.items():
                sent = f"{name}:{client}-{i}"
                answer = ask(server, method, path, body, X_Request_ID=sent, Content_Type="application/json")
                assert answer.headers.get_all("X-Request-ID") == [sent]

    with serve("gunicorn", WEB_CONCURRENCY="2") as server:
        wait_until(lambda: server.log.read_text().count("Booting worker") == 2)
        with ThreadPoolExecutor(4) as clients:
            list(clients.map(lambda client: ask_all(server, client), range(4)))
        assert server.interrupt() < 5
        found = [line for line in requests(server.log) if ":" in line["id"]]
    assert Counter(line["id"].partition(":")[0] for line in found) == dict.fromkeys(asked, 80)
    assert len({line["id"] for line in found}) == len(found)
    assert len({line["pid"] for line in found}) == 2
    for line in found:
        method, _, _, expected = asked[line["id"].partition(":")[0]]
        assert {key: line.get(key) for key in expected} == expected
        assert (line["method"], line["client"], line["level"]) == (method, "127.0.0.1", "INFO")
        assert 0 <= line["queue_ms"] <= line["ms"] < 60_000
        assert ("model" in line) == ("model" in expected)
        assert (line.get("r_ms", 0) > 0) == (line.get("rows", 0) > 0 or method == "HEAD")


def test_the_documentation_tells_all_fields(serve: StartServer) -> None:
    page = (ROOT / "docs" / "observe.md").read_text().partition("## Logs")[2].partition("\n## ")[0]
    told = [
        field for cell in re.findall(r"^\| (`.*`) \|", page, re.MULTILINE) for field in re.findall(r"`(\w+)`", cell)
    ]
    [example] = map(json.loads, re.findall(r"^{.*}$", page, re.MULTILINE))
    with serve("gunicorn") as server:
        server.get("/lm/api/predict/29.5")
        wait_until(lambda: "29.5" in server.log.read_text())
        [written] = [list(line) for line in requests(server.log) if line["path"] == "/lm/api/predict/29.5"]
    assert written == list(example) == told


def test_the_setting_of_gunicorn_says_where_and_whether_requests_are_written(
    serve: StartServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "requests.log"
    monkeypatch.setenv("GUNICORN_CMD_ARGS", f"--access-logfile {file}")
    with serve("gunicorn") as server:
        server.get("/lm/api/predict/29.5")
        wait_until(lambda: "29.5" in file.read_text())
        file.rename(tmp_path / "old.log")  # as logrotate does
        for pid in (server.process.pid, *server.workers()):
            os.kill(pid, signal.SIGUSR1)
        wait_until(file.exists)
        ask(server, "GET", "/after")
        wait_until(lambda: any(line["path"] == "/after" for line in requests(file)))
        assert requests(server.log) == []


def test_a_configuration_without_an_access_log_writes_no_lines_of_requests(
    serve: StartServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    configuration = tmp_path / "conf.py"
    traced = "from runpy import run_path\nglobals().update(run_path('tests/traced.conf.py', run_name=__name__))\n"
    configuration.write_text(f"{traced}accesslog = None\n")
    monkeypatch.setenv("GUNICORN_CMD_ARGS", f"--config {configuration}")
    with serve("gunicorn default") as server:
        for pid in (server.process.pid, *server.workers()):
            os.kill(pid, signal.SIGUSR1)
        assert server.get("/lm/api/predict/29.5") == b"47.736486"
        assert server.interrupt() < 5
        assert requests(server.log) == []


def test_a_full_disk_stops_no_answers(serve: StartServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--access-logfile /dev/full")
    with serve("gunicorn") as server:
        assert [server.get("/lm/api/predict/29.5") for _ in range(20)] == [b"47.736486"] * 20
        wait_until(lambda: "have no line in the log by now: /dev/full is full" in server.log.read_text())
        assert server.interrupt() < 5
        assert server.log.read_text().count("have no line") == 1  # a minute
        assert all("exception" not in line for line in lines(server.log))


def test_a_log_that_nobody_reads_stops_no_answers(
    serve: StartServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    monkeypatch.setenv("GUNICORN_CMD_ARGS", f"--access-logfile {pipe}")
    with serve("gunicorn", WEB_CONCURRENCY="1") as server:
        with closing(http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=20)) as connection:
            for _ in range(500):  # 64 KiB are some 200 lines
                connection.request("GET", "/lm/api/predict/29.5")
                assert connection.getresponse().read() == b"47.736486"
        assert server.interrupt() < 10
    os.close(reader)


def test_lines_that_wait_are_bounded_and_written_whole(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(ml_api.lines, "MOST_WAITING", 500)
    monkeypatch.setattr(ml_api.lines, "SECONDS_BETWEEN_WRITES", 1)
    file, line = tmp_path / "log", b"x" * 99 + b"\n"
    lines = ml_api.lines.Lines(str(file), lambda noted, pid: noted)
    for _ in range(10_000):
        lines.add(line)
    wait_until(lambda: file.stat().st_size == 500 * len(line))
    assert file.read_bytes() == line * 500
    wait_until(lambda: "9500 requests to this process have no line in the log by now" in caplog.text)


def test_a_line_that_cannot_be_made_costs_no_later_ones(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "log"
    lines = ml_api.lines.Lines[str](str(file), lambda noted, pid: noted.encode())
    lines.add("\ud800")  # half of a character
    wait_until(lambda: "Lines of requests can't be made" in caplog.text)
    lines.add("later\n")
    wait_until(lambda: file.read_bytes() == b"later\n")


# The id


@pytest.mark.parametrize("kind", ["runserver", "gunicorn", "gunicorn gthread"])
def test_each_response_has_the_id_that_was_sent_or_one_of_its_own(serve: StartServer, kind: str) -> None:
    own = re.compile("[0-9a-f]{32}")
    with serve(kind, CORS_ALLOWED_ORIGINS="*") as server:
        etag = str(ask(server, "GET", "/lm/api/predict/29.5").headers["ETag"])
        unchanged = ask(server, "GET", "/lm/api/predict/29.5", If_None_Match=etag, X_Request_ID="Az09-_.:")
        assert (unchanged.status, unchanged.headers["X-Request-ID"]) == (304, "Az09-_.:")
        preflight = {"Origin": "https://a.example", "Access_Control_Request_Method": "GET"}
        assert own.fullmatch(str(ask(server, "OPTIONS", "/lm/api", **preflight).headers["X-Request-ID"]))
        assert ask(server, "GET", "/lm", X_Request_ID="x" * 128).headers["X-Request-ID"] == "x" * 128
        ids = [
            ask(server, "GET", path, X_Request_ID=unsafe).headers["X-Request-ID"]
            for path in ("/lm", "/none")
            for unsafe in ("", "x" * 129, "two words", 'quo"te', "{}", "\xe9", "a,b", "<script>")
        ]
        assert all(own.fullmatch(str(one)) for one in ids)
        assert len(set(ids)) == len(ids)


def test_a_request_that_django_never_sees_has_an_id_too(serve: StartServer) -> None:
    head = (
        b"POST /lm/api/predict HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: mine\r\nContent-Type: application/json\r\n"
    )
    with serve("gunicorn", LM_BODY_SECONDS="1") as server:
        with server.connect() as connection:
            connection.sendall(head + b"Content-Length: 100\r\n\r\n[")
            said = connection.recv(65536)
        assert said.startswith(b"HTTP/1.1 408 ")
        assert said.lower().count(b"\r\nx-request-id: mine\r\n") == 1
        wait_until(lambda: any((line["id"], line["status"]) == ("mine", 408) for line in requests(server.log)))


def test_what_is_no_request_has_an_id_too(serve: StartServer) -> None:
    with serve("gunicorn gthread") as server:
        said = talk(server, b"NO REQUEST\r\n\r\n")
        [own] = re.findall(rb"\r\nX-Request-ID: ([0-9a-f]{32})\r\n", said)
        [line] = [line for line in lines(server.log) if "Invalid request" in line.get("message", "")]
        assert line["id"] == own.decode()


@pytest.mark.parametrize("kind", ["gunicorn", "gunicorn gthread", "runserver"])
def test_a_traceback_has_the_id_of_its_request(serve: StartServer, tmp_path: Path, kind: str) -> None:
    for name, code in BROKEN.items():
        (tmp_path / name).write_text(code)
    broken = {"DJANGO_SETTINGS_MODULE": "broken_settings", "PYTHONPATH": f"{tmp_path}:{ROOT}"}

    def fail(number: int) -> str:
        answer = ask(server, "GET", f"/fails/{number}", X_Request_ID=f"id-{number}")
        assert (answer.status, answer.headers["X-Request-ID"]) == (500, f"id-{number}")
        return f"id-{number}"

    with serve(kind, **broken) as server, ThreadPoolExecutor(4) as clients:
        ids = set(clients.map(fail, range(12)))
        server.interrupt()
        found = [json.loads(line) for line in server.log.read_text().splitlines() if line.startswith("{")]
    failures = {line["id"]: line for line in found if "exception" in line}
    assert failures.keys() == ids
    for request_id, line in failures.items():
        assert line["message"] == f"Internal Server Error: /fails/{request_id[3:]}"
        assert line["exception"].endswith("ZeroDivisionError: division by zero")
    if kind != "runserver":
        assert {line["id"]: line["status"] for line in found if "status" in line}.items() >= dict.fromkeys(
            ids, 500
        ).items()
    assert all("id" not in line for line in found if line["logger"] == "gunicorn.error")


# What clients send


@pytest.mark.parametrize("kind", ["gunicorn", "gunicorn gthread"])
def test_no_client_breaks_a_line(serve: StartServer, kind: str) -> None:
    head = b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    hostile = [
        b'/a%0a{"level":"CRITICAL"}',
        b"/b%22%5c%00%1b[31m",
        b"/c%ff%c3%a9",
        b"/d\xc3\xa9",
        b'/e"\\',
        b"/f" * 4000,
        b"/%f0%9f%98%80" * 400,
    ]
    with serve(kind) as server:
        for path in hostile:
            talk(server, b"GET " + path + head + b"\r\n")
        for header in (b"\xff\xfe", b'"}\t{', b"\xc3\xa9"):
            talk(server, b"GET /g" + head + b"X-Request-ID: " + header + b"\r\nUser-Agent: " + header + b"\r\n\r\n")
        talk(server, b"X" * 3000 + b" /h" + head + b"\r\n")
        talk(server, b"GET /i%0a\x01 HTTP/1.1\r\nHo\x00st: \x1b\r\n\r\n")
        talk(server, b"GET /last" + head + b"\r\n")
        wait_until(lambda: "/last" in server.log.read_text())
        found = requests(server.log)
        assert server.interrupt() < 5
        assert all(re.fullmatch("[0-9a-f]{32}", line["id"]) for line in found)
    paths = [line["path"] for line in found]
    assert "/a%0A%7B%22level%22%3A%22CRITICAL%22%7D" in paths
    assert "/b%22%5C%00%1B%5B31m" in paths
    assert paths.count("/g") == 3
    assert max(map(len, server.log.read_bytes().splitlines())) < 4096


@pytest.mark.parametrize("kind", ["gunicorn", "gunicorn gthread"])
@pytest.mark.parametrize("form", ["json", "text"])
def test_nothing_secret_is_in_the_log(serve: StartServer, kind: str, form: str) -> None:
    secret = "0sesame1"
    headers = {
        "Authorization": f"Bearer {secret}",
        "X_API_Key": secret,
        "Cookie": f"key={secret}",
        "Referer": f"http://localhost/?api_key={secret}",
        "User_Agent": secret,
        "X_Request_ID": f"not safe {secret}",
    }
    with serve(kind, LOG_FORMAT=form) as server:
        for path in ("/lm/api/predict/29.5", "/lm/api/predict/33", "/none", "/static/none", "/lm/api/models/none"):
            ask(server, "GET", f"{path}?api_key={secret}", **headers)
        ask(server, "POST", f"/lm/api/predict?api_key={secret}", f'{{"{secret}": 1', **headers)
        talk(server, f"GET /?{secret} HTTP/1.1\r\nHost: user:{secret}@elsewhere\r\nConnection: close\r\n\r\n".encode())
        talk(server, f"GET http://user:{secret}@elsewhere/x HTTP/1.0\r\n\r\n".encode())
        talk(server, f"GET /?{secret} HTTP/1.1\r\nAuthorization Bearer {secret}\r\n\r\n".encode())
        talk(server, f"GET /?{secret} HTTP/9.1\r\nX-API-Key: {secret}\r\n\r\n".encode())
        talk(server, f"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization: \x01{secret}\r\n\r\n".encode())
        server.get("/lm")
        assert server.interrupt() < 5
        log = server.log.read_text()
    assert "/lm/api/models/none" in log
    assert "...@elsewhere" in log
    assert secret not in log


# The form


@pytest.mark.parametrize("kind", ["gunicorn sync", "gunicorn gthread", "make run"])
def test_every_line_is_json(serve: StartServer, kind: str) -> None:
    with serve(kind) as server:
        assert ask(server, "GET", "/lm/api/predict/29.5", X_Request_ID="mine").status == 200
        server.interrupt()
        found = lines(server.log)
    assert "Shutting down: Master" in [line.get("message") for line in found]
    [line] = [line for line in found if line.get("id") == "mine"]
    assert (line["logger"], line["status"]) == ("gunicorn.access", 200)


def test_a_line_of_ours_about_a_request_has_its_id_as_text_too(serve: StartServer, models: Path) -> None:
    (models / "timedistance" / "versions" / live_version(models) / "manifest.json").unlink()
    with serve("gunicorn", LOG_FORMAT="text") as server:
        assert ask(server, "GET", "/lm/api/predict/29.5", X_Request_ID="mine").status == 503
        server.interrupt()
        log = server.log.read_text()
    assert re.search(r"\[ERROR\] ml_api\.api: /lm/api/predict/29\.5: .* \(request mine\)\n", log)
    assert re.search(
        r'\[INFO\] 127\.0\.0\.1 "GET /lm/api/predict/29\.5" 503 \d+ bytes [\d.]+ ms \(request mine\)\n', log
    )


def test_by_default_a_terminal_gets_text() -> None:
    terminal, its_end = pty.openpty()
    command = [sys.executable, "manage.py", "diffsettings"]
    assert "LOG_FORMAT = 'json'" in subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    with subprocess.Popen(command, cwd=ROOT, stdout=its_end) as process:
        os.close(its_end)
        shown = b""
        while b"MIDDLEWARE" not in shown:
            shown += os.read(terminal, 65536)
        assert b"LOG_FORMAT = 'text'" in shown
        os.close(terminal)
        process.wait()
