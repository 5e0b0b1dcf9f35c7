"""The gate: what is not published without --force."""

import re
from pathlib import Path

import pytest
from django.test import Client

from lm_app.training.update import update
from tests.conftest import change_data, refusal, rscript, runscript, write_model

pytestmark = pytest.mark.usefixtures("models")


def test_a_worse_model_is_not_published_without_force(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
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
def test_a_breaking_change_is_not_published_without_force(capsys: pytest.CaptureFixture[str], formula: str) -> None:
    words = ["mtcars", "--formula", formula, "--stepwise", "none"]
    assert BREAKING[formula] in refusal(capsys, "update_lm", *words)
    runscript("update_lm", *words, "--force")


def test_a_changed_type_or_a_lost_level_is_breaking(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_model(models, name="mtcars", formula="mpg ~ wt + qsec + am", stepwise=None, factors={"am": []})
    change_data(models, "manual", "stick", "mtcars")
    assert "am no longer has the levels manual" in refusal(capsys, "update_lm", "mtcars")
    write_model(models, name="mtcars", factors=None)
    change_data(models, "stick", "1", "mtcars")
    change_data(models, "automatic", "0", "mtcars")
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
    rows = "time,far\n1,2\n4,3\n5,6\n7,8\n9,9\n"
    write_model(models, formula="time ~ far", rows=rows)
    report = update("timedistance", force=True)
    assert report
    script = """
    m <- lm(time ~ far, read.csv(file("stdin")))
    cat(sprintf("%.6g", sqrt(mean((residuals(m) / (1 - hatvalues(m)))^2))))
    """
    assert ("PRESS RMSE, same data", "-", rscript(script, rows)) in report.comparison.rows
