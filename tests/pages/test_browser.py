"""The pages in a real browser."""

import re
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.conftest import StartServer

QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, or else the one that `playwright install chromium` made."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=QUIET, chromium_sandbox=False
        )
        yield launched
        launched.close()


def test_swagger_try_it_out_predicts(serve: StartServer, browser: Browser) -> None:
    with serve("gunicorn") as server:
        page = browser.new_page()
        requested: list[str] = []
        errors: list[str] = []
        page.on("request", lambda request: requested.append(request.url))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.goto(f"{server.url}/lm")
        page.get_by_role("link", name="API documentation").click()
        page.get_by_role("button", name="GET /lm/api/predict/{value} Predict").click()
        page.get_by_role("button", name="Try it out").click()
        page.get_by_placeholder("value").fill("29.5")
        page.get_by_role("button", name="Execute").click()
        expect(page.locator(".live-responses-table .highlight-code").first).to_have_text(re.compile("47.736486"))
        page.close()
        assert [url for url in requested if not url.startswith((server.url, "data:"))] == []
        assert errors == []
