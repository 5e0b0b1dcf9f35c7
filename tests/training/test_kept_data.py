"""Data that are given by --data, and the model's own."""

import hashlib
import json
import shutil
import sys
from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest
from django.test import Client

from lm_app.training.update import update
from tests.conftest import live_version, refusal, runscript

NEW = "time,distance\n" + "".join(f"{2 * i + i % 3},{i}\n" for i in range(5, 40))


@pytest.fixture
def newer(tmp_path: Path) -> Path:
    """More rows than timedistance has."""
    (tmp_path / "newer.csv").write_text(NEW)
    return tmp_path / "newer.csv"


def manifest(models: Path) -> dict[str, dict[str, str]]:
    file = models / "timedistance" / "versions" / live_version(models) / "manifest.json"
    content: dict[str, dict[str, str]] = json.loads(file.read_text())
    return content


def test_data_of_one_training_do_not_go_back_in_silence(
    models: Path, client: Client, newer: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runscript("update_lm", "timedistance", "--data", str(newer), "--force")
    assert (
        f"the model's own data are as they were; --keep-data would replace them by {newer}" in capsys.readouterr().out
    )
    answer = client.get("/lm/api/predict/29.5").json()
    for words in ([], ["timedistance"], ["timedistance", "--quiet"]):
        error = refusal(capsys, "update_lm", *words)
        digest = hashlib.sha256(NEW.encode()).hexdigest()[:12]
        assert f"the live version was trained on other data (35 rows, sha256 {digest}..., from newer.csv)" in error
        assert "this training would go back to timedistance.csv (10 rows)" in error
        assert "--force, or keep the other data with --data FILE --keep-data" in error
        assert client.get("/lm/api/predict/29.5").json() == answer
    runscript("update_lm", "timedistance", "--force")
    assert client.get("/lm/api/predict/29.5").json() == 47.736486


def test_data_that_are_named_again_are_no_return(models: Path, newer: Path, tmp_path: Path) -> None:
    shutil.copyfile(models / "timedistance" / "timedistance.csv", tmp_path / "older.csv")
    update("timedistance", data=newer, force=True)
    report = update("timedistance", data=tmp_path / "older.csv", dry_run=True)
    assert report
    assert not [objection for objection in report.comparison.objections if "go back" in objection]


def test_an_image_is_not_built_of_older_data(models: Path, newer: Path, capsys: pytest.CaptureFixture[str]) -> None:
    update("timedistance", data=newer, force=True)
    for file in models.glob("*/versions/*/*"):  # as .dockerignore says
        if file.name != "manifest.json":
            file.unlink()
    error = refusal(capsys, "update_lm", "timedistance")
    assert "this training would go back to timedistance.csv (10 rows)" in error
    runscript("update_lm", "mtcars")
    assert (models / "mtcars" / "versions" / live_version(models, "mtcars") / "modelr.pickle").is_file()


def test_data_are_known_from_manifests_of_an_older_release(
    models: Path, newer: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    update("timedistance", data=newer, force=True)
    for file in (models / "timedistance").glob("versions/*/manifest.json"):
        content = json.loads(file.read_text())
        del content["data"]
        file.write_text(json.dumps(content))
    runscript("versions_lm", "timedistance", "--sign")
    assert "was trained on other data (sha256 " in refusal(capsys, "update_lm", "timedistance")
    capsys.readouterr()
    runscript("versions_lm", "timedistance")
    assert " -\n" in capsys.readouterr().out


def test_a_damaged_version_tells_nothing_of_its_data(models: Path, newer: Path) -> None:
    first = models / "timedistance" / "versions" / live_version(models)
    update("timedistance", data=newer, force=True)
    shutil.rmtree(first)  # what the model's own data were is in the manifest of the live version, too
    (models / "timedistance" / "versions" / "20200101T000000.000000Z").mkdir()
    report = update("timedistance", dry_run=True)
    assert report
    assert "go back" in report.comparison.objections[-1]


def test_new_data_of_the_model_itself_are_no_return(models: Path, newer: Path) -> None:
    update("timedistance", data=newer, force=True)
    own = models / "timedistance" / "timedistance.csv"
    own.write_text(NEW + "81,40\n")
    assert update("timedistance")


def test_kept_data_are_the_models_own(
    models: Path, client: Client, newer: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = models / "timedistance" / "timedistance.csv"
    before = own.read_bytes()
    words = ["timedistance", "--data", str(newer), "--keep-data"]
    runscript("update_lm", *words, "--force", "--dry-run")
    assert own.read_bytes() == before
    assert "--force" in refusal(capsys, "update_lm", *words, "--formula", "log(time) ~ distance")
    assert own.read_bytes() == before
    runscript("update_lm", *words, "--force")
    assert f"{newer} is the model's own data from now on" in capsys.readouterr().out
    assert own.read_text() == NEW
    runscript("update_lm", "timedistance")
    assert "nothing new is made" in capsys.readouterr().out
    assert not list((models / "timedistance").glob(".data-*"))


def test_data_can_be_kept_later(models: Path, newer: Path, capsys: pytest.CaptureFixture[str]) -> None:
    update("timedistance", data=newer, force=True)
    version = live_version(models)
    runscript("update_lm", "timedistance", "--data", str(newer), "--keep-data")
    assert "nothing new is made" in capsys.readouterr().out
    assert (models / "timedistance" / "timedistance.csv").read_text() == NEW
    assert update("timedistance") is None
    assert live_version(models) == version


def test_data_of_another_kind_do_not_replace_a_csv(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "new.xlsx").write_bytes(b"")
    error = refusal(capsys, "update_lm", "timedistance", "--data", str(tmp_path / "new.xlsx"), "--keep-data")
    assert "new.xlsx is no .csv: change data in model.toml, and replace timedistance.csv yourself" in error


def test_the_manifest_names_the_data(
    models: Path, newer: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    own = hashlib.sha256((models / "timedistance" / "timedistance.csv").read_bytes()).hexdigest()
    assert manifest(models)["data"] == {"source": "timedistance.csv", "sha256": own, "rows": 10, "own_sha256": own}
    monkeypatch.setattr(sys, "stdin", TextIOWrapper(BytesIO(NEW.encode())))
    runscript("update_lm", "timedistance", "--data", "-", "--force")
    new = hashlib.sha256(NEW.encode()).hexdigest()
    assert manifest(models)["data"] == {"source": "standard input", "sha256": new, "rows": 35, "own_sha256": own}
    capsys.readouterr()
    runscript("versions_lm", "timedistance")
    assert "standard input (35 rows)" in capsys.readouterr().out
