"""Clusters that tests share, as starting one takes seconds: on this machine, and as others start one."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT, free_port, restore_interrupt


@contextmanager
def dask(
    *words: str,
    ready: str,
    log: Path,
    prefix: str = "",
    cwd: Path = ROOT,
    settings: Path | None = None,
    **variables: str,
) -> Iterator["subprocess.Popen[bytes]"]:
    """A process of Dask's, from when its log says that it is ready."""
    command = [*shlex.split(prefix), sys.executable, "-m", "dask", *words]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**os.environ, **variables, **({"DASK_CONFIG": str(settings)} if settings else {})},
            stdout=output,
            stderr=output,
            preexec_fn=restore_interrupt,
        )
    try:
        subprocess.run(["timeout", "60", "sh", "-c", f"until grep -q '{ready}' {log}; do sleep 0.1; done"], check=True)
        yield process
    finally:
        process.terminate()
        process.wait(timeout=60)


def scheduler_words(port: str, host: str = "127.0.0.1") -> list[str]:
    return ["scheduler", "--host", host, "--port", port, "--no-dashboard"]


def worker_words(address: str, host: str = "127.0.0.1") -> list[str]:
    return ["worker", address, "--host", host, "--nthreads", "1", "--no-dashboard"]


@pytest.fixture(scope="package")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a cluster with two workers, which gives up where one is lost."""
    folder, port = tmp_path_factory.mktemp("dask"), free_port()
    address = f"tcp://127.0.0.1:{port}"
    with (
        dask(
            *scheduler_words(port),
            ready="Scheduler at",
            log=folder / "scheduler.log",
            DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES="0",
        ),
        dask(*worker_words(address), "--nworkers", "2", ready="Registered to", log=folder / "worker.log"),
    ):
        yield address
