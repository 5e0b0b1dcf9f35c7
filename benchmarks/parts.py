"""What is measured. Each part is run by itself, and yields ratios and tables."""

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path

from benchmarks import models, servers, serving
from benchmarks import soak as mixed
from benchmarks.report import Ratio, Table
from benchmarks.servers import ROOT, Server

Findings = Iterator[Ratio | Table]
INTERVALS = ["none", "prediction"]
GUNICORNS_THREADS = "--worker-class=ml_api.threads.Threads"
LEVELS, COLUMNS = [10, 100, 200, 400, 1000], [10, 50, 200]


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


def single(bench: Bench) -> Findings:
    """Requests for one prediction."""
    with ExitStack() as stack:
        ours = stack.enter_context(bench.ours())
        one_thread = stack.enter_context(bench.ours("--threads=1"))
        four_threads = stack.enter_context(bench.ours("--threads=4"))
        gunicorns = stack.enter_context(bench.ours(GUNICORNS_THREADS))
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
        costs: dict[str, list[float]] = {name: [] for name in asked}

        def measure(name: str) -> float:
            server, request = asked[name]
            pid = server.answering()
            before = serving.processor(pid)
            rate = server.rate(request, bench.seconds)
            costs[name].append(1e6 * (serving.processor(pid) - before) / (rate * bench.seconds))
            return rate

        rates = bench.interleaved({name: partial(measure, name) for name in asked})
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
        [serving.median_row(name, samples, costs[name]) for name, samples in rates.items()],
    )


def slow(bench: Bench) -> Findings:
    """Single predictions beside clients that stall, with our worker and with gunicorn's threads."""
    batch = bench.distance.post("columns", 20_000).body or b""
    rows: list[list[str]] = []
    worst = 0.0
    for name, options in {"ours": [], "gunicorn's threads": [GUNICORNS_THREADS]}.items():
        seconds = 3 * bench.seconds if name == "ours" else bench.seconds
        with bench.ours(*options) as server:
            alone = serving.probe(server, bench.get(), seconds)
            rows.append(serving.row(f"{name}: nobody", alone))
        for kind, (at_once, then) in serving.kinds(batch).items():
            count = serving.SLOW // 10 if kind == "answers never read" else serving.SLOW
            with bench.ours(*options) as server, serving.slow_clients(server, count, at_once, then):
                if kind == "answers never read":
                    time.sleep(serving.PATIENCE)  # until they are answered
                times = serving.probe(server, bench.get(), seconds)
            rows.append(serving.row(f"{name}: {count} x {kind}", times))
            if name == "ours" and "byte a second" in kind:
                worst = max(worst, serving.percentile(times, 99) / serving.percentile(alone, 99))
    yield Ratio("p99 beside 500 clients that send a byte a second, against alone", worst, at_most=2)
    yield Table("Beside slow clients", ["beside", "answered", "median, ms", "p99, ms", "longest, ms"], rows)


def publications(bench: Bench) -> Findings:
    """Single predictions while 100 versions are published, beside load."""
    cost([*models.training("timedistance"), "--force"], bench.models)
    model, seconds = bench.models / "timedistance", 5 * bench.seconds
    with bench.ours() as ours, ThreadPoolExecutor(1) as load:
        waited = {}
        for name, times in {"none": 0, "100": 100}.items():
            loading = load.submit(ours.rate, bench.get(), seconds + 1)
            time.sleep(0.5)
            waited[name] = ours.waits(
                bench.get(),
                partial(serving.publish_in_turn, model, times, seconds) if times else partial(time.sleep, seconds),
            )
            loading.result()
    p99 = {name: percentile(times, 99) for name, times in waited.items()}
    yield Ratio("p99 during 100 publications, against none", p99["100"] / p99["none"], at_most=3)
    yield Table(
        "Single predictions beside load, while versions are published",
        ["publications", "answered", "median, ms", "p99, ms", "longest, ms"],
        [serving.row(name, times) for name, times in waited.items()],
    )


def ending(bench: Bench) -> Findings:
    """SIGTERM beside 32 busy clients."""
    rows: list[list[str]] = []
    losses = 0
    for name, options in {"ours": [], "gunicorn's threads": [GUNICORNS_THREADS]}.items():
        for _ in range(3):
            with bench.ours(*options) as server:
                answered, lost, seconds = serving.lost_at_the_end(server, bench.get())
            rows.append([name, f"{answered:,}", str(lost), f"{seconds:.2f}"])
            losses += lost if name == "ours" else 0
    yield Ratio("requests lost at SIGTERM beside 32 busy clients", losses, at_most=0)
    yield Table("SIGTERM beside 32 busy clients", ["worker", "answered", "lost", "seconds"], rows)


def batch(bench: Bench) -> Findings:
    """Many observations in one request, in each encoding; one client, which waits for each answer."""
    shapes, sizes = ["columns", "records", "csv"], [1, 100, 10_000, models.BATCH]
    of_plumber = servers.Request(
        "/predict",
        {"fit": bench.distance.expected["fit"]},
        json.dumps({"distance": bench.distance.observations["distance"]}).encode(),
    )
    seconds = min(bench.seconds, 1)
    with (
        bench.ours() as ours,
        bench.peers()["plumber"] as plumber,
        servers.Floor(bench.folder, of_plumber) as floor,
    ):
        of_plumber.check(plumber.ask(of_plumber))
        measures: dict[str, Callable[[], float]] = {
            "plumber": partial(plumber.time, of_plumber, seconds),
            "the floor": partial(floor.time, seconds),
        }
        for shape, rows, interval in product(shapes, sizes, INTERVALS):
            request = bench.distance.post(shape, rows, interval)
            request.check(ours.ask(request))
            measures[f"{shape} {rows} {interval}"] = partial(ours.time, request, seconds)
        times = bench.interleaved(measures)
    largest = {shape: times[f"{shape} {models.BATCH} none"] for shape in shapes}
    yield Ratio(
        "batch of 100,000 as columns: plumber's time against ours", ratio(times["plumber"], largest["columns"]), 5
    )
    for measure, over, under, most in [
        ("the same: our time against the floor's", largest["columns"], times["the floor"], 1.6),
        ("batch of 100,000 as records, against columns, time", largest["records"], largest["columns"], 3),
        ("batch of 100,000 as CSV, against columns, time", largest["csv"], largest["columns"], 3),
    ]:
        yield Ratio(measure, ratio(over, under), at_most=most)
    milliseconds = {name: f"{1000 * statistics.median(samples):,.2f}" for name, samples in times.items()}
    yield Table(
        "Batches: milliseconds from request to answer",
        ["encoding", "interval", *(f"{rows:,}" for rows in sizes)],
        [
            *([s, i, *(milliseconds[f"{s} {rows} {i}"] for rows in sizes)] for s, i in product(shapes, INTERVALS)),
            *([name, "none", "", "", "", milliseconds[name]] for name in ("plumber", "the floor")),
        ],
    )


def startup(bench: Bench) -> Findings:
    """From the start of the process to the first answer, which is right."""

    def start(name: str) -> float:
        with {"ours": bench.ours(), **bench.peers()}[name] as server:
            return server.startup

    names = ["ours", *bench.peers()]
    times = bench.interleaved({name: partial(start, name) for name in names})
    rows = [[name, f"{statistics.median(samples):.2f}"] for name, samples in times.items()]
    yield Table("Start-up: seconds to the first answer", ["server", "seconds"], rows)


def memory(bench: Bench) -> Findings:
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


def growth(bench: Bench) -> Findings:
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


def loading(bench: Bench) -> Findings:
    """Loading a model, as levels and columns grow, and how long another model's requests wait for it."""
    cases = {f"{number} levels": (5 * number, 1, {"g": [f"g{i}" for i in range(number)]}) for number in LEVELS}
    cases |= {f"{number} columns": (5 * number, number, {}) for number in COLUMNS}
    names = {case: case.replace(" ", "") for case in cases}
    for case, (rows, numbers, factors) in cases.items():
        models.generate(bench.models / names[case], rows, numbers, factors)
    models.train(bench.models, *names.values())
    copies = [f"copy{number}" for number in range(300)]
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
                f"{1000 * statistics.quantiles(times, n=100)[98]:.1f}",
                f"{1000 * max(times):.1f}",
            ]
            for case, times in waited.items()
        ],
    )


def beside(bench: Bench) -> Findings:
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
        ["beside", "requests", "median, ms", "p99, ms", "longest, ms"],
        [
            [
                name,
                f"{len(times):,}",
                f"{1000 * statistics.median(times):.1f}",
                f"{1000 * percentile(times, 99):.1f}",
                f"{1000 * max(times):.1f}",
            ]
            for name, times in {"nobody": alone, "four clients": waited}.items()
        ],
    )


def percentile(times: list[float], percent: int) -> float:
    """A percentile of some times."""
    return statistics.quantiles(times, n=100, method="inclusive")[percent - 1]


def training(bench: Bench) -> Findings:
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


def soak(bench: Bench) -> Findings:
    """Half an hour (600 times SECONDS) of mixed load: nothing but what is due, and memory stays as it is."""
    asked = mixed.kinds(bench.distance, bench.ten)
    with bench.ours() as ours:
        sizes, found, published = mixed.load(ours, bench.models, asked, 600 * bench.seconds)
    yield Ratio("memory in the last fifth of the soak, against the second", mixed.growth(sizes), at_most=1.05)
    yield Table("Soak: MB (RSS) of the worker", ["fifth", "least", "median", "most"], mixed.fifths(sizes))
    yield Table(
        f"Soak: what was answered, beside {published} publications",
        ["request", "status", "how often"],
        [[*what, f"{count:,}"] for what, count in sorted(found.items())],
    )


ALL = {
    part.__name__: part
    for part in (single, slow, publications, ending, batch, startup, memory, growth, loading, beside, training)
}
ON_REQUEST = {"soak": soak}
