"""Single predictions beside load, while versions are published."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

from benchmarks import models
from benchmarks.bench import WAITS, Bench, Findings, percentile, row_of
from benchmarks.report import Ratio, Table


def measure(bench: Bench) -> Findings:
    """Single predictions while 100 versions are published, beside load."""
    models.train(bench.models, "timedistance", "--force")
    model, seconds = bench.models / "timedistance", 5 * bench.seconds
    with bench.ours() as ours, ThreadPoolExecutor(1) as load:
        waited = {}
        for name, times in {"none": 0, "100": 100}.items():
            loading = load.submit(ours.rate, bench.get(), seconds + 1)
            time.sleep(0.5)
            waited[name] = ours.waits(
                bench.get(),
                partial(publish_in_turn, model, times, seconds) if times else partial(time.sleep, seconds),
            )
            loading.result()
    p99 = {name: percentile(times, 99) for name, times in waited.items()}
    yield Ratio("p99 during 100 publications, against none", p99["100"] / p99["none"], at_most=3)
    yield Table(
        "Single predictions beside load, while versions are published",
        ["publications", *WAITS],
        [row_of(name, times) for name, times in waited.items()],
    )


def publish_in_turn(model: Path, times: int, seconds: float) -> None:
    """Make the newest two versions live in turn, evenly over so many seconds."""
    versions = sorted(version.name for version in (model / "versions").iterdir())[-2:]
    if not times:
        time.sleep(seconds)
    for number in range(times):
        (model / "live.new").write_text(f"{versions[number % 2]}\n")
        os.replace(model / "live.new", model / "live")
        time.sleep(seconds / times)
