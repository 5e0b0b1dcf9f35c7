"""The pages in a real browser."""

import functools
import http.server
import re
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from ml_api.access.keys import lines_of, new_key
from tests.conftest import StartServer
from tests.docs.test_call_it_from import BLOCKS
from tests.docs.test_readme import assert_same_but_for_last_digits, url_to_open


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


def test_swagger_authorizes_with_a_key(serve: StartServer, browser: Browser) -> None:
    key = new_key("alice")
    with serve("gunicorn", LM_API_KEYS=lines_of("alice", key, ["*"], ["predict"])) as server:
        page = browser.new_page()
        page.goto(f"{server.url}/lm/api/docs")
        page.get_by_role("button", name="GET /lm/api/predict/{value} Predict").click()
        page.get_by_role("button", name="Try it out").click()
        page.get_by_placeholder("value").fill("29.5")
        page.get_by_role("button", name="Execute").click()
        answer = page.locator(".live-responses-table .response").first
        expect(answer).to_contain_text("401")
        expect(answer).to_contain_text("This needs an API key")
        page.get_by_role("button", name="Authorize").first.click()
        dialog = page.locator(".auth-container").filter(has_text="bearer")
        dialog.get_by_role("textbox").fill(key)
        dialog.get_by_role("button", name="Apply credentials").click()
        page.get_by_role("button", name="Close").first.click()
        page.get_by_role("button", name="Execute").click()
        expect(answer).to_contain_text("200")
        expect(answer).to_contain_text("47.736486")
        page.close()


PREFLIGHT = """async ([url, key]) => {
    const asked = await fetch(url, {headers: {"X-API-Key": key}})
    const bearer = await fetch(url, {headers: {"Authorization": "Bearer " + key}})
    const wrong = await fetch(url, {headers: {"X-API-Key": "wrong"}})
    return [asked.status, bearer.status, wrong.status, asked.headers.get("RateLimit") !== null]
}"""


def test_a_page_of_another_origin_may_send_a_key(serve: StartServer, browser: Browser, other_origin: str) -> None:
    key = new_key("alice")
    keys = lines_of("alice", key, ["*"], ["predict"])
    with serve("make run", CORS_ALLOWED_ORIGINS=other_origin, LM_API_KEYS=keys, LM_RATE_LIMIT="99/day") as server:
        page = browser.new_page()
        page.goto(other_origin)
        assert page.evaluate(PREFLIGHT, [f"{server.url}/lm/api/predict/29.5", key]) == [200, 200, 401, True]
        page.close()


def test_the_url_that_make_run_prints_is_that_of_the_page(serve: StartServer, browser: Browser) -> None:
    with serve("make run", DJANGO_SETTINGS_MODULE="ml_api.settings", ALLOWED_HOSTS="") as server:
        page = browser.new_page()
        answer = page.goto(url_to_open(server))
        assert answer
        assert answer.ok
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        page.close()


@pytest.fixture
def other_origin(tmp_path: Path) -> Iterator[str]:
    """The origin of an empty page that another server serves."""
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "index.html").write_text("<!doctype html><title>Another origin</title>")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path / "page"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as other:
        threading.Thread(target=other.serve_forever).start()
        yield f"http://127.0.0.1:{other.server_port}"
        other.shutdown()


ASK = """async (url) => {
    const options = {method: "POST", headers: {"Content-Type": "application/json"}, body: '[{"distance": 29.5}]'}
    const answers = [await fetch(url + "/29.5"), await fetch(url, options), await fetch(url + "/33")]
    const names = ["LM-Model", "LM-Version", "ETag", "X-Request-ID"]
    const headers = names.map(name => answers[0].headers.get(name) !== null)
    headers.push((await fetch(url + "/29.5?format=csv")).headers.get("LM-Interval") === "none")
    return [headers, ...await Promise.all(answers.map(async answer => [answer.status, await answer.json()]))]
}"""


def test_a_page_of_another_origin_may_ask_where_the_setting_says_so(
    serve: StartServer, browser: Browser, other_origin: str
) -> None:
    for allowed in (f"https://www.example.org,{other_origin}", "*"):
        with serve("make run", CORS_ALLOWED_ORIGINS=allowed) as server:
            page = browser.new_page()
            page.goto(other_origin)
            headers, one, many, wrong = page.evaluate(ASK, f"{server.url}/lm/api/predict")
            assert headers == [True] * 5
            assert one == [200, 47.736486]
            assert many[1]["predictions"] == [{"fit": pytest.approx(47.7364864864865)}]
            assert (wrong[0], wrong[1]["detail"][:14]) == (422, "distance is 33")
            page.close()
            assert server.interrupt() < 10  # the line of a request is written after its answer
            assert '"method":"OPTIONS","path":"/lm/api/predict"' in server.log.read_text()  # the preflight of the POST


def test_the_lines_for_javascript_run_in_a_page_of_another_origin(
    serve: StartServer, browser: Browser, other_origin: str
) -> None:
    with serve("make run", CORS_ALLOWED_ORIGINS=other_origin) as server:
        page = browser.new_page()
        printed: list[str] = []
        page.on("console", lambda message: printed.append(message.text) if message.type == "log" else None)
        page.goto(other_origin)
        shown = [(code, text) for language, code, text in BLOCKS if language == "js"]
        for code, _ in shown:
            page.evaluate(f"async () => {{{code.replace('http://localhost:8000', server.url)}}}")
        page.close()
    for found, (_, text) in zip(printed, shown, strict=True):
        assert_same_but_for_last_digits(found.strip(), text.strip())


@pytest.mark.parametrize("allowed", ["", "https://www.example.org"])
def test_a_page_of_any_other_origin_may_not_ask(
    serve: StartServer, browser: Browser, other_origin: str, allowed: str
) -> None:
    with serve("make run", CORS_ALLOWED_ORIGINS=allowed) as server:
        page = browser.new_page()
        page.goto(other_origin)
        url = f"{server.url}/lm/api/predict"
        with pytest.raises(Exception, match="Failed to fetch"):
            page.evaluate(ASK, url)
        page.close()
        preflight = urllib.request.Request(url, method="OPTIONS", headers={"Origin": other_origin})
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(preflight, timeout=20)
        with refused.value as answer:
            assert answer.code == 405
            assert [name for name in answer.headers if name.startswith("Access-Control")] == []


def test_without_the_setting_nothing_looks_for_an_origin(serve: StartServer) -> None:
    for allowed in ("", "https://www.example.org"):
        with (
            serve("gunicorn gthread", CORS_ALLOWED_ORIGINS=allowed) as server,
            urllib.request.urlopen(f"{server.url}/lm/api/predict/29.5", timeout=20) as answer,
        ):
            assert ("origin" in answer.headers.get("Vary", "").lower()) == bool(allowed)
