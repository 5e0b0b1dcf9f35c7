"""CHANGELOG.md, whose newest heading is the version."""

import os
import re
import subprocess
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from ml_api.version import CHANGELOG, VERSION, newest
from tests.conftest import ROOT


def test_the_newest_heading_is_the_version(tmp_path: Path) -> None:
    changelog = tmp_path / "CHANGELOG.md"
    changelog.write_text("# Changes\n\n## 2.10.0 - 2027-01-31\n\n### Added\n\n## 2.9.0 - 2026-12-01\n")
    assert newest(changelog) == "2.10.0"


@pytest.mark.parametrize("text", ["", "## Unreleased\n\n## 1.0.0 - 2026-11-24\n", "## 1.0 - 2026-11-24\n"])
def test_another_heading_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "CHANGELOG.md").write_text(text)
    with pytest.raises(ImproperlyConfigured, match="has to begin with a heading such as"):
        newest(tmp_path / "CHANGELOG.md")


def test_versions_are_listed_newest_first() -> None:
    headings = re.findall(r"^## (\S+) - (\S+)$", CHANGELOG.read_text(), re.MULTILINE)
    assert len(headings) == CHANGELOG.read_text().count("\n## ")
    assert headings == sorted(headings, key=lambda h: [int(part) for part in h[0].split(".")], reverse=True)
    assert [date for _, date in headings] == sorted((date for _, date in headings), reverse=True)


@pytest.mark.parametrize(("tag", "status"), [(f"v{VERSION}", 0), ("v0.0.1", 1), (VERSION, 1)])
def test_only_the_tag_of_this_version_is_released(tag: str, status: int) -> None:
    workflow = (ROOT / ".github" / "workflows" / "release.yml").read_text()
    check = re.findall(r"run: (.*CHANGELOG\.md.*)", workflow)
    assert len(check) == 1
    environment = {**os.environ, "GITHUB_REF_NAME": tag}
    assert subprocess.run(["bash", "-ec", check[0]], cwd=ROOT, env=environment).returncode == status
