"""Models that R fitted and deploy_lm() wrote: each is served as R's own predict() answers, or it is refused."""

import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from django.test import Client, override_settings
from pytest_django import Settings

from lm_app.training.update import update
from tests.conftest import ROOT, StartServer

SCRIPT = Path(__file__).with_name("deployed.R")
NAMES = re.findall(r'^deploy\("([\w-]+)"', SCRIPT.read_text(), re.MULTILINE)
OF_EACH = [f"{name}{way}" for name in NAMES for way in ("", "-text")]

Answers = dict[str, Any]


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Answers]:
    """The models as R wrote them, and what it predicts by them."""
    folder = tmp_path_factory.mktemp("deployed")
    command = ["Rscript", "--vanilla", str(SCRIPT), str(folder)]
    environment = {**os.environ, "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


@pytest.fixture(scope="module")
def origins(deployed: tuple[Path, Answers]) -> dict[str, str]:
    """What is published of each, trained in this process."""
    origins = {}
    with override_settings(LM_MODELS_DIR=deployed[0]):
        for name in OF_EACH:
            report = update(name)
            assert report and report.version
            origins[name] = report.candidate.trained.info["origin"]
    return origins


@pytest.mark.parametrize("name", OF_EACH)
def test_a_deployed_model_predicts_as_in_r(
    name: str, deployed: tuple[Path, Answers], origins: dict[str, str], client: Client, settings: Settings
) -> None:
    settings.LM_MODELS_DIR, expected = deployed[0], deployed[1][name.removesuffix("-text")]
    how = "fitted elsewhere, in" if name.endswith("-text") else "fitted in"
    assert re.match(rf"{how} R [\d.]+; all coefficients and predictions are the same to the last bit", origins[name])
    columns = expected["rows"]
    records = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    records = records or [{}] * len(expected["none"])
    for interval in ("none", "confidence", "prediction"):
        url = f"/lm/api/models/{name}/predict?interval={interval}&level=0.9"
        answer = client.post(url, json.dumps(records), content_type="application/json").json()
        predictions = answer["predictions"]
        keys = ["fit"] if interval == "none" else ["fit", "lower", "upper"]
        assert [prediction[key] for key in keys for prediction in predictions] == expected[interval]
    answer = client.post(f"/lm/api/models/{name}/predict?se=true&terms=true", json.dumps(records), "application/json")
    predictions = answer.json()["predictions"]
    assert [prediction["se"] for prediction in predictions] == expected["se"]
    labels = predictions[0]["terms"]
    assert [prediction["terms"][label] for label in labels for prediction in predictions] == expected["terms"]
    assert answer.json()["constant"] == expected["constant"]


def test_lm_at_gives_what_the_lm_itself_gives(
    deployed: tuple[Path, Answers], origins: dict[str, str], serve: StartServer
) -> None:
    """All of answers.R, to the last bit: asked.R prints a line for each that is not."""
    folder = deployed[0]
    with serve("gunicorn", LM_MODELS_DIR=str(folder), LM_DEFAULT_MODEL="cars") as server:
        command = ["Rscript", "--vanilla", "tests/training/asked.R", server.url, f"{folder}.rds"]
        environment = {**os.environ, "LC_ALL": "C.UTF-8"}
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{len(OF_EACH)} models asked\n", "")


def test_at_least_forty_models_are_deployed() -> None:
    assert len(NAMES) >= 40
