"""Functions run over all parts, whatever happens to their workers; and what is wrong is told in one line."""

import gc
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from dask import config as dask_config

from lm_app.errors import Fault, TrainingError
from lm_app.scale import cluster as scale_cluster
from lm_app.scale.cluster import Engine, _merge, cluster
from lm_app.scale.pieces import VALUE_BYTES, Piece, find_pieces
from tests.conftest import ROOT, free_port
from tests.scale import parts
from tests.scale.conftest import dask, scheduler_words, worker_words

PAGE = (ROOT / "docs" / "scale.md").read_text()
PARTS, ROWS = 19, 5
TREE = f"(({' '.join(f'p{i}' for i in range(8))}) ({' '.join(f'p{i}' for i in range(8, 16))}) (p16 p17 p18))"

told: list[tuple[str, int, int, int]] = []


def say(what: str, done: int, parts: int, rows: int) -> None:
    told.append((what, done, parts, rows))


@pytest.fixture(scope="module")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> list[Piece]:
    file = tmp_path_factory.mktemp("data") / "a.csv"
    file.write_text("x\n" + "1.25\n" * PARTS * ROWS)
    found = find_pieces(str(file), ROWS * VALUE_BYTES)
    assert len(found) == PARTS
    return found


@pytest.fixture(scope="module")
def here() -> Iterator[Engine]:
    with cluster(None, 2, say) as engine:
        yield engine


def test_values_come_in_the_order_of_parts(here: Engine, pieces: list[Piece]) -> None:
    told.clear()
    assert list(here.map(parts.named, "p", pieces, "naming")) == [f"p{number}" for number in range(PARTS)]
    assert told == [("naming", done, PARTS, done * ROWS) for done in range(PARTS + 1)]
    assert here.reduce(parts.named, parts.joined, "p", pieces, "joining") == TREE
    assert here.reduce(parts.named, parts.joined, "p", pieces[:1], "joining") == "(p0)"


def test_a_fault_is_told_and_not_tried_again(here: Engine, pieces: list[Piece], tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    for work in (
        lambda: list(here.map(parts.not_the_third, str(calls), pieces[:4], "")),
        lambda: here.reduce(parts.not_the_third, parts.joined, str(calls), pieces[:4], ""),
    ):
        calls.unlink(missing_ok=True)
        with pytest.raises(Fault, match=r"^part 2 is wrong$"):
            work()
        assert calls.read_text().count("2\n") == 1
    with pytest.raises(Fault, match=r"^they do not fit together$"):
        here.reduce(parts.named, parts.not_joined, "p", pieces, "")


def test_a_worker_that_is_killed_changes_nothing(here: Engine, pieces: list[Piece], tmp_path: Path) -> None:
    assert list(here.map(parts.killed_once, str(tmp_path / "killed"), pieces, "")) == [ROWS] * PARTS
    assert (tmp_path / "killed").exists()


def test_a_cluster_elsewhere_gives_the_same(elsewhere: str, pieces: list[Piece]) -> None:
    with cluster(elsewhere, None, say) as engine:
        assert engine.reduce(parts.named, parts.joined, "p", pieces, "") == TREE
        with pytest.raises(TrainingError) as raised:
            list(engine.map(parts.killed_always, "", pieces[:1], ""))
    assert str(raised.value) == "a part needs more than the worker's memory; take --part-size 1M"


def certificates(folder: Path) -> Path:
    """Make them as docs/scale.md does; gives the file of Dask's settings that names them."""
    (openssl,) = re.findall(r"^\$ (openssl .*)", PAGE, re.MULTILINE)
    (settings,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    subprocess.run(shlex.split(openssl), cwd=folder, check=True, capture_output=True)
    file = folder / "dask.yaml"
    file.write_text(settings.replace("/certs", str(folder)))
    return file


# Of a connection that fails, Dask may leave something that warns when Python collects it: here, not in a later test.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_others_are_reached_by_tls_and_must_have_the_same_software(
    pieces: list[Piece], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, port = certificates(tmp_path), free_port()
    address = f"tls://127.0.0.1:{port}"
    other = tmp_path / "other"
    (other / "lm_app").mkdir(parents=True)
    (other / "tests").symlink_to(ROOT / "tests")
    for path in (ROOT / "lm_app").iterdir():
        (other / "lm_app" / path.name).symlink_to(path)
    (other / "lm_app" / "R").unlink()
    shutil.copytree(ROOT / "lm_app" / "R", other / "lm_app" / "R")
    with (other / "lm_app" / "R" / "fit.R").open("a") as file:
        file.write("# another version\n")
    logs = tmp_path / "scheduler.log", tmp_path / "worker.log"
    with monkeypatch.context() as patched:
        patched.setattr(scale_cluster, "CONNECT_SECONDS", 0.5)
        assert_refused(address, r"Dask's setting distributed.comm.tls.ca-file is not set; docs/scale.md has them$")
        assert_refused(f"tcp://127.0.0.1:{port}", r"the scheduler .* does not answer: .*; is it running\?$")
        with dask_config.set({"distributed.comm.tls.ca-file": str(tmp_path / "none.pem")}):
            assert_refused(address, r"Dask's setting distributed.comm.tls.ca-file names .*none.pem, which is no file;")
    with (
        dask_config.set(dask_config.merge(dask_config.config, yaml.safe_load(settings.read_text()))),
        dask(
            *scheduler_words(port), "--protocol", "tls", ready="Scheduler at", log=logs[0], settings=settings
        ) as scheduler,
        dask(*worker_words(address), ready="Registered to", log=logs[1], cwd=other, settings=settings),
        cluster(address, None, say) as engine,
    ):
        with pytest.raises(Fault) as raised:
            list(engine.map(parts.named, "", pieces[:1], ""))
        assert re.fullmatch(
            r"the worker tls://127.0.0.1:\d+ has (R version .*) and lm_app \w{12}, not \1 and lm_app \w{12}; "
            "start all from one image",
            str(raised.value),
        )
        scheduler.kill()
        with pytest.raises(TrainingError, match="the cluster went away"):
            list(engine.map(parts.named, "", pieces[:1], ""))
    gc.collect()


def assert_refused(address: str, why: str) -> None:
    with pytest.raises(TrainingError, match=why), cluster(address, None, say):
        pass


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("tcp://10.0.0.1:8786", "over plain tcp://, whoever reaches a port of Dask can run code there; take tls://"),
        ("tcp://dask.example.com:8786", "over plain tcp://, whoever reaches a port of Dask can run code there"),
        ("10.0.0.1:8786", "it must be an address such as tls://host:8786"),
        ("tls://host:0", "it must be an address such as tls://host:8786"),
        ("ucx://host:8786", "it must be an address such as tls://host:8786"),
        ("tls://user@host:8786", "it must be an address such as tls://host:8786"),
    ],
)
def test_addresses_that_would_let_anybody_run_code_are_refused(address: str, why: str) -> None:
    assert_refused(address, f"^--scheduler {re.escape(address)}: {re.escape(why)}")


def test_what_a_merge_finds_wrong_is_returned() -> None:
    assert str(_merge(parts.not_joined, "", "a", "b")) == "they do not fit together"
