"""score_lm: the server's own answers for any number of rows, in files that are whole."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import psutil
import pyarrow
import pytest
from django.test import Client, override_settings
from pyarrow import csv, parquet
from pytest_django import Settings

from tests.conftest import ROOT, live_version, refusal, restore_interrupt, rscript, runscript, write_model
from tests.monitoring.made import sample, write_csv

Capture = pytest.CaptureFixture[str]
FORMULA = "y ~ poly(x, 2) * kind + flag + day + at + factor(year)"
INFINITE = float("inf")
ALL = "?interval=prediction&extrapolation=flag&on_error=null"
PREDICTED = ("fit", "lower", "upper", "extrapolated")


def rows(count: int, seed: int) -> list[dict[str, Any]]:
    return [{"id": f"{i:05}", **row, "year": 2020 + i % 3} for i, row in enumerate(sample(count, seed))]


@pytest.fixture(scope="module")
def scored_models(trained_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    models = Path(shutil.copytree(trained_models, tmp_path_factory.mktemp("models") / "models"))
    data = write_csv(models / "many.csv", [{key: row[key] for key in row if key != "id"} for row in rows(500, seed=1)])
    with override_settings(LM_MODELS_DIR=models):
        runscript("update_lm", "many", "--data", str(data), "--formula", FORMULA, "--quiet")
    return models


@pytest.fixture
def models(scored_models: Path, settings: Settings) -> Path:
    """Models that the tests of this module only read, or add to."""
    settings.LM_MODELS_DIR = scored_models
    return scored_models


Score = Callable[..., Path]


@pytest.fixture
def score(models: Path, elsewhere: str, tmp_path: Path) -> Score:
    """Predict on the cluster that is up, for what is in the folder `new`."""

    def run(name: str, *words: str, folder: str = "scored") -> Path:
        runscript("score_lm", name, f"{tmp_path}/new*", str(tmp_path / folder), "--scheduler", elsewhere, *words)
        return tmp_path / folder

    return run


def read(folder: Path) -> dict[str, list[Any]]:
    whole: dict[str, list[Any]] = {}
    for file in sorted(folder.glob("part-*")):
        table = parquet.read_table(file) if file.suffix == ".parquet" else csv.read_csv(file)
        for name, values in table.to_pydict().items():
            whole.setdefault(name, []).extend(values)
    return whole


def asked(client: Client, name: str, body: Any, content_type: str = "application/json", query: str = ALL) -> Any:
    answer = client.post(f"/lm/api/models/{name}/predict{query}", body, content_type=content_type)
    assert answer.status_code == 200, answer.content
    return answer.json()["predictions"]


def columns(rows: list[dict[str, Any]], *without: str) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0] if name not in without}


WRONG: list[dict[str, Any]] = [
    {"x": None},
    {"x": INFINITE},
    {"kind": "z"},
    {"kind": None},
    {"flag": None},
    {"day": None},
    {"year": 2029},
    {"x": 99.0},
    {"day": "2031-01-01"},
]
"""In the rows from 100 on; the last two are outside of the training ranges, which is not wrong."""


def new_rows() -> list[dict[str, Any]]:
    new = rows(2000, seed=2)
    for row, wrong in zip(new[100:], WRONG, strict=False):
        row.update(wrong)
    return new


def test_parquet_has_the_servers_bits(score: Score, client: Client, tmp_path: Path, capsys: Capture) -> None:
    new = new_rows()
    finite = [{**row, "x": row["x"] if row["x"] != INFINITE else None} for row in new]
    expected = asked(client, "many", columns(finite))
    table = pyarrow.Table.from_pylist(new)
    dates = [row["day"] and date.fromisoformat(row["day"]) for row in new]
    times = [datetime.fromisoformat(row["at"].removesuffix("Z")) for row in new]
    table = table.set_column(table.column_names.index("day"), "day", pyarrow.array(dates))
    table = table.set_column(table.column_names.index("at"), "at", pyarrow.array(times, pyarrow.timestamp("ms")))
    parquet.write_table(table.slice(0, 1500), tmp_path / "new1.parquet", row_group_size=400)
    parquet.write_table(table.slice(1500), tmp_path / "new2.parquet")
    folder = score("many", "--interval", "prediction", "--columns", "id,x", "--part-size", "1K")
    assert len(list(folder.glob("part-*.parquet"))) == 5
    found = read(folder)
    assert {name: found[name] for name in PREDICTED} == expected
    assert expected["fit"].count(None) == 7
    assert found["id"] == [row["id"] for row in new]
    assert found["x"] == [row["x"] for row in new]
    told = capsys.readouterr().out
    assert "scoring: 5 parts, 2,000 rows" in told
    assert "2,000 rows are predicted for" in told
    assert f"{sum(map(bool, expected['extrapolated']))} rows are outside the training ranges" in told
    first = f"row 101 of {tmp_path}/new1.parquet: x is missing; it must be a finite number"
    assert f"7 rows have no prediction, the first: {first}" in told
    metadata = parquet.read_schema(folder / "part-000000.parquet").metadata
    assert metadata[b"model"] == b"many"
    assert metadata[b"interval"] == b"prediction"


@pytest.mark.parametrize("sep", [",", ";"])
def test_csv_has_the_servers_bits(score: Score, client: Client, tmp_path: Path, capsys: Capture, sep: str) -> None:
    new = new_rows()
    new[109]["x"], new[110]["x"], new[111]["at"] = "some", "nan", "noon"
    text = write_csv(tmp_path / "all.csv", new).read_text()
    if sep == ";":
        text = text.replace(",", ";").replace(".", ",")
    expected = asked(client, "many", text, "text/csv")
    (tmp_path / "new.csv").write_text(text)
    of_parts = ["many", "--part-size", "20K"]
    folder = score(*of_parts, "--interval", "prediction", "--columns", "id,kind,x", "--format", "csv")
    first = f"line 102 of {tmp_path}/new.csv: x is missing;"
    assert f"10 rows have no prediction, the first: {first}" in capsys.readouterr().out
    assert len(list(folder.glob("part-*.csv"))) > 4
    in_r = f"""
        parts <- lapply(Sys.glob("{folder}/part-*.csv"), read.csv, colClasses = c(id = "character"))
        scored <- do.call(rbind, parts)
        stopifnot(identical(sapply(scored, class)[["extrapolated"]], "logical"))
        cat(sprintf("%.17g %.17g %s %s\\n", scored$fit, scored$upper, scored$extrapolated, scored$id), sep = "")
    """
    found = [line.split() for line in rscript(in_r).splitlines()]
    assert [None if fit == "NA" else float(fit) for fit, *_ in found] == expected["fit"]
    assert [None if upper == "NA" else float(upper) for _, upper, *_ in found] == expected["upper"]
    flags = [{"NA": None, "TRUE": True, "FALSE": False}[flag] for _, _, flag, _ in found]
    assert flags == expected["extrapolated"]
    assert [name for *_, name in found] == [row["id"] for row in new]
    assert parquet_schemas_agree(score(*of_parts, "--columns", "x", folder="other"))


def parquet_schemas_agree(folder: Path) -> bool:
    return len({str(parquet.read_schema(file)) for file in folder.glob("part-*")}) == 1


def test_what_only_r_knows_is_told(models: Path, score: Score, tmp_path: Path, client: Client, capsys: Capture) -> None:
    distances = [7.0, 29.0, *range(100, 1100), 8.0]
    (tmp_path / "new.csv").write_text("distance\n" + "\n".join(map(str, distances)))
    for name, formula in (
        ("levels", "time ~ factor(distance %/% 10)"),
        ("logs", "time ~ log(108 - distance)"),
        ("ones", "time ~ 1"),
    ):
        shutil.copy(models / "timedistance" / "timedistance.csv", models / f"{name}.csv")
        runscript("update_lm", name, "--data", str(models / f"{name}.csv"), "--formula", formula, "--quiet")
        capsys.readouterr()
        found = read(score(name, folder=name))
        assert found["fit"].count(None) == (1000 if name == "levels" else 0)
        told = capsys.readouterr().out
        if name == "levels":
            assert found["fit"] == asked(client, name, {"distance": distances})["fit"]
            assert "line 4 of" in told
            assert "factor(distance%/%10) is '10'; it must be one of '0', '1', '2', '3'" in told
        if name == "logs":
            assert [fit != fit for fit in found["fit"]] == [distance > 108 for distance in distances]
            assert "R warns: NaNs produced" in told
            folder = score(name, "--format", "csv", folder="csv")
            assert (folder / "part-000000.csv").read_text().count("NaN") > 900
    (tmp_path / "new.csv").write_text("distance\n100\n")
    assert read(score("levels", folder="none"))["fit"] == [None]


def test_options_and_data_that_are_wrong_are_one_line(models: Path, tmp_path: Path, capsys: Capture) -> None:
    write_csv(tmp_path / "new.csv", rows(20, seed=1))
    new, folder = str(tmp_path / "new.csv"), tmp_path / "scored"
    (tmp_path / "narrow.csv").write_text("x,Kind,fit\n1,a,2\n")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "other.txt").touch()
    (tmp_path / "file").touch()
    for words, why in (
        (["many", new], "the following arguments are required: FOLDER"),
        (["none", new, str(folder)], "There is no model 'none'"),
        (["many", f"{tmp_path}/no*.csv", str(folder)], "no*.csv: there is no such file"),
        (
            ["many", str(tmp_path / "narrow.csv"), str(folder)],
            "kind is missing; the predictors are: x, kind",
        ),
        (
            ["many", new, str(folder), "--columns", "id,weight"],
            "--columns weight: there is no such column; there are: id",
        ),
        (["many", new, str(folder), "--level", "95"], "argument --level: '95' is no number between 0 and 1"),
        (["many", new, str(folder), "--level", "all"], "argument --level: 'all' is no number between 0 and 1"),
        (["many", new, str(folder), "--workers", "0"], "argument --workers: '0' is no number from 1 to 9999"),
        (
            ["many", new, str(folder), "--part-size", "1"],
            "argument --part-size: '1' is no size from 1K to 1G",
        ),
        (["many", new, str(folder), "--part-size", "huge"], "argument --part-size: 'huge' is no size from 1K to 1G"),
        (["many", new, str(folder), "--scheduler", "tcp://10.0.0.1:8786"], "over plain tcp://, whoever reaches a port"),
        (["many", new, str(tmp_path / "full")], "full has other files; name a new folder"),
        (["many", new, str(tmp_path / "file")], "file can't be used: File exists; name a new folder"),
    ):
        line = refusal(capsys, "score_lm", *words)
        assert line.startswith("score_lm: ")
        assert why in line


def test_columns_that_cannot_be_kept_or_read_are_one_line(models: Path, tmp_path: Path, capsys: Capture) -> None:
    new = [{**row, "fit": 1} for row in rows(20, seed=1)]
    write_csv(tmp_path / "a.csv", new)
    words = ["many", f"{tmp_path}/*.csv", str(tmp_path / "scored")]
    line = refusal(capsys, "score_lm", *words, "--columns", "fit")
    assert "--columns fit: the predictions have a column of this name; rename that of the data" in line
    write_csv(tmp_path / "b.csv", [{name: value for name, value in row.items() if name != "x"} for row in new])
    assert f"column 'x' can't be used: {tmp_path}/b.csv has no such column" in refusal(capsys, "score_lm", *words)


def test_what_is_not_installed_is_told(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    line = refusal(capsys, "score_lm", "many", "new.csv", str(tmp_path))
    assert line == "score_lm: distributed must be installed for this: pip install -r contrib/requirements-scale.txt\n"


def test_a_model_without_a_whole_version_is_one_line(models: Path, tmp_path: Path, capsys: Capture) -> None:
    write_model(models, name="new", formula="y ~ x", rows="x,y\n1,2\n")
    line = refusal(capsys, "score_lm", "new", "new.csv", str(tmp_path))
    assert "Model 'new' has no version that can be served" in line


def test_a_run_goes_on_where_another_was(
    models: Path, score: Score, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    write_csv(tmp_path / "new.csv", rows(1000, seed=3))
    words = ["many", "--part-size", "8K", "--columns", "id"]
    folder = score(*words)
    shown = capsys.readouterr().out
    assert re.search(r"scoring .* part .*/", shown)
    before, whole = times(folder), contents(folder)
    for name in sorted(whole)[2:]:
        (folder / name).unlink()
    (folder / ".part-000002.parquet-1").write_text("half a file")
    score(*words)
    assert "2 parts were there already" in capsys.readouterr().out
    assert contents(folder) == whole
    assert sorted(name for name, time in times(folder).items() if time == before[name]) == sorted(whole)[:2]
    score(*words)
    assert f"many {live_version(models, 'many')}: 0 rows are predicted for" in capsys.readouterr().out
    for others, why in (
        (["--level", "0.9"], "another level (0.95, not 0.9)"),
        (["--interval", "confidence"], "another interval (none, not confidence)"),
        (["--format", "csv"], "another format (parquet, not csv)"),
        (["--part-size", "9K"], "another part size (8192, not 9216)"),
        (["--columns", "x"], "another columns (['id'], not ['x'])"),
    ):
        line = refusal(capsys, "score_lm", "many", f"{tmp_path}/new*", str(folder), *words[1:], *others)
        assert f"{folder} has predictions of {why}; name a new folder, or remove that one" in line
    write_csv(tmp_path / "new.csv", rows(999, seed=3))
    line = refusal(capsys, "score_lm", "many", f"{tmp_path}/new*", str(folder), *words[1:])
    assert "has predictions of another data; name a new folder" in line


def test_a_part_that_cannot_be_done_is_one_line(score: Score, tmp_path: Path, capsys: Capture) -> None:
    table = pyarrow.Table.from_pylist(rows(300, seed=4))
    parquet.write_table(table, tmp_path / "new.parquet", row_group_size=100)

    def why() -> str:
        capsys.readouterr()
        with pytest.raises(SystemExit):
            score("many", "--part-size", "1K")
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return error

    folder = score("many", "--part-size", "1K")
    (folder / "part-000001.parquet").unlink()
    (folder / "part-000001.parquet").mkdir()
    assert f"score_lm: {folder}/part-000001.parquet can't be written: Is a directory" in why()
    assert not list(folder.glob(".*"))
    (folder / "part-000001.parquet").rmdir()
    file = tmp_path / "new.parquet"
    status, content = file.stat(), file.read_bytes()
    at = len(content) // 2
    file.write_bytes(content[:at] + bytes(200) + content[at + 200 :])
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert f"score_lm: {file} can't be read: " in why()


def test_ctrl_c_and_a_killed_worker_leave_whole_files(models: Path, score: Score, tmp_path: Path) -> None:
    write_csv(tmp_path / "new.csv", rows(6000, seed=5))
    words, here = ["many", "--part-size", "8K", "--interval", "prediction"], tmp_path / "here"
    command = [sys.executable, "manage.py", "runscript", "score_lm", *words, "--workers", "2"]
    command[5:5] = [str(tmp_path / "new.csv"), str(here)]

    def start() -> "subprocess.Popen[str]":
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "LM_MODELS_DIR": str(models)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            preexec_fn=restore_interrupt,
        )

    def wait_for_more_than(count: int, process: "subprocess.Popen[str]") -> None:
        while len(list(here.glob("part-*"))) <= count:
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)

    interrupted = start()
    wait_for_more_than(0, interrupted)
    os.killpg(interrupted.pid, signal.SIGINT)  # as a terminal does, to all
    _, error = interrupted.communicate(timeout=60)
    assert error == f"score_lm: interrupted; the same command goes on where it was, in {here}\n"
    assert interrupted.returncode == 130
    assert not any(map(is_worker, in_session(interrupted.pid)))
    done = len(list(here.glob("part-*")))
    going_on = start()
    wait_for_more_than(done, going_on)
    workers = [process for process in in_session(going_on.pid) if process.pid != going_on.pid and is_worker(process)]
    workers[-1].kill()
    out, error = going_on.communicate(timeout=120)
    assert (going_on.returncode, error) == (0, "")
    assert f"{done} parts were there already" in out
    elsewhere = score(*words)
    assert contents(here) == contents(elsewhere)
    assert len(contents(here)) > 40


def in_session(session: int) -> list[psutil.Process]:
    of_session = [process for process in psutil.process_iter() if os.getsid(process.pid) == session]
    return [process for process in of_session if process.status() != psutil.STATUS_ZOMBIE]


def is_worker(process: psutil.Process) -> bool:
    return "spawn_main" in " ".join(process.cmdline())


def contents(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.glob("part-*")}


def times(folder: Path) -> dict[str, int]:
    return {file.name: file.stat().st_mtime_ns for file in folder.glob("part-*")}


def test_servers_import_nothing_of_it() -> None:
    script = (
        "import django; django.setup(); import ml_api.urls, sys; "
        "sys.exit(bool({'dask', 'distributed', 'pyarrow', 'lm_app.scale'} & sys.modules.keys()))"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
