"""/metrics, read by Prometheus' own tools; the alerts and the dashboard are about what there is."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.urls import path
from prometheus_client.parser import text_string_to_metric_families
from pytest_django import Settings

from lm_app.training.update import update
from ml_api.access.keys import NOBODY, Key, hash_of
from ml_api.observe import metrics
from ml_api.version import VERSION
from tests.conftest import (
    GUNICORN,
    ROOT,
    Server,
    StartServer,
    free_port,
    live_file,
    live_version,
    restore_interrupt,
    wait_until,
)

urlpatterns = [path("metrics", metrics.metrics)]
"""Those of a server whose LM_METRICS is not off: tests in this process have the settings of all others."""
PAGE = (ROOT / "docs" / "observe.md").read_text()
ALERTS, DASHBOARD = ROOT / "contrib" / "alerts.yml", ROOT / "contrib" / "grafana-dashboard.json"
REQUESTS = "lm_http_request_duration_seconds"
PREDICT, VALUE = "lm/api/predict", "lm/api/predict/<value>"


@pytest.fixture
def start(serve: StartServer, tmp_path: Path) -> Callable[..., Any]:
    """Start two workers with metrics, whose folder is below the test's."""
    (tmp_path / "tmp").mkdir()

    def start(**environment: str) -> Any:
        variables = {"WEB_CONCURRENCY": "2", "LM_METRICS": "open", "TMPDIR": str(tmp_path / "tmp"), **environment}
        return serve("gunicorn", **variables)

    return start


def samples(server: Server) -> list[Any]:
    text = server.get("/metrics").decode()
    return [sample for family in text_string_to_metric_families(text) for sample in family.samples]


def total(server: Server, name: str, **labels: str) -> float:
    """The sum of what has the name and the labels."""
    found = [s.value for s in samples(server) if s.name == name and labels.items() <= s.labels.items()]
    return float(sum(found))


def labels_of(server: Server, name: str, label: str) -> set[str]:
    return {sample.labels[label] for sample in samples(server) if sample.name == name}


def ask(server: Server, requests: int) -> None:
    with ThreadPoolExecutor(8) as clients:
        answers = set(clients.map(lambda _: server.get("/lm/api/predict/29.5"), range(requests)))
    assert answers == {b"47.736486"}


def post(server: Server, query: str, rows: list[dict[str, Any]]) -> Any:
    request = urllib.request.Request(
        f"{server.url}/lm/api/predict?{query}", json.dumps(rows).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def folders(tmp_path: Path) -> list[Path]:
    return list((tmp_path / "tmp").glob("lm-metrics-*"))


def test_two_workers_together_count_what_was_asked(start: Callable[..., Any], models: Path, tmp_path: Path) -> None:
    with start() as server:
        ask(server, 400)
        for _ in range(7):
            post(server, "extrapolation=flag", [{"distance": 29.5}, {"distance": 29}, {"distance": 1e6}])
        for method, url in (("BREW", "/nowhere"), ("HEAD", "/lm/api"), ("GET", "/lm/api/predict/no")):
            connection = server.connect()
            with connection:
                connection.sendall(f"{method} {url} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
                while connection.recv(4096):
                    pass
        wait_until(lambda: total(server, f"{REQUESTS}_count", route=VALUE) == 401)
        wait_until(lambda: total(server, "lm_predictions_total") == 421)
        wait_until(lambda: total(server, f"{REQUESTS}_count", method="other", status="404", route="") == 1)
        for labels, requests in (
            ({"route": VALUE, "method": "GET", "status": "200"}, 400),
            ({"route": VALUE, "method": "GET", "status": "422"}, 1),
            ({"route": PREDICT, "method": "POST", "status": "200"}, 7),
            ({"route": "lm/api", "method": "HEAD", "status": "200"}, 1),
        ):
            assert total(server, f"{REQUESTS}_count", **labels) == requests
            assert total(server, f"{REQUESTS}_bucket", le="+Inf", **labels) == requests
            assert total(server, f"{REQUESTS}_bucket", le="0.0001", **labels) < requests
            assert 0 < total(server, f"{REQUESTS}_sum", **labels) < 100
        assert total(server, "lm_r_duration_seconds_count", model="timedistance") == 407
        assert total(server, "lm_r_duration_seconds_sum") > 0
        assert total(server, "lm_queue_duration_seconds_count") > 408
        version = live_version(models)
        assert total(server, "lm_predictions_total", model="timedistance", version=version) == 421
        assert total(server, "lm_extrapolations_total", model="timedistance") == 7
        wait_until(lambda: total(server, "lm_model_loads_total", result="loaded") == 2 * 3)
        assert total(server, "lm_model_loads_total", result="damaged") == 0
        assert labels_of(server, "lm_build_info", "version") == {VERSION}
        assert labels_of(server, "process_resident_memory_bytes", "worker") == {"0", "1"}
        assert total(server, "process_resident_memory_bytes") > 2 * 20e6
        described = re.findall(r"^\| `(\w+_\w+)` \|", PAGE, re.MULTILINE)
        families = text_string_to_metric_families(server.get("/metrics").decode())
        there = [f"{f.name}_total" if f.type == "counter" else f.name for f in families]
        assert sorted(described) == sorted(there)
        check = subprocess.run(["promtool", "check", "metrics"], input=server.get("/metrics"), capture_output=True)
        assert (check.returncode, check.stdout, check.stderr) == (0, b"", b"")
        [folder] = folders(tmp_path)
        assert {"histogram_0.db", "histogram_1.db"} <= {file.name for file in folder.iterdir()}
        server.interrupt()
        assert folders(tmp_path) == []
        assert "Traceback" not in server.log.read_text()


def test_counts_outlive_workers_and_memory_does_not(start: Callable[..., Any], tmp_path: Path) -> None:
    def counts() -> tuple[float, float]:
        return total(server, f"{REQUESTS}_count", route=VALUE), total(server, "lm_predictions_total")

    def workers() -> set[str]:
        return labels_of(server, "process_resident_memory_bytes", "worker")

    with start() as server:
        ask(server, 100)
        wait_until(lambda: counts() == (100, 100))
        for killed in server.workers():
            os.kill(killed, signal.SIGKILL)
            wait_until(lambda killed=killed: len(server.workers() - {killed}) == 2)  # type: ignore[misc]
        wait_until(lambda: workers() == {"0", "1"})
        assert counts() == (100, 100)
        before = server.workers()
        server.process.send_signal(signal.SIGHUP)
        asked = 100
        while not server.workers().isdisjoint(before):
            ask(server, 1)
            asked += 1
        wait_until(lambda: counts() == (asked, asked))
        server.process.send_signal(signal.SIGTTIN)
        wait_until(lambda: len(workers()) == 3)
        server.process.send_signal(signal.SIGTTOU)
        wait_until(lambda: len(workers()) == 2)
        ask(server, 50)
        wait_until(lambda: counts() == (asked + 50, asked + 50))
        [folder] = folders(tmp_path)
        assert len(list(folder.glob("counter_*.db"))) <= 5  # of the master, and of so many workers at once
        server.interrupt()
        assert folders(tmp_path) == []
        assert "Traceback" not in server.log.read_text()


def test_without_the_folder_all_is_answered_but_metrics(start: Callable[..., Any], tmp_path: Path) -> None:
    with start(WEB_CONCURRENCY="1") as server:
        [folder] = folders(tmp_path)
        shutil.rmtree(folder)
        before = server.workers()
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: server.workers().isdisjoint(before))
        ask(server, 10)
        assert server.refusal("/metrics") == (500, "The server failed; its log says why.")
        wait_until(lambda: "The metrics can't be written" in server.log.read_text())


def test_the_live_version_is_that_of_now(start: Callable[..., Any], models: Path) -> None:
    def info() -> set[str]:
        return {s.labels["version"] for s in samples(server) if s.name == "lm_model_info" and s.labels["model"] == name}

    name = "timedistance"
    (models / "untrained").mkdir()
    (models / "untrained" / "model.toml").write_text('title = "none"\ndata = "none.csv"\nformula = "y ~ x"\n')
    with start(WEB_CONCURRENCY="1") as server:
        assert info() == {live_version(models)}
        assert total(server, "lm_model_trained_timestamp_seconds", model=name) == pytest.approx(time.time(), abs=1e4)
        update(name, force=True)
        assert info() == {good := live_version(models)}
        update(name, force=True)
        live_file(models, "modelr.pickle").write_bytes(b"damaged")
        assert info() == {good}
        assert total(server, "lm_model_damaged", model=name) == 1
        assert total(server, "lm_model_damaged") == 1
        assert total(server, "lm_model_loads_total", model=name, result="loaded") == 2
        assert total(server, "lm_model_loads_total", model=name, result="damaged") == 1
        assert labels_of(server, "lm_model_damaged", "model") == {name, "heightweight", "mtcars", "untrained"}
        assert total(server, "lm_model_loads_total", model="untrained") == 0


def test_off_is_as_any_unknown_url_and_imports_nothing(serve: StartServer, client: Client, tmp_path: Path) -> None:
    missing, unknown = client.get("/metrics"), client.get("/unknown")
    assert missing.status_code == unknown.status_code == 404
    assert missing.content.replace(b"metrics", b"unknown") == unknown.content
    for setting, imported in (("", False), ("open", True)):
        variables = {"LM_METRICS": setting, "PYTHONPROFILEIMPORTTIME": "1", "TMPDIR": str(tmp_path)}
        with serve("gunicorn default", **variables) as server:
            server.get("/lm/api/predict/29.5")
            assert bool(re.search("prometheus|ml_api.observe.metrics", server.log.read_text())) == imported


@pytest.mark.urls(__name__)
def test_key_asks_for_the_right(client: Client, models: Path, settings: Settings) -> None:
    settings.LM_METRICS = "key"
    all_models = frozenset("*")
    other = Key("other", hash_of("other"), all_models, frozenset({"read", "predict"}))
    environments: list[dict[str, Any]] = [{}, {"ml_api.key": NOBODY}, {"ml_api.key": other}]
    for environment in environments:
        refused = client.get("/metrics", **environment)
        assert refused.status_code == 403
        assert refused["Content-Type"] == "application/problem+json"
        assert refused.json()["detail"] == "Metrics need an API key with the right 'metrics' (LM_METRICS is 'key')."
    environment = {"ml_api.key": Key("meter", hash_of("meter"), all_models, frozenset({"metrics"}))}
    answer = client.get("/metrics", **environment)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert b"lm_model_info" in answer.content
    assert client.post("/metrics").status_code == 405


def test_without_room_for_the_folder_the_start_says_so() -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE")}
    command = ["prlimit", "--fsize=0", *GUNICORN]
    done = subprocess.run(
        command, cwd=ROOT, env={**environment, "LM_METRICS": "open"}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    assert "\n[Errno 2] No usable temporary directory found in [" in done.stderr  # behind what rpy2 logs
    assert "Traceback" not in done.stderr


@contextmanager
def prometheus(server: Server, tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Debian's Prometheus, with the configuration of docs/observe.md; gives what asks it."""
    [config] = re.findall(r"```yaml\n(scrape_configs:.*?)```", PAGE, re.DOTALL)
    config = config.replace("15s", "1s").replace("localhost:8000", server.url.removeprefix("http://"))
    (tmp_path / "prometheus.yml").write_text(config.replace("contrib", str(ROOT / "contrib")))
    address = f"127.0.0.1:{free_port()}"
    command = ["prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/data"]
    with (tmp_path / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, f"--web.listen-address={address}"], stdout=log, stderr=log, preexec_fn=restore_interrupt
        )

    def query(about: str, **parameters: str) -> Any:
        try:
            url = f"http://{address}/api/v1/{about}?{urllib.parse.urlencode(parameters)}"
            with urllib.request.urlopen(url, timeout=20) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            raise AssertionError((parameters, error.read())) from None

    def is_ready() -> bool:
        with suppress(OSError):
            return bool(urllib.request.urlopen(f"http://{address}/-/ready", timeout=20).close() is None)
        return False

    try:
        wait_until(is_ready)
        yield query
    finally:
        process.kill()
        process.wait()


def test_prometheus_scrapes_and_takes_the_dashboard_and_the_alerts(start: Callable[..., Any], tmp_path: Path) -> None:
    with start() as server, prometheus(server, tmp_path) as query:

        def value(expression: str) -> float:
            found = query("query", query=expression)["result"]
            return float(found[0]["value"][1]) if found else 0.0

        ask(server, 200)
        wait_until(lambda: value('sum(lm_predictions_total{job="lm-api"})') == 200)
        wait_until(lambda: value(f'sum({REQUESTS}_count{{route="{VALUE}", status="200"}})') == 200)
        assert value("count(process_resident_memory_bytes{worker=~'0|1'})") == 2
        assert value('lm_model_info{model="timedistance"}') == 1
        assert value('up{job="lm-api"}') == 1

        there = set(query("label/__name__/values"))
        there |= {"lm_extrapolations_total"}  # has no series before there is one
        for expression in expressions(DASHBOARD.read_text()):
            query("query", query=expression)
            assert set(re.findall(r"\b(?:lm|process)_\w+", expression)) <= there, expression
        groups = query("rules")["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        assert re.findall(r"^\| `(Lm\w+)` \|", PAGE, re.MULTILINE) == [rule["name"] for rule in rules]
        assert len(rules) == 5
        for rule in rules:
            names = set(re.findall(r"\b(?:lm|up)(?:_\w+)?\b", re.sub(r'"[^"]*"', "", rule["query"])))
            assert names, rule
            assert names <= there


def expressions(dashboard: str) -> list[str]:
    """What the dashboard asks; Grafana fills the variables in."""
    panels = json.loads(dashboard)["panels"]
    found = [target["expr"] for panel in panels for target in panel["targets"]]
    assert len(found) >= len(panels) >= 10
    return [text.replace("$__rate_interval", "1m").replace("$instance", ".*") for text in found]


@pytest.mark.parametrize("command", [["check", "rules", str(ALERTS)], ["test", "rules", "tests/observe/alerts.yml"]])
def test_promtool_accepts_the_alerts(command: list[str]) -> None:
    done = subprocess.run(["promtool", *command], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout
