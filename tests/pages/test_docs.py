"""The API documentation, and the pages of problems, in a browser."""

import re

from playwright.sync_api import Browser, Locator, Page, expect

from tests.conftest import Server
from tests.pages.checks import assert_accessible, quiet_page

SWAGGERS_OWN = (
    "button-name",  # the buttons to copy have only a picture
    "heading-order",  # h1, then h3
    "nested-interactive",  # links in the buttons that open an operation
    "scrollable-region-focusable",  # long lines of examples
    "select-name",  # its lists stand in a table, without labels
)
"""What axe-core finds that is not ours to mend. docs/architecture.md says so, too."""


def tried(page: Page, name: str) -> Locator:
    """Open an operation, to try it."""
    operation = page.locator(".opblock").filter(has=page.get_by_role("button", name=name)).first
    operation.locator(".opblock-summary-control").click()
    operation.get_by_role("button", name="Try it out").click()
    return operation


def answer(operation: Locator) -> Locator:
    """Execute, and find what is answered."""
    operation.get_by_role("button", name="Execute").click()
    return operation.locator(".live-responses-table .response").first


def test_swagger_sends_what_is_taken_and_shows_what_is_answered(browser: Browser, server: Server) -> None:
    with quiet_page(browser, server.url, reduced_motion="reduce") as page:
        page.goto(f"{server.url}/lm/api/docs")
        expect(page.locator(".opblock-tag").first).to_contain_text("By the default model, timedistance")
        assert page.locator("section.models .model-container").count() == 0
        predict = tried(page, "GET /lm/api/predict Predict")
        expect(predict).to_contain_text("distance, trained on 5 to 32")
        expect(predict.locator(".responses-wrapper")).to_contain_text(
            "distance is 60; the model was trained on 5 to 32"
        )
        expect(predict.locator(".responses-wrapper")).not_to_contain_text('"string"')
        predict.get_by_placeholder("distance").fill("29,5")
        expect(answer(predict)).to_contain_text("47.7364864864865")
        predict.get_by_placeholder("distance").fill("33")
        predict.locator("tr", has_text="Outside the training ranges").locator("select").select_option("flag")
        expect(answer(predict)).to_contain_text(re.compile('"extrapolated": true'))
        assert_accessible(page, allowed=SWAGGERS_OWN)

        plot = tried(page, "GET /lm/api/plots/{name}.svg")
        expect(plot.locator("tr[data-param-name=name] select option")).to_have_text(
            ["fit", "normal_qq", "residuals_vs_fitted", "residuals_vs_leverage", "scale_location"]
        )
        plot.locator("tr[data-param-name=name] select").select_option("normal_qq")
        picture = answer(plot).get_by_role("img", name="The plot that was answered")
        expect(picture).to_be_visible()
        assert picture.evaluate("image => image.decode().then(() => image.naturalWidth)") > 0
        keys = tried(page, "GET /lm/api/key/{key}").locator("tr[data-param-name=key] select")
        assert keys.input_value() == "r_squared"
        keys.select_option("sigma")


def test_nothing_is_found_on_the_page_of_a_problem(browser: Browser, server: Server) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        told: list[str] = []
        page.on("console", lambda message: told.append(message.text))
        for path in ("/nothing", "/lm/api/nothing", "/lm/api/predict/33"):
            page.goto(server.url + path)
            assert_accessible(page)
            page.get_by_role("link", name="Linear Model Main Page").click()
            expect(page.get_by_role("heading", level=1)).to_have_text("Linear Model Main Page")
        assert all("Failed to load resource: the server responded with a status of 4" in text for text in told), told
