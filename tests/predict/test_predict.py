"""GET and POST .../predict: every shape of request, and all that may be wrong with one."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpResponse, HttpResponseBase
from django.test import Client
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pytest_django import Settings

from lm_app.training.update import update
from tests.conftest import live_version, rscript, write_model

pytestmark = pytest.mark.usefixtures("shipped_models")

MTCARS = "/lm/api/models/mtcars/predict"
RECORDS = [{"wt": 2.6, "qsec": 17, "am": "manual"}, {"wt": 3.2, "qsec": 18.5, "am": "automatic"}]
COLUMNS = {"wt": [2.6, 3.2], "qsec": [17, 18.5], "am": ["manual", "automatic"]}
CSV = "wt,qsec,am\n2.6,17,manual\n3.2,18.5,automatic\n"


def post(client: Client, body: Any, options: str = "", content_type: str = "application/json", **headers: str) -> Any:
    content = body if isinstance(body, str | bytes) else json.dumps(body)
    return client.post(f"{MTCARS}{options}", content, content_type, CONTENT_TYPE=content_type, headers=headers)


def problem(answer: HttpResponseBase, status: int) -> dict[str, Any]:
    assert answer.status_code == status
    assert answer["Content-Type"] == "application/problem+json"
    assert isinstance(answer, HttpResponse)
    content: dict[str, Any] = json.loads(answer.content)
    assert content["status"] == status
    return content


def errors(answer: HttpResponseBase) -> dict[tuple[Any, ...], str]:
    """The messages of a 422 by their places."""
    return {tuple(error["loc"]): error["msg"] for error in problem(answer, 422)["errors"]}


# Answers


def test_one_observation_by_names(shipped_models: Path, client: Client) -> None:
    answer = client.get("/lm/api/predict?distance=29.5&interval=prediction&level=0.9").json()
    version = live_version(shipped_models)
    assert answer == {
        "model": "timedistance",
        "version": version,
        "interval": "prediction",
        "level": 0.9,
        "warnings": [],
        "fit": 47.7364864864865,
        "lower": 33.53516313136981,
        "upper": 61.93780984160318,
    }


def test_records_columns_and_csv_are_answered_alike(client: Client) -> None:
    by_record = post(client, RECORDS, "?interval=confidence").json()
    by_column = post(client, COLUMNS, "?interval=confidence").json()
    from_csv = post(client, CSV, "?interval=confidence", "text/csv").json()
    as_csv = post(client, RECORDS, "?interval=confidence", accept="text/csv")
    assert [list(p) for p in by_record["predictions"]] == [["fit", "lower", "upper"]] * 2
    assert by_record["interval"] == "confidence"
    columns = by_column["predictions"]
    assert columns == from_csv["predictions"]
    assert columns == {name: [p[name] for p in by_record["predictions"]] for name in columns}
    assert as_csv["Content-Type"] == "text/csv; charset=utf-8"
    assert (as_csv["LM-Interval"], as_csv["LM-Level"], as_csv["LM-Model"]) == ("confidence", "0.95", "mtcars")
    read = list(csv.DictReader(io.StringIO(as_csv.text)))
    assert {name: [float(row[name]) for row in read] for name in columns} == columns


def test_csv_is_read_back_by_r(client: Client) -> None:
    outside = CSV + "9,18,manual\n"
    text = post(client, outside, "?interval=prediction&extrapolation=flag", "text/csv", accept="text/csv").text
    script = (
        'x <- read.csv(file("stdin")); stopifnot(is.logical(x$extrapolated)); cat(sprintf("%a", x$fit), sep = "\\n")'
    )
    by_r = rscript(script, text)
    fits = post(client, outside, "?extrapolation=flag", "text/csv").json()["predictions"]["fit"]
    assert [float.fromhex(number) for number in by_r.split()] == fits


def test_every_answer_names_model_and_version(shipped_models: Path, client: Client) -> None:
    version = live_version(shipped_models, "mtcars")
    base = "/lm/api/models/mtcars"
    answers = [
        client.get(f"{base}{path}") for path in ("", "/prototype", "/list_keys", "/key/aic", "/key/nope", "/predict")
    ]
    answers += [post(client, RECORDS), post(client, [])]
    for answer in answers:
        assert (answer["LM-Model"], answer["LM-Version"]) == ("mtcars", version)


@pytest.mark.usefixtures("models")
@pytest.mark.parametrize("path", ["", "/prototype", "/list_keys", "/key/call", "/predict/29.5", "/predict?distance=7"])
def test_etag_is_answered_with_304_until_retrained(client: Client, path: str) -> None:
    url = f"/lm/api{path}"
    first = client.get(url)
    again = client.get(url, headers={"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content, again["LM-Version"]) == (304, b"", first["LM-Version"])
    update("timedistance", force=True)
    new = client.get(url, headers={"If-None-Match": first["ETag"]})
    assert new.status_code == 200
    assert new["ETag"] != first["ETag"]


def test_extrapolation_is_flagged_where_asked(client: Client) -> None:
    flagged = post(client, {**COLUMNS, "wt": [2.6, 9]}, "?extrapolation=flag").json()["predictions"]
    assert flagged["extrapolated"] == [False, True]
    one = client.get("/lm/api/predict?distance=33&extrapolation=flag").json()
    assert (one["extrapolated"], one["fit"]) == (True, pytest.approx(52.7027027))
    assert "extrapolated" not in client.get("/lm/api/predict?distance=30").json()


def test_a_logical_in_every_shape(models: Path, client: Client) -> None:
    rows = "y,x,on\n1,1,FALSE\n4,2,TRUE\n8,3,FALSE\n6,3,TRUE\n5,2,FALSE\n2,1,TRUE\n7,2,FALSE\n"
    write_model(models, formula="y ~ x + on", rows=rows)
    update("timedistance", force=True)
    expected = [4.0, 5.25]
    for body in ([{"x": 2, "on": True}, {"x": 2, "on": False}], {"x": [2, 2], "on": [True, False]}):
        answer = client.post("/lm/api/predict", json.dumps(body), content_type="application/json").json()
        found = answer["predictions"]
        fits = found["fit"] if isinstance(found, dict) else [p["fit"] for p in found]
        assert fits == pytest.approx(expected)
    for text in ("true", "TRUE", "True"):
        assert client.get(f"/lm/api/predict?x=2&on={text}").json()["fit"] == pytest.approx(4)
    answer = client.post("/lm/api/predict", json.dumps([{"x": 2, "on": 2}]), content_type="application/json")
    assert errors(answer) == {("body", 0, "on"): "row 0: on is 2; it must be true or false."}
    wrong = client.get("/lm/api/predict?x=2&on=maybe")
    assert errors(wrong) == {("query", "on"): "on is 'maybe'; it must be true or false."}
    assert client.get("/lm/api/prototype").json()["properties"]["on"] == {"type": "boolean"}


def test_nan_of_r_is_null_and_reads_back_in_csv(models: Path, client: Client) -> None:
    write_model(models, formula="time ~ log(distance)")
    update("timedistance", force=True)
    answer = client.get("/lm/api/predict?distance=-1&extrapolation=flag").json()
    assert (answer["fit"], answer["warnings"]) == (None, ["NaNs produced", "fit is NaN"])
    text = client.post(
        "/lm/api/predict?extrapolation=flag", "distance\n-1\n", content_type="text/csv", headers={"accept": "text/csv"}
    )
    assert text.text == "fit,extrapolated\nNaN,TRUE\n"
    assert text["LM-Warnings"] == "NaNs produced; fit is NaN in row 0"


def test_a_level_that_only_r_sees_is_refused_with_those_allowed(models: Path, client: Client) -> None:
    write_model(models, formula="time ~ factor(distance %/% 10)")
    update("timedistance", force=True)
    answer = client.get("/lm/api/predict?distance=99&extrapolation=flag")
    expected = "factor(distance%/%10) is '9'; it must be one of '0', '1', '2', '3'."
    assert problem(answer, 422)["detail"] == expected
    columns = {"distance": [7, 99, 29, -1]}
    answer = client.post("/lm/api/predict?extrapolation=flag", columns, content_type="application/json")
    assert errors(answer) == {
        ("body", "distance", 1): f"row 1: {expected}",
        ("body", "distance", 3): "row 3: factor(distance%/%10) is '-1'; it must be one of '0', '1', '2', '3'.",
    }


# Refusals


def test_all_errors_of_records_are_reported_at_once(client: Client) -> None:
    body = [
        {"wt": "x", "qsec": None, "am": "manuel"},
        {"wt": 9, "qsec": True, "colour": "red"},
        3,
        {"wt": [1], "qsec": 17, "am": 1},
    ]
    assert errors(post(client, body, "?interval=conf&level=2&colour=red")) == {
        ("query", "interval"): "interval is 'conf'; it must be 'none' or 'confidence' or 'prediction'.",
        ("query", "level"): "level is '2'; it must be a number between 0 and 1.",
        (
            "query",
            "colour",
        ): "'colour' is no option; there are: interval, level, extrapolation, on_error, se, terms, augment, format.",
        ("body", 0, "wt"): "row 0: wt is 'x'; it must be a finite number.",
        ("body", 0, "qsec"): "row 0: qsec is missing (null); it must be a finite number.",
        ("body", 0, "am"): "row 0: am is 'manuel'; it must be one of 'automatic', 'manual'.",
        ("body", 1, "am"): "row 1: am is missing; the predictors are: wt, qsec, am.",
        ("body", 1, "wt"): "row 1: wt is 9; the model was trained on 1.513 to 5.424"
        " and does not answer outside of that range unless asked with extrapolation=flag.",
        ("body", 1, "qsec"): "row 1: qsec is true; it must be a finite number.",
        ("body", 2): "row 2 must be an object, with a value for each predictor.",
        ("body", 3, "wt"): "row 3: wt is [1]; it must be a finite number.",
        ("body", 3, "am"): "row 3: am is 1; it must be one of 'automatic', 'manual'.",
    }


def test_columns_are_checked(client: Client) -> None:
    assert set(errors(post(client, {"wt": [2, 3], "qsec": [17], "am": ["manual"]}))) == {("body",)}
    assert "wt has 2, qsec has 1" in errors(post(client, {"wt": [2, 3], "qsec": [17], "am": ["manual"]}))[("body",)]
    assert set(errors(post(client, {"wt": 2, "qsec": [17], "x": [1]}))) == {("body", n) for n in ("wt", "am")}
    assert ("body", "qsec", 1) in errors(post(client, {**COLUMNS, "qsec": [17, None]}))
    assert (
        "more than once"
        in errors(post(client, '{"wt": [2], "wt": [3], "qsec": [17], "am": ["manual"]}'))[("body", "wt")]
    )


@pytest.mark.parametrize(
    "body", ["[]", "{}", '{"wt": [], "qsec": [], "am": []}', "3", "null", '"text"', "wt,qsec,am\n", ""]
)
def test_nothing_to_predict_for(client: Client, body: str) -> None:
    kind = "text/csv" if not body or body.startswith("wt") else "application/json"
    assert errors(post(client, body, content_type=kind))


def test_a_colon_in_a_string_is_no_second_name(client: Client) -> None:
    assert set(errors(post(client, [{"wt": 2, "qsec": 17, "am": "a:b"}]))) == {("body", 0, "am")}


def test_csv_is_checked(client: Client) -> None:
    def refused(text: str | bytes) -> dict[tuple[Any, ...], str]:
        return errors(post(client, text, content_type="text/csv"))

    assert "NA" in refused("wt,qsec,am\nNA,17,manual\n")[("body", 0, "wt")]
    assert "''" in refused("wt,qsec,am\n2,,manual\n")[("body", 0, "qsec")]
    assert refused("wt,qsec,am\n2,17\n2,17,manual,4\n2,17,manual\n") == {
        ("body", 0): "row 0 has 2 fields; the header has 3.",
        ("body", 1): "row 1 has 4 fields; the header has 3.",
    }
    assert ("body", "wt") in refused("wt,qsec,am,wt\n2,17,manual,2\n")
    assert post(client, "\ufeff" + CSV, content_type="text/csv").status_code == 200


@pytest.mark.parametrize(
    ("body", "kind", "where"),
    [
        ('[{"wt": 2,', "application/json", "line 1 column 11"),
        ("[1e999]", "application/json", "infinity"),
        (f"[{'9' * 400}]", "application/json", "infinity"),
        ("[NaN]", "application/json", "line 1 column 2"),
        ("", "application/json", "empty document"),
        (b'["\xff"]', "application/json", "UTF-8"),
        ('wt,qsec\n"2,17', "text/csv", "line 2"),
        (b"wt,qsec,am\n2,17,manual\n\0", "text/csv", "NUL"),
    ],
)
def test_bad_syntax_is_400_with_its_position(client: Client, body: str | bytes, kind: str, where: str) -> None:
    assert where in problem(post(client, body, content_type=kind), 400)["detail"]


def test_too_many_rows_or_bytes_are_413(client: Client, settings: Settings) -> None:
    settings.LM_MAX_ROWS = 1
    for body, kind in ((RECORDS, "application/json"), (COLUMNS, "application/json"), (CSV, "text/csv")):
        assert "send at most 1 at once" in problem(post(client, body, content_type=kind), 413)["detail"]
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 10
    assert "more than 10 bytes" in problem(post(client, RECORDS), 413)["detail"]


def test_a_body_in_chunks_is_411(client: Client) -> None:
    assert "Content-Length" in problem(post(client, RECORDS, transfer_encoding="chunked"), 411)["detail"]


def test_the_first_50_errors_are_reported_and_all_are_counted(client: Client) -> None:
    content = problem(post(client, [{"wt": 99, "qsec": 17, "am": "manual"}] * 200), 422)
    assert len(content["errors"]) == 50
    assert "There are 200 errors" in content["detail"]


def test_long_input_is_shortened(client: Client) -> None:
    content = problem(post(client, [{"wt": "9" * 10_000, "qsec": 10**400 // 10**390, "am": "manual"}]), 422)
    assert len(json.dumps(content)) < 1500


def test_query_values_are_checked(client: Client) -> None:
    def refused(query: str) -> dict[tuple[Any, ...], str]:
        return errors(client.get(f"/lm/api/predict?{query}"))

    assert set(refused("")) == {("query", "distance")}
    assert "'abc'" in refused("distance=abc")[("query", "distance")]
    assert set(refused("distance=7&colour=red")) == {("query", "colour")}
    assert "more than once" in refused("distance=7&distance=8")[("query", "distance")]
    assert "5 to 32" in refused("distance=33")[("query", "distance")]
    assert set(refused("distance=7&level=nan&interval=&extrapolation=x")) == {
        ("query", name) for name in ("level", "interval", "extrapolation")
    }


def test_a_predictor_named_as_an_option_is_asked_by_post(models: Path, client: Client) -> None:
    write_model(models, formula="time ~ level", rows="time,level\n1,2\n3,3\n4,5\n7,7\n")
    update("timedistance", force=True)
    assert (
        "level: a predictor and an option; ask this model by POST"
        in problem(client.get("/lm/api/predict?level=3"), 422)["detail"]
    )
    answer = client.post("/lm/api/predict?level=0.9", '{"level": [3]}', content_type="application/json").json()
    assert answer["level"] == 0.9
    assert len(answer["predictions"]["fit"]) == 1
    assert "/lm/api/predict" in client.get("/lm/api/openapi.json").json()["paths"]
    assert "get" not in client.get("/lm/api/openapi.json").json()["paths"]["/lm/api/predict"]


def test_unknown_model_is_404_naming_the_models(client: Client) -> None:
    for path in ("nope", "..", "nope/predict/7", "nope/key/call"):
        detail = problem(client.get(f"/lm/api/models/{path}"), 404)["detail"]
        assert path == ".." or "heightweight, mtcars, timedistance" in detail


# Properties

VALUES = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False), st.integers(), st.text(max_size=5), st.none(), st.booleans()
)
FRAMES = st.lists(
    st.fixed_dictionaries(
        {"wt": st.floats(1.513, 5.424), "qsec": st.floats(14.5, 22.9), "am": st.sampled_from(["automatic", "manual"])}
    ),
    min_size=1,
    max_size=5,
)
EVERY = hypothesis_settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


@EVERY
@given(frame=FRAMES, options=st.sampled_from(["", "?interval=confidence", "?interval=prediction&level=0.5"]))
def test_each_shape_and_each_row_alone_give_the_same_numbers(
    client: Client, frame: list[dict[str, Any]], options: str
) -> None:
    columns = {name: [row[name] for row in frame] for name in frame[0]}
    text = io.StringIO()
    table = csv.DictWriter(text, columns)
    table.writeheader()
    table.writerows(frame)
    expected = post(client, columns, options).json()["predictions"]
    assert post(client, text.getvalue(), options, "text/csv").json()["predictions"] == expected
    by_record = post(client, frame, options).json()["predictions"]
    assert {name: [row[name] for row in by_record] for name in expected} == expected
    for row, prediction in zip(frame, by_record, strict=True):
        alone = client.get(f"{MTCARS}{options}", row if not options else {**row, **dict(pairs(options))}).json()
        assert [alone[name] for name in prediction] == list(prediction.values())


def pairs(options: str) -> list[list[str]]:
    return [pair.split("=") for pair in options[1:].split("&")]


@EVERY
@given(
    body=st.recursive(
        VALUES,
        lambda inner: (
            st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(["wt", "qsec", "am", "x"]), inner, max_size=4)
        ),
        max_leaves=12,
    )
)
def test_no_json_makes_the_server_fail(client: Client, body: Any) -> None:
    assert post(client, body).status_code in (200, 422, 400)


@EVERY
@given(body=st.binary(max_size=60) | st.text(alphabet='wtqsecam,;"\n\r19.', max_size=60))
def test_no_csv_makes_the_server_fail(client: Client, body: bytes | str) -> None:
    assert post(client, body, content_type="text/csv").status_code in (200, 422, 400)


def test_a_query_that_is_not_escaped_is_utf_8(models: Path, client: Client) -> None:
    response = client.get("/lm/api/predict", QUERY_STRING="distance=20&größe=1".encode().decode("latin-1"))
    assert response.status_code == 422
    assert "'größe' is neither a predictor" in response.json()["detail"]
