"""The pages and the API documentation, as Django's test client sees them."""

import re
import runpy
from pathlib import Path

import pytest
from django.core.cache import close_caches
from django.core.signals import request_finished
from django.test import Client
from pytest_django import Settings

from lm_app.training.update import update
from tests.conftest import ROOT, write_model


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
    assert "fitted to 4 observations; 3 rows left out for missing values: time (2), distance (1)." in page
    assert "<dt>new</dt> <dd>Not trained: <code>python manage.py runscript update_lm new</code></dd>" in page
    assert "mtcars: " in page


def test_what_stands_in_model_toml_is_text_on_the_main_page(models: Path, client: Client) -> None:
    write_model(models, title="<script>alert(1)</script>")
    update("timedistance", force=True)
    page = client.get("/lm").text
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page


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
