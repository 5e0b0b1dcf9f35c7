"""What it costs to be run by others: logs, metrics, keys, limits, the prediction log."""

from collections import defaultdict
from contextlib import ExitStack
from dataclasses import replace

from benchmarks import servers
from benchmarks.bench import Bench, Findings, ratio
from benchmarks.parts.single import median_row, rates_and_costs
from benchmarks.report import Ratio, Table
from benchmarks.servers import SILENT, Request, Server
from ml_api.access.keys import RIGHTS, lines_of, new_key


def measure(bench: Bench) -> Findings:
    """What a single GET costs with each of them, against the same without."""
    key = new_key("bench")
    limited = {"LM_API_KEYS": lines_of("bench", key, ["*"], RIGHTS), "LM_RATE_LIMIT": "900000000/minute"}
    predictions = bench.folder / "predictions"
    predictions.mkdir()
    logged = {"LM_PREDICTION_LOG": str(predictions)}
    get, with_key, there_and_back = bench.get(), replace(bench.get(), key=key), replace(bench, rounds=2)

    def asked(stack: ExitStack) -> dict[str, tuple[Server, Request]]:
        def start(request: Request, *options: str, **settings: str) -> tuple[Server, Request]:
            return stack.enter_context(servers.gunicorn(bench.models, request, *options, **settings)), request

        return {
            "neither logs nor metrics": start(get, SILENT),
            "logs and metrics": start(get, LM_METRICS="open"),
            "logs, as by default": start(get),
            "logs, keys and limits": start(with_key, **limited),
            "logs and the prediction log": start(get, **logged),
        }

    rates: dict[str, list[float]] = defaultdict(list)
    costs: dict[str, list[float]] = defaultdict(list)
    for _ in range(bench.rounds):  # each with processes of its own: where their memory lies makes 2 % of difference
        with ExitStack() as stack:
            servers_of_round = asked(stack)
            for server, request in servers_of_round.values():
                server.rate(request, 1)  # warm up
            for samples, found in zip((rates, costs), rates_and_costs(there_and_back, servers_of_round), strict=True):
                for name, values in found.items():
                    samples[name] += values
    for measured, over, under, target in [
        ("single GET with logs and metrics, against neither", "logs and metrics", "neither logs nor metrics", 0.92),
        ("single GET with keys and limits, against neither", "logs, keys and limits", "logs, as by default", 0.95),
        ("single GET with the prediction log", "logs and the prediction log", "logs, as by default", 0.9),
    ]:
        yield Ratio(measured, ratio(rates[over], rates[under]), at_least=target)
        yield Ratio(f"{measured}: processor time", ratio(costs[under], costs[over]), at_least=target)
    yield Table(
        "What operating costs",
        ["what", "requests/s", "us of processor time"],
        [median_row(name, samples, costs[name]) for name, samples in rates.items()],
    )
