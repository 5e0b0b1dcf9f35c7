"""What is written in any dialect is read back, and no bytes make the reader fail."""

import csv
import io

from hypothesis import example, given
from hypothesis import strategies as st

from lm_app.data.reading import read_table
from lm_app.errors import DataError
from tests.data.test_kinds_of_files import values_of

TEXTS = st.text(st.characters(codec="cp1252", exclude_categories=["Cc"]), min_size=1, max_size=8).map(
    lambda t: f"x{t}x"
)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@given(
    rows=st.lists(st.tuples(NUMBERS, TEXTS, st.integers(-(10**6), 10**6)), min_size=1, max_size=20),
    sep=st.sampled_from(",;\t|"),
    newline=st.sampled_from(["\n", "\r", "\r\n"]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    decimal_comma=st.booleans(),
)
def test_what_is_written_is_read_back(
    rows: list[tuple[float, str, int]], sep: str, newline: str, encoding: str, quoting: int, decimal_comma: bool
) -> None:
    mark = "," if decimal_comma and sep != "," else "."
    text = io.StringIO()
    writer = csv.writer(text, delimiter=sep, lineterminator=newline, quoting=quoting)  # type: ignore[arg-type]
    writer.writerow(["number", "text", "whole"])
    writer.writerows((repr(number).replace(".", mark), word, whole) for number, word, whole in rows)
    table = read_table(text.getvalue().encode(encoding))
    assert {name: values_of(column) for name, column in table.columns.items()} == {
        "number": [number for number, _, _ in rows],
        "text": [word for _, word, _ in rows],
        "whole": [whole for _, _, whole in rows],
    }


@given(st.binary(max_size=200) | st.text("ab,;\t| \"#\n\r19.-$%'é", max_size=100).map(str.encode))
@example(b"PK\x03\x04")
@example(b"sep=;")
def test_no_bytes_make_the_reader_fail(content: bytes) -> None:
    try:
        table = read_table(content)
    except DataError as error:
        assert "\n" not in str(error)
    else:
        assert {len(column.values) for column in table.columns.values()} <= {table.rows}
        assert all("\n" not in said for said in [*table.notes, *table.problems.values()])
