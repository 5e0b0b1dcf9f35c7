"""One prediction, as predictors and models grow in number."""

import shutil
import statistics
from functools import partial

from benchmarks import models, servers
from benchmarks.bench import Bench, Findings, ratio
from benchmarks.report import Ratio, Table


def measure(bench: Bench) -> Findings:
    """One prediction, as predictors and models grow in number."""
    many = 100
    copies = [f"copy{number}" for number in range(many)]
    paths = [f"/lm/api/models/{name}/predict/29.5" for name in copies]
    cases = {}
    for number in (1, 10, 50):
        name = f"predictors{number}"
        observation = models.generate(bench.models / name, 1000, number)
        expected = models.answers_of_r("y ~ .", bench.models / name / "data.csv", observation)
        cases[number] = models.Case(name, observation, expected)
    models.train(bench.models, *(case.name for case in cases.values()))
    with bench.ours() as ours:
        requests = {
            f"{number} predictors" if number > 1 else "1 predictor": case.by_names() for number, case in cases.items()
        }
        for request in requests.values():
            request.check(ours.ask(request))
        before = servers.memory(ours.worker())["USS"]
        for name in copies:
            ignore = shutil.ignore_patterns("live", "versions", ".*")
            shutil.copytree(bench.models / bench.distance.name, bench.models / name, ignore=ignore)
        models.train(bench.models, *copies)
        for path in paths:
            bench.get(path).check(ours.ask(bench.get(path)))
        each = (servers.memory(ours.worker())["USS"] - before) / many
        rates = bench.interleaved(
            {
                **{name: partial(ours.rate, request, bench.seconds) for name, request in requests.items()},
                "1 model": partial(ours.rate, bench.get(paths[0]), bench.seconds, paths[:1]),
                f"{many} models": partial(ours.rate, bench.get(paths[0]), bench.seconds, paths),
            }
        )
    yield Ratio("10 predictors, against 1", ratio(rates["10 predictors"], rates["1 predictor"]))
    yield Ratio("50 predictors, against 1", ratio(rates["50 predictors"], rates["1 predictor"]))
    yield Ratio("100 models asked in turn, against 1", ratio(rates[f"{many} models"], rates["1 model"]))
    rows = [[name, f"{statistics.median(samples):,.0f}"] for name, samples in rates.items()]
    yield Table("As predictors and models grow", ["what", "requests/s"], rows)
    yield Table("Memory of one more model", ["what", "KB"], [["model of time by distance", f"{1024 * each:.0f}"]])
