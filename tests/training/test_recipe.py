"""What model.toml may say."""

from pathlib import Path

import pytest

from tests.conftest import refusal

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
