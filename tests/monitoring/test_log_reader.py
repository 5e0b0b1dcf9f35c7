"""The reader takes what the log wrote, and nothing that looks like it."""

import gzip
import math
import sys
from pathlib import Path
from typing import Any

import orjson
import pyarrow
import pytest
from pyarrow import parquet

from lm_app.errors import DataError
from lm_app.monitoring import log_parquet
from lm_app.monitoring.log_reader import read_log

LINE: dict[str, Any] = {
    "time": "2026-11-26T10:53:08.123456Z",
    "request_id": None,
    "model": "cars",
    "version": "20261126T100000.000000Z",
    "interval": "none",
    "level": 0.95,
    "rows": 2,
    "inputs": {"wt": [2.6, 3.1], "cyl": ["4", "6"]},
    "fit": [20.1, None],
    "extrapolated": [False, True],
}
NAME = "20261126T105300.000000Z-7"


def line(**changed: Any) -> bytes:
    return orjson.dumps(LINE | changed, option=orjson.OPT_APPEND_NEWLINE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "cars").mkdir()
    return tmp_path / "cars"


def complaint(path: Path) -> str:
    with pytest.raises(DataError) as raised:
        read_log(path, "cars")
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_files_are_read_in_their_order_and_kinds(folder: Path) -> None:
    (folder / "20261127T000000.000000Z-7.jsonl").write_bytes(line(inputs={"wt": [1, 2]}))
    later = {"inputs": {"wt": [3], "hp": [True]}, "fit": [1.5], "rows": 1, "extrapolated": None}
    (folder / "20261127T000001.000000Z-7.jsonl.gz").write_bytes(gzip.compress(line(**later, lower=[1], upper=[2])))
    lines = folder / f"{NAME}.jsonl"
    lines.write_bytes(line(request_id="abc"))
    log_parquet.write(lines)
    lines.write_bytes(line(request_id="abc"))  # as if the process had been killed before it was removed
    (folder / "notes.txt").write_text("no log")
    (folder / f"{NAME}.parquet-7").write_text("not whole")
    (folder / "20261126T000000.000000Z-7.jsonl").symlink_to("gone")  # as if it had been removed since it was listed
    table = read_log(folder.parent, "cars")
    assert table.inputs == {"wt": [2.6, 3.1, 1, 2, 3], "cyl": ["4", "6", None, None, None], "hp": [None] * 4 + [True]}
    assert table.fit[::2] == [20.1, 20.1, 1.5]
    assert all(map(math.isnan, table.fit[1::2]))
    assert table.extrapolated == [False, True, False, True, None]
    assert (table.lower, table.upper) == ([None] * 4 + [1], [None] * 4 + [2])
    assert table.request_id == ["abc", "abc", None, None, None]
    assert (set(table.time), set(table.version)) == ({LINE["time"]}, {LINE["version"]})
    assert (set(table.interval), set(table.level)) == ({"none"}, {0.95})


def test_a_torn_last_line_is_none(tmp_path: Path) -> None:
    file = tmp_path / "some.jsonl"
    file.write_bytes(line() + line()[:-20])
    assert len(read_log(file, "cars").time) == 2
    file.write_bytes(line() + line()[:-1])
    assert len(read_log(file, "cars").time) == 4


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (line()[:-20] + b"\n", "line 2: unexpected"),
        (b"\n", "line 2: "),
        (b"\xff\n", "line 2: "),
        (b"[]\n", "line 2: : Input should be"),
        (line(model="trucks"), "line 2: it is of model 'trucks', not of 'cars'"),
        (line(time="yesterday"), "line 2: time: String should match pattern"),
        (line(fit=["1", 2]), "line 2: fit.0: Input should be a valid number"),
        (line(fit=[1]), "line 2: fit has 1 values, and rows is 2"),
        (line(inputs={"wt": [1], "cyl": ["4", "6"]}), "line 2: wt has 1 values, and rows is 2"),
        (line(upper=[1, 2, 3]), "line 2: upper has 3 values, and rows is 2"),
    ],
)
def test_a_line_that_is_none_is_told_with_its_number(folder: Path, content: bytes, told: str) -> None:
    file = folder / f"{NAME}.jsonl"
    file.write_bytes(line() + content + line())
    assert complaint(folder.parent).startswith(f"{file}, {told}")


def test_what_can_not_be_read_is_told(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert complaint(tmp_path).startswith(f"there is no prediction log of 'cars' in {tmp_path}: ")
    folder.rmdir()
    assert complaint(tmp_path).startswith(f"there is no prediction log of 'cars' in {tmp_path}: ")
    assert complaint(tmp_path / "no.jsonl") == f"{tmp_path / 'no.jsonl'} can't be read: No such file or directory"
    file = tmp_path / "some.jsonl.gz"
    file.write_bytes(gzip.compress(line())[:-10])
    assert complaint(file).startswith(f"{file} can't be read: Compressed file ended")
    file.write_bytes(line())
    assert complaint(file).startswith(f"{file} can't be read: Not a gzipped file")
    file = tmp_path / "some.parquet"
    file.write_bytes(line())
    assert complaint(file).startswith(f"{file} can't be read as the log's: ")
    parquet.write_table(pyarrow.table({"x": [1]}), file)
    assert complaint(file) == f"{file} can't be read as the log's: its columns are x"
    (tmp_path / "other.jsonl").write_bytes(line(model="trucks"))
    log_parquet.write(tmp_path / "other.jsonl")
    other = tmp_path / "other.parquet"
    assert complaint(other) == f"{other} can't be read as the log's: it is of model 'trucks', not of 'cars'"
    parquet.write_table(parquet.read_table(other).drop_columns(["fit"]), other)
    assert "can't be read as the log's: its columns are time, request_id" in complaint(other)
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert complaint(other) == f"{other} is Parquet; to read it: pip install -r contrib/requirements-files.txt"
