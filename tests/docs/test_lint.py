"""The linters stand once: what make lint runs is what runs before a commit."""

import re

from tests.conftest import ROOT


def test_hooks_are_the_linters_of_make() -> None:
    recipes = re.findall(r"^lint:.*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    made = recipes[0].replace("$(BIN)", ".venv/bin").replace("! command -v terraform >/dev/null || ", "")
    hooks = re.findall(r"entry: (.*)", (ROOT / ".pre-commit-config.yaml").read_text())
    assert hooks == [line.strip() for line in made.splitlines()]


def test_ci_and_workflows_have_no_linters_of_their_own() -> None:
    linters = re.compile(r"ruff|mypy|typos|shellcheck (?!disable)|hadolint|checkov")
    for file in [ROOT / ".ci" / "run", *(ROOT / ".github" / "workflows").iterdir()]:
        assert "make test" in file.read_text() or "test.yml" in file.read_text()
        assert not linters.search(file.read_text()), file
