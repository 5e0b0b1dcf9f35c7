"""The same parts make the same bits, whoever works on them, wherever that is, and whatever is lost meanwhile."""

import hashlib
import os
import random
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from django.test import override_settings
from pytest_django import Settings

from tests.conftest import ROOT, live_file, runscript
from tests.scale.conftest import dask, scheduler_words, worker_words
from tests.scale.test_cluster import certificates
from tests.scale.test_scoring import is_worker

ROWS = 5000
FORMULA = "log(y) ~ poly(x, 2) + ns(z, 3) * g + h"
PASSES = ["hashes", "levels", "columns", "polynomials and splines", "knots", "fit", "residuals", "quartiles"]
"""All that there are: FORMULA wants each."""
SHOWN = re.compile(r" ([a-z ]+): part (\d+) of (\d+)")
"""What a terminal shows of a pass, and of its parts that are done."""
FEW, MANY = ("--part-size", "32K"), ("--part-size", "4K")
"""Parts: of many, a pass takes long enough to be seen, and to be disturbed."""


@pytest.fixture
def models(tmp_path: Path, settings: Settings) -> Path:
    settings.LM_MODELS_DIR = tmp_path / "models"
    settings.LM_MODELS_DIR.mkdir()
    return Path(settings.LM_MODELS_DIR)


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The options that name data and formula."""
    chance = random.Random(1)
    file = tmp_path_factory.mktemp("data") / "data.csv"
    with file.open("w") as stream:
        stream.write("y,x,z,g,h\n")
        for number in range(ROWS):
            x, z, g = chance.uniform(0, 10), chance.gauss(0, 1), chance.choice("abc")
            y = 1 + abs(0.3 * x + z + (g == "b") + chance.gauss(0, 0.2))
            stream.write(f"{y},{x if number % 100 else 'NA'},{z},{g},{chance.choice('789')}\n")
    return ["--data", str(file), "--formula", FORMULA, "--factors", "h"]


def sha256(models: Path, name: str) -> str:
    return hashlib.sha256(live_file(models, "modelr.pickle", name).read_bytes()).hexdigest()


def start(models: Path, *words: str, prefix: str = "", **variables: str) -> "subprocess.Popen[bytes]":
    """Run update_lm as on a terminal, which shows each part."""
    return subprocess.Popen(
        [*shlex.split(prefix), sys.executable, "manage.py", "runscript", "update_lm", "--script-args", *words],
        cwd=ROOT,
        env={**os.environ, "LM_MODELS_DIR": str(models), "FORCE_COLOR": "1", "TERM": "xterm", **variables},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
    )


def kill_a_worker(process: "subprocess.Popen[bytes]") -> None:
    """Kill, as by kill -9, the one that has worked the longest: another may have been started just now."""
    workers = filter(is_worker, psutil.Process(process.pid).children())
    oldest = min(workers, key=lambda worker: worker.create_time())
    oldest.kill()
    oldest.wait(timeout=60)


def test_a_worker_killed_in_each_pass_changes_nothing(models: Path, asked: list[str], elsewhere: str) -> None:
    killed, went_on = list[str](), set[str]()
    with start(models, "killed", *asked, *MANY, "--workers", "2") as process:
        assert process.stdout and process.stderr
        while shown := process.stdout.read(1 << 16):
            for what, done, parts in SHOWN.findall(shown.decode(errors="replace"))[-1:]:
                if int(done) < int(parts) and what in killed:
                    went_on.add(what)
                elif int(done) < int(parts):
                    kill_a_worker(process)
                    killed.append(what)
        assert process.stderr.read() == b""
    assert process.returncode == 0
    assert killed == PASSES
    assert went_on == set(PASSES)
    runscript("update_lm", "undisturbed", *asked, *MANY, "--scheduler", elsewhere, "--quiet")
    assert sha256(models, "killed") == sha256(models, "undisturbed")


@pytest.fixture(scope="module")
def by_tcp(asked: list[str], elsewhere: str, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The hash of the model that a cluster elsewhere makes of few parts."""
    models = tmp_path_factory.mktemp("by_tcp")
    with override_settings(LM_MODELS_DIR=models):
        runscript("update_lm", "by-tcp", *asked, *FEW, "--scheduler", elsewhere, "--quiet")
    return sha256(models, "by-tcp")


def test_the_number_of_workers_changes_nothing(models: Path, asked: list[str], by_tcp: str) -> None:
    for workers in ("1", "2", "4"):
        runscript("update_lm", f"of-{workers}", *asked, *FEW, "--workers", workers, "--quiet")
        assert sha256(models, f"of-{workers}") == by_tcp


@pytest.fixture
def hosts() -> Iterator[list[str]]:
    """Three network namespaces, joined by a bridge in the first, where 10.77.0.1 to 10.77.0.3 are."""
    names = [f"lm-{os.getpid()}-{number}" for number in (1, 2, 3)]

    def ip(host: str, *commands: str) -> None:
        lines = "\n".join(["link set lo up", *commands])
        subprocess.run(["ip", "-n", host, "-batch", "-"], input=lines, check=True, text=True)

    try:
        for name in names:
            made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True)
            if made.returncode != 0:
                pytest.skip(f"no network namespace can be made here: {made.stderr.strip()}")
        ip(names[0], "link add hub type bridge", "addr add 10.77.0.1/24 dev hub", "link set hub up")
        for number, name in enumerate(names[1:], start=2):
            link = f"link add eth0 type veth peer name port{number} netns {names[0]}"
            ip(name, link, f"addr add 10.77.0.{number}/24 dev eth0", "link set eth0 up")
            ip(names[0], f"link set port{number} master hub up")
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)


def test_hosts_that_speak_tls_change_nothing(
    models: Path, asked: list[str], by_tcp: str, hosts: list[str], tmp_path: Path
) -> None:
    settings, address = certificates(tmp_path), "tls://10.77.0.1:8786"
    first, second, third = (f"ip netns exec {host}" for host in hosts)
    of_scheduler = [*scheduler_words("8786", "10.77.0.1"), "--protocol", "tls"]
    of_workers = [worker_words(address, f"10.77.0.{number}") for number in (2, 3)]
    logs = [tmp_path / f"{number}.log" for number in (1, 2, 3)]
    with (
        dask(*of_scheduler, ready="Scheduler at", log=logs[0], prefix=first, settings=settings),
        dask(*of_workers[0], ready="Registered to", log=logs[1], prefix=second, settings=settings),
        dask(*of_workers[1], ready="Registered to", log=logs[2], prefix=third, settings=settings),
        start(
            models, "hosts", *asked, *FEW, "--scheduler", address, prefix=first, DASK_CONFIG=str(settings)
        ) as process,
    ):
        out, error = process.communicate(timeout=120)
    assert (process.returncode, error) == (0, b""), out
    assert sha256(models, "hosts") == by_tcp
