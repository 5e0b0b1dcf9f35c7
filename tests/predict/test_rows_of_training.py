"""Diagnostics of rows, observations by name, and the scale of the response, over HTTP and against R."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from lm_app.training.update import update
from tests.conftest import ROOT, rscript, write_model

MEASURES = """
m <- lm(%s, read.csv("%s"))
cat(jsonlite::toJSON(data.frame(row = seq_along(fitted(m)), observed = model.response(model.frame(m)),
  fitted = fitted(m), leverage = hatvalues(m), std_residual = rstandard(m), cooks_distance = cooks.distance(m)),
  digits = I(17)))
"""


def in_r(formula: str, data: Path) -> list[dict[str, float]]:
    rows: list[dict[str, float]] = json.loads(rscript(MEASURES % (formula, data)))
    return rows


@pytest.mark.parametrize("model", ["timedistance", "heightweight", "mtcars"])
def test_diagnostics_are_r_s(client: Client, shipped_models: Path, model: str) -> None:
    route = f"/lm/api/models/{model}"
    formula = client.get(route).json()["formula"]
    answer = client.get(f"{route}/diagnostics").json()
    expected = in_r(formula, shipped_models / model / f"{model}.csv")
    assert answer["n"] == len(answer["rows"]) == len(expected)
    assert answer["rows"] == [pytest.approx(row, rel=1e-13) for row in expected]


def test_of_many_rows_those_are_told_that_stand_out(client: Client, models: Path) -> None:
    ys = [2 * x + (x * 7919 % 101) / 10 for x in range(3000)]
    ys[1234] += 1000
    write_model(models, rows="time,distance\n" + "".join(f"{y},{x}\n" for x, y in enumerate(ys)))
    update("timedistance", force=True)
    answer = client.get("/lm/api/diagnostics").json()
    assert (answer["n"], answer["far"]) == (3000, 1)
    assert 20 < len(answer["rows"]) <= 60
    greatest = max(answer["rows"], key=lambda row: row["cooks_distance"])
    assert greatest["row"] == 1235
    assert {1, 3000} <= {row["row"] for row in answer["rows"]}  # the greatest leverages
    observations = client.get("/lm/api/observations").json()
    assert (observations["n"], len(observations["observations"])) == (3000, 10)


def test_an_exact_fit_has_no_standardised_residuals(client: Client, models: Path) -> None:
    write_model(models, rows="time,distance\n2,1\n4,2\n6,3\n8,4\n")
    update("timedistance", force=True)
    row = client.get("/lm/api/diagnostics").json()["rows"][0]
    assert row == {
        "row": 1,
        "observed": 2,
        "fitted": pytest.approx(2),
        "leverage": pytest.approx(0.7),
        "std_residual": None,
        "cooks_distance": None,
    }


def test_observations_have_names(client: Client, shipped_models: Path) -> None:
    answer = client.get("/lm/api/models/mtcars/observations").json()
    header = (shipped_models / "mtcars" / "mtcars.csv").read_text().splitlines()[0]
    assert (answer["n"], answer["columns"]) == (32, header.replace('"', "").split(","))
    assert answer["observations"][0].items() >= {"mpg": 21, "wt": 2.62, "qsec": 16.46, "am": "manual"}.items()
    arrays = client.get("/lm/api/models/mtcars/key/observations").json()
    assert [list(row.values()) for row in answer["observations"]] == arrays
    assert client.get("/lm/api/models/mtcars/key/observation_columns").json() == answer["columns"]


def test_an_older_version_says_what_it_lacks(client: Client, settings: Settings) -> None:
    settings.LM_MODELS_DIR = ROOT / "tests" / "golden" / "versions-1.0.0"
    settings.LM_VERIFY_KEYS = []
    for route, what in (("diagnostics", "the diagnostics of its rows"), ("observations", "the names of")):
        answer = client.get(f"/lm/api/models/mtcars/{route}")
        assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
        assert f"does not have {what}" in answer.json()["detail"]
        assert "train it anew" in answer.json()["detail"]
    assert client.get("/lm/api/models/mtcars").json()["response_scale"] is None


RESPONSES = {
    "log(time)": ("exp(fit)", "exp(p)"),
    "log1p(time)": ("expm1(fit)", "expm1(p)"),
    "log2(time)": ("2^fit", "2^p"),
    "log10(time)": ("10^fit", "10^p"),
    "sqrt(time)": ("fit^2", "p^2"),
}


@pytest.mark.parametrize("response", RESPONSES)
def test_a_transformed_response_is_told_and_read_back(client: Client, models: Path, response: str) -> None:
    inverse, in_words = RESPONSES[response]
    write_model(models, formula=f"{response} ~ distance", units={"time": "min"})
    update("timedistance", force=True)
    scale = client.get("/lm/api/models/timedistance").json()["response_scale"]
    assert (scale["fit_is"], scale["column"], scale["unit"]) == (response, "time", "min")
    assert scale["inverse"] == inverse
    assert scale["note"].startswith(f"The fit is {response}; {inverse} is the median of time, not its mean: ")
    query: dict[str, Any] = {"distance": "20", "interval": "prediction"}
    answer = client.get("/lm/api/predict", query).json()
    assert answer["response_scale"] == scale
    code = (
        f'm <- lm({response} ~ distance, read.csv("{models}/timedistance/timedistance.csv")); '
        f'p <- predict(m, data.frame(distance = 20), interval = "prediction"); '
        f"cat(sprintf('%.17g', {in_words}))"
    )
    read = answer["back_transformed"]
    assert [read["median"], read["lower"], read["upper"]] == pytest.approx([*map(float, rscript(code).split())])
    assert list(client.get("/lm/api/predict?distance=20").json()["back_transformed"]) == ["median"]
    bare = client.get("/lm/api/predict/20")
    assert bare.json() == round(answer["fit"], 6)
    many = client.post("/lm/api/predict", '[{"distance": 20}]', content_type="application/json").json()
    assert (many["response_scale"], many["predictions"]) == (scale, [{"fit": answer["fit"]}])


def test_there_is_not_always_a_way_back(client: Client, models: Path) -> None:
    write_model(models, formula="I(time^2) ~ distance")
    update("timedistance", force=True)
    answer = client.get("/lm/api/predict?distance=20").json()
    assert answer["response_scale"]["note"] == "The fit is I(time^2)."
    assert answer["response_scale"]["inverse"] is None
    assert "back_transformed" not in answer
    write_model(models, formula="sqrt(time) ~ distance")
    update("timedistance", force=True)
    asked = {"distance": "-500", "extrapolation": "flag"}
    assert client.get("/lm/api/predict", asked).json()["back_transformed"] == {"median": None}
    write_model(models, formula="log(time) ~ distance")
    update("timedistance", force=True)
    asked = {"distance": "1e300", "extrapolation": "flag"}
    assert client.get("/lm/api/predict", asked).json()["back_transformed"] == {"median": None}
    wrong = {"distance": "x", "on_error": "null"}
    assert "back_transformed" not in client.get("/lm/api/predict", wrong).json()


def test_plots_name_what_they_show_and_are_allowed_their_styles(client: Client, models: Path) -> None:
    write_model(models, title="Time <by> distance", units={"distance": "km", "time": "min"})
    update("timedistance", force=True)
    for name in client.get("/lm/api/plots").json():
        answer = client.get(f"/lm/api/plots/{name}.svg")
        assert "Time &lt;by> distance</title>" in answer.text
        assert answer["Content-Security-Policy"] == "default-src 'none'; style-src 'unsafe-inline'"
    fit = client.get("/lm/api/plots/fit.svg").text
    assert ">distance (km)</text>" in fit
    assert ">time (min)</text>" in fit
