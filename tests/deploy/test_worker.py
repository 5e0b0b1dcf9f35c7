"""Gunicorn's worker around Rust's HTTP: what any server does, and what gunicorn's own workers did."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from ml_api.worker import GranianWorker
from tests.conftest import ROOT, Server, StartServer, free_port, wait_until, wait_until_answering

GET = "/lm/api/predict/29.5"
POST = "/lm/api/predict"
ONE = b'[{"distance": 29.5}]'
GUNICORN_OF_TESTS = [sys.executable, "-m", "gunicorn", "--config", "tests/traced.conf.py"]


def talk(server: Server, request: bytes) -> bytes:
    """All that the server says until it closes the connection."""
    with server.connect() as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65536), b""))


# HTTP


def test_requests_in_a_pipeline_are_answered_in_their_order(shared_server: Server) -> None:
    head = "GET /lm/api/predict/{} HTTP/1.1\r\nHost: localhost\r\n"
    requests = [head.format(10 + i) + "\r\n" for i in range(20)] + [head.format(29.5) + "Connection: close\r\n\r\n"]
    said = talk(shared_server, "".join(requests).encode())
    answers = re.findall(rb"\r\n\r\n([\d.]+)", said)
    assert [float(answer) for answer in answers[:20]] == pytest.approx(
        [5.878378 + 1.418919 * (10 + i) for i in range(20)], abs=1e-4
    )
    assert answers[20:] == [b"47.736486"]


def test_http_1_0_closes_unless_it_is_asked_not_to(shared_server: Server) -> None:
    said = talk(shared_server, f"GET {GET} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode())
    assert said.endswith(b"\r\n\r\n47.736486")
    kept = f"GET {GET} HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n"
    last = f"GET {GET} HTTP/1.0\r\nHost: localhost\r\n\r\n"
    assert talk(shared_server, (kept + last).encode()).count(b"47.736486") == 2


def test_head_has_the_headers_of_get_and_no_body(shared_server: Server) -> None:
    said = talk(shared_server, f"HEAD {GET} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert b"\r\ncontent-length: 9\r\n" in said
    assert said.endswith(b"\r\n\r\n")


def test_a_client_that_asks_first_sends_its_body_when_it_is_told_to(shared_server: Server) -> None:
    head = f"POST {POST} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
    with shared_server.connect() as connection:
        connection.sendall(f"{head}Content-Length: {len(ONE)}\r\nExpect: 100-continue\r\n\r\n".encode())
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(ONE)
        assert b"47.7364" in b"".join(iter(lambda: connection.recv(65536), b""))
    said = talk(shared_server, f"{head}Content-Length: 99999999\r\nExpect: 100-continue\r\n\r\n".encode())
    assert said.startswith(b"HTTP/1.1 413 Payload Too Large\r\n")  # and no 100
    assert b'"title":"Content Too Large"' in said


@pytest.mark.parametrize("kind", ["gunicorn", "gunicorn gthread", "gunicorn sync"])
def test_a_body_in_chunks_is_read(serve: StartServer, kind: str) -> None:
    many = b'{"distance": [' + b", ".join([b"29.5"] * 50_000) + b"]}"
    with serve(kind, LM_MAX_BYTES="1000000") as server:
        for body, answers in ((ONE, 1), (many, 50_000)):
            with closing(http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)) as client:
                parts = [body[at : at + 70_000] for at in range(0, len(body), 70_000)]
                client.request("POST", POST, iter(parts), {"Content-Type": "application/json"}, encode_chunked=True)
                response = client.getresponse()
                assert response.status == 200
                assert response.read().count(b"47.73648") == answers
        with closing(http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)) as client:
            client.request("POST", POST, iter([b"[" * 100_000] * 11), {"Content-Type": "application/json"})
            response = client.getresponse()
            assert (response.status, b"more than 1000000 bytes" in response.read()) == (413, True)


def test_where_the_end_of_chunks_is_not_known_a_length_is_asked_for(serve: StartServer) -> None:
    with serve("runserver") as server:
        head = f"POST {POST} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        said = talk(server, f"{head}Transfer-Encoding: chunked\r\n\r\n2\r\n[]\r\n0\r\n\r\n".encode())
        assert b" 411 Length Required" in said.splitlines()[0]
        assert server.interrupt() < 5  # its reloader, too


def test_a_body_in_many_small_chunks_costs_too_much(shared_server: Server) -> None:
    head = f"POST {POST} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    chunks = b"1\r\n[\r\n" * 3000
    with shared_server.connect() as connection:
        connection.sendall(f"{head}Transfer-Encoding: chunked\r\n\r\n".encode() + chunks)
        said = connection.recv(65536)
    assert said.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"less than 512 bytes" in said


@pytest.mark.parametrize("length", [10_000, 60_000])
def test_a_long_url_gets_our_answer(shared_server: Server, length: int) -> None:
    status, detail = shared_server.refusal(f"/lm/api/predict/{'9' * length}")
    assert (status, "such as 29.5" in detail) == (422, True)


def test_the_host_of_the_request_line_goes_before_that_of_the_header(shared_server: Server) -> None:
    end = "HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n"
    said = talk(shared_server, f"GET http://foreign.example{GET} {end.format('localhost')}".encode())
    assert b"'foreign.example' is not answered here" in said
    assert talk(shared_server, f"GET http://localhost{GET} {end.format('foreign.example')}".encode()).endswith(
        b"47.736486"
    )


def test_a_header_with_an_underscore_is_not_taken_for_that_of_a_proxy(serve: StartServer) -> None:
    with serve("gunicorn", SECURE_HSTS_SECONDS="60") as server:
        head = f"GET {GET} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        assert b"strict-transport-security" in talk(server, f"{head}X-Forwarded-Proto: https\r\n\r\n".encode())
        assert b"strict-transport-security" not in talk(server, f"{head}X_Forwarded_Proto: https\r\n\r\n".encode())


def test_a_unix_socket(serve: StartServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = tmp_path / "socket"
    port = free_port()
    monkeypatch.setenv("GUNICORN_CMD_ARGS", f"--bind unix:{address} --bind 127.0.0.1:{port}")
    monkeypatch.setattr("tests.conftest.free_port", lambda: port)
    with serve("gunicorn") as server:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(address))
            connection.sendall(f"GET {GET} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            assert b"".join(iter(lambda: connection.recv(65536), b"")).endswith(b"47.736486")
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=10) == 0


# The worker's life


def test_signals_change_the_number_of_workers_and_replace_them(serve: StartServer) -> None:
    lost: list[Exception] = []

    def ask(server: Server) -> None:
        while not stopped:
            try:
                assert server.get(GET) == b"47.736486"
            except OSError as error:
                lost.append(error)

    stopped = False
    with serve("gunicorn") as server, ThreadPoolExecutor(2) as clients:
        first = server.workers()
        asking = [clients.submit(ask, server) for _ in range(2)]
        server.process.send_signal(signal.SIGTTIN)
        wait_until(lambda: len(server.workers()) == 2)
        server.process.send_signal(signal.SIGTTOU)
        wait_until(lambda: len(server.workers()) == 1)
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(server.workers()) == 1 and not server.workers() & first)
        time.sleep(0.5)
        stopped = True
        for client in asking:
            client.result()
        assert lost == []
        assert server.interrupt() < 5
        assert "Traceback" not in server.log.read_text()


def test_another_master_takes_over_for_new_code(serve: StartServer) -> None:
    """SIGUSR2, then SIGTERM for the first: both listen to the same socket."""
    with serve("gunicorn") as server:
        server.process.send_signal(signal.SIGUSR2)
        wait_until(lambda: server.log.read_text().count("Booting worker") == 2)
        server.process.send_signal(signal.SIGTERM)
        for _ in range(50):
            assert server.get(GET) == b"47.736486"
            time.sleep(0.02)
        assert server.process.wait(timeout=20) == 0
        assert server.get(GET) == b"47.736486"
        [second] = re.findall(r'"pid":(\d+),"message":"Starting gunicorn', server.log.read_text())[1:]
        os.kill(int(second), signal.SIGTERM)
        wait_until(lambda: not Path(f"/proc/{second}").exists())


def test_reload_notices_new_code(tmp_path: Path) -> None:
    code = "def application(environ, start):\n    start('200 OK', [])\n    return Body([b'{}'])\n"
    module = tmp_path / "changing.py"
    module.write_text(f"class Body(list):\n    def close(self): pass\n{code.format('old')}")
    port = free_port()
    command = [*GUNICORN_OF_TESTS, "--reload", "changing:application"]
    environment = {**os.environ, "PORT": port, "PYTHONPATH": str(tmp_path), "WEB_CONCURRENCY": "1"}
    log = tmp_path / "log"
    with log.open("wb") as output, subprocess.Popen(command, cwd=ROOT, env=environment, stderr=output) as process:
        server = Server(process, f"http://127.0.0.1:{port}", log)
        wait_until_answering(server)
        assert server.get("/") == b"old"
        time.sleep(1.1)  # a file's time has seconds
        module.write_text(module.read_text().replace("old", "new"))

        def is_new() -> bool:
            try:
                return server.get("/") == b"new"
            except OSError:  # while the worker is replaced
                return False

        wait_until(is_new)
        process.terminate()


def test_a_worker_that_no_longer_beats_is_replaced(serve: StartServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--timeout 2")
    with serve("gunicorn") as server:
        [stopped] = server.workers()
        os.kill(stopped, signal.SIGSTOP)
        wait_until(lambda: stopped not in server.workers() and len(server.workers()) == 1)
        assert server.get(GET) == b"47.736486"


def test_its_threads_go_on_until_they_wait(serve: StartServer) -> None:
    with serve("gunicorn") as server:
        assert server.get(GET) == b"47.736486"
        [worker] = server.workers()
        threads = [
            int(task.name)
            for task in Path(f"/proc/{worker}/task").iterdir()
            if (task / "comm").read_text().startswith("tokio")
        ]
        assert threads
        assert set(map(os.sched_getscheduler, threads)) == {os.SCHED_BATCH}


def test_a_worker_ends_where_its_master_is_gone(serve: StartServer) -> None:
    with serve("gunicorn") as server:
        [worker] = server.workers()
        server.process.kill()
        server.process.wait()
        wait_until(lambda: not Path(f"/proc/{worker}").exists())


def test_a_worker_is_replaced_after_so_many_requests(serve: StartServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--max-requests 20")
    with serve("gunicorn") as server:
        first = server.workers()
        for _ in range(40):
            assert server.get(GET) == b"47.736486"
        wait_until(lambda: len(server.workers()) == 1 and not server.workers() & first)


@pytest.mark.parametrize("kind", ["gunicorn", "gunicorn gthread"])
def test_sigterm_loses_no_request_of_clients_that_heed_what_they_are_told(serve: StartServer, kind: str) -> None:
    """They keep their connections, and open another where that is closed, until nobody takes it."""

    def ask(server: Server) -> int:
        answered = 0
        while True:
            client = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=20)
            try:
                client.connect()
            except OSError:
                return answered
            with closing(client):
                while True:
                    client.request("GET", GET)
                    response = client.getresponse()
                    assert response.read() == b"47.736486"
                    answered += 1
                    if response.getheader("Connection") == "close":
                        break

    with serve(kind, WEB_CONCURRENCY="2") as server, ThreadPoolExecutor(16) as clients:
        asking = [clients.submit(ask, server) for _ in range(16)]
        time.sleep(1)
        server.process.send_signal(signal.SIGTERM)
        answered = [client.result() for client in asking]
        assert server.process.wait(timeout=10) == 0
    assert min(answered) > 0


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_what_is_in_flight_is_answered_at_the_end(serve: StartServer, sent: signal.Signals) -> None:
    head = f"POST {POST} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(ONE)}"
    with serve("gunicorn") as server, server.connect() as in_flight, server.connect() as idle:
        idle.sendall(b"GET / HTT")
        in_flight.sendall(f"{head}\r\n\r\n".encode() + ONE[:5])
        time.sleep(0.3)
        server.process.send_signal(sent)
        time.sleep(1.5)
        assert server.process.poll() is None
        in_flight.sendall(ONE[5:])
        said = b"".join(iter(lambda: in_flight.recv(65536), b""))
        assert b"47.7364" in said
        assert b"\r\nconnection: close\r\n" in said.lower()
        assert server.process.wait(timeout=5) == 0  # though one client never sends the rest of its header


def test_without_granian_gunicorns_own_threads_serve_and_the_log_says_so(serve: StartServer, tmp_path: Path) -> None:
    (tmp_path / "granian").mkdir()
    (tmp_path / "granian" / "__init__.py").write_text("raise ImportError('there is none for this platform')\n")
    with serve("gunicorn default", PYTHONPATH=str(tmp_path)) as server:
        assert server.get(GET) == b"47.736486"
        log = server.log.read_text()
    assert "Using worker: Threads" in log
    assert "gunicorn's own threads serve, as Granian can't be imported: there is none for this platform" in log


def test_granian_has_what_stands_in_granian_core() -> None:
    """None of it is its public interface: a change of Granian's version needs a look at granian/server/mp.py."""
    import granian
    from granian._granian import CallbackScheduler, RSGIWorker, SocketHolder, WorkerSignal

    told = f"Granian {granian.__version__} has other inner parts; see ml_api/granian_core.py"
    assert f"granian=={granian.__version__}\n" in (ROOT / "requirements.txt").read_text(), told
    assert {"serve_mtr", "serve_mtr_uds"} <= set(dir(RSGIWorker)), told
    assert "_schedule_fn" in dir(CallbackScheduler), told
    assert {"set", "add_cb"} <= set(dir(WorkerSignal)), told
    signature = (RSGIWorker.__text_signature__, SocketHolder.__text_signature__)
    assert all(
        name in signature[0] for name in ("py_threads=", "backpressure=", "http1_opts=", "websockets_enabled=")
    ), told
    assert signature[1] == "(fd, uds, backlog)", told


@pytest.mark.parametrize("options", [[], ["--worker-class", "ml_api.threads.Threads"]])
def test_the_application_failing_is_a_problem_and_a_line_of_the_log(
    serve: StartServer, tmp_path: Path, options: list[str]
) -> None:
    code = "import ml_api.wsgi\n\ndef application(environ, start_response):\n    raise ValueError('broken')\n"
    (tmp_path / "broken.py").write_text(code)
    port = free_port()
    command = [*GUNICORN_OF_TESTS, *options, "broken:application"]
    environment = {**os.environ, "PORT": port, "PYTHONPATH": str(tmp_path), "WEB_CONCURRENCY": "1"}
    log = tmp_path / "log"
    with (
        log.open("wb") as output,
        subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=output) as process,
    ):
        server = Server(process, f"http://127.0.0.1:{port}", log)
        wait_until(lambda: "Booting worker" in log.read_text())
        time.sleep(2)
        said = talk(server, b"GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").decode()
        process.terminate()
    assert said.startswith("HTTP/1.1 500 ")
    assert "The server failed; its log says why." in said
    [own] = re.findall("\r\nx-request-id: ([0-9a-f]{32})\r\n", said, re.IGNORECASE)
    failure, request = (line for line in map(json.loads, log.read_text().splitlines()) if line.get("id") == own)
    assert "ValueError: broken" in failure["exception"]
    assert (request["logger"], request["status"]) == ("gunicorn.access", 500)


def test_a_request_that_fails_before_the_application_is_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """Rust looks at no exception."""
    worker = object.__new__(GranianWorker)
    worker.handle(object())
    [record] = [record for record in caplog.records if record.name == "ml_api.worker"]
    assert record.getMessage() == "A request failed"
    assert record.exc_info is not None
