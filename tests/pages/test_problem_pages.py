"""Problems as people see them: a page where a browser asks, and JSON for all others."""

import html
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from ml_api.access.keys import KeyRing, lines_of, new_key, parsed
from tests.conftest import live_file

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"
PROGRAMS = ("*/*", "", "application/json", "text/csv", "application/json, text/html;q=0.9", "image/svg+xml,*/*;q=0.8")

pytestmark = pytest.mark.usefixtures("shipped_models")


def asked_twice(client: Client, path: str, method: str = "GET", **more: Any) -> tuple[int, str]:
    """Ask as a program and as a browser, which get the same but for its form: the status, and the page."""
    program = client.generic(method, path, headers={"Accept": "application/json"}, **more)
    browser = client.generic(method, path, headers={"Accept": BROWSER}, **more)
    problem = program.json()
    assert program["Content-Type"] == "application/problem+json"
    assert browser["Content-Type"] == "text/html; charset=utf-8"
    assert browser.status_code == program.status_code == problem["status"]
    headers = {"Content-Type", "Content-Length"}
    assert {k: v for k, v in browser.items() if k not in headers} == {
        k: v for k, v in program.items() if k not in headers
    }
    assert "Accept" in browser["Vary"]
    assert int(browser["Content-Length"]) == len(browser.content)
    text = html.unescape(browser.text)
    for told in (f"<h1>{problem['title']}</h1>", f"<p>{problem['detail']}</p>", 'href="/lm/api/docs"', 'href="/lm"'):
        assert told in text
    return browser.status_code, browser.text


def test_a_browser_gets_a_page_of_any_problem(models: Path, client: Client, settings: Settings) -> None:
    live_file(models, "manifest.json", "mtcars").unlink()
    settings.LM_MAX_ROWS = 1
    csv = {"data": "distance\n1\n2\n", "content_type": "text/csv"}
    for expected, path, method, more in (
        (400, "/lm/api/predict", "POST", {"data": "[", "content_type": "application/json"}),
        (404, "/nothing", "GET", {}),
        (404, "/lm/api/nothing", "GET", {}),
        (404, "/lm/api/models/nothing", "GET", {}),
        (404, "/lm/api/key/nothing", "GET", {}),
        (405, "/lm/api/models", "POST", {}),
        (405, "/static/lm_app/icon.svg", "POST", {}),
        (413, "/lm/api/predict", "post", csv),
        (415, "/lm/api/predict", "POST", {"data": "1", "content_type": "text/html"}),
        (422, "/lm/api/predict/33", "GET", {}),
        (503, "/lm/api/models/mtcars", "GET", {}),
    ):
        status, _ = asked_twice(client, path, method, **more)
        assert status == expected, path
    settings.LM_REQUIRED_MODELS = ["mtcars"]
    assert asked_twice(client, "/readyz")[0] == 503


def test_a_host_that_is_refused_is_told_by_a_page(client: Client) -> None:
    assert asked_twice(client, "/", SERVER_NAME="elsewhere.example")[0] == 400


def test_a_bug_is_told_by_a_page_without_its_traceback(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lm_app.views.render", None)
    client.raise_request_exception = False
    status, page = asked_twice(client, "/")
    assert (status, "NoneType" in page) == (500, False)


def test_what_was_asked_is_text_on_the_page(client: Client) -> None:
    _, page = asked_twice(client, "/<script>alert('1')</script>\"")
    assert "<script" not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("accept", PROGRAMS)
def test_programs_get_json(client: Client, accept: str) -> None:
    answer = client.get("/lm/api/predict/33", headers={"Accept": accept} if accept else {})
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["Vary"] == "LM-Version, Accept"


def test_head_of_a_page_has_its_length_and_no_body(client: Client) -> None:
    for path in ("/nothing", "/lm/api/models/nothing"):
        page, head = (ask(path, headers={"Accept": BROWSER}) for ask in (client.get, client.head))
        assert head.content == b""
        assert head.headers == page.headers
        assert head["Content-Length"] == str(len(page.content))


def test_keys_and_limits_are_told_by_a_page(settings: Settings) -> None:
    key = new_key("bob")
    settings.LM_API_KEYS = KeyRing(parsed(lines_of("bob", key, ["mtcars"], ["predict"])))
    assert asked_twice(Client(), "/lm/api")[0] == 401
    assert asked_twice(Client(headers={"X-API-Key": key}), "/lm/api")[0] == 403


def test_a_favicon_is_answered_and_linked(client: Client) -> None:
    assert 'rel="icon" href="/static/lm_app/icon.svg"' in client.get("/").text
    assert 'href="/static/lm_app/icon.svg"' in client.get("/lm/api/docs").text
    for path, kind in (("/favicon.ico", "image/x-icon"), ("/static/lm_app/icon.svg", "image/svg+xml")):
        answer = client.get(path)
        assert (answer.status_code, answer["Content-Type"]) == (200, kind)
        assert answer["Cache-Control"] == "max-age=60, public"
        assert answer["ETag"]
        assert len(answer.getvalue()) < 2000
