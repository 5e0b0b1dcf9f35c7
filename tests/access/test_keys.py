"""API keys: what a file of them may hold, what each may ask, and how those without are refused."""

import hmac
import os
import re
import stat
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from pytest_django import Settings

from lm_app.command_line import with_script_arguments
from ml_api.access import keys
from ml_api.access.keys import NOBODY, KeyFile, KeyRing, hash_of, lines_of, new_key, parsed
from ml_api.access.middleware import NEEDED
from tests.conftest import Server, StartServer, refusal, runscript
from tests.deploy.test_start import MANAGE, complaint

HASH = hash_of("any")
ALICE, BOB, METER = new_key("alice"), new_key("bob"), new_key("meter")
PREDICT = "/lm/api/predict/29.5"
ONE = {"wt": 2.6, "qsec": 17, "am": "manual"}


@pytest.fixture
def client(settings: Settings, shipped_models: Path) -> Client:
    """A client of a server with keys: alice may do all, bob only predict with mtcars, and meter read metrics."""
    text = lines_of("alice", ALICE, ["*"], ["predict", "read"])
    text += lines_of("bob", BOB, ["mtcars"], ["predict"]) + lines_of("meter", METER, ["*"], ["metrics"])
    settings.LM_API_KEYS = KeyRing(parsed(text))
    return Client()


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


# What they may ask


@pytest.mark.parametrize(
    "headers", [bearer(ALICE), {"Authorization": f"bearer  {ALICE}"}, {"X-API-Key": ALICE},
                {"X-API-Key": ALICE, "Authorization": "Bearer of-a-proxy"}]
)  # fmt: skip
def test_a_key_is_taken_from_either_header(client: Client, headers: dict[str, str]) -> None:
    answer = client.get(PREDICT, headers=headers)
    assert (answer.status_code, answer.content) == (200, b"47.736486")
    key = answer.wsgi_request.META["ml_api.key"]
    assert (key.name, key.rights) == ("alice", {"predict", "read"})


@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": "Basic YTpi"}, {"Authorization": "Bearer"}, {"Authorization": ALICE}]
)
def test_without_a_key_the_answer_is_401(client: Client, headers: dict[str, str]) -> None:
    for answer in (client.get(f"{PREDICT}?api_key={ALICE}", headers=headers), client.get("/lm/api", headers=headers)):
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
        assert answer["Content-Type"] == "application/problem+json"
        assert answer.json()["detail"] == (
            "This needs an API key; send one as 'Authorization: Bearer KEY' or 'X-API-Key: KEY'."
        )
        assert answer.wsgi_request.META["ml_api.key"] is NOBODY


@pytest.mark.parametrize(
    "wrong",
    [ALICE[:-1], f"{ALICE}A", ALICE.replace("alice", "bob"), new_key("alice"), new_key("nobody"), "lm_", "", "_", "é",
     "lm_alice_" + "A" * 200, f"{ALICE},{ALICE}", HASH, "\udcff"],
)  # fmt: skip
def test_with_a_wrong_key_the_answer_is_401(client: Client, wrong: str) -> None:
    answer = client.get(PREDICT, HTTP_X_API_KEY=f"{wrong} ")
    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    assert answer.json()["detail"].startswith("The API key is not one that is good here; send one as ")
    assert not wrong or wrong not in answer.text


def test_each_wrong_key_takes_one_comparison_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = []

    def recorded(one: str, other: str) -> bool:
        compared.append((one, other))
        return hmac.compare_digest(one, other)

    monkeypatch.setattr(keys, "hmac", type("recorder", (), {"compare_digest": staticmethod(recorded)}))
    ring = KeyRing(parsed(lines_of("alice", ALICE, ["*"], ["read"])))
    assert [ring.find(sent) for sent in (new_key("alice"), new_key("nobody"), "none", "")] == [NOBODY] * 4
    assert ring.find(ALICE) is ring.find(ALICE) is ring.keys["alice"]
    assert len(compared) == 5
    assert {len(text) for pair in compared for text in pair} == {len(HASH)}


def test_what_is_longer_than_a_key_is_none() -> None:
    longer = "lm_alice_" + "A" * 92
    for key, name in ((longer, ""), (longer[:100], "alice")):
        assert KeyRing(parsed(lines_of("alice", key, ["*"], ["read"]))).find(key).name == name


def test_what_a_key_has_no_right_to_is_403(client: Client) -> None:
    for path, about in (("/lm/api", " about the model 'timedistance'"), ("/lm/api/models", "")):
        answer = client.get(path, headers=bearer(BOB))
        assert answer.status_code == 403
        assert answer.json()["detail"] == f"The API key 'bob' does not have the right 'read'{about}."
    for path in (PREDICT, "/lm/api/models/heightweight/predict?weight=60", "/lm/api/models/none/predict/1"):
        answer = client.get(path, headers=bearer(BOB))
        assert answer.status_code == 403
        assert "'bob' does not have the right 'predict' about the model " in answer.json()["detail"]
    asked = {"data": ONE, "content_type": "application/json", "headers": bearer(BOB)}
    assert client.post("/lm/api/models/mtcars/predict", **asked).status_code == 200  # type: ignore[arg-type]
    assert client.post("/lm/api/predict", **asked).status_code == 403  # type: ignore[arg-type]
    assert client.get(PREDICT, headers=bearer(METER)).status_code == 403


def test_the_list_shows_the_models_that_the_key_may_ask(client: Client, settings: Settings) -> None:
    assert len(client.get("/lm/api/models", headers=bearer(ALICE)).json()) == 3
    settings.LM_API_KEYS = KeyRing(parsed(lines_of("bob", BOB, ["mtcars", "heightweight"], ["read"])))
    listed = Client().get("/lm/api/models", headers=bearer(BOB)).json()
    assert [model["model"] for model in listed] == ["heightweight", "mtcars"]


def test_head_and_conditional_requests_want_a_key_like_others(client: Client) -> None:
    etag = client.get(PREDICT, headers=bearer(ALICE))["ETag"]
    for headers, status in (({}, 401), (bearer(ALICE), 304)):
        assert client.get(PREDICT, headers={"If-None-Match": etag, **headers}).status_code == status
    for headers, status in (({}, 401), (bearer(BOB), 403), (bearer(ALICE), 200)):
        answer = client.head(PREDICT, headers=headers)
        assert (answer.status_code, answer.content) == (status, b"")
    refused = client.get(PREDICT, headers={"If-None-Match": etag})
    assert "LM-Version" not in refused
    assert client.options(PREDICT).status_code == 401
    assert client.post(PREDICT, headers=bearer(ALICE)).status_code == 405


def routes(resolver: URLResolver, prefix: str = "") -> list[str]:
    """All routes below, as a request's resolver_match has them."""
    found = []
    for entry in resolver.url_patterns:
        path = f"{prefix}{entry.pattern}"
        found += [path] if isinstance(entry, URLPattern) else routes(entry, path)
    return found


def test_every_route_wants_a_key_or_is_open_by_name(client: Client) -> None:
    found = set(routes(get_resolver()))
    assert len(found) > 15
    assert [route for route in found if route not in NEEDED] == []
    for route in found:
        path = "/" + re.sub("<[^>]+>", "mtcars", route)
        expected = {"docs": 200, "pages": 200}.get(NEEDED[route], 401)
        assert client.get(path).status_code == expected, path


def test_a_route_of_which_no_right_is_known_is_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(NEEDED, "lm/api/list_keys")
    assert client.get("/lm/api/list_keys").status_code == 401
    answer = client.get("/lm/api/list_keys", headers=bearer(ALICE))
    assert answer.status_code == 403
    assert answer.json()["detail"] == "The API key 'alice' does not have a right to lm/api/list_keys, and no key has."


# What is open


def test_what_the_setting_names_is_open(client: Client, settings: Settings) -> None:
    paths = {
        "docs": ("/lm/api/docs", "/lm/api/openapi.json"),
        "pages": ("/", "/lm"),
        "health": ("/healthz", "/healthz/"),
    }
    for name in paths:
        settings.LM_OPEN = frozenset({name})
        client = Client()
        for other, its_paths in paths.items():
            for path in its_paths:
                assert client.get(path).status_code == (200 if other == name else 401), path
                assert client.get(path, headers=bearer(ALICE)).status_code == 200
    settings.LM_OPEN = frozenset()
    assert Client().get("/healthz", headers=bearer(METER)).status_code == 200
    answer = Client().get("/lm", headers=bearer(BOB))
    assert answer.json()["detail"] == "The API key 'bob' does not have the right 'read' about all models."
    static = Client().get("/static/ninja/swagger-ui.css")
    assert static.status_code == 200
    static.close()


def test_pages_show_the_models_that_a_key_may_ask(client: Client, settings: Settings) -> None:
    carol = new_key("carol")
    text = lines_of("carol", carol, ["mtcars"], ["predict", "read"]) + lines_of("bob", BOB, ["mtcars"], ["predict"])
    settings.LM_API_KEYS = KeyRing(parsed(text))
    client = Client()
    for path in ("/", "/lm", "/lm?model=mtcars", "/lm?model=timedistance"):
        for nobody in (client.get(path).text, client.get(path, headers=bearer(BOB)).text):
            assert "for those who send an API key with the rights read and predict" in nobody
            assert "Fuel" not in nobody
            assert "Time by" not in nobody
        hers = client.get(path, headers=bearer(carol)).text
        assert "Time by distance" not in hers
        assert ("Fuel consumption by design" in hers) == (path != "/lm?model=timedistance")
    answer = client.get("/lm?model=timedistance", headers=bearer(carol))
    assert answer.status_code == 404
    assert "there are: mtcars." in answer.text


def test_a_wrong_key_is_nobodys_where_it_is_open(client: Client) -> None:
    assert client.get("/healthz", headers=bearer("wrong")).status_code == 200
    assert client.get("/lm", headers=bearer("wrong")).status_code == 200


def test_the_document_says_that_a_key_is_wanted(client: Client, settings: Settings) -> None:
    settings.LM_RATE_LIMIT = ()
    document = client.get("/lm/api/openapi.json").json()
    schemes = document["components"]["securitySchemes"]
    assert schemes["bearer"]["scheme"] == "bearer"
    for operations in document["paths"].values():
        for operation in operations.values():
            assert operation["security"] == [{"bearer": []}, {"header": []}]
            assert {"401", "403"} <= set(operation["responses"])
            assert "429" not in operation["responses"]
    shown = document["paths"]["/lm/api"]["get"]["responses"]["401"]["content"]["application/problem+json"]["example"]
    assert shown == client.get("/lm/api").json()


# What a file of keys may hold


def test_all_that_is_wrong_with_a_file_is_told_at_once() -> None:
    text = f"""
[alice]
hash = "{ALICE}"
models = []
rights = ["predict", "write"]
[{new_key("bob")}]
hash = "{HASH}"
models = ["a/b"]
rights = "predict"
expires = 3
"""
    with pytest.raises(ValueError, match="alice") as raised:
        parsed(text)
    assert str(raised.value) == (
        "alice.hash: String should match pattern '^sha256:[0-9a-f]{64}$'; "
        "alice.models: List should have at least 1 item after validation, not 0; "
        "alice.rights.1: Input should be 'predict', 'read' or 'metrics'; "
        "lm_...: String should match pattern '^[a-z0-9][a-z0-9-]{0,39}$'; "
        "lm_....models.0: String should match pattern '^(\\*|[A-Za-z0-9][A-Za-z0-9_-]*)$'; "
        "lm_....rights: Input should be a valid list; "
        "lm_....expires: Extra inputs are not permitted"
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("alice", "not TOML: Expected '=' after a key in a key/value pair (at end of document)"),
        (lines_of("a", ALICE, ["*"], ["read"]) * 2, "not TOML: Cannot declare ('a',) twice (at line 5, column 3)"),
        ("# none\n", "the keys: Dictionary should have at least 1 item after validation, not 0"),
        ("a = 1", "a: Input should be a valid dictionary or instance of Table"),
    ],
)
def test_a_wrong_file_is_no_start(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(text)
    end = "python manage.py runscript make_key writes what stands there.\n"
    said = complaint(MANAGE, LM_API_KEYS_FILE=str(file))
    assert said == f"manage.py: LM_API_KEYS_FILE: {file}: {told}. With LM_API_KEYS_FILE unset, {end}"
    said = complaint(MANAGE, LM_API_KEYS=text)
    assert said == f"manage.py: LM_API_KEYS: {told}. With LM_API_KEYS unset, {end}"


def test_a_missing_file_is_no_start_and_one_setting_is_enough(tmp_path: Path) -> None:
    said = complaint(MANAGE, LM_API_KEYS_FILE=str(tmp_path / "none"))
    assert said.startswith(
        f"manage.py: LM_API_KEYS_FILE: {tmp_path / 'none'} can't be read: No such file or directory. "
    )
    said = complaint(MANAGE, LM_API_KEYS_FILE="a", LM_API_KEYS="b")
    assert said == "manage.py: LM_API_KEYS and LM_API_KEYS_FILE are both set; set only one.\n"


def test_a_file_is_read_anew_when_it_changes_and_a_wrong_one_is_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keys, "SECONDS_BETWEEN_LOOKS", -1)
    file = tmp_path / "keys.toml"
    file.write_text(lines_of("alice", ALICE, ["*"], ["read"]))
    ring = KeyFile(file)
    assert [ring.find(key).name for key in (ALICE, BOB)] == ["alice", ""]
    file.write_text(lines_of("bob", BOB, ["*"], ["read"]))
    assert [ring.find(key).name for key in (ALICE, BOB)] == ["", "bob"]
    assert caplog.messages == [f"{file} has changed; the API keys are now: bob"]
    file.write_text("[alice]\n")
    assert ring.find(BOB).name == "bob"
    file.unlink()
    assert ring.find(BOB).name == "bob"
    assert ring.find(BOB).name == "bob"
    assert len(caplog.messages) == 3
    assert caplog.messages[1].endswith("alice.rights: Field required; the API keys of before stay good")
    assert caplog.messages[2].endswith("can't be read: No such file or directory; the API keys of before stay good")
    file.write_text(lines_of("alice", ALICE, ["*"], ["read"]))
    assert ring.find(ALICE).name == "alice"


def test_between_two_looks_a_file_is_not_looked_at(tmp_path: Path) -> None:
    file = tmp_path / "keys.toml"
    file.write_text(lines_of("alice", ALICE, ["*"], ["read"]))
    ring = KeyFile(file)
    assert ring.find(ALICE).name == "alice"
    ring._next_look = float("inf")
    file.unlink()
    assert ring.find(ALICE).name == "alice"


# make_key


def test_a_new_key_is_printed_once_with_the_lines_for_the_file(capsys: pytest.CaptureFixture[str]) -> None:
    runscript("make_key", "alice", "--models", "timedistance,mtcars", "--rights", "predict,read")
    key, empty, *lines = capsys.readouterr().out.splitlines()
    assert empty == ""
    assert re.fullmatch(r"lm_alice_[A-Za-z0-9_-]{43}", key)
    assert key not in "\n".join(lines)
    [found] = parsed("\n".join(lines)).values()
    assert (found.name, found.hash, sorted(found.models)) == ("alice", hash_of(key), ["mtcars", "timedistance"])
    assert KeyRing({"alice": found}).find(key) == found


def test_a_new_key_is_added_to_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "keys.toml"
    for name in ("alice", "bob-2"):
        runscript("make_key", name, "--models", "*", "--rights", "predict", "--file", str(file))
    first, second = capsys.readouterr().out.splitlines()
    assert stat.S_IMODE(os.stat(file).st_mode) == 0o600
    ring = KeyFile(file)
    assert [found.name for found in map(ring.find, (first, second))] == ["alice", "bob-2"]
    before = file.read_text()
    assert first not in before
    said = refusal(capsys, "make_key", "alice", "--models", "*", "--rights", "read", "--file", str(file))
    assert said.startswith("make_key: not TOML: Cannot declare ('alice',) twice")
    assert file.read_text() == before


def test_a_wrong_key_is_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refusal(capsys, "make_key", "Alice", "--models", "*", "--rights", "reed")
    assert said == (
        "make_key: Ali...: String should match pattern '^[a-z0-9][a-z0-9-]{0,39}$'; "
        "Ali....rights.0: Input should be 'predict', 'read' or 'metrics'\n"
    )
    said = refusal(capsys, "make_key", "alice", "--models", "*", "--rights", "read", "--file", str(tmp_path))
    assert said == f"make_key: {tmp_path}: Is a directory\n"
    assert "the following arguments are required: --models" in refusal(capsys, "make_key", "alice", "--rights", "read")


def test_the_script_takes_its_arguments_without_script_args() -> None:
    words = ["manage.py", "runscript", "make_key", "alice", "--rights", "read"]
    assert with_script_arguments(words)[3] == "--script-args"


# Metrics


def test_metrics_are_for_keys_that_may_read_them(serve: StartServer, tmp_path: Path) -> None:
    text = lines_of("alice", ALICE, ["*"], ["predict", "read"]) + lines_of("meter", METER, ["mtcars"], ["metrics"])
    (tmp_path / "keys.toml").write_text(text)

    def status(server: Server, headers: dict[str, str]) -> int:
        try:
            asked = urllib.request.Request(f"{server.url}/metrics", headers=headers)
            with urllib.request.urlopen(asked, timeout=20) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    for setting, expected in {"key": [401, 403, 200], "open": [200, 200, 200]}.items():
        with serve("gunicorn", LM_METRICS=setting, LM_API_KEYS_FILE=str(tmp_path / "keys.toml")) as server:
            assert [status(server, headers) for headers in ({}, bearer(ALICE), bearer(METER))] == expected
            assert server.interrupt() < 5
