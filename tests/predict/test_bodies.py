"""Bodies as clients send them: each kind has the answer that JSON has, and none takes more than it may."""

import gzip
import io
import json
import struct
import sys
import zlib
from collections.abc import Callable
from datetime import date, datetime, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pyarrow
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from pyarrow import ipc, parquet
from pytest_django import Settings

from lm_app.training.update import update
from tests.conftest import write_model

pytestmark = pytest.mark.usefixtures("shipped_models")

URL = "/lm/api/models/mtcars/predict"
RECORDS = [{"wt": 2.6, "qsec": 17, "am": "manual"}, {"wt": 3.2, "qsec": 18.5, "am": "automatic"}]
COLUMNS: dict[str, list[Any]] = {name: [record[name] for record in RECORDS] for name in RECORDS[0]}
JSON = json.dumps(RECORDS)
CSV = "wt,qsec,am\n2.6,17,manual\n3.2,18.5,automatic\n"
LINES = "\n".join(map(json.dumps, RECORDS))
JSON_TYPE, CSV_TYPE, LINES_TYPE, FORM_TYPE = (
    "application/json",
    "text/csv",
    "application/x-ndjson",
    "application/x-www-form-urlencoded",
)
PARQUET_TYPE, STREAM_TYPE, FILE_TYPE = (
    "application/vnd.apache.parquet",
    "application/vnd.apache.arrow.stream",
    "application/vnd.apache.arrow.file",
)


def post(
    client: Client, body: str | bytes, kind: str = JSON_TYPE, query: str = "", url: str = URL, **headers: str
) -> Any:
    content = body.encode() if isinstance(body, str) else body
    return client.generic("POST", f"{url}{query}", content, headers=headers, CONTENT_TYPE=kind)


def fits(response: Any) -> list[float]:
    """The predictions, in whichever shape they are."""
    assert response.status_code == 200, response.content
    predictions = response.json()["predictions"]
    return [row["fit"] for row in predictions] if isinstance(predictions, list) else list(predictions["fit"])


def refused(response: Any, status: int) -> str:
    """The detail of the problem."""
    assert response.status_code == status, response.content[:500]
    assert response["Content-Type"] == "application/problem+json"
    return str(response.json()["detail"])


def errors(response: Any) -> dict[tuple[object, ...], str]:
    refused(response, 422)
    return {tuple(error["loc"]): error["msg"] for error in response.json()["errors"]}


@pytest.fixture
def expected(client: Client) -> list[float]:
    return fits(post(client, JSON))


# Media types


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        *((kind, CSV) for kind in ("application/csv", "application/vnd.ms-excel", "text/plain", "Text/CSV")),
        ("text/tab-separated-values", CSV.replace(",", "\t")),
        *((kind, LINES) for kind in (LINES_TYPE, "application/jsonl", "application/ndjson")),
        (LINES_TYPE, f"\n{LINES}\r\n\r\n  \n".replace("}\n{", "}\r\n\n{")),
        *((kind, JSON) for kind in ("application/vnd.api+json", "application/geo+json", "text/plain")),
        ("text/plain;charset=UTF-8", f"\n {JSON}"),
    ],
)
def test_media_types_that_mean_the_same_are_read(client: Client, expected: list[float], kind: str, body: str) -> None:
    assert fits(post(client, body, kind)) == expected


def test_lines_are_answered_as_records(client: Client) -> None:
    assert post(client, LINES, LINES_TYPE).json() == post(client, JSON).json()


@pytest.mark.parametrize("kind", ["", "image/png", "text/json", "application/xml", "+json", "application/octet-stream"])
def test_other_media_types_are_told_which_are_read(client: Client, kind: str) -> None:
    detail = refused(post(client, JSON, kind), 415)
    for read in (JSON_TYPE, CSV_TYPE, LINES_TYPE, FORM_TYPE, "multipart/form-data", PARQUET_TYPE, STREAM_TYPE):
        assert read in detail


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ('{"distance": 6}\n\n{"distance": 6\n{"distance": 7}', 3),
        ('{"distance": 6}, {"distance": 7}', 1),
        ('{"distance": 6}\n{"distance": 7}\n]', 3),
        ("\n\nx", 3),
        ('{"distance": [6\n7]}', 1),
    ],
)
def test_a_line_that_is_no_json_is_named(client: Client, body: str, line: int) -> None:
    detail = refused(post(client, body, LINES_TYPE, url="/lm/api/predict"), 400)
    assert detail.startswith(f"Line {line} of the body is not JSON: ")


def test_what_is_wrong_with_records_in_lines_is_told_as_of_records(client: Client) -> None:
    url = "/lm/api/predict"
    assert set(errors(post(client, '{"distance": 6}\n{"distance": "x"}', LINES_TYPE, url=url))) == {
        ("body", 1, "distance")
    }
    assert set(errors(post(client, '{"distance": 6}\n[7]\n8', LINES_TYPE, url=url))) == {("body", 1), ("body", 2)}
    assert "send at least one" in refused(post(client, "\n \n", LINES_TYPE, url=url), 422)
    nested = '{"distance": 1, "distance": ' + "[" * 1000 + "]" * 1000 + "}"
    assert "nested more deeply" in refused(post(client, nested, LINES_TYPE, url=url), 400)


# Charsets


@pytest.mark.parametrize("charset", ["utf-8", "UTF8", "utf-16", "utf-16le", "utf-32", "iso-8859-1", "cp037", "utf-7"])
@pytest.mark.parametrize(("kind", "body"), [(JSON_TYPE, JSON), (LINES_TYPE, LINES), (CSV_TYPE, CSV)])
def test_the_charset_is_heard(client: Client, expected: list[float], charset: str, kind: str, body: str) -> None:
    assert fits(post(client, body.encode(charset), f'{kind}; charset="{charset}"')) == expected


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be"])
def test_a_mark_or_zeros_tell_the_encoding_of_json(client: Client, expected: list[float], encoding: str) -> None:
    assert fits(post(client, JSON.encode(encoding))) == expected
    assert fits(post(client, JSON.encode("utf-8-sig"), f"{JSON_TYPE}; charset=utf-8")) == expected


@pytest.mark.parametrize(
    ("charset", "body"),
    [
        *((charset, b"[]") for charset in ("klingon", "punycode", "idna", "base64", "undefined")),
        ("ascii", b"\xff"),
        ("utf-16", b"[]\0"),
        ("utf-7", b"+2AA-"),
    ],
)
def test_text_that_is_not_in_its_charset_is_refused(client: Client, charset: str, body: bytes) -> None:
    for kind in (JSON_TYPE, CSV_TYPE):
        assert charset in refused(post(client, body, f"{kind}; charset={charset}"), 400)


def test_zeros_in_text_are_refused(client: Client) -> None:
    assert "not text" in refused(post(client, b"[\0]"), 400)


def test_far_too_many_values_are_refused_before_they_are_made(client: Client, settings: Settings) -> None:
    settings.LM_MAX_ROWS = 1000
    for body, kind in (
        (b"\n" * 5_000_000, LINES_TYPE),
        (("," * 5_000_000).encode("cp037"), f"{CSV_TYPE}; charset=cp037"),
        (("[" * 5_000_000).encode("utf-16"), JSON_TYPE),
    ):
        assert "far more values than 1000 observations" in refused(post(client, body, kind), 413)


# Compression


CODINGS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "X-GZip": gzip.compress,
    "deflate": zlib.compress,
    "identity": bytes,
}


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize(("kind", "body"), [(JSON_TYPE, JSON), (CSV_TYPE, CSV), (LINES_TYPE, LINES)])
def test_a_compressed_body_is_read(client: Client, expected: list[float], coding: str, kind: str, body: str) -> None:
    compressed = CODINGS[coding](body.encode())
    assert fits(post(client, compressed, kind, **{"content-encoding": coding})) == expected


def test_a_compressed_file_is_read(client: Client, expected: list[float]) -> None:
    file = gzip.compress(CSV[:20].encode()) + gzip.compress(CSV[20:].encode())
    assert fits(post(client, file, CSV_TYPE)) == expected
    assert fits(post(client, gzip.compress(file), CSV_TYPE, **{"content-encoding": "gzip"})) == expected


@pytest.mark.parametrize("coding", ["br", "gzip, gzip", "zstd", "x" * 1000])
def test_other_codings_are_told_which_are_read(client: Client, coding: str) -> None:
    response = post(client, JSON, **{"content-encoding": coding})
    assert "it must be gzip or deflate" in refused(response, 415)
    assert response["Accept-Encoding"] == "gzip, deflate"


def test_what_is_not_compressed_as_it_says_is_refused(client: Client) -> None:
    whole = gzip.compress(JSON.encode())
    for coding, body in (
        ("gzip", JSON.encode()),
        ("gzip", whole[:-9]),
        ("gzip", whole[:-8] + b"wrong..."),
        ("gzip", whole[:15] + b"\xff\xff" + whole[17:]),
        ("gzip", whole + b"more"),
        ("deflate", zlib.compress(JSON.encode())[:-9]),
        ("deflate", JSON.encode()),
        ("deflate", b""),
    ):
        assert "can't be decompressed" in refused(post(client, body, **{"content-encoding": coding}), 400)
    assert "more than 2000 parts" in refused(post(client, gzip.compress(b"") * 2001, CSV_TYPE), 400)


def test_parts_that_are_empty_are_skipped(client: Client, expected: list[float]) -> None:
    compressed = zlib.compress(JSON.encode())
    many = compressed[:2] + b"\0\0\0\xff\xff" * 20_000 + compressed[2:]
    assert fits(post(client, many, **{"content-encoding": "deflate"})) == expected


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_what_is_too_large_when_decompressed_is_refused(client: Client, settings: Settings, coding: str) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 200_000
    right = JSON + " " * (200_000 - len(JSON))
    assert fits(post(client, CODINGS[coding](right.encode()), **{"content-encoding": coding}))
    bomb = CODINGS[coding](b" " * 100_000_000)
    assert len(bomb) < 200_000
    detail = refused(post(client, bomb, **{"content-encoding": coding}), 413)
    assert "more than 200000 bytes once it is decompressed" in detail
    assert "once it is decompressed" in refused(post(client, gzip.compress(b" " * 10_000_000), CSV_TYPE), 413)


def test_what_is_decompressed_counts_as_bytes_in_work(client: Client, settings: Settings) -> None:
    from ml_api.gate import bytes_at_once

    settings.LM_MAX_BYTES_AT_ONCE = 300_000
    body = gzip.compress((JSON + " " * 400_000).encode())
    assert fits(post(client, body, **{"content-encoding": "gzip"}))  # alone, it always may
    assert bytes_at_once.held == 0
    bytes_at_once.hold(1000)
    try:
        response = post(client, body, **{"content-encoding": "gzip"})
        assert "try again in a second" in refused(response, 503)
        assert response["Retry-After"] == "1"
        assert bytes_at_once.held == 1000
    finally:
        bytes_at_once.hold(-1000)


# Forms


def test_a_form_is_one_observation(client: Client) -> None:
    query = "?wt=2,6&qsec=17&am=manual&interval=confidence&level=0.9"
    one = client.get(f"{URL}{query}").json()
    fields = {"wt": "2,6", "qsec": "17", "am": "manual", "interval": "confidence", "level": "0.9"}
    assert post(client, urlencode(fields), FORM_TYPE).json() == one
    assert client.post(URL, fields).json() == one  # in several parts
    options = urlencode({name: fields.pop(name) for name in ("interval", "level")})
    assert post(client, urlencode(fields), FORM_TYPE, f"?{options}").json() == one
    latin = f"{FORM_TYPE}; charset=iso-8859-1"
    assert post(client, urlencode(fields), latin, f"?{options}").json() == one
    as_csv = post(client, urlencode(fields), FORM_TYPE, accept="text/csv")
    assert as_csv.content == f"fit\n{post(client, urlencode(fields), FORM_TYPE).json()['fit']}\n".encode()


def test_what_is_wrong_in_a_form_is_told_by_its_field(client: Client) -> None:
    fields = [("wt", "x"), ("am", "manual"), ("am", "manual"), ("vs", "1"), ("level", "0.8")]
    found = errors(post(client, urlencode(fields), FORM_TYPE, "?interval=x&level=0.9"))
    assert set(found) == {
        ("body", "wt"), ("body", "qsec"), ("body", "am"), ("body", "vs"), ("body", "level"), ("query", "interval"),
    }  # fmt: skip
    assert found["body", "am"] == "am is given more than once."
    assert found["body", "level"] == "level is given more than once."
    assert found["body", "wt"].startswith("wt is 'x'; it must be ")
    assert ("query", "wt") in errors(post(client, "qsec=17", FORM_TYPE, "?wt=2"))
    assert errors(client.post(URL, {})).keys() == errors(post(client, "", FORM_TYPE)).keys()


@pytest.mark.parametrize(("body", "kind"), [(JSON, JSON_TYPE), ('{"wt": [1]}', JSON_TYPE), (CSV, CSV_TYPE)])
def test_data_that_curl_calls_a_form_are_told_their_type(client: Client, body: str, kind: str) -> None:
    assert f"is it {kind}?" in refused(post(client, body, FORM_TYPE), 415)


def test_a_form_has_no_more_fields_than_django_reads(client: Client) -> None:
    assert "more than 1000" in refused(post(client, "&".join(["a=1"] * 1001), FORM_TYPE), 400)
    assert "more than 1000 fields" in refused(client.post(URL, {f"a{i}": "1" for i in range(1001)}), 400)


def test_a_form_of_several_parts_is_one(client: Client) -> None:
    kind = "multipart/form-data; boundary=x"
    for body, content_type in ((b"x", "multipart/form-data"), (b"--x\r\n" + b"a: b\r\n" * 5000, kind)):
        assert "no multipart/form-data: " in refused(post(client, body, content_type), 400)


def test_a_model_with_a_predictor_that_is_an_option_reads_no_form(client: Client, models: Path) -> None:
    write_model(models, formula="time ~ level", rows="time,level\n1,2\n2,3\n4,5\n5,7\n")
    update("timedistance", force=True)
    for response in (
        post(client, "level=2", FORM_TYPE, url="/lm/api/predict"),
        client.post("/lm/api/predict", {"level": "2"}),
    ):
        assert "level: a predictor and an option" in refused(response, 422)
    file = SimpleUploadedFile("a.csv", b"level\n2\n3\n")
    assert len(fits(client.post("/lm/api/predict", {"file": file}))) == 2


# Files in forms


def table_of(columns: dict[str, Any]) -> pyarrow.Table:
    return pyarrow.table(columns)


def as_parquet(columns: dict[str, Any], **options: Any) -> bytes:
    content = io.BytesIO()
    parquet.write_table(table_of(columns), content, **options)
    return content.getvalue()


def as_arrow(columns: dict[str, Any], writer: Any = ipc.new_stream, rows: int | None = None, **options: Any) -> bytes:
    content, table = io.BytesIO(), table_of(columns)
    with writer(content, table.schema, options=ipc.IpcWriteOptions(**options)) as written:
        written.write_table(table, rows)
    return content.getvalue()


FILES = {
    "data.csv": CSV.encode(),
    "data.TSV": CSV.replace(",", "\t").encode(),
    "data": CSV.encode(),
    "data.csv.gz": gzip.compress(CSV.encode()),
    "data.json": JSON.encode(),
    "data.json.gz": gzip.compress(JSON.encode()),
    "data.ndjson": LINES.encode(),
    "data.jsonl": LINES.encode(),
    "data.parquet": as_parquet(COLUMNS),
    "data.arrow": as_arrow(COLUMNS, ipc.new_file),
    "data.feather": as_arrow(COLUMNS, ipc.new_file),
    "data.arrows": as_arrow(COLUMNS),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_in_a_form_is_read_by_its_name(client: Client, expected: list[float], name: str) -> None:
    file = SimpleUploadedFile(name, FILES[name], content_type="application/octet-stream")
    assert fits(client.post(URL, {"file": file})) == expected


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("text/csv", CSV.encode()),
        ("application/vnd.ms-excel", CSV.encode()),
        ("text/csv; charset=utf-16", CSV.encode("utf-16")),
        ("application/json", JSON.encode()),
        ("application/json; charset=utf-16le", JSON.encode("utf-16le")),
    ],
)
def test_a_file_in_a_form_is_read_by_its_type(client: Client, expected: list[float], kind: str, content: bytes) -> None:
    assert fits(client.post(URL, {"any name": SimpleUploadedFile("x", content, content_type=kind)})) == expected


def test_options_may_stand_beside_a_file(client: Client) -> None:
    def with_file(query: str = "", **fields: str) -> Any:
        return client.post(f"{URL}{query}", {"file": SimpleUploadedFile("a.json", JSON.encode(), ""), **fields})

    expected = post(client, JSON, query="?interval=prediction&level=0.9").json()
    assert with_file(interval="prediction", level="0.9").json() == expected
    assert with_file("?interval=prediction", level="0.9").json() == expected
    assert set(errors(with_file("?a=1", wt="2", level="7"))) == {("query", "a"), ("body", "wt"), ("body", "level")}


def test_more_files_than_one_are_refused(client: Client) -> None:
    def files(number: int) -> list[SimpleUploadedFile]:
        return [SimpleUploadedFile("a.csv", CSV.encode()) for _ in range(number)]

    assert refused(client.post(URL, {"a": files(1), "b": files(1)}), 400) == "The form has 2 files; send one."
    assert "send one file" in refused(client.post(URL, {"a": files(101)}), 400)
    for kind in ("image/png", FORM_TYPE, "multipart/form-data"):
        refused(client.post(URL, {"a": SimpleUploadedFile("a.csv", b"", content_type=kind)}), 415)


# Parquet and Arrow

WRITERS: dict[str, tuple[Callable[[dict[str, Any]], bytes], str]] = {
    "parquet": (as_parquet, PARQUET_TYPE),
    "parquet, zstd, without dictionaries": (
        lambda columns: as_parquet(columns, compression="zstd", use_dictionary=False, data_page_version="2.0"),
        PARQUET_TYPE,
    ),
    "parquet, gzip, in groups of a row": (
        lambda columns: as_parquet(columns, compression="gzip", row_group_size=1, write_page_checksum=True),
        PARQUET_TYPE,
    ),
    "parquet, not compressed": (
        lambda columns: as_parquet(columns, compression="none", store_schema=False),
        PARQUET_TYPE,
    ),
    "stream": (as_arrow, STREAM_TYPE),
    "stream, in batches": (lambda columns: as_arrow(columns, rows=1), STREAM_TYPE),
    "stream, called a file": (as_arrow, FILE_TYPE),
    "file": (lambda columns: as_arrow(columns, ipc.new_file), FILE_TYPE),
}


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize(
    "columns",
    [
        COLUMNS,
        {**COLUMNS, "am": pyarrow.array(COLUMNS["am"]).dictionary_encode()},
        {**COLUMNS, "am": pyarrow.array(COLUMNS["am"], pyarrow.large_string())},
        {**COLUMNS, "am": pyarrow.array(COLUMNS["am"], pyarrow.string_view())},
        {**COLUMNS, "wt": [Decimal("2.6"), Decimal("3.2")]},
        {**COLUMNS, "__index_level_0__": [7, 8]},
        {name: COLUMNS[name] for name in ("am", "wt", "qsec")},
    ],
    ids=["plain", "categories", "large text", "views", "decimals", "index", "another order"],
)
def test_typed_columns_are_answered_as_json(client: Client, columns: dict[str, Any], writer: str) -> None:
    write, kind = WRITERS[writer]
    assert post(client, write(columns), kind).json() == post(client, json.dumps(COLUMNS)).json()


@pytest.mark.parametrize("write", ["parquet", "stream"])
def test_what_is_wrong_with_typed_columns_is_told_as_of_json(client: Client, write: str) -> None:
    writer, kind = WRITERS[write]
    wrong: dict[str, Any] = {"wt": [float("nan"), 99.0], "qsec": [None, 17.0], "am": ["x", None]}
    as_json: dict[str, Any] = {**wrong, "wt": [None, 99.0]}
    assert errors(post(client, writer(wrong), kind)) == errors(post(client, json.dumps(as_json)))
    wrong = {"wt": [2.6], "vs": [1]}
    assert errors(post(client, writer(wrong), kind)) == errors(post(client, json.dumps(wrong)))
    wrong = {"wt": [True], "qsec": ["17"], "am": pyarrow.nulls(1)}
    as_json = {**wrong, "am": [None]}
    assert errors(post(client, writer(wrong), kind)) == errors(post(client, json.dumps(as_json)))
    typed = {**COLUMNS, "wt": [[1], [2]]}
    assert errors(post(client, writer(typed), kind)) == {
        ("body", "wt"): f"wt has the type list<{'element' if write == 'parquet' else 'item'}: int64>; "
        "send numbers, texts, logicals or dates."
    }
    assert "send at least one" in refused(post(client, writer({name: [] for name in COLUMNS}), kind), 422)
    assert refused(post(client, b"", kind), 400)
    assert refused(post(client, b"nonsense" * 20, kind), 400)
    content = writer(COLUMNS)
    for end in range(0, len(content), 7):
        assert post(client, content[:end], kind).status_code in (200, 400, 422)


@pytest.fixture
def odd(models: Path) -> str:
    """A model of dates, times and logicals."""
    days = [
        f"{i * i + 1},2024-01-{i:02},2024-01-{i:02}T0{i % 7}:30:00Z,{str(i % 3 == 0).upper()}" for i in range(1, 29)
    ]
    write_model(models, formula="y ~ day + at + ok", rows="\n".join(["y,day,at,ok", *days]) + "\n")
    update("timedistance", force=True)
    return "/lm/api/predict"


@pytest.mark.parametrize("writer", ["parquet", "stream"])
def test_dates_times_and_logicals_are_read(client: Client, odd: str, writer: str) -> None:
    as_json = {"day": ["2024-01-05", "2024-01-06"], "at": ["2024-01-03T04:05:06.5", "2024-01-04"], "ok": [True, False]}
    expected = post(client, json.dumps(as_json), url=odd)
    assert expected.status_code == 200, expected.content
    write, kind = WRITERS[writer]
    days, times = [date(2024, 1, 5), date(2024, 1, 6)], [datetime(2024, 1, 3, 4, 5, 6, 500_000), datetime(2024, 1, 4)]
    zoned = [time.replace(tzinfo=timezone.utc) for time in times]
    for day, at in (
        (days, times),
        (pyarrow.array(days, pyarrow.date64()), pyarrow.array(times, pyarrow.timestamp("ns"))),
        (
            pyarrow.array(days).cast(pyarrow.timestamp("ms")),
            pyarrow.array(zoned, pyarrow.timestamp("ms", "Europe/Berlin")),
        ),
        (as_json["day"], pyarrow.array(times, pyarrow.timestamp("us")).dictionary_encode()),
    ):
        assert post(client, write({"day": day, "at": at, "ok": as_json["ok"]}), kind, url=odd).json() == expected.json()
    missing = {"day": [None], "at": pyarrow.array([None], pyarrow.timestamp("s")), "ok": [None]}
    nulls = {name: [None] for name in missing}
    assert errors(post(client, write(missing), kind, url=odd)) == errors(post(client, json.dumps(nulls), url=odd))
    far = {**as_json, "day": pyarrow.array([2**40, 0], pyarrow.timestamp("s"))}
    assert refused(post(client, write(far), kind, url=odd), 400)


@pytest.mark.parametrize("writer", ["parquet", "stream"])
def test_columns_without_predictors(client: Client, models: Path, writer: str) -> None:
    write_model(models, formula="time ~ 1")
    update("timedistance", force=True)
    write, kind = WRITERS[writer]
    answer = post(client, write({"a": [1], "__index_level_0__": [1]}), kind, url="/lm/api/predict").json()
    assert answer["warnings"] == ["a: no predictor of this model; it is ignored."]
    assert len(fits(post(client, write({"__index_level_0__": [1, 2]}), kind, url="/lm/api/predict"))) == 2


@pytest.mark.parametrize("writer", WRITERS)
def test_rows_are_counted_before_they_are_read(client: Client, settings: Settings, writer: str) -> None:
    write, kind = WRITERS[writer]
    settings.LM_MAX_ROWS = 1
    assert "There are 2 observations; send at most 1 at once" in refused(post(client, write(COLUMNS), kind), 413)


def test_a_billion_rows_in_a_few_bytes_are_refused(client: Client) -> None:
    content = as_parquet({name: pyarrow.repeat(1.0, 5_000_000) for name in COLUMNS}, compression="zstd")
    assert len(content) < 100_000
    assert "There are 5000000 observations" in refused(post(client, content, PARQUET_TYPE), 413)


def test_names_in_a_schema_stand_there_once(client: Client) -> None:
    table = pyarrow.Table.from_arrays([pyarrow.array([2.6])] * 2, ["wt", "wt"])
    content = io.BytesIO()
    with ipc.new_stream(content, table.schema) as written:
        written.write_table(table)
    found = errors(post(client, content.getvalue(), STREAM_TYPE))
    assert found == {("body", "wt"): "wt is given more than once in the schema."}


def test_bytes_of_columns_are_counted_before_they_are_read(client: Client, settings: Settings) -> None:
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 200_000
    long = {**COLUMNS, "am": ["a" * 1_000_000, "manual"]}
    detail = refused(post(client, as_parquet(long, compression="zstd"), PARQUET_TYPE), 413)
    assert detail == "The columns have more than 200000 bytes; send them in parts."
    many = {name: values * 1000 for name, values in COLUMNS.items()}
    shared = {**many, "am": ["a" * 1000] * 2000}
    assert "more characters" in refused(post(client, as_parquet(shared), PARQUET_TYPE), 413)
    dictionary = pyarrow.DictionaryArray.from_arrays(pyarrow.array([0] * 2000, pyarrow.int8()), ["a" * 1000])
    assert "more characters" in refused(post(client, as_arrow({**many, "am": dictionary}), STREAM_TYPE), 413)
    views = pyarrow.array(["manual"] * 2000, pyarrow.string_view())
    assert len(fits(post(client, as_arrow({**many, "am": views}), STREAM_TYPE))) == 2000


def test_what_parquet_and_arrow_have_that_is_not_safe_is_refused(client: Client) -> None:
    content = as_parquet(COLUMNS, use_dictionary=False, column_encoding={"am": "DELTA_BYTE_ARRAY"})
    assert "DELTA_BYTE_ARRAY" in refused(post(client, content, PARQUET_TYPE), 400)
    content = as_parquet(
        COLUMNS, use_dictionary=False, column_encoding={"am": "DELTA_BYTE_ARRAY"}, data_page_version="2.0"
    )
    assert "DELTA_BYTE_ARRAY" in refused(post(client, content, PARQUET_TYPE), 400)
    for compression in ("lz4", "zstd"):
        content = as_arrow(COLUMNS, compression=compression)
        assert "compressed buffers" in refused(post(client, content, STREAM_TYPE), 400)
    many = {name: values * 1000 for name, values in COLUMNS.items()}
    assert "more than 1000 messages" in refused(post(client, as_arrow(many, rows=1), STREAM_TYPE), 413)
    nested = {**COLUMNS, "__index_level_0__": [{"am": "manual"}] * 2}
    assert "columns within columns" in refused(post(client, as_parquet(nested), PARQUET_TYPE), 400)
    wide = {f"x{i}": [1] for i in range(3000)}
    assert "more than 131072 bytes" in refused(post(client, as_arrow(wide), STREAM_TYPE), 413)
    assert "a footer of more than" in refused(post(client, as_parquet(wide), PARQUET_TYPE), 400)
    kinds = [pyarrow.array(["manual"]).dictionary_encode(), pyarrow.array(["manual", "automatic"]).dictionary_encode()]
    growing = io.BytesIO()
    batches = [pyarrow.record_batch({"am": kind}) for kind in kinds]
    options = ipc.IpcWriteOptions(emit_dictionary_deltas=True)
    with ipc.new_stream(growing, batches[0].schema, options=options) as written:
        for batch in batches:
            written.write_batch(batch)
    assert "dictionaries that grow" in refused(post(client, growing.getvalue(), STREAM_TYPE), 400)


def test_what_is_not_installed_is_told_so(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    detail = refused(post(client, as_parquet(COLUMNS), PARQUET_TYPE), 415)
    assert detail == f"{PARQUET_TYPE} is not read here; to have it read: pip install -r contrib/requirements-files.txt."
    assert PARQUET_TYPE not in refused(post(client, JSON, "image/png"), 415)


@pytest.mark.parametrize(
    ("footer", "told"),
    [
        (b"\x19" + b"\x81" * 11, "a list that none has"),
        (b"\x29\xfc" + b"\x81" * 11, "a number in its headers has too many bytes"),
        (b"\x29\xfc\xff\xff\x7f" + b"\x16\0\0" * 80_000, "more than 100000 values in its headers"),
        (b"\x2c" * 40, "its headers have what none has"),
        (b"\x16\2\6\2\2", "not in order"),
        (b"\x36\2\0", "its groups have other rows"),
        (b"\x28\xff\x7f", "ends within a header"),
    ],
)
def test_footers_that_are_none(client: Client, footer: bytes, told: str) -> None:
    content = b"PAR1" + footer + struct.pack("<I", len(footer)) + b"PAR1"
    assert told in refused(post(client, content, PARQUET_TYPE), 400)


@pytest.mark.parametrize("write", [as_parquet, as_arrow], ids=["parquet", "arrow"])
def test_no_byte_can_do_harm(client: Client, write: Callable[..., bytes]) -> None:
    """Pyarrow itself would end the process where some of Parquet's are others."""
    kind = PARQUET_TYPE if write is as_parquet else STREAM_TYPE
    options = {"compression": "zstd", "store_schema": False} if write is as_parquet else {}
    content = write({"distance": [6.0, 7.0, 6.0]}, **options)
    statuses = set()
    for at in range(len(content)):
        for byte in {0, 0x19, 0x7F, 0xFF, content[at] + 1 & 255} - {content[at]}:
            changed = content[:at] + bytes([byte]) + content[at + 1 :]
            statuses.add(post(client, changed, kind, url="/lm/api/predict").status_code)
    assert statuses <= {200, 400, 413, 422}
    assert statuses >= {200, 400}
