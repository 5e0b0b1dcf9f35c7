"""Rate limits: how often a client may ask, and by what it is known."""

import re
import time
from copy import copy
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from pytest_django import Settings

from ml_api import environment
from ml_api.access.counters import SharedCounters, Used
from ml_api.access.keys import KeyRing, lines_of, new_key, parsed
from ml_api.access.limits import Limiter, limits_of
from tests.deploy.test_start import MANAGE, complaint

pytestmark = pytest.mark.usefixtures("shipped_models")
PREDICT = "/lm/api/predict/29.5"
HOUR = 60 * 60


def limited(settings: Settings, *limits: str) -> Client:
    """A client of a server that begins to count."""
    settings.LM_RATE_LIMIT = limits_of(limits)
    return Client()


def statuses(client: Client, count: int, path: str = PREDICT, **environ: Any) -> list[int]:
    return [client.get(path, **environ).status_code for _ in range(count)]


def test_each_answer_says_what_is_left_and_then_when_to_ask_again(settings: Settings) -> None:
    client = limited(settings, "2/hour", "1000/day")
    for left in (1, 0):
        answer = client.get(PREDICT)
        assert (answer.status_code, "RateLimit-Policy" in answer) == (200, False)
        assert answer["RateLimit"].startswith(f'"hour";r={left};t=36')
    answer = client.get(PREDICT)
    assert answer.status_code == 429
    assert answer["Content-Type"] == "application/problem+json"
    assert answer["RateLimit-Policy"] == '"hour";q=2;w=3600, "day";q=1000;w=86400'
    assert answer["RateLimit"].startswith('"hour";r=0;t=36')
    assert '"day";r=997;t=86' in answer["RateLimit"]
    seconds = int(answer["Retry-After"])
    assert 3500 < seconds <= 3601
    detail = f"There were more than the 2 requests by the hour that 127.0.0.1 has; ask again in {seconds} s."
    assert answer.json()["detail"] == detail


def test_the_longest_wait_is_told(settings: Settings) -> None:
    client = limited(settings, "1/minute", "1/day", "9/hour")
    assert statuses(client, 1) == [200]
    assert int(client.get(PREDICT)["Retry-After"]) > 80_000


def test_a_window_ends(settings: Settings) -> None:
    client = limited(settings, "2/second", "9/day")
    assert statuses(client, 3)[:2] == [200, 200]
    end = time.monotonic() + 10
    while client.get(PREDICT).status_code == 429 and time.monotonic() < end:
        time.sleep(0.2)
    assert time.monotonic() < end


def test_health_and_assets_are_never_limited_and_unknown_urls_are(settings: Settings) -> None:
    client = limited(settings, "1/day")
    assert statuses(client, 3, "/healthz") == [200] * 3
    assert statuses(client, 2, "/none") == [404, 429]
    assert statuses(client, 2, "/healthz") == [200] * 2
    asset = client.get("/static/ninja/swagger-ui.css")
    assert asset.status_code == 200
    asset.close()


def test_keys_are_counted_by_name_and_who_has_none_by_address(settings: Settings) -> None:
    alice, bob = new_key("alice"), new_key("bob")
    text = lines_of("alice", alice, ["*"], ["predict"]) + lines_of("bob", bob, ["*"], ["predict"])
    settings.LM_API_KEYS = KeyRing(parsed(text))
    client = limited(settings, "2/day")
    assert statuses(client, 3, HTTP_X_API_KEY=alice) == [200, 200, 429]
    assert statuses(client, 3, HTTP_X_API_KEY=bob, REMOTE_ADDR="10.0.0.9") == [200, 200, 429]
    assert "that bob has;" in client.get(PREDICT, HTTP_X_API_KEY=bob).json()["detail"]
    wrong = [client.get(PREDICT, HTTP_X_API_KEY=new_key("alice")).status_code for _ in range(3)]
    assert wrong == [401, 401, 429]  # to try out keys ends soon, and takes nothing from whom they are of
    assert statuses(client, 1) == [429]
    assert statuses(client, 1, REMOTE_ADDR="10.0.0.9") == [401]


# By which address


def counted_as(client: Client, **environ: str) -> str:
    """By what name a client that asks too often is told that it does."""
    for _ in range(2):
        answer = client.get(PREDICT, **environ)  # type: ignore[arg-type]
    detail: str = answer.json()["detail"]
    return detail.partition(" that ")[2].partition(" has;")[0]


@pytest.mark.parametrize(
    ("peer", "name"),
    [("192.0.2.1", "192.0.2.1"), ("::ffff:10.0.0.1", "10.0.0.1"), ("2001:db8::1", "2001:db8::/64"),
     ("2001:db8:0:0:ffff::2", "2001:db8::/64"), ("", "unix"), ("fe80::1%eth0", "fe80::/64")]
)  # fmt: skip
def test_a_peer_is_counted_by_its_own_address_whatever_it_says(settings: Settings, peer: str, name: str) -> None:
    client = limited(settings, "1/day")
    said = {} if peer == "" else {"HTTP_X_FORWARDED_FOR": "198.51.100.7", "HTTP_X_REAL_IP": "198.51.100.7"}
    assert counted_as(client, REMOTE_ADDR=peer, **said, HTTP_FORWARDED="for=198.51.100.7") == name


@pytest.mark.parametrize(
    ("peer", "forwarded", "name"),
    [
        ("10.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("10.0.0.1", "203.0.113.5, 198.51.100.7", "198.51.100.7"),  # what stands before it, the client has written
        ("10.0.0.1", "203.0.113.5,198.51.100.7, 10.0.0.2,10.1.2.3", "198.51.100.7"),
        ("::ffff:10.0.0.1", "198.51.100.7:4711", "198.51.100.7"),
        ("10.0.0.1", "[2001:db8::7]:4711", "2001:db8::/64"),
        ("10.0.0.1", "2001:db8::7", "2001:db8::/64"),
        ("10.0.0.1", "", "10.0.0.1"),
        ("10.0.0.1", "198.51.100.7, unknown", "10.0.0.1"),
        ("10.0.0.1", "unknown, 10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "10.0.0.2", "10.0.0.2"),
        ("10.0.0.1", "9" * 200, "10.0.0.1"),
        ("192.0.2.1", "10.0.0.2", "192.0.2.1"),
        ("", "203.0.113.5, 198.51.100.7", "198.51.100.7"),
    ],
)
def test_a_trusted_proxy_says_for_whom_it_asks(settings: Settings, peer: str, forwarded: str, name: str) -> None:
    settings.LM_TRUSTED_PROXIES = [ip_network("10.0.0.0/24"), ip_network("10.1.2.3"), ip_network("fd00::/8")]
    assert counted_as(limited(settings, "1/day"), REMOTE_ADDR=peer, HTTP_X_FORWARDED_FOR=forwarded) == name


def test_app_services_front_end_is_a_proxy_whatever_its_address(settings: Settings) -> None:
    settings.WEBSITE_HOSTNAME = "my-lm-api.azurewebsites.net"
    client = limited(settings, "1/day")
    forged = "203.0.113.5, 198.51.100.7:50123"
    assert counted_as(client, REMOTE_ADDR="169.254.129.1", HTTP_X_FORWARDED_FOR=forged) == "198.51.100.7"


# Counted ahead


class Clock:
    """Time that stands still."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "monotonic", clock)
    return clock


@pytest.mark.parametrize("limits", [["5000/day"], ["5000/day", "1000000/hour"]])
def test_each_of_many_requests_is_counted_once_and_the_last_one_is_answered(limits: list[str]) -> None:
    limiter, left = Limiter(limits_of(limits), ""), []
    for _ in range(5000):
        header, refusal = limiter.count("alice")
        assert refusal is None
        left += [int(part) for part in re.findall("r=([0-9]+)", header)]
    assert left == [number for i in range(1, 5001) for number in (5000 - i, 1_000_000 - i)[: len(limits)]]
    assert limiter.count("alice")[1]


def test_two_workers_answer_no_more_than_the_limit_and_hardly_fewer() -> None:
    one = Limiter(limits_of(["5000/day"]), "")
    other = copy(one)  # as a fork: the counters are shared
    other._ahead = {}
    answered = sum(limiter.count("alice")[1] is None for i in range(5100) for limiter in ((one, other)[i % 3 == 0],))
    assert 5000 - 2 * 4 <= answered <= 5000


def test_most_requests_of_many_are_counted_in_the_own_worker() -> None:
    limiter, asked = Limiter(limits_of(["1000000/day"]), ""), []
    count = limiter._counters.count
    limiter._counters.count = lambda who, requests: asked.append(requests) or count(who, requests)  # type: ignore[method-assign, func-returns-value]
    for _ in range(1000):
        limiter.count("alice")
    assert asked == [1, 64] * 16


def test_what_is_told_of_a_request_that_was_counted_ahead_is_right_when_it_comes(clock: Clock) -> None:
    limiter = Limiter(limits_of(["5000/hour"]), "")
    assert limiter.count("alice")[0] == '"hour";r=4999;t=3600'
    clock.now += 0.25
    assert limiter.count("alice")[0] == '"hour";r=4998;t=3600'
    clock.now += 100.5
    assert limiter.count("alice")[0] == '"hour";r=4997;t=3500'
    clock.now += 3500  # what is left of the four that were counted ahead is not for this window
    assert limiter.count("alice")[0] == '"hour";r=4999;t=3600'
    assert limiter.count("alice")[0] == '"hour";r=4998;t=3600'


def test_where_a_window_ends_nothing_is_lost_of_a_longer_one(clock: Clock) -> None:
    limiter = Limiter(limits_of(["10000/second", "1000000/day"]), "")
    for asked in range(1, 1001):
        assert limiter.count("alice")[0] == f'"second";r=9999;t=1, "day";r={1_000_000 - asked};t={86401 - asked}'
        clock.now += 1


def test_what_others_have_used_meanwhile_is_not_answered_twice() -> None:
    limiter = Limiter(limits_of(["5000/day"]), "")
    count = limiter._counters.count

    def count_after_others(who: str, requests: int) -> Used:
        if requests > 1:
            count(who, 4997)
        return count(who, requests)

    limiter._counters.count = count_after_others  # type: ignore[method-assign]
    assert [limiter.count("alice")[1] is None for _ in range(4)] == [True, True, True, False]


def test_what_another_thread_counts_meanwhile_is_not_lost() -> None:
    limiter = Limiter(limits_of(["5000/day"]), "")
    answered: list[bool] = []
    count, others = limiter._counters.count, iter(range(20))

    def count_as_others_do(who: str, requests: int) -> Used:
        used = count(who, requests)
        if requests > 1 and next(others, None) is not None:
            answered.append(limiter.count("alice")[1] is None)  # as another thread, while Redis answers
        return used

    limiter._counters.count = count_as_others_do  # type: ignore[method-assign]
    while limiter.count("alice")[1] is None:
        answered.append(True)
    assert answered == [True] * 5000


def test_for_few_clients_only_is_counted_ahead_and_others_take_nothing_from_them(
    monkeypatch: pytest.MonkeyPatch, clock: Clock
) -> None:
    monkeypatch.setattr("ml_api.access.limits.MOST_CLIENTS", 10)
    limiter = Limiter(limits_of(["9000/hour"]), "")

    def left(client: int) -> int:
        return int(limiter.count(str(client))[0].partition("r=")[2].partition(";")[0])

    for asked in (8999, 8998):
        assert [left(client) for client in range(100)] == [asked] * 100
    assert list(limiter._ahead) == [str(client) for client in range(10)]
    clock.now += 3601
    assert [left(client) for client in range(90, 100)] == [8999] * 10
    assert list(limiter._ahead) == [str(client) for client in range(90, 100)]


# The table


def test_more_clients_than_there_are_slots_make_room_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SharedCounters, "SLOTS", 4)
    monkeypatch.setattr(SharedCounters, "WAYS", 2)
    table = SharedCounters([HOUR, 60])
    for client in range(100):
        assert [requests for requests, _ in table.count(str(client), 1)] == [1, 1]
        assert [requests for requests, _ in table.count(str(client), 1)] == [2, 2]


def test_clients_that_share_a_first_slot_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SharedCounters, "SLOTS", 1)
    table = SharedCounters([HOUR])
    for round_ in range(1, 4):
        assert [table.count(str(client), 1)[0][0] for client in range(8)] == [round_] * 8


def test_a_lock_whose_holder_was_killed_is_taken_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SharedCounters, "SECONDS_TO_COUNT", 0.05)
    table = SharedCounters([HOUR])
    table._lock.acquire()
    assert [table.count("alice", 1)[0][0] for _ in range(3)] == [1, 2, 3]

    def released_meanwhile() -> float:
        table._lock.release()
        return 0.0

    monkeypatch.setattr(time, "monotonic", released_meanwhile)
    assert table.count("bob", 1)[0][0] == 1  # one that was only slow has released it meanwhile
    assert table._lock.acquire(timeout=0)


# Settings


@pytest.mark.parametrize("wrong", ["100", "0/minute", "ten/minute", "100/week", "100 per minute", "1/day,2/day"])
def test_a_wrong_limit_is_no_start(wrong: str) -> None:
    part = wrong.split(",")[-1]
    assert complaint(MANAGE, LM_RATE_LIMIT=wrong) == (
        f"manage.py: LM_RATE_LIMIT has '{part}'. Not a limit: write such as 100/minute, or 10/second,1000/hour: "
        "one for each of second, minute, hour and day.\n"
    )


def test_other_wrong_settings_are_no_start(tmp_path: Path) -> None:
    assert complaint(MANAGE, LM_OPEN="docs,page") == (
        "manage.py: LM_OPEN has 'page'. Write some of docs, pages, health, with commas, or none.\n"
    )
    assert complaint(MANAGE, LM_TRUSTED_PROXIES="*") == (
        "manage.py: LM_TRUSTED_PROXIES: '*' does not appear to be an IPv4 or IPv6 network; "
        "write such as 10.0.0.1,10.1.0.0/16.\n"
    )
    assert complaint(MANAGE, LM_RATE_LIMIT="1/day", REDIS_URL="http://:secret@localhost") == (
        "manage.py: REDIS_URL is not the URL of a Redis: write such as redis://localhost:6379/0 or "
        "rediss://:PASSWORD@HOST:6380.\n"
    )
    (tmp_path / "redis.py").write_text("raise ImportError\n")
    assert complaint(MANAGE, LM_RATE_LIMIT="1/day", REDIS_URL="redis://localhost", PYTHONPATH=str(tmp_path)) == (
        "manage.py: REDIS_URL is set: pip install -r contrib/requirements-redis.txt\n"
    )


def test_open_may_be_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for value, found in (("none", set()), ("", {"docs", "pages"}), (" docs ", {"docs"})):
        monkeypatch.setenv("LM_OPEN", value)
        assert environment.some_of("LM_OPEN", ("docs", "pages")) == found


def test_settings_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LM_RATE_LIMIT", "10/second, 1000/hour")
    assert environment.rate_limits("LM_RATE_LIMIT") == ((10, "second"), (1000, "hour"))
    monkeypatch.setenv("LM_TRUSTED_PROXIES", "10.0.0.1,2001:db8::/32")
    assert [str(proxy) for proxy in environment.networks("LM_TRUSTED_PROXIES")] == ["10.0.0.1/32", "2001:db8::/32"]
    assert environment.redis_url("LM_NO_SUCH") == ""


def test_the_document_tells_of_429(settings: Settings) -> None:
    document = limited(settings, "9/day").get("/lm/api/openapi.json").json()
    assert "securitySchemes" not in document["components"]
    for operations in document["paths"].values():
        for operation in operations.values():
            shown = operation["responses"]["429"]["content"]["application/problem+json"]["example"]
            detail = "There were more than the 9 requests by the day that 192.0.2.1 has; ask again in 5 s."
            assert shown == {"type": "about:blank", "title": "Too Many Requests", "status": 429, "detail": detail}
            assert "security" not in operation
