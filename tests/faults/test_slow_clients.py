"""Clients that stall take no thread; those that go away take no more of R's time."""

import os
import time
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.conftest import Server, StartServer
from tests.faults.test_bounds import slow_batch

GET = "/lm/api/predict/29.5"
HEAD = "POST /lm/api/predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
BATCH = b'{"distance": [' + b", ".join([b"29.5"] * 20_000) + b"]}"
STALLED = {
    "silent": b"",
    "half a header": HEAD[:30].encode(),
    "half a small body": f"{HEAD}Content-Length: 100\r\n\r\n[".encode(),
    "half a large body": f"{HEAD}Content-Length: {len(BATCH)}\r\n\r\n".encode() + BATCH[:70_000],
    "half of its chunks": f"{HEAD}Transfer-Encoding: chunked\r\n\r\n2\r\n[1\r\n".encode(),
    "answers never read": f"{HEAD}Content-Length: {len(BATCH)}\r\n\r\n".encode() + BATCH,
}


@pytest.mark.parametrize("kind", STALLED)
def test_beside_connections_that_stall_others_are_answered(serve: StartServer, kind: str) -> None:
    with serve("gunicorn") as server, ExitStack() as stack:
        for _ in range(20 if kind == "answers never read" else 300):
            stack.enter_context(server.connect()).sendall(STALLED[kind])
        for _ in range(20):
            assert server.get(GET) == b"47.736486"
        stack.close()
        assert server.get(GET) == b"47.736486"
        assert server.interrupt() < 5
        assert "Traceback" not in server.log.read_text()


def test_a_body_that_takes_too_long_is_told_so(serve: StartServer) -> None:
    with serve("gunicorn", LM_BODY_SECONDS="1") as server, ExitStack() as stack:
        for kind in ("half a small body", "half a large body"):
            connection = stack.enter_context(server.connect())
            connection.sendall(STALLED[kind])
            said = connection.recv(65536)
            assert said.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
            assert b"\r\nconnection: close\r\n" in said
            assert b"The body did not come within 1 s (LM_BODY_SECONDS)." in said


def cpu_seconds(server: Server) -> float:
    """What the only worker has used."""
    [worker] = server.workers()
    fields = Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


def test_r_stops_between_chunks_where_the_client_has_gone(serve: StartServer, models: Path) -> None:
    url, body = slow_batch(models)
    head = f"POST {url} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    with serve("gunicorn") as server, ExitStack() as stack:
        before = cpu_seconds(server)
        client = stack.enter_context(server.connect())
        client.sendall(f"{head}\r\n\r\n".encode() + body)
        while cpu_seconds(server) < before + 0.3:
            time.sleep(0.01)
        client.close()
        time.sleep(0.5)
        stopped = cpu_seconds(server)
        time.sleep(1)
        assert cpu_seconds(server) - stopped < 0.2
        assert server.get(GET) == b"47.736486"
