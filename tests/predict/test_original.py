"""What the original project answers, and what it should have answered."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.test import Client
from pytest_django import Settings

from lm_app.training.update import update
from tests.conftest import ROOT, write_model

pytestmark = pytest.mark.usefixtures("shipped_models")

GOLDEN = ROOT / "tests" / "golden"


def golden(model: str) -> dict[str, Any]:
    info: dict[str, Any] = json.loads((GOLDEN / f"{model}.model_info.json").read_text())
    if model == "heightweight":  # its older script did not name the predictor yet
        info["coef_weight"] = info.pop("coef")
    return info


@pytest.mark.parametrize("model", ["timedistance", "heightweight"])
def test_key_answers_the_originals_values(model: str, client: Client, settings: Settings) -> None:
    settings.LM_DEFAULT_MODEL = model
    info = golden(model)
    straight = str.maketrans("\u2018\u2019", "''")
    assert client.get("/lm/api/key/call").json().translate(straight) == info.pop("call").translate(straight)
    for key, value in info.items():
        assert client.get(f"/lm/api/key/{key}").json() == value, key


def test_list_keys_is_sorted_and_has_the_originals(client: Client) -> None:
    keys = client.get("/lm/api/list_keys").json()
    assert keys == sorted(keys)
    assert set(golden("timedistance")) <= set(keys)


@pytest.mark.parametrize("text", ["29.5", "29,5", "29.50", "+29.5", "2.95e1", "0029,5"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_predict_answers_the_bare_number(client: Client, text: str, slash: str) -> None:
    answer = client.get(f"/lm/api/predict/{text}{slash}")
    assert (answer.status_code, answer.content) == (200, b"47.736486")
    assert answer["Content-Type"].startswith("application/json")


def test_predict_takes_both_ends_of_the_range(client: Client) -> None:
    assert client.get("/lm/api/predict/5").json() == 12.972973
    assert client.get("/lm/api/predict/32").json() == 51.283784


def test_default_model_is_a_setting(client: Client, settings: Settings) -> None:
    settings.LM_DEFAULT_MODEL = "heightweight"
    assert client.get("/lm/api/predict/60").json() == 1.617119


@pytest.mark.parametrize(
    "text",
    [
        "abc",
        "1.000,5",
        "29.4.1",
        "nan",
        "inf",
        "1e999",
        "0x10",
        "²",
        "9" * 10_000,
        "--5",
        "1_0",
        " ",
        " 29.5",
        "29.5 ",
        "٣",
        ".",
    ],
)
def test_predict_of_no_number_says_what_one_looks_like(client: Client, text: str) -> None:
    answer = client.get(f"/lm/api/predict/{quote(text)}")
    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    problem = answer.json()
    assert problem["status"] == 422
    assert "such as 29.5, 29,5 or 17" in problem["detail"]
    assert len(problem["detail"]) < 300


@pytest.mark.parametrize("text", ["33", "4,99", "-29.5", "32.000001"])
def test_predict_outside_the_range_names_value_and_range(client: Client, text: str) -> None:
    answer = client.get(f"/lm/api/predict/{text}")
    assert answer.status_code == 422
    assert f"distance is {text}" in answer.json()["detail"]
    assert "5 to 32" in answer.json()["detail"]
    assert answer["LM-Model"] == "timedistance"


def test_unknown_key_names_the_keys(client: Client) -> None:
    answer = client.get("/lm/api/key/nope")
    assert answer.status_code == 404
    assert answer["Content-Type"] == "application/problem+json"
    assert "fitted_values" in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/lm/api/list_keys", "/lm/api/key/call", "/lm/api/predict/29.5"])
def test_other_methods_are_not_allowed(client: Client, path: str) -> None:
    answer = client.delete(path)
    assert answer.status_code == 405
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["Allow"] == "GET"
    assert "allowed: GET" in answer.json()["detail"]


def test_head_answers_the_headers_of_get(client: Client) -> None:
    answer = client.head("/lm/api/predict/29.5")
    assert (answer.status_code, answer.content, answer["Content-Length"]) == (200, b"", "9")


def test_unknown_route_is_a_problem(client: Client) -> None:
    for path in ("/nope", "/lm/api/nope"):
        answer = client.get(path)
        assert answer.status_code == 404
        assert answer["Content-Type"] == "application/problem+json"
        assert "/lm/api/docs" in answer.json()["detail"]


def test_unknown_host_is_a_problem(client: Client) -> None:
    answer = client.get("/lm/api/predict/29.5", headers={"Host": "elsewhere.example"})
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"


def test_an_error_of_ours_is_a_problem_without_traceback(
    client: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("lm_app.predict.parse.single_value", lambda *_: 1 / 0)
    client.raise_request_exception = False
    answer = client.get("/lm/api/predict/29.5")
    assert answer.status_code == 500
    assert answer["Content-Type"] == "application/problem+json"
    assert b"ZeroDivision" not in answer.content
    assert "ZeroDivisionError" in caplog.text


def test_an_error_outside_the_api_is_a_problem(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lm_app.views.render", lambda *_: 1 / 0)
    client.raise_request_exception = False
    answer = client.get("/")
    assert (answer.status_code, answer["Content-Type"]) == (500, "application/problem+json")


def test_predict_by_one_number_needs_a_model_of_one_number(models: Path, client: Client) -> None:
    rows = "time,distance,kind\n1,2,a\n4,3,b\n5,6,a\n7,8,b\n9,9,a\n"
    write_model(models, formula="time ~ distance + kind", rows=rows, factors={"kind": []})
    update("timedistance", force=True)
    answer = client.get("/lm/api/predict/5")
    assert answer.status_code == 422
    assert "distance, kind" in answer.json()["detail"]
