"""The sections about the model, as HTML: what they say is the API's, which is R's."""

import re
import shutil
from html import unescape
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from lm_app.training.update import update
from tests.conftest import ROOT, live_file, live_version, rscript, runscript, write_model


def text_of(client: Client, query: str = "", section: str | None = None) -> str:
    """The text of the page, or of one of its sections, without the pictures."""
    page = client.get(f"/lm?{query}")
    assert page.status_code == 200
    html = re.sub(r"<svg.*?</svg>|<script.*?</script>", "", page.content.decode(), flags=re.DOTALL)
    if section:
        [html] = re.findall(rf'<section id="{section}">(.*?)</section>', html, flags=re.DOTALL)
    return re.sub(r" ([:;,])", r"\1", " ".join(unescape(re.sub(r"<[^>]+>", " ", html)).split()))


@pytest.mark.parametrize("model", ["timedistance", "heightweight", "mtcars"])
def test_contributions_are_those_of_the_api(client: Client, shipped_models: Path, model: str) -> None:
    example = client.get(f"/lm/api/models/{model}").json()["example"]
    answer = client.get(f"/lm/api/models/{model}/predict", {**example, "terms": "true"}).json()
    page = client.get(f"/lm?model={model}").content.decode()
    [section] = re.findall(r'<section id="contributions">(.*?)</section>', page, flags=re.DOTALL)
    bars = re.findall(r'<th scope="row">([^<]+)</th><td class="number">([^<]+)</td>', section)
    shown = {term: float(adds.replace("\N{MINUS SIGN}", "-")) for term, adds in bars}
    assert shown == pytest.approx(answer["terms"], abs=0.05)
    sizes = [abs(value) for value in shown.values()]
    assert sizes == sorted(sizes, reverse=True)


def test_contributions_tell_of_offsets_and_of_no_terms(client: Client, models: Path) -> None:
    write_model(models, formula="time ~ distance + offset(distance^2 / 10)")
    update("timedistance", force=True)
    section = text_of(client, "distance=20", "contributions")
    assert "without their offset" in section
    assert "offset +40" in section
    write_model(models, formula="time ~ 0 + distance")
    update("timedistance", force=True)
    assert "The terms add to" in text_of(client, "distance=20", "contributions")
    write_model(models, formula="time ~ 1")
    update("timedistance", force=True)
    assert "it predicts 30.0 for every observation" in text_of(client, "", "contributions")


def test_there_are_no_contributions_where_there_is_no_answer(client: Client, shipped_models: Path) -> None:
    assert text_of(client, "distance=99", "contributions") == ""


def test_an_older_version_says_what_it_lacks(client: Client, settings: Settings) -> None:
    settings.LM_MODELS_DIR = ROOT / "tests" / "golden" / "versions-1.0.0"
    settings.LM_VERIFY_KEYS = []
    assert "train it anew" in text_of(client, "model=mtcars", "contributions")
    diagnostics = text_of(client, "model=mtcars", "diagnostics")
    assert "Which rows lie far off is known once the model is trained anew." in diagnostics
    assert "fast true instead of false" not in text_of(client, "model=logical", "coefficients")


def test_coefficients_are_told_in_words(client: Client, shipped_models: Path) -> None:
    section = text_of(client, "model=mtcars", "coefficients")
    assert "wt, 1000 lb more: 3.92 miles/US gallon less, 2.46 to 5.37" in section
    assert "qsec, 1 s for 1/4 mile more: 1.226 miles/US gallon more, 0.635 to 1.817" in section
    assert "am manual instead of automatic: 2.94 miles/US gallon more, 0.05 to 5.83" in section
    assert "The reference level of am is automatic" in section
    assert "wt -3.92 0.7112 -5.37 to -2.46 -5.51 < 0.001" in section
    assert "distance, 1 more: time 1.419 more, 0.876 to 1.962" in text_of(client, "", "coefficients")


ROWS = "y,x,g,is_up,when,n\n" + "".join(
    f"{2 + row * 0.3 + row % 5},{row},{'abc'[row % 3]},{'TRUE' if row % 4 else 'FALSE'},2024-01-{row:02},{row % 4}\n"
    for row in range(1, 29)
)


def words_of(client: Client, models: Path, formula: str, **toml: object) -> str:
    write_model(models, name="made", formula=formula, rows=ROWS, factors={"g": []}, **toml)
    update("made", force=True)
    return text_of(client, "model=made", "coefficients")


def test_only_what_acts_alone_is_told_in_words(client: Client, models: Path) -> None:
    assert "is_up true instead of false: y 0" in words_of(client, models, "y ~ x + is_up")
    assert "less, between" in text_of(client, "model=made", "coefficients")
    assert ": y " not in words_of(client, models, "y ~ x * g")
    assert ": y " not in words_of(client, models, "y ~ x + I(x^2)")
    assert ": y " not in words_of(client, models, "y ~ x * is_up")
    assert ": y " not in words_of(client, models, "y ~ when + poly(x, 2)")
    assert "factor(x > 9) TRUE instead of FALSE" in words_of(client, models, "y ~ factor(x > 9)")
    sums = words_of(client, models, "y ~ x + g", contrasts={"g": "contr.sum"})
    assert "instead of" not in sums
    assert "reference level" not in sums
    write_model(models, name="made", contrasts=None)
    aliased = words_of(client, models, "y ~ x + I(2 * x)")
    assert "I(2 * x) aliased: other terms say the same" in aliased


@pytest.mark.parametrize(
    ("response", "in_r"), [("log(y)", "exp(b) - 1"), ("log2(y)", "2^b - 1"), ("log10(y)", "10^b - 1")]
)
def test_of_a_logarithm_they_are_told_in_percent(client: Client, models: Path, response: str, in_r: str) -> None:
    section = words_of(client, models, f"{response} ~ x")
    data = models / "made" / "made.csv"
    code = f'm <- lm({response} ~ x, read.csv("{data}")); b <- c(coef(m)[2], confint(m)[2, ]); cat(100 * ({in_r}))'
    told = re.search(r"x, 1 more: y ([\d.]+) % more, ([\d.]+) to ([\d.]+)", section)
    assert told
    assert [float(number) for number in told.groups()] == pytest.approx([*map(float, rscript(code).split())], abs=0.01)
    assert f"The table is on the scale of {response}" in section


def test_of_other_transformations_they_are_told_as_they_are(client: Client, models: Path) -> None:
    assert "x, 1 more: sqrt(y) 0.0" in words_of(client, models, "sqrt(y) ~ x", units={"y": "m"})
    huge = "".join(f"{1 if row % 2 else 1e300},{row / 1e3}\n" for row in range(1, 9))
    write_model(models, formula="log(time) ~ distance", rows=f"time,distance\n{huge}")
    update("timedistance", force=True)
    assert "distance, 1 more: log(time)" in text_of(client, "", "coefficients")


def test_diagnostics_say_what_the_numbers_say(client: Client, shipped_models: Path) -> None:
    section = text_of(client, "model=mtcars", "diagnostics")
    assert "2 rows of 32 lie more than 2 standard errors off" in section
    assert "by chance: row 17, row 18." in section
    assert "The residuals could well be normal (Shapiro-Wilk: W = 0.9411, p = 0.08)." in section
    assert "Nothing says that the variance changes with the fitted values (Breusch-Pagan" in section
    assert "4 rows have a Cook's distance above 4/n = 0.125; the greatest: row 17 (0.35), row 9 (0.16)" in section
    page = client.get("/lm?model=mtcars").content.decode()
    plots = [unescape(source) for source in re.findall(r'<img src="([^"]+)"', page) if "fit.svg" not in source]
    assert len(plots) == 4
    for plot in plots:
        assert client.get(plot)["Content-Type"] == "image/svg+xml"


def test_diagnostics_say_what_is_wrong(client: Client, models: Path) -> None:
    ys = [2 * x + (x if x % 2 else -x) ** 5 / 1e5 for x in range(1, 61)]
    write_model(models, rows="time,distance\n" + "".join(f"{y},{x}\n" for x, y in enumerate(ys)))
    update("timedistance", force=True)
    section = text_of(client, "", "diagnostics")
    assert "The residuals are not normal" in section
    assert "The variance changes with the fitted values" in section
    assert "p < 0.001" in section


def test_of_many_rows_it_is_told_which_are_kept(client: Client, models: Path) -> None:
    rows = "".join(f"{x + (x * 7919 % 101) / 10 + (1000 if x % 500 == 7 else 0)},{x}\n" for x in range(6000))
    write_model(models, rows=f"time,distance\n{rows}")
    update("timedistance", force=True)
    section = text_of(client, "", "diagnostics")
    assert "12 rows of 6000 lie" in section
    assert "and 9 more." in section
    assert ", of 5000 of the 6000 residuals)" in section
    assert "of the rows that stand out, as JSON" in section


def test_without_residuals_there_are_no_diagnostics(client: Client, models: Path) -> None:
    write_model(models, rows="time,distance\n2,1\n4,2\n6,3\n8,4\n")
    update("timedistance", force=True)
    assert "The fit is exact: there are no residuals to look at." in text_of(client, "", "diagnostics")
    assert re.search(r"distance 2\.0+ 0 2\.0+ to 2\.0+ not defined 0?", text_of(client, "", "coefficients"))


def test_few_rows_are_not_tested(client: Client, models: Path) -> None:
    write_model(models, rows="time,distance\n2,1\n4,2\n", formula="time ~ 1")
    update("timedistance", force=True)
    section = text_of(client, "", "diagnostics")
    assert "greater predictions have greater errors. Not tested." in section
    assert "Not tested: there are too few residuals, or all are the same." in section
    assert "No row has a Cook's distance above" in section


def test_versions_are_listed_and_compared(client: Client, models: Path) -> None:
    first = live_version(models)
    assert "Coefficients of two versions" not in text_of(client, "", "versions")
    write_model(models, formula="time ~ 1")
    update("timedistance", force=True)  # in spite of the comparison
    second = live_version(models)
    write_model(models, formula="time ~ distance + I(distance^2)")
    update("timedistance", force=True)
    third = live_version(models)
    runscript("versions_lm", "timedistance", "--activate", second)
    section = text_of(client, "", "versions")
    listed = {row["version"]: row for row in client.get("/lm/api/versions").json()}
    assert listed[second]["forced"]
    assert re.search(rf"{second} 10 [\d.]+ [\d.]+ live forced", section)
    assert re.search(rf"{third} 10 [\d.]+ [\d.]+ (forced )?rolled back", section)
    assert "I(distance^2) no such term" in section
    compared = text_of(client, f"distance=20&version_a={first}&version_b={second}", "versions")
    assert "I(distance^2)" not in compared
    assert "distance 1.419 (0.876 to 1.962)" in compared
    page = client.get(f"/lm?distance=20&version_a={first}&version_b={second}").content.decode()
    assert '<input type="hidden" name="distance" value="20">' in page
    assert page.count(" selected>20") == 2
    assert "There is no version" in text_of(client, "version_a=x", "versions")
    live_file(models, "model_info.json").write_text("{}")
    assert "is not what training wrote" in text_of(client, f"version={first}", "versions")


def test_where_the_models_are_away_versions_are_not_known(client: Client, models: Path) -> None:
    assert live_version(models) in text_of(client, "", "versions")
    shutil.rmtree(models)
    assert "The models can't be reached" in text_of(client, "", "versions")


def test_the_card_is_shown_and_linked(client: Client, models: Path) -> None:
    section = text_of(client, "model=mtcars", "card")
    assert "wt numeric 1000 lb 1.513 to 5.424" in section
    assert "am factor automatic, manual" in section
    assert "chosen from mpg ~ .; dropped: cyl, disp, hp, drat, vs, gear, carb" in section
    assert "Residual standard error: 2.459 on 28 degrees of freedom" in section
    write_model(models, name="made", formula="y ~ is_up + factor(x > 9) + when", rows=ROWS)
    update("made", force=True)
    section = text_of(client, "model=made", "card")
    assert "when date 2024-01-01 to 2024-01-28" in section
    assert "is_up logical true, false" in section
    write_model(models, name="made", formula="y ~ factor(n) + x + I(2 * x)", rows=ROWS)
    update("made", force=True)
    assert "n numeric 0, 1, 2, 3" in text_of(client, "model=made", "card")
    assert "I(2 * x) no such term aliased" in text_of(client, "model=made", "versions")
    for href in re.findall(r'href="(/lm/api/[^"]+)"', client.get("/lm?model=made").content.decode()):
        assert client.get(href).status_code == 200, href


def test_the_picture_s_values_are_r_s(client: Client, models: Path) -> None:
    page = client.get("/lm").content.decode()
    [table] = re.findall(r'<div id="values">.*?<tbody>(.*?)</tbody>', page, flags=re.DOTALL)
    rows = [re.findall(r'class="number">([^<]*)<', row) for row in table.split("<tr>")[1:]]
    assert [rows[0][0], rows[-1][0]] == ["5", "32"]
    for x, fit, mean, new in rows:
        for interval, limits in (("confidence", mean), ("prediction", new)):
            answer = client.get("/lm/api/predict", {"distance": x, "interval": interval}).json()
            shown = [float(number) for number in (fit, *limits.split(" to "))]
            assert shown == pytest.approx([answer["fit"], answer["lower"], answer["upper"]], abs=0.06)
    write_model(models, name="made", formula="y ~ when + g", rows=ROWS, factors={"g": []})
    update("made", force=True)
    page = client.get("/lm?model=made").content.decode()
    for value in ("2024-01-01", "2024-01-28", "a", "c"):
        assert f'<th scope="row" class="number">{value}</th>' in page
    times = "".join(f"{row * row},2024-01-01T00:{row:02}:00Z\n" for row in range(10, 30))
    write_model(models, name="made", formula="y ~ at", rows=f"y,at\n{times}", factors=None)
    update("made", force=True)
    page = client.get("/lm?model=made").content.decode()
    assert '<th scope="row" class="number">2024-01-01T00:10:00Z</th>' in page
