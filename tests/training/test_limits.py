"""What one training may take: of time and memory, by settings."""

import random
import resource
import signal
import time
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from lm_app.errors import LmError, RError, TrainingError
from lm_app.training.limits import limited
from tests.conftest import live_version, refusal, runscript, write_model
from tests.training.test_command_line import manage


def many_columns(models: Path, columns: int, rows: int, stepwise: str) -> None:
    """A model of random numbers, in place of the shipped one."""
    chance = random.Random(1)
    names = [f"x{i}" for i in range(columns)]
    lines = [",".join(f"{chance.random():.4f}" for _ in range(columns + 1)) for _ in range(rows)]
    write_model(
        models, rows="\n".join([",".join(["time", *names]), *lines]), formula="time ~ .", units=None, stepwise=stepwise
    )


def many_levels(models: Path) -> None:
    """A model matrix of 320 MB, from a few kB of data."""
    rows = "time,g\n" + "".join(f"{i % 7},g{i % 1000}\n" for i in range(40_000))
    write_model(models, rows=rows, formula="time ~ g", units=None)


def test_what_takes_too_long_is_given_up(models: Path) -> None:
    before = live_version(models)
    many_columns(models, 150, 3000, stepwise="both")
    begin = time.monotonic()
    done = manage(
        *("update_lm", "--script-args", "timedistance", "--force"), LM_MODELS_DIR=str(models), LM_TRAINING_SECONDS="2"
    )
    assert time.monotonic() - begin < 15
    assert done.stderr == "update_lm: timedistance: training took longer than LM_TRAINING_SECONDS, 2 s\n"
    assert done.returncode == 1
    assert live_version(models) == before
    assert not list((models / "timedistance" / "versions").glob(".*"))
    again = manage(
        *("update_lm", "--script-args", "mtcars", "--force"), LM_MODELS_DIR=str(models), LM_TRAINING_SECONDS="60"
    )
    assert (again.returncode, again.stderr) == (0, "")


def test_what_needs_too_much_memory_is_given_up_and_others_are_trained(models: Path) -> None:
    before = [live_version(models, name) for name in ("mtcars", "timedistance")]
    many_levels(models)
    done = manage(
        *("update_lm", "--script-args", "timedistance", "mtcars", "--force"),
        LM_MODELS_DIR=str(models),
        LM_TRAINING_BYTES="300000000",
    )
    error = "update_lm: timedistance: training needs more memory than LM_TRAINING_BYTES, 300000000, beside R's own\n"
    assert done.stderr == error
    assert done.returncode == 1
    assert live_version(models) == before[1]
    assert live_version(models, "mtcars") != before[0]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "training needs more memory than LM_TRAINING_BYTES, 1000000000, beside"),
        (
            RError("cannot allocate vector of size 8 Gb"),
            "training needs more memory than LM_TRAINING_BYTES, 1000000000",
        ),
        (TrainingError("no column 'x'"), "^no column 'x'$"),
    ],
)
def test_only_what_is_for_want_of_memory_names_the_setting(settings: Settings, error: Exception, said: str) -> None:
    settings.LM_TRAINING_BYTES = 1_000_000_000
    with pytest.raises(LmError, match=said), limited():
        assert resource.getrlimit(resource.RLIMIT_AS)[0] > settings.LM_TRAINING_BYTES
        raise error


def test_the_limits_end_with_the_training_and_may_be_huge(models: Path, settings: Settings) -> None:
    before = resource.getrlimit(resource.RLIMIT_AS), signal.getsignal(signal.SIGALRM)
    settings.LM_TRAINING_SECONDS = settings.LM_TRAINING_BYTES = 10**30
    runscript("update_lm", "timedistance", "--force", "--quiet")
    assert (resource.getrlimit(resource.RLIMIT_AS), signal.getsignal(signal.SIGALRM)) == before
    assert signal.alarm(0) == 0


def test_a_dry_run_of_a_new_model_is_bounded(
    models: Path, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    settings.LM_TRAINING_BYTES = 300_000_000
    many_levels(models)
    data = str(models / "timedistance" / "timedistance.csv")
    assert "LM_TRAINING_BYTES" in refusal(
        capsys, "update_lm", "new", "--data", data, "--formula", "time ~ g", "--dry-run"
    )


def test_interaction_crosses_no_numbers_that_requests_bring(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_model(models, formula="time ~ interaction(round(distance), abs(distance))")
    assert "cross any number of values" in refusal(capsys, "update_lm", "timedistance", "--force")


def test_interaction_crosses_numbers_of_the_training(models: Path, client: Client) -> None:
    rows = "time,a,b\n" + "".join(f"{i + i % 5},{i % 4},{i % 3}\n" for i in range(40))
    write_model(models, rows=rows, formula="time ~ interaction(a, b)", units=None)
    runscript("update_lm", "timedistance", "--force", "--quiet")
    columns = {"a": [i / 1000 for i in range(3000)], "b": [i / 1500 for i in range(3000)]}
    answer = client.post("/lm/api/predict", columns, content_type="application/json")
    assert answer.status_code == 422
    assert "a is 0.001; it must be one of 0, 1, 2, 3" in answer.json()["detail"]
