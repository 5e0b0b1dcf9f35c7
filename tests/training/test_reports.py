"""Files that people reported trouble with, each for its kind: what R answers for them, read as they are meant."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.conftest import runscript

REPORTS = Path(__file__).parent / "reports"
SIZE = {"(Intercept)": 4.612648654, "size": 2.186559006}

COEFFICIENTS: dict[str, tuple[str, str, list[str], dict[str, float]]] = {
    "row names of write.csv": ("row_names.csv", "price ~ size", [], SIZE),
    "commas at the end of each line": ("trailing_commas.csv", "price ~ size", [], SIZE),
    "two columns without a name": ("unnamed_columns.csv", "price ~ size", [], SIZE),
    "decimal points beside semicolons, a comma in a text": ("decimal_points.csv", "price ~ size", [], SIZE),
    "a comma in the header, beside semicolons": (
        "separator_in_header.csv",
        "price ~ `size, m`",
        [],
        {"(Intercept)": 4.612648654, "size, m": 2.186559006},
    ),
    "the first decimal comma in row 121": (
        "late_decimal_comma.csv",
        "price ~ size",
        [],
        {"(Intercept)": 12.637139, "size": 0.985335},
    ),
    "Excel's line sep=;": ("sep_line.csv", "price ~ size", [], SIZE),
    "a comment on top": ("comment.csv", "price ~ size", [], SIZE),
    "rows with a field more, of write.table": ("longer_rows.csv", "price ~ size", [], SIZE),
    "rows of commas only": ("empty_rows.csv", "price ~ size", [], SIZE),
    "UTF-16 with tabs": ("utf16.csv", "price ~ size", [], SIZE),
    "UTF-16 with tabs, named": ("utf16.csv", "price ~ size", ["--encoding", "UTF-16", "--sep", "\\t"], SIZE),
    "a country called NA": (
        "namibia.csv",
        "y ~ iso + x",
        ["--factors", "iso=NA,ZA,BW"],
        {"(Intercept)": 17.859375, "isoZA": -2.78125, "isoBW": 0.109375, "x": -0.59375},
    ),
    "inch marks": ("inch_marks.csv", "y ~ x", [], {"(Intercept)": -0.4736842105, "x": 0.7894736842}),
}


def train(file: str, formula: str, *options: str) -> None:
    runscript("update_lm", "report", "--data", str(REPORTS / file), "--formula", formula, "--quiet", *options)


def card(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/lm/api/models/report").json()
    return found


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("kind", COEFFICIENTS)
def test_a_file_is_read_as_it_is_meant(client: Client, kind: str) -> None:
    file, formula, options, expected = COEFFICIENTS[kind]
    train(file, formula, *options)
    found = {row["term"].strip("`"): row["estimate"] for row in card(client)["coefficients"]}
    assert found == pytest.approx(expected, rel=1e-6)


PREDICTIONS: dict[str, tuple[str, str, list[str], dict[str, Any], list[float]]] = {
    **{
        f"{function}() as the only predictor": (
            "zoo.csv",
            f"y ~ {function}(z)",
            [],
            {"z": 3},
            [17.7344444444444, 6.69801505390007, 28.7708738349888],
        )
        for function in ("factor", "as.factor", "ordered", "interaction")
    },
    "a text column": (
        "text_column.csv",
        "price ~ size + region",
        [],
        {"size": 5, "region": "north"},
        [15.4083356260237],
    ),
    "a text column in factor()": (
        "text_column.csv",
        "price ~ size + factor(region)",
        [],
        {"size": 5, "region": "north"},
        [15.4083356260237],
    ),
    "zeros at the beginning of a code": (
        "zip_codes.csv",
        "y ~ x + zip",
        ["--factors", "zip"],
        {"x": 5, "zip": "01234"},
        [6.9199110122358],
    ),
    "an exact fit": ("exact.csv", "y ~ x", [], {"x": 2.5}, [5]),
    "dates": ("dates.csv", "sales ~ day", [], {"day": "2024-01-10"}, [15.8734275362]),
    "dates as numbers": (
        "dates.csv",
        "sales ~ as.numeric(as.Date(day))",
        [],
        {"day": "2024-01-10"},
        [15.8734275362],
    ),
    "pi in a formula": (
        "zoo.csv",
        "y ~ sin(2*pi*year/12) + cos(2*pi*year/12)",
        [],
        {"year": 2005},
        [17.0804422491437, 5.12361537060098, 29.0372691276864],
    ),
    "T in a formula": ("zoo.csv", "y ~ poly(x, 2, raw = T)", [], {"x": 5}, [12.1609804337971]),
}


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("kind", PREDICTIONS)
def test_a_prediction_is_r_s(client: Client, kind: str) -> None:
    file, formula, options, observation, expected = PREDICTIONS[kind]
    train(file, formula, *options)
    answer = client.get("/lm/api/models/report/predict", {"interval": "prediction", **observation}).json()
    assert [answer["fit"], answer["lower"], answer["upper"]][: len(expected)] == pytest.approx(expected, rel=1e-9)


@pytest.mark.usefixtures("models")
def test_a_new_model_with_aliased_terms_is_published(client: Client) -> None:
    train("aliased.csv", "y ~ x + cm + mm", "--force")
    assert [row["term"] for row in card(client)["coefficients"] if row["estimate"] is None] == ["mm"]


@pytest.mark.usefixtures("models")
def test_rows_of_weight_0_have_no_part_in_the_diagnostics(client: Client) -> None:
    train("weights_of_0.csv", "y ~ x + grp", "--weights", "w0")
    assert card(client)["press_rmse"] == pytest.approx(1.31975, abs=5e-6)
    diagnostics = client.get("/lm/api/models/report/key/diagnostics").json()
    assert [row["row"] for row in diagnostics["cooks_distance"]["greatest"]] == [18, 22, 12, 20, 6]
