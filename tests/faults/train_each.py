"""Train each of some formulas, and ask each model for its first observation: a program of its own, for others to watch.

    python -m tests.faults.train_each FORMULAS DATA

FORMULAS is a JSON list. Before each formula, it looks for a file `/formula/<number>`, and after the last for
`/formula/end`: there are none, but who watches sees which formula was at work. Prints how many were fitted, and how
many refused.
"""

import csv
import json
import shutil
import sys
from collections import Counter
from pathlib import Path

import django
from django.conf import settings
from django.test import Client

from lm_app.errors import LmError, TookTooLong
from lm_app.training.update import create


def train_each(formulas: list[str], data: Path) -> Counter[str]:
    seen = Counter[str]()
    for number, formula in enumerate(formulas):
        Path(f"/formula/{number}").exists()
        seen[train(formula, data)] += 1
    Path("/formula/end").exists()
    return seen


def train(formula: str, data: Path) -> str:
    """What comes of it."""
    try:
        report = create("random", data, {"formula": formula, "factors": {"g": [], "h": []}})
    except TookTooLong:
        sys.exit(f"R is busy with {formula!r}")  # and nothing can stop it
    except LmError:
        return "refused"
    with data.open() as lines:
        row = next(csv.DictReader(lines))
    query = {predictor["name"]: row[predictor["name"]] for predictor in report.candidate.trained.info["predictors"]}
    response = Client().get("/lm/api/models/random/predict", query)
    shutil.rmtree(settings.LM_MODELS_DIR / "random")
    return f"fitted, {response.status_code}"


if __name__ == "__main__":
    django.setup()
    settings.LM_TRAINING_SECONDS, settings.LM_TRAINING_BYTES = 20, 2_000_000_000
    train("y ~ x + g", Path(sys.argv[2]))  # R starts, by a shell, and modules are imported
    print(dict(train_each(json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2]))))
