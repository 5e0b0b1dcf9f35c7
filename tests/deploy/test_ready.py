"""The probes: /healthz says that the server lives, /readyz that R and the models answer."""

import runpy
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from pytest_django import Settings

from lm_app.engine import runtime
from lm_app.errors import NotStarted
from lm_app.store import live
from lm_app.training.update import update
from ml_api import health
from ml_api.probes import HEALTH_PATH, PROBES, READY_PATH
from tests.conftest import ROOT, StartServer, live_file, live_version
from tests.faults.test_bounds import ask, slow_batch


def readiness(client: Client, status: int) -> dict[str, Any]:
    """What /readyz answers."""
    answer = client.get(READY_PATH)
    assert answer.status_code == status, answer.text
    assert answer["Content-Type"] == ("application/json" if status == 200 else "application/problem+json")
    found: dict[str, Any] = answer.json()
    return found


def state(client: Client, status: int, name: str = "timedistance") -> tuple[str, str | None, str | None]:
    """What /readyz answers about one model."""
    [model] = [model for model in readiness(client, status)["models"] if model["model"] == name]
    return model["state"], model["version"], model["error"]


def untrain(models: Path, name: str = "timedistance") -> None:
    (models / name / "live").unlink()
    shutil.rmtree(models / name / "versions")


@pytest.mark.parametrize("path", [path + slash for path in PROBES for slash in ("", "/")])
@pytest.mark.usefixtures("shipped_models")
def test_probes_are_answered_to_any_host(client: Client, path: str) -> None:
    assert client.get(path, headers={"Host": "169.254.130.4"}).status_code == 200
    assert client.head(path).content == b""


def test_each_model_is_told_with_its_version(shipped_models: Path, client: Client) -> None:
    found = readiness(client, 200)
    assert found["status"] == "ready"
    assert found["models"] == [
        {
            "model": name,
            "state": "serving",
            "version": live_version(shipped_models, name),
            "error": None,
            "required": name == "timedistance",
        }
        for name in ("heightweight", "mtcars", "timedistance")
    ]


def test_an_untrained_model_matters_where_it_is_required(models: Path, client: Client, settings: Settings) -> None:
    untrain(models, "mtcars")
    assert state(client, 200, "mtcars") == ("untrained", None, None)
    settings.LM_REQUIRED_MODELS = ["mtcars", "heightweight", "cars"]
    told = readiness(client, 503)
    assert "runscript update_lm --script-args mtcars (LM_REQUIRED_MODELS names it)" in told["detail"]
    assert "; There is no model 'cars'; there are: heightweight, mtcars, timedistance. (LM_REQ" in told["detail"]
    assert {model["model"]: model["required"] for model in told["models"]} == {
        "heightweight": True, "mtcars": True, "timedistance": True,
    }  # fmt: skip


def test_a_damaged_model_is_ready_as_long_as_an_older_version_is_served(models: Path, client: Client) -> None:
    older = live_version(models)
    update("timedistance", force=True)
    live_file(models, "modelr.pickle").write_bytes(b"x")
    damage = f"version {live_version(models)}: modelr.pickle is not what training wrote (its sha256 differs)"
    assert state(client, 200) == ("degraded", older, damage)
    shutil.rmtree(models / "timedistance" / "versions" / older)
    live.cache.clear()
    assert state(client, 503) == ("damaged", None, damage)
    assert str(models) not in client.get(READY_PATH).text
    assert client.get(HEALTH_PATH).json() == {"status": "ok"}


def test_without_models_it_lives_and_is_not_ready(models: Path, client: Client) -> None:
    shutil.rmtree(models)
    told = readiness(client, 503)
    assert told["detail"].startswith("The models can't be reached: LM_MODELS_DIR names no folder that holds any;")
    assert told["detail"].endswith("(LM_DEFAULT_MODEL is 'timedistance')")
    assert told["models"] == []
    assert client.get(HEALTH_PATH).status_code == 200


def test_a_store_that_is_away_is_told_and_what_is_in_memory_is_ready(models: Path, client: Client) -> None:
    version = live_version(models)
    readiness(client, 200)
    models.rename(models.with_name("away"))
    serving, served, error = state(client, 200)
    assert (serving, served) == ("serving", version)
    assert error
    assert error.startswith("The models can't be reached")


def test_a_model_that_is_removed_while_all_are_listed_is_not_among_them(
    shipped_models: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [*live.live_models(), "removed"]
    monkeypatch.setattr(live, "_names_on_disk", lambda: names)
    assert [model["model"] for model in readiness(client, 200)["models"]] == names[:-1]


# R


@contextmanager
def in_r(work: Callable[[], None]) -> Iterator[None]:
    """Another thread has R do this, while the test goes on."""
    begun = threading.Event()

    def job() -> None:
        begun.set()
        work()

    with ThreadPoolExecutor(1) as threads:
        working = threads.submit(runtime.in_r, job)
        assert begun.wait(20)
        yield
        working.result()


@pytest.mark.usefixtures("shipped_models")
def test_an_r_that_is_stuck_is_not_ready_and_the_server_lives(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(health, "SECONDS_FOR_R", 0.1)
    readiness(client, 200)
    end = threading.Event()
    with in_r(lambda: assert_set(end)):
        told = readiness(client, 503)
        assert told["detail"] == "R does not answer within 0.1 s: it is at one call, or stuck"
        assert "models" not in told
        assert client.get(HEALTH_PATH).status_code == 200
        end.set()
    assert f"{READY_PATH}: R does not answer" in caplog.text
    readiness(client, 200)


def assert_set(event: threading.Event) -> None:
    assert event.wait(20)


def test_an_r_that_is_busy_is_ready(serve: StartServer, models: Path) -> None:
    url, body = slow_batch(models)
    with serve("gunicorn") as server, ThreadPoolExecutor(1) as clients:
        busy = clients.submit(ask, server, url, body)
        answered = 0
        while not busy.done():
            assert b'"status": "ready"' in server.get(READY_PATH)
            answered += 1
        busy.result()
        assert answered > 3


@pytest.mark.usefixtures("shipped_models")
def test_an_r_that_can_not_start_is_told(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(seconds: float) -> None:
        raise NotStarted

    monkeypatch.setattr(runtime, "ask", fails)
    assert readiness(client, 503)["detail"] == str(NotStarted())


# Load


def test_probes_are_not_refused_and_go_before_what_waits(
    serve: StartServer, models: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, body = slow_batch(models)
    monkeypatch.setenv("GUNICORN_CMD_ARGS", "--threads=1 --access-logfile=-")
    with serve("gunicorn", LM_MAX_WAITING="1") as server, ThreadPoolExecutor(4) as clients:
        holding = clients.submit(ask, server, url, body)
        while not wait([waiting := clients.submit(server.get, "/lm/api/predict/28")], timeout=0.3).not_done:
            assert not holding.done(), holding.result()
            time.sleep(0.2)  # for the turn to be free again, which is after the answer
        assert server.refusal("/lm/api/predict/29.5")[0] == 503
        probing = [clients.submit(server.get, path) for path in PROBES]
        time.sleep(0.3)
        assert not holding.done()
        holding.result()
        waiting.result()
        for probe in probing:
            probe.result()
        server.interrupt()
        log = server.log.read_text()
    assert max(map(log.rindex, PROBES)) < log.rindex("/lm/api/predict/28")


# The setting


@pytest.mark.parametrize(("value", "models"), [("", []), (" mtcars, heightweight,", ["mtcars", "heightweight"])])
def test_required_models_are_names(monkeypatch: pytest.MonkeyPatch, value: str, models: list[str]) -> None:
    monkeypatch.setenv("LM_REQUIRED_MODELS", value)
    assert runpy.run_path(str(ROOT / "ml_api" / "settings.py"))["LM_REQUIRED_MODELS"] == models


@pytest.mark.parametrize("wrong", ["../mtcars", "two words", "x" * 65, "mtcars;timedistance"])
def test_what_can_be_no_model_is_refused(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("LM_REQUIRED_MODELS", f"mtcars,{wrong}")
    with pytest.raises(ImproperlyConfigured, match=r"^LM_REQUIRED_MODELS has .* Not a model's name: letters, digits"):
        runpy.run_path(str(ROOT / "ml_api" / "settings.py"))
