"""Versions: made, kept, switched, verified, signed."""

import json
import re
from datetime import datetime
from pathlib import Path

import pytest
from django.test import Client

from lm_app.errors import TrainingError
from lm_app.store.folder import ModelFolder
from lm_app.store.publish import activate, publish
from lm_app.training.update import update
from tests.conftest import change_data, live_file, live_version, refusal, runscript, write_model


def retrain(models: Path, old: str, new: str) -> str:
    """Change the data of timedistance, and train it; returns the new version."""
    change_data(models, old, new)
    runscript("update_lm", "timedistance", "--quiet")
    return live_version(models)


# Making versions


def test_a_version_has_a_manifest_that_says_how_it_was_made(models: Path) -> None:
    before = live_version(models)
    folder = models / "timedistance" / "versions" / retrain(models, "55,32", "60,32")
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["model"] == "timedistance"
    assert manifest["version"] == folder.name
    assert manifest["recipe"]["formula"] == "time ~ distance"
    assert len(manifest["recipe"]["data_sha256"]) == 64
    assert manifest["compared_with"] == before
    assert ["observations", "10", "10"] in manifest["comparison"]
    assert set(manifest["files"]) == {file.name for file in folder.iterdir()} - {"manifest.json", "signature"}
    assert set(manifest["built_with"]) == {"r_version", "rpy2_version"}


def test_old_versions_beyond_keep_are_removed(models: Path) -> None:
    write_model(models, keep=3)
    made = [live_version(models)]
    for _ in range(5):
        update("timedistance", force=True)
        made.append(live_version(models))
    assert [version.name for version in ModelFolder(models / "timedistance").versions()] == made[-3:]
    assert not list((models / "timedistance" / "versions").glob(".*"))


# Switching and verifying


def test_versions_are_listed_with_the_live_one_marked(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, second = live_version(models), retrain(models, "55,32", "60,32")
    (models / "timedistance" / "versions" / first / "model_info.json").write_text("{}")
    capsys.readouterr()
    runscript("versions_lm", "timedistance")
    lines = capsys.readouterr().out.splitlines()
    [old] = [line for line in lines if first in line]
    [new] = [line for line in lines if second in line]
    assert "damaged" in old
    assert re.search(r"live .* time ~ distance .* 10 .* 0\.\d+ .*-\d\dT", new)


def test_rollback_and_activate_switch_at_once(models: Path, client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    first, second, third = live_version(models), retrain(models, "55,32", "60,32"), retrain(models, "60,32", "58,32")
    answers = {}
    for version in (third, first, second):
        runscript("versions_lm", "timedistance", "--activate", version)
        answer = client.get("/lm/api/predict?distance=29.5")
        assert answer["LM-Version"] == version
        answers[version] = answer.content
    assert len(set(answers.values())) == 3
    runscript("versions_lm", "timedistance", "--rollback")
    assert client.get("/lm/api/predict?distance=29.5").content == answers[first]
    assert "no version before the live one" in refusal(capsys, "versions_lm", "timedistance", "--rollback")
    assert "there is no version 'x'; there are:" in refusal(capsys, "versions_lm", "timedistance", "--activate", "x")
    (models / "timedistance" / "versions" / second / "modelr.pickle").write_bytes(b"x")
    assert "sha256 differs" in refusal(capsys, "versions_lm", "timedistance", "--activate", second)
    assert live_version(models) == first
    assert "There is no model" in refusal(capsys, "versions_lm", "nope")
    assert "are for one model: name it" in refusal(capsys, "versions_lm", "--rollback")


def test_rollback_without_a_live_version(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (models / "timedistance" / "live").unlink()
    assert "no version before the live one" in refusal(capsys, "versions_lm", "timedistance", "--rollback")


def test_versions_are_listed_without_a_live_one(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    version = live_version(models)
    (models / "timedistance" / "live").unlink()
    runscript("versions_lm", "timedistance")
    output = capsys.readouterr().out
    assert version in output
    assert "live" not in output


def test_a_clock_that_was_set_back_does_not_remove_what_is_made(models: Path) -> None:
    folder = ModelFolder(models / "timedistance")
    version = publish(folder, {"modelr.pickle": b"", "model_info.json": b"{}"}, {}, datetime(2020, 1, 1), keep=1)
    assert live_version(models) == version.name
    assert version.path.is_dir()


def test_verify_checks_every_file(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runscript("versions_lm", "timedistance", "--verify")
    assert "files verified" in capsys.readouterr().out
    live_file(models, "fit.svg").write_bytes(b"x")
    assert "fit.svg is not what training wrote" in refusal(capsys, "versions_lm", "timedistance", "--verify")


# Trust


def test_a_version_of_another_model_is_refused(models: Path) -> None:
    version = live_version(models, "mtcars")
    (models / "mtcars" / "versions" / version).rename(models / "timedistance" / "versions" / version)
    with pytest.raises(TrainingError, match="its manifest is that of another version"):
        activate(ModelFolder(models / "timedistance"), version)
