"""The files of the models: read whole or damaged, written by one training at a time, loaded once."""

import fcntl
import pickle
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path

import pytest
from django.test import Client

from lm_app.errors import Damaged, TrainingError
from lm_app.store import live
from lm_app.store.folder import ModelFolder
from lm_app.store.publish import publish
from lm_app.store.version import LoadedModel, Version
from lm_app.training.update import update
from tests.conftest import live_file, live_version


@pytest.mark.parametrize("file", ["modelr.pickle", "model_info.json", "manifest.json"])
@pytest.mark.parametrize("content", [b"", b"{}", b"rubbish\xff"])
def test_damaged_file_leaves_the_last_good_one_served(
    models: Path, client: Client, caplog: pytest.LogCaptureFixture, file: str, content: bytes
) -> None:
    assert client.get("/lm/api/predict/29.5").json() == 47.736486
    live_file(models, file).write_bytes(content)
    for _ in range(3):
        assert client.get("/lm/api/predict/29.5").json() == 47.736486
    assert caplog.text.count("model timedistance: version") == 2  # what is damaged, and what is served: once


@pytest.mark.parametrize("file", ["modelr.pickle", "model_info.json", "manifest.json"])
def test_damaged_file_at_start_is_503(
    models: Path, client: Client, caplog: pytest.LogCaptureFixture, file: str
) -> None:
    live_file(models, file).write_bytes(b"rubbish")
    for _ in range(2):
        answer = client.get("/lm/api/predict/29.5")
        assert answer.status_code == 503
        assert "runscript update_lm --script-args timedistance" in answer.json()["detail"]
    assert "timedistance" in caplog.text


def test_damaged_version_at_start_falls_back_to_an_older_one(
    models: Path, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    older = live_version(models)
    update("timedistance", force=True)
    live_file(models, "modelr.pickle").write_bytes(b"rubbish")
    assert client.get("/lm/api/predict/29.5")["LM-Version"] == older
    assert f"version {older} is served instead" in caplog.text


@pytest.mark.parametrize("pointer", ["", "../../etc", "20200101T000000.000000Z", "\xff"])
def test_bad_pointer_leaves_the_last_good_one_served(
    models: Path, client: Client, caplog: pytest.LogCaptureFixture, pointer: str
) -> None:
    version = client.get("/lm/api/predict/29.5")["LM-Version"]
    (models / "timedistance" / "live").write_text(pointer)
    assert client.get("/lm/api/predict/29.5")["LM-Version"] == version
    assert "model timedistance:" in caplog.text


def test_lost_pointer_leaves_the_last_good_one_served(
    models: Path, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    assert client.get("/lm/api/predict/29.5").status_code == 200
    (models / "timedistance" / "live").unlink()
    assert client.get("/lm/api/predict/29.5").json() == 47.736486
    assert "'live' can't be read" in caplog.text


@pytest.mark.parametrize("damage", [b"rubbish", None])
def test_a_damaged_plot_is_503(models: Path, client: Client, damage: bytes | None) -> None:
    file = live_file(models, "fit.svg")
    file.unlink() if damage is None else file.write_bytes(damage)
    answer = client.get("/lm/api/plots/fit.svg")
    assert (answer.status_code, answer["Content-Type"]) == (503, "application/problem+json")
    assert client.get("/lm/api/predict/29.5").json() == 47.736486


def test_untrained_model_is_503_naming_the_command(models: Path, client: Client) -> None:
    shutil.rmtree(models / "timedistance" / "versions")
    (models / "timedistance" / "live").unlink()
    for path in ("list_keys", "key/call", "predict/29.5"):
        answer = client.get(f"/lm/api/{path}")
        assert answer.status_code == 503
        assert answer["Content-Type"] == "application/problem+json"
        assert "python manage.py runscript update_lm --script-args timedistance" in answer.json()["detail"]


def test_a_pickle_that_would_run_code_is_refused(models: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return Path.touch, (Path("/tmp/pwned"),)  # type: ignore[return-value]

    with pytest.raises(Damaged, match="no pickle of rpy2's ListSexpVector"):
        republish(models, pickle.dumps(Evil()))
    assert not Path("/tmp/pwned").exists()


@pytest.mark.parametrize("content", [pickle.dumps({"a": 1}), pickle.dumps("text")])
def test_a_pickle_of_something_else_is_refused(models: Path, content: bytes) -> None:
    with pytest.raises(Damaged, match="not a pickled lm that update_lm made"):
        republish(models, content)


def republish(models: Path, pickled: bytes) -> None:
    """A version with these bytes, and the right hash of them."""
    folder = ModelFolder(models / "timedistance")
    contents = {"modelr.pickle": pickled, "model_info.json": b"{}"}
    publish(folder, contents, {"recipe": {}}, datetime.now(timezone.utc), keep=10).load()


def test_training_cleans_up_what_a_killed_one_left(models: Path) -> None:
    folder = models / "timedistance"
    (folder / "versions" / ".new-20200101T000000.000000Z").mkdir()
    (folder / "versions" / ".new-20200101T000000.000000Z" / "modelr.pickle").touch()
    (folder / ".live-20200101T000000.000000Z").touch()
    update("timedistance", force=True)
    assert not list(folder.glob(".live-*")) + list(folder.glob("versions/.new-*"))


def test_two_trainings_of_one_model_at_once_do_not_mix(models: Path) -> None:
    with (models / "timedistance" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(TrainingError, match="timedistance: another training of this model is running"):
            update("timedistance", force=True)
    update("timedistance", force=True)


@pytest.mark.usefixtures("shipped_models")
def test_threads_that_find_a_new_version_load_it_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[str] = []
    original = Version.load

    def slow(version: Version) -> LoadedModel:
        loaded.append(version.name)
        time.sleep(0.2)
        return original(version)

    monkeypatch.setattr(Version, "load", slow)
    with ThreadPoolExecutor(4) as threads:
        found = set(threads.map(lambda _: id(live.live_model("timedistance")), range(4)))
    assert (len(found), len(loaded)) == (1, 1)


@pytest.mark.usefixtures("shipped_models")
def test_loading_one_model_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    original = Version.load

    def slow(version: Version) -> LoadedModel:
        if version.model == "timedistance":
            begun.set()
            assert go_on.wait(20)
        return original(version)

    monkeypatch.setattr(Version, "load", slow)
    with ThreadPoolExecutor(1) as threads:
        loading = threads.submit(live.live_model, "timedistance")
        assert begun.wait(20)
        assert live.live_model("mtcars").name == "mtcars"
        assert not loading.done()
        go_on.set()
        assert loading.result().name == "timedistance"
