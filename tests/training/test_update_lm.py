"""manage.py runscript update_lm: its arguments, its output, stepwise selection and new models."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client

from lm_app.store.folder import ModelFolder
from tests.conftest import ROOT, change_data, live_file, live_version, refusal, rscript, runscript, write_model

pytestmark = pytest.mark.usefixtures("models")

# One model, and all


def test_update_lm_trains_all_models_and_says_what_it_wrote(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runscript("update_lm", "--force")
    output = capsys.readouterr().out
    for name in ("timedistance", "heightweight"):
        version = live_version(models, name)
        for file in ("modelr.pickle", "model_info.json", "manifest.json", "MODEL_CARD.md", "fit.svg", "normal_qq.svg"):
            assert f"{name}: wrote {models}/{name}/versions/{version}/{file}\n" in output
            assert (models / name / "versions" / version / file).is_file()
    assert "Residual standard error: 6.719 on 8 degrees of freedom" in output


def test_update_lm_trains_the_named_model_only(models: Path) -> None:
    before = live_version(models, "heightweight")
    runscript("update_lm", "timedistance", "--force")
    assert live_version(models, "heightweight") == before
    assert len(list((models / "timedistance" / "versions").iterdir())) == 2


def test_update_lm_is_served_at_once(models: Path, client: Client) -> None:
    assert client.get("/lm/api/predict/29.5").json() == 47.736486
    change_data(models, "55,32", "75,32")
    assert client.get("/lm/api/predict/29.5").json() == 47.736486
    runscript("update_lm", "timedistance")
    assert client.get("/lm/api/predict/29.5").json() == 54.343366


def test_update_lm_goes_on_after_a_model_that_fails(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (models / "heightweight" / "heightweight.csv").unlink()
    assert "heightweight" in refusal(capsys, "update_lm", "--force")
    assert len(list((models / "timedistance" / "versions").iterdir())) == 2


def test_nothing_new_is_made_where_nothing_has_changed(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = live_version(models)
    runscript("update_lm", "timedistance")
    assert "nothing new is made" in capsys.readouterr().out
    assert live_version(models) == before
    runscript("update_lm", "timedistance", "--force")
    assert live_version(models) != before
    write_model(models, title="How long it takes")
    runscript("update_lm", "timedistance")
    assert "How long it takes" in live_file(models, "MODEL_CARD.md").read_text()


def test_dry_run_publishes_nothing(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = live_version(models)
    runscript("update_lm", "timedistance", "--formula", "time ~ poly(distance, 2)", "--dry-run")
    output = capsys.readouterr().out
    assert "time ~ poly(distance, 2)" in output
    assert "nothing was published" in output
    assert live_version(models) == before
    assert len(ModelFolder(models / "timedistance").versions()) == 1


def test_a_file_that_cannot_be_opened_is_one_line(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (models / "timedistance" / ".lock").unlink(missing_ok=True)
    (models / "timedistance" / ".lock").mkdir()
    assert "Is a directory" in refusal(capsys, "update_lm", "timedistance")


# Arguments


def test_unknown_model_names_the_models(capsys: pytest.CaptureFixture[str]) -> None:
    assert "There is no model 'nope'; there are: heightweight, mtcars, timedistance" in refusal(
        capsys, "update_lm", "nope"
    )


@pytest.mark.parametrize("name", ["../timedistance", "", ".", "a/b"])
def test_a_name_is_no_path(capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert f"There is no model {name!r}" in refusal(capsys, "update_lm", name)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--formula", "y ~ x"], "are for one model: name it"),
        (["a", "b", "--data", "x"], "are for one model: name it"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
        (["timedistance", "--stepwise", "sideways"], "invalid choice: 'sideways'"),
        (["timedistance", "--sep", "ab"], "csv.sep: String should have at most 1 character"),
    ],
)
def test_bad_arguments_are_one_line(capsys: pytest.CaptureFixture[str], words: list[str], message: str) -> None:
    assert message in refusal(capsys, "update_lm", *words)


def test_options_follow_script_args_on_the_command_line(models: Path) -> None:
    def manage(*words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "LM_MODELS_DIR": str(models)}
        command = [sys.executable, "manage.py", "runscript", *words]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    assert "--dry-run" in manage("update_lm", "--script-args", "--help").stdout
    assert "--rollback" in manage("versions_lm", "--help").stdout
    done = manage("update_lm", "--script-args", "timedistance", "--formula", "time ~ log(distance)", "--dry-run")
    assert "lm(formula = time ~ log(distance), data = data)" in done.stdout
    assert manage("versions_lm", "--script-args", "timedistance", "--verify").returncode == 0
    assert manage("update_lm", "--script-args", "nope").returncode == 1


# Output


def test_quiet_prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    runscript("update_lm", "timedistance", "--force", "--quiet")
    assert capsys.readouterr() == ("", "")


def test_progress_and_steps_are_plain_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    runscript("update_lm", "mtcars", "--force")
    output = capsys.readouterr().out
    assert re.search("^reading mtcars.csv\nfitting mpg ~ . to 32 observations\nStart:  AIC=", output, re.MULTILINE)
    assert "\x1b[" not in output


def test_progress_on_a_terminal_shows_elapsed_time_and_steps(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    runscript("update_lm", "mtcars", "--force")
    output = capsys.readouterr().out
    assert re.search(r"Step:  AIC=", output)
    assert re.search(r"0:00:0\d", output)


def test_a_warning_of_r_is_printed(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "".join(f"{2 * i + 1},{i}\n" for i in range(1, 9))
    write_model(models, rows="time,distance\n" + rows)
    runscript("update_lm", "timedistance")
    assert re.search("R warns: essentially perfect fit", capsys.readouterr().out)


# Stepwise selection


def test_stepwise_keeps_what_r_keeps_and_reports_its_steps(client: Client) -> None:
    script = """
    d <- read.csv("extra_files/mtcars/mtcars.csv"); d$am <- factor(d$am)
    m <- step(lm(mpg ~ ., d), direction = "both")
    """
    assert client.get("/lm/api/models/mtcars/key/formula").json() == "mpg ~ wt + qsec + am"
    assert client.get("/lm/api/models/mtcars/key/steps").json() == rscript(script).rstrip("\n").split("\n")


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_other_directions_of_stepwise(client: Client, direction: str) -> None:
    runscript("update_lm", "mtcars", "--stepwise", direction, "--force")
    formula = client.get("/lm/api/models/mtcars/key/formula").json()
    data = 'd <- read.csv("extra_files/mtcars/mtcars.csv"); d$am <- factor(d$am)'
    fit = {
        "forward": "step(lm(mpg ~ 1, d), scope = formula(lm(mpg ~ ., d)), direction = 'forward', trace = 0)",
        "backward": "step(lm(mpg ~ ., d), direction = 'backward', trace = 0)",
    }[direction]
    assert formula == rscript(f"{data}; cat(deparse1(formula({fit})))")


def test_stepwise_that_drops_everything_is_refused(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "1,1\n1.1,2\n0.9,3\n1.1,4\n1,5\n0.9,6\n1.2,7\n1,8\n"
    write_model(models, rows="time,distance\n" + rows)
    assert "stepwise selection dropped every predictor" in refusal(
        capsys, "update_lm", "timedistance", "--stepwise", "both", "--force"
    )


# New models


def test_a_new_model_is_made_from_data_and_formula(
    models: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(b"dist;speed\n2;4\n10;4,5\n4;7\n22;7,5\n16;8\n"))
    monkeypatch.setattr(sys, "stdin", stdin)
    runscript("update_lm", "cars", "--data", "-", "--formula", "dist ~ speed", "--stepwise", "none", "--sep", ";")
    assert client.get("/lm/api/models/cars/predict?speed=4.5").status_code == 200
    toml = (models / "cars" / "model.toml").read_text()
    assert toml == (
        'title = "cars"\ndata = "data.csv"\nformula = "dist ~ speed"\nstepwise = "none"\n\n[csv]\nsep = ";"\n'
    )
    runscript("update_lm", "cars", "--force")  # its folder is all it needs


def test_a_new_model_that_cannot_be_trained_leaves_no_folder(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "new.csv").write_text("y,x\n1,2\n3,text\n")
    data = ["--data", str(tmp_path / "new.csv"), "--formula", "y ~ x"]
    assert "column 'x' has 2 different texts in 2 rows" in refusal(capsys, "update_lm", "new", *data)
    assert "can't be a model's name" in refusal(capsys, "update_lm", "../new", *data)
    assert "No such file" in refusal(capsys, "update_lm", "new", "--data", "/nowhere.csv", "--formula", "y ~ x")
    assert not (models / "new").exists()
