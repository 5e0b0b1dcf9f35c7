"""Release a candidate: it becomes a version, with all that people and servers read of it."""

import json
from datetime import datetime, timezone
from importlib.metadata import version as package_version
from typing import Any

from django.template.loader import render_to_string

from lm_app.store.folder import ModelFolder
from lm_app.store.publish import publish
from lm_app.store.version import INFO, PICKLE, Version
from lm_app.training.fit import Candidate, Live
from lm_app.training.gate import Comparison


def release(
    folder: ModelFolder, candidate: Candidate, comparison: Comparison, live: Live | None, source: dict[str, Any]
) -> Version:
    """Write the candidate as a new version, and make it live. Raises OSError; then nothing has changed.

    `source` tells where its data came from.
    """
    now = datetime.now(timezone.utc)
    info = _info(candidate, now)
    contents = {
        PICKLE: candidate.trained.pickled,
        INFO: json.dumps(info, ensure_ascii=False, allow_nan=False).encode(),
        "MODEL_CARD.md": render_to_string("lm_app/MODEL_CARD.md", {"info": info, "model": folder.name}).encode(),
        **candidate.plots,
    }
    metadata = {
        "recipe": candidate.made_from,
        "data": source,
        "built_with": {key: info[key] for key in ("r_version", "rpy2_version")},
        "compared_with": live and live.version,
        "comparison": comparison.rows,
        "objections": comparison.objections,
    }
    return publish(folder, contents, metadata, now, candidate.recipe.keep)


def _info(candidate: Candidate, now: datetime) -> dict[str, Any]:
    """Complete what R says of the model with what only the recipe knows."""
    recipe, info = candidate.recipe, candidate.trained.info
    return {
        **info,
        "predictors": [{**p, "unit": recipe.units.get(p["name"])} for p in info["predictors"]],
        "title": recipe.title,
        "description": recipe.description,
        "units": recipe.units,
        "data_sha256": candidate.made_from["data_sha256"],
        "trained_at": now.isoformat(timespec="seconds"),
        "rpy2_version": package_version("rpy2"),
    }
