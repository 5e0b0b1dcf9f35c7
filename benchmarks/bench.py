"""What the parts share: the servers, the models, and figures made of samples."""

import math
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks import models, servers
from benchmarks.report import Ratio, Table
from benchmarks.servers import Server

Findings = Iterator[Ratio | Table]
INTERVALS = ["none", "prediction"]
GUNICORNS_THREADS = "--worker-class=ml_api.threads.Threads"
WAITS = ["answered", "median, ms", "p99, ms", "longest, ms"]


@dataclass(frozen=True)
class Bench:
    """What the parts share."""

    folder: Path
    rounds: int
    seconds: float
    distance: models.Case
    """The shipped example, time by distance."""
    ten: models.Case
    """Ten predictors, two of them factors."""

    @property
    def models(self) -> Path:
        """Where all models are."""
        return self.folder / "models"

    def get(self, path: str = "/lm/api/predict/29.5") -> servers.Request:
        """GET for the distance 29.5."""
        return models.single(self.distance, path)

    def ours(self, *options: str) -> Server:
        """Our server."""
        return servers.gunicorn(self.models, self.get(), *options)

    def peers(self) -> dict[str, Server]:
        """The others."""
        first, plain = self.get("/predict/29.5"), ["--loop=asyncio", "--http=h11"]
        return {
            "the original's way": servers.original(self.get("/predict/29.5/")),
            "plumber": servers.plumber(first),
            "FastAPI + scikit-learn": servers.fastapi("sklearn", first, *plain),
            "FastAPI + scikit-learn, tuned": servers.fastapi("sklearn", self.get("/predict_async/29.5")),
            "FastAPI + statsmodels": servers.fastapi("statsmodels", first, *plain),
            "FastAPI + statsmodels, tuned": servers.fastapi("statsmodels", self.get("/predict_async/29.5")),
        }

    def interleaved(self, measures: Mapping[str, Callable[[], float]]) -> dict[str, list[float]]:
        """Measure all in turn, round by round; every other round backwards."""
        samples: dict[str, list[float]] = {name: [] for name in measures}
        for number in range(self.rounds):
            for name in list(measures)[:: -1 if number % 2 else 1]:
                samples[name].append(measures[name]())
                print(f"round {number + 1}: {name}: {samples[name][-1]:.4g}", file=sys.stderr)
        return samples


def ratio(over: list[float], under: list[float]) -> float:
    """The median of the rounds' ratios."""
    return statistics.median(a / b for a, b in zip(over, under, strict=True))


def percentile(times: list[float], percent: int) -> float:
    """A percentile of some times: that which so many of them do not exceed."""
    return sorted(times)[min(len(times) - 1, len(times) * percent // 100)]


def row_of(name: str, times: list[float]) -> list[str]:
    """How many were answered, and the percentiles of all, in ms; `times` are seconds, or infinity for no answer."""
    answered = sum(map(math.isfinite, times))
    figures = [percentile(times, 50), percentile(times, 99), max(times)]
    return [name, f"{answered:,} of {len(times):,}", *(f"{1000 * figure:.1f}" for figure in figures)]
