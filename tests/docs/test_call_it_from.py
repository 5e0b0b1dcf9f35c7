"""What docs/call-it-from.md shows is run, each by its own program, and answered as is printed there."""

import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, Server, StartServer
from tests.docs.test_readme import assert_same_but_for_last_digits

PAGE = (ROOT / "docs" / "call-it-from.md").read_text()
BLOCKS = re.findall(r"```(python|r|js)\n(.*?)```\n\n```text\n(.*?)```", PAGE, re.DOTALL)
URLS = re.findall(r'^= ?[A-Z].*?"(http:[^"]+)"', PAGE, re.MULTILINE)
PROGRAMS = {
    "python": [sys.executable, "-c"],
    "r": ["Rscript", "-e"],
    "js": ["node", "--input-type=module", "-e"],
}


@pytest.fixture
def server(serve: StartServer) -> Iterator[Server]:
    with serve("make run") as started:
        yield started


def test_each_program_prints_what_is_shown(server: Server, tmp_path: Path) -> None:
    assert len(BLOCKS) == len(re.findall(r"```(?:python|r|js)\n", PAGE)) == 12
    for language, code, shown in BLOCKS:
        assert len(code.splitlines()) <= 3, code
        script = code.replace("http://localhost:8000", server.url).replace("localhost:8000", server.url)
        done = subprocess.run([*PROGRAMS[language], script], capture_output=True, text=True, cwd=tmp_path, timeout=60)
        assert done.returncode == 0, done.stderr
        assert_same_but_for_last_digits(done.stdout.strip(), shown.strip())


def test_urls_of_spreadsheets_are_answered_as_text(server: Server) -> None:
    assert len(URLS) == 3
    for url in URLS:
        with urllib.request.urlopen(url.replace("http://localhost:8000", server.url), timeout=20) as answer:
            assert answer.read().decode() in ("47.736486", "fit\n23.210769538523426\n", "fit\r\n23.210769538523426\r\n")
