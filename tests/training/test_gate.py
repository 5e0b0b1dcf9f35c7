"""The gate: what is not published without --force."""

import json
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


def test_aliased_terms_are_not_published_without_force(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["timedistance", "--formula", "time ~ distance + I(2 * distance)"]
    assert "these terms are aliased with others: I(2 * distance)" in refusal(capsys, "update_lm", *words)
    runscript("update_lm", *words, "--force")


@pytest.mark.parametrize("b", [2, 10])
def test_of_aliased_terms_r_warns_as_its_version_does(models: Path, client: Client, b: int) -> None:
    """Up to R 4.2 predict() warns always, since R 4.3 where the prediction is not estimable, as for b = 10."""
    data = "y,a,b\n1,1,2\n3,2,4\n4,3,6\n9,4,8\n8,5,10\n"  # b = 2 * a
    write_model(models, rows=data)
    runscript("update_lm", "timedistance", "--formula", "y ~ a + b", "--force")
    answer = client.get(f"/lm/api/predict?a=1&b={b}").json()
    script = f"""
    model <- lm(y ~ a + b, read.csv(text = {json.dumps(data)}))
    warned <- character()
    fit <- withCallingHandlers(
      predict(model, data.frame(a = 1, b = {b})),
      warning = function(w) {{ warned <<- c(warned, conditionMessage(w)); invokeRestart("muffleWarning") }}
    )
    writeLines(c(getRversion() >= "4.3", fit, warned))
    """
    only_where_not_estimable, fit, *warned = rscript(script).splitlines()
    assert answer["fit"] == pytest.approx(float(fit))
    assert answer["warnings"] == warned
    assert bool(warned) is (b == 10 or only_where_not_estimable == "FALSE")


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
