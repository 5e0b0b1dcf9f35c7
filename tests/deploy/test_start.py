"""What a start says: the URL to open, or in one line what is wrong and what to do."""

import os
import re
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from django.test import Client
from pytest_django import Settings

from ml_api import hosts
from ml_api.probes import READY_PATH
from tests.conftest import ROOT, SERVERS, StartServer, free_port, live_file, live_version

WHOLE = "Not a whole number above {}."
HOST = (
    "Not a host name: write it without scheme, port, path, blanks and quotes, "
    "such as models.example.org, .example.org, [::1] or *; several with commas."
)
ORIGIN = (
    "Not an origin: write scheme, host and port as browsers do, without a path, "
    "such as https://www.example.org or http://localhost:3000; several with commas, or * for all."
)
KEYS = "A new pair: python contrib/setup_env_and_terraform.py --new-signing-key"
NO_R = "There is no R in PATH: install it (Debian's r-base-core), or set R_HOME to its folder."
URL = "write scheme and host, such as http://localhost:4318."
IKEY = "InstrumentationKey=01234567-89ab-cdef-0123-456789abcdef"
STRING = (
    "connection string: copy it from Application Insights as it is, "
    "InstrumentationKey=00000000-0000-0000-0000-000000000000;IngestionEndpoint=https://..."
)
WRONG = [
    ("SECRET_KEY", "", "SECRET_KEY is not set: run 'python contrib/setup_env_and_terraform.py', which writes a random "
     "one to .env."),
    ("DEBUG", "maybe", "DEBUG has value 'maybe'. Not a boolean: write True or False."),
    *(("ALLOWED_HOSTS", wrong, f"ALLOWED_HOSTS has {wrong!r}. {HOST}")
      for wrong in ("http://lm.example", "lm.example:8000", "lm.example/", "a b", '"lm.example"', "[::1", "*.example")),
    ("CORS_ALLOWED_ORIGINS", "localhost:3000", f"CORS_ALLOWED_ORIGINS has 'localhost:3000'. {ORIGIN}"),
    ("CORS_ALLOWED_ORIGINS", "*,https://a.example/", f"CORS_ALLOWED_ORIGINS has 'https://a.example/'. {ORIGIN}"),
    ("SCRIPT_NAME", "stats", "SCRIPT_NAME has value 'stats'. Not a path: it starts with a slash, such as /stats."),
    ("LOG_FORMAT", "xml", "LOG_FORMAT has value 'xml'. Write one of: json, text."),
    ("LM_MAX_ROWS", "-3", f"LM_MAX_ROWS has value '-3'. {WHOLE.format(0)}"),
    ("LM_METRICS", "yes", "LM_METRICS has value 'yes'. Write one of: off, open, key."),
    ("LM_PREDICTION_LOG", "/no/log", "LM_PREDICTION_LOG has value '/no/log'. Not a folder that can be written: make it "
     "first."),
    ("LM_PREDICTION_LOG_FORMAT", "csv", "LM_PREDICTION_LOG_FORMAT has value 'csv'. Write one of: jsonl, parquet."),
    ("LM_TRAINING_SECONDS", "1.5", f"LM_TRAINING_SECONDS has value '1.5'. {WHOLE.format(-1)}"),
    ("LM_SIGNING_KEY", "secret", f"LM_SIGNING_KEY is not a private Ed25519 key, 64 characters of base64. {KEYS}"),
    *(("OTEL_EXPORTER_OTLP_ENDPOINT", wrong, f"OTEL_EXPORTER_OTLP_ENDPOINT is not a URL: {URL}")
      for wrong in ("localhost:4318", "http://", "grpc://localhost:4317")),
    *(("APPLICATIONINSIGHTS_CONNECTION_STRING", wrong, f"APPLICATIONINSIGHTS_CONNECTION_STRING is not a {STRING}")
      for wrong in ("InstrumentationKey=abc", IKEY.upper(), f"{IKEY};", f"{IKEY};IngestionEndpoint=localhost",
                    f"{IKEY};IngestionEndpoint=https://a b")),
]  # fmt: skip
WRONG_OF_GUNICORN = [
    ("PORT", "abc", f"PORT has value 'abc'. {WHOLE.format(0)}"),
    ("PORT", "70000", "PORT has value '70000'. Not a port: they end at 65535."),
    ("WEB_CONCURRENCY", "many", f"WEB_CONCURRENCY has value 'many'. {WHOLE.format(0)}"),
    ("WEB_CONCURRENCY", "0", f"WEB_CONCURRENCY has value '0'. {WHOLE.format(0)}"),
    ("PIN_WORKERS", "maybe", "PIN_WORKERS has value 'maybe'. Not a boolean: write True or False."),
    ("SHUTDOWN_DELAY", "soon", f"SHUTDOWN_DELAY has value 'soon'. {WHOLE.format(-1)}"),
    ("SECURE_HSTS_SECONDS", "soon", f"SECURE_HSTS_SECONDS has value 'soon'. {WHOLE.format(-1)}"),
    (
        "FORWARDED_ALLOW_IPS",
        "10.0.0.x",
        "FORWARDED_ALLOW_IPS: '10.0.0.x' does not appear to be an IPv4 or IPv6 network; "
        "write such as 10.0.0.1,10.1.0.0/16 or *.",
    ),
]
MANAGE = [sys.executable, "manage.py", "check"]


def complaint(command: list[str], **environment: str) -> str:
    """What a command that ends with status 1 says on stderr."""
    variables = {**os.environ, "DJANGO_SETTINGS_MODULE": "ml_api.settings", **environment}
    if "R_HOME" not in environment:  # R sets it in this process, once a test has started it here
        variables.pop("R_HOME", None)
    done = subprocess.run(command, env=variables, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr


@pytest.mark.parametrize(("name", "value", "told"), WRONG + WRONG_OF_GUNICORN)
def test_a_wrong_setting_is_one_line(name: str, value: str, told: str) -> None:
    assert complaint(SERVERS["make run"], **{name: value}) == f"{told}\n"
    if (name, value, told) in WRONG:
        assert complaint(MANAGE, **{name: value}) == f"manage.py: {told}\n"


def test_make_run_starts_what_is_tested_here() -> None:
    assert f"$(BIN)/python {' '.join(SERVERS['make run'][1:])}\n" in (ROOT / "Makefile").read_text()


@pytest.mark.parametrize("command", ["make run", "gunicorn gthread"])
def test_a_missing_r_is_one_line(command: str, tmp_path: Path) -> None:
    assert complaint(SERVERS[command], PATH=str(tmp_path)) == f"{NO_R}\n"
    for script in ("update_lm", "versions_lm"):
        said = complaint([sys.executable, "manage.py", "runscript", script], PATH=str(tmp_path))
        assert said == f"manage.py: {NO_R}\n"


def test_an_rpy2_that_cannot_load_r_is_told(tmp_path: Path) -> None:
    (tmp_path / "_rinterface_cffi_api.py").write_text("raise ImportError('libR.so: undefined symbol: R_x')\n")
    told = complaint(SERVERS["make run"], PYTHONPATH=str(tmp_path), RPY2_CFFI_MODE="API")
    assert told == (
        "rpy2 can't load R: libR.so: undefined symbol: R_x. If R has changed, compile rpy2 for it anew: remove .venv, "
        "and set it up again.\n"
    )


def test_an_r_that_cannot_start_is_one_line_of_ours(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "Rscript").write_text("#!/bin/sh\necho why >&2\nexit 2\n")
    (tmp_path / "bin" / "Rscript").chmod(0o755)
    said = complaint(SERVERS["make run"], R_HOME=str(tmp_path), RPY2_CFFI_MODE="API", PORT=free_port())
    assert said.endswith("why\nR can't start, the log says why; can it write to its temporary folder (TMPDIR)?\n")
    assert "Traceback" not in said


UNREADABLE = {
    "modelr.pickle": "modelr.pickle can't be read: Is a directory",
    "model_info.json": "model_info.json can't be read: No such file or directory",
    "manifest.json": "its manifest can't be read: No such file or directory",
}


@pytest.mark.parametrize("file", UNREADABLE)
def test_an_unreadable_model_is_one_line_that_says_why(
    models: Path, client: Client, caplog: pytest.LogCaptureFixture, file: str
) -> None:
    unreadable = live_file(models, file)
    unreadable.unlink()
    if file == "modelr.pickle":
        unreadable.mkdir()
    cause = f"version {live_version(models)}: {UNREADABLE[file]}"
    told = (
        f"Model 'timedistance' has no version that can be served: {cause}; mend that, or train it anew: "
        "python manage.py runscript update_lm --script-args timedistance"
    )
    assert client.get("/lm/api/predict/29.5").json()["detail"] == told
    assert client.get(READY_PATH).json()["detail"] == f"{told} (LM_DEFAULT_MODEL is 'timedistance')"
    assert [record.getMessage() for record in caplog.records] == [
        f"model timedistance: {cause}",
        f"/lm/api/predict/29.5: {told}",
        f"{READY_PATH}: {told} (LM_DEFAULT_MODEL is 'timedistance')",
    ]


def test_a_model_without_permission_is_told_with_the_user_who_needs_it(serve: StartServer, models: Path) -> None:
    live_file(models, "modelr.pickle").chmod(0)
    without_override = "setpriv --bounding-set -dac_override,-dac_read_search" if os.geteuid() == 0 else ""
    with serve("make run", without_override, LOG_FORMAT="text") as server:
        status, told = server.refusal("/lm/api/predict/29.5")
        log = server.log.read_text()
    cause = (
        f"version {live_version(models)}: modelr.pickle can't be read: Permission denied; "
        f"let user {os.getuid()}, as whom this runs, read it"
    )
    assert status == 503
    assert f"can be served: {cause}; mend that" in told
    assert f"] [ERROR] lm_app.store.live: model timedistance: {cause}\n" in log
    where = f"(LM_MODELS_DIR is {models}, and LM_DEFAULT_MODEL timedistance)"
    assert f"] [WARNING] {told} {where}\n" in log


def test_an_unknown_default_model_is_told_with_its_setting(serve: StartServer, models: Path) -> None:
    variables = {"LOG_FORMAT": "text", "DJANGO_SETTINGS_MODULE": "ml_api.settings"}
    with serve("make run", LM_DEFAULT_MODEL="cars", **variables) as server:
        told = "There is no model 'cars'; there are: heightweight, mtcars, timedistance."
        assert server.refusal(READY_PATH) == (503, f"{told} (LM_DEFAULT_MODEL is 'cars')")
        log = server.log.read_text()
    assert f"[WARNING] {told} (LM_MODELS_DIR is {models}, and LM_DEFAULT_MODEL cars)\n" in log
    assert f"[WARNING] ml_api.health: {READY_PATH}: {told} (LM_DEFAULT_MODEL is 'cars') (request " in log
    assert "Service Unavailable" not in log


def test_make_run_says_what_to_open_and_writes_a_line_for_each_request(serve: StartServer) -> None:
    variables = {"LOG_FORMAT": "text", "DJANGO_SETTINGS_MODULE": "ml_api.settings"}
    with serve("make run", ALLOWED_HOSTS="127.0.0.1,localhost", **variables) as server:
        port = server.url.rpartition(":")[2]
        server.refusal("/lm/api/predict/33")
        server.interrupt()  # the line of a request is written after its answer
        log = server.log.read_text()
    assert f"[INFO] Open http://127.0.0.1:{port}/lm (ALLOWED_HOSTS: 127.0.0.1, localhost)\n" in log
    assert re.search(
        r'\[INFO\] 127\.0\.0\.1 "GET /lm/api/predict/33" 422 \d+ bytes [\d.]+ ms \(request [0-9a-f]{32}\)\n', log
    )
    for line in log.splitlines():
        assert re.match(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d [+-]\d{4}\] \[\d+\] \[[A-Z]+\] ", line), line


@pytest.mark.parametrize(
    ("names", "path", "url"),
    [
        (["*"], None, "http://localhost:8000/lm"),
        ([".example.org", "lm.example.com"], "/stats", "http://lm.example.com:8000/stats/lm"),
        (["[::1]"], None, "http://[::1]:8000/lm"),
    ],
)
def test_the_url_to_open_has_a_name_that_is_answered(
    settings: Settings, names: list[str], path: str | None, url: str
) -> None:
    settings.ALLOWED_HOSTS, settings.FORCE_SCRIPT_NAME = hosts.checked(names), path
    assert hosts.url_to_open(8000) == url


def test_ipv4_and_ipv6_are_answered_and_proxies_of_ipv4_believed(serve: StartServer) -> None:
    hsts = {"SECURE_HSTS_SECONDS": "60", "DJANGO_SETTINGS_MODULE": "ml_api.settings", "ALLOWED_HOSTS": ""}
    for trusted, believed in (("127.0.0.0/8", [True, False]), ("::1", [False, True]), ("*", [True, True])):
        with serve("gunicorn gthread", FORWARDED_ALLOW_IPS=trusted, **hsts) as server:
            found = []
            for host in ("127.0.0.1", "[::1]"):
                url = f"{server.url.replace('127.0.0.1', host)}/lm/api/predict/29.5"
                request = urllib.request.Request(url, headers={"X-Forwarded-Proto": "https"})
                with urllib.request.urlopen(request, timeout=20) as answer:
                    assert answer.read() == b"47.736486"
                    found.append("Strict-Transport-Security" in answer.headers)
        assert found == believed
