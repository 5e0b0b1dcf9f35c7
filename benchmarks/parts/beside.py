"""Single predictions beside batches."""

import time
from concurrent.futures import ThreadPoolExecutor

from benchmarks import models, servers
from benchmarks.bench import WAITS, Bench, Findings, percentile, row_of
from benchmarks.report import Ratio, Table


def measure(bench: Bench) -> Findings:
    """Single predictions by one client, while four others send batches of 100,000 and ask for intervals."""
    batch = bench.distance.post("columns", models.BATCH, "prediction")
    room = {"LM_MAX_BYTES_AT_ONCE": str(8 * len(batch.body or b""))}
    with servers.gunicorn(bench.models, bench.get(), **room) as ours:
        batch.check(ours.ask(batch))

        def batches() -> None:
            with ThreadPoolExecutor(4) as clients:
                list(clients.map(lambda _: ours.time(batch, 5 * bench.seconds), range(4)))

        alone = ours.waits(bench.get(), lambda: time.sleep(bench.seconds))
        waited = ours.waits(bench.get(), batches)
    yield Ratio(
        "seconds (p99) of a single GET beside four clients with batches of 100,000", percentile(waited, 99), at_most=0.2
    )
    yield Table(
        "Single predictions beside four clients with batches of 100,000 and intervals",
        ["beside", *WAITS],
        [row_of(name, times) for name, times in {"nobody": alone, "four clients": waited}.items()],
    )
