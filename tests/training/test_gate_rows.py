"""What the gate says of rows left out, of aliased terms, and of what can't be compared."""

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from lm_app.engine.lm import Trained
from lm_app.training.gate import compare
from lm_app.training.update import update
from tests.conftest import live_file, refusal, runscript


def with_missing(models: Path, count: int) -> None:
    """Give timedistance 100 rows, of which so many lack a value."""
    rows = "".join(f"{2 * i + i % 3},{'' if i <= count else i}\n" for i in range(1, 101))
    (models / "timedistance" / "timedistance.csv").write_text("time,distance\n" + rows)


def test_rows_left_out_are_told(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_missing(models, 4)
    runscript("update_lm", "timedistance", "--force")
    assert "timedistance: 4 of 100 rows are left out: distance is missing in 4\n" in capsys.readouterr().out


def test_more_rows_left_out_are_an_objection(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with_missing(models, 4)
    update("timedistance", force=True)
    with_missing(models, 9)
    assert update("timedistance")  # 5 percentage points more are not too many
    with_missing(models, 15)
    assert "15 of 100 rows are left out, and were 9 of 100" in refusal(capsys, "update_lm", "timedistance")
    runscript("update_lm", "timedistance", "--force")
    with_missing(models, 0)
    assert update("timedistance")


def test_rows_outside_the_subset_are_not_left_out(models: Path) -> None:
    with_missing(models, 0)
    report = update("timedistance", changes={"subset": "distance > 50"}, dry_run=True)
    assert report
    assert report.comparison.rows[2][2] == "0 of 50"
    assert "left out" not in "".join([*report.comparison.objections, *report.comparison.notes])


def test_a_term_that_is_no_number_is_told(models: Path) -> None:
    with_missing(models, 0)
    report = update("timedistance", changes={"formula": "time ~ log(distance - 2.5)"}, dry_run=True)
    assert report
    assert "2 of 100 rows are left out: log(distance - 2.5) is not a number in 2" in report.comparison.notes


def test_aliased_terms_are_an_objection_only_where_there_were_none(
    models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    aliased = ["timedistance", "--formula", "time ~ distance + I(2 * distance)"]
    assert "these terms are aliased with others: I(2 * distance)" in refusal(capsys, "update_lm", *aliased)
    runscript("update_lm", *aliased, "--force")
    data = models / "timedistance" / "timedistance.csv"
    data.write_text(data.read_text().replace("55,32", "56,32"))
    capsys.readouterr()
    runscript("update_lm", *aliased)
    assert "aliased with others, and have no coefficient: I(2 * distance)" in capsys.readouterr().out


LEVERAGE_1 = "time,distance,kind\n15,8,a\n20,6,a\n20,15,a\n40,20,a\n50,25,a\n50,26,b\n"


def test_a_comparison_that_was_skipped_is_told(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (models / "timedistance" / "timedistance.csv").write_text(LEVERAGE_1)
    words = ["timedistance", "--formula", "time ~ distance + kind", "--factors", "kind", "--force"]
    runscript("update_lm", *words)
    told = "timedistance: the PRESS RMSE was not compared: "
    assert f"{told}it is not defined for the candidate: an observation has leverage 1\n" in capsys.readouterr().out
    runscript("update_lm", "timedistance", "--force")
    assert f"{told}the live version's formula can't be fitted" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        runscript("update_lm", "timedistance", "--formula", "log(time) ~ distance")
    assert f"{told}the responses are on other scales\n" in capsys.readouterr().out


def test_rounding_is_no_worse_model(models: Path) -> None:
    data = models / "timedistance" / "timedistance.csv"
    for factor, end in ((1.7, 9), (1.7, 2000), (1.7, 12)):  # in 2000 rows, fitted values are a summary
        data.write_text("time,distance\n" + "".join(f"{factor * i},{i}\n" for i in range(1, end)))
        update("timedistance", force=end == 9)


Predictors = list[dict[str, Any]]
YEAR: dict[str, Any] = {"name": "x", "type": "numeric", "min": 1, "max": 3}


@pytest.mark.parametrize(
    ("before", "after", "objection"),
    [
        ({"type": "numeric"}, {"type": "date", "min": "2020-01-01", "max": "2020-12-31"}, "x is date, and was numeric"),
        ({}, {"values": [1, 2.5, 3]}, "x now takes only the values 1, 2.5, 3"),
        ({"values": list(range(20))}, {"values": [0]}, "x no longer has the values 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ..."),
        ({"values": [1, 2]}, {"values": [1, 2, 3]}, None),
        ({"values": [1, 2]}, {}, None),
        ({}, {"integer": True}, None),
    ],
)
def test_what_a_predictor_no_longer_takes_is_breaking(
    models: Path, before: dict[str, Any], after: dict[str, Any], objection: str | None
) -> None:
    info = json.loads(live_file(models, "model_info.json").read_text())
    live, candidate = ({**deepcopy(info), "predictors": [{**YEAR, **change}]} for change in (before, after))
    objections = compare(live, Trained(b"", "", candidate, "", None, {}, [])).objections
    assert objections == ([objection] if objection else [])
