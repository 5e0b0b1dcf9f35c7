"""What models, versions and labels may be called."""

import re
from datetime import datetime

MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
ALLOWED_NAMES = "letters, digits, '-' and '_', at most 64 of them"
VERSION_NAME = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{6}Z")
LIVE = "live"
"""What the live version may be called in place of its name; so no label is."""
LABEL_NAME = re.compile(r"[a-z][a-z0-9-]{0,63}")
ALLOWED_LABELS = f"a-z, 0-9 and '-', a letter first, at most 64 of them, and not {LIVE!r}"


def version_name(moment: datetime) -> str:
    """Name a version by when it was made, in UTC."""
    return moment.strftime("%Y%m%dT%H%M%S.%fZ")


def is_label(name: str) -> bool:
    """May a label be called so?"""
    return bool(LABEL_NAME.fullmatch(name)) and name != LIVE
