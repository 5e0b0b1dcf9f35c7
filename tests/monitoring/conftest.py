"""Models that are trained once, and only read by the tests; and the prediction log of this process."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.test import override_settings
from pytest_django import Settings

from lm_app.measured import dropped
from lm_app.monitoring import prediction_log
from lm_app.monitoring.log_reader import LogTable, read_log
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


@pytest.fixture
def log(tmp_path: Path, settings: Settings) -> Iterator[Path]:
    """The folder of the log, which is on."""
    folder = tmp_path / "log"
    folder.mkdir()
    settings.LM_PREDICTION_LOG = str(folder)
    yield folder
    end_log()


Logged = Callable[..., LogTable]


@pytest.fixture
def logged(log: Path) -> Logged:
    """What is logged by now; the log begins anew."""

    def read(model: str = "timedistance") -> LogTable:
        end_log()
        return read_log(log, model)

    return read


def end_log() -> None:
    if prediction_log._log:
        prediction_log._log.end()
    prediction_log._log = None


@pytest.fixture
def left_out() -> Iterator[list[int]]:
    """How many requests the log leaves out, each time."""
    counts: list[int] = []
    dropped.append(counts.append)
    yield counts
    dropped.pop()
