"""What is asked and answered is written down, to the last bit, and no answer waits for it."""

import gzip
import json
import math
import os
import resource
import shutil
import signal
import sys
import time
from array import array
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from lm_app.errors import DataError
from lm_app.measured import dropped
from lm_app.monitoring import prediction_log
from lm_app.monitoring.log_reader import read_log
from lm_app.predictors import Date, DateTime, Factor, Logical, Numeric, Predictor
from lm_app.training.update import update
from ml_api import environment
from tests.conftest import Server, StartServer, write_model

KINDS: list[tuple[Predictor, st.SearchStrategy[float]]] = [
    (Numeric("x", None, 0, 1), st.floats(allow_nan=False, allow_infinity=False)),
    (Factor("x", None, ["a", "b ", "c"]), st.sampled_from([1.0, 2.0, 3.0])),
    (Logical("x", None), st.sampled_from([0.0, 1.0])),
    (Date("x", None, "2020-01-01", "2021-01-01"), st.integers(-700_000, 2_900_000).map(float)),
    (DateTime("x", None, "2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"), st.integers(-(10**9), 10**10).map(float)),
]


@pytest.mark.parametrize(("predictor", "values"), KINDS, ids=lambda kind: type(kind).__name__)
def test_each_predictor_reads_what_it_writes(predictor: Predictor, values: st.SearchStrategy[float]) -> None:
    @given(st.lists(values, min_size=1))
    def check(numbers: list[float]) -> None:
        assert list(predictor.from_json(predictor.to_json(array("d", numbers))) or []) == numbers

    check()


@pytest.fixture
def log(tmp_path: Path, settings: Settings) -> Path:
    folder = tmp_path / "log"
    folder.mkdir()
    settings.LM_PREDICTION_LOG = str(folder)
    return folder


@pytest.fixture(autouse=True)
def begin_anew() -> None:
    prediction_log._logs.clear()


def end() -> None:
    for log in prediction_log._logs.values():
        log.end()
    prediction_log._logs.clear()


def ask(client: Client, route: str, body: Any = None) -> Any:
    if body is None:
        return client.get(route).json()
    return client.post(route, json.dumps(body), content_type="application/json").json()


ROWS: dict[str, list[Any]] = {"wt": [2.6, 3.1, 9.9], "qsec": [17, 18.3, 19], "am": ["manual", "automatic", "manual"]}


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_what_was_asked_stands_there_to_the_last_bit(
    kind: str, client: Client, shipped_models: Path, log: Path, settings: Settings
) -> None:
    settings.LM_PREDICTION_LOG_FORMAT = kind
    one = ask(client, "/lm/api/models/mtcars/predict?wt=2,7&qsec=17&am=manual")
    many = ask(client, "/lm/api/models/mtcars/predict?extrapolation=flag&interval=prediction&level=0.9", ROWS)
    assert client.get("/lm/api/models/mtcars/predict?wt=x").status_code == 422
    assert ask(client, "/lm/api/predict/29.5") == 47.736486
    time.sleep(0.5)  # it is written now, or gathered
    end()
    table = read_log(log, "mtcars")
    assert table.inputs == {"wt": [2.7, *ROWS["wt"]], "qsec": [17, *ROWS["qsec"]], "am": ["manual", *ROWS["am"]]}
    assert table.fit == [one["fit"], *many["predictions"]["fit"]]
    assert table.lower == [None, *many["predictions"]["lower"]]
    assert table.upper == [None, *many["predictions"]["upper"]]
    assert table.extrapolated == [False, *many["predictions"]["extrapolated"]]
    assert table.level == [0.95, 0.9, 0.9, 0.9]
    assert table.interval == ["none"] + ["prediction"] * 3
    assert set(table.version) == {one["version"]}
    assert table.time == sorted(table.time) and table.time[0].endswith("Z")
    assert read_log(next((log / "timedistance").iterdir()), "timedistance").fit == [47.7364864864865]
    [file] = (log / "mtcars").iterdir()
    assert file.suffix == f".{kind}"
    assert file.stat().st_mode & 0o007 == 0


def test_all_kinds_of_predictors_and_numbers(client: Client, models: Path, log: Path) -> None:
    rows = "\n".join(
        f"{i % 7 + i / 10},{'yes' if i % 3 else 'no'},{'TRUE' if i % 2 else 'FALSE'},2024-01-{i + 1:02},{i + 1}"
        for i in range(25)
    )
    write_model(
        models,
        name="kinds",
        formula="y ~ log(x) + answer + fast + day",
        rows=f"y,answer,fast,day,x\n{rows}\n",
    )
    update("kinds")
    asked: dict[str, list[Any]] = {
        "x": [0, 2],
        "answer": ["no", "yes"],
        "fast": [True, False],
        "day": ["2024-01-03", "2024-01-04"],
    }
    ask(client, "/lm/api/models/kinds/predict?extrapolation=flag", asked)
    ask(client, "/lm/api/models/kinds/predict?on_error=null", [{**{k: v[1] for k, v in asked.items()}, "x": "?"}])
    end()
    table = read_log(log, "kinds")
    assert table.inputs == asked
    assert math.isnan(table.fit[0])
    assert table.extrapolated == [True, False]


def test_two_workers_under_load_write_each_request_once(serve: StartServer, tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    with serve("gunicorn", WEB_CONCURRENCY="2", LM_PREDICTION_LOG=str(tmp_path / "log")) as server:
        distances = [5 + i / 100 for i in range(400)]
        with ThreadPoolExecutor(8) as clients:
            list(clients.map(lambda d: server.get(f"/lm/api/predict/{d}"), distances))
        assert server.interrupt() < 5
    table = read_log(tmp_path / "log", "timedistance")
    assert sorted(table.inputs["distance"]) == distances
    first = json.loads(next((tmp_path / "log" / "timedistance").iterdir()).read_text().partition("\n")[0])
    assert len(first["request_id"]) == 32


def requests_of(server: Server, count: int) -> float:
    """The seconds of the longest of so many predictions."""
    longest = 0.0
    for _ in range(count):
        began = time.monotonic()
        assert server.get("/lm/api/predict/29.5") == b"47.736486"
        longest = max(longest, time.monotonic() - began)
    return longest


def wait_for(text: str, server: Server) -> None:
    deadline = time.monotonic() + 20
    while text not in server.log.read_text():
        assert time.monotonic() < deadline, server.log.read_text()[-2000:]
        time.sleep(0.05)


def test_a_full_disk_stops_no_answer_and_what_it_leaves_out_is_counted(serve: StartServer, tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    # a file may have 8 KB: of a longer write, so much is written
    variables = {"LM_PREDICTION_LOG": str(tmp_path / "log"), "GUNICORN_CMD_ARGS": "--access-logfile /dev/null"}
    with serve("gunicorn default", prefix="prlimit --fsize=8192", **variables) as server:
        assert requests_of(server, 100) < 5
        wait_for("the prediction log leaves out", server)
        assert requests_of(server, 5) < 5
    files = list((tmp_path / "log" / "timedistance").iterdir())
    assert all(file.stat().st_size <= 8192 for file in files)
    for file in files:
        read_log(file, "timedistance")  # a line that was broken off is left out


def test_of_a_line_that_is_not_all_written_the_request_is_left_out(
    client: Client, shipped_models: Path, log: Path, caplog: pytest.LogCaptureFixture
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    for _ in range(4):
        ask(client, "/lm/api/predict/29.5")
    resource.setrlimit(resource.RLIMIT_FSIZE, (400, limits[1]))
    try:
        end()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "bytes were written; is the disk full?" in caplog.text
    assert len(read_log(log, "timedistance").fit) < 4


def test_parquet_needs_pyarrow(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    (log / "a.parquet").write_bytes(b"")
    with pytest.raises(DataError, match=r"a\.parquet needs pyarrow: "):
        read_log(log / "a.parquet", "cars")


def test_a_slow_disk_stops_no_answer(client: Client, shipped_models: Path, log: Path, settings: Settings) -> None:
    counted: list[int] = []
    dropped.append(counted.append)
    real = prediction_log.MOST_BYTES_WAITING
    try:
        prediction_log.MOST_BYTES_WAITING = 1200
        for _ in range(5):
            ask(client, "/lm/api/predict/29.5")  # all within the time in which entries are gathered
        end()
    finally:
        prediction_log.MOST_BYTES_WAITING = real
        dropped.remove(counted.append)
    assert sum(counted) + len(read_log(log, "timedistance").fit) == 5
    assert sum(counted) > 0


@pytest.mark.parametrize("kind", ["jsonl", "parquet"])
def test_a_removed_folder_stops_no_answer(
    kind: str, client: Client, shipped_models: Path, log: Path, settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings.LM_PREDICTION_LOG_FORMAT = kind
    shutil.rmtree(log)
    assert ask(client, "/lm/api/predict/29.5") == 47.736486
    end()
    assert "the prediction log leaves out 1 requests: " in caplog.text
    log.mkdir()
    assert ask(client, "/lm/api/predict/29.5") == 47.736486
    end()
    assert len(read_log(log, "timedistance").fit) == 1


def test_a_killed_server_leaves_what_can_be_read(serve: StartServer, tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    with serve("gunicorn", LM_PREDICTION_LOG=str(tmp_path / "log")) as server:
        requests_of(server, 50)
        while not list((tmp_path / "log").glob("*/*")):
            time.sleep(0.05)
        for worker in server.workers():
            os.kill(worker, signal.SIGKILL)
    assert set(read_log(tmp_path / "log", "timedistance").fit) == {47.7364864864865}


def test_files_are_rotated_and_removed(client: Client, shipped_models: Path, log: Path, settings: Settings) -> None:
    folder = log / "timedistance"
    folder.mkdir()
    old = "20200101T000000.000000Z-1"
    for name in (f"{old}.jsonl", f"{old}.parquet", f"{old}.txt", "mine.jsonl", "29990101T000000.000000Z-1.jsonl"):
        (folder / name).write_text("")
    settings.LM_PREDICTION_LOG_BYTES = 1
    for _ in range(3):
        ask(client, "/lm/api/predict/29.5")
        time.sleep(0.3)
    end()
    names = {file.name for file in folder.iterdir()}
    assert {f"{old}.txt", "mine.jsonl", "29990101T000000.000000Z-1.jsonl"} <= names
    assert not {f"{old}.jsonl", f"{old}.parquet"} & names
    assert len(names) > 3 + 1
    settings.LM_PREDICTION_LOG_DAYS = 0
    (folder / f"{old}.jsonl").write_text("")
    ask(client, "/lm/api/predict/29.5")
    end()
    assert (folder / f"{old}.jsonl").exists()


def test_what_is_no_log_is_refused_with_file_and_line(log: Path) -> None:
    with pytest.raises(DataError, match="there is no prediction log of 'cars' in "):
        read_log(log, "cars")
    good = {"time": "", "version": "", "level": 0.9, "interval": "none", "inputs": {"a": [1]}, "fit": [1]}
    cases = {
        "no JSON": ("{\n", "line 2: not JSON"),
        "a list": ("[1]\n", "line 2: not of a prediction log"),
        "lengths": (json.dumps({**good, "inputs": {"a": [1, 2]}}) + "\n", "its columns differ in length"),
    }
    for name, (line, message) in cases.items():
        file = log / f"{name}.jsonl"
        file.write_text(json.dumps(good) + "\n" + line)
        with pytest.raises(DataError, match=message):
            read_log(file, "cars")
    zipped = log / "a.jsonl.gz"
    later = {**good, "inputs": {"b": [2]}}
    zipped.write_bytes(gzip.compress(f"{json.dumps(good)}\n{json.dumps(later)}\n{json.dumps(good)}".encode()))
    assert read_log(zipped, "cars").inputs == {"a": [1, None], "b": [None, 2]}
    zipped.write_bytes(b"no gzip")
    (log / "a.parquet").write_bytes(b"no parquet")
    for file in (zipped, log / "a.parquet"):
        with pytest.raises(DataError, match="can't be read"):
            read_log(file, "cars")


def test_a_folder_that_is_none_is_refused_at_start(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LM_PREDICTION_LOG", str(tmp_path / "none"))
    with pytest.raises(ImproperlyConfigured, match="Not a folder that can be written: make it first"):
        environment.folder("LM_PREDICTION_LOG")
    monkeypatch.setenv("LM_PREDICTION_LOG", str(tmp_path))
    assert environment.folder("LM_PREDICTION_LOG") == str(tmp_path)
