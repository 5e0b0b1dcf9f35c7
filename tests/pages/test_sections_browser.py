"""The sections about the model in a browser: a hostile model of several versions, and the log of a response."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import override_settings
from playwright.sync_api import Browser, expect

from lm_app.training.update import update
from tests.conftest import Server, serving, write_model
from tests.pages.checks import assert_accessible, quiet_page

HOSTILE = '<script>alert("1")</script>\'"'
ROWS = "time,<i>x</i>,kind\n" + "".join(
    f"{row + row % 3 + 1},{row},{'<script>alert(2)</script>' if row % 2 else 'plain'}\n" for row in range(1, 25)
)


@pytest.fixture(scope="module")
def sections(trained_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The shipped models, and one whose every text is markup, in three versions of which the second was forced."""
    models = shutil.copytree(trained_models, tmp_path_factory.mktemp("sections") / "models")
    texts = {"title": HOSTILE, "description": HOSTILE, "units": {"time": HOSTILE, "<i>x</i>": HOSTILE}}
    with override_settings(LM_MODELS_DIR=models):
        for formula in ("log(time) ~ .", "log(time) ~ 1", "log(time) ~ ."):
            write_model(models, name="hostile", formula=formula, rows=ROWS, factors={"kind": []}, **texts)
            update("hostile", force=True)
    with serving("gunicorn", models, tmp_path_factory.mktemp("log") / "server.log") as started:
        yield started
        started.interrupt()
        assert "Traceback" not in started.log.read_text()


def test_nothing_is_found_in_the_sections(browser: Browser, sections: Server) -> None:
    with quiet_page(browser, sections.url) as page:
        for query in ("model=hostile", "model=mtcars&wt=99"):
            page.goto(f"{sections.url}/lm?{query}")
            for folded in page.locator("main details").all():
                folded.locator("summary").first.click()
            assert_accessible(page)


def test_texts_are_shown_as_they_are(browser: Browser, sections: Server) -> None:
    with quiet_page(browser, sections.url) as page:
        page.goto(f"{sections.url}/lm?model=hostile")
        expect(page.locator("main i, main script:not([type='application/json'])")).to_have_count(0)
        coefficients = page.locator("#coefficients")
        expect(coefficients).to_contain_text('<i>x</i>, 1 <script>alert("1")</script>\'" more: time')
        expect(coefficients).to_contain_text("kind plain instead of <script>alert(2)</script>")
        expect(page.locator("#card")).to_contain_text("<script>alert(2)</script>, plain")
        expect(page.locator("#contributions")).to_contain_text("<i>x</i>")
        page.goto(f"{sections.url}/lm/api/models/hostile/plots/fit.svg")  # by itself, under its own policy
        expect(page.locator("svg > title")).to_have_text(f"Fit: {HOSTILE}")
        assert page.locator("svg").get_attribute("role") == "img"
        page.emulate_media(color_scheme="dark")
        assert page.evaluate("getComputedStyle(document.documentElement).backgroundColor") == "rgb(33, 33, 33)"
        assert page.locator("svg text").first.evaluate("text => getComputedStyle(text).fill") == "rgb(221, 221, 221)"


def test_contributions_and_values_follow_the_form(browser: Browser, sections: Server) -> None:
    with quiet_page(browser, sections.url) as page:
        page.goto(f"{sections.url}/lm?model=mtcars&wt=2.6&qsec=17&am=manual")
        bars = page.locator("#contributions")
        expect(bars).to_contain_text("wt+2.42")
        page.get_by_text("The picture's values as a table").click()
        before = page.locator("#values").inner_text()
        page.get_by_label("wt in 1000 lb").fill("3,5")
        expect(bars).to_contain_text("wt\N{MINUS SIGN}1.11")
        expect(page.locator("#values")).not_to_have_text(before)
        expect(page.locator("#values")).to_be_visible()


def test_everything_is_there_without_javascript(browser: Browser, sections: Server) -> None:
    with quiet_page(browser, sections.url, java_script_enabled=False) as page:
        page.goto(f"{sections.url}/lm?model=hostile")
        plot = page.locator("svg.versions")
        expect(plot.locator("g")).to_have_count(3)
        expect(plot.locator("g.live")).to_have_count(1)
        expect(plot.locator("g rect").first).to_be_visible()  # a forced one
        first = page.locator("#versions option").first.inner_text()
        page.locator("[name=version_a]").select_option(first)
        page.get_by_role("button", name="Compare").click()
        assert f"version_a={first}" in page.url
        assert page.url.endswith("#versions")
        assert "model=hostile" in page.url
        expect(page.locator("#versions thead").last).to_contain_text(first)
        for picture in page.locator("#diagnostics img").all():
            picture.scroll_into_view_if_needed()
            expect(picture).to_have_js_property("naturalWidth", 672)
