"""The pages and the API documentation, as Django's test client sees them."""

import re
import runpy
from pathlib import Path

import pytest
from django.core.cache import close_caches
from django.core.signals import request_finished
from django.test import Client
from pytest_django import Settings

from tests.conftest import ROOT


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
