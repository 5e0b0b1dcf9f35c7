"""A request may ask for a version that is kept, by its name or a label."""

import gc
import json
import re
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pytest
from django.test import Client

from lm_app.engine import runtime
from lm_app.errors import NotPublished
from lm_app.store import kept
from lm_app.store.version import LoadedModel, Version
from lm_app.training.update import update
from tests.conftest import (
    Server,
    StartServer,
    change_data,
    live_version,
    runscript,
    write_model,
)

ROUTES = [
    "", "/prototype", "/list_keys", "/key/n", "/plots", "/plots/fit.svg", "/card.md", "/summary.txt", "/lm.R",
    "/predict/29.5", "/predict?distance=29.5",
]  # fmt: skip
MOUNTS = ["/lm/api", "/lm/api/models/timedistance"]
URLS = [mount + route for mount in MOUNTS for route in ROUTES if mount + route != "/lm/api/lm.R"]  # that is of no model
ONE = "/lm/api/predict?distance=29.5"


class Two(NamedTuple):
    """The versions of timedistance; the second is live."""

    first: str
    second: str


@pytest.fixture
def two(models: Path) -> Two:
    first = live_version(models)
    change_data(models, "55,32", "75,32")
    update("timedistance", force=True)
    return Two(first, live_version(models))


def folder_of(models: Path, version: str) -> Path:
    return models / "timedistance" / "versions" / version


def refused(client: Client, asked: str, status: int = 404, url: str = "/lm/api") -> str:
    """What is told of a version, whichever way it is asked."""
    answers = [client.get(f"{url}?version={quote(asked, safe='')}"), client.get(url, headers={"LM-Version": asked})]
    assert [answer.status_code for answer in answers] == [status] * 2
    [told] = {answer.json()["detail"] for answer in answers}
    return str(told)


# Asking


@pytest.mark.parametrize("url", URLS)
def test_every_route_answers_by_the_version_that_is_asked(client: Client, two: Two, url: str) -> None:
    live = client.get(url)
    assert (live.status_code, live["LM-Version"]) == (200, two.second)
    for version in two:
        by_query = client.get(f"{url}{'&' if '?' in url else '?'}version={version}")
        by_header = client.get(url, headers={"LM-Version": version})
        for answer in (by_query, by_header):
            assert (answer.status_code, answer["LM-Version"]) == (200, version)
            assert version in answer["ETag"]
            assert "LM-Version" in answer["Vary"]
        assert by_query.content == by_header.content
        if not url.endswith(("/prototype", "/list_keys", "/key/n", "/plots")):
            assert (by_query.content == live.content) is (version == two.second)
        unchanged = client.get(url, headers={"LM-Version": version, "If-None-Match": by_query["ETag"]})
        assert (unchanged.status_code, "LM-Version" in unchanged["Vary"]) == (304, True)


def test_a_post_asks_beside_its_options(client: Client, two: Two) -> None:
    body, expected = '{"distance": [29.5]}', client.get(f"{ONE}&version={two.first}").json()["fit"]
    for query, headers in ((f"?version={two.first}&interval=confidence", {}), ("", {"LM-Version": two.first})):
        answer = client.post(f"/lm/api/predict{query}", body, content_type="application/json", headers=headers).json()
        assert (answer["version"], answer["predictions"]["fit"]) == (two.first, [expected])
    form = client.post(f"/lm/api/predict?version={two.first}", {"distance": "29.5"})
    assert (form.json()["version"], form.json()["fit"]) == (two.first, expected)
    inside = client.post("/lm/api/predict", {"distance": "29.5", "version": two.first})
    assert (inside.status_code, inside.json()["errors"][0]["loc"]) == (422, ["body", "version"])


@pytest.mark.parametrize("query", ["version=", "version=live", "version=&version=live", "%76ersion=live"])
def test_an_empty_version_is_not_asked_and_live_is_the_live_one(client: Client, two: Two, query: str) -> None:
    for headers in ({}, {"LM-Version": ""}, {"LM-Version": "live"}):
        answer = client.get(f"{ONE}&{query}", headers=headers)
        assert (answer.status_code, answer.json()["version"]) == (200, two.second)


def test_an_encoded_name_asks_too(client: Client, two: Two) -> None:
    assert client.get(f"/lm/api/predict/29%2C5?%76ersion={two.first}")["LM-Version"] == two.first


def test_the_bare_number_stays_bare(client: Client, two: Two) -> None:
    assert re.fullmatch(r"\d+\.\d+", client.get(f"/lm/api/predict/29.5?version={two.first}").text)


def test_if_match_is_about_the_version_that_is_asked(client: Client, two: Two) -> None:
    etag = client.get(ONE)["ETag"]
    assert client.get(ONE, headers={"If-Match": etag, "LM-Version": two.second}).status_code == 200
    assert client.get(ONE, headers={"If-Match": etag, "LM-Version": two.first}).status_code == 412


def test_two_versions_in_one_request_are_refused(client: Client, two: Two) -> None:
    for query, header in ((two.first, two.second), (f"{two.first}&version=live", "")):
        answer = client.get(f"{ONE}&version={query}", headers={"LM-Version": header})
        assert answer.status_code == 422
        assert f"asks for the versions {two.first} and {two.second}" in answer.json()["detail"]
    agreeing = client.get(f"{ONE}&version={two.second}", headers={"LM-Version": "live"})
    assert agreeing["LM-Version"] == two.second


# What can't be asked


def test_an_unknown_version_is_404_that_lists_the_kept_ones(client: Client, two: Two) -> None:
    for unknown in ("20200101T000000.000000Z", two.first[:8], "candidate", "Stable"):
        told = f"There is no version {unknown!r}; there are: live, {two.second}, {two.first}."
        assert refused(client, unknown) == told


def test_a_version_of_another_model_is_unknown(models: Path, client: Client, two: Two) -> None:
    others = live_version(models, "mtcars")
    assert f"no version {others!r}" in refused(client, others)
    shutil.copytree(models / "mtcars" / "versions" / others, folder_of(models, others))
    assert "its manifest is that of another version" in refused(client, others, 503)


@pytest.mark.parametrize(
    "name",
    ["..", "../live", "../../mtcars/live", "/etc/passwd", "%2e%2e", "labels/stable", ".", "live/", "a\\b", "x" * 5000],
)
def test_no_name_leads_out_of_the_folder(models: Path, client: Client, two: Two, name: str) -> None:
    (models / "timedistance" / "labels").mkdir()
    (models / "timedistance" / "labels" / "stable").write_text(two.first)
    assert refused(client, name).startswith("There is no version ")


def test_an_unknown_version_of_an_untrained_model_is_told(models: Path, client: Client) -> None:
    (models / "timedistance" / "live").unlink()
    shutil.rmtree(models / "timedistance" / "versions")
    assert refused(client, "stable") == "There is no version 'stable'; there are: none."
    assert "runscript update_lm" in refused(client, "live", 503)
    assert client.get("/lm/api/versions").json() == []


def test_a_damaged_version_is_503_that_says_why(models: Path, client: Client, two: Two) -> None:
    (folder_of(models, two.first) / "modelr.pickle").write_bytes(b"x")
    told = refused(client, two.first, 503)
    assert told == f"version {two.first}: modelr.pickle is not what training wrote (its sha256 differs)"
    assert client.get(ONE).status_code == 200


def test_a_kept_version_is_verified_as_the_live_one(models: Path, client: Client, two: Two) -> None:
    (folder_of(models, two.first) / "signature").unlink()
    assert "it is not signed" in refused(client, two.first, 503)
    runscript("versions_lm", "timedistance", "--sign")
    assert client.get(ONE, headers={"LM-Version": two.first}).status_code == 200


def test_a_damaged_live_version_is_not_hidden_where_it_is_named(models: Path, client: Client, two: Two) -> None:
    (folder_of(models, two.second) / "modelr.pickle").write_bytes(b"x")
    assert client.get(ONE)["LM-Version"] == two.first
    assert client.get(f"{ONE}&version=live")["LM-Version"] == two.first
    assert "sha256 differs" in refused(client, two.second, 503)


def test_a_version_that_is_removed_while_in_memory_is_unknown(models: Path, client: Client, two: Two) -> None:
    assert client.get(f"{ONE}&version={two.first}").status_code == 200
    away = folder_of(models, two.first).rename(models / "away")
    assert two.first in refused(client, two.first)
    away.rename(folder_of(models, two.first))
    assert client.get(f"{ONE}&version={two.first}").status_code == 200


def test_while_the_store_is_away_nobody_knows_what_is_kept(models: Path, client: Client, two: Two) -> None:
    client.get(ONE)
    models.rename(models.with_name("away"))
    assert "can't be reached" in refused(client, two.first, 503)
    assert client.get(f"{ONE}&version=live").status_code == 200


def test_a_store_that_gives_errors_is_away(client: Client, two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    def stale(*_: object) -> bool:
        raise OSError("Stale file handle")

    client.get(ONE)
    monkeypatch.setattr(Path, "is_dir", stale)
    assert "can't be reached" in refused(client, two.first, 503)


def test_a_model_that_has_a_predictor_named_version(models: Path, client: Client) -> None:
    """As with options: it is asked by POST, in JSON; or by a form's fields, where no version can be asked."""
    write_model(models, formula="time ~ version", rows="time,version\n1,2\n3,3\n4,5\n7,7\n")
    update("timedistance", force=True)
    live = live_version(models)
    for query in (f"version={live}", "version=", "version=live"):
        told = client.get(f"/lm/api/predict?{query}").json()["detail"]
        assert told == "version: a predictor and an option; ask this model by POST, in JSON."
    assert "no version '3'" in client.get("/lm/api/predict?version=3").json()["detail"]
    answer = client.post(f"/lm/api/predict?version={live}", '{"version": [3]}', content_type="application/json")
    assert len(answer.json()["predictions"]["fit"]) == 1
    assert client.post("/lm/api/predict", {"version": "3"}).status_code == 200
    paths = client.get("/lm/api/openapi.json").json()["paths"]
    assert "get" not in paths["/lm/api/predict"]


# Memory, and threads


def test_a_version_is_loaded_once_and_the_live_one_not_again(
    client: Client, two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []
    load = Version.load

    def counted(version: Version) -> LoadedModel:
        loaded.append(version.name)
        return load(version)

    monkeypatch.setattr(Version, "load", counted)
    client.get(ONE)
    for version in [*two, *two]:
        client.get(ONE, headers={"LM-Version": version})
    with ThreadPoolExecutor(4) as threads:
        found = set(threads.map(lambda _: id(kept.kept_model("timedistance", two.first)), range(20)))
    assert (len(found), loaded) == (1, [two.second, two.first])


def test_many_versions_asked_in_turn_take_bounded_memory(models: Path, client: Client) -> None:
    for _ in range(kept.MOST_IN_MEMORY + 3):
        update("timedistance", force=True)
        write_model(models, keep=100)
    versions = [version["version"] for version in client.get("/lm/api/versions").json()]
    assert len(versions) > kept.MOST_IN_MEMORY + 2
    counts = []
    for _ in range(3):
        for version in versions:
            assert client.get(ONE, headers={"LM-Version": version})["LM-Version"] == version
        gc.collect()  # Django's test client makes circles of requests and responses
        counts.append(runtime.kept_count())
    kept._in_memory.cache_clear()
    assert counts == [runtime.kept_count() + kept.MOST_IN_MEMORY] * 3


def test_labels_and_versions_may_change_while_clients_ask(serve: StartServer, models: Path, two: Two) -> None:
    """By threads of one worker, which must never see a half-done change, nor an answer of two versions."""
    write_model(models, keep=2)
    runscript("versions_lm", "timedistance", "--label", f"stable={two.first}")
    stop = threading.Event()
    served: set[tuple[str, str]] = set()

    def ask(server: Server, asked: str) -> None:
        while not stop.is_set():
            answer = json.loads(server.get(f"{ONE}&interval=confidence&version={asked}"))
            served.add((asked, answer["version"]))

    with serve("gunicorn") as server, ThreadPoolExecutor(4) as clients:
        asking = [clients.submit(ask, server, asked) for asked in ("stable", "live", "stable", "")]
        made = list(two)
        for _ in range(6):
            update("timedistance", force=True)
            made.append(live_version(models))
            runscript("versions_lm", "timedistance", "--label", "stable=live")
        stop.set()
        for client in asking:
            client.result()
        assert "Traceback" not in server.log.read_text()
    assert {version for _, version in served} <= set(made)
    assert len({version for asked, version in served if asked == "stable"}) > 1


def test_a_label_that_moves_while_its_version_goes_is_followed(
    models: Path, client: Client, two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    runscript("versions_lm", "timedistance", "--label", f"stable={two.first}")
    load = Version.load

    def moved(version: Version) -> LoadedModel:
        if version.name == two.first:
            (models / "timedistance" / "labels" / "stable").write_text(two.second)
            shutil.rmtree(version.path)
        return load(version)

    monkeypatch.setattr(Version, "load", moved)
    assert client.get(f"{ONE}&version=stable")["LM-Version"] == two.second


# The list


def listed(client: Client, path: str = "/lm/api/versions") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.get(path).json()
    return found


@pytest.mark.parametrize("path", ["/lm/api/versions", "/lm/api/models/timedistance/versions"])
def test_versions_are_listed_newest_first(models: Path, client: Client, two: Two, path: str) -> None:
    runscript("versions_lm", "timedistance", "--label", f"stable={two.first}")
    with pytest.raises(NotPublished):
        update("timedistance", changes={"formula": "time ~ 1"})
    update("timedistance", changes={"formula": "time ~ 1"}, force=True)
    newest, newer, older = listed(client, path)
    card = client.get(f"/lm/api?version={two.first}").json()
    assert older == {
        "version": two.first, "live": False, "labels": ["stable"], "forced": False, "error": None,
        **{key: card[key] for key in ("trained_at", "formula", "n", "r_squared", "press_rmse")},
    }  # fmt: skip
    assert (newer["version"], newer["live"], newer["labels"], newer["forced"]) == (two.second, False, [], False)
    assert (newest["version"], newest["live"], newest["forced"]) == (live_version(models), True, True)
    assert client.get("/lm/api/models/nothing/versions").status_code == 404


def test_damaged_versions_are_listed_with_what_is_wrong(models: Path, client: Client, two: Two) -> None:
    (folder_of(models, two.first) / "model_info.json").write_text("{")
    (models / "timedistance" / "live").unlink()
    newer, older = listed(client)
    assert (newer["live"], newer["error"]) == (False, None)
    assert older["error"] == f"version {two.first}: model_info.json is not what training wrote (its sha256 differs)"
    assert older["formula"] is None
