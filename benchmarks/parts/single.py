"""Requests for one prediction, without a log of them, as the peers write none."""

import os
import statistics
from collections.abc import Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from benchmarks.bench import GUNICORNS_THREADS, Bench, Findings, ratio
from benchmarks.report import Ratio, Table
from benchmarks.servers import SILENT, Request, Server


def measure(bench: Bench) -> Findings:
    """Requests for one prediction."""
    with ExitStack() as stack:
        ours = stack.enter_context(bench.ours(SILENT))
        one_thread = stack.enter_context(bench.ours(SILENT, "--threads=1"))
        four_threads = stack.enter_context(bench.ours(SILENT, "--threads=4"))
        gunicorns = stack.enter_context(bench.ours(SILENT, GUNICORNS_THREADS))
        peers = {name: stack.enter_context(server) for name, server in bench.peers().items()}
        asked = {  # what is close to each other here is measured close to each other in time
            "GET": (ours, bench.get()),
            "GET, gunicorn's threads": (gunicorns, bench.get()),
            "an empty Ninja route": (ours, bench.get("/benchmarks/empty")),
            "a plain Django view": (ours, bench.get("/benchmarks/plain")),
            "GET by name": (ours, bench.distance.by_names()),
            "GET with prediction interval": (ours, bench.distance.by_names("prediction")),
            "POST with 10 predictors": (ours, bench.ten.post("records")),
            "GET, 1 thread": (one_thread, bench.get()),
            "GET, 4 threads": (four_threads, bench.get()),
            **{name: (server, server.first) for name, server in peers.items()},
        }
        for server, request in asked.values():
            request.check(server.ask(request))
            server.rate(request, 1)  # warm up
        rates, costs = rates_and_costs(bench, asked)
    for measured, over, under, target in [
        ("single GET, against an empty Ninja route", "GET", "an empty Ninja route", 0.8),
        ("the same, against a plain Django view", "GET", "a plain Django view", 0.55),
        ("the same, against the original's way", "GET", "the original's way", 7),
        ("the same, against plumber", "GET", "plumber", 30),
        ("the same, against FastAPI + scikit-learn", "GET", "FastAPI + scikit-learn", None),
        ("the same, against FastAPI + scikit-learn, tuned", "GET", "FastAPI + scikit-learn, tuned", 1.25),
        ("the same, against FastAPI + statsmodels", "GET", "FastAPI + statsmodels", None),
        ("the same, against FastAPI + statsmodels, tuned", "GET", "FastAPI + statsmodels, tuned", 2.5),
        ("the same, against gunicorn's threads", "GET", "GET, gunicorn's threads", None),
        ("POST of one observation, 10 predictors, against the single GET", "POST with 10 predictors", "GET", 0.75),
        ("one prediction interval, against the single GET", "GET with prediction interval", "GET", 0.9),
        ("the same, against a GET by name, as it is", "GET with prediction interval", "GET by name", None),
        ("4 threads against 1 thread", "GET, 4 threads", "GET, 1 thread", 0.9),
    ]:
        yield Ratio(measured, ratio(rates[over], rates[under]), at_least=target)
    yield Ratio(
        "processor time of a single GET, against gunicorn's threads",
        ratio(costs["GET"], costs["GET, gunicorn's threads"]),
        at_most=0.55,
    )
    yield Table(
        "One prediction",
        ["what", "requests/s", "us of processor time"],
        [median_row(name, samples, costs[name]) for name, samples in rates.items()],
    )


def rates_and_costs(
    bench: Bench, asked: Mapping[str, tuple[Server, Request]]
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Requests a second, and microseconds of processor time for each, of all in turn."""
    costs: dict[str, list[float]] = {name: [] for name in asked}

    def measure(name: str) -> float:
        server, request = asked[name]
        pid = server.answering()
        before = processor(pid)
        rate = server.rate(request, bench.seconds)
        costs[name].append(1e6 * (processor(pid) - before) / (rate * bench.seconds))
        return rate

    return bench.interleaved({name: partial(measure, name) for name in asked}), costs


def processor(pid: int) -> float:
    """The seconds of processor time that a process has used, the kernel's for it included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def median_row(name: str, rates: list[float], costs: list[float]) -> list[str]:
    """Requests a second, and microseconds of processor time for each."""
    return [name, f"{statistics.median(rates):,.0f}", f"{statistics.median(costs):,.0f}" if costs else ""]
