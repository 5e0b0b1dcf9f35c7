"""The type of a column, as R's type.convert() finds it."""

import struct
from array import array

import pytest

from lm_app.data.reading import CHUNK_ROWS
from lm_app.data.table import NA_REAL
from tests.data.test_kinds_of_files import columns_of, read, values_of

NA = None
TYPES = {
    "integer": (["1", "-2", "+3", " 4 ", "NA", ""], [1, -2, 3, 4, NA, NA]),
    "double": (["1.0", "2"], [1.0, 2.0]),
    "double of an exponent": (["1e5", "2E-1"], [1e5, 0.2]),
    "double beyond integers": (["2147483648", "1"], [2147483648.0, 1.0]),
    "double at R's NA": (["-2147483648", "1"], [-2147483648.0, 1.0]),
    "double beyond with a missing value": (["3000000000", "NA"], [3e9, NA]),
    "double as R spells infinity": (["Inf", "-Inf", "infinity", "1"], [float("inf"), float("-inf"), float("inf"), 1.0]),
    "double and NaN": (["NaN", "1.5"], [NA, 1.5]),
    "logical": (["T", "FALSE", "NA", "TRUE", "F"], [1, 0, NA, 1, 0]),
    "logical where all is missing": (["NA", "", "NA"], [NA, NA, NA]),
    "text of Python's logicals": (["True", "False"], ["True", "False"]),
    "text that only float() takes": (["1_000", "x", "y"], ["1_000", "x", "y"]),
    "text in other digits": (["\u0661", "x", "y"], ["\u0661", "x", "y"]),
    "text with its blanks": ([" a", "a ", "NA", " "], [" a", "a ", NA, NA]),
    "text": (["a", "1", "b"], ["a", "1", "b"]),
    "date": (["2024-01-01", "NA", "1970-01-02"], [19723.0, NA, 1.0]),
    "date before 1970": (["1969-12-31", "0001-01-01"], [-1.0, -719162.0]),
    "datetime": (["1970-01-01 00:00:10", "1970-01-01T00:01"], [10.0, 60.0]),
    "datetime and dates": (["1970-01-02", "1970-01-01T00:00:00.5Z"], [86400.0, 0.5]),
    "datetime of zones": (["1970-01-01T02:00:00+02:00", "1970-01-01T00:00:00-0130"], [0.0, 5400.0]),
}


@pytest.mark.parametrize("kind", TYPES)
def test_types(kind: str) -> None:
    texts, expected = TYPES[kind]
    column = read("a,b\n" + "".join(f'"{text}",1\n' for text in texts)).columns["a"]
    assert column.type == kind.partition(" ")[0]
    assert values_of(column) == expected
    assert column.problem is None


@pytest.mark.parametrize("kind", TYPES)
def test_types_found_after_thousands_of_rows(kind: str) -> None:
    texts, _ = TYPES[kind]
    empty = ",1\n" * CHUNK_ROWS
    text = f"a,b\n{empty}" + "".join(f'"{text}",1\n' for text in texts)
    column, alone = read(text).columns["a"], read(text.replace(empty, "")).columns["a"]
    assert (column.type, values_of(column)[CHUNK_ROWS:]) == (alone.type, values_of(alone))


def test_numbers_are_correctly_rounded_where_r_is_not() -> None:
    assert columns_of("a,b\n9.20216e-05,1\n")["a"] == [float("9.20216e-05")]


def test_a_missing_number_has_the_bits_of_r() -> None:
    column = read("a,b\nNA,1\n2.5,1\n").columns["a"]
    assert column.values[:1].tobytes() == array("d", [NA_REAL]).tobytes()
    assert struct.unpack("<Q", struct.pack("<d", NA_REAL))[0] & 0xFFFFFFFF == 1954


def test_what_stands_for_a_missing_value_can_be_given() -> None:
    assert columns_of("a,b,c\n-9,x,1.5\n2,none,-9\n", na=["-9", "none"]) == {
        "a": [NA, 2],
        "b": ["x", NA],
        "c": [1.5, NA],
    }
    assert columns_of("a;b\n-9,5;1\n2,5;2\n", na=["-9,5"])["a"] == [NA, 2.5]
    assert columns_of("a;b\n.;1\n2,5;2\n", na=["."])["a"] == [NA, 2.5]


@pytest.mark.parametrize("texts", [["01234", "02345"], ["1.0", "1.5"], ["T", "F"], ["100000", "3000000000"], ["1,5"]])
def test_a_declared_factor_keeps_its_texts(texts: list[str]) -> None:
    column = read("a;b\n" + "".join(f"{text};1\n" for text in texts), factors={"a": []}).columns["a"]
    assert (column.type, column.texts) == ("text", texts)


PROBLEMS = {
    "1 of 6 values is not a number: 'oops' (row 6); correct them, name them as missing (--na 'oops'), "
    "or take the column as a factor (--factors a)": ["1", "2", "3", "4", "5", "oops"],
    "2 of 12 values are not numbers: 'x' (row 3), 'y' (row 7)": [*"12x456y", *"67890"],
    "5 of 25 values are not numbers: 'a' (row 1), 'b' (row 2), 'c' (row 3), ...": [*"abcde", *map(str, range(20))],
    "1 of 3 values has a thousands separator: '1,500' (row 1); write 1500 for 1,500": ["1,500", "200", "3"],
    "2 of 2 values have thousands separators: '1 500' (row 1), \"1'500.5\" (row 2)": ["1 500", "1'500.5"],
    "2 of 3 values have currency signs: '$10' (row 1), '5.50 €' (row 2); write the number": ["$10", "5.50 €", "1"],
    "1 of 1 values has a percent sign: '5 %' (row 1); write the number alone": ["5 %"],
    "1 of 2 values has a decimal comma: '1,5' (row 1); use one decimal mark; --dec , names": ["1,5", "2.5"],
    "1 of 6 values is not a number: '?' (row 1); correct them, name them as missing (--na '?'), or take the column as "
    "a factor (--factors a); 1 of 6 values has a percent sign: '5%' (row 6)": ["?", "1", "2", "3", "4", "5%"],
    "1 of 3 values is no date: '2024-02-30' (row 2); write YYYY-MM-DD, or take": [
        "2024-02-29",
        "2024-02-30",
        "2024-03-01",
    ],
}


@pytest.mark.parametrize("said", PROBLEMS)
def test_what_was_meant_to_be_numbers_or_dates_is_a_problem(said: str) -> None:
    texts = PROBLEMS[said]
    problem = read("a,b\n" + "".join(f'"{text}",1\n' for text in texts)).problems["a"]
    assert problem.startswith(said)


def test_problems_of_decimal_marks_beside_semicolons() -> None:
    def problem(*texts: str, **options: str) -> str:
        return read("a;b\n" + "".join(f"{text};1\n" for text in texts), **options).problems["a"]

    assert problem("1,5", "2.5", "3,5") == "1 of 3 values has a decimal point: '2.5' (row 2); use one decimal mark"
    assert problem("1.500,25", "2") == (
        "1 of 2 values has a thousands separator: '1.500,25' (row 1); write 1500 for 1,500"
    )
    assert problem("1.5", "2", dec=",") == "1 of 2 values has a decimal point: '1.5' (row 1); use one decimal mark"


def test_a_comma_that_may_be_either_is_a_problem_where_others_have_points() -> None:
    table = read("a;b\n1,500;1.5\n2,250;2.5\n")
    assert table.problems == {"a": "it may have thousands separators or decimal commas; say --dec , or --dec ."}
    assert columns_of("a;b\n1,500;2,5\n") == {"a": [1.5], "b": [2.5]}
    late = "5;1.5\n" * CHUNK_ROWS
    assert "a" in read(f"a;b\n{late}1,500;1.5\n").problems


def test_texts_are_no_problem() -> None:
    assert not read("a,b\n4,1\nf,1\nr,1\n4,1\n" + "x" * 100 + ",1\n").problems
