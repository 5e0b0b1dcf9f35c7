"""What it costs to be run by others: logs, metrics, keys, limits, the prediction log."""

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
    get, with_key = bench.get(), replace(bench.get(), key=key)
    with ExitStack() as stack:

        def start(request: Request, *options: str, **settings: str) -> tuple[Server, Request]:
            return stack.enter_context(servers.gunicorn(bench.models, request, *options, **settings)), request

        asked = {
            "neither logs nor metrics": start(get, SILENT),
            "logs and metrics": start(get, LM_METRICS="open"),
            "logs, as by default": start(get),
            "logs, keys and limits": start(with_key, **limited),
            "logs and the prediction log": start(get, **logged),
        }
        for server, request in asked.values():
            server.rate(request, 1)  # warm up
        rates, costs = rates_and_costs(bench, asked)
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
