"""What is wrong in a model.toml is told in the words of who wrote it."""

from pathlib import Path

import pytest
from django.test import Client

from lm_app.training.recipe import MOST_BYTES
from tests.conftest import refusal, runscript

GOOD = 'title = "t"\ndata = "timedistance.csv"\nformula = "time ~ distance"\n'
WRONG = {
    "": "title is missing; it must be a text; model.toml: data is missing",
    "title = 3": "model.toml: title: 3 is not allowed; it must be a text",
    GOOD + 'weight = "w"': "model.toml has no key 'weight' (did you mean 'weights'?)",
    GOOD + "qqq = 1": "model.toml has no key 'qqq'; there are: title, description, data",
    GOOD + 'na = "drop"': 'model.toml: na: "drop" is not allowed; it must be "omit" or "refuse"',
    GOOD + "keep = 0": "model.toml: keep: 0 is not allowed; it must be a whole number, 1 or more",
    GOOD + "sheet = 1.5": "sheet: 1.5 is not allowed; it must be a sheet's name, or its number from 1",
    GOOD + 'ordered = "a"': 'ordered: "a" is not allowed; it must be a list of columns',
    GOOD + "[factors]\nzip = [1, 2]": "factors.zip: 1 is not allowed; it must be a list of texts for each column, such",
    GOOD
    + '[contrasts]\nzip = {a = ["x"]}': 'contrasts.zip: {"a": ["x"]} is not allowed; it must be one of contr.treatment',
    GOOD + '[csv]\nsep = "ab"\ndecimal = ","': 'csv.sep: "ab" is not allowed; it must be one character, or tab',
    GOOD + '[csv]\ndecc = ","': "model.toml has no key 'csv.decc' (did you mean 'dec'?)",
    GOOD + 'description = "\\u0000"': 'description: "\\u0000" is not allowed',
    GOOD + f'units = "{"x" * 90}"': f'units: "{"x" * 56}... is not allowed; it must be a text for each column',
    GOOD + f"keep = {'[' * 9000}": "model.toml is not a recipe: its values are nested too deeply",
    GOOD + f"keep = {'9' * 5000}": "model.toml is not TOML: ",
    GOOD + f"#{' ' * MOST_BYTES}": "model.toml has more than 16 MiB",
}


@pytest.mark.parametrize("toml", WRONG, ids=[message[:40] for message in WRONG.values()])
def test_what_is_wrong_is_named_with_what_is_allowed(
    models: Path, capsys: pytest.CaptureFixture[str], toml: str
) -> None:
    (models / "timedistance" / "model.toml").write_text(toml)
    error = refusal(capsys, "update_lm", "timedistance")
    assert WRONG[toml] in error
    assert "Input should" not in error


def test_a_byte_order_mark_of_an_editor_is_skipped(models: Path, client: Client) -> None:
    toml = models / "timedistance" / "model.toml"
    toml.write_bytes(b"\xef\xbb\xbf" + toml.read_bytes().replace(b"\n", b"\r\n"))
    runscript("update_lm", "timedistance", "--force")
    assert client.get("/lm/api/predict/29.5").json() == 47.736486


def test_another_encoding_is_named_with_its_line(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (models / "timedistance" / "model.toml").write_bytes(GOOD.encode() + "description = 'é'".encode("latin1"))
    assert "model.toml is not in UTF-8: line 4 has the byte 0xe9" in refusal(capsys, "update_lm", "timedistance")
