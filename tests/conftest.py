"""Models in a folder of the test's own, and servers that serve them."""

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
import tomli
from django.core.management import call_command
from pytest_django import Settings

from lm_app.command_line import joined
from lm_app.store import live
from lm_app.training.update import update

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def trained_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the shipped models, trained; not to be changed."""
    from django.test import override_settings

    models = tmp_path_factory.mktemp("trained") / "models"
    shutil.copytree(
        ROOT / "extra_files", models, ignore=lambda _, files: {f for f in files if f in ("live", "versions", ".lock")}
    )
    with override_settings(LM_MODELS_DIR=models):
        for folder in models.iterdir():
            update(folder.name)
    return models


@pytest.fixture
def shipped_models(trained_models: Path, settings: Settings) -> Path:
    """The shipped models, trained, where the test only reads them; not to be changed."""
    settings.LM_MODELS_DIR = trained_models
    return trained_models


@pytest.fixture
def models(shipped_models: Path, tmp_path: Path, settings: Settings) -> Path:
    """The shipped models, trained, in a folder that the test may change; Django's settings name it."""
    settings.LM_MODELS_DIR = shutil.copytree(shipped_models, tmp_path / "models")
    return Path(settings.LM_MODELS_DIR)


@pytest.fixture(autouse=True)
def nothing_loaded() -> None:
    """Each test has models of its own, by the same names."""
    live.cache.clear()


def runscript(script: str, *words: str) -> None:
    """Call a script as manage.py does."""
    call_command("runscript", script, "--script-args", joined(words))


def refusal(capsys: pytest.CaptureFixture[str], script: str, *words: str) -> str:
    """The one line on stderr of a script that fails."""
    with pytest.raises(SystemExit) as raised:
        runscript(script, *words)
    error = capsys.readouterr().err or f"{raised.value.code}\n"
    assert raised.value.code != 0
    assert error.count("\n") == 1, error
    return error


def live_version(models: Path, name: str = "timedistance") -> str:
    """The name of the live version."""
    return (models / name / "live").read_text().strip()


def live_file(models: Path, file: str, name: str = "timedistance") -> Path:
    """A file of the live version."""
    return models / name / "versions" / live_version(models, name) / file


def write_model(
    models: Path, *, formula: str | None = None, rows: str | None = None, name: str = "timedistance", **toml: object
) -> None:
    """Write a model's CSV and its model.toml, as people do, and nothing else: training it is up to the test.

    What is not named stays as it is, or is the least that a new model needs; None removes a key of model.toml.
    """
    file = models / name / "model.toml"
    file.parent.mkdir(exist_ok=True)
    before = tomli.loads(file.read_text()) if file.exists() else {"title": name, "data": f"{name}.csv"}
    recipe = {**before, **({"formula": formula} if formula else {}), **toml}
    file.write_text(to_toml({key: value for key, value in recipe.items() if value is not None}))
    if rows is not None:
        (models / name / str(recipe["data"])).write_text(rows)


def to_toml(recipe: dict[str, object]) -> str:
    """Strings, numbers and lists as JSON has them, then the tables."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in recipe.items() if not isinstance(value, dict)]
    for name, table in recipe.items():
        if isinstance(table, dict):
            lines += [f"[{name}]", *(f"{json.dumps(key)} = {json.dumps(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def change_data(models: Path, old: str, new: str, name: str = "timedistance") -> None:
    """Replace a text in a shipped model's CSV."""
    file = models / name / f"{name}.csv"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def rscript(script: str, text: str = "") -> str:
    """What R prints, with a text as its standard input."""
    command = ["Rscript", "-e", script]
    return subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True, check=True).stdout


class Server:
    """A server process."""

    def __init__(self, process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
        self.process, self.url, self.log = process, url, log

    def get(self, path: str) -> bytes:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=20) as answer:
            return bytes(answer.read())

    def refusal(self, path: str) -> tuple[int, str]:
        """The status and the detail of an error's answer."""
        with pytest.raises(urllib.error.HTTPError) as raised:
            self.get(path)
        with raised.value as answer:
            return answer.code, json.load(answer)["detail"]

    def connect(self) -> socket.socket:
        """A connection of its own."""
        host, port = self.url.removeprefix("http://").split(":")
        return socket.create_connection((host, int(port)), timeout=30)

    def workers(self) -> set[int]:
        """The process ids of gunicorn's workers."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return set(map(int, children.split()))

    def interrupt(self) -> float:
        """Ctrl-C; the seconds until the process has ended."""
        begin = time.monotonic()
        self.process.send_signal(signal.SIGINT)
        self.process.wait(timeout=20)
        return time.monotonic() - begin


GUNICORN = [str(Path(sys.executable).with_name("gunicorn")), "ml_api.wsgi"]
SERVERS = {
    "runserver": [sys.executable, "manage.py", "runserver", "{port}"],
    # With more threads, gunicorn takes its own gthread for sync, and that can hang at Ctrl-C; see ml_api/threads.py.
    "gunicorn sync": [*GUNICORN, "--worker-class", "sync", "--threads", "1", "--workers", "2"],
    "gunicorn gthread": [*GUNICORN, "--worker-class", "ml_api.threads.Threads"],
    "gunicorn": [*GUNICORN, "--config", "tests/traced.conf.py"],
    "gunicorn default": GUNICORN,
    "make run": [sys.executable, "-m", "ml_api"],  # as the Makefile starts it
}
StartServer = Callable[..., AbstractContextManager[Server]]


@contextmanager
def serving(kind: str, models: Path, log: Path, prefix: str = "", **environment: str) -> Iterator[Server]:
    """Start one of SERVERS on these models, as a user does."""
    port = free_port()
    variables = {**os.environ, "PORT": port, "LM_MODELS_DIR": str(models), "PYTHONUNBUFFERED": "1"}
    variables |= {"WEB_CONCURRENCY": "1", **environment}
    command = [*shlex.split(prefix), *(part.format(port=port) for part in SERVERS[kind])]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=ROOT, env=variables, stdout=output, stderr=output, preexec_fn=restore_interrupt
        )
    server = Server(process, f"http://127.0.0.1:{port}{environment.get('SCRIPT_NAME', '')}", log)
    try:
        wait_until_answering(server)
        yield server
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def serve(models: Path, tmp_path: Path) -> StartServer:
    """Start one of SERVERS on the test's models."""
    return lambda kind, prefix="", **environment: serving(kind, models, tmp_path / "server.log", prefix, **environment)


@pytest.fixture
def shared_server(serve: StartServer) -> Iterator[Server]:
    """Gunicorn, which ends soon when it is asked to, and has written no traceback."""
    with serve("gunicorn") as server:
        yield server
        assert server.interrupt() < 5
        assert "Traceback" not in server.log.read_text()


def without_requests(log: str) -> str:
    """The log's lines that are not of requests."""
    return "".join(line for line in log.splitlines(keepends=True) if '"logger":"gunicorn.access"' not in line)


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def restore_interrupt() -> None:
    """A shell's background jobs ignore SIGINT, and their children inherit that; a terminal's don't."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def wait_until(is_so: Callable[[], object], seconds: int = 30) -> None:
    """Look 20 times a second. The line of a request, for one, is written after its answer."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it never was so"
        time.sleep(0.05)


def wait_until_answering(server: Server, seconds: int = 30) -> None:
    for _ in range(10 * seconds):
        try:
            server.get("/")
            return
        except OSError:
            assert server.process.poll() is None, server.log.read_text()
            time.sleep(0.1)
    raise AssertionError(server.log.read_text())
