"""Data in parts: trainings and predictions against R alone, and against a server."""

import json
import os
import shutil
import statistics
import sys
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import fits, models, servers
from benchmarks.bench import Bench, Findings, ratio
from benchmarks.fits import IN_MEMORY, OURS, Run
from benchmarks.report import Ratio, Table
from benchmarks.servers import Failed, Request
from lm_app.scale.options import missing

ROWS = int(os.environ.get("SCALE_ROWS", "10000000"))
FILES, TIMES = 8, 10
CARRIERS = ["AA", "AS", "B6", "DL", "EV", "F9", "FL", "HA", "MQ", "OO", "UA", "US"]
ONE, TENFOLD = "update_lm, 1 worker", f"update_lm, 2 workers, {TIMES} times the rows"
MOST_OF_A_WORKER, MOST_OF_THE_COMMAND = 400, 250  # MB


def measure(bench: Bench) -> Findings:
    """Trainings on Parquet with 1 and 2 workers against others, and predictions against the server's."""
    if why := missing():
        raise Failed(why)
    data = flights(bench.folder)
    runs: dict[str, list[Run]] = {}

    def run(name: str, command: list[str]) -> float:
        runs.setdefault(name, []).append(fits.run(command, bench.models))
        return runs[name][-1].seconds

    two = data.train("flights", "--force", "--workers", "2")
    commands = {OURS: two, ONE: data.train("flights", "--force", "--workers", "1"), **data.others()}
    fits.run(two, bench.models)  # makes the model, which later trainings are compared with
    seconds = bench.interleaved({name: partial(run, name, command) for name, command in commands.items()})
    tenfold = bench.folder / "tenfold"
    tenfold.mkdir()
    for file in data.folder.glob("*.parquet"):
        for i in range(TIMES):
            os.link(file, tenfold / f"{i}-{file.name}")
    run(TENFOLD, [*two, "--data", f"{tenfold}/*.parquet"])
    by_http = asked(bench, data)
    by_score_lm = {TIMES * ROWS: scored(bench, tenfold, TIMES * ROWS), ROWS: scored(bench, data.folder, ROWS)}
    yield Ratio(
        f"training on {ROWS:,} rows in parts, against fread + lm + diagnostics, time",
        ratio(seconds[OURS], seconds[IN_MEMORY]),
        at_most=0.7,
    )
    yield Ratio("the same, 2 workers against 1", ratio(seconds[ONE], seconds[OURS]), at_least=1.5)
    yield Ratio(
        f"the same on {TIMES * ROWS:,} rows, time, against {ROWS:,}",
        runs[TENFOLD][0].seconds / statistics.median(seconds[OURS]),
        at_most=TIMES,
    )
    ours = [done for name in (OURS, ONE, TENFOLD) for done in runs[name]]
    worker, command = max(done.largest_peak for done in ours), max(done.own_peak for done in ours)
    yield Ratio(f"peak memory of a worker, against {MOST_OF_A_WORKER} MB", worker / MOST_OF_A_WORKER, at_most=1)
    yield Ratio(f"and of the command, against {MOST_OF_THE_COMMAND} MB", command / MOST_OF_THE_COMMAND, at_most=1)
    for rows, rate in by_score_lm.items():
        yield Ratio(
            f"{rows:,} rows by score_lm, against HTTP with 2 workers, rows a second", rate / by_http, at_least=2
        )
    right = fits.printed(runs[IN_MEMORY][0])
    found = {
        name: fits.coefficients(bench.models, "flights") if "update_lm" in name else fits.printed(done[0])
        for name, done in runs.items()
        if name != TENFOLD
    }
    yield Table(
        f"{ROWS:,} rows of 5 predictors (p = 16)",
        ["what", "seconds", "peak MB of the command", "of its largest worker", "digits as lm()"],
        [
            [
                name,
                f"{statistics.median(run.seconds for run in done):.1f}",
                *peaks(name, done),
                fits.digits(found[name], right) if name in found else "",
            ]
            for name, done in runs.items()
        ],
    )
    rates = [[f"score_lm, 2 workers, {rows:,} rows, Parquet", f"{rate:,.0f}"] for rows, rate in by_score_lm.items()]
    rates.append([f"HTTP, 2 workers, {models.BATCH:,} rows as JSON columns", f"{by_http:,.0f}"])
    yield Table("Predictions a second", ["what", "rows/s"], rates)


def peaks(name: str, done: list[Run]) -> list[str]:
    """The most MB of the command, and of a worker; of the others, of any process."""
    own, largest = max(run.own_peak for run in done), max(run.largest_peak for run in done)
    return [f"{own:.0f}", f"{largest:.0f}"] if "update_lm" in name else [f"{max(own, largest):.0f}", ""]


def flights(folder: Path) -> fits.Data:
    """Write files of flights, and all of them as one CSV."""
    where, whole = folder / "flights", folder / "flights.csv"
    for number in range(FILES):
        write(where, number, ROWS // FILES)
    with whole.open("wb") as joined:
        for file in sorted(where.glob("*.csv")):
            with file.open("rb") as stream:
                header = stream.readline()
                joined.write(header if joined.tell() == 0 else b"")
                shutil.copyfileobj(stream, joined)
            file.unlink()
    return fits.Data(where, whole, "airtime", ["distance", "hour", "temp", "wind"], ["carrier", *CARRIERS])


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
    pyarrow.parquet.write_table(table, folder / f"{number}.parquet", row_group_size=200_000)
    plain = table.set_column(5, "carrier", carrier.cast(pyarrow.string()))
    pyarrow.csv.write_csv(plain, folder / f"{number}.csv")


def scored(bench: Bench, folder: Path, rows: int) -> float:
    """Rows a second by score_lm with 2 workers, its start included."""
    words = ["flights", f"{folder}/*.parquet", str(bench.folder / f"scored-{rows}"), "--workers", "2"]
    command = [sys.executable, "manage.py", "runscript", "score_lm", "--script-args", *words]
    return rows / fits.run(command, bench.models).seconds


def asked(bench: Bench, data: fits.Data) -> float:
    """Rows a second that a server with 2 workers answers as JSON columns."""
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(data.folder / "0.parquet").slice(0, models.BATCH).drop_columns(["airtime"])
    body = json.dumps({name: table[name].to_pylist() for name in table.column_names}).encode()
    room = {"LM_MAX_BYTES_AT_ONCE": "1000000000"}  # for 8 connections at once
    with servers.gunicorn(bench.models, bench.get(), "--workers=2", **room) as ours:
        request = Request("/lm/api/models/flights/predict?extrapolation=flag", {}, body)
        return models.BATCH * ours.rate(request, 3 * bench.seconds)
