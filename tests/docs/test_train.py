"""docs/train.md names every option of the scripts and every key of model.toml."""

import re

import pytest

from lm_app.training.recipe import CSV, Recipe
from tests.conftest import ROOT, runscript

TRAIN = (ROOT / "docs" / "train.md").read_text()
TABLE = TRAIN.partition("| key | option |")[2].partition("\n\n")[0]


def test_every_key_of_model_toml_is_described() -> None:
    named = set(re.findall(r"`\[?(\w+)\]?`", "".join(line.split("|")[1] for line in TABLE.splitlines()[2:])))
    assert named == set(Recipe.model_fields) | set(CSV.model_fields)


@pytest.mark.parametrize("script", ["update_lm", "versions_lm"])
def test_every_option_is_described(capsys: pytest.CaptureFixture[str], script: str) -> None:
    with pytest.raises(SystemExit):
        runscript(script, "--help")
    options = set(re.findall(r"(--[a-z-]+)", capsys.readouterr().out)) - {"--script-args"}
    assert {option for option in options if not re.search(rf"{option}\b", TRAIN)} <= {"--quiet"}
