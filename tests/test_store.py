"""The files of the models, whole and damaged."""

import fcntl
import pickle
import shutil
import subprocess
import sys
import time
from array import array
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.test import Client

from lm_app import store, training
from lm_app.errors import TrainingError
from tests.conftest import ROOT


def live_file(models: Path, file: str, model: str = "timedistance") -> Path:
    folder = models / model
    return folder / "versions" / (folder / "live").read_text().strip() / file


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
    older = (models / "timedistance" / "live").read_text().strip()
    training.update("timedistance", force=True)
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

    with pytest.raises(store.Damaged, match="is not allowed"):
        republish(models, pickle.dumps(Evil()))
    assert not Path("/tmp/pwned").exists()


@pytest.mark.parametrize("content", [pickle.dumps({"a": 1}), pickle.dumps("text")])
def test_a_pickle_of_something_else_is_refused(models: Path, content: bytes) -> None:
    with pytest.raises(store.Damaged, match="not a pickled lm that update_lm made"):
        republish(models, content)


def republish(models: Path, pickled: bytes) -> None:
    """A version with these bytes, and the right hash of them."""
    folder = models / "timedistance"
    contents = {"modelr.pickle": pickled, "model_info.json": b"{}"}
    store._read(folder, store.publish(folder, contents, {"recipe": {}}, keep=10))


def test_training_cleans_up_what_a_killed_one_left(models: Path) -> None:
    folder = models / "timedistance"
    (folder / "versions" / ".new-20200101T000000.000000Z").mkdir()
    (folder / "versions" / ".new-20200101T000000.000000Z" / "modelr.pickle").touch()
    (folder / ".live-20200101T000000.000000Z").touch()
    training.update("timedistance", force=True)
    assert not list(folder.glob(".live-*")) + list(folder.glob("versions/.new-*"))


def test_two_trainings_of_one_model_at_once_do_not_mix(models: Path) -> None:
    with (models / "timedistance" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(TrainingError, match="timedistance: another training of this model is running"):
            training.update("timedistance", force=True)
    training.update("timedistance", force=True)


def test_the_pickle_is_small_and_has_no_data(models: Path) -> None:
    data = models / "timedistance" / "timedistance.csv"
    small = live_file(models, "modelr.pickle").stat().st_size
    data.write_text("time,distance\n" + "".join(f"{i % 7 + i},{i}\n" for i in range(20_000)))
    training.update("timedistance", force=True)
    assert live_file(models, "modelr.pickle").stat().st_size < small + 200


def test_models_that_nobody_holds_are_dropped_in_r(models: Path) -> None:
    from lm_app import r_engine

    pickled = live_file(models, "modelr.pickle").read_bytes()
    r_engine.start()
    before = len(r_engine._models)
    for _ in range(50):
        r_engine.Model(pickled).predict([array("d", [7.0])])
    r_engine.start()
    assert len(r_engine._models) <= before + 1


def test_where_the_prepared_sum_fails_predict_says_why(models: Path) -> None:
    from lm_app import r_engine

    model = r_engine.Model(live_file(models, "modelr.pickle", "mtcars").read_bytes())
    observation = [array("d", [x]) for x in (2.62, 16.46, 2)]
    right = model.predict(observation)
    with pytest.raises(r_engine.RError, match="length of object"):
        model.predict([array("d", [2.62]), array("d", [16.46, 17.02]), array("d", [2])])  # of unequal length
    assert model.predict(observation) == right


def test_an_r_user_can_source_and_run_the_r_files(models: Path) -> None:
    script = """
    for (file in list.files(pattern = "[.]R$")) source(file)
    trained <- train("../../extra_files/timedistance/timedistance.csv", "time ~ distance")
    cat(predict(trained$model, data.frame(distance = 29.5)))
    """
    done = subprocess.run(
        ["Rscript", "-e", script], cwd=ROOT / "lm_app" / "R", capture_output=True, text=True, check=True
    )
    assert done.stdout == "47.73649"


def test_deep_recursion_is_an_r_error_not_the_end(models: Path) -> None:
    """On a stack of the usual 8 MB this ends the process."""
    script = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from lm_app import r_engine
from rpy2 import rinterface
def deep(n):
    f = rinterface.evalr("function(n) if (n == 0) 0 else 1 + sys.function()(n - 1)")
    return f(rinterface.IntSexpVector([n]))[0]
print(r_engine._in_r(deep, 1000))
try:
    r_engine._in_r(deep, 10**6)
except rinterface.embedded.RRuntimeError as error:
    print("refused")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "1000.0\nrefused\n"), done.stderr


def test_threads_that_find_a_new_version_read_it_once(models: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    original = store._read

    def counting(where: Path, version: str) -> store.LiveModel:
        read.append(version)
        return original(where, version)

    monkeypatch.setattr(store, "_read", counting)
    with store._reading, ThreadPoolExecutor(4) as threads:
        waiting = [threads.submit(store.live, "timedistance") for _ in range(4)]
        time.sleep(0.2)
        store._reading.release()
        loaded = {id(thread.result()) for thread in waiting}
        store._reading.acquire()
    assert (len(loaded), len(read)) == (1, 1)
