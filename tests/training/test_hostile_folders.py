"""Folders that deploy_lm() has not written, or not so: each is refused in one line, and nothing of it is run."""

import copy
import hashlib
import json
import os
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_django import Settings

from lm_app.errors import LmError
from lm_app.training.update import update
from tests.conftest import ROOT, to_toml

DEPLOY = """
source("contrib/lm.R")
library(splines)
to <- commandArgs(TRUE)
fit <- lm(Sepal.Length ~ poly(Petal.Width, 2) + ns(Sepal.Width, 2) + Species, iris)
deploy_lm(fit, "text", to, data = FALSE)
deploy_lm(fit, "csv", to)
"""
Fitted = dict[str, Any]
Change = Callable[[Fitted], object]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models as R wrote them: one without its data."""
    folder = tmp_path_factory.mktemp("written")
    subprocess.run(["Rscript", "-e", DEPLOY, str(folder)], cwd=ROOT, capture_output=True, check=True)
    return folder


@pytest.fixture
def folder(written: Path, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The same, for a test to change; the current folder is one that any code run would leave its mark in."""
    settings.LM_MODELS_DIR = tmp_path / "models"
    for file in written.glob("*/*"):
        copied = settings.LM_MODELS_DIR / file.relative_to(written)
        copied.parent.mkdir(parents=True, exist_ok=True)
        copied.write_bytes(file.read_bytes())
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    return Path(settings.LM_MODELS_DIR)


def refused(name: str) -> str:
    """What update_lm says; nothing has been published, and nothing was run."""
    with pytest.raises(LmError) as raised:
        update(name)
    message = str(raised.value)
    assert message.startswith(f"{name}: ")
    assert "\n" not in message
    assert len(message) < 1500
    assert os.listdir(".") == []
    return message


def seal(body: bytes) -> bytes:
    """As deploy_lm() does, and anybody can."""
    return body + f'"md5": "{hashlib.md5(body).hexdigest()}"}}\n'.encode()


def write_fitted(file: Path, fitted: Fitted) -> None:
    file.write_bytes(seal(json.dumps(fitted)[:-1].encode() + b",\n"))


def read(file: Path) -> Fitted:
    fitted: Fitted = json.loads(file.read_bytes())
    del fitted["md5"]
    return fitted


CODE = "system('touch ran')"
FORMULAS = {
    "system": f"Sepal.Length ~ {CODE}",
    "system as the response": f"{CODE} ~ Species",
    "within the response": f"I(Sepal.Length + {CODE}) ~ Species",
    "system of base": f"Sepal.Length ~ Species + base::{CODE}",
    "a function that is hidden": "Sepal.Length ~ base:::system('touch ran')",
    "its name in quotes": "Sepal.Length ~ 'system'('touch ran')",
    "eval": f"Sepal.Length ~ eval(quote({CODE}))",
    "a function of its own": f"Sepal.Length ~ (function(x) {CODE})(Petal.Width)",
    "functions in functions": f"Sepal.Length ~ (function(x) (function(y) {CODE})(x))(Petal.Width)",
    "braces": f"Sepal.Length ~ {{{CODE}; Petal.Width}}",
    "an argument": f"Sepal.Length ~ ns(Petal.Width, df = {CODE})",
    "a default of contrasts": "Sepal.Length ~ C(Species, 'system')",
    "two expressions": f"Sepal.Length ~ Species; {CODE}",
    "an environment": "Sepal.Length ~ globalenv()$x",
    "an assignment": f"Sepal.Length ~ (x <- {CODE})",
    "no response": "~ Species",
    "no formula": CODE,
    "nothing": "Sepal.Length ~ ",
    "a dot": "Sepal.Length ~ .",
    "deep": "Sepal.Length ~ " + "(" * 5000 + "Petal.Width" + ")" * 5000,
    "deep calls": "Sepal.Length ~ " + "sqrt(" * 45 + "I(" * 40 + "Petal.Width" + ")" * 85,
    "long": "Sepal.Length ~ Species" + " + Petal.Width" * 20_000,
    "many terms": "Sepal.Length ~ (Petal.Width + Sepal.Width + Species)^1000000",
    "crossed levels": "Sepal.Length ~ interaction(" + ", ".join(["Species"] * 8) + ")",
    "another formula": "Sepal.Length ~ poly(Petal.Width, 2) + ns(Sepal.Width, 2)",
    "another function": "Sepal.Length ~ poly(Petal.Width, 2) + bs(Sepal.Width, 2) + Species",
    "other values": "Sepal.Length ~ cbind(Petal.Width, Petal.Width^2) + ns(Sepal.Width, 2) + Species",
    "of a number": "Sepal.Length ~ poly(Petal.Width, 2) + ns(Sepal.Width, 2) + weekdays(Species)",
}


@pytest.mark.parametrize("formula", FORMULAS.values(), ids=FORMULAS)
@pytest.mark.parametrize("name", ["text", "csv"])
def test_a_formula_runs_nothing(name: str, formula: str, folder: Path) -> None:
    file = folder / name / "fitted.json"
    write_fitted(file, {**read(file), "formula": formula})
    toml = folder / name / "model.toml"
    data = "fitted.json" if name == "text" else "data.csv"
    toml.write_text(to_toml({"title": "t", "data": data, "formula": formula}))
    refused(name)


def variable(fitted: Fitted, number: int) -> Fitted:
    return fitted["model"]["variables"][number]  # type: ignore[no-any-return]


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


CHANGES: dict[str, Change] = {
    "1e6 coefficients": lambda f: f.update(terms=["x"] * 1_000_000, estimates=[1] * 1_000_000),
    "1e6 estimates": lambda f: f.update(estimates=[1.5] * 1_000_000),
    "an R of 1e6": lambda f: f["model"].update(r=[[1.0]] * 1_000_000),
    "1e6 levels": lambda f: f["predictors"][2].update(levels=list(map(str, range(1_000_000)))),
    "a long level": lambda f: f["predictors"][2]["levels"].__setitem__(0, "x" * 1_000_000),
    "a large rank": lambda f: f["model"].update(rank=2**31 - 1),
    "a larger rank": lambda f: f["model"].update(rank=2**70),
    "1e6 knots": lambda f: variable(f, 2)["fixed"].update(knots=[3.0] * 1_000_000),
    "nested lists": lambda f: f.update(rows=deep(900)),
    "other keys": lambda f: f.update(attributes={"class": "function"}),
    "an environment": lambda f: f["model"].update({".Environment": "globalenv()"}),
    "a class": lambda f: variable(f, 1).update({"class": "function"}),
    "a wide class": lambda f: variable(f, 1).update({"class": "nmatrix.1000000"}),
    "code in coefs": lambda f: variable(f, 1)["fixed"].update(coefs=CODE),
    "code in alpha": lambda f: variable(f, 1)["fixed"]["coefs"].update(alpha=[CODE]),
    "code in knots": lambda f: variable(f, 2)["fixed"].update(knots=[CODE]),
    "a function in predvars": lambda f: variable(f, 1)["fixed"].update(FUN=CODE),
    "knots of poly()": lambda f: variable(f, 1)["fixed"].update(knots=[1.0]),
    "no coefs": lambda f: variable(f, 1).update(fixed=None),
    "other coefs": lambda f: variable(f, 1)["fixed"]["coefs"].update(alpha=[1.0, 2.0]),
    "short coefs": lambda f: variable(f, 1)["fixed"]["coefs"].update(norm2=[1.0, 150.0, 2.0]),
    "knots outside": lambda f: variable(f, 2)["fixed"].update(knots=[1e300]),
    "contrasts that R would call": lambda f: variable(f, 3).update(contrasts="system"),
    "contrasts as code": lambda f: variable(f, 3).update(contrasts={"1": [CODE, 1, 2]}),
    "short contrasts": lambda f: variable(f, 3).update(contrasts={"1": [1, 2]}),
    "other contrasts": lambda f: variable(f, 3).update(contrasts={"1": [1, 0, 0], "2": [0, 1, 0]}),
    "levels as code": lambda f: variable(f, 3).update(levels=[CODE, "b", "c"]),
    "predictors' levels as code": lambda f: f["predictors"][2].update(
        levels=[CODE, "b", "c"], all_levels=[CODE, "b", "c"]
    ),
    "no levels": lambda f: f["predictors"][2].update(levels=None),
    "a level twice": lambda f: f["predictors"][2].update(levels=["setosa"] * 3),
    "a kind": lambda f: f["predictors"][0].update(kind="closure"),
    "no range": lambda f: f["predictors"][0].update(min=None),
    "a predictor twice": lambda f: f["predictors"][1].update(name="Petal.Width"),
    "another predictor": lambda f: f["predictors"][1].update(name="x"),
    "one predictor more": lambda f: (
        f["predictors"].append({"name": "x", "kind": "logical"}),
        f["rows"].append([0] * len(f["fit"])),
    ),
    "no such level": lambda f: f["rows"].__setitem__(2, [4] * len(f["fit"])),
    "half a level": lambda f: f["rows"].__setitem__(2, [1.5] * len(f["fit"])),
    "rows of texts": lambda f: f["rows"].__setitem__(0, [CODE] * len(f["fit"])),
    "short rows": lambda f: f["rows"][0].pop(),
    "no rows": lambda f: f.update(rows=[], fit=[]),
    "many rows": lambda f: f.update(fit=[1.0] * 2_000_000),
    "many numbers": lambda f: f.update(
        {"terms": list(map(str, range(200))), "rows": [[1] * 60_000] * 3, "fit": [1] * 60_000},
        **dict.fromkeys(("estimates", "std_errors"), [1] * 200),
        **dict.fromkeys(("confidence", "prediction"), dict.fromkeys(("lower", "upper"), [1] * 60_000)),
    ),
    "short answers": lambda f: f["fit"].pop(),
    "short errors": lambda f: f["std_errors"].pop(),
    "other errors": lambda f: f["std_errors"].__setitem__(1, 1.0),
    "answers of texts": lambda f: f["confidence"].update(lower=CODE),
    "a pivot": lambda f: f["model"]["pivot"].__setitem__(0, 2),
    "an R with a hole": lambda f: f["model"]["r"][1].pop(),
    "short means": lambda f: f["model"]["means"].pop(),
    "a singular R": lambda f: f["model"]["r"][1].__setitem__(0, 0),
    "a rank below": lambda f: (f["model"].update(rank=6), f["model"]["r"].pop()),
    "an R of texts": lambda f: f["model"]["r"][0].__setitem__(0, CODE),
    "rss below 0": lambda f: f["model"].update(rss=-1),
    "no rss": lambda f: f["model"].pop("rss"),
    "no degrees of freedom": lambda f: f.update(df_residual=0),
    "no observations": lambda f: f.update(n=0),
    "a level of 1": lambda f: f.update(level=1.0),
    "a version": lambda f: f.update(r_version="4.2.2'); " + CODE),
    "another format": lambda f: f.update(format=2),
    "a term": lambda f: f["terms"].__setitem__(1, "x"),
    "a variable less": lambda f: f["model"]["variables"].pop(),
    "NUL": lambda f: f["predictors"][0].update(name="a\0b"),
    "data, too": lambda f: f.update(data_md5="0" * 32),
    "neither data nor model": lambda f: f.pop("model"),
    "only data": lambda f: (f.pop("model"), f.update(data_md5="0" * 32)),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_changed_model_is_refused(change: Change, folder: Path) -> None:
    file = folder / "text" / "fitted.json"
    fitted = read(file)
    before = copy.deepcopy(fitted)
    change(fitted)
    assert fitted != before
    write_fitted(file, fitted)
    refused("text")


def put(content: bytes) -> Callable[[Path], object]:
    return lambda file: file.write_bytes(content)


def make_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


def make_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


def make_large(file: Path) -> None:
    with file.open("ab") as stream:
        stream.truncate(1 << 27)


FILES: dict[str, Callable[[Path], object]] = {
    "empty": put(b""),
    "no object": put(seal(b"[")),
    "null": put(seal(b"null ")),
    "a list": put(b'["md5"]'),
    "NaN": put(seal(b'{"format": NaN,\n')),
    "a number too large": put(seal(b'{"n": 1e999,\n')),
    "deep": put(seal(b"[" * 1_000_000)),
    "deep objects": put(seal(b'{"a":' * 100_000)),
    "no UTF-8": put(seal(b'{"formula": "\xff",\n')),
    "half a character": put(seal(b'{"formula": "\\ud800",\n')),
    "without md5": put(b'{"format": 1}'),
    "an R object": put(b"X\n\0\0\0\2"),
    "a folder": make_folder,
    "a pipe": make_pipe,
    "too large": make_large,
}


@pytest.mark.parametrize("name", ["text", "csv"])
@pytest.mark.parametrize("change", FILES.values(), ids=FILES)
def test_a_file_that_is_no_fitted_json_is_refused(name: str, change: Callable[[Path], object], folder: Path) -> None:
    change(folder / name / "fitted.json")
    assert "fitted.json" in refused(name)


def digits_of(content: bytes) -> list[int]:
    """Places of digits all over a file."""
    places = [match.start() for match in re.finditer(rb"[0-9]", content)]
    return places[:: max(1, len(places) // 150)] + places[-3:]


@pytest.mark.parametrize("file", ["text/fitted.json", "csv/fitted.json", "csv/data.csv"])
def test_a_changed_digit_is_refused(file: str, folder: Path) -> None:
    path = folder / file
    content = path.read_bytes()
    for place in digits_of(content):
        other = b"%d" % ((content[place] - ord("0") + 1) % 10)
        path.write_bytes(content[:place] + other + content[place + 1 :])
        refused(file.partition("/")[0])
    path.write_bytes(content)
    assert update(file.partition("/")[0])


@pytest.mark.parametrize("name", ["text", "csv"])
def test_a_digit_that_matters_is_refused_whoever_sealed_it(name: str, folder: Path) -> None:
    file = folder / name / "fitted.json"
    fitted = read(file)
    for path in ("estimates", "fit", "confidence.lower", "confidence.upper", "prediction.lower", "prediction.upper"):
        for i in (0, 1, -1):
            changed = copy.deepcopy(fitted)
            numbers: Any = changed
            for key in path.split("."):
                numbers = numbers[key]
            numbers[i] *= 1 + 1e-10
            write_fitted(file, changed)
            message = refused(name)
            there, here = re.findall(r"is (-?[\d.e+-]+) there and (-?[\d.e+-]+) here", message)[0]
            if path != "estimates" or name == "csv":  # without data, they are what predicts
                assert float(there) == numbers[i]
            assert float(here) == pytest.approx(float(there), rel=1e-8)
