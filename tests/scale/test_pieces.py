"""Data are cut into parts that hold the rows of the whole, whatever the size; and what can't be is told in one line."""

import hashlib
import os
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from lm_app.data.reading import read_table
from lm_app.errors import DataError, Fault
from lm_app.scale.pieces import SAMPLE_BYTES, Piece, digest, find_pieces, place_of, read_piece, rows_before

ROWS = 200
HEADER = "x,kind,flag,day,at,note"
CSV = "".join(
    f"{i / 7},{'abc'[i % 3]},{'TRUE' if i % 2 else 'F'},2024-01-{i % 28 + 1:02},2024-01-01T10:00:{i % 60:02}Z,\n"
    for i in range(ROWS)
)
COMMAS = f"{HEADER}\n{CSV}"
SEMICOLONS = COMMAS.replace(",", ";").replace(".", ",")
LONG = "1,a\n" * (SAMPLE_BYTES // 4)
"""So many rows that the sample ends before them."""


def write(file: Path, content: str | bytes) -> str:
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return str(file)


def together(pieces: list[Piece], columns: list[str] | None = None) -> dict[str, list[Any]]:
    whole: dict[str, list[Any]] = {}
    for piece in pieces:
        for name, values in read_piece(piece, columns).to_pydict().items():
            whole.setdefault(name, []).extend(values)
    return whole


@pytest.mark.parametrize(
    "text",
    [
        COMMAS,
        f"\ufeff{COMMAS}",
        COMMAS.replace("\n", "\r\n"),
        COMMAS.removesuffix("\n"),
        COMMAS.replace(",", "\t"),
        f"# of 2024\n\n{COMMAS}",
        COMMAS.replace("\n", "\n\n"),
        SEMICOLONS,
        COMMAS.replace(",b,", ',"b",'),
    ],
)
def test_parts_of_csv_hold_the_rows_of_the_whole(tmp_path: Path, text: str) -> None:
    file = write(tmp_path / "a.csv", text)
    whole = together(find_pieces(file, 1 << 30))
    in_memory = read_table(Path(file)).columns
    assert whole["x"] == in_memory["x"].values.tolist() == [i / 7 for i in range(ROWS)]
    assert whole["kind"] == ["abc"[i % 3] for i in range(ROWS)]
    assert whole["flag"] == [i % 2 == 1 for i in range(ROWS)]
    assert [str(day) for day in whole["day"]] == [f"2024-01-{i % 28 + 1:02}" for i in range(ROWS)]
    assert [at.second for at in whole["at"]] == [i % 60 for i in range(ROWS)]
    assert whole["note"] == [None] * ROWS
    for part_bytes in (1, 100, 4096):
        pieces = find_pieces(file, part_bytes)
        assert [piece.number for piece in pieces] == list(range(len(pieces)))
        assert together(pieces) == whole
        assert sum(piece.rows for piece in pieces) == pytest.approx(ROWS, rel=0.1)


def test_parts_of_parquet_are_row_groups(tmp_path: Path) -> None:
    table = pyarrow.table({"x": range(ROWS), "kind": ["abc"[i % 3] for i in range(ROWS)]})
    file = str(tmp_path / "a.parquet")
    parquet.write_table(table, file, row_group_size=30)
    many, one = find_pieces(file, 1), find_pieces(file, 1 << 20)
    assert [(piece.before, piece.rows) for piece in many] == [(i * 30, min(30, ROWS - i * 30)) for i in range(7)]
    assert len(one) == 1
    assert together(many) == together(one) == table.to_pydict()
    assert together(many, ["kind"]) == {"kind": table["kind"].to_pylist()}
    assert (place_of(many[2], 3), rows_before(many[2])) == (f"row 64 of {file}", 60)
    assert (
        str(read_piece(one[0], None).schema.field("kind").type) == "dictionary<values=string, indices=int32, ordered=0>"
    )


def test_columns_of_parquet_may_have_many_types(tmp_path: Path) -> None:
    columns = {
        "tens": pyarrow.array([1, 2], pyarrow.decimal128(5, 1)),
        "large": pyarrow.array(["a", "b"], pyarrow.large_string()),
        "small": pyarrow.array([1.5, None], pyarrow.float32()),
        "codes": pyarrow.array([3, 4]).dictionary_encode(),
        "dates": pyarrow.array([0, 1], pyarrow.date32()),
        "times": pyarrow.array([0, 1], pyarrow.timestamp("ns", "UTC")),
        "flags": pyarrow.array([True, None]),
        "none": pyarrow.nulls(2),
    }
    parquet.write_table(pyarrow.table({**columns, "lists": [[1], [2]]}), tmp_path / "a.parquet")
    [piece] = find_pieces(str(tmp_path / "a.parquet"), 1)
    table = read_piece(piece, None)
    assert table.column_names == list(columns)
    kinds = "number", "text", "number", "number", "date", "datetime", "logical", "number"
    assert tuple(piece.columns[name] for name in columns) == kinds
    assert table["tens"].to_pylist() == [1.0, 2.0]
    assert table["codes"].to_pylist() == [3, 4]
    with pytest.raises(Fault, match=r"column 'lists' can't be used: its type list<.*> is none that lm.. takes"):
        read_piece(piece, ["lists"])


def test_files_of_a_pattern_are_one(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "x,kind\n1,a\n")
    write(tmp_path / "b.csv", "kind,x,more\nb,2.5,1\n")
    write(tmp_path / "c.csv", "x,kind\n")
    parquet.write_table(pyarrow.table({"x": [3], "kind": ["c"]}), tmp_path / "d.parquet")
    pieces = find_pieces(f"{tmp_path}/*", 1 << 20)
    assert together(pieces, ["x", "kind"]) == {"x": [1, 2.5, 3], "kind": ["a", "b", "c"]}
    with pytest.raises(Fault, match=f"column 'more' can't be used: {tmp_path}/a.csv has no such column"):
        read_piece(pieces[0], ["more"])


def test_what_is_asked_of_csv_holds(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", "x|code|g\n+1,5|01|NA\n-|02|b\n".encode("latin1"))
    pieces = find_pieces(file, 1, sep="|", dec=",", na=["-"], encoding="latin1", factors={"code": [], "g": ["NA"]})
    assert together(pieces) == {"x": [1.5, None], "code": ["01", "02"], "g": ["NA", "b"]}
    named = write(tmp_path / "b.csv", "name;x\na;ä\nb;ö\n".encode("cp1252"))
    assert together(find_pieces(named, 1))["x"] == ["ä", "ö"]
    write(tmp_path / "b.csv", b"name;x\na;\xe4\n" + b"b;\xf6\n" * SAMPLE_BYTES + b"c;\x81\n")
    with pytest.raises(Fault, match=r"b.csv can't be read: 'charmap' codec can't decode byte 0x81"):
        together(find_pieces(named, 1 << 30))
    rows = write(tmp_path / "c.csv", ",x\nfirst,1\nsecond,2\n")
    assert together(find_pieces(rows, 1)) == {"X": ["first", "second"], "x": [1, 2]}


def test_digests_are_of_all_bytes(tmp_path: Path) -> None:
    csv = write(tmp_path / "a.csv", COMMAS)
    parquet.write_table(pyarrow.table({"x": range(ROWS)}), tmp_path / "a.parquet", row_group_size=50)
    for file in (csv, str(tmp_path / "a.parquet")):
        pieces, content = find_pieces(file, 500), Path(file).read_bytes()
        spans = [piece.span for piece in pieces]
        assert [digest(piece) for piece in pieces] == [
            hashlib.sha256(content[slice(*span)]).hexdigest() for span in spans
        ]
        assert b"".join(content[slice(*span)] for span in spans) == content
        assert sum(piece.bytes for piece in pieces) == len(content)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "{file} is empty"),
        ("x,y\n", "{file}: there is a header, and no observations"),
        (
            "x y\n1 2\n",
            "{file} has blanks between its fields, so that it can't be cut into parts; write the data as Parquet",
        ),
        ("x, y\n1, 2\n".encode("utf-16"), "{file} is in utf-16, which can't be cut into parts; convert it to UTF-8"),
        (b"\x1f\x8b\x08", "{file} is compressed by gzip, which can't be cut into parts; write the data as Parquet"),
        (b"PK\x03\x04", "{file} is a workbook, which can't be cut into parts; write the data as Parquet"),
        (b"x" * (SAMPLE_BYTES + 1), f"{{file}} has no line that ends within {SAMPLE_BYTES} bytes"),
        ("x,y\n1,2\n3\n", "{file} has 2 columns, but 1 of 2 rows have more or fewer fields: line 3 has 1"),
        (b"PAR1 and no more", "{file} is not Parquet that can be read: Parquet magic bytes not found in footer"),
    ],
)
def test_files_that_cannot_be_cut_are_told(tmp_path: Path, content: str | bytes, why: str) -> None:
    file = write(tmp_path / "a.csv", content)
    with pytest.raises(DataError) as raised:
        find_pieces(file, 100)
    assert str(raised.value).startswith(why.format(file=file))


def test_files_that_are_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a.csv: there is no such file"):
        find_pieces(f"{tmp_path}/a.csv", 100)
    os.symlink("/proc/self/mem", tmp_path / "b.csv")
    with pytest.raises(DataError, match=r"b.csv can't be read: Input/output error"):
        find_pieces(f"{tmp_path}/b.csv", 100)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (
            f"x,y\n{LONG}abc,a\n",
            "column 'x', line {line} of {file}: 'abc' is not a number, as the first are; correct it",
        ),
        (f"x,y\n{LONG}1,a,b\n", "line {line} of {file} has 3 fields, not 2; quote each field that holds a separator"),
        (f'x,y\n{LONG}1,"a\n', "{file} has a field in quotes that goes over several lines; write the data as Parquet"),
        (f"x,y\n{LONG}1,".encode() + b"\xe4\n", "{file} can't be read: "),
        ("x,x\n1,2\n", "column 'x' can't be used: 2 columns have this name; rename all but one ({file})"),
        ("x,y\n" + "1,2\n" * 9 + "?,3\n", "column 'x' can't be used: 1 of 10 values is not a number: '?' (row 10);"),
    ],
)
def test_rows_that_cannot_be_read_are_told(tmp_path: Path, content: str | bytes, why: str) -> None:
    file = write(tmp_path / "a.csv", content)
    with pytest.raises(Fault) as raised:
        for piece in find_pieces(file, 1 << 20):
            read_piece(piece, ["x", "y"])
    line = SAMPLE_BYTES // 4 + 2
    assert str(raised.value).startswith(why.format(file=file, line=line))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("good", "bad", "what"),
    [
        ("T", "yes", "TRUE or FALSE"),
        ("2024-02-29", "2024-02-30", "a date such as 2024-12-31"),
        ("2024-02-29", "2024-02-29T10:00", "a date such as 2024-12-31"),
        ("2024-02-29T10:00", "today", "a date and a time such as 2024-12-31T18:30:00Z"),
    ],
)
def test_values_of_another_kind_are_told(tmp_path: Path, good: str, bad: str, what: str) -> None:
    rows = SAMPLE_BYTES // (len(good) + 3) + 1
    file = write(tmp_path / "a.csv", "x,y\n" + f"1,{good}\n" * rows + f"1,{bad}\n")
    [piece] = find_pieces(file, 1 << 30)
    with pytest.raises(Fault, match=rf"column 'y', line {rows + 2} of {file}: '{bad}' is not {what}, as the first are"):
        read_piece(piece, ["y"])
    assert read_piece(piece, ["x"]).num_rows == rows + 1


def test_kinds_that_differ_are_told(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "x,d\n1,2024-01-01\n")
    write(tmp_path / "b.csv", "x,d\na,2024-01-01T10:00\n")
    [first, _] = find_pieces(f"{tmp_path}/*.csv", 100)
    message = (
        f"column 'x' can't be used: it is a number in {tmp_path}/a.csv and a text in {tmp_path}/b.csv; correct that"
    )
    with pytest.raises(Fault, match=rf"{message}, or name it as a factor"):
        read_piece(first, ["x"])
    with pytest.raises(Fault, match=r"it is a date in .*a.csv and a datetime in .*b.csv; correct that$"):
        read_piece(first, ["d"])
    with pytest.raises(Fault, match=r"there is no column 'z' in .*a.csv; it has x, d"):
        read_piece(first, ["z"])


def test_data_that_change_are_told(tmp_path: Path) -> None:
    file = write(tmp_path / "a.csv", COMMAS)
    [piece] = find_pieces(file, 1 << 20)
    write(tmp_path / "a.csv", COMMAS + CSV)
    for look in (lambda: read_piece(piece, None), lambda: digest(piece)):
        with pytest.raises(Fault, match=r"a.csv has changed since it was first read; start again"):
            look()
    Path(file).unlink()
    for look in (lambda: read_piece(piece, None), lambda: digest(piece)):
        with pytest.raises(Fault, match=r"a.csv can't be read: .*No such file or directory"):
            look()
