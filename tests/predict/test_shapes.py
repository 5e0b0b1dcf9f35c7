"""A data frame in every shape that pandas, MLflow and others make of it, and with columns that the model ignores."""

import json
from pathlib import Path
from typing import Any

import pandas  # type: ignore[import-untyped]
import pytest
from django.test import Client
from pytest_django import Settings

from lm_app.predict.parse import body as parse_body
from lm_app.store.live import live_model
from lm_app.training.update import update
from tests.conftest import ROOT, rscript, write_model
from tests.predict.test_predict import errors

pytestmark = pytest.mark.usefixtures("shipped_models")

MTCARS = "/lm/api/models/mtcars/predict"
RECORDS: list[dict[str, Any]] = [{"wt": 2.6, "qsec": 17, "am": "manual"}, {"wt": 3.2, "qsec": 18.5, "am": "automatic"}]
COLUMNS = {"wt": [2.6, 3.2], "qsec": [17, 18.5], "am": ["manual", "automatic"]}
FRAME = pandas.DataFrame(COLUMNS, index=["Mazda RX4", "Valiant"])
SENT = {
    "records": FRAME.to_dict("records"),
    "columns": FRAME.to_dict("list"),
    "dicts of columns": FRAME.to_dict("dict"),
    "index": FRAME.to_dict("index"),
    "split": FRAME.to_dict("split"),
    "tight": FRAME.to_dict("tight"),
    **{
        f"to_json({orient})": json.loads(FRAME.to_json(orient=orient))
        for orient in ("records", "columns", "index", "split", "table")
    },
    "MLflow's dataframe_split": {"dataframe_split": FRAME.to_dict("split")},
    "MLflow's dataframe_records": {"dataframe_records": RECORDS},
    "MLflow's inputs by column": {"inputs": COLUMNS},
    "MLflow's inputs by record": {"inputs": RECORDS},
    "instances": {"instances": RECORDS},
    "vetiver": json.loads(FRAME.to_json(orient="records")),
}
BY_COLUMN = {"columns", "dicts of columns", "to_json(columns)", "MLflow's inputs by column"}


def post(client: Client, body: Any, path: str = MTCARS, kind: str = "application/json", **headers: str) -> Any:
    content = body if isinstance(body, str | bytes) else json.dumps(body)
    return client.generic("POST", path, content, kind, headers=headers)


def fits(answer: Any) -> list[float]:
    assert answer.status_code == 200, answer.content
    found = answer.json()["predictions"]
    return found["fit"] if isinstance(found, dict) else [prediction["fit"] for prediction in found]


def messages(answer: Any) -> list[str]:
    return list(errors(answer).values())


@pytest.mark.parametrize("shape", SENT)
def test_each_shape_has_the_same_numbers(client: Client, shape: str) -> None:
    answer = post(client, SENT[shape])
    assert fits(answer) == fits(post(client, RECORDS))
    assert isinstance(answer.json()["predictions"], dict) == (shape in BY_COLUMN)
    is_table = shape == "to_json(table)"
    assert answer.json()["warnings"] == (["index: no predictor of this model; it is ignored."] if is_table else [])


def test_one_object_is_one_observation(client: Client) -> None:
    answer = post(client, RECORDS[0], f"{MTCARS}?interval=confidence").json()
    assert answer == client.get(MTCARS, {**RECORDS[0], "interval": "confidence"}).json()
    assert post(client, {"inputs": RECORDS[0]}).json()["fit"] == answer["fit"]
    as_csv = post(client, RECORDS[0], accept="text/csv").content.decode()
    assert as_csv == f"fit\n{answer['fit']}\n"
    assert errors(post(client, {"wt": "x", "Qsec": 17, "am": "manual", "note": [1]})) == {
        ("body", "wt"): "wt is 'x'; it must be a finite number.",
        ("body", "qsec"): "qsec is missing; the predictors are: wt, qsec, am. Is it 'Qsec'?",
    }
    extra = post(client, {**RECORDS[0], "note": [1], "id": None}).json()
    assert extra["warnings"] == ["note, id: no predictors of this model; they are ignored."]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ([[2.6, 17, "manual"]], "The body has values without names; send [{"),
        ({"inputs": [[2.6, 17]]}, "The body has values without names; send [{"),
        ({"instances": [1, 2]}, "The body has none of the predictors; send [{"),
        ({"dataframe_split": COLUMNS, "params": {}}, "The body has none of the predictors; send [{"),
        ({"a": {"0": {"b": 1}}}, "The body has none of the predictors; send [{"),
        (3, "The body is no data frame; send [{"),
    ],
)
def test_what_has_no_names_is_told_what_to_send(client: Client, body: Any, expected: str) -> None:
    [said] = messages(post(client, body))
    assert said.startswith(expected)
    assert '[{"wt": ..., "qsec": ..., "am": ...}], with an object for each observation' in said


def test_parts_of_shapes_are_checked(client: Client) -> None:
    split = {"columns": ["wt", "qsec", "am"], "data": [[2.6, 17], 3, [2.6, 17, "manual"]]}
    said = "must be a list of 3 values, as there are so many columns."
    assert errors(post(client, split)) == {("body", 0): f"row 0 {said}", ("body", 1): f"row 1 {said}"}
    twice = {"columns": ["wt", "wt", "qsec", "am"], "data": [[2.6, 2.6, 17, "manual"]]}
    assert messages(post(client, twice)) == ["wt is given more than once in 'columns'."]
    assert messages(post(client, {"columns": ["wt", "qsec", "am"], "data": []})) == [
        "There are no observations; send at least one."
    ]
    other = {"wt": {"0": 2.6}, "qsec": {"1": 17}, "am": {"0": "manual"}}
    assert errors(post(client, other)) == {
        ("body", "qsec"): "qsec has other rows than wt; all columns must have the same keys."
    }
    assert errors(post(client, {"wt": {"0": 2.6}, "am": {"0": "manual"}})) == {
        ("body", "qsec"): "qsec is missing; the predictors are: wt, qsec, am."
    }
    in_table = {"schema": {"fields": []}, "data": [{"wt": 9, "qsec": 17, "am": "manual"}]}
    assert list(errors(post(client, in_table))) == [("body", 0, "wt")]
    assert list(errors(post(client, {"wt": [2.6], "qsec": {"0": 17}, "am": ["manual"]}))) == [("body", "qsec")]


def test_rows_keep_the_order_in_which_they_were_sent(client: Client) -> None:
    ten = {"10": RECORDS[0], "9": RECORDS[1], "0": RECORDS[0]}
    assert fits(post(client, ten)) == fits(post(client, [RECORDS[0], RECORDS[1], RECORDS[0]]))
    by_column = {name: {row: record[name] for row, record in ten.items()} for name in COLUMNS}
    assert fits(post(client, by_column)) == fits(post(client, ten))
    by_column["qsec"] = dict(reversed(by_column["qsec"].items()))
    assert fits(post(client, by_column)) == fits(post(client, ten))


def test_names_that_stand_twice_are_errors_where_they_matter(client: Client) -> None:
    row = '"wt": 2.6, "qsec": 17, "am": "manual"'
    assert fits(post(client, f'[{{{row}, "id": 1, "id": 2}}]'))
    assert messages(post(client, f'[{{{row}, "id": 1, "wt": 2}}]')) == ["wt is given more than once."]
    assert messages(post(client, f'{{"0": {{{row}}}, "0": {{{row}}}}}')) == ["0 is given more than once."]
    assert messages(post(client, f'[{{{row}, "at": "\\u003a", "wt": 2}}]')) == ["wt is given more than once."]
    assert fits(post(client, f'[{{{row}, "at": "12:30:15", "more": {{"a": [{{"b": 1}}]}}}}]'))


# Predictors that have the names of a shape's parts


@pytest.mark.parametrize(
    ("names", "taken"),
    [
        (("data", "columns"), {"data": [3, 4], "columns": [1, 2]}),
        (("data", "schema"), {"data": {"0": 3, "1": 4}, "schema": {"0": 1, "1": 2}}),
        (("inputs", "instances"), {"inputs": [3, 4], "instances": [1, 2]}),
        (("data", "z"), {"columns": ["z", "id", "data"], "data": [[1, "a", 3], [2, "b", 4]]}),
    ],
)
def test_predictors_may_have_the_names_of_a_shapes_parts(
    models: Path, client: Client, names: tuple[str, str], taken: Any
) -> None:
    rows = "1,1,1\n2,3,4\n4,4,2\n3,7,9\n8,9,8\n"
    write_model(models, formula=f"time ~ {' + '.join(names)}", rows=f"time,{','.join(names)}\n{rows}")
    update("timedistance", force=True)
    records = [{names[0]: 3, names[1]: 1}, {names[0]: 4, names[1]: 2}]
    assert fits(post(client, taken, "/lm/api/predict")) == fits(post(client, records, "/lm/api/predict"))
    assert messages(post(client, {names[0]: [1, 2]}, "/lm/api/predict"))[0].startswith(f"{names[1]} is missing")


# Extra columns


@pytest.mark.parametrize("model", ["timedistance", "heightweight", "mtcars"])
@pytest.mark.parametrize("writer", ["as it is", "write.csv"])
def test_the_training_file_itself_is_predicted_for(client: Client, model: str, writer: str) -> None:
    path, url = ROOT / "extra_files" / model / f"{model}.csv", f"/lm/api/models/{model}/predict"
    text = path.read_text() if writer == "as it is" else rscript(f"write.csv(read.csv('{path}'))")
    names = [predictor["name"] for predictor in client.get(f"/lm/api/models/{model}").json()["predictors"]]
    frame = pandas.read_csv(path)
    expected = fits(post(client, frame[names].to_dict("list"), url))
    response = [name for name in frame if name not in names]
    for body, kind in (
        (text, "text/csv"),
        (frame.to_dict("records"), "application/json"),
        (frame.to_dict("list"), "application/json"),
        (frame.to_dict("split"), "application/json"),
    ):
        answer = post(client, body, url, kind)
        assert fits(answer) == expected
        [warning] = answer.json()["warnings"]
        assert warning.startswith(f"{', '.join(response)}: no predictor")
    as_csv = post(client, text, url, "text/csv", accept="text/csv")
    assert as_csv["LM-Warnings"] == warning


def test_extra_columns_may_hold_anything(client: Client) -> None:
    first, second = RECORDS
    plain = fits(post(client, RECORDS))
    answer = post(client, [{**first, "id": 1, "x": {"y": [{}]}}, {"a": None, **second, "id": "two"}])
    assert fits(answer) == plain
    assert answer.json()["warnings"] == ["id, x, a: no predictors of this model; they are ignored."]
    answer = post(client, [{**first, "b": 1}, {**second, "a": 1}])
    assert answer.json()["warnings"] == ["b, a: no predictors of this model; they are ignored."]
    answer = post(client, {**COLUMNS, "x": [[1], {"y": 2}], "z": 3, "u": {"0": 1}})
    assert fits(answer) == plain
    assert answer.json()["warnings"] == ["x, z, u: no predictors of this model; they are ignored."]
    assert "wt has 2" in messages(post(client, {**COLUMNS, "x": [1]}))[0]
    text = "id,wt,qsec,am,id\n7,2.6,17,manual,8\n9,3.2,18.5,automatic,10\n"
    answer = post(client, text, kind="text/csv")
    assert fits(answer) == plain
    assert answer.json()["warnings"] == ["id: no predictor of this model; it is ignored."]


def test_the_warning_has_the_first_names_of_many_and_may_stand_in_a_header(client: Client) -> None:
    names = {"n\r\nX-Evil: 1": 1, "größe": 2, "x" * 200: 3, **{f"x{number}": 0 for number in range(20)}}
    answer = post(client, [{**RECORDS[0], **names}]).json()
    listed = ", ".join(f"x{number}" for number in range(7))
    assert answer["warnings"] == [
        rf"'n\r\nX-Evil: 1', größe, {'x' * 50}..., {listed} and 13 more: no predictors of this model; they are ignored."
    ]
    as_csv = post(client, [{**RECORDS[0], "n\r\nX-Evil: 1": 1}], accept="text/csv")
    assert as_csv["LM-Warnings"] == r"'n\r\nX-Evil: 1': no predictor of this model; it is ignored."


def test_a_missing_predictor_is_told_what_may_be_meant(client: Client) -> None:
    missing = "is missing; the predictors are: wt, qsec, am."
    assert errors(post(client, [{"WT": 2, "q_sec": 17, "colour": 1}])) == {
        ("body", 0, "wt"): f"row 0: wt {missing} Is it 'WT'?",
        ("body", 0, "qsec"): f"row 0: qsec {missing} Is it 'q_sec'?",
        ("body", 0, "am"): f"row 0: am {missing}",
    }
    assert errors(post(client, "wt,qsecs,am\n1,2,3\n", kind="text/csv")) == {
        ("body", "qsec"): f"qsec {missing} Is it 'qsecs'?"
    }
    assert errors(client.get(f"{MTCARS}?wt=2.6&qsecs=17&am=manual")) == {
        ("query", "qsec"): f"qsec {missing} Is it 'qsecs'?",
        ("query", "qsecs"): "'qsecs' is neither a predictor of this model nor an option; predictors are: wt, qsec, "
        "am; options are: interval, level, extrapolation, on_error, se, terms, augment, format.",
    }
    assert len(messages(post(client, [{"WT": 2}] * 100))) == 50


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        (
            [{"id": 1, **RECORDS[0]}, {**RECORDS[1], "x": "a"}],
            "application/json",
            {"id": [1, None], **COLUMNS, "x": [None, "a"]},
        ),
        ({"id": [1, 2], **COLUMNS, "z": 3}, "application/json", {"id": [1, 2], **COLUMNS}),
        ({"id": 1, **RECORDS[0]}, "application/json", {"id": [1], "wt": [2.6], "qsec": [17], "am": ["manual"]}),
        (
            "id;wt;qsec;am\n1;2,6;17;manual\n",
            "text/csv",
            {"id": ["1"], "wt": ["2.6"], "qsec": ["17"], "am": ["manual"]},
        ),
    ],
)
def test_augment_keeps_all_columns_in_their_order(rf: Any, body: Any, kind: str, expected: Any) -> None:
    content = body if isinstance(body, str) else json.dumps(body)
    for option, given in (("true", expected), ("false", {})):
        request = rf.generic("POST", f"{MTCARS}?augment={option}", content, kind)
        found = parse_body(request, live_model("mtcars").predictors).frame.given
        assert list(found.items()) == list(given.items())


def test_what_is_nested_too_deeply_can_not_be_given_back(client: Client) -> None:
    deep = f'{{"wt": [2.6], "qsec": [17], "am": ["manual"], "x": [{"[" * 300}{"]" * 300}]}}'
    assert fits(post(client, deep))
    assert post(client, deep, f"{MTCARS}?augment=true").status_code == 400


def test_a_wide_frame_is_taken_and_a_wider_one_is_not(client: Client, settings: Settings) -> None:
    settings.LM_MAX_ROWS = 20
    padding = ["p" * 110_000] * 2
    for extra, status in ((38, 200), (50, 413)):
        names = [f"x{number}" for number in range(extra)]
        body = [{**RECORDS[0], **dict.fromkeys(names, 0), "x": padding[0], "y": padding[1]}] * 20
        rows = [["wt", "qsec", "am", *names, "x", "y"], *[["2.6", "17", "manual", *["0"] * extra, *padding]] * 20]
        assert post(client, body).status_code == status
        assert post(client, "\n".join(map(",".join, rows)), kind="text/csv").status_code == status


@pytest.mark.parametrize("body", ["[]", "[1]", "{}", "null", '{"columns": [], "data": []}'])
def test_nothing_is_given_back_of_nothing(client: Client, body: str) -> None:
    assert post(client, body, f"{MTCARS}?augment=true").status_code == 422
