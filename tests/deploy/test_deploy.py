"""The deployment: Django behind App Service, and the files that must agree about it."""

import contextlib
import http.client
import os
import re
import runpy
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ml_api.probes import HEALTH_PATH, PROBES
from tests.conftest import ROOT, Server, StartServer, free_port
from tests.observe.receiver import CONNECTION_STRING, receiving

HOSTNAME = "my-app-hash.westeurope-01.azurewebsites.net"
LINK_LOCAL = "169.254.130.4"  # as which App Service's start-up pings come
APP_SERVICE = {
    "DJANGO_SETTINGS_MODULE": "ml_api.settings",
    "SECRET_KEY": "0123456789" + "abcdefghij" * 5,
    "WEBSITE_HOSTNAME": HOSTNAME,
}
DOCKERFILE = (ROOT / "Dockerfile").read_text()
MAIN_TF = (ROOT / "terraform" / "main.tf").read_text()


@pytest.fixture
def app_service(models: Path, tmp_path: Path) -> Iterator[Server]:
    """The server as App Service starts it."""
    port = free_port()
    variables = {**os.environ, **APP_SERVICE, "PORT": port, "LM_MODELS_DIR": str(models)}
    command = [sys.executable, "-m", "gunicorn", "ml_api.wsgi"]
    with (tmp_path / "log").open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, env=variables, stdout=output, stderr=output)
    server = Server(process, f"http://127.0.0.1:{port}", tmp_path / "log")
    try:
        for _ in range(300):
            with contextlib.suppress(ConnectionRefusedError):
                ask(server, HEALTH_PATH)
                break
            time.sleep(0.1)
        yield server
    finally:
        process.terminate()
        process.wait(timeout=30)  # gunicorn kills a worker that was just forked, and heard nothing, after 20 s


def ask(server: Server, path: str, **headers: str) -> tuple[int, http.client.HTTPMessage]:
    """The status and headers of the answer itself: no redirect is followed."""
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=20)
    connection.request("GET", path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    answer = connection.getresponse()
    answer.read()
    connection.close()
    return answer.status, answer.headers


def test_behind_app_service_http_is_redirected_but_for_probes(app_service: Server) -> None:
    for path in PROBES:
        assert ask(app_service, path, Host=LINK_LOCAL)[0] == 200
    status, headers = ask(app_service, "/lm/api/predict/29.5", Host=HOSTNAME)
    assert (status, headers["Location"]) == (301, f"https://{HOSTNAME}/lm/api/predict/29.5")


def test_behind_app_service_https_is_answered_for_both_slots(app_service: Server) -> None:
    for host in (HOSTNAME, HOSTNAME.replace("my-app", "my-app-staging")):
        status, headers = ask(app_service, "/lm/api/predict/29.5", Host=host, X_Forwarded_Proto="https")
        assert (status, headers["Strict-Transport-Security"]) == (200, "max-age=31536000")
    assert ask(app_service, "/lm", Host="elsewhere.example", X_Forwarded_Proto="https")[0] == 400


def test_behind_app_service_the_log_has_the_clients_address(app_service: Server) -> None:
    ask(app_service, HEALTH_PATH, X_Forwarded_For="192.0.2.1, 203.0.113.7:4711")
    app_service.process.terminate()
    assert app_service.process.wait(timeout=20) == 0
    assert f'"client":"203.0.113.7","method":"GET","path":"{HEALTH_PATH}"' in app_service.log.read_text()


def test_stop_answers_the_request_in_flight_and_takes_seconds(app_service: Server) -> None:
    request = f"POST /lm/api/predict HTTP/1.1\r\nHost: {HOSTNAME}\r\nX-Forwarded-Proto: https\r\n"
    request += "Content-Type: text/csv\r\nContent-Length: 14\r\n\r\ndistance"
    with socket.create_connection(("127.0.0.1", int(app_service.url.rpartition(":")[2])), timeout=20) as connection:
        connection.sendall(request.encode())
        time.sleep(0.5)
        app_service.process.terminate()
        time.sleep(0.5)
        connection.sendall(b"\n29.5\n")
        answer = connection.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"47.7364" in answer
    assert app_service.process.wait(timeout=5) == 0


def test_elsewhere_headers_of_a_proxy_are_not_believed(serve: StartServer) -> None:
    with serve("gunicorn sync") as server:
        status, headers = ask(server, "/lm/api/predict/29.5", X_Forwarded_Proto="https")
        assert (status, headers["Strict-Transport-Security"]) == (200, None)


def test_settings_follow_from_app_services_host_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEBSITE_HOSTNAME", HOSTNAME)
    settings = runpy.run_path(str(ROOT / "ml_api" / "settings.py"))
    assert settings["ALLOWED_HOSTS"][-1] == ".westeurope-01.azurewebsites.net"
    assert settings["SECURE_SSL_REDIRECT"] is True


def test_pages_of_other_origins_cost_nothing_until_one_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    middleware = "corsheaders.middleware.CorsMiddleware"
    assert middleware not in runpy.run_path(str(ROOT / "ml_api" / "settings.py"))["MIDDLEWARE"]
    monkeypatch.setenv("CORS_ALLOWED_ORIGINS", "https://www.example.org")
    assert runpy.run_path(str(ROOT / "ml_api" / "settings.py"))["MIDDLEWARE"][0] == middleware


@pytest.mark.parametrize("hostname", [HOSTNAME, ""])
def test_check_deploy_says_nothing(hostname: str) -> None:
    environment = {**os.environ, **APP_SERVICE, "WEBSITE_HOSTNAME": hostname, "DEBUG": "False"}
    check = [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"]
    done = subprocess.run(check, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert "no issues" in done.stdout


def test_application_insights_gets_the_urls_that_clients_asked(
    monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    with receiving() as insights:
        monkeypatch.setenv("APPLICATIONINSIGHTS_CONNECTION_STRING", CONNECTION_STRING.format(insights.url))
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        server = request.getfixturevalue("app_service")
        assert ask(server, "/lm/api/models", Host=HOSTNAME, X_Forwarded_Proto="https")[0] == 200
        told: list[str] = []
        deadline = time.monotonic() + 30
        while f"https://{HOSTNAME}/lm/api/models" not in told:
            assert time.monotonic() < deadline, told
            told = [envelope["data"]["baseData"]["url"] for envelope in insights.envelopes("RequestData")]
            time.sleep(0.05)


def test_port_is_the_same_everywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PORT", raising=False)
    port = runpy.run_path(str(ROOT / "gunicorn.conf.py"))["bind"].rpartition(":")[2]
    assert re.findall(r"^EXPOSE (\d+)$", DOCKERFILE, re.MULTILINE) == [port]
    assert f'get(\\"PORT\\") or {port}' in DOCKERFILE
    assert re.findall(r"\bport += (\d+)", MAIN_TF) == [port]


def test_health_path_is_one_of_ours_everywhere() -> None:
    assert HEALTH_PATH in DOCKERFILE  # which restarts what fails
    [of_app_service] = re.findall(r'health_path += "(.*?)"', MAIN_TF)
    assert of_app_service in PROBES


def test_app_service_waits_longer_for_the_end_than_gunicorn_does() -> None:
    graceful = runpy.run_path(str(ROOT / "gunicorn.conf.py"))["graceful_timeout"]
    limit = re.findall(r"WEBSITES_CONTAINER_STOP_TIME_LIMIT += (\d+)", MAIN_TF)
    assert graceful < int(limit[0])


def test_the_image_gets_the_server_and_no_secret() -> None:
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert lines[0] == "*"
    let_in = {line.removeprefix("!/") for line in lines if line.startswith("!")}
    server = {"extra_files", "gunicorn.conf.py", "lm_app", "manage.py", "ml_api", "requirements.txt", "scripts"}
    server |= set(re.findall(r"contrib/requirements-\S+\.txt(?= .*contrib/$)", DOCKERFILE, re.MULTILINE))
    assert let_in == server | {"CHANGELOG.md", "LICENSE", "contrib/lm.R", "extra_files/*/versions/*/manifest.json"}
    assert "**/.*" in lines


def test_the_image_is_not_root_and_has_no_secret() -> None:
    last_stage = DOCKERFILE.rpartition("\nFROM ")[2]
    assert re.findall(r"^USER (\d+):\d+$", last_stage, re.MULTILINE) == ["10001"]
    assert "SECRET_KEY" not in last_stage


@pytest.mark.parametrize("name", ["test.yml", "release.yml"])
def test_actions_are_pinned_and_may_only_read(name: str) -> None:
    workflow = (ROOT / ".github" / "workflows" / name).read_text()
    for action in re.findall(r"uses: (?!\./)(\S+)", workflow):
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action), action
    assert "\npermissions:\n  contents: read\n" in workflow
    assert re.findall(r"(\w+): write", workflow) == (["packages"] if name == "release.yml" else [])
