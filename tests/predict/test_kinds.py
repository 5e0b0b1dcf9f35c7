"""Predictors of every kind that R knows reach predict() in the class that they were trained in."""

import json
import pickle
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from rpy2 import rinterface

from lm_app.engine import runtime
from lm_app.engine.convert import doubles
from lm_app.store.folder import ModelFolder
from lm_app.store.publish import publish
from tests.conftest import live_file
from tests.predict.test_predict import errors

DATA = """
day <- as.Date("2024-01-01") + 0:59
data <- data.frame(
  y = c(3, 1, 4, 1, 5, 9, 2, 6, 5, 3) + (1:60) / 7,
  x = rep(c(1.5, 2, 2.5, 4, 3), 12),
  year = rep(c(2001L, 2002L, 2004L), 20),
  id = rep(c(100000L, 200000L), 30),
  day = day,
  time = as.POSIXct("2024-01-01 06:30:00", tz = "UTC") + 3600 * (0:59),
  number = rep(c("10", "20", "30", "15"), 15),
  size = factor(rep(c("small", "large", "mid"), 20), c("small", "mid", "none", "large")),
  grade = factor(rep(c("low", "high", "mid"), 20), c("low", "mid", "high"), ordered = TRUE),
  job = rep(c("judge ", "clerk"), 30),
  on = rep(c(TRUE, FALSE, FALSE, TRUE, FALSE), 12)
)
"""
DAYS = [f"2024-{month:02}-{day:02}" for month, days in ((1, 31), (2, 29)) for day in range(1, days + 1)]
COLUMNS: dict[str, Sequence[Any]] = {
    "x": [1.5, 2, 2.5, 4, 3] * 12,
    "year": [2001, 2002, 2004] * 20,
    "id": [100000, 200000] * 30,
    "day": DAYS,
    "time": [
        datetime.fromtimestamp(1704090600 + 3600 * hour, timezone.utc).isoformat().replace("+00:00", "Z")
        for hour in range(60)
    ],
    "number": ["10", "20", "30", "15"] * 15,
    "size": ["small", "large", "mid"] * 20,
    "grade": ["low", "high", "mid"] * 20,
    "job": ["judge ", "clerk"] * 30,
    "on": [True, False, False, True, False] * 12,
}
PREDICTORS: dict[str, dict[str, Any]] = {
    "x": {"type": "numeric", "min": 1.5, "max": 4},
    "year": {"type": "numeric", "min": 2001, "max": 2004, "values": [2001, 2002, 2004], "integer": True},
    "id": {"type": "numeric", "min": 100000, "max": 200000, "integer": True},
    "day": {"type": "date", "min": "2024-01-01", "max": "2024-02-29"},
    "time": {"type": "datetime", "min": COLUMNS["time"][0], "max": COLUMNS["time"][-1]},
    "number": {"type": "factor", "levels": ["10", "15", "20", "30"]},
    "size": {"type": "factor", "levels": ["small", "mid", "large"]},
    "grade": {"type": "factor", "levels": ["low", "mid", "high"], "ordered": True},
    "job": {"type": "factor", "levels": ["clerk", "judge "]},
    "on": {"type": "logical"},
}
PATH = "/lm/api/models/kinds/predict"


def post_to(client: Client, path: str, body: Any) -> Any:
    return client.post(path, json.dumps(body), content_type="application/json")


def serve(models: Path, formula: str, *names: str) -> list[float]:
    """Publish an lm of these predictors; the predictions of R's own predict() for the training data."""

    def fitted() -> tuple[bytes, list[float]]:
        fit = rinterface.evalr(f"""function(strip) {{
          {DATA}
          model <- lm({formula}, data)
          list(strip(model, data), suppressWarnings(predict(model, data)))
        }}""")
        model, predicted = fit(runtime._functions["strip_for_prediction"])
        return pickle.dumps(model), doubles(predicted).tolist()

    pickled, predicted = runtime.in_r(fitted)
    info = json.loads(live_file(models, "model_info.json").read_text())
    info["predictors"] = [{"name": name, "unit": None, **PREDICTORS[name]} for name in names]
    info["example"] = {name: COLUMNS[name][0] for name in names}
    folder = ModelFolder(models / "kinds")
    folder.path.mkdir(exist_ok=True)
    folder.toml.write_text("")
    contents = {"modelr.pickle": pickled, "model_info.json": json.dumps(info).encode()}
    publish(folder, contents, {"recipe": {}}, datetime.now(timezone.utc), 5)
    return predicted


@pytest.mark.parametrize(
    ("formula", "names"),
    [
        ("y ~ 1", []),
        ("y ~ day", ["day"]),
        ("y ~ as.numeric(day) + x", ["day", "x"]),
        ("y ~ weekdays(day) + months(day)", ["day"]),
        ("y ~ I(day - as.Date('2024-01-15')) + format(day, '%m')", ["day"]),
        ("y ~ time + x", ["time", "x"]),
        ("y ~ as.numeric(time) + I(format(time, '%H') > '12')", ["time"]),
        ("y ~ as.numeric(number) + x", ["number", "x"]),
        ("y ~ number * x", ["number", "x"]),
        ("y ~ factor(id) + x", ["id", "x"]),
        ("y ~ factor(year)", ["year"]),
        ("y ~ ordered(year) + interaction(number, on)", ["year", "number", "on"]),
        ("y ~ size + as.numeric(size)", ["size"]),
        ("y ~ size * on", ["size", "on"]),
        ("y ~ grade + x", ["grade", "x"]),
        ("y ~ as.integer(grade) + I(id / 2L)", ["grade", "id"]),
        ("y ~ poly(x, id, degree = 1) + day", ["x", "id", "day"]),
    ],
)
def test_predictions_equal_r(
    models: Path, client: Client, caplog: pytest.LogCaptureFixture, formula: str, names: list[str]
) -> None:
    expected = serve(models, formula, *names)
    records = [{name: COLUMNS[name][row] for name in names} for row in range(60)]
    answer = post_to(client, PATH, records).json()
    fits = [prediction["fit"] for prediction in answer["predictions"]]
    assert fits == pytest.approx(expected, rel=1e-12)
    if names:
        columns = {name: COLUMNS[name] for name in names}
        assert post_to(client, PATH, columns).json()["predictions"]["fit"] == fits
    for row in (0, 7, 59):
        assert client.get(PATH, records[row]).json()["fit"] == pytest.approx(expected[row], rel=1e-12)
    is_told = "predict() itself answers" in caplog.text
    assert is_told == (formula == "y ~ size + as.numeric(size)")  # of deficient rank


def test_csv_has_dates_and_logicals_as_their_file_has_them(models: Path, client: Client) -> None:
    expected = serve(models, "y ~ day + on", "day", "on")
    for spelled in (("TRUE", "FALSE"), ("true", "false"), ("True", "False"), ("T", "F")):
        text = f"day,on\n2024-01-01,{spelled[0]}\n2024-01-02,{spelled[1]}\n"
        answer = client.post(PATH, text, content_type="text/csv").json()
        assert answer["predictions"]["fit"] == pytest.approx(expected[:2])


def test_a_logical_of_a_csv_file_is_checked(models: Path, client: Client) -> None:
    serve(models, "y ~ on", "on")
    refused = client.post(PATH, "on\nTRUE\nyes\n", content_type="text/csv")
    assert errors(refused) == {("body", 1, "on"): "row 1: on is 'yes'; it must be true or false."}


def test_dates_are_checked(models: Path, client: Client) -> None:
    serve(models, "y ~ day", "day")
    wrong = {"day": ["2024-02-30", "2024-1-5", "20240105", 3, None, "2024-03-01", "2024-01-05"]}
    found = errors(post_to(client, PATH, wrong))
    assert {loc[2]: msg for loc, msg in found.items()} == {
        0: "row 0: day is '2024-02-30'; it must be a date such as 2024-12-31.",
        1: "row 1: day is '2024-1-5'; it must be a date such as 2024-12-31.",
        2: "row 2: day is '20240105'; it must be a date such as 2024-12-31.",
        3: "row 3: day is 3; it must be a date such as 2024-12-31.",
        4: "row 4: day is missing (null); it must be a date such as 2024-12-31.",
        5: "row 5: day is 2024-03-01; the model was trained on 2024-01-01 to 2024-02-29"
        " and does not answer outside of that range unless asked with extrapolation=flag.",
    }
    flagged = client.get(PATH, {"day": "2024-03-01", "extrapolation": "flag"}).json()
    assert flagged["extrapolated"] is True


def test_times_may_have_an_offset(models: Path, client: Client) -> None:
    expected = serve(models, "y ~ time", "time")
    midnight = client.get(PATH, {"time": "2024-01-02"}).json()["fit"]
    assert midnight == client.get(PATH, {"time": "2024-01-02T00:00:00Z"}).json()["fit"]
    same = ["2024-01-01T07:30:00Z", "2024-01-01 07:30", "2024-01-01T09:30:00.000+02:00", "2024-01-01T07:30:00"]
    fits = post_to(client, PATH, {"time": same}).json()["predictions"]["fit"]
    assert fits == pytest.approx([expected[1]] * 4, rel=1e-12)
    found = errors(post_to(client, PATH, {"time": ["soon", "2024-01-01T25:00:00Z", "9999-12-31T23:00:00-02:00"]}))
    assert {msg.partition("; ")[2] for msg in found.values()} == {
        "it must be a date and a time such as 2024-12-31T18:30:00Z."
    }


def test_a_number_that_a_factor_does_not_know_is_refused_with_those_allowed(models: Path, client: Client) -> None:
    serve(models, "y ~ factor(year)", "year")
    assert errors(post_to(client, PATH, {"year": [2001, 2003, 2002.0, "2001", "2,001"]})) == {
        ("body", "year", 1): "row 1: year is 2003; it must be one of 2001, 2002, 2004.",
        ("body", "year", 4): "row 4: year is '2,001'; it must be one of 2001, 2002, 2004.",
    }
    assert errors(client.get(PATH, {"year": "2003"})) == {
        ("query", "year"): "year is '2003'; it must be one of 2001, 2002, 2004."
    }
    assert client.get(PATH, {"year": "2001"}).status_code == 200
    in_csv = client.post(PATH, "year\n2001\n2003\n", content_type="text/csv")
    assert errors(in_csv) == {("body", 1, "year"): "row 1: year is '2003'; it must be one of 2001, 2002, 2004."}


def test_a_month_that_the_fit_has_not_seen_is_refused_with_those_allowed(models: Path, client: Client) -> None:
    serve(models, "y ~ months(day)", "day")
    days = ["2024-01-05", "2024-05-05"]
    assert errors(post_to(client, f"{PATH}?extrapolation=flag", [{"day": day} for day in days])) == {
        ("body", 1, "day"): "row 1: months(day) is 'May'; it must be one of 'February', 'January'."
    }
    assert errors(client.get(PATH, {"day": "2024-05-05", "extrapolation": "flag"})) == {
        ("query", "day"): "months(day) is 'May'; it must be one of 'February', 'January'."
    }


def test_a_model_without_predictors_takes_records(models: Path, client: Client) -> None:
    serve(models, "y ~ 1")
    answer = post_to(client, f"{PATH}?extrapolation=flag&interval=prediction", [{}, {}, {}]).json()
    assert [sorted(prediction) for prediction in answer["predictions"]] == [
        ["extrapolated", "fit", "lower", "upper"]
    ] * 3
    assert errors(post_to(client, PATH, {})) == {
        ("body",): "This model has no predictors; send records, {} for each observation."
    }
    assert errors(post_to(client, PATH, []))
    assert client.get("/lm/api/openapi.json").status_code == 200


def test_only_levels_that_the_fit_knows_are_offered(models: Path, client: Client) -> None:
    serve(models, "y ~ size", "size")
    assert client.get(PATH, {"size": "none"}).status_code == 422
    for level in PREDICTORS["size"]["levels"]:
        assert client.get(PATH, {"size": level}).status_code == 200


def test_blanks_around_a_level_may_be_left_out(models: Path, client: Client) -> None:
    serve(models, "y ~ job", "job")
    fits = post_to(client, PATH, {"job": ["judge ", "judge", "clerk"]}).json()["predictions"]["fit"]
    assert fits[0] == fits[1] != fits[2]
    assert client.get(PATH, {"job": " clerk"}).status_code == 422


def test_the_prototype_describes_every_kind(models: Path, client: Client) -> None:
    serve(models, "y ~ year + day + time + grade + id", "year", "day", "time", "grade", "id")
    schema = client.get("/lm/api/models/kinds/prototype").json()["properties"]
    assert schema == {
        "year": {"type": "integer", "enum": [2001, 2002, 2004], "description": "year, trained on 2001 to 2004"},
        "day": {"type": "string", "format": "date", "description": "day, trained on 2024-01-01 to 2024-02-29"},
        "time": {
            "type": "string",
            "format": "date-time",
            "description": "time, trained on 2024-01-01T06:30:00Z to 2024-01-03T17:30:00Z",
        },
        "grade": {"type": "string", "enum": ["low", "mid", "high"]},
        "id": {
            "type": "number",
            "minimum": 100000,
            "maximum": 200000,
            "description": "id, trained on 100000 to 200000",
        },
    }
    described = {p["name"]: p for p in client.get("/lm/api/models/kinds").json()["predictors"]}
    assert described["year"]["values"] == [2001, 2002, 2004]
    assert described["day"]["min"] == "2024-01-01"
    assert described["grade"]["ordered"] is True
