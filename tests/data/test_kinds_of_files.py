"""Each kind of file that people have, read as R reads it or better."""

import gzip
import math
from pathlib import Path

import pytest

from lm_app.data.reading import CHUNK_ROWS, read_table
from lm_app.data.table import NA_INTEGER, Column, Table
from lm_app.errors import DataError

PLAIN = {"price": [8.82, 9.55, 10.69], "size": [2.0, 2.35, 2.7]}
COMMAS = "price,size\n8.82,2.0\n9.55,2.35\n10.69,2.7\n"
SEMICOLONS = "price;size\n8,82;2,0\n9,55;2,35\n10,69;2,7\n"

SAME = {
    "commas": COMMAS,
    "no newline at the end": COMMAS.rstrip(),
    "carriage returns": COMMAS.replace("\n", "\r"),
    "carriage returns and newlines": COMMAS.replace("\n", "\r\n"),
    "semicolons and commas": SEMICOLONS,
    "semicolons and points": COMMAS.replace(",", ";"),
    "tabs": COMMAS.replace(",", "\t"),
    "bars": COMMAS.replace(",", "|"),
    "blanks": COMMAS.replace(",", " "),
    "aligned by blanks": " price   size\n  8.82   2.0\n  9.55   2.35 \n 10.69   2.7\n",
    "write.table": '"price" "size"\n"1" 8.82 2.0\n"2" 9.55 2.35\n"3 b" 10.69 2.7\n',
    "write.csv": '"","price","size"\n"1",8.82,2.0\n"2",9.55,2.35\n"3",10.69,2.7\n',
    "to_csv": ",price,size\n0,8.82,2.0\n1,9.55,2.35\n2,10.69,2.7\n",
    "row names, not in the header": "price,size\na,8.82,2.0\nb,9.55,2.35\nc,10.69,2.7\n",
    "commas at the end of all lines": COMMAS.replace("\n", ",\n"),
    "commas at the end of the rows": "price,size\n8.82,2.0,\n9.55,2.35,\n10.69,2.7,\n",
    "commas at the end of the header": "price,size,,\n8.82,2.0\n9.55,2.35\n10.69,2.7\n",
    "sep=; of Excel": "sep=;\n" + SEMICOLONS,
    "sep=TAB of Excel": '"sep=\t"\n' + COMMAS.replace(",", "\t"),
    "comments on top": "# exported 2024-03-01\n# by me\n" + COMMAS,
    "comments with as many fields": "# exported, today\n" + COMMAS,
    "blank lines": "\n\n" + COMMAS.replace("\n", "\n\n"),
    "empty rows": COMMAS + ",\n,\n",
    "a byte-order mark": "\ufeff" + COMMAS,
    "blanks after commas": COMMAS.replace(",", ", "),
    "blanks before quotes": 'price, "size"\n8.82, "2.0"\n9.55, "2.35"\n10.69, "2.7"\n',
    "all quoted": '"price","size"\n"8.82","2.0"\n"9.55","2.35"\n"10.69","2.7"\n',
}


def values_of(column: Column) -> list[object]:
    """Values as Python has them; None for NA."""
    if column.type in ("double", "date", "datetime"):
        return [None if math.isnan(value) else value for value in column.values]
    if column.type == "text":
        return [None if code == NA_INTEGER else column.texts[code - 1] for code in column.values]
    return [None if value == NA_INTEGER else value for value in column.values]


def read(text: str | bytes, **options: object) -> Table:
    content = text.encode() if isinstance(text, str) else text
    return read_table(content, **options)  # type: ignore[arg-type]


def columns_of(text: str | bytes, **options: object) -> dict[str, list[object]]:
    table = read(text, **options)
    assert not table.problems
    return {name: values_of(column) for name, column in table.columns.items() if name != table.row_names}


@pytest.mark.parametrize("kind", SAME)
def test_kinds_are_read_alike(kind: str) -> None:
    assert columns_of(SAME[kind]) == PLAIN


@pytest.mark.parametrize(
    "encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "utf-8", "latin1", "cp1252"]
)
def test_encodings_are_detected(encoding: str) -> None:
    text = "größe;weg\n1;à\n2;b\n"
    assert columns_of(text.encode(encoding)) == {"größe": [1, 2], "weg": ["à", "b"]}


def test_a_guessed_encoding_is_noted() -> None:
    [note] = read("größe,b\n1,2\n".encode("latin1")).notes
    assert note == "it is not UTF-8; read as cp1252 (--encoding names another)"
    assert "latin1" in read(b"a\x81,b\n1,2\n").notes[0]


@pytest.mark.parametrize("name", ["UTF-16", "UTF-16LE", "UTF-8-BOM", "utf-8", "windows-1252", "macintosh"])
def test_a_named_encoding_is_taken(name: str) -> None:
    python_name = {"UTF-8-BOM": "utf-8-sig"}.get(name, name)
    assert columns_of("größe,b\n1,2\n".encode(python_name), encoding=name) == {"größe": [1], "b": [2]}


def test_a_mark_is_no_part_of_a_name_where_the_encoding_is_named() -> None:
    assert columns_of("\ufeff" + COMMAS, encoding="UTF-8") == PLAIN
    assert columns_of(("\ufeff" + COMMAS).encode("utf-16-le"), encoding="utf_16_le") == PLAIN


def test_gzip_is_read(tmp_path: Path) -> None:
    (tmp_path / "data.csv.gz").write_bytes(gzip.compress(COMMAS.encode()))
    table = read_table(tmp_path / "data.csv.gz")
    assert {name: values_of(column) for name, column in table.columns.items()} == PLAIN


def test_a_quoted_newline_is_part_of_a_text() -> None:
    assert columns_of('a,b\n"x\ny",1\n"z, ""q""",2\n') == {"a": ["x\ny", 'z, "q"'], "b": [1, 2]}


def test_an_unquoted_quote_is_part_of_a_text() -> None:
    assert columns_of('y,n\n1,5" pipe\n2,b\n3,6" pipe\n')["n"] == ['5" pipe', "b", '6" pipe']


def test_a_header_may_begin_with_a_hash() -> None:
    assert columns_of("#a,b\n1,2\n") == {"#a": [1], "b": [2]}


def test_a_comma_in_a_quoted_name_is_no_separator() -> None:
    assert columns_of('price;"size, m";x\n8,82;2,0;0\n9,55;2,35;1\n') == {
        "price": [8.82, 9.55],
        "size, m": [2.0, 2.35],
        "x": [0, 1],
    }


def test_a_separator_can_be_given() -> None:
    assert columns_of("a;b,c\n1;2,3\n", sep=";") == {"a": [1], "b,c": [2.3]}
    assert columns_of("a\tb\n1\t2\n", sep="\\t") == columns_of("a\tb\n1\t2\n", sep="TAB") == {"a": [1], "b": [2]}
    for sep in ("ab", '"', "\n"):
        with pytest.raises(DataError, match="it must be one character, or TAB"):
            read(COMMAS, sep=sep)


def test_a_decimal_mark_is_found_after_thousands_of_rows() -> None:
    rows = "".join(f"{i};{i}\n" for i in range(2 * CHUNK_ROWS))
    columns = columns_of(f"a;b\n{rows}0,5;1.5\n{rows}")
    whole = [*map(float, range(2 * CHUNK_ROWS))]
    assert columns == {"a": [*whole, 0.5, *whole], "b": [*whole, 1.5, *whole]}


def test_a_text_has_no_vote_on_the_decimal_mark() -> None:
    assert columns_of("price;note\n8.82;room 3,4\n9.5;ok\n")["price"] == [8.82, 9.5]


def test_columns_may_have_different_decimal_marks() -> None:
    assert columns_of('y;x\n1.5;"2,25"\n2.5;"3,5"\n') == {"y": [1.5, 2.5], "x": [2.25, 3.5]}


def test_a_decimal_mark_can_be_given() -> None:
    assert columns_of('a,b\n"1,5",2\n"2,5",3\n', dec=",") == {"a": [1.5, 2.5], "b": [2, 3]}
    assert values_of(read("a;b\n1,500;1.5\n", dec=",").columns["a"]) == [1.5]


def test_a_row_that_is_long_or_short_is_named_by_its_line() -> None:
    with pytest.raises(DataError) as raised:
        read('# top\na,b\n"1\n",2\n3\n\n4,5\n6,7,8\n9\n1\n')
    assert str(raised.value) == (
        "has 2 columns, but 4 of 6 rows have more or fewer fields: line 5 has 1, line 8 has 3, line 9 has 1, ...; "
        "correct them, and quote each field that holds a separator"
    )


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("# nothing\n", "is empty"),
        ("a,b\n", "has a header and no observations"),
        ("a,b\n,\n\n", "has a header and no observations"),
        ("a,b\n1,2,3,4\n", "has a header of 2 fields, but 4 in its first row"),
        ("a\n1,5\n", "has a header of 1 fields, but 2 in its first row"),
        ("a,b,c\n1,2\n", "has a header of 3 fields, but 2 in its first row"),
        ('a,b\n1,"2\n3,4\n', "can't be read: line 2: the quote is never closed; a quote within a quoted field"),
        (f'a,b\n1,"{"x" * 200_000}', "can't be read: line 2: the quote is never closed"),
        ('a,b\n1,2\n"x"y,4\n', "can't be read: line 3: text follows the closing quote"),
        (b"a,b\n1,2\n3,4\n5,6\n\0", "is not text: it has NUL bytes"),
        (b"\x89PNG\r\n\x1a\n\xff\xd8", "is not text: it has control characters, and is not UTF-8"),
        (b"\x1f\x8b rubbish", "is not what gzip compressed"),
        (gzip.compress(b"a,b\n1,2\n")[:-9], "is not what gzip compressed"),
        (b"\xff\xfea", "is not text in utf-16: byte 2 is wrong"),
    ],
)
def test_what_is_no_table_is_refused_with_its_reason(content: str | bytes, why: str) -> None:
    with pytest.raises(DataError) as raised:
        read(content)
    assert str(raised.value).startswith(why)


@pytest.mark.parametrize("name", ["klingon", "hex", "undefined", "a\0b"])
def test_an_encoding_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(DataError, match=r"there is no encoding|is not text in"):
        read(COMMAS, encoding=name)


def test_a_field_of_a_megabyte_does_not_hide_the_separator() -> None:
    with pytest.raises(DataError, match="line 2: the quote is never closed"):
        read(f'a;b\n"{"x," * 500_000}')


def test_a_missing_file_is_refused() -> None:
    with pytest.raises(DataError, match="does not exist"):
        read_table(Path("/nowhere.csv"))


def test_row_names_are_called_x_where_that_is_free() -> None:
    table = read(",X,y\na,1,2\nb,3,4\n")
    assert table.row_names == "X.1"
    assert list(table.columns) == ["X.1", "X", "y"]
    assert table.notes == ["the first column has no name; it is taken for row names, and called X.1"]


def test_columns_without_a_name_are_left_out() -> None:
    table = read(",a,,b,\n,1,7,2,\n,3,8,4,\n")
    assert list(table.columns) == ["a", "b"]
    assert table.row_names is None
    assert table.notes == ["column 3 has no name; it is left out"]


def test_a_repeated_name_can_not_be_used() -> None:
    table = read("x,y,x,x.1\n1,2,3,4\n")
    assert list(table.columns) == ["x", "y", "x.2", "x.1"]
    assert table.problems == {"x": "2 columns have this name; rename all but one"}


def test_what_is_skipped_or_missing_is_noted() -> None:
    table = read("a;b\nx;1\n;2\n;\n;4\n")
    assert table.notes == ["its separator is ;", "1 empty rows are skipped", "empty texts are missing values: a (2)"]
    assert values_of(table.columns["a"]) == ["x", None, None]
    many = read("a,b,c,d,e,f,g\nx,x,x,x,x,x,1\n,,,,,,2\n")
    assert many.notes == ["empty texts are missing values: a (1), b (1), c (1), d (1), e (1), ..."]
    assert read("a b\n1 2\n").notes == ["its separator is blanks"]


def test_the_code_of_namibia_is_told_from_a_missing_value() -> None:
    text = "iso,y\nNA,1\nZA,2\nBW,3\n"
    assert read(text).notes == ["NA of column iso is a missing value; where it is a code like the others, say --na ''"]
    assert columns_of(text, na=[""]) == {"iso": ["NA", "ZA", "BW"], "y": [1, 2, 3]}
