"""From the start of a server to its first answer."""

import statistics
from functools import partial

from benchmarks.bench import Bench, Findings
from benchmarks.report import Table


def measure(bench: Bench) -> Findings:
    """From the start of the process to the first answer, which is right."""

    def start(name: str) -> float:
        with {"ours": bench.ours(), **bench.peers()}[name] as server:
            return server.startup

    names = ["ours", *bench.peers()]
    times = bench.interleaved({name: partial(start, name) for name in names})
    rows = [[name, f"{statistics.median(samples):.2f}"] for name, samples in times.items()]
    yield Table("Start-up: seconds to the first answer", ["server", "seconds"], rows)
