"""Standard errors and terms over HTTP: their shapes; test_exactness.py compares the numbers with R's own."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from lm_app.training.update import update
from tests.conftest import ROOT, write_model


def test_terms_have_the_shape_of_the_answer(client: Client, shipped_models: Path) -> None:
    route = "/lm/api/models/mtcars/predict?terms=true&se=true"
    csv_body = "wt,qsec,am\n2.6,17,manual\n3,18,automatic\n"
    of_csv = client.post(route, csv_body, content_type="text/csv").json()
    rows: list[dict[str, Any]] = [{"wt": 2.6, "qsec": 17, "am": "manual"}, {"wt": 3, "qsec": 18, "am": "automatic"}]
    records = client.post(route, json.dumps(rows), content_type="application/json").json()
    assert [row["terms"]["am"] for row in records["predictions"]] == of_csv["predictions"]["terms"]["am"]
    for row in records["predictions"]:
        assert sum(row["terms"].values()) + records["constant"] == pytest.approx(row["fit"], rel=1e-14)
    wrong = [rows[0], {"wt": 3, "qsec": 18, "am": "x"}]
    spared = client.post(f"{route}&on_error=null", json.dumps(wrong), content_type="application/json").json()
    assert spared["predictions"] == [records["predictions"][0], dict.fromkeys(records["predictions"][0])]
    as_csv = client.post(f"{route}&format=csv", csv_body, content_type="text/csv")
    for name in ("Df", "Residual-Scale", "Constant"):
        assert float(as_csv[f"LM-{name}"]) == records[name.lower().replace("-", "_")]
    constant = client.get("/lm/api/models/mtcars/predict", {**rows[0], "se": "yes"}).json()
    assert (constant["df"], "terms" in constant) == (28, False)


def test_a_version_without_means_has_standard_errors_but_no_terms(client: Client, settings: Settings) -> None:
    settings.LM_MODELS_DIR = ROOT / "tests" / "golden" / "versions-1.0.0"
    settings.LM_VERIFY_KEYS = []
    name = "mtcars"
    example = client.get(f"/lm/api/models/{name}").json()["example"]
    route = f"/lm/api/models/{name}/predict"
    assert client.get(route, {**example, "se": "true"}).json()["se"] > 0
    refused = client.get(route, {**example, "terms": "true"})
    assert refused.status_code == 422
    assert "train it anew" in refused.json()["detail"]


def test_terms_of_many_rows_are_those_of_one_call(client: Client, models: Path) -> None:
    rows = 3 * (1 << 14) + 5
    distances = [5 + 27 * row / rows for row in range(rows)]
    route = "/lm/api/predict?terms=true&se=true"
    many = client.post(route, json.dumps({"distance": distances}), content_type="application/json").json()
    for row in (0, rows // 2, rows - 1):
        one = client.post(route, json.dumps([{"distance": distances[row]}]), content_type="application/json").json()
        assert one["predictions"][0]["terms"]["distance"] == many["predictions"]["terms"]["distance"][row]
        assert one["predictions"][0]["se"] == many["predictions"]["se"][row]


def test_a_model_without_predictors_has_no_terms(client: Client, models: Path) -> None:
    write_model(models, formula="time ~ 1")
    update("timedistance", force=True)
    answer = client.post("/lm/api/predict?terms=true", json.dumps([{}] * 12), content_type="application/json").json()
    assert [row["terms"] for row in answer["predictions"]] == [{}] * 12
    assert answer["constant"] == pytest.approx(30)
