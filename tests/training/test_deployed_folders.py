"""What becomes of a deployed model: trained again, with other data, without its proof, and back."""

import json
import subprocess
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from tests.conftest import ROOT, live_file, live_version, refusal, runscript

DEPLOY = 'source("contrib/lm.R"); fit <- lm(dist ~ speed, cars); to <- commandArgs(TRUE)[1]; '
WITH_DATA, WITHOUT = 'deploy_lm(fit, "cars", to)', 'deploy_lm(fit, "cars", to, data = FALSE)'


def deploy(folder: Path, *calls: str) -> None:
    command = ["Rscript", "--vanilla", "-e", DEPLOY + "; ".join(calls), str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """cars, with its data and without."""
    folder = tmp_path_factory.mktemp("both")
    (folder / "with").mkdir()
    (folder / "without").mkdir()
    deploy(folder, 'to <- file.path(to, "with")', WITH_DATA, 'to <- sub("with$", "without", to)', WITHOUT)
    return folder


@pytest.fixture
def folder(tmp_path: Path, settings: Settings) -> Path:
    settings.LM_MODELS_DIR = tmp_path
    (tmp_path / "cars").mkdir()
    return tmp_path


def put(both: Path, kind: str, folder: Path) -> None:
    """As deploy_lm() does in a folder that has a model of its own."""
    for file in ("data.csv", "fitted.json"):
        (folder / "cars" / file).unlink(missing_ok=True)
    for path in (both / kind / "cars").iterdir():
        (folder / "cars" / path.name).write_bytes(path.read_bytes())


def test_a_deployed_model_says_where_it_was_fitted(
    both: Path, folder: Path, capsys: pytest.CaptureFixture[str], client: Client
) -> None:
    put(both, "with", folder)
    runscript("update_lm", "cars")
    origin = client.get("/lm/api/models/cars").json()["origin"]
    assert origin.startswith("fitted in R ")
    assert origin in capsys.readouterr().out
    assert origin in live_file(folder, "MODEL_CARD.md", "cars").read_text()
    assert json.loads(live_file(folder, "manifest.json", "cars").read_text())["origin"] == origin
    assert client.get("/lm/api/models/cars/key/origin").json() == origin


def test_without_data_there_is_what_needs_none(
    both: Path, folder: Path, capsys: pytest.CaptureFixture[str], client: Client
) -> None:
    put(both, "without", folder)
    runscript("update_lm", "cars")
    card = client.get("/lm/api/models/cars").json()
    assert card["origin"].startswith("fitted elsewhere, in R ")
    assert (card["n"], card["df_residual"], card["r_squared"], card["press_rmse"]) == (50, 48, None, None)
    assert card["coefficients"][1]["p_value"] == pytest.approx(1.489836e-12)
    assert card["predictors"] == [{"name": "speed", "type": "numeric", "unit": None, "min": 4, "max": 25}]
    keys = client.get("/lm/api/models/cars/list_keys").json()
    assert not {"residuals", "fitted_values", "diagnostics", "observations", "rows"} & set(keys)
    assert client.get("/lm/api/models/cars/key/residuals").status_code == 404
    assert client.get("/lm/api/models/cars/plots/fit.svg").status_code == 404
    lacking = client.get("/lm/api/models/cars/diagnostics")
    assert (lacking.status_code, "its data are elsewhere" in lacking.json()["detail"]) == (404, True)
    assert "The data are elsewhere, and with them the residuals." in client.get("/lm?model=cars").text
    for page in ("/lm", "/lm/api/openapi.json", "/lm/api/models/cars/prototype"):
        assert client.get(page).status_code == 200
    text = live_file(folder, "MODEL_CARD.md", "cars").read_text()
    assert "Residuals" not in text
    assert "The data themselves are elsewhere" in text
    assert text.count("not known without the data") == 2
    capsys.readouterr()
    runscript("versions_lm", "cars")
    runscript("versions_lm", "cars", "--verify")
    assert "fitted.json (50 rows)" in capsys.readouterr().out


def test_it_is_trained_again_where_its_files_change(
    both: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(both, "with", folder)
    runscript("update_lm", "cars")
    first = live_version(folder, "cars")
    put(both, "with", folder)
    runscript("update_lm", "cars")
    assert live_version(folder, "cars") == first
    put(both, "without", folder)
    runscript("update_lm", "cars")
    second = live_version(folder, "cars")
    assert first != second
    assert "the PRESS RMSE was not compared: the candidate is without its data" in capsys.readouterr().out
    put(both, "with", folder)
    assert "go back" in refusal(capsys, "update_lm", "cars")
    runscript("update_lm", "cars", "--force")
    assert live_version(folder, "cars") != second


def test_changed_data_need_a_word(both: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(both, "with", folder)
    runscript("update_lm", "cars")
    first = live_version(folder, "cars")
    data = folder / "cars" / "data.csv"
    data.write_text(data.read_text() + "60,30\n")
    error = refusal(capsys, "update_lm", "cars")
    assert "data.csv is not the file that fitted.json was made with" in error
    assert "remove fitted.json" in error
    assert live_version(folder, "cars") == first
    (folder / "cars" / "fitted.json").unlink()
    runscript("update_lm", "cars")
    assert live_version(folder, "cars") != first


def test_another_formula_needs_a_word(both: Path, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(both, "with", folder)
    error = refusal(capsys, "update_lm", "cars", "--formula", "dist ~ poly(speed, 2)")
    assert "its coefficients are (Intercept), speed, and here (Intercept), poly(speed, 2)1" in error
    assert "remove fitted.json" in error


def test_another_title_needs_none(both: Path, folder: Path) -> None:
    put(both, "with", folder)
    runscript("update_lm", "cars", "--title", "Braking")
    assert live_version(folder, "cars")


def test_other_data_of_one_training_are_not_compared(
    both: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other.csv"
    other.write_text((both / "with" / "cars" / "data.csv").read_text() + "60,30\n")
    put(both, "with", folder)
    runscript("update_lm", "cars", "--data", str(other))
    assert "origin" not in json.loads(live_file(folder, "model_info.json", "cars").read_text())
    assert (folder / "cars" / "fitted.json").exists()
    runscript("update_lm", "cars", "--data", str(other), "--keep-data")
    assert not (folder / "cars" / "fitted.json").exists()
    runscript("update_lm", "cars")


def test_a_model_without_data_takes_some(
    both: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(both, "without", folder)
    runscript("update_lm", "cars")
    data = both / "with" / "cars" / "data.csv"
    assert "data.csv is no .json" in refusal(capsys, "update_lm", "cars", "--data", str(data), "--keep-data")
    runscript("update_lm", "cars", "--data", str(data))
    info = json.loads(live_file(folder, "model_info.json", "cars").read_text())
    assert info["rows"]["read"] == 50


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (["--formula", "dist ~ speed + 0"], "without data it can't be another"),
        (["--weights", "speed"], "weights: without data, there is nothing to fit"),
        (["--units", "sped=mph"], "did you mean 'speed'?"),
    ],
)
def test_without_data_there_is_nothing_to_fit(
    option: list[str], message: str, both: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(both, "without", folder)
    assert message in refusal(capsys, "update_lm", "cars", *option)


def test_a_model_without_data_has_none_beside_them(
    both: Path, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(both, "without", folder)
    toml = folder / "cars" / "model.toml"
    toml.write_text(toml.read_text().replace("fitted.json", "data.csv"))
    (folder / "cars" / "data.csv").write_text("dist,speed\n1,2\n")
    assert "data.csv is not the file that fitted.json was made with" in refusal(capsys, "update_lm", "cars")
    toml.write_text(toml.read_text().replace("data.csv", "fitted.json"))
    (folder / "cars" / "fitted.json").unlink()
    assert "No such file or directory" in refusal(capsys, "update_lm", "cars")
