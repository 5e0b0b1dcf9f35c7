"""The CSV files that models are trained on: their dialects, and what is wrong with them."""

from pathlib import Path

import pytest
from django.test import Client

from tests.conftest import refusal, runscript, write_model

pytestmark = pytest.mark.usefixtures("models")

# Dialects

KINDS = {
    "semicolons": ("time;distance\n15,5;8\n20;6,25\n20;15\n40;20\n50;25,5\n", []),
    "semicolons and dots": ("time;distance\n15.5;8\n20;6.25\n20;15\n40;20\n50;25.5\n", []),
    "byte-order mark": ("\ufefftime,distance\n15.5,8\n20,6.25\n20,15\n40,20\n50,25.5\n", []),
    "tabs": ("time\tdistance\n15.5\t8\n20\t6.25\n20\t15\n40\t20\n50\t25.5\n", ["--sep", "\t"]),
    "bars and commas": ("time|distance\n15,5|8\n20|6,25\n20|15\n40|20\n50|25,5\n", ["--sep", "|", "--dec", ","]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_csv_of_many_kinds(tmp_path: Path, client: Client, kind: str) -> None:
    text, options = KINDS[kind]
    (tmp_path / "new.csv").write_text(text, encoding="utf-8")
    runscript("update_lm", "timedistance", "--data", str(tmp_path / "new.csv"), *options, "--force")
    assert client.get("/lm/api/key/time_values").json() == [15.5, 20, 20, 40, 50]
    assert client.get("/lm/api/key/distance_values").json() == [8, 6.25, 15, 20, 25.5]


def test_encoding_and_na_strings(tmp_path: Path, client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "new.csv").write_bytes("größe,weg\n1,2\n3,5\n4,6\n9,8\n".encode("latin1"))
    data = ["--data", str(tmp_path / "new.csv"), "--formula", "größe ~ weg"]
    runscript("update_lm", "new", *data, "--encoding", "latin1")
    assert client.get("/lm/api/models/new/key/größe_values").json() == [1, 3, 4, 9]
    assert "there is no encoding 'klingon'" in refusal(capsys, "update_lm", "other", *data, "--encoding", "klingon")
    (tmp_path / "new.csv").write_text("y,x\n1,2\n3,?\n4,6\n9,8\n")
    data = ["--data", str(tmp_path / "new.csv"), "--formula", "y ~ x"]
    runscript("update_lm", "other", *data, "--na", "?", "--na", "NA")
    assert client.get("/lm/api/models/other/key/rows").json()["missing_by_column"] == {"x": 1}


def test_byte_order_mark_is_no_part_of_a_name(models: Path, client: Client) -> None:
    data = models / "timedistance" / "timedistance.csv"
    data.write_bytes(b"\xef\xbb\xbf" + data.read_bytes())
    runscript("update_lm", "timedistance")
    assert client.get("/lm/api/predict/29.5").json() == 47.736486


# Columns


def test_a_column_does_not_hide_a_key(models: Path, client: Client) -> None:
    write_model(models, formula="time ~ fitted", rows="time,fitted\n1,2\n3,3\n4,5\n7,7\n")
    runscript("update_lm", "timedistance", "--force")
    assert client.get("/lm/api/key/fitted_values").json() == [1.271186, 2.372881, 4.576271, 6.779661]


# Bad data

BAD_DATA = {
    "": "is empty",
    "time,distance\n": "has a header and no observations",
    "time,distanc\n1,2\n2,4\n3,5\n": "no column 'distance' (did you mean 'distanc'?); their columns are time, distanc",
    "time,distance\n1,2\n2,abc\n3,5\n": "column 'distance' has 3 different texts in 3 rows: leave it out, or group it",
    "time,distance\n1,2\n2,NA\n3,5\n": "at least 3 are needed; 'distance' is missing in 1",
    "time,distance\n1,2\n2,\n3,5\n": "at least 3 are needed; 'distance' is missing in 1",
    "time,distance\n1,2\nInf,3\n3,5\n": "column 'time': row 2 has Inf; correct it, or leave the field empty",
    "time,distance\n1,7\n2,7\n3,7\n": "these terms are aliased with others: distance",
    "time,distance\n4,1\n4,2\n4,3\n": "the response, time, is 4 in each row: nothing can be learnt from it",
    "time,distance\n1,2\n2,3\n": "2 observations are not enough for 2 coefficients; at least 3 are needed",
    "time,distance\n1,2,3,4\n2,3,4,5\n": "has a header of 2 fields, but 4 in its first row",
    "time,distance\n1,2\n2\n3,5\n": "has 2 columns, but 1 of 3 rows have more or fewer fields: line 3 has 1",
}


@pytest.mark.parametrize("data", BAD_DATA)
def test_bad_data_is_one_line_and_changes_nothing(
    models: Path, client: Client, capsys: pytest.CaptureFixture[str], data: str
) -> None:
    write_model(models, rows=data)
    error = refusal(capsys, "update_lm", "timedistance")
    assert error.startswith("update_lm: timedistance: ")
    assert BAD_DATA[data] in error
    assert client.get("/lm/api/predict/29.5").json() == 47.736486


def test_data_that_do_not_exist(capsys: pytest.CaptureFixture[str]) -> None:
    error = refusal(capsys, "update_lm", "timedistance", "--data", "/nowhere.csv")
    assert "data file '/nowhere.csv' does not exist" in error
