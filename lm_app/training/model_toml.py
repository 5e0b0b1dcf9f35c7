"""Write the model.toml of a new model."""

import json
import re
from collections.abc import Mapping
from typing import Any

from lm_app.training.recipe import Recipe

BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def model_toml(content: Mapping[str, Any]) -> str:
    """Write it as a person would: the keys that are given, what else there may be, then the tables."""
    tables = {key: value for key, value in content.items() if isinstance(value, dict)}
    lines = [f"{key} = {_value(value)}" for key, value in content.items() if key not in tables]
    others = (
        f"[{key}]" if isinstance(field.default, dict) or key == "csv" else key for key, field in _optional(content)
    )
    lines += ["", f"# There may be more here, see docs/train.md: {', '.join(others)}"]
    for name, table in tables.items():
        lines += ["", f"[{name}]", *(f"{_key(key)} = {_value(value)}" for key, value in table.items())]
    return "\n".join(lines) + "\n"


def _optional(content: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(key, field) for key, field in Recipe.model_fields.items() if key not in content]


def _key(name: str) -> str:
    return name if BARE_KEY.fullmatch(name) else _value(name)


def _value(value: Any) -> str:
    """Write a text, a number or a list of texts: JSON's, but for DEL, which TOML wants escaped."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
