"""The pages and the API documentation, as Django's test client sees them."""

import math
import re
import runpy
import shutil
from pathlib import Path

import pytest
from django.core.cache import close_caches
from django.core.signals import request_finished
from django.test import Client
from pytest_django import Settings

from lm_app.pages.numbers import decimals_of, p_value, rounded, short
from lm_app.training.update import update
from tests.conftest import ROOT, live_version, write_model


@pytest.mark.usefixtures("shipped_models")
@pytest.mark.parametrize(
    ("path", "heading"), [("/", "Index Page"), ("/lm", "Linear Model Main Page"), ("/lm/", "Linear Model Main Page")]
)
def test_page_has_its_heading_and_links_to_the_docs(client: Client, path: str, heading: str) -> None:
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/html; charset=utf-8"
    assert f"<h1>{heading}</h1>" in answer.text
    assert 'href="/lm/api/docs"' in answer.text


@pytest.mark.usefixtures("shipped_models")
def test_docs_take_every_asset_from_this_server(client: Client) -> None:
    page = client.get("/lm/api/docs").text
    assets = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert len(assets) >= 4
    for asset in assets:
        assert asset.startswith("/static/"), asset
        answer = client.get(asset)
        assert answer.status_code == 200, asset
        answer.close()


def test_pages_and_docs_answer_without_a_trained_model(client: Client, settings: Settings, tmp_path: Path) -> None:
    settings.LM_MODELS_DIR = tmp_path
    for path in ("/", "/lm", "/lm/api/docs", "/lm/api/openapi.json"):
        assert client.get(path).status_code == 200, path


def test_the_main_page_tells_of_rows_that_were_left_out(models: Path, client: Client) -> None:
    write_model(models, rows="time,distance\n1,2\n3,\n5,4\n8,7\nNA,8\n11,9\nNA,10\n")
    write_model(models, name="new", formula="y ~ x")
    update("timedistance", force=True)
    page = " ".join(client.get("/lm").text.split())
    assert "Fitted to 4 observations; 3 rows left out for missing values: time (2), distance (1)." in page
    assert ">new (not trained)</a>" in page
    assert "runscript update_lm --script-args new" in client.get("/lm?model=new").text
    assert "new (not trained)" in client.get("/").text


def test_what_stands_in_model_toml_is_text_on_the_pages(models: Path, client: Client) -> None:
    write_model(models, title="<script>alert(1)</script>")
    update("timedistance", force=True)
    for path in ("/lm", "/"):
        page = client.get(path).text
        assert "<script>" not in page
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


def test_another_version_can_be_shown(models: Path, client: Client) -> None:
    before = live_version(models)
    update("timedistance", force=True)
    page = client.get(f"/lm?version={before}").text
    assert f'<dd class="version">{before}</dd>' in page
    assert f'<input type="hidden" name="version" value="{before}">' in page
    assert client.get("/lm?version=none").status_code == 404
    assert "asks for the versions" in client.get(f"/lm?version={before}&version={live_version(models)}").text


def test_a_model_that_is_not_the_default_is_shown_where_that_is_gone(models: Path, client: Client) -> None:
    shutil.rmtree(models / "timedistance")
    assert "<h2>Height by weight</h2>" in client.get("/lm").text


@pytest.mark.usefixtures("shipped_models")
def test_wrong_options_are_said_to_be_so(client: Client) -> None:
    page = client.get("/lm?level=2&interval=none").text
    assert "level is &#x27;2&#x27;; it must be a number between 0 and 1." in page
    assert '<option value="2" selected>2</option>' in page
    assert "no answer" in page
    page = client.get("/lm?interval=none").text
    assert '<data value="17.2297297297297' in page
    assert "a new observation lies in" not in page


@pytest.mark.parametrize("model", ["timedistance", "heightweight", "mtcars"])
def test_the_numbers_of_a_page_are_the_apis(shipped_models: Path, client: Client, model: str) -> None:
    page = client.get(f"/lm?model={model}").content.decode()
    card = client.get(f"/lm/api/models/{model}").json()
    answer = client.get(f"/lm/api/models/{model}/predict", {**card["example"], "interval": "prediction"}).json()
    result = page.partition('<div id="result"')[2].partition("</div>")[0]
    assert re.findall('<data value="(.*?)">', result) == [repr(answer[limit]) for limit in ("fit", "lower", "upper")]
    shown = re.findall('<data value="(.*?)">', page)
    for number in (card["sigma"], card["press_rmse"], *(row["estimate"] for row in card["coefficients"])):
        assert repr(number) in shown


@pytest.mark.usefixtures("shipped_models")
def test_pages_are_compressed_and_have_a_strict_policy(client: Client) -> None:
    page = client.get("/lm", headers={"Accept-Encoding": "gzip"})
    assert page["Content-Encoding"] == "gzip"
    policy = page["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self';")
    assert "unsafe" not in policy


def test_more_than_r_is_allowed_is_not_drawn(shipped_models: Path, client: Client, settings: Settings) -> None:
    settings.LM_MAX_CELLS = 1
    page = client.get("/lm").text
    assert "There are 1 observations, and the model has 2 coefficients" in page


def test_wsgi_serves_the_project() -> None:
    from ml_api.wsgi import application

    assert callable(application)


@pytest.mark.parametrize(("backend", "closes"), [("locmem.LocMemCache", False), ("dummy.DummyCache", True)])
def test_caches_that_hold_connections_are_closed_after_each_request(
    settings: Settings, backend: str, closes: bool
) -> None:
    settings.CACHES = {"default": {"BACKEND": f"django.core.cache.backends.{backend}"}}
    request_finished.connect(close_caches)
    runpy.run_path(str(ROOT / "ml_api" / "wsgi.py"))
    assert request_finished.disconnect(close_caches) is closes


@pytest.mark.parametrize(
    ("width", "value", "text"),
    [
        (35.2, 47.7364, "47.7"),
        (0.001, 0.123456, "0.123456"),
        (60000, 1234567, "1\N{NARROW NO-BREAK SPACE}234\N{NARROW NO-BREAK SPACE}600"),
        (None, 1.25, "1.250000"),
        (0.0, -1e-9, "0.000000"),
        (1e-20, 1e-15, "1e-15"),
        (1.0, math.nan, "not a number"),
        (1.0, math.inf, "infinite"),
        (1e300, 1e300, "1e+300"),
    ],
)
def test_digits_follow_the_width(width: float | None, value: float, text: str) -> None:
    assert rounded(value, decimals_of(width)) == text


def test_numbers_are_short_and_no_p_is_0() -> None:
    assert [short(value) for value in (1.513, 5.42412, 5.0, 0, 1e-9, 123456, None)] == [
        "1.513",
        "5.424",
        "5",
        "0",
        "1e-09",
        "123\N{NARROW NO-BREAK SPACE}500",
        "not a number",
    ]
    assert [p_value(p) for p in (0.0, 1e-300, 0.0009, 0.0012, 0.23, None, math.nan)] == [
        "< 0.001",
        "< 0.001",
        "< 0.001",
        "0.0012",
        "0.23",
        "not defined",
        "not defined",
    ]


def test_a_predictor_with_one_value_has_no_slider(models: Path, client: Client) -> None:
    write_model(models, name="flat", formula="y ~ x + z", rows="y,x,z\n1,1,7\n3,2,7\n4,3,7\n7,4,7\n8,5,7\n")
    update("flat")
    page = client.get("/lm?model=flat").content.decode()
    assert page.count('type="range"') == 1


def test_an_r_that_is_too_slow_leaves_the_page(models: Path, client: Client, settings: Settings) -> None:
    settings.LM_MAX_SECONDS = 0
    answer = client.get("/lm")
    assert answer.status_code == 200
    assert "no answer within 0 s" in answer.content.decode()
