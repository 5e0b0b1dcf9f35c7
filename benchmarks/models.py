"""The models and observations that are asked about, and R's own answers."""

import csv
import io
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from benchmarks.servers import DATA, HERE, ROOT, Numbers, Request, predictions

Columns = dict[str, list[Any]]
COLOURS, SIZES = ["blue", "green", "red"], ["small", "medium", "large", "huge"]
BATCH = 100_000
SIX_DECIMALS = 2e-8  # relative, of a number above 47: predict/{value} rounds to 6 decimals


@dataclass(frozen=True)
class Case:
    """A trained model, observations for it, and R's answers to them."""

    name: str
    observations: Columns
    expected: Numbers

    def by_names(self, interval: str = "none") -> Request:
        """GET for the first observation."""
        query = urlencode({"interval": interval, **{name: values[0] for name, values in self.observations.items()}})
        return Request(f"/lm/api/models/{self.name}/predict?{query}", self._expected(1, interval))

    def post(self, shape: str, rows: int = 1, interval: str = "none") -> Request:
        """POST of the first rows, as records, columns or CSV."""
        columns = {name: values[:rows] for name, values in self.observations.items()}
        path, content_type = f"/lm/api/models/{self.name}/predict?interval={interval}", "application/json"
        if shape == "csv":
            body, content_type = csv_text(columns), "text/csv"
        elif shape == "records":
            body = json.dumps([dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)])
        else:
            body = json.dumps(columns)
        return Request(path, self._expected(rows, interval), body.encode(), content_type)

    def _expected(self, rows: int, interval: str) -> Numbers:
        names = ["fit"] if interval == "none" else ["fit", "lower", "upper"]
        return {name: self.expected[name][:rows] for name in names}


def time_by_distance(models: Path) -> Case:
    """The shipped example, with many distances; the first is 29.5."""
    folder = models / "timedistance"
    shutil.copytree(DATA.parent, folder, ignore=shutil.ignore_patterns("live", "versions", ".*"))
    train(models, "timedistance")
    numbers = random.Random(1)
    observations: Columns = {"distance": [29.5, *(numbers.uniform(5, 32) for _ in range(BATCH - 1))]}
    return Case("timedistance", observations, answers_of_r("time ~ distance", DATA, observations))


def of_ten(models: Path) -> Case:
    """A model with ten predictors, two of them factors."""
    observations = generate(models / "ten", 1000, 8, {"colour": COLOURS, "size": SIZES})
    train(models, "ten")
    return Case("ten", observations, answers_of_r("y ~ .", models / "ten" / "data.csv", observations))


def single(case: Case, path: str) -> Request:
    """GET for the distance 29.5, from any server. Only some round."""
    return Request(path, {"fit": case.expected["fit"][:1]}, tolerance=SIX_DECIMALS)


def generate(folder: Path, rows: int, numbers: int, factors: Mapping[str, Sequence[str]] | None = None) -> Columns:
    """Write a model's folder: y by so many numbers, and factors. Returns the first observation."""
    folder.mkdir(parents=True)
    factors = factors or {}
    chance = random.Random(2)
    names = [f"x{i + 1}" for i in range(numbers)]
    first: Columns = {}
    with (folder / "data.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["y", *names, *factors])
        for _ in range(rows):
            values = [round(chance.uniform(0, 10), 3) for _ in names]
            levels = [chance.choice(levels) for levels in factors.values()]
            y = sum(values) + sum(map(len, levels)) + chance.gauss(0, 1)
            writer.writerow([f"{y:.6f}", *values, *levels])
            first = first or {n: [v] for n, v in zip([*names, *factors], [*values, *levels], strict=True)}
    toml = ['title = "Generated"', 'data = "data.csv"', 'formula = "y ~ ."', "[factors]"]
    toml += [f"{name} = {json.dumps(levels)}" for name, levels in factors.items()]
    (folder / "model.toml").write_text("\n".join(toml))
    return first


def copy(models: Path, name: str, new: str) -> None:
    """Copy a trained model under a new name."""
    shutil.copytree(models / name, models / new)
    for manifest in (models / new / "versions").glob("*/manifest.json"):
        content = {**json.loads(manifest.read_text(encoding="utf-8")), "model": new}
        manifest.write_text(json.dumps(content), encoding="utf-8")


def training(*names: str) -> list[str]:
    """The command that trains these models, or all."""
    return [sys.executable, "manage.py", "runscript", "update_lm", *(["--script-args", *names] if names else [])]


def environment(models: Path) -> dict[str, str]:
    """Where that command finds the models."""
    return {**os.environ, "DJANGO_SETTINGS_MODULE": "benchmarks.settings", "LM_MODELS_DIR": str(models)}


def train(models: Path, *names: str) -> None:
    """Train these models, or all."""
    subprocess.run(training(*names), cwd=ROOT, env=environment(models), stdout=subprocess.DEVNULL, check=True)


def answers_of_r(formula: str, data: Path, observations: Columns) -> Numbers:
    """What lm() and predict() answer in an R of their own."""
    command = ["Rscript", str(HERE / "expected.R"), formula, str(data)]
    done = subprocess.run(command, input=csv_text(observations), stdout=subprocess.PIPE, check=True, text=True)
    return predictions(done.stdout.encode())


def csv_text(columns: Columns) -> str:
    """The columns as CSV."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue()
