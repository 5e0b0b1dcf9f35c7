"""What a person types, and what is printed: update_lm, versions_lm and their options."""

import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import tomli
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from lm_app.command_line import SCRIPTS
from lm_app.training.model_toml import model_toml
from tests.conftest import ROOT, live_version, refusal, runscript

HOUSES = "price,size,region,zip,variance\n" + "".join(
    f"{i * 3 + i % 4 + (i % 3) * 5},{i},{['west', 'south', 'north'][i % 3]},0{i % 2 + 1}234,{1 + i % 5}\n"
    for i in range(1, 31)
)


@pytest.fixture
def houses(tmp_path: Path) -> list[str]:
    """The options that make a model of HOUSES."""
    (tmp_path / "houses.csv").write_text(HOUSES)
    return ["--data", str(tmp_path / "houses.csv"), "--formula", "price ~ size + region"]


def manage(*words: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "manage.py", "runscript", *words],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


# A new model from the command line alone


def test_a_new_model_with_all_options(
    models: Path, client: Client, houses: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--factors", "region=west,south,north", "--factors", "zip", "--weights", "1/variance"]
    words += ["--subset", "size > 2", "--units", "size=m²", "--units", "price=1000 €", "--title", "Häuser"]
    words += ["--description", 'Of "here"', "--contrasts", "region=contr.sum", "--na-action", "refuse"]
    runscript("update_lm", "houses", *houses, *words)
    text = (models / "houses" / "model.toml").read_text(encoding="utf-8")
    assert tomli.loads(text) == {
        "title": "Häuser",
        "description": 'Of "here"',
        "data": "data.csv",
        "formula": "price ~ size + region",
        "weights": "1/variance",
        "subset": "size > 2",
        "na": "refuse",
        "factors": {"region": ["west", "south", "north"], "zip": []},
        "contrasts": {"region": "contr.sum"},
        "units": {"size": "m²", "price": "1000 €"},
    }
    assert "Häuser" in text
    script = (
        f"d <- read.csv('{houses[1]}'); d$region <- factor(d$region, c('west', 'south', 'north'));"
        "m <- lm(price ~ size + region, d, weights = 1/variance, subset = size > 2,"
        "contrasts = list(region = 'contr.sum')); cat(sprintf('%.17g', coef(m)))"
    )
    right = subprocess.run(["Rscript", "-e", script], capture_output=True, text=True, check=True).stdout.split()
    coefficients = client.get("/lm/api/models/houses").json()["coefficients"]
    assert [row["estimate"] for row in coefficients] == pytest.approx([float(number) for number in right], rel=1e-9)
    capsys.readouterr()
    runscript("update_lm", "houses")
    assert "nothing new is made" in capsys.readouterr().out


def test_ordered_factors_are_declared_with_their_levels(models: Path, client: Client, houses: list[str]) -> None:
    runscript("update_lm", "houses", *houses, "--ordered", "region=south,north,west", "--factors", "zip,variance")
    toml = tomli.loads((models / "houses" / "model.toml").read_text())
    assert toml["ordered"] == ["region"]
    assert toml["factors"] == {"zip": [], "variance": [], "region": ["south", "north", "west"]}
    terms = [row["term"] for row in client.get("/lm/api/models/houses").json()["coefficients"]]
    assert "region.L" in terms


def test_a_dry_run_of_a_new_model_leaves_nothing(
    models: Path, houses: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    runscript("update_lm", "houses", *houses, "--dry-run")
    output = capsys.readouterr().out
    assert "lm(formula = price ~ size + region" in output
    assert "houses: nothing was published\n" in output
    assert "live version" not in output
    assert not (models / "houses").exists()
    assert "'pirce'" in refusal(capsys, "update_lm", "houses", *houses[:2], "--formula", "pirce ~ size", "--dry-run")


def test_the_folder_of_a_model_that_failed_stays_where_it_is_wanted(
    models: Path, houses: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    poor = ["update_lm", "houses", *houses, "--units", "Size=m2"]
    error = refusal(capsys, *poor)
    assert "[units] names 'Size', which is no column of the data (did you mean 'size'?)" in error
    assert not (models / "houses").exists()
    assert "[units] names 'Size'" in refusal(capsys, *poor, "--keep-folder")
    toml = models / "houses" / "model.toml"
    toml.write_text(toml.read_text().replace("Size", "size"))
    runscript("update_lm", "houses")
    assert live_version(models, "houses")


def test_all_that_is_wrong_is_told_at_once(models: Path, houses: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--formula", "price ~ sizze", "--units", "Price=EUR", "--units", "nope=m"]
    error = refusal(capsys, "update_lm", "houses", *houses[:2], *words)
    for part in ("no column 'sizze'", "names 'Price'", "did you mean 'price'?", "names 'nope'"):
        assert part in error


def test_force_makes_a_new_model_of_aliased_terms_too(
    models: Path, tmp_path: Path, client: Client, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "".join(f"{i + i % 3},{i % 7},{i},{10 * i}\n" for i in range(24))
    (tmp_path / "alias.csv").write_text("y,x,cm,mm\n" + rows)
    words = ["--data", str(tmp_path / "alias.csv"), "--formula", "y ~ x + cm + mm"]
    for name, options in {"forced": ["--force"], "plain": []}.items():
        runscript("update_lm", name, *words, *options)
        assert f"{name}: these terms are aliased with others, and have no coefficient: mm" in capsys.readouterr().out
        assert client.get(f"/lm/api/models/{name}/predict?x=1&cm=2&mm=20").status_code == 200


def test_a_name_that_no_model_can_have_is_told(
    models: Path, houses: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    error = refusal(capsys, "update_lm", "house prices", *houses)
    assert "'house prices' can't be a model's name: letters, digits, '-' and '_', at most 64 of them" in error


@pytest.mark.parametrize("words", [["--data", "cars.csv"], ["--formula", "y ~ x"], ["--title", "Cars"]])
def test_an_unknown_model_is_told_how_it_is_made(
    models: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    error = refusal(capsys, "update_lm", "cars", *words)
    assert "There is no model 'cars'; to make it, give both its data and its formula: --data FILE --formula" in error


def test_a_folder_without_model_toml_is_not_overwritten(
    models: Path, houses: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (models / "houses").mkdir()
    assert "has no model.toml; write one" in refusal(capsys, "update_lm", "houses", *houses)
    assert not list((models / "houses").iterdir())


def test_standard_input_is_called_so(
    models: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    error = refusal(capsys, "update_lm", "timedistance", "--data", "-")
    assert "'standard input'" in error
    assert "/tmp" not in error


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


@given(title=TEXTS, units=st.dictionaries(TEXTS, TEXTS), levels=st.lists(TEXTS))
def test_what_is_written_to_model_toml_is_read_again(title: str, units: dict[str, str], levels: list[str]) -> None:
    content = {"title": title, "sheet": 2, "ordered": levels, "units": units, "csv": {"na": levels}}
    assert tomli.loads(model_toml(content)) == content


# Options


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["timedistance", "--units", "distance"], "--units distance: write COLUMN=VALUE"),
        (["timedistance", "--contrasts", "=contr.sum"], "--contrasts =contr.sum: write COLUMN=VALUE"),
        (["timedistance", "--contrasts", "a=sum"], '--contrasts: "sum" is not allowed; it must be one of contr.tr'),
        (["timedistance", "--sep", ""], '--sep: "" is not allowed; it must be one character, or tab'),
        (["timedistance", "--dec", ";"], '--dec: ";" is not allowed; it must be "." or ","'),
        (["timedistance", "--sheet", "0"], "--sheet: 0 is not allowed; it must be a sheet's name, or its number"),
        (["timedistance", "--formula", ""], '--formula: "" is not allowed; it must be a text'),
        (["timedistance", "--na-action", "drop"], "invalid choice: 'drop'"),
        (["timedistance", "--keep-data"], "--keep-data keeps what --data names"),
        (["--units", "a=b"], "options such as --units are for one model: name it"),
        (["timedistance", "--title", "\udce9"], r"'\udce9' is not text in this system's encoding"),
    ],
)
def test_a_wrong_option_is_one_line_that_names_it(
    models: Path, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    assert message in refusal(capsys, "update_lm", *words)


@pytest.mark.parametrize("sep", ["\t", "\\t", "tab"])
def test_a_tab_can_be_typed(models: Path, tmp_path: Path, client: Client, sep: str) -> None:
    (tmp_path / "new.csv").write_text("time\tdistance\n15.5\t8\n20\t6.25\n20\t15\n40\t20\n50\t25.5\n")
    runscript("update_lm", "timedistance", "--data", str(tmp_path / "new.csv"), "--sep", sep, "--force")
    assert client.get("/lm/api/key/distance_values").json() == [8, 6.25, 15, 20, 25.5]


def test_options_add_to_the_tables_of_model_toml(models: Path) -> None:
    toml = models / "mtcars" / "model.toml"
    toml.write_text(toml.read_text() + '[csv]\nsep = ","\n')
    runscript("update_lm", "mtcars", "--factors", "gear", "--na", "-", "--formula", "mpg ~ wt + am + gear", "--force")
    manifest = (models / "mtcars" / "versions" / live_version(models, "mtcars") / "manifest.json").read_text()
    toml.write_text(toml.read_text().replace("[factors]", 'ordered = ["am"]\n[factors]'))
    runscript("update_lm", "mtcars", "--ordered", "gear", "--formula", "mpg ~ wt + am + gear", "--force", "--dry-run")
    for part in ('"manual"', '"gear": []', '"sep": ","', '"-"'):
        assert part in manifest


def test_words_need_no_script_args(models: Path) -> None:
    environment = {"LM_MODELS_DIR": str(models)}
    assert "--keep-data" in manage("update_lm", "--help").stdout
    assert "PRESS RMSE" in manage("update_lm", "timedistance", "--dry-run", **environment).stdout
    assert "timedistance:" in manage("versions_lm", **environment).stdout
    assert manage("versions_lm", "timedistance", "--verify", **environment).returncode == 0


def test_errors_say_how_to_get_the_right_help(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for script in SCRIPTS:
        error = refusal(capsys, script, "--nonsense")
        [command] = re.findall(r"see: python manage.py (.*)$", error)
        assert "usage: python manage.py runscript" in manage(*command.split()[1:]).stdout


# Folders that are no models


@pytest.mark.parametrize("script", ["update_lm", "versions_lm"])
def test_a_folder_without_models_is_an_error(
    tmp_path: Path, settings: Settings, capsys: pytest.CaptureFixture[str], script: str
) -> None:
    settings.LM_MODELS_DIR = tmp_path
    assert f"LM_MODELS_DIR, {tmp_path}: no folder in it has a model.toml" in refusal(capsys, script)
    settings.LM_MODELS_DIR = tmp_path / "nowhere"
    assert "nowhere: it does not exist" in refusal(capsys, script)


def test_a_folder_whose_name_no_model_can_have_is_told(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("house prices", ".hidden", "lost+found"):
        (models / name).mkdir()
        if name != "lost+found":
            (models / name / "model.toml").write_bytes((models / "timedistance" / "model.toml").read_bytes())
    for script in ("update_lm", "versions_lm"):
        assert "the folder 'house prices' has a model.toml, but can't be a model's name" in refusal(capsys, script)
    runscript("update_lm", "timedistance")  # where it is not asked for, it is no fault


# What is printed


def test_a_training_is_told_in_few_lines(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runscript("update_lm", "mtcars", "--force")
    output = capsys.readouterr().out
    assert "Step:" not in output
    assert "mtcars: step() has dropped cyl, disp, hp, drat, vs, gear, carb; --verbose prints how" in output
    assert output.count("mtcars: version") == 1
    assert len(output.splitlines()) < 50
    runscript("update_lm", "mtcars", "--force", "--verbose")
    assert "Step:" in capsys.readouterr().out


def test_better_and_worse_are_marked_and_coefficients_compared(
    models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runscript("update_lm", "timedistance", "--formula", "time ~ poly(distance, 2)", "--force")
    output = capsys.readouterr().out
    assert re.search(r"residual standard error .* 6.7189 .* 7.16438 .* worse", output)
    assert re.search(r"PRESS RMSE, same data .* 7.56076 .* 8.50606 .* worse", output)
    assert re.search(r"│ distance +│ 1\.41892 +│ +│", output)
    assert re.search(r"│ poly\(distance, 2\)1 +│ +│ \d", output)
    assert "model.toml is as it was" in output


def test_of_many_coefficients_some_are_shown(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "".join(f"{i % 40 + i / 100},{i},k{i % 40}\n" for i in range(200))
    folder = models / "timedistance"
    (folder / "timedistance.csv").write_text("time,distance,kind\n" + rows)
    runscript("update_lm", "timedistance", "--formula", "time ~ distance + kind", "--factors", "kind", "--force")
    assert "timedistance: and 11 more coefficients that differ" in capsys.readouterr().out


def test_a_refusal_is_told_once(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        runscript("update_lm", "mtcars", "--formula", "mpg ~ wt + qsec", "--stepwise", "none")
    out, error = capsys.readouterr()
    assert (out + error).count("it no longer takes the predictors: am") == 1
    assert "published" not in out
    assert error.count("\n") == 1


# Versions


@pytest.mark.parametrize("width", ["20", "80", "300"])
def test_versions_of_all_models_are_listed_and_never_cut(
    models: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    monkeypatch.setenv("COLUMNS", width)
    monkeypatch.setenv("FORCE_COLOR", "1")
    (models / "new").mkdir()
    (models / "new" / "model.toml").touch()
    runscript("update_lm", "timedistance", "--formula", "time ~ sin(100 * distance)", "--force")
    capsys.readouterr()
    runscript("versions_lm")
    output = capsys.readouterr().out
    for model in ("heightweight", "mtcars", "timedistance"):
        [live] = [line for line in output.splitlines() if live_version(models, model) in line]
        assert live.startswith("live  20")
        assert f"{model}.csv (" in live
    assert re.search(r"  sin|~ sin.* forced: its PRESS RMSE of .* is more than 5% above", output)
    assert "new:\nnot trained yet\n" in output


def test_a_version_is_activated_by_its_beginning(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = live_version(models)
    runscript("update_lm", "timedistance", "--force")
    assert "more than one version begins with '20'" in refusal(
        capsys, "versions_lm", "timedistance", "--activate", "20"
    )
    assert "there is no version ''" in refusal(capsys, "versions_lm", "timedistance", "--activate", "")
    runscript("versions_lm", "timedistance", "--activate", first[:-3])
    assert live_version(models) == first


def test_all_models_are_verified(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runscript("versions_lm", "--verify")
    assert capsys.readouterr().out.count("files verified") == 3


def test_a_lost_pointer_marks_no_version(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (models / "timedistance" / "live").unlink()
    runscript("versions_lm", "timedistance")
    assert "live" not in capsys.readouterr().out
