"""A model of each kind of predictor, and what is asked of it: drawn from one distribution, or from another."""

import csv
import io
import json
import random
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.conftest import ROOT

FORMULA = "y ~ x + kind + flag + day + at"
KINDS = ("x", "kind", "flag", "day", "at")
FIRST_DAY, FIRST_TIME = date(2024, 1, 1), datetime(2024, 1, 1)

Row = dict[str, Any]


def sample(count: int, seed: int, drifted: str = "", noise: float = 1.0) -> list[Row]:
    """Draw rows. The drifted predictor has another distribution, within the same range."""
    draw = random.Random(seed)

    def number(name: str) -> float:
        """From 0 to 1."""
        return 0.1 + 0.8 * draw.random() ** 2 if name == drifted else draw.random()

    rows = []
    for _ in range(count):
        x = 10 * number("x")
        kind = draw.choices("abc", (2, 1, 3) if drifted == "kind" else (3, 2, 1))[0]
        flag = draw.random() < (0.6 if drifted == "flag" else 0.3)
        day = FIRST_DAY + timedelta(days=round(365 * number("day")))
        at = FIRST_TIME + timedelta(seconds=round(1e6 * number("at")))
        y = 1 + 2 * x + "abc".index(kind) + flag + draw.gauss(0, noise)
        rows.append({"y": y, "x": x, "kind": kind, "flag": flag, "day": day.isoformat(), "at": f"{at.isoformat()}Z"})
    return rows


def cars(count: int) -> list[Row]:
    """Make questions for mtcars, as its training data are."""
    with (ROOT / "extra_files" / "mtcars" / "mtcars.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    asked = [{"wt": float(row["wt"]), "qsec": float(row["qsec"]), "am": row["am"]} for row in rows]
    return random.Random(1).choices(asked, k=count)


def write_csv(file: Path, rows: list[Row]) -> Path:
    """Write them as people do: a logical as R has it."""
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0])
    writer.writeheader()
    writer.writerows(
        {key: str(value).upper() if value in (True, False) else value for key, value in row.items()} for row in rows
    )
    file.write_text(text.getvalue())
    return file


def write_log(folder: Path, model: str, rows: list[Row], days: int = 7, end: date = date(2026, 11, 26)) -> Path:
    """Write a prediction log of some requests a day; returns its folder."""
    lines = []
    for begin in range(0, len(rows), 10):
        of_request = rows[begin : begin + 10]
        day = end - timedelta(days=days - 1) + timedelta(days=begin * days // len(rows))
        line = {
            "time": f"{day}T10:53:08.123456Z",
            "request_id": None,
            "model": model,
            "version": "20261101T000000.000000Z",
            "interval": "none",
            "level": 0.95,
            "rows": len(of_request),
            "inputs": {name: [row[name] for row in of_request] for name in rows[0] if name != "y"},
            "fit": [row.get("y", 0.0) for row in of_request],
        }
        lines.append(json.dumps(line) + "\n")
    (folder / model).mkdir(parents=True, exist_ok=True)
    (folder / model / "2026-11-26.jsonl").write_text("".join(lines))
    return folder
