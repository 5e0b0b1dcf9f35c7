"""A file or pasted cells on the main page, and the page's request as code that is run."""

import csv
import gzip
import html
import io
import json
import re
import shutil
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from django.test import Client, override_settings
from hypothesis import example, given
from hypothesis import strategies as st
from playwright.sync_api import Browser, FilePayload, Page, expect

from lm_app.pages.elsewhere import snippets
from lm_app.training.update import update
from ml_api.access.keys import lines_of, new_key
from tests.conftest import ROOT, Server, StartServer, serving, write_model
from tests.pages.checks import assert_accessible, quiet_page

STATIC = ROOT / "lm_app" / "static" / "lm_app"
KIND = "kind \"of\" 'it' & <b>é</b>"
LEVELS = ['it\'s "so" $HOME `date`', "<script>alert(1)</script>", "50 %41 + \\n, ж€\N{GRINNING FACE}"]
ROWS = [{"y": 1 + row + 0.1 * row**2, "a b": row, KIND: LEVELS[row % 3]} for row in range(12)]


def written(rows: list[dict[str, Any]], **dialect: Any) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), **dialect)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


@pytest.fixture(scope="module")
def server(trained_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The shipped models, and one of which the names need quotes in any language."""
    folder = tmp_path_factory.mktemp("server")
    models = shutil.copytree(trained_models, folder / "models")
    write_model(models, name="odd", formula=f"log(y) ~ `a b` + `{KIND}`", rows=written(ROWS))
    with override_settings(LM_MODELS_DIR=models):
        update("odd")
    with serving("gunicorn", models, folder / "server.log", LM_MAX_ROWS="60", LM_MAX_BYTES="9000") as started:
        yield started
        started.interrupt()
        assert "Traceback" not in started.log.read_text()


@pytest.fixture(scope="module")
def cars() -> str:
    return (ROOT / "extra_files" / "mtcars" / "mtcars.csv").read_text()


@pytest.fixture
def page(browser: Browser, server: Server) -> Iterator[Page]:
    with quiet_page(browser, server.url, permissions=["clipboard-read", "clipboard-write"]) as opened:
        opened.goto(f"{server.url}/lm?model=mtcars")
        yield opened


def of_api(server: Server, model: str, body: str, **options: str) -> bytes:
    """What the API answers to CSV."""
    url = f"{server.url}/lm/api/models/{model}/predict?{urlencode(options)}"
    request = urllib.request.Request(url, body.encode(), {"Content-Type": "text/csv"})
    with urllib.request.urlopen(request, timeout=20) as answer:
        return bytes(answer.read())


def choose(page: Page, text: str) -> None:
    content: FilePayload = {"name": "new.csv", "mimeType": "application/vnd.ms-excel", "buffer": text.encode()}
    page.get_by_label("File").set_input_files(content)


def status(page: Page) -> Any:
    return page.locator("predict-table [role=status]")


DROP = """([text, name]) => {
    const transfer = new DataTransfer()
    transfer.items.add(new File([text], name))
    return transfer
}"""


def test_a_file_is_chosen_and_comes_back_with_predictions(page: Page, server: Server) -> None:
    text = "wt;qsec;am;<b>note\n2,6;17;manual;a<i>b\n9,9;17;manual;far\nx;18,5;automatic;wrong\n3,2;18,5;auto\n"
    choose(page, text)
    expect(status(page)).to_contain_text(
        "4 rows: 3 without an answer. <b>note: no predictor of this model; it is ignored."
    )
    expect(page.locator("predict-table th[scope=col]")).to_have_text(
        ["row", "fit", "lower", "upper", "remark", "wt", "qsec", "am", "<b>note"]
    )
    options = {"on_error": "null", "augment": "true", "interval": "prediction"}
    answer = json.loads(of_api(server, "mtcars", text, **options))
    rows = page.locator("predict-table tbody tr")
    fit, lower, upper = (f"{answer['predictions'][name][0]:.2f}" for name in ("fit", "lower", "upper"))
    expect(rows.nth(0).locator("td")).to_have_text([fit, lower, upper, "", "2.6", "17", "manual", "a<i>b"])
    for row, error in ((1, answer["errors"][1]), (2, answer["errors"][2]), (3, answer["errors"][0])):
        expect(rows.nth(row)).to_have_class("wrong")
        expect(rows.nth(row)).to_contain_text(error["msg"])
    expect(page.locator("predict-table circle")).to_have_count(1)
    assert_accessible(page)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "predictions.csv"
    assert download.value.path().read_bytes() == of_api(server, "mtcars", text, **options, format="csv")
    page.get_by_label("Rows beyond").check()
    page.get_by_role("button", name="Ask for all rows").click()
    expect(rows.nth(1)).to_contain_text("beyond the training range")


def test_a_file_is_dropped_and_its_response_compared(page: Page, server: Server, cars: str) -> None:
    card = json.loads(server.get("/lm/api/models/mtcars"))
    rmse = card["sigma"] * (card["df_residual"] / card["n"]) ** 0.5
    page.locator("predict-table form").dispatch_event(
        "drop", {"dataTransfer": page.evaluate_handle(DROP, [cars, "mtcars.csv"])}
    )
    expect(status(page)).to_contain_text(f"mpg observed against predicted: RMSE {rmse:.3f} over 32 rows.")
    picture = page.get_by_role("img", name="observed mpg by predicted mpg")
    expect(picture).to_be_visible()
    expect(picture.locator("circle")).to_have_count(32)
    frame = picture.bounding_box()
    assert frame
    assert (frame["width"], frame["height"]) == (640, 384)


def test_cells_are_pasted(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/lm?interval=confidence&level=0.5")
    cells = "time\tdistance\n10,5\t29,5\nNA\t6\n"
    page.evaluate("text => navigator.clipboard.writeText(text)", cells)
    page.get_by_label("Or paste").focus()
    page.keyboard.press("Control+V")
    answer = json.loads(of_api(server, "timedistance", cells, interval="confidence", level="0.5"))["predictions"]
    expect(status(page)).to_contain_text(f"RMSE {answer['fit'][0] - 10.5:.4g} over 1 row.")
    expect(page.locator("predict-table tbody tr").nth(0).locator("td").nth(2)).to_have_text(f"{answer['upper'][0]:.2f}")
    page.get_by_label("Or paste").fill("distance\n6\n29.5\n")
    page.get_by_role("button", name="Ask for all rows").click()
    expect(page.get_by_role("img", name="predicted time by distance")).to_be_visible()


def test_what_is_too_large_or_not_there_is_said(browser: Browser, server: Server) -> None:
    page = browser.new_page()  # its console tells of the errors that the server answers
    page.goto(f"{server.url}/lm?model=mtcars")
    page.get_by_role("button", name="Ask for all rows").click()
    expect(status(page)).to_have_text("Choose a file, or paste cells.")
    line = "2.6,17,manual\n"
    choose(page, "wt,qsec,am\n" + 55 * line + "x,17,manual\n" + 4 * line)
    expect(status(page)).to_contain_text("60 rows: 1 without an answer. The table has the first 50")
    expect(page.locator("predict-table tbody tr")).to_have_count(51)
    expect(page.get_by_role("img", name="predicted mpg by row")).to_be_visible()
    for text, words in (
        ("wt,qsec,am\n" + 61 * line, "There are 61 observations; send at most 60 at once."),
        ("wt,qsec,am\n" + 1000 * line, "There are 14011 bytes; the server takes at most 9000."),
        (
            "wt\n2.6\n",
            "qsec is missing; the predictors are: wt, qsec, am. There are 2 errors; 'errors' lists them. am is",
        ),
        (
            "fit,wt,qsec,am\n1," + line,
            "augment=true: 'fit' is a column of the request and a name in the answer; rename",
        ),
    ):
        choose(page, text)
        expect(status(page)).to_contain_text(words)
        expect(page.locator("predict-table table")).to_have_count(0)
    page.route("**/predict", lambda route: route.abort())
    choose(page, "wt,qsec,am\n" + line)
    expect(status(page)).to_have_text("There is no answer: Failed to fetch.")
    page.close()


def test_a_file_is_answered_without_javascript(browser: Browser, server: Server) -> None:
    with quiet_page(browser, server.url, java_script_enabled=False) as page:
        page.goto(f"{server.url}/lm?interval=none")
        expect(page.get_by_label("Or paste")).to_be_hidden()
        choose(page, "id,distance\n7,29.5\n8,x\n")
        with page.expect_download() as download:
            page.get_by_role("button", name="Ask for all rows").click()
        assert download.value.path().read_text() == "id,distance,fit\n7,29.5,47.7364864864865\n8,x,NA\n"


def test_odd_names_are_text(page: Page, server: Server) -> None:
    page.goto(f"{server.url}/lm?model=odd")
    choose(page, written(ROWS))
    card = json.loads(server.get("/lm/api/models/odd"))
    rmse = card["sigma"] * (card["df_residual"] / card["n"]) ** 0.5
    expect(status(page)).to_contain_text("12 rows: all are answered. log(y) observed against predicted: RMSE ")
    expect(status(page)).to_contain_text(f"{rmse:.5f}"[:6])
    expect(page.locator("predict-table tbody tr").nth(1).locator("td").last).to_have_text(LEVELS[1])


PROGRAMS = {
    "curl": ["bash", "-c"],
    "R": ["Rscript", "-e"],
    "Python": [sys.executable, "-c"],
    "JavaScript": ["node", "--input-type=module", "-e"],
}


def shown(page: Page) -> dict[str, str]:
    """The snippets of the page by their languages."""
    return {
        block.locator("summary").inner_text(): block.locator("code").text_content() or ""
        for block in page.locator("#elsewhere details").all()
    }


def run(language: str, code: str) -> str:
    done = subprocess.run([*PROGRAMS[language], code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def of_formula(formula: str) -> str:
    """What a spreadsheet makes of a formula, without a spreadsheet."""
    texts = re.findall(r'"([^"]*)"', formula)
    assert max(map(len, texts)) <= 255
    url = "".join(text for text in texts if len(text) > 1)
    with urllib.request.urlopen(url, timeout=20) as answer:
        text = str(answer.read().decode())
    found = re.fullmatch(
        r'=(NUMBERVALUE\(CLEAN\(MID\(|)(WEBSERVICE|IMPORTDATA)\(["&](.*)["&]\)(,5,40\)\),"\."\)|)', formula
    )
    assert found, formula
    return str(float(text[4:44])) if found[1] else text


@pytest.mark.parametrize(
    ("model", "query"),
    [
        ("odd", {"a b": "3,5", KIND: LEVELS[2], "interval": "confidence", "level": "0.9"}),
        ("odd", {"a b": "99", KIND: LEVELS[0], "extrapolation": "flag", "interval": "none"}),
    ],
)
def test_each_snippet_answers_what_the_api_answers(
    page: Page, server: Server, model: str, query: dict[str, str]
) -> None:
    page.goto(f"{server.url}/lm?{urlencode({'model': model, **query})}")
    found, path = shown(page), f"/lm/api/models/{model}/predict?{urlencode(query)}"
    answer, table = json.loads(server.get(path)), server.get(f"{path}&format=csv").decode()
    assert list(found) == ["curl", "R", "Python", "JavaScript", "Excel and LibreOffice", "Google Sheets"]
    assert json.loads(run("curl", found["curl"])) == answer
    assert run("Python", found["Python"]).strip() == str(answer)
    as_json = found["JavaScript"].replace("await answer.json()", "JSON.stringify(await answer.json())")
    assert json.loads(run("JavaScript", as_json)) == answer
    assert run("R", f"identical({found['R']}, read.csv(text = {table!r}))") == "[1] TRUE\n"
    assert of_formula(found["Google Sheets"]) == table
    number = of_formula(found["Excel and LibreOffice"])
    assert number == (table if "extrapolation" in query else str(answer["fit"]))


def test_a_snippet_is_copied(page: Page) -> None:
    page.get_by_text("Python", exact=True).click()
    block = page.locator("#elsewhere details").filter(has_text="import requests")
    block.get_by_role("button", name="Copy").click()
    expect(block.get_by_role("button")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == shown(page)["Python"]
    page.get_by_label(re.compile("^wt in")).fill("3,25")
    expect(block.locator("code")).to_contain_text('"wt": "3,25"')
    expect(block.get_by_role("button")).to_have_text("Copy")
    expect(block.locator("code")).to_be_visible()
    page.evaluate("Object.defineProperty(navigator, 'clipboard', {})")
    block.get_by_role("button").click()
    expect(block.get_by_role("button")).to_have_text("Selected: press Ctrl+C")
    assert page.evaluate("getSelection().toString()").strip() == shown(page)["Python"]


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
QUERIES = st.dictionaries(TEXTS.filter(bool), TEXTS, min_size=1)


@given(query=QUERIES, needs_key=st.booleans())
@example(query={"__proto__": "x" * 300}, needs_key=False)
def test_any_name_and_value_is_quoted(query: dict[str, str], needs_key: bool) -> None:
    base = "http://localhost:8000/lm/api/models/m/predict"
    codes = {snippet.language: snippet.code for snippet in snippets(base, query, needs_key=needs_key)}
    with_format = {**query, "format": "csv"}
    for language, sent in (("curl", query), ("R", with_format), ("Google Sheets", with_format)):
        if language in codes:
            [asked] = re.findall(r'"(http[^"]*)"', codes[language].replace('"&"', ""))
            assert set(asked) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:/?&=%")
            assert dict(parse_qsl(urlsplit(asked).query, keep_blank_values=True)) == sent
    assert ("Google Sheets" in codes) is not needs_key
    scope: dict[str, Any] = {}
    exec(codes["Python"].removeprefix("import requests").rpartition("\nanswer =")[0], scope)
    assert scope["query"] == query
    pairs = codes["JavaScript"].partition("(")[2].rpartition(",\n])\n")[0] + "]"
    assert dict(json.loads(pairs)) == query


def test_snippets_say_where_the_key_goes(serve: StartServer) -> None:
    key = new_key("alice")
    with serve("gunicorn", LM_API_KEYS=lines_of("alice", key, ["*"], ["predict", "read"])) as keyed:
        asked = urllib.request.Request(f"{keyed.url}/lm?model=mtcars", headers={"X-API-Key": key})
        with urllib.request.urlopen(asked, timeout=20) as answer:
            page = answer.read().decode()
        assert key not in page
        assert "Your API key goes where <code>KEY</code> stands." in page
        found = dict(re.findall(r"<summary>(.*?)</summary>.*?<code>(.*?)</code>", page, re.DOTALL))
        assert list(found) == list(PROGRAMS)
        for language, code in found.items():
            printed = run(language, html.unescape(code).replace('KEY"', f'{key}"').replace("KEY: KEY", f"KEY: {key}"))
            assert "fit" in printed, language
            assert "401" not in printed, language


@pytest.mark.usefixtures("shipped_models")
def test_the_origin_and_the_version_are_those_of_the_page(client: Client) -> None:
    page = html.unescape(client.get("/lm?version=live&distance=6", secure=True).text)
    asked = "https://testserver/lm/api/models/timedistance/predict?distance=6&interval=prediction&version=live"
    assert f'curl "{asked}"' in page
    assert 'action="/lm/api/models/timedistance/predict?version=live"' in page


def test_a_model_with_a_predictor_called_as_an_option_has_no_snippets(models: Path, client: Client) -> None:
    write_model(models, name="levels", formula="y ~ level", rows="y,level\n1,2\n2,3\n4,4\n5,7\n")
    update("levels")
    section = client.get("/lm?model=levels").text.partition('id="elsewhere"')[2]
    assert "called as an option is: level." in section
    assert "<summary>" not in section


def test_the_files_are_small() -> None:
    sizes = [len(gzip.compress((STATIC / name).read_bytes())) for name in ("table.js", "table.css", "snippets.js")]
    assert sum(sizes) <= 8 * 1024
