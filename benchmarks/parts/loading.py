"""Loading a model, and another model's requests meanwhile."""

import statistics
import time

from benchmarks import models, servers
from benchmarks.bench import Bench, Findings, percentile
from benchmarks.report import Ratio, Table

LEVELS, COLUMNS = [10, 100, 200, 400, 1000], [10, 50, 200]


def measure(bench: Bench) -> Findings:
    """Loading a model, as levels and columns grow, and how long another model's requests wait for it."""
    cases = {f"{number} levels": (5 * number, 1, {"g": [f"g{i}" for i in range(number)]}) for number in LEVELS}
    cases |= {f"{number} columns": (5 * number, number, {}) for number in COLUMNS}
    names = {case: case.replace(" ", "") for case in cases}
    for case, (rows, numbers, factors) in cases.items():
        models.generate(bench.models / names[case], rows, numbers, factors)
    models.train(bench.models, *names.values())
    copies = [f"loaded{number}" for number in range(300)]
    with bench.ours() as ours:

        def load(name: str) -> float:
            (bench.models / name / "live").touch()
            begin = time.perf_counter()
            ours.ask(servers.Request(f"/lm/api/models/{name}/list_keys", {}))
            return time.perf_counter() - begin

        for copy in copies:
            models.copy(bench.models, bench.ten.name, copy)
        begin = time.perf_counter()
        ours.ask(servers.Request("/lm/api/models", {}))  # all
        all_of_them = time.perf_counter() - begin
        waited = {"none": ours.waits(bench.get(), lambda: time.sleep(bench.seconds))}
        loads: dict[str, list[float]] = {case: [] for case in cases}
        for case in cases:

            def loads_of_case(case: str = case) -> None:
                for _ in range(2 * bench.rounds):
                    loads[case].append(load(names[case]))

            waited[case] = ours.waits(bench.get(), loads_of_case)
    yield Ratio("seconds to load a model of 1,000 levels", statistics.median(loads["1000 levels"]), at_most=0.2)
    yield Ratio("seconds to load a model of 200 columns", statistics.median(loads["200 columns"]), at_most=0.2)
    yield Ratio(f"seconds to load {len(copies)} models of ten predictors", all_of_them)
    yield Table(
        "Loading, and another model's requests meanwhile",
        ["loaded again and again", "seconds to load", "the other's p99, ms", "its longest, ms"],
        [
            [
                case,
                f"{statistics.median(loads[case]):.3f}" if case in loads else "-",
                f"{1000 * percentile(times, 99):.1f}",
                f"{1000 * max(times):.1f}",
            ]
            for case, times in waited.items()
        ],
    )
