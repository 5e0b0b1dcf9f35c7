"""The formulas that models may have."""

from pathlib import Path

import pytest
from django.test import Client

from tests.conftest import refusal, runscript, write_model

BAD_FORMULAS = {
    "time ~ nope": "the data have no column 'nope'; their columns are time, distance",
    "time": "a formula has a response, one '~' and its predictors",
    "~ distance": "a formula has a response, one '~' and its predictors",
    "time ~ (": "this is not R's formula notation",
    "time ~ distance; distance": "this is not R's formula notation",
    "time ~ system('touch /tmp/pwned')": "'system' is not one of the functions a formula may use",
    "time ~ base::system('true')": "'base::system' is of a package, or none that a formula may use",
    "time ~ utils::head(distance)": "'utils::head' is of a package",
    "time ~ (function(x) x)(distance)": "makes a function; write what it computes",
    "time ~ distance$x": "'$' takes a part of an object; name the column itself",
    "time ~ ~ distance": "there may be only one '~'",
    "time ~ distance[1i]": "'[' takes a part of an object; name the column itself",
    "1 ~ distance": "the response, left of '~', must be a column of the data",
    "time ~ cut(distance, 3)": "'breaks' must be numbers, as the data's own breaks change with the rows",
    "time ~ 0 + offset(distance)": "the model has no coefficients to estimate",
    "time ~ poly(distance, 99)": "'degree' must be a whole number from 1 to 50, not '99'",
    "time ~ poly(distance, 20)": "'degree' must be less than number of unique points",
    "time ~ log(distance - 20)": "'log(distance - 20)' is not finite in 2 rows, the first is row 4 (distance = 20)",
    "time ~ offset(distance": "this is not R's formula notation",
}


@pytest.mark.parametrize("formula", BAD_FORMULAS)
def test_bad_formula_is_one_line(models: Path, capsys: pytest.CaptureFixture[str], formula: str) -> None:
    write_model(models, formula=formula)
    assert BAD_FORMULAS[formula] in refusal(capsys, "update_lm", "timedistance")
    assert not Path("/tmp/pwned").exists()


def test_without_intercept(models: Path, client: Client) -> None:
    write_model(models, formula="time ~ 0 + distance")
    runscript("update_lm", "timedistance")
    assert client.get("/lm/api/key/intercept").json() is None
    assert client.get("/lm/api/key/equation").json() == "1.688715 * distance"
