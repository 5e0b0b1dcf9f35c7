"""The OpenAPI document: it is valid, it is about the models as they are now, and it keeps its word."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from jsonschema import Draft202012Validator
from openapi_spec_validator import validate
from pytest_django import Settings

from lm_app.schemas import Options
from lm_app.training.update import update
from ml_api.access.keys import KeyRing, lines_of, new_key, parsed
from tests.conftest import ROOT, StartServer, rscript, write_model

NAMES = ["heightweight", "mtcars", "timedistance"]
pytestmark = pytest.mark.usefixtures("shipped_models")


@pytest.fixture
def document(client: Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/lm/api/openapi.json").json()
    return found


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [(path, method, op) for path, methods in document["paths"].items() for method, op in methods.items()]


def test_document_is_valid_openapi(document: dict[str, Any]) -> None:
    validate(document)


KINDS = {".svg": "image/svg+xml", ".md": "text/markdown", ".txt": "text/plain", ".R": "text/plain"}


def test_every_operation_is_described(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))
    for path, _, operation in operations(document):
        assert operation["summary"], path
        assert operation["description"], path
        assert set(operation["tags"]) <= {tag["name"] for tag in document["tags"]}
        for status, answer in operation["responses"].items():
            kinds = set(answer["content"])
            expected = KINDS.get(Path(path).suffix, "application/json")
            assert kinds == {"application/problem+json"} if int(status) >= 400 else expected in kinds


def test_examples_work(document: dict[str, Any], client: Client) -> None:
    for path, method, operation in operations(document):
        values = {p["name"]: p.get("example", p["schema"].get("enum", [None])[0]) for p in operation["parameters"]}
        where = {p["name"]: p["in"] for p in operation["parameters"]}
        url = re.sub(r"{(\w+)}", lambda found: str(values[found[1]]), path)  # noqa: B023
        if method == "get":
            answer = client.get(url, {k: v for k, v in values.items() if where[k] == "query" and v is not None})
            assert answer.status_code == 200, path
            continue
        content = operation["requestBody"]["content"]
        bodies = [
            (json.dumps(example["value"]), "application/json")
            for example in content["application/json"]["examples"].values()
        ]
        texts = [(content[kind]["example"], kind) for kind in ("text/csv", "application/x-ndjson")]
        for body, kind in [*bodies, *texts]:
            assert client.post(url, body, content_type=kind).status_code == 200, path


def test_predict_shows_the_models_own_predictors(document: dict[str, Any]) -> None:
    parameters = document["paths"]["/lm/api/models/mtcars/predict"]["get"]["parameters"]
    assert [p["name"] for p in parameters] == ["wt", "qsec", "am", *Options.model_fields, "version", "LM-Version"]
    weight, _, transmission, interval, *_ = [p["schema"] for p in parameters]
    assert (weight["x-minimum"], weight["x-maximum"], weight["x-unit"]) == (1.513, 5.424, "1000 lb")
    assert parameters[0]["description"] == "wt, in 1000 lb, trained on 1.513 to 5.424"
    assert transmission["enum"] == ["automatic", "manual"]
    assert interval["enum"] == ["none", "confidence", "prediction"]
    assert "/lm/api/models/mtcars/predict/{value}" not in document["paths"]


def test_the_document_admits_all_that_is_taken(document: dict[str, Any], client: Client) -> None:
    [distance] = [p for p in document["paths"]["/lm/api/predict"]["get"]["parameters"] if p["name"] == "distance"]
    validator = Draft202012Validator(distance["schema"])
    for taken in ("29,5", "29.5", "1e1", ".5", 29.5, 1000):
        assert validator.is_valid(taken)
        answer = client.get("/lm/api/predict", {"distance": str(taken), "extrapolation": "flag"})
        assert answer.status_code == 200, taken
    for refused in ("", "far", "1.000,5", True, None):
        assert not validator.is_valid(refused)
    observation = document["components"]["schemas"]["timedistance_observation"]
    assert Draft202012Validator(observation).is_valid({"distance": 1000})
    assert not Draft202012Validator(observation).is_valid({"distance": "far"})


def test_predict_comes_first_and_each_group_says_what_it_is(document: dict[str, Any]) -> None:
    assert list(document["paths"])[:2] == ["/lm/api/predict", "/lm/api/predict/{value}"]
    assert [(tag["name"], tag["description"]) for tag in document["tags"]] == [
        ("predict", "By the default model, timedistance"),
        ("predict: heightweight", "Height by weight"),
        ("predict: mtcars", "Fuel consumption by design"),
        ("predict: timedistance", "The same as 'predict', for clients that name the model"),
        ("default model", "What is known about timedistance"),
        ("models", "Which models there are"),
        ("any model", "The same as 'default model', about a model by its name"),
    ]


def test_keys_and_plots_are_listed(document: dict[str, Any], client: Client) -> None:
    for path, kind, url in (("key/{key}", "key", "list_keys"), ("plots/{name}.svg", "name", "plots")):
        for mount, models in (("/lm/api", ["timedistance"]), ("/lm/api/models/{model}", NAMES)):
            [parameter] = [p for p in document["paths"][f"{mount}/{path}"]["get"]["parameters"] if p["name"] == kind]
            expected = {name for model in models for name in client.get(f"/lm/api/models/{model}/{url}").json()}
            assert set(parameter["schema"]["enum"]) == expected
            assert parameter["example"] in expected


def shown(operation: dict[str, Any], status: int, kind: str = "application/problem+json") -> Any:
    return operation["responses"][str(status)]["content"][kind]["example"]


def test_examples_of_answers_are_what_is_answered(document: dict[str, Any], client: Client) -> None:
    for path, method, operation in operations(document):
        values = {"model": "timedistance"} | {
            p["name"]: p["example"] for p in operation["parameters"] if "example" in p
        }
        url = re.sub(r"{(\w+)}", lambda found: str(values[found[1]]), path)  # noqa: B023
        query = {p["name"]: values[p["name"]] for p in operation["parameters"] if p["in"] == "query" and "example" in p}
        content = operation["responses"]["200"]["content"]
        if method == "post":
            for name, example in content["application/json"]["examples"].items():
                body = operation["requestBody"]["content"]["application/json"]["examples"][name]["value"]
                assert client.post(url, body, content_type="application/json").json() == example["value"]
        elif "application/json" in content:
            answer, example = client.get(url, query).json(), content["application/json"]["example"]
            for rows in {"observations", "rows"} & set(answer if isinstance(answer, dict) else ()):
                answer[rows] = answer[rows][: len(example[rows])]
            assert answer == example, path
        elif not path.endswith(".svg"):
            [(kind, text)] = content.items()
            answer = client.get(url)
            assert answer["Content-Type"].startswith(kind)
            assert answer.text.startswith(text["example"].removesuffix("..."))
        if method == "get" and "text/csv" in content:
            assert client.get(url, {**query, "format": "csv"}).text == content["text/csv"]["example"]


def test_examples_of_problems_are_what_is_answered(document: dict[str, Any], client: Client) -> None:
    paths = document["paths"]
    for path, url, status in (
        ("predict", "predict?distance=60", 422),
        ("predict/{value}", "predict/60", 422),
        ("predict", "predict?distance=8&version=nothing", 404),
        ("key/{key}", "key/nothing", 404),
        ("plots/{name}.svg", "plots/nothing.svg", 404),
        ("models/{model}", "models/nothing", 404),
        ("models/mtcars/predict", "models/mtcars/predict?wt=10.335&qsec=16.46&am=manual", 422),
    ):
        answer = client.get(f"/lm/api/{url}")
        assert answer.status_code == status
        assert answer.json() == shown(paths[f"/lm/api/{path}"]["get"], status), url
    post = paths["/lm/api/predict"]["post"]
    for status, body, kind in (
        (400, "[", "application/json"),
        (415, "1", "text/html"),
        (422, '[{"distance":60}]', "application/json"),
    ):
        answer = client.post("/lm/api/predict", body, content_type=kind)
        assert answer.json() == shown(post, status)
    for status, start in ((411, "Send the body with its Content-Length"), (413, "The body has more than 33554432 ")):
        assert shown(post, status)["detail"].startswith(start)
    assert shown(post, 503)["detail"].startswith("Model 'timedistance' has no version that can be served; train it")


def test_nobody_reads_in_the_document_what_a_key_is_for(client: Client, settings: Settings) -> None:
    settings.LM_API_KEYS = KeyRing(parsed(lines_of("alice", new_key("alice"), ["*"], ["read"])))
    document = Client().get("/lm/api/openapi.json").json()
    for path, _, operation in operations(document):
        contents = operation["responses"]["200"]["content"].values()
        assert not any({"example", "examples"} & content.keys() for content in contents), path
    predict = document["paths"]["/lm/api/predict"]["get"]
    assert "example" not in predict["responses"]["404"]["content"]["application/problem+json"]
    assert shown(predict, 422)["detail"].startswith("distance is 60; ")


def test_the_document_is_there_while_r_has_no_time(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lm_app.examples.SECONDS_FOR_R", -1.0)
    document = client.get("/lm/api/openapi.json").json()
    content = document["paths"]["/lm/api/predict"]["get"]["responses"]["200"]["content"]
    assert "example" not in content["application/json"]
    assert document["paths"]["/lm/api"]["get"]["responses"]["200"]["content"]["application/json"]["example"]


def test_document_follows_a_retraining(models: Path, document: dict[str, Any], client: Client) -> None:
    rows = "time,far,kind\n1,2,a\n4,3,b\n5,6,a\n7,8,b\n9,9,a\n"
    write_model(models, formula="time ~ far + kind", rows=rows, factors={"kind": ["b", "a"]})
    update("timedistance", force=True)
    paths = client.get("/lm/api/openapi.json").json()["paths"]
    parameters = paths["/lm/api/predict"]["get"]["parameters"]
    assert [p["name"] for p in parameters][:2] == ["far", "kind"]
    assert parameters[1]["schema"]["enum"] == ["b", "a"]
    assert "/lm/api/predict/{value}" not in paths


def test_document_of_an_untrained_model_has_its_other_routes(models: Path, client: Client, settings: Settings) -> None:
    settings.LM_MODELS_DIR = models.parent
    (models.parent / "new").mkdir()
    (models.parent / "new" / "model.toml").touch()
    paths = client.get("/lm/api/openapi.json").json()["paths"]
    assert "/lm/api/models/{model}/list_keys" in paths
    assert not [path for path in paths if "predict" in path]
    listed = client.get("/lm/api/models").json()
    assert listed == [{"model": "new", "version": None, "default": False, "title": None, "formula": None}]


@pytest.mark.parametrize("model", ["timedistance", "heightweight", "mtcars"])
def test_prototype_is_a_schema_that_admits_what_is_answered(client: Client, model: str) -> None:
    schema = client.get(f"/lm/api/models/{model}/prototype").json()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    example = client.get(f"/lm/api/models/{model}").json()["example"]
    assert validator.is_valid(example)
    for name in example:
        for wrong in (None, "nonsense", 1e9):
            assert not validator.is_valid({**example, name: wrong})
            body = json.dumps([{**example, name: wrong}])
            url = f"/lm/api/models/{model}/predict"
            assert client.post(url, body, content_type="application/json").status_code == 422


def test_card_has_what_r_says(client: Client) -> None:
    card = client.get("/lm/api/models/mtcars").json()
    script = """
    mtcars$am <- factor(mtcars$am, labels = c("automatic", "manual"))
    m <- lm(mpg ~ wt + qsec + am, mtcars)
    s <- summary(m)
    cat(sprintf("%.17g", c(t(cbind(s$coefficients, confint(m))), s$sigma, AIC(m), BIC(m), s$fstatistic,
        sqrt(mean((residuals(m) / (1 - hatvalues(m)))^2)))))
    """
    coefficients = [[value for value in row.values() if not isinstance(value, str)] for row in card["coefficients"]]
    f = card["f_statistic"]
    found = [
        *(number for row in coefficients for number in row),
        card["sigma"],
        card["aic"],
        card["bic"],
        f["value"],
        f["df1"],
        f["df2"],
        card["press_rmse"],
    ]
    assert found == pytest.approx([float(text) for text in rscript(script).split()], rel=1e-12)
    assert [row["term"] for row in card["coefficients"]] == ["(Intercept)", "wt", "qsec", "ammanual"]
    assert (card["n"], card["df_residual"], card["formula_given"], card["formula"]) == (
        32, 28, "mpg ~ .", "mpg ~ wt + qsec + am",
    )  # fmt: skip
    assert card["dropped_terms"] == ["cyl", "disp", "hp", "drat", "vs", "gear", "carb"]
    assert card["equation"] == "9.617781 - 3.916504 * wt + 1.225886 * qsec + 2.935837 * ammanual"
    assert card["example"] == {"wt": 2.62, "qsec": 16.46, "am": "manual"}
    assert card["unit"] == "miles/US gallon"


def test_a_generated_client_predicts_with_every_model(serve: StartServer, tmp_path: Path) -> None:
    """By openapi-python-client, without hand work."""
    script = """
import sys
from r_linear_models_client import Client
from r_linear_models_client.api.predict_heightweight import heightweight_predict_many as heightweight
from r_linear_models_client.api.predict_mtcars import mtcars_predict_many, mtcars_predict_one
from r_linear_models_client.api.predict_timedistance import timedistance_predict_one, timedistance_predict_value
from r_linear_models_client.models import (
    HeightweightColumns, MtcarsObservation, MtcarsObservationAm, MtcarsPredictManyInterval, MtcarsPredictOneAm
)
client = Client(sys.argv[1], raise_on_unexpected_status=True)
print(timedistance_predict_value.sync(29.5, client=client))
print(timedistance_predict_one.sync(client=client, distance=29.5).fit)
print(heightweight.sync(client=client, body=HeightweightColumns(weight=[60.0, 70.0])).predictions.fit)
one = mtcars_predict_one.sync(client=client, wt=2.6, qsec=17, am=MtcarsPredictOneAm.MANUAL)
car = MtcarsObservation(wt=2.6, qsec=17, am=MtcarsObservationAm.MANUAL)
[many] = mtcars_predict_many.sync(client=client, body=[car], interval=MtcarsPredictManyInterval.CONFIDENCE).predictions
print(one.fit == many.fit, many.lower < many.fit < many.upper)
"""
    with serve("gunicorn") as server:
        (tmp_path / "openapi.json").write_bytes(server.get("/lm/api/openapi.json"))
        subprocess.run(
            [Path(sys.executable).with_name("openapi-python-client"), "generate", "--path", "openapi.json",
             "--output-path", "client"],
            cwd=tmp_path, env={**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}, check=True,
        )  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", script, server.url], cwd=tmp_path / "client", capture_output=True, text=True
        )
    assert done.stderr == ""
    assert done.stdout == "47.736486\n47.7364864864865\n[1.6171187990150102, 1.7785618579738982]\nTrue True\n"


def test_schemathesis_finds_nothing(serve: StartServer) -> None:
    with serve("gunicorn") as server:
        done = subprocess.run(
            [Path(sys.executable).with_name("schemathesis"), "run", f"{server.url}/lm/api/openapi.json",
             "--checks", "all", "--max-examples", "12", "--generation-deterministic"],
            env={**os.environ, "SCHEMATHESIS_HOOKS": "tests.predict.schemathesis_hooks", "PYTHONPATH": "."},
            cwd=ROOT, capture_output=True, text=True,
        )  # fmt: skip
        log = server.log.read_text()
    assert done.returncode == 0, done.stdout
    assert "Traceback" not in log
