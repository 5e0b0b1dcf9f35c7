"""No request makes an error 500, a traceback, or a log that fills the disk."""

import http.client
import json
import logging
import socket
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from email.message import Message
from pathlib import Path

import pytest
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.test import Client, RequestFactory
from pytest_django import Settings

from lm_app.api import headers_about
from ml_api.gate import bounded_bodies
from ml_api.log import RateLimit
from ml_api.problems import bad_request
from tests.conftest import Server, StartServer, without_requests

URL = "/lm/api/predict"
POST = f"POST {URL} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
SECURITY_HEADERS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


def connection(server: Server) -> http.client.HTTPConnection:
    return http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)


def raw(server: Server, request: bytes) -> tuple[int, Message, str]:
    """The status, the headers and the text of the response."""
    with server.connect() as connected:
        connected.sendall(request)
        with http.client.HTTPResponse(connected) as response:
            response.begin()
            return response.status, response.headers, response.read().decode()


def problem(text: str) -> str:
    """The detail of a problem document, which the text has to be."""
    document = json.loads(text)
    assert document.keys() >= {"type", "title", "status", "detail"}
    return str(document["detail"])


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_more_parameters_than_are_read_are_a_problem(models: Path, client: Client, method: str) -> None:
    query = "&".join(f"a{i}=1" for i in range(1001))
    response = client.generic(method, f"{URL}?{query}", "[]", content_type="application/json")
    assert response.status_code == 400
    assert "more than 1000 parameters" in problem(response.content.decode())


@pytest.mark.parametrize("charset", ["utf-8", "utf-16", "base64", "rot13", "undefined", "idna", "unicode_escape", "x"])
def test_the_charset_of_a_body_is_not_that_of_the_query(shared_server: Server, charset: str) -> None:
    """Django would read the query by it, before there is anything that answers errors."""
    head = f"Content-Type: text/csv; charset={charset}\r\nContent-Length: 13\r\n\r\ndistance\n29.5"
    host = "HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    for query, found in (("interval=%C3%BC", (400, 422)), ("&".join(["a=1"] * 1001), (400,)), ("", (200, 400, 415))):
        status, _, text = raw(shared_server, f"POST {URL}?{query} {host}{head}".encode())
        assert status in found, text
        assert status == 200 or problem(text)


@pytest.mark.parametrize("charset", ["base64", "rot13", "undefined", "x"])
def test_an_empty_body_in_a_charset_that_is_none(shared_server: Server, charset: str) -> None:
    """Python decodes nothing to nothing without a look at the charset's name."""
    head = f"POST {URL} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: text/csv; charset={charset}"
    status, _, text = raw(shared_server, f"{head}\r\nContent-Length: 0\r\n\r\n".encode())
    assert status == 400
    assert problem(text)


def test_an_encoding_of_host_names_is_none_of_bodies(shared_server: Server) -> None:
    """Half a megabyte would take Python seconds, and the time grows with the square of the length."""
    body = b"distance\n" + b"6\n" * 100
    for charset in ("punycode", "idna", "Punycode"):
        head = POST.replace("application/json", f"text/csv; charset={charset}")
        status, _, text = raw(shared_server, f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        assert status == 400
        assert "there is no encoding" in problem(text)


NEST = "[" * 1000 + "]" * 1000


@pytest.mark.parametrize(
    "body",
    [
        f'[{{"distance": 1, "distance": {NEST}}}]',
        f'[{{"distance": {NEST}}}]',
        f'[{{"distance": 6, "distance": 6, "other": {NEST}}}]',
        f'{{"distance": {NEST}}}',
        NEST,
        '{"a":' * 1000 + "1" + "}" * 1000,
        "[" * 100_000,
    ],
)
def test_nested_json_is_the_clients_fault(models: Path, client: Client, body: str) -> None:
    response = client.post(URL, body, content_type="application/json")
    assert response.status_code in (400, 422)
    assert len(response.content) < 10_000
    problem(response.content.decode())


@pytest.mark.parametrize(
    ("host", "told"),
    [
        (
            "foreign.example:8000",
            "The host 'foreign.example' is not answered here; to have it answered, add it to the setting "
            "ALLOWED_HOSTS, and start the server anew.",
        ),
        (
            "a b",
            "The request's Host, 'a b', is no host name; ask by one that the setting ALLOWED_HOSTS lists.",
        ),
    ],
)
def test_a_foreign_host_is_one_line_that_names_it_and_the_setting(
    models: Path, client: Client, caplog: pytest.LogCaptureFixture, host: str, told: str
) -> None:
    response = client.get(f"{URL}/29.5", headers={"host": host})
    assert response.status_code == 400
    assert problem(response.content.decode()) == told
    [record] = [record for record in caplog.records if record.name == "ml_api.problems"]
    assert (record.getMessage(), record.exc_info) == (told, None)


def test_what_else_django_refuses_is_a_problem() -> None:
    response = bad_request(RequestFactory().get("/"), SuspiciousOperation())
    assert response.status_code == 400
    assert problem(response.content.decode()) == "The server does not answer such a request."


def test_a_path_makes_no_line_of_its_own_in_the_log(
    models: Path, client: Client, caplog: pytest.LogCaptureFixture
) -> None:
    (models / "timedistance" / "live").unlink()
    for version in (models / "timedistance" / "versions").iterdir():
        (version / "manifest.json").unlink()
    assert client.get("/lm/api/predict/6%0aCRITICAL%20forged").status_code == 503
    [line] = [record.getMessage() for record in caplog.records if record.name == "ml_api.api"]
    assert line.startswith("/lm/api/predict/6%0ACRITICAL%20forged: ")


@pytest.mark.parametrize("kind", ["gunicorn", "gunicorn gthread"])
def test_uploads_broken_off_are_neither_errors_nor_tracebacks(serve: StartServer, kind: str) -> None:
    head = (
        f"POST {URL} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 3000000\r\n\r\n"
    )
    with serve(kind) as server:
        for i in range(60):
            with server.connect() as connected:
                connected.sendall(head.encode() + b"[" * (10 if i % 2 else 100_000))
                if i % 3:  # a reset instead of a proper end
                    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert server.get(f"{URL}/29.5") == b"47.736486"
        assert server.interrupt() < 5
        log = server.log.read_text()
    assert "Traceback" not in log
    assert "Internal Server Error" not in log
    assert (1 if "gthread" in kind else 0) <= log.count("broke off its body") <= 20


@pytest.mark.parametrize(("kind", "lines"), [("gunicorn", 0), ("gunicorn gthread", 20)])
def test_faults_of_clients_do_not_fill_the_log(serve: StartServer, kind: str, lines: int) -> None:
    def be_foreign(server: Server) -> None:
        with closing(connection(server)) as asking:
            for _ in range(250):
                asking.request("GET", f"{URL}/29.5", headers={"Host": "foreign.example"})
                assert asking.getresponse().read()
        for _ in range(50):
            assert raw(server, b"NO REQUEST\r\n\r\n")[0] == 400

    with serve(kind) as server:
        with ThreadPoolExecutor(4) as clients:
            for done in [clients.submit(be_foreign, server) for _ in range(4)]:
                done.result()
        assert server.get(f"{URL}/29.5") == b"47.736486"
        assert server.interrupt() < 5
        log = server.log.read_text()
    assert log.count("foreign.example") == 20
    assert log.count("Invalid request from") == lines
    assert len(without_requests(log)) < 15_000


def test_the_log_says_how_many_lines_were_left_out(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    now = 1000.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    logger, handler = logging.Logger("clients"), logging.StreamHandler()
    handler.addFilter(RateLimit())
    logger.addHandler(handler)

    def log(times: int) -> list[str]:
        for i in range(times):
            logger.warning("fault %s", i)
        return capsys.readouterr().err.splitlines()

    assert log(100) == [f"fault {i}" for i in range(20)]
    logger.warning("of another kind")
    assert capsys.readouterr().err == "of another kind\n"
    now += 61
    assert log(2) == ["fault 0 (80 such lines before it were left out)", "fault 1"]
    now += 61
    assert log(1) == ["fault 0"]


ANSWERS = {
    "/": 200,
    "/lm": 200,
    "/lm/api/docs": 200,
    "/healthz": 200,
    "/readyz": 200,
    "/static/ninja/swagger-ui.css": 200,
    "/static/nothing": 404,
    "/nothing": 404,
    f"{URL}/29.5": 200,
    f"{URL}/99": 422,
    "/lm/api/models/nothing": 404,
    "/lm/api/plots/fit.svg": 200,
}


def test_every_response_has_the_security_headers(models: Path, client: Client) -> None:
    responses = [(path, client.get(path), status) for path, status in ANSWERS.items()]
    responses += [(path, client.delete(path), 405) for path in (URL, "/lm/api", "/static/ninja/swagger-ui.css")]
    responses += [("foreign host", client.get("/lm", headers={"host": "foreign.example"}), 400)]
    for path, response, status in responses:
        assert response.status_code == status, path
        assert SECURITY_HEADERS.items() <= dict(response.headers).items(), path
        if status >= 400:
            assert response["Content-Type"] == "application/problem+json", path
        response.close()


HOST = b"Host: localhost\r\n"


NO_REQUESTS = {
    b"NO REQUEST\r\n\r\n": 400,
    b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n": 400,
    b"GET / HTTP/1.1\r\nHost: localhost\r\nSCRIPT_NAME: /x\r\n\r\n": 200,
}


MANY_HEADERS = b"GET / HTTP/1.1\r\n" + HOST + b"X: 1\r\n" * 200 + b"\r\n"


def long_url(characters: int) -> bytes:
    return b"GET /" + b"9" * characters + b" HTTP/1.1\r\n" + HOST + b"\r\n"


def test_what_is_no_request_gets_its_status(shared_server: Server) -> None:
    """Of Rust's HTTP, and so without a document."""
    for request, status in {**NO_REQUESTS, long_url(70_000): 414, MANY_HEADERS: 431}.items():
        found, headers, _ = raw(shared_server, request)
        assert found == status
        assert status == 200 or headers["Connection"] == "close"


def test_gunicorns_own_errors_are_problem_documents(serve: StartServer) -> None:
    expecting = b"GET / HTTP/1.1\r\n" + HOST + b"Expect: wonders\r\n\r\n"
    with serve("gunicorn gthread") as server:
        for request, status in {**NO_REQUESTS, expecting: 417, long_url(2_000_000): 431}.items():
            found, headers, text = raw(server, request)
            assert found == status
            assert SECURITY_HEADERS.items() <= dict(headers).items()
            if status >= 400:
                assert (headers["Content-Type"], headers["Connection"]) == ("application/problem+json", "close")
                problem(text)


@pytest.mark.parametrize(("kind", "unread"), [("gunicorn", None), ("gunicorn gthread", "close")])
def test_a_body_that_is_not_read_closes_its_connection_and_says_so(
    serve: StartServer, kind: str, unread: str | None
) -> None:
    """Rust's HTTP has read a body of an allowed length, whether it is wanted or not."""
    with serve(kind, LM_MAX_BYTES="200000") as server:

        def ask(content_type: str, body: bytes) -> tuple[int, str | None]:
            with closing(connection(server)) as asking:
                asking.request("POST", URL, body, {"Content-Type": content_type})
                response = asking.getresponse()
                response.read()
                if response.headers["Connection"] != "close":
                    asking.request("GET", f"{URL}/29.5")
                    assert asking.getresponse().read() == b"47.736486"
                return response.status, response.headers["Connection"]

        one = b'[{"distance": 6}]'
        kept = "keep-alive" if unread else None
        assert ask("application/json", one) == (200, kept)
        assert ask("application/json", b"no JSON") == (400, kept)
        assert ask("image/png", one) == (415, unread)
        assert ask("image/png", b"x" * 100_000) == (415, unread)
        head = f"{POST}Content-Length: 200001\r\n\r\n"
        status, headers, text = raw(server, head.encode())
        assert (status, headers["Connection"]) == (413, "close")
        assert "more than 200000 bytes" in problem(text)


def test_an_etag_changes_with_the_software(models: Path, client: Client, settings: Settings) -> None:
    etag = client.get(f"{URL}/29.5")["ETag"]
    assert client.get(f"{URL}/29.5", headers={"if-none-match": etag}).status_code == 304
    settings.LM_SOFTWARE_VERSION = "99.0.0"
    headers_about.cache_clear()  # another process has none of it
    assert client.get(f"{URL}/29.5", headers={"if-none-match": etag}).status_code == 200
    headers_about.cache_clear()


def test_if_match_admits_only_the_version_that_it_names(models: Path, client: Client) -> None:
    etag = client.get(f"{URL}/29.5")["ETag"]
    for if_match, status in ((etag, 200), (f'"a", {etag}', 200), ("*", 200), ('"a"', 412), (f"W/{etag}", 412)):
        assert client.get(f"{URL}/29.5", headers={"if-match": if_match}).status_code == status, if_match
        posted = client.post(URL, '[{"distance": 6}]', content_type="application/json", headers={"if-match": if_match})
        assert posted.status_code == status, if_match
    assert etag in problem(client.get(f"{URL}/29.5", headers={"if-match": '"a"'}).content.decode())


@pytest.mark.parametrize("kind", ["gunicorn", "gunicorn gthread"])
def test_hsts_is_sent_over_https_where_it_is_set(serve: StartServer, kind: str) -> None:
    """A proxy on this host says that it came by HTTPS; gunicorn believes it."""
    with serve(kind, SECURE_HSTS_SECONDS="60") as server, closing(connection(server)) as asking:
        for headers, expected in (({"X-Forwarded-Proto": "https"}, "max-age=60"), ({}, None)):
            asking.request("GET", "/lm", headers=headers)
            response = asking.getresponse()
            assert response.read()
            assert response.headers["Strict-Transport-Security"] == expected
    with serve(kind, SECURE_HSTS_SECONDS="60", FORWARDED_ALLOW_IPS="192.0.2.1") as server:
        _, found, _ = raw(server, b"GET /lm HTTP/1.1\r\n" + HOST + b"X-Forwarded-Proto: https\r\n\r\n")
        assert "Strict-Transport-Security" not in found


def post_of(size: int) -> HttpRequest:
    return RequestFactory().post(URL, b"x" * size, content_type="text/csv")


@pytest.mark.parametrize(
    ("first", "second", "status"),
    [(800_000, 700_000, 503), (800_000, 60_000, 200), (200_000, 700_000, 200), (2_000_000, 700_000, 503)],
)
def test_more_bytes_than_may_be_in_work_are_asked_to_come_back(
    settings: Settings, first: int, second: int, status: int
) -> None:
    """Small bodies always get in, and one that is larger than all that is allowed gets in alone."""
    settings.LM_MAX_BYTES_AT_ONCE = 1_000_000
    beside: list[int] = []

    def get_response(request: HttpRequest) -> HttpResponse:
        if len(request.body) == first:
            beside.append(gate(post_of(second)).status_code)
        return HttpResponse()

    gate: Callable[[HttpRequest], HttpResponse] = bounded_bodies(get_response)
    assert gate(post_of(first)).status_code == 200
    assert beside == [status]
    assert gate(post_of(second)).status_code == 200  # what is done is no longer counted


def test_beside_a_large_upload_others_are_told_when_to_come_back(serve: StartServer) -> None:
    body = b'{"distance": [' + b"6," * 100_000 + b"6]}"
    head = f"{POST}Content-Length: {len(body)}\r\n\r\n"
    with serve("gunicorn", LM_MAX_BYTES_AT_ONCE="300000") as server:
        with server.connect() as first:
            first.sendall(head.encode() + body[:100_000])
            while True:  # until the server is at work on the first
                status, headers, text = raw(server, head.encode() + body)
                if status == 503:
                    break
                assert status == 413
            assert headers["Retry-After"] == "1"
            assert "try again" in problem(text)
            assert server.get(f"{URL}/29.5") == b"47.736486"
            with server.connect() as broken_off:
                broken_off.sendall(head.encode() + body[:70_000])
                broken_off.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert server.interrupt() < 5
        assert "Traceback" not in server.log.read_text()
