"""Traces arrive at a receiver of OTLP, and at one that stands for Azure's, from real servers."""

import json
import re
import shutil
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from ml_api.version import VERSION
from tests.conftest import Server, StartServer, free_port, live_version, wait_until, without_requests
from tests.observe.receiver import CONNECTION_STRING, KEY, Receiver, receiving, values

PREDICTED = "GET /lm/api/models/<model>/predict/<value>"
SOON = {"OTEL_BSP_SCHEDULE_DELAY": "100"}  # milliseconds
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa01a902b7"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as server:
        yield server


def ask(server: Server, path: str, method: str = "GET", **headers: str) -> None:
    request = urllib.request.Request(server.url + path, method=method, headers=headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        answer.read()


def ask_many(server: Server, count: int) -> None:
    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda _: server.get("/lm/api/predict/29.5"), range(count)))
    assert answers == [b"47.736486"] * count


@pytest.mark.parametrize("kind", ["gunicorn", "gunicorn gthread", "gunicorn sync"])
def test_requests_failures_and_time_in_r_arrive_by_otlp(
    serve: StartServer, models: Path, receiver: Receiver, kind: str
) -> None:
    shutil.rmtree(models / "mtcars" / "versions")
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"{receiver.url}/", **SOON}
    before = time.time_ns()
    with serve(kind, **variables) as server:
        headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "X-Request-ID": "our-id"}
        ask(server, "/lm/api/models/heightweight/predict/55?level=.9", **headers)
        assert server.refusal("/lm/api/models/mtcars")[0] == 503
        assert server.refusal("/nothing/h%C3%A4?name=somebody")[0] == 404
        with pytest.raises(urllib.error.HTTPError, match="405"):
            ask(server, "/lm/api/predict/29.5", "BREW")
        wait_until(lambda: len(receiver.spans()) >= 6)  # one is of wait_until_answering(), and one of R
    after = time.time_ns()
    process = receiver.spans()[0][0]
    assert (process["service.name"], process["service.version"]) == ("lm-api", VERSION)
    spans = {span.name: span for _, span in receiver.spans()}
    assert set(spans) == {"GET /", PREDICTED, "R", "GET /lm/api/models/<model>", "GET", "HTTP /lm/api/predict/<value>"}

    predicted, in_r = spans[PREDICTED], spans["R"]
    assert (predicted.trace_id.hex(), predicted.parent_span_id.hex()) == (TRACE, PARENT)
    assert predicted.kind == Span.SPAN_KIND_SERVER
    attributes = values(predicted.attributes)
    r_seconds = attributes.pop("lm.r_seconds")
    assert attributes.pop("lm.request_id") == "our-id"
    assert attributes == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.response.body.size": 129,
        "http.route": "/lm/api/models/<model>/predict/<value>",
        "url.scheme": "http",
        "url.path": "/lm/api/models/heightweight/predict/55",
        "server.address": "127.0.0.1",
        "lm.model": "heightweight",
        "lm.version": live_version(models, "heightweight"),
        "lm.rows": 1,
    }
    assert (in_r.trace_id, in_r.parent_span_id) == (predicted.trace_id, predicted.span_id)
    assert in_r.end_time_unix_nano - in_r.start_time_unix_nano == pytest.approx(r_seconds * 1e9, abs=2)
    assert before < predicted.start_time_unix_nano < in_r.start_time_unix_nano
    assert in_r.end_time_unix_nano == predicted.end_time_unix_nano < after

    failed, missed = spans["GET /lm/api/models/<model>"], spans["GET"]
    assert failed.status.code == Status.STATUS_CODE_ERROR
    assert values(failed.attributes)["error.type"] == "503"
    assert missed.status.code == predicted.status.code == Status.STATUS_CODE_UNSET
    assert values(missed.attributes)["url.path"] == "/nothing/h%C3%A4"
    assert b"somebody" not in missed.SerializeToString()
    assert values(spans["HTTP /lm/api/predict/<value>"].attributes)["http.request.method"] == "_OTHER"


def test_both_workers_send(serve: StartServer, receiver: Receiver) -> None:
    variables = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        "OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "process",
        "OTEL_SERVICE_NAME": "our-predictions",
        "WEB_CONCURRENCY": "2",
    }
    with serve("gunicorn", **variables) as server:
        workers = server.workers()
        assert len(workers) == 2
        count = 0

        def sent() -> bool:
            nonlocal count
            ask_many(server, 100)
            count += 100
            return {process["process.pid"] for process, _ in receiver.spans()} == workers

        wait_until(sent)
        server.process.terminate()
        assert server.process.wait(20) == 0
    # None is lost at the end: a span for each request, but for those of wait_until_answering().
    assert {process["service.name"] for process, _ in receiver.spans()} == {"our-predictions"}
    names = [span.name for _, span in receiver.spans()]
    assert names.count("GET /lm/api/predict/<value>") == names.count("R") == count


def test_azure_gets_requests_failures_and_time_in_r(serve: StartServer, models: Path, receiver: Receiver) -> None:
    shutil.rmtree(models / "mtcars" / "versions")
    variables = {
        "APPLICATIONINSIGHTS_CONNECTION_STRING": CONNECTION_STRING.format(receiver.url),
        "WEB_CONCURRENCY": "2",
        **SOON,
    }
    with serve("gunicorn", **variables) as server:
        ask(server, "/lm/api/predict/29.5", traceparent=f"00-{TRACE}-{PARENT}-01")
        assert server.refusal("/lm/api/models/mtcars")[0] == 503
        wait_until(lambda: receiver.envelopes("RemoteDependencyData") and len(receiver.envelopes("RequestData")) >= 3)
        assert "opentelemetry" not in server.log.read_text()
    assert {path for path, _ in receiver.posted} == {"/v2.1/track"}
    assert {json.loads(body)[0]["iKey"] for _, body in receiver.posted} == {KEY}
    requests = {envelope["data"]["baseData"]["name"]: envelope for envelope in receiver.envelopes("RequestData")}
    predicted = requests["GET /lm/api/predict/<value>"]
    assert predicted["tags"]["ai.cloud.role"] == "lm-api"
    assert (predicted["tags"]["ai.operation.id"], predicted["tags"]["ai.operation.parentId"]) == (TRACE, PARENT)
    told = predicted["data"]["baseData"]
    assert (told["responseCode"], told["success"]) == ("200", True)
    assert told["url"] == "http://127.0.0.1/lm/api/predict/29.5"
    assert told["properties"]["lm.version"] == live_version(models)
    assert float(told["properties"]["lm.r_seconds"]) > 0
    [in_r] = receiver.envelopes("RemoteDependencyData")
    assert in_r["data"]["baseData"]["name"] == "R"
    assert in_r["tags"]["ai.operation.parentId"] == told["id"]
    failed = requests["GET /lm/api/models/<model>"]["data"]["baseData"]
    assert (failed["responseCode"], failed["success"]) == ("503", False)


@pytest.mark.parametrize("receiver_does", ["refuse", "not answer"])
def test_a_receiver_that_is_away_neither_slows_nor_floods_nor_holds(serve: StartServer, receiver_does: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        url = f"http://127.0.0.1:{free_port() if receiver_does == 'refuse' else listening.getsockname()[1]}"
        variables = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": url,
            "APPLICATIONINSIGHTS_CONNECTION_STRING": CONNECTION_STRING.format(url),
            "OTEL_BSP_MAX_QUEUE_SIZE": "50",
            "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "10",
            "WEB_CONCURRENCY": "2",
            **SOON,
        }
        with serve("gunicorn", **variables) as server:
            ask_many(server, 1000)
            server.process.terminate()
            assert server.process.wait(20) == 0
            log = server.log.read_text()
    assert "Queue full, dropping Span." in log
    assert without_requests(log).count("\n") < 200
    assert KEY not in log
    assert "Traceback" not in log


@pytest.mark.parametrize(
    ("package", "variable"),
    [
        ("opentelemetry", "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ("azure", "APPLICATIONINSIGHTS_CONNECTION_STRING"),
    ],
)
def test_without_the_packages_it_serves_and_says_once_what_to_install(
    serve: StartServer, tmp_path: Path, package: str, variable: str
) -> None:
    (tmp_path / f"{package}.py").write_text(f"raise ModuleNotFoundError(\"No module named '{package}'\")\n")
    value = CONNECTION_STRING.format("http://127.0.0.1:1") if package == "azure" else "http://127.0.0.1:1"
    with serve("gunicorn", PYTHONPATH=str(tmp_path), WEB_CONCURRENCY="2", **{variable: value}) as server:
        assert server.get("/lm/api/predict/29.5") == b"47.736486"
        log = server.log.read_text()
    told = f"No traces are sent (No module named '{package}'): pip install -r contrib/requirements-traces.txt"
    assert log.count("No traces") == log.count(told) == 1


def test_a_wrong_setting_of_opentelemetrys_own_is_told(serve: StartServer) -> None:
    wrong = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_BSP_MAX_QUEUE_SIZE": "0"}
    with serve("gunicorn", **wrong) as server:
        assert server.get("/lm/api/predict/29.5") == b"47.736486"
        log = server.log.read_text()
    assert "No traces are sent: max_queue_size must be a positive integer." in log
    assert "Traceback" not in log


def test_sampling_is_by_opentelemetrys_own_settings(serve: StartServer, receiver: Receiver) -> None:
    variables = {"OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url, "OTEL_TRACES_SAMPLER": "parentbased_always_off"}
    with serve("gunicorn", **variables, **SOON) as server:
        ask_many(server, 20)
        ask(server, "/lm/api/predict/29.5", traceparent=f"00-{TRACE}-{PARENT}-01")
        wait_until(lambda: receiver.spans())
    assert [span.trace_id.hex() for _, span in receiver.spans()] == [TRACE, TRACE]


def imported(serve: StartServer, **environment: str) -> set[str]:
    """The packages that a server and its worker have imported, once it has predicted."""
    with serve("gunicorn", PYTHONPROFILEIMPORTTIME="1", **environment) as server:
        server.get("/lm/api/predict/29.5")
        server.process.terminate()
        server.process.wait(20)
        return set(re.findall(r"^import time:.*\| *([\w]+)", server.log.read_text(), re.MULTILINE))


def test_nothing_is_imported_that_is_not_used(serve: StartServer, receiver: Receiver) -> None:
    assert {"opentelemetry", "azure"}.isdisjoint(imported(serve))
    of_otlp = imported(serve, OTEL_EXPORTER_OTLP_ENDPOINT=receiver.url)
    assert "opentelemetry" in of_otlp
    assert "azure" not in of_otlp
