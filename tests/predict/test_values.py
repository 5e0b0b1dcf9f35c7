"""Values are taken that are spelled otherwise than a model's own, where they can mean one thing only."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from lm_app.training.update import update
from tests.conftest import write_model
from tests.predict.test_predict import errors

URL = "/lm/api/predict"
LEVELS = {
    "whole": ["4", "6", "8"],
    "decimal": ["1.5", "2", "-3e2"],
    "alike": ["4", "4.0", "5"],
    "large": ["9007199254740993", "9007199254740992", "1"],
    "codes": ["01234", "99999", "x"],
    "logicals": ["TRUE", "FALSE", "maybe"],
    "cases": ["true", "True", "False"],
    "blanks": ["a", " b", "c"],
}


def train(models: Path, predictor: Sequence[Any], factors: dict[str, list[str]]) -> None:
    values = list(predictor) * 4
    rows = "".join(f'{(7 * row) % 11 + row / 3},"{value}"\n' for row, value in enumerate(values))
    write_model(models, formula="time ~ x", rows=f"time,x\n{rows}", factors=factors)
    update("timedistance", force=True)


def post(client: Client, values: Any, kind: str = "application/json") -> Any:
    content = values if isinstance(values, str) else json.dumps({"x": values})
    return client.generic("POST", f"{URL}?extrapolation=flag", content, kind)


def fits(client: Client, values: Any, kind: str = "application/json") -> list[float]:
    answer = post(client, values, kind)
    assert answer.status_code == 200, answer.content
    found: list[float] = answer.json()["predictions"]["fit"]
    return found


def refused(client: Client, values: list[Any]) -> list[int]:
    """The rows that are refused."""
    return [int(str(loc[-1])) for loc in errors(post(client, values))]


@pytest.mark.parametrize(
    ("kind", "values", "levels", "wrong"),
    [
        ("whole", [4, 6.0, "8", 8], ["4", "6", "8", "8"], [5, "4.0", True, None, "", [4], {"a": 4}, 4.5]),
        ("decimal", [1.5, 2.0, 2, -300], ["1.5", "2", "2", "-3e2"], [1, "1.50"]),
        ("alike", [5, "4", "4.0"], ["5", "4", "4.0"], [4, 4.0]),
        ("large", [9007199254740993, 9007199254740992], LEVELS["large"][:2], [9007199254740994]),
        ("codes", [1234, 99999, "x"], ["01234", "99999", "x"], [12345, "1234"]),
        ("logicals", [True, False], ["TRUE", "FALSE"], [1, 0, "true"]),
        ("cases", [False, "true"], ["False", "true"], [True]),
    ],
)
def test_a_number_or_a_logical_means_the_one_level_that_is_written_so(
    models: Path, client: Client, kind: str, values: list[Any], levels: list[str], wrong: list[Any]
) -> None:
    train(models, LEVELS[kind], {"x": LEVELS[kind]})
    assert fits(client, values) == fits(client, levels)
    assert refused(client, [*wrong, levels[0]]) == list(range(len(wrong)))
    assert f"it must be one of {LEVELS[kind][0]!r}, " in errors(post(client, wrong))["body", "x", 0]


def test_a_logical_is_0_or_1_or_a_text_everywhere(models: Path, client: Client) -> None:
    train(models, ["TRUE", "FALSE"], {})
    yes, no = fits(client, [True, False])
    taken = [True, 1, 1.0, "TRUE", "true", "T", "1", False, 0, 0.0, "False", "f", "0"]
    assert fits(client, taken) == [yes] * 7 + [no] * 6
    wrong = [2, -1, 0.5, "yes", "", " ", None, [1], {}]
    assert refused(client, [*wrong, True]) == list(range(len(wrong)))
    assert fits(client, "x\n1\n0\nT\nfalse\n", "text/csv") == [yes, no, yes, no]
    for text, fit in (("1", yes), ("0", no), ("true", yes)):
        assert client.get(f"{URL}?x={text}").json()["fit"] == fit


def test_a_number_may_be_a_text_with_a_point(models: Path, client: Client) -> None:
    train(models, [1.5, 2, 1500, 3.25], {})
    numbers = [1.5, 2, 1500, 3.25e-05, -7, 0.5]
    texts = ["1.5", " 2 ", "1500", "3.25e-05", "-7", ".5"]
    assert fits(client, texts) == fits(client, numbers) == fits(client, [*texts[:3], *numbers[3:]])
    wrong = ["1,500", "1,5", "1 500", "", " ", "NaN", "Inf", "1e999", "0x10", "1_000", "٣", "NA", True, None, [1], "1]"]
    assert refused(client, [*wrong, 2]) == list(range(len(wrong)))


def test_integers_that_the_formula_makes_levels_of_stay_so(models: Path, client: Client) -> None:
    rows = "".join(f"{row % 7 + row / 3},{2000 + row % 3}\n" for row in range(12))
    write_model(models, formula="time ~ factor(x)", rows=f"time,x\n{rows}")
    update("timedistance", force=True)
    assert fits(client, [2000, "2001", 2002.0]) == fits(client, [2000, 2001, 2002])
    assert refused(client, ["2003", 2003, "2,000", True]) == [0, 1, 2, 3]


def test_blanks_may_stand_around_what_is_in_a_csv_body(models: Path, client: Client) -> None:
    train(models, LEVELS["blanks"], {"x": LEVELS["blanks"]})
    assert fits(client, "id, x\n1, a\n2, b\n3,c \n", "text/csv") == fits(client, ["a", " b", "c"])
    assert refused(client, [" a", "a"]) == [0]
    text = "wt, qsec, am\n2.6, 17, manual\n3.2, 18.5, automatic\n"
    answer = client.generic("POST", "/lm/api/models/mtcars/predict", text, "text/csv").json()
    columns = {"wt": [2.6, 3.2], "qsec": [17, 18.5], "am": ["manual", "automatic"]}
    same = client.post("/lm/api/models/mtcars/predict", columns, content_type="application/json").json()
    assert answer == same
