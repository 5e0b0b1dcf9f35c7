"""update_lm --replay: the gate compares candidate and live version on what was really asked."""

import json
import re
from datetime import date
from pathlib import Path

import pytest
from pytest_django import Settings

from tests.conftest import ROOT, live_file, live_version, refusal, rscript, runscript, write_model
from tests.monitoring.made import Row, write_log

Capture = pytest.CaptureFixture[str]
CARS = ROOT / "extra_files" / "mtcars" / "mtcars.csv"


def log_of_distances(folder: Path, *distances: float) -> str:
    """A prediction log of timedistance."""
    return str(write_log(folder, "timedistance", [{"distance": distance} for distance in distances]))


def cars(**changes: object) -> Row:
    """A question for mtcars."""
    return {"wt": 2.6, "qsec": 16.5, "am": "manual", **changes}


def test_differences_are_those_of_r(models: Path, tmp_path: Path, capsys: Capture) -> None:
    distances = [10.5, 12.25, 15, 17.75, 20, 22.5, 30]
    log = log_of_distances(tmp_path, *distances)
    words = ["timedistance", "--formula", "time ~ poly(distance, 2)", "--dry-run"]
    runscript("update_lm", *words, "--replay", log)
    script = f"""
    data <- read.csv("{ROOT / "extra_files" / "timedistance" / "timedistance.csv"}")
    asked <- data.frame(distance = c({", ".join(map(str, distances))}))
    live <- lm(time ~ distance, data)
    d <- abs(predict(lm(time ~ poly(distance, 2), data), asked) - predict(live, asked))
    cat(sprintf("%.6g", c(quantile(d, c(0.5, 0.95, 1)), sigma(live))))
    """
    median, most, greatest, sigma = rscript(script).split()
    shown = " ".join(capsys.readouterr().out.split())
    assert (
        f"answers to what was asked differ by {median} in the median, at most {most} in 95 % of them, and {greatest} "
        f"at most; the live version's residual standard error is {sigma}"
    ) in shown
    assert re.search(r"questions answered\W+7\W+7\W", shown)


def test_the_same_fit_passes(models: Path, tmp_path: Path, capsys: Capture) -> None:
    before = live_version(models)
    runscript("update_lm", "timedistance", "--force", "--replay", log_of_distances(tmp_path, 12, 20))
    assert "differ by 0 in the median" in capsys.readouterr().out
    assert live_version(models) != before
    assert json.loads(live_file(models, "manifest.json").read_text())["objections"] == []


def test_other_answers_are_not_published_without_force(models: Path, tmp_path: Path, capsys: Capture) -> None:
    later = "".join(f"{10 * i % 7 + i + 200},{i}\n" for i in range(10, 35))
    (tmp_path / "later.csv").write_text(f"time,distance\n{later}")
    words = ["timedistance", "--data", str(tmp_path / "later.csv")]
    log = log_of_distances(tmp_path, 12, 20)
    error = refusal(capsys, "update_lm", *words, "--replay", log)
    assert "5 % of the answers to what was asked differ by 191.765 or more, above 1 times the live version's" in error
    runscript("update_lm", *words, "--replay", log, "--force")
    assert "differ by 191.765" in json.loads(live_file(models, "manifest.json").read_text())["objections"][0]


def test_questions_that_the_candidate_cannot_answer_are_objected_to(
    models: Path, tmp_path: Path, capsys: Capture
) -> None:
    log = write_log(tmp_path, "mtcars", [cars(), cars(wt=5.42), cars(wt=3)])
    words = ["mtcars", "--stepwise", "none", "--replay", str(log)]
    error = refusal(capsys, "update_lm", *words, "--formula", "mpg ~ wt + qsec + am + hp")
    assert "it can't answer 100.0% of 3 questions; it does not take the value of hp in 3" in error
    less = tmp_path / "less.csv"
    header, *rows = CARS.read_text().splitlines(keepends=True)
    less.write_text(header + "".join(row for row in rows if float(row.split(",")[5]) < 5))
    runscript("update_lm", *words, "--formula", "mpg ~ wt + qsec + am", "--data", str(less), "--dry-run")
    assert re.search(r"questions out of range\W+0\W+1\W", capsys.readouterr().out)
    error = refusal(capsys, "update_lm", *words, "--data", str(less), "--formula", "mpg ~ log(5 - wt) + qsec + am")
    assert "it can't answer 33.3% of 3 questions;" in error


def test_answers_on_another_scale_are_not_compared(models: Path, tmp_path: Path, capsys: Capture) -> None:
    words = ["timedistance", "--formula", "log(time) ~ distance", "--dry-run"]
    runscript("update_lm", *words, "--replay", log_of_distances(tmp_path, 12, 20))
    assert "the answers to what was asked were not compared: the responses are on other scales" in " ".join(
        capsys.readouterr().out.split()
    )


def test_only_questions_of_the_live_version_count(models: Path, tmp_path: Path, capsys: Capture) -> None:
    log = write_log(tmp_path, "mtcars", [cars(am="none")] * 2 + [cars()], days=1, end=date(2026, 11, 1))
    runscript("update_lm", "mtcars", "--dry-run", "--replay", str(log))
    assert re.search(r"questions answered\W+1\W+1\W", capsys.readouterr().out)
    write_log(tmp_path, "mtcars", [cars(am="none")])
    error = refusal(capsys, "update_lm", "mtcars", "--dry-run", "--replay", str(log))
    assert error == f"update_lm: mtcars: --replay {log}: there is no question in it that the live version answers\n"


def test_there_is_nothing_to_replay_for_without_a_live_version(
    models: Path, tmp_path: Path, settings: Settings, capsys: Capture
) -> None:
    log = log_of_distances(tmp_path, 12)
    expected = "--replay compares with the live version, and there is none; leave it out"
    assert expected in refusal(
        capsys, "update_lm", "new", "--data", str(CARS), "--formula", "mpg ~ wt", "--replay", log
    )
    write_model(models, name="untrained", formula="y ~ x", rows="y,x\n1,2\n2,3\n4,5\n5,7\n")
    assert expected in refusal(capsys, "update_lm", "untrained", "--replay", log)
