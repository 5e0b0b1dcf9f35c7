"""Injected faults: killed trainings, full disks, read-only stores, two at once, and a server through it all.

KILLS and PUBLICATIONS say how often is killed and published; `make fuzz` does more often.
"""

import os
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from array import array
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from lm_app.store.folder import ModelFolder
from lm_app.store.live import live_model
from lm_app.store.publish import publish, roll_back
from lm_app.store.version import LoadedModel, Version
from lm_app.training.update import update
from tests.conftest import ROOT, StartServer, live_version, restore_interrupt, runscript, write_model

KILLS, PUBLICATIONS = int(os.environ.get("KILLS", "12")), int(os.environ.get("PUBLICATIONS", "60"))


def start_update_lm(
    models: Path, *words: str, preexec_fn: Callable[[], object] | None = None, prefix: tuple[str, ...] = ()
) -> "subprocess.Popen[str]":
    command = [*prefix, sys.executable, "manage.py", "runscript", "update_lm", "--script-args", *words]
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "LM_MODELS_DIR": str(models)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=preexec_fn,
    )


def leftovers(models: Path) -> list[Path]:
    folder = models / "timedistance"
    return [*folder.glob(".live-*"), *folder.glob("versions/.*")]


def test_a_training_killed_at_any_moment_leaves_a_whole_version_live(models: Path, client: Client) -> None:
    """At so many moments, from its start to after its end, as measured first."""
    expected = client.get("/lm/api/predict?distance=29.5").json()["fit"]
    begin = time.monotonic()
    assert "is live" in start_update_lm(models, "timedistance", "--force").communicate()[0]
    duration = time.monotonic() - begin
    ends = set()
    for i in range(KILLS):
        process = start_update_lm(models, "timedistance", "--force")
        time.sleep(duration * (0.3 + 0.7 * i / (KILLS - 1)))
        process.kill()
        process.communicate()
        ends.add(process.returncode)
        answer = client.get("/lm/api/predict?distance=29.5").json()
        assert answer["fit"] == expected
        assert answer["version"] == live_version(models)
    assert -signal.SIGKILL in ends
    update("timedistance", force=True)
    assert leftovers(models) == []
    for version in ModelFolder(models / "timedistance").versions():
        version.load()


@pytest.mark.parametrize("limit", [0, 500, 2000, 10_000, 40_000])
def test_a_full_disk_is_one_line_and_changes_nothing(
    models: Path, client: Client, capsys: pytest.CaptureFixture[str], limit: int
) -> None:
    """A limit on the size of files makes every write beyond it fail, as a full disk does."""
    before = client.get("/lm/api/predict?distance=29.5").content
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, unlimited[1]))
    try:
        with pytest.raises(SystemExit):
            runscript("update_lm", "timedistance", "--force", "--quiet")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    error = capsys.readouterr().err
    assert error.startswith("update_lm: timedistance: ")
    assert error.count("\n") == 1
    assert client.get("/lm/api/predict?distance=29.5").content == before
    update("timedistance", force=True)
    assert leftovers(models) == []


def test_a_disk_that_is_full_after_the_plots_leaves_no_half_version(models: Path) -> None:
    """R writes its plots to the temporary folder, which may have room where the store has none."""
    folder = ModelFolder(models / "timedistance")
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, unlimited[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            publish(folder, {"fit.svg": b"x" * 2000}, {}, datetime.now(timezone.utc), keep=10)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert leftovers(models) == []


def test_two_trainings_at_once_both_end_whole_or_say_why_not(models: Path) -> None:
    processes = [start_update_lm(models, "timedistance", "--force") for _ in range(4)]
    for process in processes:
        _, error = process.communicate()
        assert process.returncode == 0 or "another training of this model is running; try again" in error
    for version in ModelFolder(models / "timedistance").versions():
        version.load()
    assert leftovers(models) == []


def test_ctrl_c_ends_a_training_at_once(models: Path, client: Client) -> None:
    rows = "".join(f"{i % 7 + i},{i},{i * i % 101}\n" for i in range(300_000))
    write_model(models, rows="time,distance,other\n" + rows)
    process = start_update_lm(
        models, "timedistance", "--formula", "time ~ ns(distance, 50) * ns(other, 9)", preexec_fn=restore_interrupt
    )
    assert process.stdout
    while "fitting" not in process.stdout.readline():
        assert process.poll() is None
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=20)
    assert time.monotonic() - begin < 2
    assert process.returncode == 130
    assert error == "update_lm: timedistance: interrupted; the live version is as it was\n"
    assert client.get("/lm/api/predict/29.5").json() == 47.736486


def test_a_read_only_store_is_served_and_not_trained(serve: StartServer, models: Path) -> None:
    """By a read-only mount where this is root, whom permissions don't stop."""
    if os.geteuid() == 0:
        mount = "mount --bind {0} {0} && mount -o remount,bind,ro {0} && ".format(shlex.quote(str(models)))
        prefix: tuple[str, ...] = ("unshare", "--mount", "sh", "-c", mount + 'exec "$0" "$@"')
    else:
        prefix = ()
        for folder in (models / "timedistance", models / "timedistance" / "versions"):
            folder.chmod(0o555)
    process = start_update_lm(models, "timedistance", "--force", "--quiet", prefix=prefix)
    _, error = process.communicate()
    assert process.returncode == 1
    assert error.startswith("update_lm: timedistance: ")
    assert ("Read-only file system" if prefix else "Permission denied") in error
    with serve("gunicorn sync", prefix=" ".join(map(shlex.quote, prefix))) as server:
        assert server.get("/lm/api/predict/29.5") == b"47.736486"


def test_publications_and_rollbacks_under_load(serve: StartServer, models: Path, settings: Settings) -> None:
    """No request fails, and each answer is exactly that of the version whose name it carries."""
    folder = models / "timedistance"
    data = folder / "timedistance.csv"
    original = data.read_text()
    answers: dict[str, set[bytes]] = {}
    stop = threading.Event()

    def ask(url: str) -> int:
        asked = 0
        while not stop.is_set():
            with urllib.request.urlopen(
                f"{url}/lm/api/predict?distance=29.5&interval=prediction", timeout=20
            ) as answer:
                answers.setdefault(answer.headers["LM-Version"], set()).add(answer.read())
            asked += 1
        return asked

    right: dict[str, float] = {}
    with serve("gunicorn", WEB_CONCURRENCY="2") as server, ThreadPoolExecutor(3) as clients:
        asking = [clients.submit(ask, server.url) for _ in range(3)]
        for i in range(PUBLICATIONS):
            if i % 4 == 3:
                roll_back(ModelFolder(folder))
                continue
            data.write_text(original.replace("55,32", f"{55 + i % 20}.{i},32"))
            report = update("timedistance", force=True)
            assert report
            assert report.version
            model = report.version.load()
            right[model.version] = model.lm.predict([array("d", [29.5])]).fit[0]
        stop.set()
        assert sum(client.result() for client in asking) > PUBLICATIONS
    seen = answers.keys() & right.keys()
    assert len(seen) > PUBLICATIONS / 4
    for version in seen:
        [answer] = answers[version]
        assert f'"version":"{version}"'.encode() in answer
        assert f'"fit":{right[version]!r},'.encode() in answer


def test_a_version_removed_while_it_is_read_is_read_again(
    models: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The pointer was replaced, and the version that it named removed, between two reads of one request."""
    first = live_version(models)
    original = Version.load

    def slow(version: Version) -> LoadedModel:
        if version.name == first and version.path.exists():
            update("timedistance", force=True)
            shutil.rmtree(version.path)
        return original(version)

    monkeypatch.setattr(Version, "load", slow)
    assert live_model("timedistance").version == live_version(models) != first
    assert caplog.text == ""
