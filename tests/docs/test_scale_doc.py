"""docs/scale.md: its commands run, as they are shown."""

import os
import random
import re
import subprocess
import sys
from pathlib import Path

import pyarrow
import pyarrow.parquet

from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "scale.md").read_text()
COMMANDS = re.findall(r"^\$ (.*)$", PAGE, re.MULTILINE)


def flights(file: Path, rows: int) -> None:
    chance = random.Random(rows)
    distances = [chance.uniform(100, 5000) for _ in range(rows)]
    table = {
        "id": list(range(rows)),
        "distance": distances,
        "carrier": [chance.choice(["AA", "UA"]) for _ in range(rows)],
        "airtime": [20 + distance / 8 + chance.gauss(0, 10) for distance in distances],
    }
    file.parent.mkdir(exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.table(table), file)


def test_the_commands_run(models: Path, tmp_path: Path) -> None:
    for number in range(2):
        flights(tmp_path / "flights" / f"{number}.parquet", 2000)
    flights(tmp_path / "new" / "march.parquet", 500)
    install, *others = COMMANDS
    assert install == "make scale"
    assert "-r contrib/requirements-scale.txt" in (ROOT / "requirements-dev.txt").read_text()
    assert [command.split()[:4] for command in others[:2]] == [
        ["python", "manage.py", "runscript", script] for script in ("update_lm", "score_lm")
    ]
    python = f"{sys.executable} {ROOT}/manage.py"
    for command in others:
        shell = command.replace("python manage.py", python)
        environment = {**os.environ, "LM_MODELS_DIR": str(models)}
        subprocess.run(shell, shell=True, cwd=tmp_path, env=environment, check=True, stdout=subprocess.DEVNULL)
    [scored] = (tmp_path / "scored").glob("*.parquet")
    table = pyarrow.parquet.read_table(scored)
    assert table.column_names == ["id", "fit", "lower", "upper", "extrapolated"]
    assert table.num_rows == 500
    assert (tmp_path / "key.pem").read_text().startswith("-----BEGIN PRIVATE KEY-----")
