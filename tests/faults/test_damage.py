"""What is damaged harms one model and no other, and what is away for a while harms none."""

import hashlib
import json
import os
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from lm_app.store import live
from lm_app.store.folder import ModelFolder
from lm_app.store.version import LoadedModel, Version
from lm_app.training.update import update
from tests.conftest import live_file, live_version, runscript

PREDICT = "/lm/api/predict/29.5"


def write_info(models: Path, text: str) -> None:
    """Replace model_info.json, and its hash in the manifest, as someone does who may write to the store, and sign."""
    live_file(models, "model_info.json").write_text(text)
    manifest = live_file(models, "manifest.json")
    content = json.loads(manifest.read_text())
    content["files"]["model_info.json"] = hashlib.sha256(text.encode()).hexdigest()
    manifest.write_text(json.dumps(content))
    runscript("versions_lm", "timedistance", "--sign")


def change_info(models: Path, **changes: Any) -> None:
    info = json.loads(live_file(models, "model_info.json").read_text())
    write_info(models, json.dumps({key: value for key, value in {**info, **changes}.items() if value != "absent"}))


def instead_of_pointer(make: Callable[[Path], None]) -> Callable[[Path], None]:
    def damage(models: Path) -> None:
        pointer = models / "timedistance" / "live"
        pointer.unlink()
        make(pointer)

    return damage


NUMERIC = {"name": "distance", "type": "numeric", "unit": None}
OF_VERSION: dict[str, Callable[[Path], None]] = {
    "info is no JSON": lambda models: write_info(models, "{"),
    "info is a list": lambda models: write_info(models, "[]"),
    "info is nested": lambda models: write_info(models, "[" * 100_000),
    "info is empty": lambda models: write_info(models, "{}"),
    "info without title": lambda models: change_info(models, title="absent"),
    "info without predictors": lambda models: change_info(models, predictors="absent"),
    "predictors are text": lambda models: change_info(models, predictors="x"),
    "a range is none": lambda models: change_info(models, predictors=[{**NUMERIC, "min": None, "max": 3}]),
    "levels are none": lambda models: change_info(
        models, predictors=[{"name": "distance", "type": "factor", "unit": None, "levels": None}]
    ),
    "no example": lambda models: change_info(models, example={}),
    "units are a list": lambda models: change_info(models, units=[]),
    "manifest is a list": lambda models: _write(live_file(models, "manifest.json"), "[]"),
    "manifest is nested": lambda models: _write(live_file(models, "manifest.json"), "[" * 100_000),
    "manifest is huge": lambda models: os.truncate(live_file(models, "manifest.json"), 1 << 30),
    "pickle is huge": lambda models: os.truncate(live_file(models, "modelr.pickle"), 1 << 33),
    "pickle is a pipe": lambda models: _pipe(live_file(models, "modelr.pickle")),
}
OF_POINTER: dict[str, Callable[[Path], None]] = {
    "pointer is a pipe": instead_of_pointer(os.mkfifo),
    "pointer is a folder": instead_of_pointer(Path.mkdir),
    "pointer is huge": lambda models: os.truncate(models / "timedistance" / "live", 1 << 30),
    "pointer is no text": lambda models: _write(models / "timedistance" / "live", "\xff\xfe"),
}


def _write(file: Path, text: str) -> None:
    file.write_text(text)


def _pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def statuses(client: Client) -> dict[str, int]:
    paths = [PREDICT, "/lm/api", "/lm/api/models/mtcars", "/lm/api/models", "/lm/api/openapi.json"]
    return {path: client.get(path).status_code for path in paths}


@pytest.mark.parametrize("name", OF_VERSION | OF_POINTER)
def test_damage_while_it_runs_leaves_what_is_in_memory(models: Path, client: Client, name: str) -> None:
    assert set(statuses(client).values()) == {200}
    (OF_VERSION | OF_POINTER)[name](models)
    for entry in live.cache.values():
        entry.next_check = 0  # as if a second had gone by
    assert set(statuses(client).values()) == {200}
    assert client.get(PREDICT).json() == 47.736486


@pytest.mark.parametrize("name", OF_VERSION)
def test_damage_before_the_start_harms_that_model_only(
    models: Path, client: Client, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    OF_VERSION[name](models)
    found = statuses(client)
    assert (found.pop(PREDICT), found.pop("/lm/api")) == (503, 503)
    assert set(found.values()) == {200}
    assert "timedistance" in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("name", OF_POINTER)
def test_without_its_pointer_the_newest_version_is_served(models: Path, client: Client, name: str) -> None:
    OF_POINTER[name](models)
    assert set(statuses(client).values()) == {200}


@pytest.mark.parametrize("leaves", ["nothing", "an empty folder"])
def test_models_in_memory_go_on_while_the_store_is_away(models: Path, client: Client, leaves: str) -> None:
    live.live_models()
    models.rename(models.with_name("away"))
    if leaves == "an empty folder":  # as an unmounted share does
        models.mkdir()
    assert set(statuses(client).values()) == {200}
    assert client.get("/readyz").status_code == 200
    assert [model["model"] for model in client.get("/lm/api/models").json()] == [
        "heightweight",
        "mtcars",
        "timedistance",
    ]
    assert client.get("/lm/api/models/nothing").status_code == 503  # who knows whether it is there?
    shutil.rmtree(models, ignore_errors=True)
    models.with_name("away").rename(models)
    assert set(statuses(client).values()) == {200}
    assert client.get("/lm/api/models/nothing").status_code == 404


def test_a_store_that_gives_errors_is_away(models: Path, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def stale(*_: object) -> list[ModelFolder]:
        raise OSError("Stale file handle")

    live.live_models()
    monkeypatch.setattr(ModelFolder, "all", stale)
    monkeypatch.setattr(ModelFolder, "named", stale)
    for entry in live.cache.values():
        entry.pointer_signature = None  # looks changed
    assert set(statuses(client).values()) == {200}


def test_a_model_that_is_removed_is_gone(models: Path, client: Client) -> None:
    live.live_models()
    shutil.rmtree(models / "mtcars")
    assert client.get("/lm/api/models/mtcars").status_code == 404
    assert "mtcars" not in live.cache
    assert client.get(PREDICT).json() == 47.736486


def test_a_model_that_is_removed_while_all_are_listed_is_not_among_them(
    models: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [*live.live_models(), "removed"]
    monkeypatch.setattr(live, "_names_on_disk", lambda: names)
    listed = {model["model"]: model["version"] for model in client.get("/lm/api/models").json()}
    assert listed["removed"] is None
    assert listed["timedistance"] == live_version(models)


class SlowLoad:
    """Version.load, which waits for `go`; `count` of them have begun."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.go, self.count, load = threading.Event(), threading.Event(), 0, Version.load

        def slow(version: Version) -> LoadedModel:
            self.count += 1
            self.begun.set()
            assert self.go.wait(20)
            return load(version)

        monkeypatch.setattr(Version, "load", slow)


def test_while_a_new_version_loads_the_one_in_memory_answers(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = live.live_model("timedistance").version
    update("timedistance", force=True)
    slow = SlowLoad(monkeypatch)
    with ThreadPoolExecutor(1) as other:
        loading = other.submit(live.live_model, "timedistance")
        assert slow.begun.wait(20)
        assert [live.live_model("timedistance").version for _ in range(3)] == [old] * 3
        slow.go.set()
        assert loading.result().version == live_version(models) != old
    assert live.live_model("timedistance").version == live_version(models)
    assert slow.count == 1


def test_the_first_load_is_waited_for_and_done_once(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    slow = SlowLoad(monkeypatch)
    with ThreadPoolExecutor(4) as clients:
        asking = [clients.submit(live.live_model, "timedistance") for _ in range(4)]
        assert slow.begun.wait(20)
        assert not any(client.done() for client in asking)
        slow.go.set()
        assert {client.result().version for client in asking} == {live_version(models)}
    assert slow.count == 1
