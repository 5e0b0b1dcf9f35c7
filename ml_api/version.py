"""The version number: that of the newest heading in CHANGELOG.md."""

import re
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

CHANGELOG = Path(__file__).resolve().parent.parent / "CHANGELOG.md"


def newest(changelog: Path) -> str:
    """Read the version from the first heading, such as `## 1.0.0 - 2026-11-24`."""
    heading = re.search(r"^## (.*)", changelog.read_text(encoding="utf-8"), re.MULTILINE)
    version = re.fullmatch(r"(\d+\.\d+\.\d+) - \d{4}-\d\d-\d\d", heading[1]) if heading else None
    if version is None:
        raise ImproperlyConfigured(f"{changelog} has to begin with a heading such as '## 1.0.0 - 2026-11-24'.")
    return version[1]


VERSION = newest(CHANGELOG)
