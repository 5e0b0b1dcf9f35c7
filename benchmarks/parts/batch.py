"""Many observations in one request, in each encoding."""

import json
import statistics
from collections.abc import Callable
from functools import partial
from itertools import product

from benchmarks import models, servers
from benchmarks.bench import INTERVALS, Bench, Findings, ratio
from benchmarks.report import Ratio, Table


def measure(bench: Bench) -> Findings:
    """Many observations in one request, in each encoding; one client, which waits for each answer."""
    shapes, sizes = ["columns", "records", "csv"], [1, 100, 10_000, models.BATCH]
    of_plumber = servers.Request(
        "/predict",
        {"fit": bench.distance.expected["fit"]},
        json.dumps({"distance": bench.distance.observations["distance"]}).encode(),
    )
    seconds = min(bench.seconds, 1)
    with (
        bench.ours() as ours,
        bench.peers()["plumber"] as plumber,
        servers.Floor(bench.folder, of_plumber) as floor,
    ):
        of_plumber.check(plumber.ask(of_plumber))
        measures: dict[str, Callable[[], float]] = {
            "plumber": partial(plumber.time, of_plumber, seconds),
            "the floor": partial(floor.time, seconds),
        }
        for shape, rows, interval in product(shapes, sizes, INTERVALS):
            request = bench.distance.post(shape, rows, interval)
            request.check(ours.ask(request))
            measures[f"{shape} {rows} {interval}"] = partial(ours.time, request, seconds)
        times = bench.interleaved(measures)
    largest = {shape: times[f"{shape} {models.BATCH} none"] for shape in shapes}
    yield Ratio(
        "batch of 100,000 as columns: plumber's time against ours", ratio(times["plumber"], largest["columns"]), 5
    )
    for measure, over, under, most in [
        ("the same: our time against the floor's", largest["columns"], times["the floor"], 1.6),
        ("batch of 100,000 as records, against columns, time", largest["records"], largest["columns"], 3),
        ("batch of 100,000 as CSV, against columns, time", largest["csv"], largest["columns"], 3),
    ]:
        yield Ratio(measure, ratio(over, under), at_most=most)
    milliseconds = {name: f"{1000 * statistics.median(samples):,.2f}" for name, samples in times.items()}
    yield Table(
        "Batches: milliseconds from request to answer",
        ["encoding", "interval", *(f"{rows:,}" for rows in sizes)],
        [
            *([s, i, *(milliseconds[f"{s} {rows} {i}"] for rows in sizes)] for s, i in product(shapes, INTERVALS)),
            *([name, "none", "", "", "", milliseconds[name]] for name in ("plumber", "the floor")),
        ],
    )
