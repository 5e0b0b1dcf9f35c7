"""Files as people have them, by update_lm."""

import json
from pathlib import Path

import pytest
from django.test import Client

from tests.conftest import live_file, refusal, runscript


def new_model(models: Path, content: str | bytes, formula: str, toml: str = "") -> str:
    """Make the folder of a model."""
    folder = models / "new"
    folder.mkdir()
    (folder / "data.csv").write_bytes(content.encode() if isinstance(content, str) else content)
    (folder / "model.toml").write_text(f'title = "t"\ndata = "data.csv"\nformula = "{formula}"\n{toml}')
    return "new"


def coefficients(models: Path) -> list[float]:
    info = json.loads(live_file(models, "model_info.json", "new").read_text())
    return [coefficient["estimate"] for coefficient in info["coefficients"]]


ROWS = [(1.0, 2.5), (2.0, 3.75), (3.0, 6.0), (4.0, 7.25), (5.0, 9.5)]
PLAIN = "x,y\n" + "".join(f"{x},{y}\n" for x, y in ROWS)
SLOPE = pytest.approx([0.55, 1.75])


def test_columns_that_are_not_used_may_hold_anything(models: Path) -> None:
    rows = "".join(f'{x},{y},"1,500",$5,\n' for x, y in ROWS)
    runscript("update_lm", new_model(models, f"x,y,z,z,\n{rows}", "y ~ x"))
    assert coefficients(models) == SLOPE


def test_all_problems_of_used_columns_are_one_line(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = "".join(f'"{int(1000 * x):,}",{y} %,$5\n' for x, y in ROWS)
    error = refusal(capsys, "update_lm", new_model(models, f"x,y,z\n{rows}", "y ~ x"))
    assert "column 'x': 5 of 5 values have thousands separators: '1,000' (row 1), '2,000' (row 2)" in error
    assert "column 'y': 5 of 5 values have percent signs: '2.5 %' (row 1)" in error
    assert "column 'z'" not in error


def test_what_was_detected_is_printed(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    content = PLAIN.replace(",", ";").replace("x;", "größe;").encode("latin1")
    runscript("update_lm", new_model(models, content, "y ~ größe"))
    output = capsys.readouterr().out
    assert ": it is not UTF-8; read as cp1252 (--encoding names another)\n" in output
    assert ": its separator is ;\n" in output


@pytest.mark.parametrize("texts", [["01234", "98765"], ["1.0", "2.5"], ["T", "F"], ["100000", "3000000000"]])
@pytest.mark.parametrize("are_listed", [True, False])
def test_a_declared_level_is_served_as_it_is_written(
    models: Path, client: Client, texts: list[str], are_listed: bool
) -> None:
    rows = "".join(f"{y},{texts[i % 2]}\n" for i, (_, y) in enumerate(ROWS))
    levels = ", ".join(f'"{text}"' for text in texts) if are_listed else ""
    runscript("update_lm", new_model(models, f"y,id\n{rows}", "y ~ id", f"[factors]\nid = [{levels}]\n"))
    for i, text in enumerate(texts):
        mean = [6.0, 5.5][i]
        assert client.get("/lm/api/models/new/predict", {"id": text}).json()["fit"] == pytest.approx(mean)


def test_the_least_training_value_is_inside_the_range(models: Path, client: Client) -> None:
    rows = "".join(f"{x}0216e-05,{y}\n" for x, y in ROWS)
    runscript("update_lm", new_model(models, f"x,y\n{rows}", "y ~ x"))
    for text in ("1.00216e-05", "5.00216e-05"):
        assert client.get("/lm/api/models/new/predict", {"x": text}).status_code == 200
