"""check_lm: what is asked, and what comes of it, against what a model was trained on."""

import json
import os
import random
import re
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from tests.conftest import ROOT, rscript, runscript, write_model
from tests.monitoring.made import FORMULA, KINDS, Row, sample, write_csv, write_log

Capture = pytest.CaptureFixture[str]
ASKED = {"few": 300, "many": 2500}


def check(*words: str) -> dict[str, Any]:
    """Check, whatever the status is: what --json writes, and the status beside it."""
    file = Path(words[words.index("--json") + 1])
    try:
        runscript("check_lm", *words)
        status = 0
    except SystemExit as ended:
        status = int(str(ended.code))
    found: dict[str, Any] = {"status": status, **json.loads(file.read_text())}
    return found


def failure(capsys: Capture, *words: str) -> tuple[int, str]:
    """The status and the one line on stderr."""
    with pytest.raises(SystemExit) as raised:
        runscript("check_lm", *words)
    error = capsys.readouterr().err
    assert error.startswith("check_lm: ")
    assert error.count("\n") == 1, error
    return int(str(raised.value.code)), error


def test_statuses_and_lines_are_for_a_scheduler(made: Path, tmp_path: Path) -> None:
    log, drifted = write_log(tmp_path / "log", "few", sample(200, seed=3)), tmp_path / "drifted"
    write_log(drifted, "few", sample(200, seed=3, drifted="x"))

    def manage(*words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "manage.py", "runscript", "check_lm", *words],
            cwd=ROOT,
            env={**os.environ, "LM_MODELS_DIR": str(made)},
            capture_output=True,
            text=True,
        )

    within = manage("few", "--log", str(log))
    assert (within.returncode, within.stderr) == (0, "")
    beyond = manage("few", "--log", str(drifted))
    assert beyond.returncode == 1
    assert re.fullmatch(
        r"check_lm: few: beyond the thresholds: x: Kolmogorov-Smirnov p = \S+, below 0.01\n", beyond.stderr
    )
    assert "Kolmogorov-Smirnov" in beyond.stdout
    wrong = manage("--log", str(log))
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert wrong.stderr.startswith("check_lm: the following arguments are required: NAME")


# What is asked


@pytest.mark.parametrize("seed", [10, 11, 12])
@pytest.mark.parametrize("model", ASKED)
def test_what_has_not_drifted_is_within(made: Path, tmp_path: Path, capsys: Capture, model: str, seed: int) -> None:
    runscript("check_lm", model, "--log", str(write_log(tmp_path, model, sample(ASKED[model], seed))))
    shown = capsys.readouterr()
    assert f"{ASKED[model]} rows of {tmp_path}, 2026-11-20 to 2026-11-26" in shown.out
    assert shown.err == ""


@pytest.mark.parametrize("drifted", KINDS)
@pytest.mark.parametrize("model", ASKED)
def test_what_has_drifted_is_beyond(made: Path, tmp_path: Path, capsys: Capture, model: str, drifted: str) -> None:
    log = write_log(tmp_path, model, sample(ASKED[model], seed=7, drifted=drifted))
    status, error = failure(capsys, model, "--log", str(log))
    of_numbers, of_levels = {
        "few": ("Kolmogorov-Smirnov p = ", "chi-squared p = "),
        "many": ("Wasserstein distance ", "Jensen-Shannon distance "),
    }[model]
    assert status == 1
    assert f"beyond the thresholds: {drifted}: {of_levels if drifted in ('kind', 'flag') else of_numbers}" in error
    assert ";" not in error  # no other has


R_STATISTICS = """
trained <- read.csv("{trained}"); asked <- read.csv("{asked}")
number <- function(column, data) {{
  values <- data[[column]]
  seconds <- function() as.numeric(as.POSIXct(values, "UTC", "%Y-%m-%dT%H:%M:%OSZ"))
  switch(column, day = as.numeric(as.Date(values)), at = seconds(), values)
}}
for (column in c("x", "day", "at")) {{
  a <- number(column, asked); b <- number(column, trained)
  at <- sort(c(a, b))
  area <- sum(abs(ecdf(a)(at) - ecdf(b)(at))[-length(at)] * diff(at)) / sd(b)
  test <- suppressWarnings(ks.test(a, b))
  cat(column, test$statistic, test$p.value, area, "\\n")
}}
for (column in c("kind", "flag")) {{
  counts <- table(rep(1:2, c(nrow(asked), nrow(trained))), c(asked[[column]], trained[[column]]))
  test <- chisq.test(counts, correct = FALSE)
  p <- counts[1, ] / nrow(asked); q <- counts[2, ] / nrow(trained); m <- (p + q) / 2
  cat(column, test$statistic, test$p.value, sqrt(sum(p * log(p / m) + q * log(q / m)) / 2), "\\n")
}}
"""


@pytest.mark.parametrize("model", ASKED)
def test_statistics_are_those_of_r(made: Path, tmp_path: Path, model: str) -> None:
    rows = sample(ASKED[model], seed=21, drifted="x")
    log = write_log(tmp_path, model, rows)
    found = check(model, "--log", str(log), "--json", str(tmp_path / "found.json"))
    predictors = found["found"]["predictors"]
    asked = write_csv(tmp_path / "asked.csv", rows)
    expected = {}
    for line in rscript(R_STATISTICS.format(trained=made / f"{model}.csv", asked=asked)).splitlines():
        column, *numbers = line.split()
        expected[column] = [float(number) for number in numbers]
    assert predictors.keys() == expected.keys()
    holm, most = {}, 0.0
    for rank, column in enumerate(sorted(expected, key=lambda column: expected[column][1])):
        most = max(most, min(1.0, (len(expected) - rank) * expected[column][1]))
        holm[column] = most
    for column, (statistic, _, distance) in expected.items():
        of_column = predictors[column]
        if model == "few":
            assert of_column["statistic"] == pytest.approx(statistic, rel=1e-5)
            assert of_column["p_value"] == pytest.approx(holm[column], rel=1e-4)
            assert of_column["distance"] == pytest.approx(distance, rel=1e-5)
        else:  # 1000 quantiles are kept
            assert of_column["statistic"] == pytest.approx(statistic, abs=1e-3)
            assert of_column["distance"] == pytest.approx(distance, abs=2e-3)


def test_distances_of_many_rows_by_chance_alone_are_within(houses: Path, tmp_path: Path) -> None:
    draw = random.Random(4)
    rows = [{"y": draw.gauss(0, 1), "town": f"town {draw.randrange(200)}"} for _ in range(3000)]
    words = ["--data", str(write_csv(tmp_path / "towns.csv", rows[:1500])), "--formula", "y ~ town", "--quiet"]
    runscript("update_lm", "towns", *words)
    log = write_log(tmp_path, "towns", rows[1500:])
    found = check("towns", "--log", str(log), "--json", str(tmp_path / "json"))
    assert found["found"]["predictors"]["town"]["distance"] > 0.1
    assert found["status"] == 0


def test_what_is_outside_is_counted(made: Path, tmp_path: Path, capsys: Capture) -> None:
    rows = sample(300, seed=5)
    for row in rows[:60]:
        row["x"] += 10
    for row in rows[250:]:
        row["kind"] = "d"
    status, error = failure(capsys, "few", "--log", str(write_log(tmp_path, "few", rows)))
    assert status == 1
    assert re.search(r"38\.0% of the rows are outside the training data, above 6\.5%", error)
    assert not re.search(r"kind:", error)


def test_each_threshold_is_an_option(made: Path, tmp_path: Path, capsys: Capture) -> None:
    for model, option, value in (("few", "--p-value", "1e-99"), ("many", "--distance", "3")):
        log = write_log(tmp_path / model, model, sample(ASKED[model], seed=7, drifted="x"))
        assert failure(capsys, model, "--log", str(log))[0] == 1
        runscript("check_lm", model, "--log", str(log), option, value)
    rows = sample(300, seed=5)
    for row in rows[::10]:
        row["x"] = 10.5
    log = write_log(tmp_path / "outside", "few", rows)
    runscript("check_lm", "few", "--log", str(log), "--outside", "0.2")
    assert "12.7% of the rows are outside" in failure(capsys, "few", "--log", str(log), "--outside", "0.01")[1]
    worse = write_csv(tmp_path / "worse.csv", sample(300, seed=6, noise=1.6))
    error = failure(capsys, "few", "--data", str(worse))[1]
    assert re.search(
        r"RMSE 1\.\d+, above 1\.1 times the leave-one-out RMSE of \S+; 95 % prediction intervals cover", error
    )
    runscript("check_lm", "few", "--data", str(worse), "--rmse", "2", "--coverage", "0.5")


def test_days_are_chosen_and_periods_follow_from_the_span(made: Path, tmp_path: Path, capsys: Capture) -> None:
    def periods(days: int, *words: str) -> list[tuple[str, int]]:
        log = write_log(tmp_path, "few", sample(400, seed=8), days)
        found = check("few", "--log", str(log), "--json", str(tmp_path / "json"), *words)
        return [(period["period"], period["rows"]) for period in found["found"]["periods"]]

    assert periods(4) == [(f"2026-11-{day}", 100) for day in (23, 24, 25, 26)]
    assert periods(4, "--since", "2026-11-24", "--until", "2026-11-25") == [("2026-11-24", 100), ("2026-11-25", 100)]
    assert [label for label, _ in periods(40)] == [
        "2026-10-12", "2026-10-19", "2026-10-26", "2026-11-02", "2026-11-09", "2026-11-16", "2026-11-23",
    ]  # fmt: skip
    assert [label for label, _ in periods(120)] == ["2026-07", "2026-08", "2026-09", "2026-10", "2026-11"]
    assert all(date.fromisoformat(label).weekday() == 0 for label, _ in periods(15))
    status, error = failure(capsys, "few", "--log", str(tmp_path), "--since", "2026-12-01")
    assert status == 2
    assert "there is no prediction of model 'few' in the log" in error


def test_questions_of_older_versions_may_lack_a_predictor(made: Path, tmp_path: Path) -> None:
    rows: list[Row] = [{key: value for key, value in row.items() if key != "flag"} for row in sample(100, seed=2)]
    found = check("few", "--log", str(write_log(tmp_path, "few", rows)), "--json", str(tmp_path / "json"))
    assert found["status"] == 1
    assert found["found"]["predictors"]["flag"] == {
        "rows": 0, "test": "chi-squared", "statistic": None, "p_value": None, "measure": "Jensen-Shannon",
        "distance": None, "many": False, "outside": 1.0,
    }  # fmt: skip
    assert found["beyond"] == ["100.0% of the rows are outside the training data, above 6.5%"]


# Labelled data


def test_labelled_data_are_compared_as_r_does(made: Path, tmp_path: Path, capsys: Capture) -> None:
    new = write_csv(tmp_path / "new.csv", sample(350, seed=31, noise=1.2))
    found = check("few", "--data", str(new), "--json", str(tmp_path / "json"))
    accuracy = found["found"]["accuracy"]
    script = f"""
    read <- function(file) {{
      data <- read.csv(file, stringsAsFactors = TRUE)
      transform(data, day = as.Date(day), at = as.POSIXct(at, "UTC", "%Y-%m-%dT%H:%M:%OSZ"))
    }}
    model <- lm({FORMULA}, read("{made / "few.csv"}"))
    new <- read("{new}")
    p <- predict(model, new, interval = "prediction")
    covered <- sum(p[, "lwr"] <= new$y & new$y <= p[, "upr"])
    press <- sqrt(mean((residuals(model) / (1 - hatvalues(model)))^2))
    cat(sqrt(mean((new$y - p[, "fit"])^2)), covered / 350, binom.test(covered, 350)$conf.int, press)
    """
    rmse, coverage, lower, upper, press = map(float, rscript(script).split())
    assert accuracy["rmse"] == pytest.approx(rmse, rel=1e-5)
    assert accuracy["coverage"] == pytest.approx({"share": coverage, "lower": lower, "upper": upper}, rel=1e-5)
    assert found["press_rmse"] == pytest.approx(press, rel=1e-5)
    assert accuracy["rmse_lower"] < rmse < accuracy["rmse_upper"]
    shown = capsys.readouterr().out
    assert f"RMSE: {rmse:.4f}"[:9] in shown
    assert "coverage of 95 % prediction intervals: " in shown


@pytest.mark.parametrize("model", ASKED)
def test_labelled_data_without_drift_are_within(made: Path, tmp_path: Path, model: str) -> None:
    runscript("check_lm", model, "--data", str(write_csv(tmp_path / "new.csv", sample(ASKED[model], seed=32))))


def test_what_a_row_lacks_is_left_out_of_the_errors(made: Path, tmp_path: Path) -> None:
    rows = sample(120, seed=33)
    rows[0]["y"], rows[1]["x"], rows[2]["kind"], rows[3]["day"], rows[4]["flag"], rows[5]["at"] = [""] * 6
    rows[6]["kind"] = "new"
    found = check("few", "--data", str(write_csv(tmp_path / "new.csv", rows)), "--json", str(tmp_path / "json"))[
        "found"
    ]
    assert found["accuracy"]["rows"] == 113
    assert {name: compared["rows"] for name, compared in found["predictors"].items()} == {
        "x": 119, "kind": 118, "flag": 119, "day": 119, "at": 119,
    }  # fmt: skip
    assert found["outside"]["share"] >= 6 / 120
    assert found["periods"][-1] | {"rows": 1, "period": "no date"} == found["periods"][-1]


HOUSES = "price,size\n" + "".join(f"{3 * i + i % 7},{i}\n" for i in range(1, 101))


@pytest.fixture
def houses(tmp_path: Path, settings: Settings) -> Path:
    """A folder for models, and the data of one."""
    settings.LM_MODELS_DIR = tmp_path / "models"
    settings.LM_MODELS_DIR.mkdir()
    (tmp_path / "houses.csv").write_text(HOUSES)
    return tmp_path / "houses.csv"


def test_rows_without_dates_are_cut_in_their_order(houses: Path, tmp_path: Path) -> None:
    runscript("update_lm", "houses", "--data", str(houses), "--formula", "price ~ size", "--quiet")
    found = check("houses", "--data", str(houses), "--json", str(tmp_path / "json"))
    assert [period["period"] for period in found["found"]["periods"]] == ["rows 1-33", "rows 34-66", "rows 67-100"]
    assert found["found"]["accuracy"]["rows"] == 100


def test_a_weighted_model_tells_no_coverage(houses: Path, tmp_path: Path, capsys: Capture) -> None:
    words = ["--data", str(houses), "--formula", "price ~ size", "--weights", "1/size", "--quiet"]
    runscript("update_lm", "houses", *words)
    picture = tmp_path / "drift.svg"
    runscript("check_lm", "houses", "--data", str(houses), "--picture", str(picture))
    assert "coverage of 95 % prediction intervals: -\n" in capsys.readouterr().out
    assert b"</svg>" in picture.read_bytes()


def test_a_mean_alone_has_no_predictors_to_drift(houses: Path, tmp_path: Path, capsys: Capture) -> None:
    runscript("update_lm", "houses", "--data", str(houses), "--formula", "log(price) ~ 1", "--quiet")
    runscript("check_lm", "houses", "--data", str(houses), "--picture", str(tmp_path / "drift.svg"))
    assert "predictor" not in capsys.readouterr().out
    houses.write_text(HOUSES + "1e9,1\n" * 100)
    assert "RMSE" in failure(capsys, "houses", "--data", str(houses))[1]


def test_a_level_that_the_formula_makes_is_left_out_where_it_is_new(houses: Path, tmp_path: Path) -> None:
    header = "y,day\n"
    first = "".join(f"{i % 5},2024-0{1 + i % 3}-1{i % 10}\n" for i in range(60))
    (tmp_path / "days.csv").write_text(header + first)
    runscript("update_lm", "days", "--data", str(tmp_path / "days.csv"), "--formula", "y ~ months(day)", "--quiet")
    (tmp_path / "days.csv").write_text(header + first + "1,2024-04-01\n" * 5)
    found = check("days", "--data", str(tmp_path / "days.csv"), "--json", str(tmp_path / "json"))
    assert found["found"]["accuracy"]["rows"] == 60
    (tmp_path / "days.csv").write_text(header + "1,2024-04-01\n" * 5)
    assert (
        check("days", "--data", str(tmp_path / "days.csv"), "--json", str(tmp_path / "json"))["found"]["accuracy"]
        is None
    )


# Pictures and JSON


def test_picture_and_json(made: Path, tmp_path: Path, capsys: Capture) -> None:
    new = write_csv(tmp_path / "new.csv", sample(300, seed=41))
    picture, file = tmp_path / "drift.svg", tmp_path / "found.json"
    runscript("check_lm", "few", "--data", str(new), "--picture", str(picture), "--json", str(file))
    assert picture.read_bytes().startswith(b"<?xml")
    assert "period" in capsys.readouterr().out
    runscript("check_lm", "few", "--data", str(new), "--json", "-")
    assert json.loads(capsys.readouterr().out) == json.loads(file.read_text())
    log = write_log(tmp_path, "many", sample(2000, seed=42))
    runscript("check_lm", "many", "--log", str(log), "--picture", str(picture))
    assert picture.read_bytes().rstrip().endswith(b"</svg>")


# What can't be checked


WRONG = {
    "few --log {tmp} --data {tmp}": "argument --data: not allowed with argument --log",
    "few": "one of the arguments --log --data is required",
    "few --log {tmp} --since 2026-11-31": "argument --since: '2026-11-31' is no date; write it like 2026-11-26",
    "few --data new.csv --until 2026-11-30": "--since and --until are of a --log",
    "few --log {tmp} --picture drift.png": "--picture drift.png: the picture is SVG; name it FILE.svg",
    "few --log {tmp} --p-value 5": "argument --p-value: '5' is no number from 0 to 1",
    "few --log {tmp} --distance nan": "argument --distance: 'nan' is no number from 0 on",
    "few --log {tmp} --rmse much": "argument --rmse: 'much' is no number from 0 on",
    "none --log {tmp}": "There is no model 'none'; there are: few, many.",
    "few --data {tmp}/none.csv": "none.csv' does not exist",
    "few --data {tmp}": "Is a directory: {tmp}",
    "few --data {tmp}/short.csv": "short.csv': formula",
    "few --data {tmp}/text.csv": "column 'y'",
}


@pytest.mark.parametrize("words", WRONG)
def test_what_is_wrong_is_told_in_one_line(made: Path, tmp_path: Path, capsys: Capture, words: str) -> None:
    rows = sample(50, seed=1)
    write_csv(tmp_path / "short.csv", [{"y": row["y"], "x": row["x"]} for row in rows])
    write_csv(tmp_path / "text.csv", [*({**row, "y": "1,500"} for row in rows[:5]), *rows])
    status, error = failure(capsys, *words.format(tmp=tmp_path).split())
    assert status == 2
    assert WRONG[words].format(tmp=tmp_path) in error


def test_what_cannot_be_written_is_told(made: Path, tmp_path: Path, capsys: Capture) -> None:
    log = write_log(tmp_path, "few", sample(100, seed=51))
    for words in (["--json", "/none/found.json"], ["--picture", "/none/drift.svg"]):
        status, error = failure(capsys, "few", "--log", str(log), *words)
        assert (status, error) == (2, f"check_lm: No such file or directory: {words[1]}\n")


def test_only_a_whole_version_that_holds_its_distributions_is_checked(
    tmp_path: Path, settings: Settings, capsys: Capture, models: Path
) -> None:
    settings.LM_MODELS_DIR = ROOT / "tests" / "golden" / "versions-1.0.0"
    settings.LM_VERIFY_KEYS = ()
    cars = str(ROOT / "extra_files" / "mtcars" / "mtcars.csv")
    status, error = failure(capsys, "mtcars", "--data", cars)
    assert status == 2
    assert error.endswith("train it anew: python manage.py runscript update_lm --script-args mtcars --force\n")
    settings.LM_MODELS_DIR = models
    write_model(models, name="untrained", formula="y ~ x")
    status, error = failure(capsys, "untrained", "--data", cars)
    assert (status, "Model 'untrained' has no version that can be served" in error) == (2, True)
