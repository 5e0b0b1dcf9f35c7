"""How a version is loaded: what proves the fast path, and what shows that R answers otherwise."""

import hashlib
import json
import pickle
import shutil
import time
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings
from rpy2 import rinterface

from lm_app.engine import runtime
from lm_app.store.live import live_models
from lm_app.training.update import update
from tests.conftest import ROOT, live_file

OF_1_0_0 = ROOT / "tests" / "golden" / "versions-1.0.0"


def change_lm(models: Path, change: str, name: str = "timedistance") -> None:
    """Change the stored lm by R code, as if another R had trained it."""
    file = live_file(models, "modelr.pickle", name)

    def changed() -> bytes:
        model = pickle.loads(file.read_bytes())
        return pickle.dumps(rinterface.evalr(f"function(model) {{ {change}; model }}")(model))

    content = runtime.in_r(changed)
    file.write_bytes(content)
    manifest = live_file(models, "manifest.json", name)
    stored = json.loads(manifest.read_text())
    stored["files"]["modelr.pickle"] = hashlib.sha256(content).hexdigest()
    manifest.write_text(json.dumps(stored))


@pytest.mark.parametrize("name", ["timedistance", "mtcars", "logical"])
def test_versions_of_1_0_0_are_served_bit_for_bit(
    name: str, tmp_path: Path, settings: Settings, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    settings.LM_MODELS_DIR = shutil.copytree(OF_1_0_0, tmp_path / "models")
    asked = json.loads((OF_1_0_0 / name / "answers.json").read_text())
    for interval, expected in asked["answers"].items():
        url = f"/lm/api/models/{name}/predict"
        answer = client.post(
            f"{url}?level=0.9&interval={interval}", asked["columns"], content_type="application/json"
        ).json()
        assert answer["predictions"] == expected
        first = {predictor: values[0] for predictor, values in asked["columns"].items()}
        one = client.get(url, {**first, "level": "0.9", "interval": interval}).json()
        assert {key: one[key] for key in expected} == {key: values[0] for key, values in expected.items()}
    assert caplog.text == ""


def test_an_r_that_answers_otherwise_is_told_and_predict_answers(
    models: Path, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    right = client.get("/lm/api/predict?distance=29.5&interval=prediction").json()
    change_lm(
        models,
        "model$proof$answers$none[1] <- model$proof$answers$none[1] * (1 + 1e-12);"
        'model$proof$r_version <- "3.9.9"; model$proof$blas <- "libother.so"',
    )
    answer = client.get("/lm/api/predict?distance=29.5&interval=prediction").json()
    assert answer == right
    [line] = [record.getMessage() for record in caplog.records]
    assert "this R answers otherwise than the one that trained (R 3.9.9, BLAS libother.so; here R " in line
    assert 0 < float(line.rpartition(" ")[2]) < 1.1e-12


def test_an_inverse_that_another_r_computed_is_computed_anew(
    models: Path, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    right = client.get("/lm/api/predict?distance=29.5&interval=prediction").json()
    change_lm(models, "model$r_inverse <- model$r_inverse * (1 + 1e-9)")
    assert client.get("/lm/api/predict?distance=29.5&interval=prediction").json() == right
    assert caplog.text == ""


def test_a_proof_of_another_fast_path_is_made_anew(
    models: Path, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    right = client.get("/lm/api/predict?distance=29.5").json()
    change_lm(models, "model$proof$fast_path <- 0L; model$proof$answers <- NULL")
    assert client.get("/lm/api/predict?distance=29.5").json() == right
    assert caplog.text == ""


def test_a_model_of_many_levels_is_loaded_at_once(models: Path, client: Client) -> None:
    """Version 1.0.0 took 95 s for 400 levels, all of it while no other model could answer."""
    folder = models / "timedistance"
    rows = [f"{i % 7},g{i % 400},{i % 11}" for i in range(1200)]
    (folder / "timedistance.csv").write_text("\n".join(["y,g,x", *rows]))
    (folder / "model.toml").write_text(
        'title = "t"\ndata = "timedistance.csv"\nformula = "y ~ g + x"\n[factors]\ng = []\n'
    )
    update("timedistance", force=True)
    begin = time.process_time()
    client.get("/lm/api")
    assert time.process_time() - begin < 1


def test_many_models_are_loaded_in_a_moment(models: Path) -> None:
    for number in range(50):
        shutil.copytree(models / "heightweight", models / f"copy{number}")
        manifest = live_file(models, "manifest.json", f"copy{number}")
        manifest.write_text(manifest.read_text().replace('"model": "heightweight"', f'"model": "copy{number}"'))
    begin = time.process_time()
    assert None not in live_models().values()
    assert time.process_time() - begin < 5
