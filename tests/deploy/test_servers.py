"""The servers that users start, as processes, under load."""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pytest_django import Settings

from lm_app.training.update import update
from tests.conftest import ROOT, SERVERS, Server, StartServer, change_data


def expected(distance: float) -> float:
    """R's answer to 6 decimals; test_original.py compares R itself with the original's."""
    return round(5.87837837837838 + 1.41891891891892 * distance, 6)


@pytest.mark.parametrize("kind", SERVERS)
def test_2000_predictions_by_8_clients_then_ctrl_c(serve: StartServer, kind: str) -> None:
    distances = [5 + i % 270 / 10 for i in range(2000)]
    with serve(kind) as server:
        with ThreadPoolExecutor(8) as clients:
            answers = list(clients.map(lambda d: float(server.get(f"/lm/api/predict/{d}")), distances))
        assert answers == pytest.approx([expected(d) for d in distances], abs=1.5e-6)
        assert server.interrupt() < 2
        assert "Traceback" not in server.log.read_text()


def test_retraining_while_clients_ask_fails_no_request(serve: StartServer, models: Path, settings: Settings) -> None:
    answers: set[bytes] = set()
    stop = threading.Event()

    def ask(server: Server) -> None:
        while not stop.is_set():
            answers.add(server.get("/lm/api/predict/29.5"))

    with serve("gunicorn") as server, ThreadPoolExecutor(4) as clients:
        asking = [clients.submit(ask, server) for _ in range(4)]
        time.sleep(0.3)
        change_data(models, "55,32", "75,32")
        update("timedistance", force=True)
        while (retrained := server.get("/lm/api/predict/29.5")) == b"47.736486":
            pass  # another client's request is loading the new version
        time.sleep(0.3)
        stop.set()
        for client in asking:
            client.result()
    assert answers == {b"47.736486", retrained}
    assert retrained != b"47.736486"


def test_docs_and_assets_under_gunicorn_without_debug(serve: StartServer) -> None:
    with serve("gunicorn sync") as server:
        assert b"swagger-ui" in server.get("/lm/api/docs")
        assert len(server.get("/static/ninja/swagger-ui-bundle.js")) > 100_000


def test_below_a_path_of_a_proxy_links_and_assets_have_it(serve: StartServer) -> None:
    with serve("gunicorn", SCRIPT_NAME="/stats") as server:
        assert server.get("/lm/api/predict/29.5") == b"47.736486"
        assert b'href="/stats/lm/api/docs"' in server.get("/lm")
        page = server.get("/lm/api/docs").decode()
        assets = re.findall(r'(?:src|href)="([^"]+)"', page)
        assert len(assets) >= 4
        for asset in assets:
            assert asset.startswith("/stats/static/")
            assert server.get(asset.removeprefix("/stats"))
        assert b'"/stats/lm/api/predict"' in server.get("/lm/api/openapi.json")


def cpus_of_workers(server: Server) -> list[set[frozenset[int]]]:
    """For each of gunicorn's workers, the CPUs that its threads may use."""
    return [
        {frozenset(os.sched_getaffinity(int(thread.name))) for thread in Path(f"/proc/{worker}/task").iterdir()}
        for worker in server.workers()
    ]


@pytest.mark.parametrize("pinned", [True, False])
def test_each_gunicorn_worker_keeps_to_a_cpu_of_its_own(serve: StartServer, pinned: bool) -> None:
    cpus = frozenset(os.sched_getaffinity(0))
    with serve("gunicorn", WEB_CONCURRENCY="2", PIN_WORKERS=str(pinned)) as server:
        while server.log.read_text().count("Booting worker") < 2:
            time.sleep(0.1)
        time.sleep(0.5)  # from the log's line to the setting
        for _ in range(20):
            server.get("/lm/api/predict/29.5")  # by several threads
        found = cpus_of_workers(server)
    if pinned:
        assert all(len(of_threads) == 1 for of_threads in found)
        assert [len(cpu) for of_threads in found for cpu in of_threads] == [1, 1]
        assert len(frozenset().union(*found[0], *found[1])) == min(2, len(cpus))
    else:
        assert found == [{cpus}] * 2


def test_a_long_url_gets_our_answer_under_gunicorn(serve: StartServer) -> None:
    with serve("gunicorn") as server:
        status, detail = server.refusal(f"/lm/api/predict/{'9' * 10_000}")
        assert (status, "such as 29.5" in detail) == (422, True)


def test_gunicorn_without_a_trained_model_serves_the_pages(serve: StartServer, models: Path) -> None:
    shutil.rmtree(models / "timedistance" / "versions")
    (models / "timedistance" / "live").unlink()
    with serve("gunicorn sync") as server:
        assert b"<h1>Index Page</h1>" in server.get("/")
        assert server.refusal("/lm/api/predict/29.5")[0] == 503
        assert "update_lm" in server.log.read_text()


def test_r_leaves_no_folder_behind(serve: StartServer, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    with serve("gunicorn", TMPDIR=str(tmp_path / "tmp")) as server:
        server.get("/lm/api/predict/29.5")
        assert len(list((tmp_path / "tmp").glob("Rtmp*"))) == 1
        server.interrupt()
    assert list((tmp_path / "tmp").glob("Rtmp*")) == []


def test_missing_secret_key_names_the_remedy(tmp_path: Path) -> None:
    project = shutil.copytree(ROOT, tmp_path / "p", ignore=shutil.ignore_patterns(".*", "versions", "live", "tests"))
    done = subprocess.run(
        ["python3", "manage.py", "check"], cwd=project, env={"PATH": python_path()}, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr == (
        "manage.py: SECRET_KEY is not set: "
        "run 'python contrib/setup_env_and_terraform.py', which writes a random one to .env.\n"
    )
    setup = subprocess.run(
        ["python3", "contrib/setup_env_and_terraform.py"], cwd=project, env={"PATH": python_path()}, capture_output=True
    )
    assert setup.returncode == 0
    check = subprocess.run(["python3", "manage.py", "check"], cwd=project, env={"PATH": python_path()})
    assert check.returncode == 0


def python_path() -> str:
    return f"{Path(sys.executable).parent}:{os.environ['PATH']}"
