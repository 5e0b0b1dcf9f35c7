"""Release a candidate: it becomes a version, with all that people and servers read of it."""

import json
import time
from datetime import datetime, timezone
from importlib.metadata import version as package_version
from typing import Any
from urllib.parse import urlencode

import orjson
from django.template.loader import render_to_string

from lm_app.engine.lm import Model
from lm_app.errors import TrainingError
from lm_app.pages.numbers import typed
from lm_app.pages.ranges import trained_on
from lm_app.store.folder import ModelFolder
from lm_app.store.names import version_name
from lm_app.store.publish import publish
from lm_app.store.version import CARD, CODE, DISTRIBUTIONS, INFO, PICKLE, Version
from lm_app.training.fit import Candidate, Live
from lm_app.training.gate import Comparison

SECONDS_TO_LOAD = 5.0


def release(
    folder: ModelFolder, candidate: Candidate, comparison: Comparison, live: Live | None, source: dict[str, Any]
) -> Version:
    """Write the candidate as a new version, and make it live.

    `source` tells where its data came from. Raises OSError, or TrainingError where servers would need long to load it;
    then nothing has changed.
    """
    _load_as_servers_do(candidate)
    now = datetime.now(timezone.utc)
    info = _info(candidate, now)
    contents = {
        PICKLE: candidate.trained.pickled,
        INFO: json.dumps(info, ensure_ascii=False, allow_nan=False).encode(),
        **({DISTRIBUTIONS: orjson.dumps(found)} if (found := candidate.trained.distributions) is not None else {}),
        CARD: _card(folder, info, now).encode(),
        CODE: candidate.trained.code.encode(),
        **candidate.plots,
    }
    metadata = {
        "recipe": candidate.made_from,
        "data": source,
        **({"origin": info["origin"]} if "origin" in info else {}),
        "built_with": {key: info[key] for key in ("r_version", "rpy2_version")},
        "compared_with": live and live.version,
        "comparison": comparison.rows,
        "objections": comparison.objections,
    }
    return publish(folder, contents, metadata, now, candidate.recipe.keep)


def _card(folder: ModelFolder, info: dict[str, Any], now: datetime) -> str:
    context = {
        "info": info,
        "model": folder.name,
        "version": version_name(now),
        "predictors": [{**predictor, "trained_on": trained_on(predictor)} for predictor in info["predictors"]],
        "example": urlencode({name: typed(value) for name, value in info["example"].items()}),
    }
    return render_to_string("lm_app/MODEL_CARD.md", context)


def _load_as_servers_do(candidate: Candidate) -> None:
    begin = time.monotonic()
    Model(candidate.trained.pickled)
    seconds = time.monotonic() - begin
    if seconds > SECONDS_TO_LOAD:
        raise TrainingError(
            f"not published: each server would need {seconds:.1f} s to load it, at most {SECONDS_TO_LOAD:g} are "
            "allowed; leave out columns, levels or terms"
        )


def _info(candidate: Candidate, now: datetime) -> dict[str, Any]:
    """Complete what R says of the model with what only the recipe knows."""
    recipe, info = candidate.recipe, candidate.trained.info
    return {
        **info,
        "predictors": [{**p, "unit": recipe.units.get(p["name"])} for p in info["predictors"]],
        "title": recipe.title,
        "description": recipe.description,
        "units": recipe.units,
        "na_action": recipe.na,
        "data_sha256": candidate.made_from["data_sha256"],
        "trained_at": now.isoformat(timespec="seconds"),
        "rpy2_version": package_version("rpy2"),
    }
