"""What was asked and answered stands in the log, exactly; and where that can't be written, serving goes on."""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pandas  # type: ignore[import-untyped]
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from pytest_django import Settings

from lm_app.monitoring import log_files, prediction_log
from lm_app.monitoring.log_reader import read_log
from ml_api import environment
from tests.conftest import ROOT, Server, StartServer, live_version, runscript, wait_until, write_model
from tests.monitoring.conftest import Logged
from tests.predict.test_kinds import COLUMNS, PATH, post_to
from tests.predict.test_kinds import serve as publish_kinds

NAME = re.compile(r"\d{8}T\d{6}\.\d{6}Z-(\d+)\.(jsonl|parquet)")
ONE, MANY = "/lm/api/predict?distance={}", "/lm/api/predict"


def files_of(log: Path, model: str = "timedistance") -> list[Path]:
    return sorted((log / model).glob("*"))


def ask(server: Server, numbers: list[float]) -> list[float]:
    """The predictions for these numbers, each asked by itself."""
    return [json.loads(server.get(ONE.format(number) + "&extrapolation=flag"))["fit"] for number in numbers]


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_what_was_asked_of_two_workers_is_in_the_log(serve: StartServer, log: Path, models: Path, form: str) -> None:
    numbers = [20.0, *(random.uniform(-1e3, 1e3) for _ in range(39))]
    variables = {"LM_PREDICTION_LOG": str(log), "LM_PREDICTION_LOG_FORMAT": form, "WEB_CONCURRENCY": "2"}
    with serve("gunicorn", **variables) as server:
        workers = server.workers()
        begun = datetime.now(timezone.utc).isoformat()
        fits = ask(server, numbers)
        wait_until(lambda: lines_in(log) == 40)
        assert len(read_log(log, "timedistance").time) == 40  # at any time
        assert server.interrupt() < 10
        assert "Traceback" not in server.log.read_text()
    names = [NAME.fullmatch(file.name) for file in files_of(log)]
    assert {name[2] for name in names if name} == {form}
    assert {int(name[1]) for name in names if name} <= workers
    assert len(names) <= 2
    assert all(file.stat().st_mode & 0o777 in (0o640, 0o600) for file in files_of(log))
    table = read_log(log, "timedistance")
    order = sorted(range(40), key=lambda row: table.time[row])
    assert [(table.inputs["distance"][row], table.fit[row]) for row in order] == list(zip(numbers, fits, strict=True))
    assert begun[:19] <= min(table.time)
    assert set(table.version) == {live_version(models)}
    assert (set(table.interval), set(table.level)) == ({"none"}, {0.95})
    assert (set(table.lower), set(table.upper)) == ({None}, {None})
    assert {True, False} == set(table.extrapolated)


def test_a_line_says_what_the_answer_said(client: Client, models: Path, log: Path, logged: Logged) -> None:
    options = "?interval=prediction&level=0.9&extrapolation=flag&on_error=null"
    answer = post_to(client, MANY + options, {"distance": [29.5, None, 1000]}).json()
    logged()
    [file] = files_of(log)
    line = json.loads(file.read_text())
    time = line.pop("time")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", time)
    assert line == {
        "request_id": None,
        "model": "timedistance",
        "version": answer["version"],
        "interval": "prediction",
        "level": 0.9,
        "rows": 2,
        "inputs": {"distance": [29.5, 1000.0]},
        **{name: [values[0], values[2]] for name, values in answer["predictions"].items()},
    }
    assert list(line)[-4:] == ["fit", "lower", "upper", "extrapolated"]


def test_the_request_id_is_written(client: Client, models: Path, logged: Logged) -> None:
    client.get(ONE.format(29.5), **{"ml_api.request_id": "abc"})  # type: ignore[arg-type]
    assert logged().request_id == ["abc"]


def test_what_was_not_answered_is_not_in_the_log(client: Client, models: Path, log: Path, logged: Logged) -> None:
    assert client.get(ONE.format("many")).status_code == 422
    assert client.get(ONE.format(1000)).status_code == 422
    assert post_to(client, f"{MANY}?on_error=null", {"distance": [None]}).status_code == 200
    assert client.get("/lm/api").status_code == 200
    assert not list(log.iterdir())
    client.get("/lm/api/predict/29.5")
    assert logged().fit == [pytest.approx(47.736486)]


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_all_kinds_of_predictors_are_written_as_they_were_sent(
    models: Path, client: Client, settings: Settings, logged: Logged, form: str
) -> None:
    settings.LM_PREDICTION_LOG_FORMAT = form
    publish_kinds(models, f"y ~ {' + '.join(COLUMNS)}", *COLUMNS)
    fits = post_to(client, PATH, COLUMNS).json()["predictions"]["fit"]
    table = logged("kinds")
    assert table.inputs == COLUMNS
    assert table.fit == fits
    assert set(map(type, table.inputs["on"])) == {bool}


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_a_model_without_predictors_and_a_number_that_is_none(
    models: Path, client: Client, settings: Settings, logged: Logged, form: str
) -> None:
    settings.LM_PREDICTION_LOG_FORMAT = form
    publish_kinds(models, "y ~ 1")
    post_to(client, PATH, [{}, {}])
    table = logged("kinds")
    assert (table.inputs, len(table.fit)) == ({}, 2)
    publish_kinds(models, "y ~ log(x - 1)", "x")
    assert post_to(client, f"{PATH}?extrapolation=flag", {"x": [0.5, 2]}).json()["predictions"]["fit"][0] is None
    table = logged("kinds")
    assert table.inputs == {"x": [None, None, 0.5, 2]}
    assert [fit == fit for fit in table.fit] == [True, True, False, True]


def test_parquet_has_a_row_for_each_observation(
    models: Path, client: Client, settings: Settings, log: Path, logged: Logged
) -> None:
    settings.LM_PREDICTION_LOG_FORMAT = "parquet"
    rows = "time,fit,y\n" + "".join(f"{i},{i % 7},{i * i % 11}\n" for i in range(20))
    write_model(models, formula="y ~ time + fit", rows=rows, name="clash")  # names that the log has, too
    runscript("update_lm", "clash")
    path = "/lm/api/models/clash/predict"
    fits = [post_to(client, path, [{"time": 1, "fit": 2}]).json()["predictions"][0]["fit"]]
    answer = post_to(client, f"{path}?interval=confidence", {"time": [3, 4], "fit": [5, 6]}).json()["predictions"]
    table = logged("clash")
    assert table.inputs == {"time": [1, 3, 4], "fit": [2, 5, 6]}
    [file] = files_of(log, "clash")
    frame = pandas.read_parquet(file)
    own = ["time", "request_id", "version", "interval", "level"], ["fit", "lower", "upper", "extrapolated"]
    assert list(frame.columns) == [*own[0], "inputs.time", "inputs.fit", *own[1]]
    assert frame["fit"].tolist() == fits + answer["fit"] == table.fit
    assert frame["lower"].tolist()[1:] == answer["lower"]
    assert frame["lower"].isna().tolist() == [True, False, False]
    assert frame["extrapolated"].tolist() == [False] * 3
    assert str(frame["time"].dtype) == "datetime64[us, UTC]"
    assert frame["time"][0].strftime("%Y-%m-%dT%H:%M:%S.%fZ") == table.time[0]


def test_a_file_is_closed_at_its_size_and_each_day(
    models: Path, client: Client, settings: Settings, log: Path, logged: Logged, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.LM_PREDICTION_LOG_BYTES = 300  # of two lines
    for number in range(5):
        client.get(ONE.format(20 + number))
        wait_until(lambda so_far=number + 1: lines_in(log) == so_far)  # type: ignore[misc]
    assert [len(file.read_text().splitlines()) for file in files_of(log)] == [2, 2, 1]
    tomorrow = datetime.now(timezone.utc) + timedelta(days=1)
    monkeypatch.setattr(log_files, "now", lambda: tomorrow)
    time.sleep(3 * prediction_log.SECONDS_BETWEEN_WRITES)
    client.get(ONE.format(25))
    assert logged().inputs == {"distance": [20, 21, 22, 23, 24, 25]}
    assert files_of(log)[-1].name.startswith(tomorrow.strftime("%Y%m%dT"))


def lines_in(log: Path) -> int:
    return sum(len(file.read_text().splitlines()) for file in files_of(log))


def test_parquet_is_made_of_an_hour(
    models: Path, client: Client, settings: Settings, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.LM_PREDICTION_LOG_FORMAT = "parquet"
    noon = datetime(2026, 11, 26, 12, tzinfo=timezone.utc)
    monkeypatch.setattr(log_files, "now", lambda: noon)
    client.get(ONE.format(20))
    wait_until(lambda: [file.suffix for file in files_of(log)] == [".jsonl"])
    monkeypatch.setattr(log_files, "now", lambda: noon + timedelta(hours=1))
    wait_until(lambda: [file.suffix for file in files_of(log)] == [".parquet"])


def aged(log: Path, days: float, kind: str = "jsonl", content: str = "") -> Path:
    """A file of a process that ended some days ago."""
    begun = datetime.now(timezone.utc) - timedelta(days=days)
    file = log_files.new_file(log / "timedistance", begun, 1).with_suffix(f".{kind}")
    file.parent.mkdir(exist_ok=True)
    file.write_text(content)
    return file


@pytest.mark.parametrize(("days", "removed"), [(90, 4), (200, 0), (0, 0)])
def test_old_files_are_removed_and_nothing_else(
    models: Path, client: Client, settings: Settings, log: Path, logged: Logged, days: int, removed: int
) -> None:
    settings.LM_PREDICTION_LOG_DAYS = days
    old = [aged(log, 91, kind) for kind in ("jsonl", "jsonl.gz", "parquet", "parquet-17")]
    others = [aged(log, 89), aged(log, 91, "csv"), log / "timedistance" / "notes.jsonl", log / old[0].name]
    for file in others:
        file.touch()
        os.utime(file, (0, 0))
    client.get(ONE.format(20))
    prediction_log.start().end()
    assert all(file.exists() for file in others)
    assert sum(not file.exists() for file in old) == removed


def test_parquet_is_made_of_what_a_killed_process_left(
    models: Path, client: Client, settings: Settings, log: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client.get(ONE.format(20))
    prediction_log.start().end()
    [file] = files_of(log)
    whole = file.read_text()
    file.rename(aged(log, 3, content=""))
    left, damaged, recent = aged(log, 3, content=whole + whole[:50]), aged(log, 4, content="{}\n"), aged(log, 1)
    done = aged(log, 5, "parquet")
    prediction_log._log = None
    settings.LM_PREDICTION_LOG_FORMAT = "parquet"
    prediction_log.start().end()
    assert not left.exists()
    assert read_log(left.with_suffix(".parquet"), "timedistance").fit == [pytest.approx(34.256757)]
    assert damaged.exists()
    assert recent.exists() and done.exists()
    assert f"{damaged} stays, as no Parquet can be made of it" in caplog.text


def test_a_killed_worker_leaves_what_can_be_read(serve: StartServer, log: Path) -> None:
    numbers = [20 + number / 7 for number in range(30)]
    with serve("gunicorn", LM_PREDICTION_LOG=str(log)) as server:
        [worker] = server.workers()
        fits = ask(server, numbers)
        wait_until(lambda: lines_in(log) == 30)
        os.kill(worker, signal.SIGKILL)
        wait_until(lambda: bool(server.workers() - {worker}))
        wait_until_answered(server)
        assert server.interrupt() < 10
    table = read_log(log, "timedistance")
    assert (table.inputs["distance"][:30], table.fit[:30]) == (numbers, fits)
    assert len(table.time) == 31
    assert len(files_of(log)) == 2


def wait_until_answered(server: Server) -> None:
    """Ask until one number is answered."""

    def is_answered() -> bool:
        try:
            return bool(ask(server, [20.0]))
        except OSError:
            return False

    wait_until(is_answered)


def test_a_full_disk_costs_the_log_and_no_answer(serve: StartServer, log: Path) -> None:
    limit = 2_000_000
    body = json.dumps({"distance": [20 + row / 7 for row in range(100_000)]}).encode()
    with serve("gunicorn", f"prlimit --fsize={limit}", LM_PREDICTION_LOG=str(log)) as server:
        [before] = ask(server, [20.0])
        wait_until(lambda: lines_in(log) == 1)
        for _ in range(2):
            assert post(server, body) == 100_000
        wait_until(lambda: ": File too large" in server.log.read_text())
        [after] = ask(server, [21.0])
        assert server.interrupt() < 10
        assert server.log.read_text().count("the prediction log leaves out") == 1  # a minute
    table = read_log(log, "timedistance")
    assert table.fit == [before, after]
    assert all(0 < file.stat().st_size < 1000 for file in files_of(log))


def post(server: Server, body: bytes) -> int:
    """How many predictions are answered."""
    request = urllib.request.Request(
        f"{server.url}{MANY}?extrapolation=flag", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=30) as response:
        return len(json.load(response)["predictions"]["fit"])


def test_a_slow_disk_costs_the_log_and_no_answer(
    models: Path,
    client: Client,
    log: Path,
    left_out: list[int],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    pipe = log / "timedistance" / "pipe.jsonl"
    pipe.parent.mkdir()
    os.mkfifo(pipe)  # to open it takes until somebody reads
    monkeypatch.setattr(log_files, "new_file", lambda *_: pipe)
    monkeypatch.setattr(prediction_log, "MOST_BYTES_WAITING", 10_000)
    monkeypatch.setattr(prediction_log, "SECONDS_TO_END", 0.1)
    answers = [client.get(ONE.format(20 + row / 7)).status_code for row in range(20)]
    assert set(answers) == {200}
    dropped = sum(left_out)
    assert dropped >= 10
    assert caplog.text.count("leaves out requests, 1 of this process by now: the disk is too slow") == 1
    running = prediction_log.start()
    running.end()
    assert running._thread.is_alive()  # nobody waits for it
    reader = os.open(pipe, os.O_RDONLY)
    running._thread.join(10)
    written = os.read(reader, 100_000).decode().splitlines()
    os.close(reader)
    assert [json.loads(line)["inputs"]["distance"] for line in written] == [
        [20 + row / 7] for row in range(20 - dropped)
    ]


def test_a_folder_that_is_away_for_a_while(
    models: Path,
    client: Client,
    log: Path,
    logged: Logged,
    left_out: list[int],
    caplog: pytest.LogCaptureFixture,
) -> None:
    client.get(ONE.format(20))
    wait_until(lambda: lines_in(log) == 1)
    shutil.rmtree(log)
    assert client.get(ONE.format(21)).status_code == 200
    wait_until(lambda: left_out == [1])
    assert f"1 of this process by now: No such file or directory ({log / 'timedistance'})" in caplog.text
    log.mkdir()
    client.get(ONE.format(22))
    assert logged().inputs == {"distance": [22]}


def test_a_folder_that_is_gone_at_start_is_told(
    models: Path, client: Client, log: Path, left_out: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    log.rmdir()
    assert client.get(ONE.format(20)).status_code == 200
    wait_until(lambda: "the prediction log: old files can't be removed" in caplog.text)
    assert left_out == [1]
    log.mkdir()


def test_where_it_is_off_nothing_is_imported() -> None:
    script = "import django; django.setup(); import ml_api.urls, sys; sys.exit('lm_app.monitoring' in sys.modules)"
    variables = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.settings"}
    assert subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=variables).returncode == 0


def test_parquet_needs_pyarrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LM_PREDICTION_LOG_FORMAT", "parquet")
    assert environment.log_format("LM_PREDICTION_LOG_FORMAT") == "parquet"
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "pyarrow", raising=False)
    with pytest.raises(ImproperlyConfigured, match="pyarrow is missing: pip install -r"):
        environment.log_format("LM_PREDICTION_LOG_FORMAT")


def test_two_workers_under_load_write_each_request_once(serve: StartServer, log: Path) -> None:
    distances = [5 + i / 100 for i in range(400)]
    with serve("gunicorn", WEB_CONCURRENCY="2", LM_PREDICTION_LOG=str(log)) as server:
        with ThreadPoolExecutor(8) as clients:
            list(clients.map(lambda distance: server.get(f"/lm/api/predict/{distance}"), distances))
        assert server.interrupt() < 10
    table = read_log(log, "timedistance")
    assert sorted(table.inputs["distance"]) == distances
    assert len(set(table.request_id)) == 400
    assert {len(str(request_id)) for request_id in table.request_id} == {32}
