"""What is answered: formats, the columns that were sent, nulls for what is wrong, and numbers that JSON has not."""

import io
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from django.test import Client
from pyarrow import parquet

from lm_app.training.update import update
from tests.conftest import StartServer, rscript, write_model
from tests.predict.test_predict import COLUMNS, CSV, RECORDS, errors, post, problem

pytestmark = pytest.mark.usefixtures("shipped_models")

ONE = "/lm/api/predict?distance=29.5"
FIT = 47.7364864864865
ARROW, PARQUET = "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"


def table_of(answer: Any) -> Any:
    assert answer.status_code == 200
    if answer["Content-Type"] == PARQUET:
        return parquet.read_table(io.BytesIO(answer.content))
    assert answer["Content-Type"] == ARROW
    return pyarrow.ipc.open_stream(answer.content).read_all()


# Formats


@pytest.mark.parametrize(
    ("path", "accept"),
    [
        (f"{ONE}&format=csv", "application/json"),
        (ONE, "text/csv"),
        (ONE, "text/*"),
        ("/lm/api/predict/29.5", "text/csv"),
        ("/lm/api/predict/29.5?format=csv", "*/*"),
    ],
)
def test_get_answers_csv(client: Client, path: str, accept: str) -> None:
    answer = client.get(path, headers={"accept": accept})
    assert (answer["Content-Type"], answer.text) == ("text/csv; charset=utf-8", f"fit\n{FIT}\n")
    assert (answer["Vary"], answer["LM-Interval"], answer["LM-Level"]) == ("Accept, LM-Version", "none", "0.95")


@pytest.mark.parametrize("accept", ["text/csv", "image/png", "text/html", "*/*", "text/html,*/*;q=0.8"])
def test_json_is_answered_where_it_is_asked_for_or_nothing_that_there_is(client: Client, accept: str) -> None:
    option = "&format=json" if accept == "text/csv" else ""
    answer = client.get(ONE + option, headers={"accept": accept})
    assert (answer["Content-Type"], answer.json()["fit"]) == ("application/json", FIT)
    assert answer["Vary"] == "Accept, LM-Version"


def test_the_options_format_comes_before_accept(client: Client) -> None:
    asked = [("?format=csv", "application/json"), ("", "text/csv"), ("?format=csv", PARQUET)]
    texts = {post(client, RECORDS, option, accept=accept).text for option, accept in asked}
    assert len(texts) == 1
    assert texts.pop().startswith("fit\n")
    as_json = post(client, RECORDS, "?format=json", accept="text/csv")
    assert list(as_json.json()["predictions"][0]) == ["fit"]
    wrong = post(client, RECORDS, "?format=xml")
    assert errors(wrong) == {
        ("query", "format"): "format is 'xml'; it must be 'json' or 'csv' or 'arrow' or 'parquet'."
    }


def test_r_and_pandas_read_an_answer_by_its_url(serve: StartServer) -> None:
    path = "/lm/api/models/mtcars/predict?wt=2.6&qsec=17&am=manual&interval=prediction&augment=true&format=csv"
    with serve("gunicorn") as server:
        from_r = rscript(f"""
        d <- read.csv("{server.url}{path}", stringsAsFactors = TRUE)
        cat(names(d), levels(d$am), sprintf("%.17g", unlist(d[c("wt", "qsec", "fit", "lower", "upper")])))
        """).split()
        script = f'import pandas; print(pandas.read_csv("{server.url}{path}").to_json(orient="records"))'
        from_pandas = json.loads(subprocess.check_output([sys.executable, "-c", script]))
        flat = json.loads(server.get(path.replace("format=csv", "format=json")))
    assert from_r[:7] == ["wt", "qsec", "am", "fit", "lower", "upper", "manual"]
    assert [float(text) for text in from_r[7:]] == [2.6, 17, flat["fit"], flat["lower"], flat["upper"]]
    [row] = from_pandas
    assert (row["am"], row["wt"]) == ("manual", 2.6)
    assert row["fit"] == pytest.approx(flat["fit"], abs=1e-9)  # to_json writes 10 decimals


@pytest.mark.parametrize(("option", "accept"), [("arrow", ""), ("parquet", ""), ("", ARROW), ("", PARQUET)])
def test_arrow_and_parquet_have_columns_with_types(client: Client, option: str, accept: str) -> None:
    options = f"?interval=confidence&extrapolation=flag&augment=true{f'&format={option}' if option else ''}"
    expected = post(client, COLUMNS, options.replace(f"&format={option}", "")).json()
    answer = post(client, COLUMNS, options, **({"accept": accept} if accept else {}))
    assert answer["Content-Type"] == accept or option in answer["Content-Type"]
    table = table_of(answer)
    assert table.to_pydict() == expected["predictions"]
    kinds = {field.name: str(field.type) for field in table.schema}
    assert kinds == {
        "wt": "double", "qsec": "double", "am": "string",
        "fit": "double", "lower": "double", "upper": "double", "extrapolated": "bool",
    }  # fmt: skip
    metadata = {name.decode(): value.decode() for name, value in table.schema.metadata.items()}
    assert metadata == {
        "model": "mtcars", "version": expected["version"], "interval": "confidence", "level": "0.95", "warnings": "[]",
    }  # fmt: skip


def test_arrow_has_text_where_a_columns_values_share_no_type(client: Client) -> None:
    records = [RECORDS[0], {**RECORDS[1], "qsec": "x"}, {**RECORDS[1], "qsec": None}]
    table = table_of(post(client, records, "?format=arrow&augment=true&on_error=null"))
    assert table["qsec"].to_pylist() == ["17", "x", None]
    assert [number is None for number in table["fit"].to_pylist()] == [False, True, True]
    assert table.schema.metadata[b"error_count"] == b"2"


def test_without_pyarrow_a_server_says_what_to_install(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert errors(client.get(f"{ONE}&format=arrow")) == {
        ("query", "format"): "format is 'arrow'; this server can write 'json' and 'csv', and that with pyarrow: "
        "pip install -r contrib/requirements-files.txt."
    }
    assert client.get(ONE, headers={"accept": ARROW}).json()["fit"] == FIT
    content = client.get("/lm/api/openapi.json").json()["paths"]["/lm/api/predict"]["get"]["responses"]["200"][
        "content"
    ]
    assert list(content) == ["application/json", "text/csv"]


# The value in the path


def test_a_value_in_the_path_takes_options(client: Client) -> None:
    assert client.get("/lm/api/predict/29.5").content == b"47.736486"
    for defaults in ("format=json", "interval=none&level=0.95&augment=false&format=json"):
        assert client.get(f"/lm/api/predict/29.5?{defaults}").content == b"47.736486"
    for options in ("interval=prediction", "extrapolation=flag&level=0.9", "level=0.8"):
        by_value, by_name = client.get(f"/lm/api/predict/29.5?{options}"), client.get(f"{ONE}&{options}")
        assert by_value.json() == by_name.json()
    assert client.get("/lm/api/predict/99?extrapolation=flag").json()["extrapolated"] is True
    assert client.get("/lm/api/predict/29,5?augment=1").json()["distance"] == "29,5"
    assert errors(client.get("/lm/api/predict/x?colour=red")) == {
        (
            "query",
            "colour",
        ): "'colour' is no option; there are: interval, level, extrapolation, on_error, se, terms, augment, format.",
        ("path", "value"): "distance is 'x'; it must be a finite decimal number with a dot or a comma, such as 29.5, "
        "29,5 or 17.",
    }


# augment=true


def test_augment_gives_the_columns_back_before_the_predictions(client: Client) -> None:
    for on in ("true", "1"):
        records = post(client, RECORDS, f"?augment={on}").json()["predictions"]
        columns = post(client, COLUMNS, f"?augment={on}").json()["predictions"]
        assert records == [{**record, "fit": fit} for record, fit in zip(RECORDS, columns["fit"], strict=True)]
        assert [list(record) for record in records] == [list(columns)] * 2 == [["wt", "qsec", "am", "fit"]] * 2
        assert columns == {**COLUMNS, "fit": columns["fit"]}
    one = client.get(f"{ONE}&augment=true").json()
    assert list(one) == ["model", "version", "interval", "level", "warnings", "distance", "fit"]
    assert list(client.get(f"{ONE}&augment=false").json()) == [name for name in one if name != "distance"]
    assert errors(client.get(f"{ONE}&augment=maybe")) == {
        ("query", "augment"): "augment is 'maybe'; it must be true or false."
    }


def test_texts_are_quoted_in_csv_as_they_came(models: Path, client: Client) -> None:
    levels = ["a,b", 'say "c"', "two\nlines"]
    rows = 'time,"k,ind",on\n1,"a,b",TRUE\n2,"say ""c""",FALSE\n3,"two\nlines",TRUE\n5,"a,b",FALSE\n'
    rows += '4,"say ""c""",TRUE\n6,"two\nlines",FALSE\n'
    write_model(models, formula="time ~ `k,ind` + on", rows=rows)
    update("timedistance", force=True)
    body = {"k,ind": levels, "on": [True, False, True]}
    answer = client.post("/lm/api/predict?augment=true&format=csv", body, content_type="application/json")
    assert answer.text.startswith('"k,ind",on,fit\n"a,b",TRUE,')
    script = 'd <- read.csv(file("stdin"), check.names = FALSE); cat(names(d), d[[1]], d$on, sep = "|")'
    assert rscript(script, answer.text) == "|".join(["k,ind", "on", "fit", *levels, "TRUE", "FALSE", "TRUE"])


@pytest.mark.parametrize("name", ["fit", "errors", "model"])
def test_a_column_named_as_one_of_the_answers_is_refused(models: Path, client: Client, name: str) -> None:
    write_model(models, formula=f"time ~ {name}", rows=f"time,{name}\n1,2\n3,3\n4,5\n7,7\n")
    update("timedistance", force=True)
    msg = f"augment=true: {name!r} is a column of the request and a name in the answer; rename that column."
    assert errors(client.get(f"/lm/api/predict?{name}=3&augment=true")) == {("query", name): msg}
    assert client.get(f"/lm/api/predict?{name}=3").status_code == 200
    many = client.post("/lm/api/predict?augment=true", {name: [3]}, content_type="application/json")
    if name == "model":  # which stands beside the columns, not among them
        assert list(many.json()["predictions"]) == ["model", "fit"]
    else:
        assert errors(many) == {("body", name): msg}


# on_error=null


def test_what_is_wrong_is_null_and_all_else_is_answered(client: Client) -> None:
    good = post(client, RECORDS, "?interval=prediction").json()["predictions"]
    records = [
        RECORDS[0],
        {**RECORDS[0], "wt": None},
        5,
        {"qsec": 17, "am": "auto"},
        RECORDS[1],
        {**RECORDS[0], "wt": 9},
    ]
    refused = errors(post(client, records))
    answer = post(client, records, "?interval=prediction&on_error=null").json()
    assert {tuple(error["loc"]): error["msg"] for error in answer["errors"]} == refused
    assert set(refused) == {
        ("body", 1, "wt"), ("body", 2), ("body", 3, "wt"), ("body", 3, "am"), ("body", 5, "wt"),
    }  # fmt: skip
    assert answer["error_count"] == 5
    null = dict.fromkeys(["fit", "lower", "upper"])
    assert answer["predictions"] == [good[0], null, null, null, good[1], null]
    flagged = post(client, records, "?extrapolation=flag&on_error=null").json()
    assert [p["extrapolated"] for p in flagged["predictions"]] == [False, None, None, None, False, True]
    sent_back = post(client, records, "?augment=true&on_error=null").json()["predictions"]
    assert sent_back[3] == {"wt": None, "qsec": 17, "am": "auto", "fit": None}


def test_nothing_wrong_is_no_errors_and_all_wrong_is_all_null(client: Client) -> None:
    answer = post(client, COLUMNS, "?on_error=null").json()
    assert (answer["errors"], answer["error_count"]) == ([], 0)
    assert answer["predictions"] == post(client, COLUMNS).json()["predictions"]
    for options, nulls in (("", ["fit"]), ("&interval=confidence", ["fit", "lower", "upper"])):
        answer = post(client, {**COLUMNS, "am": ["x", "y"]}, f"?on_error=null{options}")
        assert (answer.status_code, answer.json()["error_count"]) == (200, 2)
        assert answer.json()["predictions"] == {name: [None, None] for name in nulls}
    for path in ("/lm/api/predict?distance=99&on_error=null", "/lm/api/predict/99?on_error=null"):
        one = client.get(path).json()
        assert (one["fit"], one["error_count"], len(one["errors"])) == (None, 1, 1)


def test_what_is_wrong_in_csv_is_na(client: Client) -> None:
    fits = post(client, CSV, "?format=csv", "text/csv").text.split()
    header, first, second = CSV.splitlines()
    body = "\n".join([header, first, "2.6,17", "2.6,abc,manual", second, ""])
    answer = post(client, body, "?format=csv&on_error=null", "text/csv")
    assert answer.text.split() == ["fit", fits[1], "NA", "NA", fits[2]]
    assert answer["LM-Errors"] == "2"
    with_commas = body.replace(",", ";").replace(".", ",")
    given = post(client, with_commas, "?format=csv&on_error=null&augment=true", "text/csv").text.splitlines()
    assert given[2:4] == ["NA,NA,NA,NA", "2.6,abc,manual,NA"]
    assert given[1].endswith(fits[1])


def test_the_first_50_errors_are_listed_and_all_are_counted(client: Client) -> None:
    body = {"wt": [2.6] * 100, "qsec": [17] * 99 + [18.5], "am": ["x"] * 99 + ["manual"]}
    answer = post(client, body, "?on_error=null").json()
    assert (len(answer["errors"]), answer["error_count"]) == (50, 99)
    assert [fit is None for fit in answer["predictions"]["fit"]] == [True] * 99 + [False]


def test_errors_of_the_whole_request_refuse_it(client: Client) -> None:
    bodies: list[Any] = [
        {"wt": [2.6], "qsec": [17]},
        {"wt": [2.6, None], "qsec": [17], "am": ["manual"]},
        [],
        "wt,qsec\n1,2\n",
    ]
    for body in bodies:
        kind = "text/csv" if isinstance(body, str) else "application/json"
        problem(post(client, body, "?on_error=null", kind), 422)
    problem(client.get("/lm/api/predict?on_error=null"), 422)
    problem(client.get("/lm/api/predict?distance=99&on_error=null&level=2"), 422)
    assert errors(client.get(f"{ONE}&on_error=skip")) == {
        ("query", "on_error"): "on_error is 'skip'; it must be 'refuse' or 'null'."
    }


def test_levels_that_only_r_sees_are_null(models: Path, client: Client) -> None:
    write_model(models, formula="time ~ factor(distance %/% 10)")
    update("timedistance", force=True)

    def ask(values: list[Any], options: str) -> Any:
        url = f"/lm/api/predict?extrapolation=flag{options}"
        return client.post(url, {"distance": values}, content_type="application/json")

    good = ask([7, 29], "").json()["predictions"]["fit"]
    values = [7, "x", *range(100, 1100), 29]
    answer = ask(values, "&on_error=null").json()
    assert answer["predictions"] == {
        "fit": [good[0], *[None] * 1001, good[1]],
        "extrapolated": [False, *[None] * 1001, False],
    }
    assert (answer["error_count"], len(answer["errors"])) == (1001, 50)
    expected = "row 2: factor(distance%/%10) is '10'; it must be one of '0', '1', '2', '3'."
    assert answer["errors"][1] == {"loc": ["body", "distance", 2], "msg": expected, "input": "10"}
    assert ask([99], "&on_error=null").json()["predictions"] == {"fit": [None], "extrapolated": [None]}
    assert "There are 1000 errors" in problem(ask(values[2:-1], ""), 422)["detail"]


def test_a_model_without_predictors_answers_null_for_what_is_no_record(models: Path, client: Client) -> None:
    write_model(models, formula="time ~ 1")
    update("timedistance", force=True)
    answer = client.post("/lm/api/predict?on_error=null", [{}, 5, {}], content_type="application/json").json()
    first, second, third = [p["fit"] for p in answer["predictions"]]
    assert (second, first) == (None, third)
    assert first is not None


# Numbers that JSON has not


def test_nan_and_inf_are_told_apart(models: Path, client: Client) -> None:
    write_model(models, formula="time ~ log(distance)")
    update("timedistance", force=True)

    def ask(values: list[float], options: str = "") -> Any:
        url = f"/lm/api/predict?extrapolation=flag{options}"
        return client.post(url, {"distance": values}, content_type="application/json")

    fit = ask([9]).json()["predictions"]["fit"][0]
    answer = ask([0, 9, -1, -2]).json()
    assert answer["predictions"]["fit"] == [None, fit, None, None]
    assert answer["warnings"] == ["NaNs produced", "fit is -Inf in row 0", "fit is NaN in rows 2 and 3"]
    in_csv = ask([0, 9, -1, -2], "&format=csv")
    assert in_csv.text == f"fit,extrapolated\n-Inf,TRUE\n{fit},FALSE\nNaN,TRUE\nNaN,TRUE\n"
    assert in_csv["LM-Warnings"] == "; ".join(answer["warnings"])
    table = table_of(ask([0, 9, -1, -2], "&format=arrow"))
    assert table["fit"].to_pylist()[:2] == [-math.inf, fit]
    assert math.isnan(table["fit"].to_pylist()[2])
    assert json.loads(table.schema.metadata[b"warnings"]) == answer["warnings"]
    assert ask([-1] * 15).json()["warnings"] == ["NaNs produced", "fit is NaN in rows 0, 1, 2 and 12 more"]
    assert client.get("/lm/api/predict?distance=0&extrapolation=flag").json()["warnings"] == ["fit is -Inf"]
    by_row = client.post(
        "/lm/api/predict?extrapolation=flag&on_error=null&format=csv", '[{"distance": "x"}, {"distance": 0}]',
        content_type="application/json",
    )  # fmt: skip
    assert by_row.text == "fit,extrapolated\nNA,NA\n-Inf,TRUE\n"
    assert by_row["LM-Warnings"] == "fit is -Inf in row 1"
    write_model(models, formula="time ~ I(-log(distance))")
    update("timedistance", force=True)
    assert "Inf" in ask([0], "&format=csv").text


@pytest.mark.parametrize("name", ["format", "augment", "on_error"])
def test_a_predictor_named_as_a_new_option_is_asked_by_post(models: Path, client: Client, name: str) -> None:
    write_model(models, formula=f"time ~ {name}", rows=f"time,{name}\n1,2\n3,3\n4,5\n7,7\n")
    update("timedistance", force=True)
    detail = problem(client.get(f"/lm/api/predict?{name}=3"), 422)["detail"]
    assert detail == f"{name}: a predictor and an option; ask this model by POST, in JSON."
    answer = client.post("/lm/api/predict?format=csv", {name: [3]}, content_type="application/json")
    assert answer.text.startswith("fit\n")
