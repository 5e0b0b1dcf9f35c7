"""The numbers of a training are those of R itself, whatever comes in the data: Rscript is asked."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from tests.conftest import ROOT, live_file, refusal, runscript

ROWS = 24
SEED = "set.seed(3); n <- 24; size <- round(runif(n, 2, 10), 2); x <- rep(1:6, 4)"
WITH_MISSING = "size[c(5, 9)] <- NA; x[9] <- NA"


@pytest.fixture
def models(tmp_path: Path, settings: Settings) -> Path:
    """A folder of models, empty."""
    settings.LM_MODELS_DIR = tmp_path / "models"
    settings.LM_MODELS_DIR.mkdir()
    return tmp_path / "models"


def rscript(code: str, cwd: Path) -> Any:
    """What Rscript prints, which is JSON; it sorts as in an English session."""
    done = subprocess.run(
        ["Rscript", "-e", f'icuSetCollate(locale = "en"); {code}'], cwd=cwd, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def numbers(expression: str) -> str:
    """R code that prints a vector of numbers as JSON, to the last digit."""
    return f'cat("[", paste(sprintf("%.17g", {expression}), collapse = ","), "]")'


def train(models: Path, rows: str, formula: str, toml: str = "", words: Sequence[str] = ()) -> dict[str, Any]:
    """Train a model of rows that R makes: its information."""
    folder = models / "made"
    folder.mkdir()
    subprocess.run(
        ["Rscript", "-e", f'{SEED}; {rows}; write.csv(d, "data.csv", row.names = FALSE, fileEncoding = "UTF-8")'],
        cwd=folder,
        check=True,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    content = f'title = "t"\ndata = "data.csv"\nformula = {json.dumps(formula)}\n{toml}'
    (folder / "model.toml").write_text(content, encoding="utf-8")
    runscript("update_lm", "made", "--force", *words)
    info: dict[str, Any] = json.loads(live_file(models, "model_info.json", "made").read_text(encoding="utf-8"))
    return info


def summary_of(info: dict[str, Any]) -> list[float]:
    """What numbers(SUMMARY) prints."""
    estimates = [row["estimate"] for row in info["coefficients"]]
    return [info["n"], info["df_residual"], info["sigma"], info["aic"], *estimates]


SUMMARY = "c(nobs(m), df.residual(m), sigma(m), AIC(m), coef(m))"

FITS = {
    "text columns are factors with sorted levels": (
        'd <- data.frame(y = size + x, size, region = rep(c("west", "North", "_", "east"), 6))',
        "y ~ size + region",
    ),
    "factor() of a text column": (
        'd <- data.frame(y = size + x, size, region = rep(c("west", "North", "east"), 8))',
        "y ~ size + factor(region)",
    ),
    "rows with a missing value are left out": (
        f"y <- size + x; {WITH_MISSING}; d <- data.frame(y, size, x)",
        "y ~ size + x",
    ),
    "splines see the rows that are left out": (
        "y <- size + x; size[2] <- 99; x[2] <- NA; d <- data.frame(y, size, x)",
        "y ~ ns(size, 3) + x",
    ),
    "factor() of a number alone": ("d <- data.frame(y = size + x, z = x)", "y ~ factor(z)"),
    "as.factor() of a number alone": ("d <- data.frame(y = size + x, z = x)", "y ~ as.factor(z)"),
    "ordered() of a number alone": ("d <- data.frame(y = size + x, z = x)", "y ~ ordered(z)"),
    "interaction() alone": ("d <- data.frame(y = size + x, z = x %% 2, g = x %% 3)", "y ~ interaction(z, g)"),
    "pi, in sines and cosines": (
        "d <- data.frame(y = size + x, year = 2000 + 1:24)",
        "y ~ sin(2*pi*year/12) + cos(2*pi*year/12)",
    ),
    "T for TRUE": ("d <- data.frame(y = size + x, x = size)", "y ~ poly(x, 2, raw = T)"),
    "the mean alone": ("d <- data.frame(y = size + x)", "y ~ 1"),
    "a logical response": ("d <- data.frame(garden = size > 5, x)", "garden ~ x"),
    "a level with one row": ('d <- data.frame(y = size + x, x, g = c("b", rep("a", 23)))', "y ~ x + g"),
    "a column that is constant within a ratio": ("d <- data.frame(y = size + x, x, k = 3)", "y ~ I(x / k)"),
}


@pytest.mark.parametrize("kind", FITS)
def test_a_fit_is_r_s(models: Path, kind: str) -> None:
    rows, formula = FITS[kind]
    info = train(models, rows, formula)
    m = f'm <- lm({formula}, read.csv("data.csv")); '
    assert summary_of(info) == pytest.approx(
        rscript(f"library(splines); {m}{numbers(SUMMARY)}", models / "made"), rel=1e-9
    )


def test_aliased_terms_have_no_coefficient(models: Path, client: Client) -> None:
    info = train(models, "d <- data.frame(y = size + x, x, cm = size, mm = 10 * size)", "y ~ x + cm + mm")
    assert [row["term"] for row in info["coefficients"] if row["estimate"] is None] == ["mm"]
    code = f'm <- lm(y ~ x + cm, read.csv("data.csv")); {numbers("c(sigma(m), coef(m))")}'
    estimates = [row["estimate"] for row in info["coefficients"][:3]]
    assert [info["sigma"], *estimates] == pytest.approx(rscript(code, models / "made"), rel=1e-9)
    card = live_file(models, "MODEL_CARD.md", "made").read_text()
    assert "| `mm` | aliased | | |" in card


LEFT_OUT_BY_REFITS = """
d <- read.csv("data.csv"); m <- lm(y ~ x + grp, d, weights = w)
rows <- which(d$w > 0)
misses <- sapply(rows, function(i) d$y[i] - predict(lm(y ~ x + grp, d[-i, ], weights = w), d[i, ]))
cook <- cooks.distance(lm(y ~ x + grp, d[rows, ], weights = w))
greatest <- as.integer(names(sort(cook, decreasing = TRUE)))[1:5]
"""


def test_rows_of_weight_0_take_no_part(models: Path) -> None:
    rows = "w <- rep(c(0, 1, 2, 1), 6); d <- data.frame(y = size + x + sin(1:n), x = size, grp = x, w)"
    info = train(models, rows, "y ~ x + grp", 'weights = "w"\n')
    expected = rscript(
        LEFT_OUT_BY_REFITS + numbers("c(nobs(m), sigma(m), sqrt(mean(misses^2)), greatest)"), models / "made"
    )
    greatest = [one["row"] for one in info["diagnostics"]["cooks_distance"]["greatest"]]
    assert [info["n"], info["sigma"], info["press_rmse"], *greatest] == pytest.approx(expected, rel=1e-9)
    assert info["rows"]["zero_weight"] == 6
    assert "6 rows of weight 0 take no part." in live_file(models, "MODEL_CARD.md", "made").read_text()


def test_rows_left_out_are_told(models: Path) -> None:
    info = train(models, f"y <- size + x; {WITH_MISSING}; d <- data.frame(y, size, x)", "y ~ size + x")
    assert info["rows"] == {
        "read": 24,
        "used": 22,
        "omitted": 2,
        "missing_by_column": {"size": 2, "x": 1},
        "nan_by_term": {},
        "zero_weight": 0,
        "outside_subset": 0,
    }
    assert info["na_action"] == "omit"
    assert len(info["observations"]) == len(info["residuals"]) == 22
    card = live_file(models, "MODEL_CARD.md", "made").read_text()
    assert "22 observations of 24 rows" in card
    assert "2 rows with a missing value in a column that the formula uses are left out" in card
    assert "`size` is missing in 2, `x` is missing in 1." in card


def test_an_exact_fit_is_described(models: Path, client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    info = train(models, "d <- data.frame(x = 1:4, y = 2 * (1:4))", "y ~ x")
    assert client.get("/lm/api/models/made/predict/2.5").json() == 5
    assert [row["estimate"] for row in info["coefficients"]] == [0, 2]
    assert (info["sigma"], info["aic"], info["diagnostics"]["shapiro_wilk"]) == (0, None, None)
    output = capsys.readouterr().out
    assert "R warns: essentially perfect fit: summary may be unreliable" in output
    assert "the fit is exact: there are no residuals to draw" in output
    assert "| AIC | not defined: the fit is exact |" in live_file(models, "MODEL_CARD.md", "made").read_text()


def test_no_level_is_offered_that_r_refuses(models: Path, client: Client) -> None:
    toml = '[factors]\nregion = ["south", "north", "west", "east"]\n'
    rows = 'd <- data.frame(y = size + x, size, region = rep(c("west", "north", "south"), 8))'
    train(models, rows, "y ~ size + region", toml)
    answer = client.get("/lm/api/models/made/predict?size=5&region=east")
    assert (answer.status_code, "must be one of" in answer.content.decode()) == (422, True)
    code = """
    d <- read.csv("data.csv"); d$region <- factor(d$region, c("south", "north", "west", "east"))
    m <- lm(y ~ size + region, d)
    """ + numbers('predict(m, data.frame(size = 5, region = "north"))')
    fit = client.get("/lm/api/models/made/predict?size=5&region=north").json()["fit"]
    assert [fit] == pytest.approx(rscript(code, models / "made"), rel=1e-9)


def test_small_numbers_keep_their_digits_on_the_card(models: Path) -> None:
    info = train(models, "d <- data.frame(rate = size * 1e-9 + x * 1e-11, pop = size)", "rate ~ pop")
    card = live_file(models, "MODEL_CARD.md", "made").read_text()
    slope = info["coefficients"][1]
    assert f"| `pop` | {slope['estimate']:.6g} |" in card
    assert slope["p_value"] < 2e-16
    assert "| < 2e-16 |" in card
    assert "0.000000" not in card


def test_the_card_names_reference_levels_and_how_many_residuals_were_tested(models: Path) -> None:
    rows = 'd <- data.frame(x = 1:6000, g = rep(c("b", "a"), 3000)); d$y <- d$x + sin(d$x)'
    train(models, rows, "y ~ x + g")
    card = live_file(models, "MODEL_CARD.md", "made").read_text()
    assert "differences from its reference level: `a` of `g`." in card
    assert "of 5000 of the 6000 residuals)" in card
    assert "Breusch-Pagan against the fitted values, studentised" in card


BAD = {
    "y ~ x + one": "'one' has one level only, 'a', in the rows used; leave it out",
    "y ~ id": "column 'id' has 24 different texts in 24 rows: leave it out, or group it",
    "y ~ log(zero)": "'log(zero)' is not finite in row 1 (zero = 0); leave such rows out by a subset",
    "id ~ x": "the response, id, is text ('n1', 'n2', 'n3' and 21 more); it must be numbers",
    "y ~ log(id)": "R can't work out 'log(id)': non-numeric argument to mathematical function (text: id)",
    "y ~ none": "each of the 24 rows lacks a value: 'none' in 24",
}


@pytest.mark.parametrize("formula", BAD)
def test_what_r_can_not_fit_is_told_in_our_words(
    models: Path, capsys: pytest.CaptureFixture[str], formula: str
) -> None:
    (models / "made").mkdir()
    header = "y,x,one,id,zero,none\n"
    data = header + "".join(f"{i % 7},{i},a,n{i},{i - 1},\n" for i in range(1, ROWS + 1))
    (models / "made" / "data.csv").write_text(data)
    (models / "made" / "model.toml").write_text(f'title = "t"\ndata = "data.csv"\nformula = "{formula}"\n')
    assert BAD[formula] in refusal(capsys, "update_lm", "made")


@pytest.mark.parametrize("locale", ["C", "POSIX", "de_XX.UTF-8"])
def test_any_locale_is_good_enough(models: Path, locale: str) -> None:
    (models / "made").mkdir()
    places = ["Ölsburg", "Zell", "aalen", "Åby"]
    rows = "".join(f"{i % 7},{i},{places[i % 4]}\n" for i in range(ROWS))
    (models / "made" / "data.csv").write_text(f"fuel use,höhe,ort\n{rows}", encoding="utf-8")
    formula = "`fuel use` ~ höhe + ort"
    toml = f'title = "t"\ndata = "data.csv"\nformula = {json.dumps(formula, ensure_ascii=False)}\n'
    (models / "made" / "model.toml").write_text(toml, encoding="utf-8")
    variables = {"LC_ALL": locale, "LM_MODELS_DIR": str(models), "SECRET_KEY": "s"}
    done = subprocess.run(
        [sys.executable, "manage.py", "runscript", "update_lm", "--script-args", "made"],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "unable to translate" not in done.stdout + done.stderr
    info = json.loads(live_file(models, "model_info.json", "made").read_text(encoding="utf-8"))
    assert info["predictors"][1]["levels"] == ["aalen", "Åby", "Ölsburg", "Zell"]
    code = f'm <- lm({formula}, read.csv("data.csv", check.names = FALSE, encoding = "UTF-8")); {numbers(SUMMARY)}'
    assert summary_of(info) == pytest.approx(rscript(code, models / "made"), rel=1e-9)
