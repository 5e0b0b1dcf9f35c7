"""Workers start fast, so that those that are killed are missed but shortly; and a server ends after a pause."""

import http.client
import os
import signal
import subprocess
import sys
import time
import urllib.error
from pathlib import Path

import pytest

from tests.conftest import ROOT, Server, StartServer, free_port

PREDICT = "/lm/api/predict/29.5"


def seconds_of_a_start(server: Server) -> float:
    """Kill the only worker; the CPU time of its successor, and of what that starts, until the first answer."""
    [killed] = server.workers()
    os.kill(killed, signal.SIGKILL)
    while not (new := server.workers() - {killed}):
        time.sleep(0.001)
    while True:
        try:
            assert server.get(PREDICT) == b"47.736486"
            break
        except (OSError, http.client.HTTPException):  # the killed one had accepted the connection
            time.sleep(0.001)
    fields = Path(f"/proc/{new.pop()}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")


def test_a_worker_starts_in_less_than_half_a_second(serve: StartServer) -> None:
    """Of CPU time, as other jobs of this machine take theirs; the least of five."""
    with serve("gunicorn") as server:
        assert min(seconds_of_a_start(server) for _ in range(5)) < 0.5


def test_sigterm_waits_until_a_load_balancer_has_noticed(serve: StartServer) -> None:
    with serve("gunicorn", SHUTDOWN_DELAY="2") as server:
        begin = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        answered = 0
        while time.monotonic() < begin + 1.5:
            assert server.get(PREDICT) == b"47.736486"
            answered += 1
        assert answered > 10
        assert server.process.wait(timeout=20) == 0
        assert 2 <= time.monotonic() - begin < 10
        with pytest.raises(urllib.error.URLError):
            server.get(PREDICT)


def test_a_second_sigterm_ends_the_pause(serve: StartServer) -> None:
    with serve("gunicorn", SHUTDOWN_DELAY="60") as server:
        server.process.send_signal(signal.SIGTERM)
        time.sleep(1.5)
        assert server.process.poll() is None
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=20) == 0


def test_ctrl_c_waits_for_nothing(serve: StartServer) -> None:
    with serve("gunicorn", SHUTDOWN_DELAY="60") as server:
        assert server.interrupt() < 5


def test_without_the_setting_the_port_closes_at_once(serve: StartServer) -> None:
    with serve("gunicorn") as server:
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(timeout=20) == 0


def test_a_worker_that_was_just_forked_hears_of_the_end(models: Path, tmp_path: Path) -> None:
    """Between the fork and its own handlers it has those of its master, and a signal would be lost."""
    forked = tmp_path / "forked"
    configuration = tmp_path / "conf.py"
    configuration.write_text(
        "import pathlib, runpy, time\n"
        f"globals().update(runpy.run_path({str(ROOT / 'gunicorn.conf.py')!r}))\n"
        "after_fork = post_fork\n"
        "def post_fork(server, worker):\n"
        f"    pathlib.Path({str(forked)!r}).touch()\n"
        "    time.sleep(1)\n"
        "    after_fork(server, worker)\n"
    )
    environment = {**os.environ, "PORT": free_port(), "LM_MODELS_DIR": str(models), "WEB_CONCURRENCY": "1"}
    command = [sys.executable, "-m", "gunicorn", "-c", str(configuration), "ml_api.wsgi"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE)
    while not forked.exists():
        assert process.poll() is None
        time.sleep(0.01)
    begin = time.monotonic()
    process.terminate()
    process.communicate(timeout=30)
    assert time.monotonic() - begin < 10
    assert process.returncode == 0
