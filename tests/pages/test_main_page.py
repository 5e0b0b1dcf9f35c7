"""The main page in a browser."""

from playwright.sync_api import Browser

from tests.conftest import Server
from tests.pages.checks import assert_accessible, quiet_page


def test_nothing_is_found_on_the_pages(browser: Browser, server: Server) -> None:
    with quiet_page(browser, server.url) as page:
        for path in ("/", "/lm", "/lm?model=mtcars"):
            page.goto(server.url + path)
            assert_accessible(page)
