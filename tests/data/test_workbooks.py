"""Excel workbooks and Parquet files."""

import builtins
import datetime as dt
import io
import zipfile
from decimal import Decimal
from typing import Any
from xml.sax.saxutils import escape

import pyarrow
import pytest
from pyarrow import parquet

from lm_app.errors import DataError
from tests.data.test_kinds_of_files import columns_of, read, values_of

MAIN = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
EPOCH = dt.datetime(1899, 12, 30)
DATE_STYLE, TIME_STYLE = 1, 2


def workbook(**sheets: list[list[Any]]) -> bytes:
    """Write an .xlsx file, as small as Excel takes it."""
    numbered = list(enumerate(sheets, 1))
    listed = "".join(f'<sheet name="{name}" sheetId="{i}" r:id="r{i}"/>' for i, name in numbered)
    related = "".join(
        f'<Relationship Id="r{i}" Type="{OFFICE}/worksheet" Target="worksheets/sheet{i}.xml"/>' for i, _ in numbered
    )
    formats = "".join(f'<xf numFmtId="{number}"/>' for number in (0, 14, 46))
    start = f'<Relationship Id="r0" Type="{OFFICE}/officeDocument" Target="xl/workbook.xml"/>'
    parts = {
        "_rels/.rels": f'<Relationships xmlns="{RELATIONS}">{start}</Relationships>',
        "xl/workbook.xml": f'<workbook {MAIN} xmlns:r="{OFFICE}"><sheets>{listed}</sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{RELATIONS}">{related}</Relationships>',
        "xl/styles.xml": f"<styleSheet {MAIN}><cellXfs>{formats}</cellXfs></styleSheet>",
    }
    for i, name in numbered:
        rows = "".join(f"<row>{''.join(map(_cell, row))}</row>" for row in sheets[name])
        parts[f"xl/worksheets/sheet{i}.xml"] = f"<worksheet {MAIN}><sheetData>{rows}</sheetData></worksheet>"
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        for name, text in parts.items():
            file.writestr(name, text)
    return content.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return "<c/>"
    if isinstance(value, bool):
        return f'<c t="b"><v>{int(value)}</v></c>'
    if isinstance(value, dt.datetime):
        return f'<c s="{DATE_STYLE}"><v>{(value - EPOCH) / dt.timedelta(days=1)}</v></c>'
    if isinstance(value, dt.timedelta):
        return f'<c s="{TIME_STYLE}"><v>{value / dt.timedelta(days=1)}</v></c>'
    if isinstance(value, str):
        return f'<c t="inlineStr"><is><t>{escape(value)}</t></is></c>'
    return f"<c><v>{value!r}</v></c>"


ROWS: list[list[Any]] = [
    ["price", "rooms", "region", "new", "sold", None],
    [8.82, 1, "west", True, dt.datetime(2024, 1, 1), None],
    [1e300, 2, None, False, dt.datetime(2024, 1, 2), None],
    [None, None, None, None, None, None],
]
SHEET = {
    "price": [8.82, 1e300],
    "rooms": [1, 2],
    "region": ["west", None],
    "new": [1, 0],
    "sold": [19723.0, 19724.0],
}


def test_a_workbook_is_read() -> None:
    assert columns_of(workbook(only=ROWS)) == SHEET


def test_times_of_a_workbook_are_read() -> None:
    rows: list[list[Any]] = [["at", "took"], [dt.datetime(1970, 1, 2, 12), dt.timedelta(hours=1)]]
    table = read(workbook(only=rows))
    assert table.columns["at"].type == "datetime"
    assert {name: values_of(column) for name, column in table.columns.items()} == {"at": [129600.0], "took": [3600]}


def test_a_sheet_is_chosen_by_name_or_number() -> None:
    content = workbook(first=[["a"], [1]], second=[["b"], [2]])
    assert read(content).notes == ["sheet 'first' of 2 is read"]
    assert columns_of(content, sheet="second") == columns_of(content, sheet="2") == {"b": [2]}
    for sheet in ("third", "0", "3"):
        with pytest.raises(DataError, match=f"has no sheet '{sheet}'; its sheets are first, second"):
            read(content, sheet=sheet)


def test_a_sheet_has_problems_as_csv_has() -> None:
    content = workbook(only=[["a", "b"], ["1,500", 1], [2, 1]])
    assert read(content).problems["a"].startswith("1 of 2 values has a thousands separator: '1,500' (row 1)")
    with pytest.raises(DataError, match="is empty"):
        read(workbook(only=[]))


def test_a_broken_workbook_is_refused() -> None:
    for content in (b"PK\x03\x04 rubbish", b"\xd0\xcf\x11\xe0 rubbish"):
        with pytest.raises(DataError, match="is not a workbook that can be read: "):
            read(content)


def parquet_of(**columns: Any) -> bytes:
    content = io.BytesIO()
    parquet.write_table(pyarrow.table(columns), content)
    return content.getvalue()


PARQUET = {
    "double": ([1.5, None], [1.5, None]),
    "integer": ([1, None], [1, None]),
    "integer, all missing": (pyarrow.array([None, None], pyarrow.int64()), [None, None]),
    "double of large integers": ([2**31, None], [2.0**31, None]),
    "double of decimals": ([Decimal("1.50"), None], [1.5, None]),
    "logical": ([True, None], [1, None]),
    "text": (["01234", None], ["01234", None]),
    "text of categories": (pyarrow.array(["b", None]).dictionary_encode(), ["b", None]),
    "text, large": (pyarrow.array(["b", None], pyarrow.large_string()), ["b", None]),
    "date": ([dt.date(2024, 1, 1), None], [19723.0, None]),
    "datetime": ([dt.datetime(1970, 1, 1, 1), None], [3600.0, None]),
    "datetime, of a zone": (pyarrow.array([5_000_000_001, None], pyarrow.timestamp("ns", "CET")), [5.0, None]),
}


@pytest.mark.parametrize("kind", PARQUET)
def test_a_column_of_parquet_keeps_its_type(kind: str) -> None:
    values, expected = PARQUET[kind]
    table = read(parquet_of(a=values))
    assert table.rows == 2
    assert table.columns["a"].type == kind.partition(",")[0].split()[0]
    assert values_of(table.columns["a"]) == expected


def test_parquet_of_pandas_has_row_names() -> None:
    assert read(parquet_of(a=[1.5], __index_level_0__=["x"])).row_names == "__index_level_0__"


def test_a_type_that_lm_does_not_take_is_a_problem() -> None:
    problem = read(parquet_of(a=[[1, 2]])).problems["a"]
    assert problem == "its type list<element: int64> is none that lm() takes; convert it"


def test_broken_parquet_is_refused() -> None:
    with pytest.raises(DataError, match="is not Parquet that can be read: "):
        read(b"PAR1 rubbish")


@pytest.mark.parametrize("content", [b"PAR1", b"PK\x03\x04"])
def test_a_missing_library_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    found = builtins.__import__

    def not_found(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.partition(".")[0] in ("pyarrow", "python_calamine"):
            raise ImportError(name)
        return found(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", not_found)
    with pytest.raises(DataError, match=r"to read it: pip install -r contrib/requirements-files\.txt"):
        read(content)
