"""The table of SECURITY.md is a promise, too: each of its commands runs tests, and each word of it selects some."""

import re
import subprocess
import sys

from tests.conftest import ROOT

TABLE = (ROOT / "SECURITY.md").read_text().partition("| fault |")[2]
COMMANDS = re.findall(r"^\|[^|]*\| `(.*?)` \|", TABLE, re.MULTILINE)


def test_each_row_has_its_command() -> None:
    assert len(COMMANDS) == TABLE.count("\n|") - 1 > 0
    for command in COMMANDS:
        assert re.fullmatch(
            r"([A-Z_]+=[0-9]+ )?pytest --no-cov tests/\w+(/\w+)*\.py( -k (\w+|\"\w+( or \w+)*\"))?", command
        )


def test_each_word_of_a_command_selects_tests() -> None:
    asked = []
    for command in COMMANDS:
        before, _, words = command.partition(" -k ")
        asked += [(before.split()[-1], word) for word in words.strip('"').split(" or ")]
    files = sorted({file for file, _ in asked})
    collect = [sys.executable, "-m", "pytest", "--no-cov", "--collect-only", "-q", *files]
    done = subprocess.run(collect, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    tests = [line.partition("::") for line in done.stdout.splitlines()]
    for file, word in asked:
        assert any(word in name for where, _, name in tests if where == file), (file, word)
