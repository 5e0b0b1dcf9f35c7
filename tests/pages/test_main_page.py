"""The main page in a browser."""

import gzip
import json
import re
import subprocess
import urllib.parse
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.conftest import ROOT, Server
from tests.pages.checks import DESK, assert_accessible, quiet_page

STATIC = ROOT / "lm_app" / "static" / "lm_app"
MOST_BYTES = 60_000


def answer_of(server: Server, page: Page, model: str) -> dict[str, Any]:
    """What the API answers to what stands in the page's form."""
    fields = page.evaluate("Object.fromEntries(new FormData(document.getElementById('form')))")
    asked = urllib.parse.urlencode({name: value for name, value in fields.items() if name != "model"})
    answer: dict[str, Any] = json.loads(server.get(f"/lm/api/models/{model}/predict?{asked}"))
    return answer


def shown(page: Page) -> list[float]:
    """The numbers of the answer on the page, with all their digits."""
    values = page.locator("#result data").evaluate_all("all => all.map(each => each.value)")
    return [float(value) for value in values]


def expect_answer(server: Server, page: Page, model: str) -> None:
    """Wait until the page shows what the API answers."""
    answer = answer_of(server, page, model)
    expect(page.locator("#result .fit data")).to_have_attribute("value", repr(answer["fit"]))
    assert shown(page) == [answer["fit"], answer["lower"], answer["upper"]]


def test_nothing_is_found_on_the_pages(browser: Browser, server: Server) -> None:
    with quiet_page(browser, server.url) as page:
        for path in ("/", "/lm", "/lm?model=mtcars&wt=7&qsec=x", "/lm?model=mtcars&wt=7&extrapolation=flag"):
            page.goto(server.url + path)
            assert_accessible(page)


def test_the_example_is_answered_on_arrival_on_one_screen(browser: Browser, server: Server) -> None:
    with quiet_page(browser, server.url) as page:
        for model in ("timedistance", "mtcars", "heightweight"):
            page.goto(f"{server.url}/lm?model={model}")
            expect(page.locator(".panels svg .answer").first).to_be_visible()
            expect_answer(server, page, model)
            for part in ("h2", "#result", ".panels"):
                box = page.locator(part).first.bounding_box()
                assert box
                assert box["y"] + box["height"] <= DESK["height"], (model, part)


def test_typing_and_sliding_predict(browser: Browser, server: Server) -> None:
    with quiet_page(browser, server.url) as page:
        page.goto(f"{server.url}/lm")
        typed, slider = page.get_by_label("distance", exact=True), page.get_by_label("distance, slider")
        typed.fill("29,5")
        expect(page.locator("#result strong")).to_have_text("47.7")
        expect(page.locator("#result .limits")).to_have_text("30.1 to 65.3")
        expect_answer(server, page, "timedistance")
        assert slider.input_value() == "30"  # of whole numbers
        assert "distance=29%2C5" in page.url
        slider.focus()
        slider.press("ArrowRight")
        assert typed.input_value() == "31"
        expect(page).to_have_url(re.compile(r"distance=31"))
        expect_answer(server, page, "timedistance")
        page.get_by_label("interval for").select_option("confidence")
        page.get_by_role("combobox", name="at", exact=True).select_option("0.8")
        expect(page.locator("#result")).to_contain_text("the mean lies in")
        expect(page.locator("#result")).to_contain_text("80\N{NO-BREAK SPACE}%")
        expect_answer(server, page, "timedistance")
        expect(page.locator(".key.mean")).to_contain_text("80 %")
        page.reload()  # the URL is the state
        expect(typed).to_have_value("31")
        expect_answer(server, page, "timedistance")
        page.go_back()
        expect(page.get_by_role("combobox", name="at", exact=True)).to_have_value("0.95")


def test_all_digits_are_copied(browser: Browser, server: Server) -> None:
    with quiet_page(browser, server.url, permissions=["clipboard-read", "clipboard-write"]) as page:
        page.goto(f"{server.url}/lm?distance=29.5")
        page.locator("#result .limits").select_text()
        page.keyboard.press("Control+c")
        lower, upper = shown(page)[1:]
        assert page.evaluate("navigator.clipboard.readText()") == f"{lower} to {upper}"
        page.locator("#result strong data").select_text()
        page.keyboard.press("Control+c")
        assert page.evaluate("navigator.clipboard.readText()") == repr(shown(page)[0])
        page.locator("#answer h2").select_text()
        page.keyboard.press("Control+c")
        assert page.evaluate("navigator.clipboard.readText()").strip() == "Time by distance"


def test_out_of_range_is_refused_at_the_field_and_answered_all_the_same(browser: Browser, server: Server) -> None:
    with quiet_page(browser, server.url) as page:
        page.goto(f"{server.url}/lm")
        page.get_by_label("distance", exact=True).fill("40")
        error = page.locator("#field-0-error")
        expect(error).to_contain_text("distance is 40; the model was trained on 5 to 32 and does not answer outside")
        expect(page.locator("#result")).to_contain_text("no answer")
        expect(page.locator(".panels .beyond")).to_have_count(0)
        page.get_by_role("button", name="answer all the same").click()
        expect(error).to_be_empty()
        expect(page.locator("#result")).to_contain_text("Beyond the training range")
        expect_answer(server, page, "timedistance")
        expect(page.locator(".panels .line.beyond")).to_have_count(1)
        page.get_by_label("distance", exact=True).fill("41")  # it goes on to be asked so
        expect(page).to_have_url(re.compile("distance=41"))
        expect_answer(server, page, "timedistance")
        page.get_by_label("answer beyond the training range").uncheck()
        expect(error).to_contain_text("distance is 41")
        page.get_by_label("distance", exact=True).fill("abc")
        expect(error).to_contain_text("'abc'; it must be a finite decimal number")
        expect(page.get_by_role("button", name="answer all the same")).to_have_count(0)


def test_several_predictors_have_a_panel_each(browser: Browser, server: Server) -> None:
    with quiet_page(browser, server.url) as page:
        page.goto(f"{server.url}/lm")
        page.get_by_role("link", name="Fuel consumption by design").click()
        expect(page.locator(".panels svg")).to_have_count(4)
        labels = page.locator(".panels svg").evaluate_all("all => all.map(each => each.getAttribute('aria-label'))")
        assert [label.partition(":")[0] for label in labels] == [
            "mpg by wt",
            "mpg by qsec",
            "mpg by am",
            "mpg by fitted mpg",
        ]
        line = page.locator(".panels svg path.line").nth(1)
        before = line.get_attribute("d")
        page.get_by_label("am", exact=True).select_option("automatic")
        expect(line).not_to_have_attribute("d", str(before))  # the others move with the form
        expect_answer(server, page, "mtcars")
        drawn = page.evaluate("JSON.parse(document.getElementById('picture-data').textContent)")
        answer = answer_of(server, page, "mtcars")
        assert drawn["answer"] == pytest.approx([answer["fit"], answer["lower"], answer["upper"]], rel=1e-6)
        [panel] = [panel for panel in drawn["panels"] if panel["name"] == "am"]
        assert panel["labels"] == ["automatic", "manual"]
        assert panel["fit"][0] == pytest.approx(answer["fit"], rel=1e-6)
        assert panel["new"][0] == pytest.approx([answer["lower"], answer["upper"]], rel=1e-6)
        observed = json.loads(server.get("/lm/api/models/mtcars/observations"))["observations"]
        assert drawn["fitted"]["y"] == [row["mpg"] for row in observed]


def test_keys_alone_predict_and_tell_the_values_of_the_picture(browser: Browser, server: Server) -> None:
    with quiet_page(browser, server.url) as page:
        page.goto(f"{server.url}/lm")
        for _ in range(30):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.id") == "field-0":
                break
        page.keyboard.press("Control+a")
        page.keyboard.type("20")
        expect(page.locator("#result strong")).to_have_text("34.3")
        for _ in range(30):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.tagName") == "svg":
                break
        page.keyboard.press("ArrowRight")
        expect(page.locator(".told")).to_have_text("distance 5: time 13.0, mean 4.8 to 21.1, new -4.5 to 30.5")
        page.keyboard.press("End")
        expect(page.locator(".told")).to_contain_text("distance 32: time")
        box = page.locator(".panels svg").bounding_box()
        assert box
        page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        expect(page.locator(".told")).to_contain_text(re.compile(r"distance 1\d"))


def test_without_script_the_form_answers_and_r_has_drawn_the_picture(browser: Browser, server: Server) -> None:
    with quiet_page(browser, server.url, java_script_enabled=False) as page:
        page.goto(f"{server.url}/lm")
        expect(page.get_by_label("distance, slider")).not_to_be_visible()
        page.get_by_label("distance", exact=True).fill("40")
        page.get_by_role("button", name="Predict").click()
        page.get_by_role("button", name="answer all the same").click()
        expect(page.locator("#result")).to_contain_text("Beyond the training range")
        picture = page.get_by_role("img", name="time as the model fits it, drawn by R")
        expect(picture).to_be_visible()
        assert picture.bounding_box()
        expect(page.get_by_label("distance", exact=True)).to_have_value("40")


def test_what_the_pages_load_is_small() -> None:
    """`make bench PARTS=page` measures how long that takes a slow phone."""
    subprocess.run(["make", "static"], cwd=ROOT, check=True, capture_output=True)
    files = [file for file in STATIC.rglob("*") if file.is_file() and file.suffix != ".gz"]
    for file in files:
        assert gzip.decompress(Path(f"{file}.gz").read_bytes()) == file.read_bytes()
    assert sum(Path(f"{file}.gz").stat().st_size for file in files) <= MOST_BYTES
