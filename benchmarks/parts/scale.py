"""Data in parts: trainings and predictions against R alone, and against a server."""

import json
import os
import shutil
import statistics
import sys
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import models
from benchmarks.bench import Bench, Findings, ratio
from benchmarks.parts.training import cost
from benchmarks.report import Ratio, Table
from benchmarks.servers import Failed, Request
from lm_app.scale.options import missing

ROWS = int(os.environ.get("SCALE_ROWS", "10000000"))
FILES = 8
FORMULA = "airtime ~ distance + hour + temp + wind + carrier"
CARRIERS = ["AA", "AS", "B6", "DL", "EV", "F9", "FL", "HA", "MQ", "OO", "UA", "US"]
IN_MEMORY = """
data <- data.table::fread(file, data.table = FALSE, stringsAsFactors = TRUE)
model <- lm({formula}, data)
print(summary(model))
h <- hatvalues(model)
press <- sum((residuals(model) / (1 - h))^2)
cook <- cooks.distance(model, hat = h)
""".replace("{formula}", FORMULA)


def measure(bench: Bench) -> Findings:
    """Trainings on Parquet with 1 and 2 workers against R in memory on CSV, and predictions against the server's."""
    if why := missing():
        raise Failed(why)
    folder = bench.folder / "flights"
    for number in range(FILES):
        write(folder, number, ROWS // FILES)
    whole = bench.folder / "flights.csv"
    with whole.open("wb") as joined:
        for file in sorted(folder.glob("*.csv")):
            with file.open("rb") as stream:
                header = stream.readline()
                joined.write(header if joined.tell() == 0 else b"")
                shutil.copyfileobj(stream, joined)
            file.unlink()
    measured: dict[str, list[tuple[float, float]]] = {}

    def run(name: str, command: list[str]) -> float:
        measured.setdefault(name, []).append(cost(command, bench.models))
        return measured[name][-1][0]

    train = [*models.training("flights"), "--data", f"{folder}/*.parquet", "--formula", FORMULA]
    in_r = ["Rscript", "-e", f"file <- {str(whole)!r}; {IN_MEMORY}"]
    commands = {
        "2 workers": [*train, "--workers", "2"],
        "1 worker": [*train, "--workers", "1"],
        "R in memory": in_r,
    }
    cost(train, bench.models)  # makes the model, which later trainings are compared with
    bench.interleaved({name: partial(run, name, command) for name, command in commands.items()})
    seconds = {name: [wall for wall, _ in runs] for name, runs in measured.items()}
    yield Ratio(
        f"training on {ROWS:,} rows in parts, against fread + lm + diagnostics, time",
        ratio(seconds["2 workers"], seconds["R in memory"]),
        at_most=0.7,
    )
    yield Ratio("the same, 2 workers against 1", ratio(seconds["1 worker"], seconds["2 workers"]), at_least=1.5)
    yield Ratio("predictions a second by score_lm, against HTTP with 2 workers", scored(bench, folder), at_least=2)
    yield Table(
        f"{ROWS:,} rows of 5 predictors (p = 16)",
        ["what", "seconds", "peak MB of the largest process"],
        [
            [name, f"{statistics.median(seconds[name]):.1f}", f"{max(peak for _, peak in runs):.0f}"]
            for name, runs in measured.items()
        ],
    )


def write(folder: Path, number: int, rows: int) -> None:
    """Write a file of flights, as Parquet and as CSV."""
    import pyarrow
    import pyarrow.csv
    import pyarrow.parquet
    from pyarrow import compute

    def between(low: float, high: float, seed: int) -> Any:
        drawn = compute.random(rows, initializer=100 * number + seed)
        return compute.add(compute.multiply(drawn, high - low), low)

    distance, temp, wind = between(100, 5000, 1), between(-10, 35, 2), between(0, 30, 3)
    hour, which = compute.floor(between(0, 24, 4)), compute.floor(between(0, len(CARRIERS), 5))
    noise = compute.add(between(-10, 10, 6), between(-10, 10, 7))
    airtime = compute.add(compute.add(compute.multiply(distance, 0.12), compute.multiply(which, 2.0)), noise)
    airtime = compute.add(compute.add(airtime, compute.multiply(wind, 0.3)), compute.multiply(temp, -0.05))
    carrier = pyarrow.DictionaryArray.from_arrays(which.cast(pyarrow.int32()), CARRIERS)
    table = pyarrow.table(
        {"airtime": airtime, "distance": distance, "hour": hour, "temp": temp, "wind": wind, "carrier": carrier}
    )
    folder.mkdir(exist_ok=True)
    pyarrow.parquet.write_table(table, folder / f"{number}.parquet", row_group_size=250_000)
    plain = table.set_column(5, "carrier", carrier.cast(pyarrow.string()))
    pyarrow.csv.write_csv(plain, folder / f"{number}.csv")


def scored(bench: Bench, folder: Path) -> float:
    """Rows a second by score_lm with 2 workers, against those that a server with 2 answers as JSON columns."""
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(folder / "0.parquet").slice(0, models.BATCH).drop_columns(["airtime"])
    body = json.dumps({name: table[name].to_pylist() for name in table.column_names}).encode()
    with bench.ours("--workers=2") as ours:
        request = Request("/lm/api/models/flights/predict?extrapolation=flag", {}, body)
        by_http = models.BATCH * ours.rate(request, 3 * bench.seconds)
    words = ["flights", f"{folder}/*.parquet", str(bench.folder / "scored"), "--workers", "2"]
    seconds, _ = cost([sys.executable, "manage.py", "runscript", "score_lm", "--script-args", *words], bench.models)
    return ROWS / seconds / by_http
