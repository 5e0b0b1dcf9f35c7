"""Training, as observations grow, against R alone."""

import json
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks import models, servers
from benchmarks.bench import Bench, Findings, ratio
from benchmarks.report import Ratio, Table
from benchmarks.servers import ROOT


def measure(bench: Bench) -> Findings:
    """Training, as observations grow, against R alone; and whether a prediction by that model then costs more."""
    sizes = [100, 10_000, 1_000_000]
    measured: dict[str, list[tuple[float, float]]] = {}
    requests = {}

    def run(name: str, command: list[str]) -> float:
        measured.setdefault(name, []).append(cost(command, bench.models))
        return measured[name][-1][0]

    measures: dict[str, Callable[[], float]] = {}
    for rows in sizes:
        name = f"rows{rows}"
        data = bench.models / name / "data.csv"
        observation = models.generate(data.parent, rows, 3)
        expected = models.answers_of_r("y ~ .", data, observation)
        requests[rows] = models.Case(name, observation, expected).by_names()
        in_r = ["Rscript", "-e", f"model <- lm(y ~ x1 + x2 + x3, read.csv({json.dumps(str(data))}))"]
        measures[f"ours {rows}"] = partial(run, f"ours {rows}", [*models.training(name), "--force"])
        measures[f"R {rows}"] = partial(run, f"R {rows}", in_r)
    bench.interleaved(measures)
    loaded = {}
    with bench.ours() as ours:
        for rows, request in requests.items():
            before = servers.memory(ours.worker())["USS"]
            request.check(ours.ask(request))
            loaded[rows] = servers.memory(ours.worker())["USS"] - before
        rates = bench.interleaved(
            {str(rows): partial(ours.rate, request, bench.seconds) for rows, request in requests.items()}
        )
    seconds = {name: [wall for wall, _ in runs] for name, runs in measured.items()}
    peaks = {name: [peak for _, peak in runs] for name, runs in measured.items()}
    million = sizes[-1]
    yield Ratio(
        "training on 1,000,000 rows, against read.csv + lm, time",
        ratio(seconds[f"ours {million}"], seconds[f"R {million}"]),
    )
    yield Ratio("the same, peak memory", ratio(peaks[f"ours {million}"], peaks[f"R {million}"]))
    yield Ratio("a prediction after 1,000,000 rows, against 100", ratio(rates[str(million)], rates[str(sizes[0])]))
    yield Table(
        "Training, as observations grow",
        ["observations", "update_lm s", "read.csv + lm s", "update_lm peak MB", "read.csv + lm peak MB",
         "predictions/s by it", "MB in a worker"],
        [
            [f"{rows:,}"]
            + [f"{statistics.median(seconds[f'{who} {rows}']):.2f}" for who in ("ours", "R")]
            + [f"{statistics.median(peaks[f'{who} {rows}']):.0f}" for who in ("ours", "R")]
            + [f"{statistics.median(rates[str(rows)]):,.0f}", f"{loaded[rows]:.1f}"]
            for rows in sizes
        ],
    )  # fmt: skip


def cost(command: list[str], where: Path) -> tuple[float, float]:
    """Run a command: its seconds, and the most MB that it had resident.

    By time(1): a child that we start ourselves would be said to have had at least as much as we have.
    """
    with tempfile.NamedTemporaryFile("r") as told:
        command = ["/usr/bin/time", "--format=%e %M", f"--output={told.name}", *command]
        subprocess.run(command, cwd=ROOT, env=models.environment(where), stdout=subprocess.DEVNULL, check=True)
        seconds, kilobytes = told.read().split()
    return float(seconds), int(kilobytes) / 1024
