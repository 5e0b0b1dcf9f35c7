"""The memory of a worker."""

import subprocess
import sys
from itertools import product

from benchmarks import models, servers
from benchmarks.bench import GUNICORNS_THREADS, INTERVALS, Bench, Findings
from benchmarks.report import Ratio, Table
from benchmarks.servers import ROOT


def measure(bench: Bench) -> Findings:
    """A worker after traffic, against a process in which Django, Ninja and R have only been started."""
    bare = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.bare"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    with bare, bench.ours() as ours, bench.ours(GUNICORNS_THREADS) as gunicorns:
        assert bare.stdout
        bare.stdout.readline()
        worker = ours.worker()
        found = {"bare process": servers.memory(bare.pid)}
        for request in (bench.get(), bench.distance.by_names("prediction"), bench.ten.post("records")):
            ours.rate(request, bench.seconds)
            gunicorns.rate(request, bench.seconds)
        threads = servers.memory(gunicorns.worker())
        found["worker after single predictions"] = servers.memory(worker)
        for shape, interval in product(("columns", "records", "csv"), INTERVALS):
            ours.time(bench.distance.post(shape, models.BATCH, interval), bench.seconds)
        found["and after batches of 100,000"] = servers.memory(worker)
        bare.communicate()
    base, single, batches = found.values()
    found["worker of gunicorn's threads, after the same"] = threads
    # RSS: of what gunicorn's two processes share, PSS would count only a half for the worker.
    yield Ratio("memory (RSS) of a worker against a bare process", single["RSS"] / base["RSS"], at_most=1.15)
    yield Ratio("the same, against a worker of gunicorn's threads", single["RSS"] / threads["RSS"], at_most=1.1)
    yield Ratio("memory after batches of 100,000, against a bare process", batches["RSS"] / base["RSS"])
    rows = [[name, *(f"{value:.0f}" for value in kinds.values())] for name, kinds in found.items()]
    yield Table("Memory: MB", ["process", *base], rows)
