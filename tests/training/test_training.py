"""manage.py runscript update_lm."""

import re
from pathlib import Path

import pytest
from django.test import Client

from tests.conftest import refusal, runscript


def test_update_lm_trains_all_models_and_says_what_it_wrote(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runscript("update_lm", "--force")
    output = capsys.readouterr().out
    for name in ("timedistance", "heightweight"):
        version = (models / name / "live").read_text().strip()
        assert f"{name}: version {version} is live: {models}/{name}/versions/{version}\n" in output
        for file in ("modelr.pickle", "model_info.json", "manifest.json", "MODEL_CARD.md", "fit.svg", "normal_qq.svg"):
            assert (models / name / "versions" / version / file).is_file()
    assert "Residual standard error: 6.719 on 8 degrees of freedom" in output


def test_update_lm_trains_the_named_model_only(models: Path) -> None:
    before = (models / "heightweight" / "live").read_text()
    runscript("update_lm", "timedistance", "--force")
    assert (models / "heightweight" / "live").read_text() == before
    assert len(list((models / "timedistance" / "versions").iterdir())) == 2


def test_update_lm_is_served_at_once(models: Path, client: Client) -> None:
    assert client.get("/lm/api/predict/29.5").json() == 47.736486
    data = models / "timedistance" / "timedistance.csv"
    data.write_text(data.read_text().replace("55,32", "75,32"))
    assert client.get("/lm/api/predict/29.5").json() == 47.736486
    runscript("update_lm", "timedistance")
    assert client.get("/lm/api/predict/29.5").json() == 54.343366


def test_update_lm_goes_on_after_a_model_that_fails(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (models / "heightweight" / "heightweight.csv").unlink()
    assert "heightweight" in refusal(capsys, "update_lm", "--force")
    assert len(list((models / "timedistance" / "versions").iterdir())) == 2


def test_unknown_model_names_the_models(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "There is no model 'nope'; there are: heightweight, mtcars, timedistance" in refusal(
        capsys, "update_lm", "nope"
    )


@pytest.mark.parametrize("name", ["../timedistance", "", ".", "a/b"])
def test_a_name_is_no_path(models: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    assert f"There is no model {name!r}" in refusal(capsys, "update_lm", name)


BAD_DATA = {
    "": "is empty",
    "time,distance\n": "has a header and no observations",
    "time,distanc\n1,2\n2,4\n3,5\n": "the data have no column 'distance'; their columns are time, distanc",
    "time,distance\n1,2\n2,abc\n3,5\n": "column 'distance', row 2: 'abc' is not a number",
    "time,distance\n1,2\n2,NA\n3,5\n": "column 'distance', row 2: the value is missing (NA)",
    "time,distance\n1,2\n2,\n3,5\n": "column 'distance', row 2: the value is missing (NA)",
    "time,distance\n1,2\nInf,3\n3,5\n": "column 'time', row 2: the value is not finite",
    "time,distance\n1,7\n2,7\n3,7\n": "column 'distance' is constant (7)",
    "time,distance\n4,1\n4,2\n4,3\n": "column 'time' is constant (4)",
    "time,distance\n1,2\n2,3\n": "2 observations are not enough for 2 coefficients; at least 3 are needed",
    "time,distance\n1,2,3\n2,3,4\n": "row 1 has 3 fields; the header has 2",
    "time,distance\n1,2\n2\n3,5\n": "row 2 has 1 fields; the header has 2",
    "time,distance,time\n1,2,3\n2,3,4\n": "two columns have one name, 'time'",
    "time,distance\nTRUE,1\nFALSE,2\nTRUE,4\n": "column 'time' must be numbers",
}


@pytest.mark.parametrize("data", BAD_DATA)
def test_bad_data_is_one_line_and_changes_nothing(
    models: Path, client: Client, capsys: pytest.CaptureFixture[str], data: str
) -> None:
    (models / "timedistance" / "timedistance.csv").write_text(data)
    error = refusal(capsys, "update_lm", "timedistance")
    assert error.startswith("update_lm: timedistance: ")
    assert BAD_DATA[data] in error
    assert client.get("/lm/api/predict/29.5").json() == 47.736486


BAD_FORMULAS = {
    "time ~ nope": "the data have no column 'nope'; their columns are time, distance",
    "time": "a formula has a response, one '~' and its predictors",
    "~ distance": "a formula has a response, one '~' and its predictors",
    "time ~ (": "this is not R's formula notation",
    "time ~ distance; distance": "this is not R's formula notation",
    "time ~ system('touch /tmp/pwned')": "'system' is not one of the functions a formula may use",
    "time ~ base::system('true')": "'system' is not one of the functions",
    "time ~ utils::head(distance)": "'utils::head' is not one of the functions",
    "time ~ (function(x) x)(distance)": "is not one of the functions",
    "time ~ distance$x": "'$' is not one of the functions",
    "time ~ ~ distance": "there may be only one '~'",
    "time ~ distance[1i]": "'[' is not one of the functions",
    "time ~ 1": "it has no predictor",
    "1 ~ distance": "the response, left of '~', must be a column of the data",
    "time ~ cut(distance, 3)": "row 1 alone is predicted otherwise than among the others",
    "time ~ 0 + offset(distance)": "the model has no coefficients to estimate",
    "time ~ poly(distance, 99)": "'degree' must be less than number of unique points",
    "time ~ log(distance - 20)": "NA/NaN/Inf in 'x'",
    "time ~ offset(distance": "this is not R's formula notation",
}


@pytest.mark.parametrize("formula", BAD_FORMULAS)
def test_bad_formula_is_one_line(models: Path, capsys: pytest.CaptureFixture[str], formula: str) -> None:
    toml = models / "timedistance" / "model.toml"
    toml.write_text(toml.read_text().replace("time ~ distance", formula))
    assert BAD_FORMULAS[formula] in refusal(capsys, "update_lm", "timedistance")
    assert not Path("/tmp/pwned").exists()


BAD_TOML = {
    "title =": "model.toml is not TOML",
    'title = "t"\ndata = "timedistance.csv"\n': "model.toml: formula is missing; it must be a text",
    'title = "t"\ndata = "../x.csv"\nformula = "y ~ x"': 'model.toml: data: "../x.csv" is not allowed',
    'title = "t"\ndata = "x.csv"\nformula = "y ~ x"': "x.csv' does not exist",
    'title = "t"\ndata = "x.csv"\nformula = "y ~ x"\ncolour = "red"': "model.toml has no key 'colour'; there are",
    'title = "t"\ndata = "timedistance.csv"\nformula = "time ~ distance"\nweights = "w"': "the data have no column 'w'",
}


@pytest.mark.parametrize("toml", BAD_TOML)
def test_bad_model_toml_is_one_line(models: Path, capsys: pytest.CaptureFixture[str], toml: str) -> None:
    (models / "timedistance" / "model.toml").write_text(toml)
    assert BAD_TOML[toml] in refusal(capsys, "update_lm", "timedistance")


def test_a_file_that_cannot_be_opened_is_one_line(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (models / "timedistance" / ".lock").unlink(missing_ok=True)
    (models / "timedistance" / ".lock").mkdir()
    assert "Is a directory" in refusal(capsys, "update_lm", "timedistance")


def test_byte_order_mark_is_no_part_of_a_name(models: Path, client: Client) -> None:
    data = models / "timedistance" / "timedistance.csv"
    data.write_bytes(b"\xef\xbb\xbf" + data.read_bytes())
    runscript("update_lm", "timedistance")
    assert client.get("/lm/api/predict/29.5").json() == 47.736486


def test_a_warning_of_r_is_printed(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "".join(f"{2 * i + 1},{i}\n" for i in range(1, 9))
    (models / "timedistance" / "timedistance.csv").write_text("time,distance\n" + rows)
    runscript("update_lm", "timedistance")
    assert re.search("R warns: essentially perfect fit", capsys.readouterr().out)


def test_a_column_does_not_hide_a_key(models: Path, client: Client) -> None:
    folder = models / "timedistance"
    (folder / "timedistance.csv").write_text("time,fitted\n1,2\n3,3\n4,5\n7,7\n")
    (folder / "model.toml").write_text((folder / "model.toml").read_text().replace("~ distance", "~ fitted"))
    runscript("update_lm", "timedistance", "--force")
    assert client.get("/lm/api/key/fitted_values").json() == [1.271186, 2.372881, 4.576271, 6.779661]


def test_without_intercept(models: Path, client: Client) -> None:
    toml = models / "timedistance" / "model.toml"
    toml.write_text(toml.read_text().replace("~ distance", "~ 0 + distance"))
    runscript("update_lm", "timedistance")
    assert client.get("/lm/api/key/intercept").json() is None
    assert client.get("/lm/api/key/equation").json() == "1.688715 * distance"
