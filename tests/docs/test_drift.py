"""docs/drift.md: its line for cron works, and it names all options and thresholds. Its commands test_readme.py runs."""

import json
import os
import re
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from lm_app.monitoring.drift import Thresholds
from tests.conftest import ROOT, runscript
from tests.monitoring.made import cars, write_log

PAGE = (ROOT / "docs" / "drift.md").read_text()


def run(command: str, models: Path, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run it in a shell, as it is shown but for paths."""
    command = command.replace(".venv/bin/python", sys.executable).replace("/srv/lm", str(ROOT))
    environment = {**os.environ, "LM_MODELS_DIR": str(models)}
    command = command.replace("/var/lib/lm", str(folder))
    return subprocess.run(["sh", "-c", command], env=environment, capture_output=True, text=True)


def test_the_weekly_check_is_a_line_for_cron(models: Path, tmp_path: Path) -> None:
    [line] = re.findall(r"```cron\n(.*)\n```", PAGE)
    command = re.sub(r"^(\S+ +){5}", "", line).replace(r"\%", "%")
    write_log(tmp_path / "predictions", "mtcars", cars(100), end=date.today())
    done = run(command, models, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert json.loads((tmp_path / "drift.json").read_text())["beyond"] == []
    write_log(tmp_path / "predictions", "mtcars", [{**car, "wt": 5.3} for car in cars(100)], end=date.today())
    done = run(command, models, tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("check_lm: mtcars: beyond the thresholds: wt: ")


def test_every_option_and_threshold_is_described(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        runscript("check_lm", "--help")
    options = set(re.findall(r"(--[a-z-]+)", capsys.readouterr().out)) - {"--script-args", "--help"}
    assert {option for option in options if f"{option}`" not in PAGE and f"{option} " not in PAGE} == set()
    shown = dict(re.findall(r"\| [^|]*?([0-9.]+)(?: %)?[^|0-9]*? \| `--([a-z-]+)` \|", PAGE)[::-1])
    thresholds = Thresholds()
    assert {option: float(value) for value, option in shown.items()} == {
        "p-value": thresholds.p_value,
        "distance": thresholds.distance,
        "outside": 100 * thresholds.outside,
        "rmse": thresholds.rmse,
        "coverage": thresholds.coverage,
    }
