"""R is bounded: large batches go through it in chunks, and what takes too long is answered 503."""

import json
import random
import threading
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings
from rpy2 import rinterface

from lm_app.engine import lm, runtime
from lm_app.training.update import update
from tests.conftest import write_model

ROWS = 40_000
URL = "/lm/api/predict"
FORMULAS = {
    "y ~ x": "",
    "y ~ 0 + x + z": "",
    "y ~ x * z + g": "",
    "y ~ x * g": "z",
    "y ~ poly(x, 3) + log(z)": "",
    "y ~ ns(x, df = 4) * g": "",
    "y ~ bs(z, knots = c(4, 6)) + offset(x)": "x",
    "y ~ I(1 / x) + cut(z, c(0, 3, 6, 20))": "",
    "log(y) ~ (x + z + g)^2": "",
    "y ~ x + I(2 * x) + g": "",  # rank-deficient: predict() answers, and warns
    "y ~ poly(z, 2) + h + x": "z",  # of 60 levels: smaller chunks
}
Columns = dict[str, list[float | str]]


def draw(rows: int, dice: random.Random) -> Columns:
    return {
        "x": [dice.uniform(1, 9) for _ in range(rows)],
        "z": [dice.uniform(1, 9) for _ in range(rows)],
        "g": [dice.choice("abc") for _ in range(rows)],
        "h": [f"h{dice.randrange(60)}" for _ in range(rows)],
    }


@pytest.fixture(scope="module")
def chunked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model for each formula, by its number."""
    from django.test import override_settings

    folder, dice = tmp_path_factory.mktemp("chunked"), random.Random(12)
    data = draw(600, dice)
    rows = zip(*data.values(), strict=True)
    lines = ["x,z,g,h,y", *(",".join(map(str, row)) + f",{dice.uniform(1, 2)}" for row in rows)]
    with override_settings(LM_MODELS_DIR=folder):
        for number, (formula, weights) in enumerate(FORMULAS.items()):
            factors: dict[str, list[str]] = {name: [] for name in "gh" if name in formula.replace("log", "")}
            write_model(
                folder,
                name=f"m{number}",
                formula=formula,
                rows="\n".join(lines) + "\n",
                weights=weights or None,
                factors=factors,
            )
            update(f"m{number}", force=True)
    return folder


def ask(client: Client, number: int, columns: Columns, interval: str) -> bytes:
    route = f"/lm/api/models/m{number}"
    predictors = [predictor["name"] for predictor in client.get(route).json()["predictors"]]
    url = f"{route}/predict?interval={interval}&extrapolation=flag"
    body = json.dumps({name: columns[name] for name in predictors})
    response = client.post(url, body, content_type="application/json")
    assert response.status_code == 200, response.content
    return response.content


@pytest.mark.parametrize("special", ["", "outside", "no number"])
@pytest.mark.parametrize("number", range(len(FORMULAS)), ids=list(FORMULAS))
def test_chunks_give_the_numbers_of_one_call_to_the_last_bit(
    chunked: Path, number: int, special: str, client: Client, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.LM_MODELS_DIR = chunked
    columns = draw(ROWS, random.Random(number))
    if special == "outside":
        columns["x"][20_000], columns["z"][3] = 9.5, 9.9
    elif special == "no number":
        columns["x"][9_000], columns["z"][20_000] = 0, -1
    more = ["prediction&se=true&terms=true"] if special != "outside" else []
    for interval in ("none", "confidence", "prediction", *more):
        in_chunks = ask(client, number, columns, interval)
        with monkeypatch.context() as patch:
            patch.setattr(lm, "FEWEST_ROWS", 1 << 20)
            assert ask(client, number, columns, interval) == in_chunks


def refused(client: Client, url: str, columns: Columns | None = None) -> dict[str, str]:
    """What a refusal says, with its status and when to come again."""
    response = client.post(url, json.dumps(columns), content_type="application/json") if columns else client.get(url)
    headers = {name: response[name] for name in ("Retry-After",) if name in response}
    return {"status": str(response.status_code), **headers, "detail": response.json()["detail"]}


@pytest.mark.parametrize("number", [1, 9], ids=["the fast path", "predict()"])
def test_between_chunks_a_prediction_ends_that_takes_too_long(
    chunked: Path, number: int, client: Client, settings: Settings
) -> None:
    settings.LM_MODELS_DIR = chunked
    columns = {name: values for name, values in draw(100_000, random.Random(1)).items() if name in "xz"}
    columns |= {"g": ["a"] * 100_000} if number == 9 else {}
    columns.pop("z") if number == 9 else None
    client.get(f"/lm/api/models/m{number}")
    settings.LM_MAX_SECONDS = 0.0005
    answer = refused(client, f"/lm/api/models/m{number}/predict?extrapolation=flag", columns)
    coefficients = {1: 2, 9: 5}[number]
    assert answer == {
        "status": "503",
        "Retry-After": "1",
        "detail": f"Model 'm{number}' has no answer within 0.0005 s (LM_MAX_SECONDS) to 100000 observations of "
        f"{coefficients} coefficients, interval=none; send fewer observations at once, or try again.",
    }


def test_standard_errors_that_take_too_long_are_no_answer(
    shipped_models: Path, client: Client, settings: Settings
) -> None:
    endless = runtime.in_r(rinterface.evalr, "function(...) repeat 1")
    settings.LM_MAX_SECONDS = 0.2
    runtime.in_r(rinterface.globalenv.__setitem__, "predict", endless)  # the fast path needs none
    try:
        assert client.get("/lm/api/predict?distance=7").status_code == 200
        assert refused(client, "/lm/api/predict?distance=7&se=true")["status"] == "503"
    finally:
        runtime.in_r(rinterface.globalenv.__delitem__, "predict")


def test_r_is_interrupted_where_one_call_takes_too_long(models: Path, client: Client, settings: Settings) -> None:
    """A logarithm that never ends, which predict() finds where formulas look for functions."""
    write_model(models, formula="time ~ log(distance)", weights="distance")
    update("timedistance", force=True)
    url = "/lm/api/predict?distance=7"
    right = client.get(url)
    endless = runtime.in_r(rinterface.evalr, "function(x) repeat 1")
    settings.LM_MAX_SECONDS = 0.2
    runtime.in_r(rinterface.globalenv.__setitem__, "log", endless)
    try:
        assert refused(client, url)["status"] == "503"
    finally:
        runtime.in_r(rinterface.globalenv.__delitem__, "log")
    settings.LM_MAX_SECONDS = 30
    assert client.get(url).content == right.content


def test_who_waits_for_r_too_long_is_told_so(shipped_models: Path, client: Client, settings: Settings) -> None:
    assert client.get("/lm/api/predict/29.5").content == b"47.736486"
    is_in, may_go = threading.Event(), threading.Event()

    def stay() -> None:
        is_in.set()
        may_go.wait()

    busy = threading.Thread(target=runtime.in_r, args=[stay])
    busy.start()
    assert is_in.wait(5)
    settings.LM_MAX_SECONDS = 0.05
    answers: list[dict[str, str]] = []
    asking = threading.Thread(target=lambda: answers.append(refused(client, "/lm/api/predict/29.5")))
    asking.start()
    asking.join(5)
    may_go.set()
    busy.join()
    assert [(answer["status"], answer["Retry-After"]) for answer in answers] == [("503", "1")]
    settings.LM_MAX_SECONDS = 30
    assert client.get("/lm/api/predict/29.5").content == b"47.736486"


def test_more_cells_than_allowed_are_refused_before_r_is_asked(
    shipped_models: Path, client: Client, settings: Settings
) -> None:
    settings.LM_MAX_CELLS = 20
    body = '{"distance": [6, 7, 8, 9, 10, 11, 12, 13, 14, 15]}'
    assert client.post(URL, body, content_type="application/json").status_code == 200
    answer = refused(client, URL, {"distance": [6.0] * 11})
    assert answer == {
        "status": "413",
        "detail": "There are 11 observations, and the model has 2 coefficients; "
        "send at most 10 observations at once (LM_MAX_CELLS).",
    }
