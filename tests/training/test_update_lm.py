"""Versions: made, compared, kept, switched, verified, signed."""

import io
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from lm_app.errors import TrainingError
from lm_app.store.folder import ModelFolder
from lm_app.store.publish import activate
from lm_app.training.update import update
from tests.conftest import ROOT, live_version, refusal, runscript


def retrain(models: Path, find: str, replace: str) -> str:
    """Change the data of timedistance, and train it; returns the new version."""
    data = models / "timedistance" / "timedistance.csv"
    data.write_text(data.read_text().replace(find, replace))
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
    assert set(manifest["files"]) == {file.name for file in folder.iterdir()} - {"manifest.json"}
    assert set(manifest["built_with"]) == {"r_version", "rpy2_version"}


def test_nothing_new_is_made_where_nothing_has_changed(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = live_version(models)
    runscript("update_lm", "timedistance")
    assert "nothing new is made" in capsys.readouterr().out
    assert live_version(models) == before
    runscript("update_lm", "timedistance", "--force")
    assert live_version(models) != before
    toml = models / "timedistance" / "model.toml"
    toml.write_text(toml.read_text().replace("Time by distance", "How long it takes"))
    runscript("update_lm", "timedistance")
    assert (
        "How long it takes"
        in (models / "timedistance" / "versions" / live_version(models) / "MODEL_CARD.md").read_text()
    )


def test_dry_run_publishes_nothing(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = live_version(models)
    runscript("update_lm", "timedistance", "--formula", "time ~ poly(distance, 2)", "--dry-run")
    output = capsys.readouterr().out
    assert "time ~ poly(distance, 2)" in output
    assert "nothing was published" in output
    assert live_version(models) == before
    assert len(ModelFolder(models / "timedistance").versions()) == 1


def test_old_versions_beyond_keep_are_removed(models: Path) -> None:
    toml = models / "timedistance" / "model.toml"
    toml.write_text(toml.read_text() + "keep = 3\n")
    made = [live_version(models)]
    for _ in range(5):
        update("timedistance", force=True)
        made.append(live_version(models))
    assert [version.name for version in ModelFolder(models / "timedistance").versions()] == made[-3:]
    assert not list((models / "timedistance" / "versions").glob(".*"))


def test_quiet_prints_nothing(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runscript("update_lm", "timedistance", "--force", "--quiet")
    assert capsys.readouterr() == ("", "")


def test_progress_and_steps_are_plain_lines_where_there_is_no_terminal(
    models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runscript("update_lm", "mtcars", "--force", "--verbose")
    output = capsys.readouterr().out
    assert re.search("^reading mtcars.csv\nfitting mpg ~ . to 32 observations\nStart:  AIC=", output, re.MULTILINE)
    assert "\x1b[" not in output


def test_progress_on_a_terminal_shows_elapsed_time_and_steps(
    models: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm-256color")
    runscript("update_lm", "mtcars", "--force", "--verbose")
    output = capsys.readouterr().out
    assert re.search(r"Step:  AIC=", output)
    assert re.search(r"0:00:0\d", output)


def test_stepwise_keeps_what_r_keeps_and_tells_its_steps(models: Path, client: Client) -> None:
    script = """
    d <- read.csv("extra_files/mtcars/mtcars.csv"); d$am <- factor(d$am)
    m <- step(lm(mpg ~ ., d), direction = "both")
    """
    done = subprocess.run(["Rscript", "-e", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert client.get("/lm/api/models/mtcars/key/formula").json() == "mpg ~ wt + qsec + am"
    assert client.get("/lm/api/models/mtcars/key/steps").json() == done.stdout.rstrip("\n").split("\n")


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_other_directions_of_stepwise(models: Path, client: Client, direction: str) -> None:
    runscript("update_lm", "mtcars", "--stepwise", direction, "--force")
    formula = client.get("/lm/api/models/mtcars/key/formula").json()
    data = 'd <- read.csv("extra_files/mtcars/mtcars.csv"); d$am <- factor(d$am)'
    fit = {
        "forward": "step(lm(mpg ~ 1, d), scope = formula(lm(mpg ~ ., d)), direction = 'forward', trace = 0)",
        "backward": "step(lm(mpg ~ ., d), direction = 'backward', trace = 0)",
    }[direction]
    done = subprocess.run(
        ["Rscript", "-e", f"{data}; cat(deparse1(formula({fit})))"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert formula == done.stdout


def test_stepwise_that_drops_everything_is_refused(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "1,1\n1.1,2\n0.9,3\n1.1,4\n1,5\n0.9,6\n1.2,7\n1,8\n"
    (models / "timedistance" / "timedistance.csv").write_text("time,distance\n" + rows)
    assert "stepwise selection dropped every predictor" in refusal(
        capsys, "update_lm", "timedistance", "--stepwise", "both", "--force"
    )


# The gate


def test_a_worse_model_is_not_published_without_force(
    models: Path, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    before = client.get("/lm/api/predict?distance=29.5").content
    poor = ["timedistance", "--formula", "time ~ sin(100 * distance)"]
    error = refusal(capsys, "update_lm", *poor)
    assert re.search(
        r"its PRESS RMSE of \S+ is more than 5% above the live version's 7.56076; publish .* --force", error
    )
    assert client.get("/lm/api/predict?distance=29.5").content == before
    runscript("update_lm", *poor, "--force")
    assert client.get("/lm/api/predict?distance=29.5").content != before
    runscript("versions_lm", "timedistance", "--rollback")
    assert client.get("/lm/api/predict?distance=29.5").content == before


BREAKING = {
    "mpg ~ hp + am": "it needs more predictors: hp",
    "mpg ~ wt + qsec": "it no longer takes the predictors: am",
    "log(mpg) ~ wt + qsec + am": "the response is log(mpg), and was mpg",
}


@pytest.mark.parametrize("formula", BREAKING)
def test_a_breaking_change_is_not_published_without_force(
    models: Path, capsys: pytest.CaptureFixture[str], formula: str
) -> None:
    words = ["mtcars", "--formula", formula, "--stepwise", "none"]
    assert BREAKING[formula] in refusal(capsys, "update_lm", *words)
    runscript("update_lm", *words, "--force")


def test_a_changed_type_or_a_lost_level_is_breaking(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, toml = models / "mtcars" / "mtcars.csv", models / "mtcars" / "model.toml"
    fixed = toml.read_text().replace("mpg ~ .", "mpg ~ wt + qsec + am").replace('stepwise = "both"', "")
    toml.write_text(fixed.replace('["automatic", "manual"]', "[]"))
    data.write_text(data.read_text().replace("manual", "stick"))
    assert "am no longer has the levels manual" in refusal(capsys, "update_lm", "mtcars")
    data.write_text(data.read_text().replace("stick", "1").replace("automatic", "0"))
    toml.write_text(fixed.replace("[factors]", "").replace('am = ["automatic", "manual"]', ""))
    assert "am is numeric, and was factor" in refusal(capsys, "update_lm", "mtcars")


def test_a_fit_of_deficient_rank_is_not_published_without_force(
    models: Path, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["timedistance", "--formula", "time ~ distance + I(2 * distance)"]
    assert "these terms are aliased with others: I(2 * distance)" in refusal(capsys, "update_lm", *words)
    runscript("update_lm", *words, "--force")
    answer = client.get("/lm/api/predict?distance=29.5").json()
    assert answer["fit"] == pytest.approx(47.7364864864865)
    assert "rank-deficient" in answer["warnings"][0]


def test_a_live_formula_that_new_data_cannot_fit_is_not_compared(models: Path) -> None:
    folder = models / "timedistance"
    (folder / "timedistance.csv").write_text("time,far\n1,2\n4,3\n5,6\n7,8\n9,9\n")
    (folder / "model.toml").write_text((folder / "model.toml").read_text().replace("~ distance", "~ far"))
    report = update("timedistance", force=True)
    assert report
    assert ("PRESS RMSE, same data", "-", "1.38653") in report.comparison.rows


# Data of many kinds

KINDS = {
    "semicolons": ("time;distance\n15,5;8\n20;6,25\n20;15\n40;20\n50;25,5\n", []),
    "semicolons and dots": ("time;distance\n15.5;8\n20;6.25\n20;15\n40;20\n50;25.5\n", []),
    "byte-order mark": ("\ufefftime,distance\n15.5,8\n20,6.25\n20,15\n40,20\n50,25.5\n", []),
    "tabs": ("time\tdistance\n15.5\t8\n20\t6.25\n20\t15\n40\t20\n50\t25.5\n", ["--sep", "\t"]),
    "bars and commas": ("time|distance\n15,5|8\n20|6,25\n20|15\n40|20\n50|25,5\n", ["--sep", "|", "--dec", ","]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_csv_of_many_kinds(models: Path, tmp_path: Path, client: Client, kind: str) -> None:
    text, options = KINDS[kind]
    (tmp_path / "new.csv").write_text(text, encoding="utf-8")
    runscript("update_lm", "timedistance", "--data", str(tmp_path / "new.csv"), *options, "--force")
    assert client.get("/lm/api/key/time_values").json() == [15.5, 20, 20, 40, 50]
    assert client.get("/lm/api/key/distance_values").json() == [8, 6.25, 15, 20, 25.5]


def test_encoding_and_na_strings(
    models: Path, tmp_path: Path, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "new.csv").write_bytes("größe,weg\n1,2\n3,5\n4,6\n9,8\n".encode("latin1"))
    data = ["--data", str(tmp_path / "new.csv"), "--formula", "größe ~ weg"]
    runscript("update_lm", "new", *data, "--encoding", "latin1")
    assert client.get("/lm/api/models/new/key/größe_values").json() == [1, 3, 4, 9]
    assert "there is no encoding 'klingon'" in refusal(capsys, "update_lm", "other", *data, "--encoding", "klingon")
    (tmp_path / "new.csv").write_text("y,x\n1,2\n3,?\n4,6\n9,8\n")
    data = ["--data", str(tmp_path / "new.csv"), "--formula", "y ~ x"]
    assert "row 2: the value is missing" in refusal(capsys, "update_lm", "other", *data, "--na", "?", "--na", "NA")


def test_a_new_model_is_made_from_data_and_formula(
    models: Path, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin = io.TextIOWrapper(io.BytesIO(b"dist;speed\n2;4\n10;4,5\n4;7\n22;7,5\n16;8\n"))
    monkeypatch.setattr(sys, "stdin", stdin)
    runscript("update_lm", "cars", "--data", "-", "--formula", "dist ~ speed", "--stepwise", "none", "--sep", ";")
    assert client.get("/lm/api/models/cars/predict?speed=4.5").status_code == 200
    toml = (models / "cars" / "model.toml").read_text()
    assert toml == (
        'title = "cars"\ndata = "data.csv"\nformula = "dist ~ speed"\nstepwise = "none"\n\n'
        "# There may be more here, see docs/train.md: "
        "description, sheet, weights, subset, [factors], ordered, [contrasts], na, [units], keep\n\n"
        '[csv]\nsep = ";"\n'
    )
    runscript("update_lm", "cars", "--force")  # its folder is all it needs


def test_a_new_model_that_cannot_be_trained_leaves_no_folder(
    models: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "new.csv").write_text("y,x\n1,2\n3,text\n")
    data = ["--data", str(tmp_path / "new.csv"), "--formula", "y ~ x"]
    assert "'text' is not a number" in refusal(capsys, "update_lm", "new", *data)
    assert "can't be a model's name" in refusal(capsys, "update_lm", "../new", *data)
    assert "No such file" in refusal(capsys, "update_lm", "new", "--data", "/nowhere.csv", "--formula", "y ~ x")
    assert not (models / "new").exists()


def test_data_that_do_not_exist(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    error = refusal(capsys, "update_lm", "timedistance", "--data", "/nowhere.csv")
    assert "data file '/nowhere.csv' does not exist" in error


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--formula", "y ~ x"], "are for one model: name it"),
        (["a", "b", "--data", "x"], "are for one model: name it"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
        (["timedistance", "--stepwise", "sideways"], "invalid choice: 'sideways'"),
        (["timedistance", "--sep", "ab"], '--sep: "ab" is not allowed; it must be one character, or tab'),
    ],
)
def test_bad_arguments_are_one_line(
    models: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert message in refusal(capsys, "update_lm", *words)


def test_options_follow_script_args_on_the_command_line(models: Path) -> None:
    def manage(*words: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "LM_MODELS_DIR": str(models)}
        command = [sys.executable, "manage.py", "runscript", *words]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)

    assert "--dry-run" in manage("update_lm", "--script-args", "--help").stdout
    done = manage("update_lm", "--script-args", "timedistance", "--formula", "time ~ log(distance)", "--dry-run")
    assert "lm(formula = time ~ log(distance), data = data)" in done.stdout
    assert manage("versions_lm", "--script-args", "timedistance", "--verify").returncode == 0
    assert manage("update_lm", "--script-args", "nope").returncode == 1


def test_many_observations_are_summarised(models: Path, client: Client) -> None:
    rows = "".join(f"{i % 7 + i},{i},{'ab'[i % 2]}\n" for i in range(1500))
    folder = models / "timedistance"
    (folder / "timedistance.csv").write_text("time,distance,kind\n" + rows)
    toml = (folder / "model.toml").read_text().replace("~ distance", "~ distance + kind")
    (folder / "model.toml").write_text(toml + "[factors]\nkind = []\n")
    update("timedistance", force=True)
    info = {key: client.get(f"/lm/api/key/{key}").json() for key in ("distance_values", "kind_values", "observations")}
    assert info["distance_values"]["n"] == 1500
    assert (info["distance_values"]["min"], info["distance_values"]["max"]) == (0, 1499)
    assert info["kind_values"] == {"n": 1500, "counts": {"a": 750, "b": 750}}
    assert info["observations"] == {"n": 1500, "first": [[i % 7 + i, i, "ab"[i % 2]] for i in range(10)]}
    assert client.get("/lm/api/key/complete_up_to").json() == 1000
    version = folder / "versions" / live_version(models)
    assert sum(file.stat().st_size for file in version.iterdir() if file.suffix != ".svg") < 20_000
    assert all(file.stat().st_size < 1_000_000 for file in version.glob("*.svg"))


# Pictures and the card


def test_plots_are_served_as_svg(models: Path, client: Client) -> None:
    for model in ("timedistance", "mtcars"):
        for name in ("fit", "residuals_vs_fitted", "normal_qq", "scale_location", "residuals_vs_leverage"):
            answer = client.get(f"/lm/api/models/{model}/plots/{name}.svg")
            assert answer["Content-Type"] == "image/svg+xml"
            assert answer.content.startswith(b"<?xml")
            assert answer.content.rstrip().endswith(b"</svg>")
            assert client.get(answer.request["PATH_INFO"], headers={"If-None-Match": answer["ETag"]}).status_code == 304
    answer = client.get("/lm/api/plots/nope.svg")
    assert (answer.status_code, "residuals_vs_leverage" in answer.json()["detail"]) == (404, True)


@pytest.mark.parametrize("damage", [b"rubbish", None])
def test_a_damaged_plot_is_503(models: Path, client: Client, damage: bytes | None) -> None:
    file = models / "timedistance" / "versions" / live_version(models) / "fit.svg"
    file.unlink() if damage is None else file.write_bytes(damage)
    answer = client.get("/lm/api/plots/fit.svg")
    assert (answer.status_code, answer["Content-Type"]) == (503, "application/problem+json")
    assert client.get("/lm/api/predict/29.5").json() == 47.736486


def test_model_card_tells_what_r_says(models: Path) -> None:
    card = (models / "mtcars" / "versions" / live_version(models, "mtcars") / "MODEL_CARD.md").read_text()
    script = """
    mtcars$am <- factor(mtcars$am); m <- lm(mpg ~ wt + qsec + am, mtcars)
    cat(sprintf("%.4f", c(shapiro.test(residuals(m))$p.value, max(cooks.distance(m)))))
    """
    done = subprocess.run(["Rscript", "-e", script], capture_output=True, text=True, check=True)
    normality, cook = done.stdout.split()
    assert f"p = {normality}" in card
    assert f"row 17 ({cook})" in card
    assert "Some" not in card
    assert "{%" not in card
    for part in ("Purpose", "Data", "Formula", "Accuracy", "Residuals", "Limitations"):
        assert f"\n## {part}\n" in card


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


def test_verify_checks_every_file(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runscript("versions_lm", "timedistance", "--verify")
    assert "files verified" in capsys.readouterr().out
    (models / "timedistance" / "versions" / live_version(models) / "fit.svg").write_bytes(b"x")
    assert "fit.svg is not what training wrote" in refusal(capsys, "versions_lm", "timedistance", "--verify")


# Trust


def test_with_a_signing_key_only_signed_versions_are_served(
    models: Path, client: Client, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.LM_SIGNING_KEY = "secret"
    assert client.get("/lm/api/predict/29.5").status_code == 503
    assert "it is not signed with LM_SIGNING_KEY" in caplog.text
    update("timedistance")
    assert client.get("/lm/api/predict/29.5").json() == 47.736486
    version = models / "timedistance" / "versions" / live_version(models)
    manifest = (version / "manifest.json").read_text()
    (version / "manifest.json").write_text(manifest.replace("time ~ distance", "time ~ distance "))
    assert client.get("/lm/api/predict/29.5").json() == 47.736486
    assert "or was changed since" in caplog.text


def test_a_version_of_another_model_is_refused(models: Path) -> None:
    version = live_version(models, "mtcars")
    (models / "mtcars" / "versions" / version).rename(models / "timedistance" / "versions" / version)
    with pytest.raises(TrainingError, match="its manifest is that of another version"):
        activate(ModelFolder(models / "timedistance"), version)
