"""What is served equals R's own predict(), run by Rscript on the same rows: fit, confidence and prediction limits."""

import csv
import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from lm_app.training.update import update
from tests.conftest import write_model


@dataclass
class Case:
    data: str
    """An R expression."""
    formula: str
    factors: str = ""
    weights: str = ""
    exact: str = "no"
    """Ask for rows of the training data only, as where factor() is in the formula."""


CASES = [
    Case("mtcars", "mpg ~ wt"),
    Case("mtcars", "mpg ~ ."),
    Case("mtcars", "mpg ~ wt + qsec + am", factors="am"),
    Case("mtcars", "mpg ~ poly(hp, 2) + log(wt)"),
    Case("mtcars", "mpg ~ factor(cyl) * wt", exact="yes"),
    Case("mtcars", "log(mpg) ~ wt + I(hp^2) + I(1/disp)"),
    Case("mtcars", "mpg ~ 0 + wt + hp"),
    Case("mtcars", "mpg ~ splines::ns(wt, 3) + splines::bs(hp, df = 5)"),
    Case("mtcars", "mpg ~ ns(wt, df = 4) * am", factors="am"),
    Case("mtcars", "mpg ~ wt + offset(qsec)"),
    Case("mtcars", "mpg ~ wt * hp * am", factors="am"),
    Case("mtcars", "mpg ~ poly(wt, 2, raw = TRUE) + cut(hp, c(0, 100, 200, 400))"),
    Case("mtcars", "mpg ~ wt + hp", weights="qsec"),
    Case("mtcars", "mpg ~ scale(wt) + exp(-qsec / 10)"),
    Case("mtcars", "sqrt(mpg) ~ (wt + hp + qsec)^2"),
    Case("mtcars", "mpg ~ C(gear, contr = 'contr.sum') + wt", factors="gear"),
    Case("mtcars", "mpg ~ wt + I(2 * wt) + hp"),  # rank-deficient
    Case("mtcars", "mpg ~ ifelse(wt > 3, wt, 0) + pmin(hp, 150)"),
    Case("iris", "Sepal.Length ~ .", factors="Species"),
    Case("iris", "Petal.Width ~ Petal.Length:Species", factors="Species"),
    Case("iris", "Sepal.Width ~ 0 + Species / Sepal.Length", factors="Species"),
    Case("warpbreaks", "breaks ~ wool * tension", factors="wool tension"),
    Case("ToothGrowth", "len ~ supp * log(dose)", factors="supp"),
    Case("ToothGrowth", "len ~ supp + ordered(dose)", factors="supp", exact="yes"),
    Case("swiss", "Fertility ~ . - Examination"),
    Case("swiss", "Fertility ~ Agriculture + Education %in% Catholic"),
    Case("longley", "Employed ~ ."),
    Case("na.omit(airquality)", "Ozone ~ Solar.R + Wind * Temp + poly(Month, 2)"),
    Case("ChickWeight", "weight ~ Time * Diet", factors="Diet"),
    Case("esoph", "ncases ~ agegp + tobgp + ncontrols", factors="agegp tobgp"),
    Case("transform(mtcars, fast = qsec < 17.6)", "mpg ~ wt * fast"),
    Case("setNames(cars, c('top speed', 'dist'))", "dist ~ `top speed` + I(`top speed`^2)"),
    Case("cars", "dist ~ bs(speed, knots = c(10, 15), degree = 2)"),
]


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each case, with its data, new observations and R's predictions; one run of R for all."""
    folder = tmp_path_factory.mktemp("exactness")
    with (folder / "cases.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["case", "data", "formula", "weights", "factors", "exact"])
        for i, case in enumerate(CASES):
            (folder / f"case{i}").mkdir()
            table.writerow([f"case{i}", case.data, case.formula, case.weights, case.factors, case.exact])
    script = Path(__file__).parent / "exactness.R"
    subprocess.run(
        ["Rscript", script, folder],
        env={**os.environ, "LC_ALL": "C.UTF-8"},  # the order of levels
        check=True,
    )
    return folder


def rows_of(file: Path) -> list[dict[str, str]]:
    with file.open(newline="") as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("i", range(len(CASES)), ids=[case.formula for case in CASES])
def test_predictions_equal_r(
    cases: Path, i: int, settings: Settings, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    case, folder = CASES[i], cases / f"case{i}"
    settings.LM_MODELS_DIR = cases
    factors: dict[str, list[str]] = {name: [] for name in case.factors.split()}
    write_model(
        cases,
        name=folder.name,
        data="data.csv",
        formula=case.formula,
        weights=case.weights or None,
        factors=factors,
    )
    update(f"case{i}", force=True)  # one case is rank-deficient
    route = f"/lm/api/models/case{i}"
    predictors = client.get(route).json()["predictors"]

    new = rows_of(folder / "new.csv")
    assert len(new) == 12
    read: dict[str, Callable[[str], object]] = {"numeric": float, "factor": str, "logical": lambda text: text == "TRUE"}
    records = [{p["name"]: read[p["type"]](row[p["name"]]) for p in predictors} for row in new]
    columns = {p["name"]: [record[p["name"]] for record in records] for p in predictors}
    warned: list[str] = []
    for interval in ("confidence", "prediction"):
        expected = {
            name: [float(row[in_r]) for row in rows_of(folder / f"{interval}.csv")]
            for name, in_r in {"fit": "fit", "lower": "lwr", "upper": "upr"}.items()
        }
        url = f"{route}/predict?interval={interval}&level=0.9"
        by_column = client.post(url, json.dumps(columns), content_type="application/json").json()
        by_record = client.post(url, json.dumps(records), content_type="application/json").json()
        for name, values in expected.items():
            assert by_column["predictions"][name] == values
            assert [prediction[name] for prediction in by_record["predictions"]] == by_column["predictions"][name]
        assert by_column["warnings"] == (folder / f"{interval}.warnings").read_text().splitlines()
        warned = warned or by_column["warnings"]
        one = client.get(f"{route}/predict", {**records[3], "interval": interval, "level": "0.9"}).json()
        assert [one[name] for name in expected] == [values[3] for values in by_column["predictions"].values()]
    more = client.post(
        f"{route}/predict?se=true&terms=true&interval=prediction&level=0.9&format=csv",
        json.dumps(columns),
        content_type="application/json",
    ).content.decode()
    answered, in_r = list(csv.DictReader(more.splitlines())), rows_of(folder / "terms.csv")
    by_column = client.post(
        f"{route}/predict?se=true&terms=true&interval=prediction&level=0.9",
        json.dumps(columns),
        content_type="application/json",
    ).json()
    of_head = ("df", "residual_scale", "constant")
    assert [by_column[name] for name in of_head] == [float(in_r[0][name]) for name in of_head]
    assert list(answered[0])[3:] == [name for name in in_r[0] if name not in of_head]
    for name in list(answered[0])[3:]:
        assert [float(row[name]) for row in answered] == [float(row[name]) for row in in_r], name
    for name in ("terms", "terms_se", "terms_lower", "terms_upper"):
        by_term = {
            n.partition(".")[2]: [float(row[n]) for row in answered] for n in answered[0] if n.startswith(f"{name}.")
        }
        assert by_column["predictions"][name] == by_term
    one = client.get(f"{route}/predict", {**records[3], "terms": "true", "se": "true"}).json()
    assert one["se"] == by_column["predictions"]["se"][3]
    assert one["terms"] == {label: values[3] for label, values in by_column["predictions"]["terms"].items()}
    # the fast path answers, but where R warns of the model, or does so for some observations (rank-deficient, R >= 4.3)
    rank_deficient = client.get(f"{route}/key/rank_deficient").json()
    assert ("predict() itself answers" in caplog.text) == (bool(warned) or rank_deficient)
