"""One browser and one server for the tests of a module."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.conftest import ROOT, Server, serving

QUIET = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium, or else the one that `playwright install chromium` made."""
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=QUIET, chromium_sandbox=False
        )
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def server(trained_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The shipped models, served as `make run` does for all tests of the module; not to be changed."""
    subprocess.run(["make", "static"], cwd=ROOT, check=True, capture_output=True)
    with serving("gunicorn", trained_models, tmp_path_factory.mktemp("server") / "server.log") as started:
        yield started
        started.interrupt()  # so that what it ran is counted
        assert "Traceback" not in started.log.read_text()
