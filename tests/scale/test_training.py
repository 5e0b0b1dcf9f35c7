"""update_lm on data in parts makes what it makes of data in memory, or says why not."""

import csv
import hashlib
import json
import math
import random
import re
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.csv
import pyarrow.parquet
import pytest
from django.test import Client

from lm_app.scale.pieces import find_pieces, rows_before
from lm_app.store.folder import ModelFolder
from lm_app.training import parts
from tests.conftest import live_file, live_version, refusal, runscript

FORMULA = "log(y) ~ poly(x, 2) + g"
ROWS = 3000
SMALL = ("--part-size", "16K")
Rows = list[dict[str, Any]]


@pytest.fixture(scope="module")
def rows() -> Rows:
    chance = random.Random(1)
    made: Rows = []
    for number in range(ROWS):
        x, g = chance.uniform(0, 10), chance.choice(["a", "b", "c"])
        y = math.exp(1 + 0.3 * x + (g == "b") + chance.gauss(0, 0.2))
        made.append({"y": y, "x": x if number % 100 else None, "g": g, "w": chance.uniform(0.5, 2)})
    return made


def write_csv(file: Path, rows: Rows) -> Path:
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    return file


@pytest.fixture
def pattern(tmp_path: Path, rows: Rows) -> str:
    """Three files of Parquet, of unequal size, in several row groups."""
    for number, (begin, end) in enumerate([(0, 100), (100, 1800), (1800, ROWS)]):
        table = pyarrow.Table.from_pylist(rows[begin:end])
        pyarrow.parquet.write_table(table, tmp_path / f"{number}.parquet", row_group_size=500)
    return f"{tmp_path}/*.parquet"


def info_of(models: Path, name: str) -> dict[str, Any]:
    info: dict[str, Any] = json.loads(live_file(models, "model_info.json", name).read_text())
    return info


def estimates(info: dict[str, Any]) -> list[float]:
    return [number for row in info["coefficients"] for number in (row["estimate"], row["std_error"])]


def test_a_new_model_of_a_pattern_is_as_one_in_memory(
    models: Path, tmp_path: Path, rows: Rows, pattern: str, elsewhere: str, client: Client,
    capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    asked = ("--formula", FORMULA, "--weights", "w", "--units", "x=km")
    runscript("update_lm", "whole", "--data", str(write_csv(tmp_path / "whole.csv", rows)), *asked)
    runscript("update_lm", "parts", "--data", pattern, *asked, *SMALL, "--scheduler", elsewhere)
    printed = capsys.readouterr().out
    assert "fitted in 8 parts of 3 files" in printed, printed
    whole, found = info_of(models, "whole"), info_of(models, "parts")
    assert found.keys() == whole.keys()
    assert found["rows"] == whole["rows"]
    assert (found["n"], found["rows"]["omitted"]) == (ROWS - 30, 30)
    assert estimates(found) == pytest.approx(estimates(whole), rel=1e-9)
    for key in ("formula", "predictors", "example", "observations", "reference_levels"):
        assert found[key] == whole[key]
    assert found["row_diagnostics"]["row"] == whole["row_diagnostics"]["row"]
    assert found["press_rmse"] == pytest.approx(whole["press_rmse"], rel=1e-10)
    assert {file.name for file in live_file(models, "fit.svg", "parts").parent.iterdir()} == {
        file.name for file in live_file(models, "fit.svg", "whole").parent.iterdir()
    }
    answers = [
        client.get(f"/lm/api/models/{name}/predict?x=3.5&g=b&interval=prediction").json() for name in ("whole", "parts")
    ]
    for limit in ("fit", "lower", "upper"):
        assert answers[1][limit] == pytest.approx(answers[0][limit], rel=1e-10)

    manifest = json.loads(live_file(models, "manifest.json", "parts").read_text())
    told = manifest["data"]["parts"]
    assert (told["number"], told["part_size"]) == (8, 16 << 10)
    assert [(file["name"], file["parts"]) for file in told["files"]] == [
        ("0.parquet", 1), ("1.parquet", 4), ("2.parquet", 3)
    ]  # fmt: skip
    first = Path(pattern).with_name("0.parquet").read_bytes()
    assert told["files"][0]["sha256"] == hashlib.sha256(first).hexdigest()

    version = live_version(models, "parts")
    runscript("update_lm", "parts", *SMALL, "--scheduler", elsewhere)  # from model.toml, which names the pattern
    assert "parts: " in capsys.readouterr().out
    assert live_version(models, "parts") == version
    runscript("update_lm", "parts", "--scheduler", elsewhere, "--formula", "log(y) ~ x * g")
    printed = capsys.readouterr().out
    assert "live version" in printed
    assert live_version(models, "parts") != version
    for model in ModelFolder(models / "parts").versions():
        model.load()


def test_few_rows_in_parts_are_fitted_in_memory(models: Path, tmp_path: Path, rows: Rows) -> None:
    few, asked = write_csv(tmp_path / "few.csv", rows[:200]), ("--formula", FORMULA)
    (tmp_path / "few without rows.csv").write_text("y,x,g,w\n" + "\n" * 9000)
    runscript("update_lm", "few", "--data", str(few), *asked)
    runscript("update_lm", "cut", "--data", f"{tmp_path}/few*.csv", *asked, "--part-size", "4K", "--workers", "1")
    assert json.loads(live_file(models, "manifest.json", "cut").read_text())["data"]["parts"]["number"] > 1
    assert estimates(info_of(models, "cut")) == estimates(info_of(models, "few"))


def test_a_dry_run_publishes_nothing(
    models: Path, pattern: str, elsewhere: str, capsys: pytest.CaptureFixture[str]
) -> None:
    runscript("update_lm", "new", "--data", pattern, "--formula", FORMULA, "--scheduler", elsewhere, "--dry-run")
    assert "PRESS RMSE" in capsys.readouterr().out
    assert not (models / "new").exists()


def test_progress_is_shown(
    models: Path, pattern: str, elsewhere: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = ("--data", pattern, "--formula", FORMULA, "--scheduler", elsewhere, "--dry-run")
    runscript("update_lm", "new", *asked, "--verbose")
    assert "residuals: 3 parts, 3,000 rows" in capsys.readouterr().out
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    monkeypatch.setenv("TERM", "xterm")
    runscript("update_lm", "new", *asked)
    assert re.search(r"part \d of 3, [\d,]+ rows", capsys.readouterr().out)


def test_faults_are_one_line_and_nothing_is_published(
    models: Path, tmp_path: Path, rows: Rows, pattern: str, elsewhere: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def refused(*words: str, data: str = pattern, formula: str = FORMULA) -> str:
        asked = ("--data", data, "--formula", formula, "--scheduler", elsewhere)
        line = refusal(capsys, "update_lm", "new", *asked, *words)
        assert not (models / "new").exists()
        return line

    assert "no column 'nope'" in refused(formula="y ~ nope")
    assert "[units] names 'kg'" in refused("--units", "kg=kg")
    assert "sheet" in refused("--sheet", "1")
    assert "--keep-data is of one file" in refusal(
        capsys, "update_lm", "timedistance", "--data", pattern, "--keep-data"
    )
    assert "none.parquet" in refused(data=f"{tmp_path}/none.parquet*")
    pyarrow.parquet.write_table(
        pyarrow.table({"y": ["word"], "x": [1.0], "g": ["a"], "w": [1.0]}), tmp_path / "3.parquet"
    )
    assert "'y'" in refused()
    infinite = write_csv(tmp_path / "infinite.csv", [*rows[:2000], {**rows[0], "x": "Inf"}])
    assert "row 2001 has Inf" in refused("--part-size", "16K", data=str(infinite))
    first, *others = find_pieces(str(infinite), 16 << 10)
    assert rows_before(first) == 0
    assert rows_before(others[-1]) < 2000


def test_columns_of_all_kinds(models: Path, tmp_path: Path, elsewhere: str) -> None:
    chance = random.Random(2)
    day, noon = date(2024, 1, 1), datetime(2024, 1, 1, 12, tzinfo=timezone.utc)
    made = [
        {
            "y": chance.gauss(0, 1),
            "is_new": chance.random() > 0.5,
            "day": day + timedelta(chance.randrange(300)),
            "moment": noon + timedelta(hours=chance.randrange(9000)),
            "n": chance.randrange(9),
        }
        for _ in range(2000)
    ]
    table = pyarrow.Table.from_pylist(made)
    for name, part in (("a", table[:1500]), ("b", table[:0]), ("c", table[1500:])):
        pyarrow.parquet.write_table(part, tmp_path / f"{name}.parquet")
    pyarrow.parquet.write_table(table, tmp_path / "whole")
    asked = ("--formula", "y ~ is_new + day + moment + n")
    runscript("update_lm", "parts", "--data", f"{tmp_path}/*.parquet", *asked, "--workers", "1")
    (tmp_path / "whole").rename(tmp_path / "whole.parquet")
    runscript("update_lm", "whole", "--data", str(tmp_path / "whole.parquet"), *asked)
    whole, found = info_of(models, "whole"), info_of(models, "parts")
    assert found["predictors"] == whole["predictors"]
    assert estimates(found) == pytest.approx(estimates(whole), rel=1e-6)


def test_without_the_packages_it_says_what_to_install(
    models: Path, pattern: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "missing", lambda: "distributed must be installed for this: pip install it")
    said = refusal(capsys, "update_lm", "new", "--data", pattern, "--formula", FORMULA)
    assert said == "update_lm: new: distributed must be installed for this: pip install it\n"


def test_large_files_are_fitted_in_parts(
    models: Path, tmp_path: Path, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_csv(tmp_path / "large.csv", rows)
    assert not parts.is_in_parts(file, parts.Scale())
    monkeypatch.setattr(parts, "IN_MEMORY_BYTES", 1000)
    assert parts.is_in_parts(file, parts.Scale())
    book = tmp_path / "book.xlsx"
    book.write_bytes(b"PK\x03\x04" + b"x" * 2000)
    assert not parts.is_in_parts(book, parts.Scale())
    monkeypatch.setattr(parts, "missing", lambda: "distributed must be installed for this")
    assert not parts.is_in_parts(file, parts.Scale())
