"""What is live stays until data or model.toml change."""

import hashlib
import json
from pathlib import Path

import pytest
from django.test import Client

from lm_app.training.update import update
from tests.conftest import live_version, runscript


def change_data(models: Path, find: str, replace: str) -> None:
    data = models / "timedistance" / "timedistance.csv"
    data.write_bytes(data.read_bytes().replace(find.encode(), replace.encode()))


@pytest.fixture
def rolled_back(models: Path) -> str:
    """The version of timedistance that is live after a rollback; a newer one, of changed data, is there."""
    first = live_version(models)
    change_data(models, "55,32", "75,32")
    update("timedistance")
    assert live_version(models) != first
    runscript("versions_lm", "timedistance", "--rollback")
    return first


def test_a_rollback_holds(models: Path, client: Client, rolled_back: str, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    for _ in range(2):
        runscript("update_lm")
        output = capsys.readouterr().out
        assert f"timedistance: version {rolled_back} is live by --activate" in output
        assert "nothing new is made, --force trains anew" in output
        assert client.get("/lm/api/predict/29.5").json() == 47.736486
    assert live_version(models) == rolled_back


def test_a_rollback_holds_until_the_data_change(models: Path, rolled_back: str) -> None:
    change_data(models, "75,32", "58,32")
    assert update("timedistance")
    assert live_version(models) != rolled_back


def test_a_rollback_holds_until_model_toml_changes(models: Path, rolled_back: str) -> None:
    toml = models / "timedistance" / "model.toml"
    toml.write_text(toml.read_text().replace("Time by", "The time by"))
    assert update("timedistance")
    assert live_version(models) != rolled_back


def test_a_rollback_holds_until_it_is_forced(models: Path, rolled_back: str) -> None:
    assert update("timedistance", force=True)
    assert live_version(models) != rolled_back


def test_data_that_go_back_to_those_of_the_live_version_change_nothing(models: Path, rolled_back: str) -> None:
    change_data(models, "75,32", "55,32")
    assert update("timedistance") is None
    assert live_version(models) == rolled_back


def test_a_rollback_holds_where_the_newest_version_is_damaged(models: Path, rolled_back: str) -> None:
    newest = sorted((models / "timedistance" / "versions").iterdir())[-1]
    (newest / "model_info.json").unlink()
    change_data(models, "75,32", "55,32")
    assert update("timedistance") is None


def test_a_lost_pointer_is_mended(models: Path) -> None:
    (models / "timedistance" / "live").unlink()
    assert update("timedistance")
    assert live_version(models)


def test_versions_of_an_older_release_are_not_trained_anew(models: Path) -> None:
    folder = models / "timedistance" / "versions" / live_version(models)
    manifest = json.loads((folder / "manifest.json").read_text())
    for key in ("subset", "ordered", "contrasts", "na", "sheet"):
        del manifest["recipe"][key]
    info = json.loads((folder / "model_info.json").read_text())
    del manifest["data"], info["rows"]
    (folder / "model_info.json").write_text(json.dumps(info))
    manifest["files"]["model_info.json"] = hashlib.sha256((folder / "model_info.json").read_bytes()).hexdigest()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    runscript("versions_lm", "timedistance", "--sign")
    assert update("timedistance") is None
    report = update("timedistance", dry_run=True, force=True)
    assert report
    assert ("rows left out", "0 of 10", "0 of 10") in report.comparison.rows
