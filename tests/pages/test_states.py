"""Models of all kinds on the main page: what they are called, how large they are, and what is wrong with them."""

import json
import re
import shutil
import urllib.error
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings
from playwright.sync_api import Browser, expect

from lm_app.training.update import update
from tests.conftest import Server, live_file, serving, write_model
from tests.pages.checks import PHONE, assert_accessible, quiet_page

EVIL = """<script>alert("it's")</script>"""
LONG = "a_very_long_name_of_a_column_" * 6


@pytest.fixture(scope="module")
def odd_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small models, each odd in its own way."""
    models = tmp_path_factory.mktemp("odd") / "models"
    models.mkdir()
    quoted = '"' + EVIL.replace('"', '""') + '"'
    write_model(
        models,
        name="evil",
        title=EVIL,
        description=EVIL,
        formula=f"y ~ `{EVIL}` + kind",
        units={EVIL: EVIL, "y": EVIL},
        rows=f"y,{quoted},kind\n" + "".join(f"{i % 7 + i},{i},{quoted if i % 3 else 'b'}\n" for i in range(20)),
    )
    columns = [f"x{i}" for i in range(50)]
    numbers = "".join(",".join(str((i * i * (j + 3)) % 101) for j in range(51)) + "\n" for i in range(1, 80))
    write_model(models, name="wide", formula="y ~ .", rows=",".join(["y", *columns]) + "\n" + numbers)
    write_model(
        models,
        name="levels",
        title=LONG,
        formula=f"y ~ {LONG}",
        rows=f"y,{LONG}\n" + "".join(f"{i % 11 + i / 7},level {i % 500}\n" for i in range(1001)),
    )
    days = [f"2024-{1 + i % 12:02}-{1 + i % 28:02}" for i in range(40)]
    write_model(
        models,
        name="scaled",
        formula="log(dist) ~ day + time + flag + factor(year)",
        units={"dist": "m"},
        rows="dist,day,time,flag,year\n"
        + "".join(
            f"{1 + (i * 7) % 13},{day},{day}T12:30:00Z,{'TRUE' if i % 3 else 'FALSE'},{2000 + i % 4}\n"
            for i, day in enumerate(days)
        ),
    )
    write_model(models, name="mean", formula="y ~ 1", rows="y\n1\n2\n4\n")
    write_model(models, name="clash", formula="y ~ level", rows="y,level\n1,2\n2,3\n4,4\n6,7\n")
    write_model(models, name="constant", formula="y ~ x", rows="y,x\n1,2\n2,3\n4,4\n6,7\n")
    with override_settings(LM_MODELS_DIR=models):
        for folder in models.iterdir():
            update(folder.name)
    live_file(models, "modelr.pickle", "constant").write_bytes(b"damaged")
    write_model(models, name="untrained", formula="y ~ x")
    return models


@pytest.fixture(scope="module")
def odd_server(odd_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving("gunicorn", odd_models, tmp_path_factory.mktemp("server") / "server.log") as started:
        yield started
        started.interrupt()
        assert "Traceback" not in started.log.read_text()


@pytest.mark.parametrize("model", ["evil", "wide", "levels", "scaled", "mean"])
def test_every_model_has_a_page(browser: Browser, odd_server: Server, model: str) -> None:
    with quiet_page(browser, odd_server.url) as page:
        page.goto(f"{odd_server.url}/lm?model={model}")
        expect(page.locator("#result .fit data")).to_be_visible()
        answer = asked(odd_server, model)
        assert page.locator("#result .fit data").get_attribute("value") == repr(answer["fit"])
        assert_accessible(page)
        page.emulate_media(media="print", reduced_motion="reduce")
        expect(page.locator("#form")).not_to_be_visible()
        page.emulate_media(media="screen")


def asked(server: Server, model: str) -> dict[str, Any]:
    """What the API answers for the model's example."""
    example = json.loads(server.get(f"/lm/api/models/{model}"))["example"]
    texts = {name: str(value).lower() if isinstance(value, bool) else value for name, value in example.items()}
    query = urllib.parse.urlencode({**texts, "interval": "prediction"})
    answer: dict[str, Any] = json.loads(server.get(f"/lm/api/models/{model}/predict?{query}"))
    return answer


def test_names_and_units_are_shown_as_text(browser: Browser, odd_server: Server) -> None:
    with quiet_page(browser, odd_server.url) as page:
        page.goto(f"{odd_server.url}/lm?model=evil")
        expect(page.locator("h2")).to_have_text(EVIL)
        expect(page.get_by_label(EVIL, exact=False).first).to_be_visible()
        page.get_by_label("kind", exact=True).select_option(EVIL)
        expect(page.locator(".panels svg").first).to_contain_text(EVIL)
        expect(page.locator("#result")).to_contain_text(EVIL)


def test_a_transformed_response_is_said_to_be_one(browser: Browser, odd_server: Server) -> None:
    with quiet_page(browser, odd_server.url, viewport=PHONE) as page:
        page.goto(f"{odd_server.url}/lm?model=scaled")
        answer = asked(odd_server, "scaled")
        result = page.locator("#result")
        expect(result).to_contain_text("on the scale of log(dist); the median of dist is")
        expect(result).to_contain_text("not its mean")
        median = result.locator(".scale strong data")
        assert median.get_attribute("value") == repr(answer["back_transformed"]["median"])
        expect(page.locator(".panels svg")).to_have_count(5)
        page.get_by_label("day", exact=True).fill("2024-05-05")
        expect(page).to_have_url(re.compile("day=2024-05-05"))
        page.locator(".panels svg").first.focus()
        page.keyboard.press("Home")
        expect(page.locator(".told")).to_contain_text("day 2024-01-01: log(dist)")


def test_what_can_not_be_asked_is_said(browser: Browser, odd_server: Server) -> None:
    with quiet_page(browser, odd_server.url) as page:
        for model, said in {
            "untrained": "Model 'untrained' has no version that can be served; train it",
            "constant": "Model 'constant' has no version that can be served: version",
            "clash": "level: a predictor, and a name in the page's URL; ask this model by POST, in JSON.",
        }.items():
            page.goto(f"{odd_server.url}/lm?model={model}")
            expect(page.locator("main")).to_contain_text(said)
            assert_accessible(page)
        page.get_by_label("Model", exact=True).select_option("mean")
        page.get_by_role("button", name="Show").click()
        expect(page.locator("h2")).to_have_text("mean")


def test_an_unknown_model_is_not_found(odd_server: Server) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        odd_server.get(f"/lm?model={urllib.parse.quote('<script>')}")
    with refused.value as answer:
        assert answer.code == 404
        assert "There is no model &#x27;&lt;script&gt;&#x27;; there are: clash, constant" in answer.read().decode()


def test_a_hundred_models_can_be_chosen_from(
    browser: Browser, trained_models: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    models = tmp_path_factory.mktemp("hundred") / "models"
    shutil.copytree(trained_models, models)
    for number in range(100):
        write_model(models, name=f"model{number}", formula="y ~ x")
    with (
        serving("gunicorn", models, models.parent / "server.log") as server,
        quiet_page(browser, server.url) as page,
    ):
        page.goto(f"{server.url}/lm")
        expect(page.locator("#result .fit data")).to_be_visible()
        expect(page.get_by_label("Model", exact=True).locator("option")).to_have_count(103)
        assert_accessible(page)
        page.goto(server.url)
        assert_accessible(page)
        server.interrupt()
