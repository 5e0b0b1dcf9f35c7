"""docs/architecture.md tells the truth: its tree is the one there is, and the wings are as it draws them."""

import ast
import subprocess
from collections.abc import Iterator
from pathlib import PurePosixPath

import pytest

from tests.conftest import ROOT

BY_FOLDER = ("tests", "benchmarks", "extra_files", ".github", ".ci")
"""Where the tree names folders only."""


def tracked() -> list[str]:
    """List the files that are committed or about to be."""
    command = ["git", "ls-files", "-co", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return [file for file in listed if (ROOT / file).is_file()]


def named() -> list[str]:
    """List what the tree names, as paths from the root; those of folders end with a slash."""
    tree = (ROOT / "docs" / "architecture.md").read_text().partition("## Every file")[2].split("```")[1]
    paths, folders = [], dict[int, str]()
    for line in tree.strip("\n").splitlines():
        name, indent = line.split()[0], len(line) - len(line.lstrip())
        path = folders.get(indent - 2, "") + name
        paths.append(path)
        folders[indent] = path
    return paths


def test_what_the_tree_names_exists() -> None:
    missing = [path for path in named() if not ((ROOT / path).is_dir() if path[-1] == "/" else (ROOT / path).is_file())]
    assert missing == []
    assert len(named()) == len(set(named()))


def test_the_tree_names_what_exists() -> None:
    paths = named()
    unnamed = []
    for file in map(PurePosixPath, tracked()):
        if file.parts[0] not in BY_FOLDER:
            known = str(file) in paths or file.name == "__init__.py"
        elif file.parts[0] in ("tests", "benchmarks"):
            known = f"{file.parent}/" in paths or not {"golden", "reports"}.isdisjoint(file.parts)
        else:
            known = f"{file.parts[0]}/" in paths
        if not known:
            unnamed.append(str(file))
    assert unnamed == []


def imports(file: str) -> Iterator[str]:
    """Give the full names of the modules that a Python file imports, and of what it imports from them."""
    for node in ast.walk(ast.parse((ROOT / file).read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


ALLOWED = {
    "rpy2": ("lm_app/engine/", "tests/", "benchmarks/"),
    "lm_app.training": ("lm_app/training/", "scripts/", "tests/", "benchmarks/"),
    "lm_app.scale": ("lm_app/scale/", "lm_app/training/", "scripts/", "tests/", "benchmarks/"),
    "dask": ("lm_app/scale/", "tests/scale/"),
    "distributed": ("lm_app/scale/", "tests/scale/"),
    "ml_api": ("ml_api/", "scripts/make_key.py", "gunicorn.conf.py", "tests/", "benchmarks/"),
}
"""What may be imported where only."""


@pytest.mark.parametrize("module", ALLOWED)
def test_wings_are_kept_apart(module: str) -> None:
    modules = [file for file in tracked() if file.endswith(".py")]
    importing = [file for file in modules if any(f"{name}.".startswith(f"{module}.") for name in imports(file))]
    assert importing, "nothing imports it: is the name still right?"
    assert [file for file in importing if not file.startswith(ALLOWED[module])] == []
