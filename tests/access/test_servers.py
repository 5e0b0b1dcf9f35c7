"""Keys and limits over several workers and servers, with a real Redis."""

import json
import os
import random
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from ml_api.access.keys import lines_of, new_key
from tests.conftest import Server, StartServer, free_port, wait_until

PREDICT = "/lm/api/predict/29.5"
KEY = new_key("alice")
KEYS = lines_of("alice", KEY, ["*"], ["predict", "read"])


def status(server: Server, path: str = PREDICT, **headers: str) -> int:
    """The status of an answer; each on a connection of its own, so that any worker may be asked."""
    request = urllib.request.Request(
        f"{server.url}{path}", headers={k.replace("_", "-"): v for k, v in headers.items()}
    )
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refused:
        with refused:
            assert json.load(refused)["status"] == refused.code
            return refused.code


def many(ask: Callable[[int], int], count: int) -> Counter[int]:
    with ThreadPoolExecutor(8) as pool:
        return Counter(pool.map(ask, range(count)))


@pytest.mark.parametrize("kind", ["gunicorn", "gunicorn gthread"])
def test_the_sum_over_two_workers_is_exact(serve: StartServer, kind: str) -> None:
    with serve(kind, WEB_CONCURRENCY="2", LM_API_KEYS=KEYS, LM_RATE_LIMIT="150/day,100000/hour") as server:
        wait_until(lambda: len(server.workers()) == 2)
        asked = many(lambda _: status(server, X_API_Key=KEY), 400)
        assert asked == {200: 150, 429: 250}
        # Who has no key cannot make addresses up, and is counted by its own. The start has asked already.
        asked = many(lambda i: status(server, X_Forwarded_For=f"192.0.2.{i % 200}", X_Real_IP="1.1.1.1"), 200)
        assert asked[401] in range(140, 150)
        assert asked[429] == 200 - asked[401]
        assert status(server, "/healthz") == 200
        assert server.interrupt() < 10
        log = server.log.read_text()
        assert "There are no API keys" not in log
        assert "Traceback" not in log
        assert KEY not in log


def test_killed_workers_stop_no_others_from_counting(serve: StartServer) -> None:
    with serve("gunicorn default", WEB_CONCURRENCY="2", LM_RATE_LIMIT="1000000/day") as server:
        chance = random.Random(1)

        def ask(i: int) -> int:
            if i % 100 == 50:
                with suppress(ProcessLookupError):
                    os.kill(chance.choice(sorted(server.workers())), signal.SIGKILL)
            with suppress(OSError):
                return status(server)
            return 0

        asked = many(ask, 500)
        assert set(asked) <= {0, 200}
        assert asked[200] > 400
        wait_until(lambda: many(lambda _: ask(0), 8) == {200: 8})


def test_without_keys_a_start_says_once_that_all_is_open(serve: StartServer) -> None:
    with serve("gunicorn", WEB_CONCURRENCY="2") as server:
        wait_until(lambda: len(server.workers()) == 2)
        assert status(server) == 200
        assert server.log.read_text().count("There are no API keys (LM_API_KEYS_FILE): whoever reaches") == 1


def test_keys_change_under_load_without_a_restart(serve: StartServer, tmp_path: Path) -> None:
    file, new = tmp_path / "keys.toml", new_key("bob")
    file.write_text(KEYS)
    with serve("gunicorn", WEB_CONCURRENCY="2", LM_API_KEYS_FILE=str(file)) as server:

        def replace(text: str) -> None:
            (tmp_path / "new.toml").write_text(text)
            (tmp_path / "new.toml").replace(file)

        def replace_often() -> None:
            for i in range(20):
                replace(f"{KEYS}# {i}\n")
                time.sleep(0.1)

        with ThreadPoolExecutor(1) as pool:
            changes = pool.submit(replace_often)
            asked = Counter[int]()
            while not changes.done():
                asked += many(lambda _: status(server, Authorization=f"Bearer {KEY}"), 20)
        assert set(asked) == {200}
        replace(lines_of("bob", new, ["*"], ["predict"]))
        wait_until(lambda: many(lambda _: status(server, X_API_Key=KEY), 20) == {401: 20})
        wait_until(lambda: many(lambda _: status(server, X_API_Key=new), 20) == {200: 20})
        file.write_text("[bob")
        good = many(lambda _: status(server, X_API_Key=new), 20)
        wait_until(lambda: status(server, X_API_Key=new) == 200 and "not TOML" in server.log.read_text())
        assert good == {200: 20}


# Redis


@contextmanager
def running_redis(*options: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """Debian's Redis, which keeps nothing; and its address."""
    port = free_port()
    command = ["redis-server", "--port", port, "--save", "", "--bind", "127.0.0.1", *options]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as redis:
        try:
            wait_until(lambda: can_connect(port))
            yield redis, f"127.0.0.1:{port}"
        finally:
            redis.kill()


def can_connect(port: str) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", int(port)), timeout=5):
        return True
    return False


def test_two_servers_count_together_in_one_redis(serve: StartServer) -> None:
    with running_redis() as (_, address), ExitStack() as stack:
        settings = {"LM_API_KEYS": KEYS, "LM_RATE_LIMIT": "100/day,1000/hour", "REDIS_URL": f"redis://{address}"}
        one = stack.enter_context(serve("gunicorn", **settings))
        other = stack.enter_context(serve("gunicorn", WEB_CONCURRENCY="2", **settings))
        asked = many(lambda i: status((one, other)[i % 2], X_API_Key=KEY), 300)
        assert asked == {200: 100, 429: 200}
        request = urllib.request.Request(f"{one.url}{PREDICT}", headers={"X-API-Key": KEY})
        with pytest.raises(urllib.error.HTTPError) as refused, urllib.request.urlopen(request, timeout=20):
            pass
        with refused.value as answer:
            assert answer.headers["RateLimit"].startswith('"day";r=0;t=86')
            assert '"hour";r=699;t=3' in answer.headers["RateLimit"]
            assert 86_000 < int(answer.headers["Retry-After"]) <= 86_401


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGSTOP])
def test_while_redis_is_away_each_server_counts_for_itself(serve: StartServer, stop: signal.Signals) -> None:
    with running_redis("--requirepass", "secret") as (redis, address):
        url = f"redis://:secret@{address}"
        with serve("gunicorn", LM_API_KEYS=KEYS, LM_RATE_LIMIT="5/day", REDIS_URL=url) as server:
            assert many(lambda _: status(server, X_API_Key=KEY), 8) == {200: 5, 429: 3}
            redis.send_signal(stop)
            begin = time.monotonic()
            assert many(lambda _: status(server, X_API_Key=KEY), 40) == {200: 5, 429: 35}
            assert time.monotonic() - begin < 15
            log = server.log.read_text()
            assert "until Redis answers, this server counts requests for itself" in log
            assert "secret" not in log
            assert "Traceback" not in log
