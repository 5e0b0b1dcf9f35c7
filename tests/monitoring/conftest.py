"""Models that are trained once, and only read by the tests."""

from pathlib import Path

import pytest
from django.test import override_settings
from pytest_django import Settings

from tests.conftest import runscript
from tests.monitoring.made import FORMULA, sample, write_csv

ROWS = {"few": 400, "many": 3000}


@pytest.fixture(scope="session")
def made_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    with override_settings(LM_MODELS_DIR=folder):
        for name, count in ROWS.items():
            data = write_csv(folder / f"{name}.csv", sample(count, seed=1))
            runscript("update_lm", name, "--data", str(data), "--formula", FORMULA, "--quiet")
    return folder


@pytest.fixture
def made(made_models: Path, settings: Settings) -> Path:
    """The folder of the models few and many; not to be changed."""
    settings.LM_MODELS_DIR = made_models
    return made_models
