"""Least squares by ours and by others, on the same files: time, memory and coefficients."""

import json
import math
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import models
from benchmarks.servers import HERE, PEERS, ROOT

OURS, IN_MEMORY = "update_lm, 2 workers", "R: fread, lm and diagnostics"
PYTHON = str(HERE / ".venv" / "bin" / "python")


@dataclass(frozen=True)
class Data:
    """Files of a folder, and all of them as one CSV."""

    folder: Path
    csv: Path
    response: str
    numbers: Sequence[str]
    factor: Sequence[str] = ()
    """A column, and its levels."""

    @property
    def parquet(self) -> str:
        """A pattern of the files."""
        return f"{self.folder}/*.parquet"

    @property
    def formula(self) -> str:
        """What R calls it."""
        return f"{self.response} ~ {' + '.join([*self.numbers, *self.factor[:1]])}"

    def train(self, name: str, *options: str) -> list[str]:
        """Our command."""
        return [*models.training(name), "--data", self.parquet, "--formula", self.formula, *options]

    def others(self) -> dict[str, list[str]]:
        """The commands of all others that can be had here."""
        columns = [self.response, ",".join(self.numbers), *self.factor]
        normal_equations = [PYTHON, str(PEERS / "normal_equations.py")]
        commands = {
            IN_MEMORY: ["Rscript", str(PEERS / "lm.R"), str(self.csv), self.formula],
            "biglm, by 250,000 rows": [
                "Rscript",
                str(PEERS / "biglm.R"),
                str(self.csv),
                self.formula,
                *self.factor,
            ],
            "DuckDB, normal equations": [*normal_equations, "duckdb", self.parquet, *columns],
            "Polars, normal equations": [*normal_equations, "polars", self.parquet, *columns],
            "Spark, solver normal": [PYTHON, str(PEERS / "spark.py"), str(self.folder), *columns],
        }
        asked = {
            "biglm": ["Rscript", "-e", "library(biglm)"],
            "Spark": [PYTHON, "-c", "import pyspark"],
        }
        lacking = {name for name, command in asked.items() if subprocess.run(command, capture_output=True).returncode}
        return {name: command for name, command in commands.items() if name.split(",")[0] not in lacking}


@dataclass(frozen=True)
class Run:
    """What a command took, and what it printed."""

    seconds: float
    own_peak: float
    """The most MB that the command itself had resident."""
    largest_peak: float
    """Of the processes that it started, if any, the largest, else its own."""
    output: str


def run(command: Sequence[str], where: Path) -> Run:
    """Run a command, and look at its processes meanwhile."""
    begin = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, env=models.environment(where), stdout=subprocess.PIPE, text=True)
    peaks: dict[int, float] = {}
    while process.poll() is None:
        for pid in [process.pid, *descendants(process.pid)]:
            peaks[pid] = max(peaks.get(pid, 0), peak(pid))
        time.sleep(0.1)
    seconds = time.monotonic() - begin
    output = process.communicate()[0]
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    own = peaks.pop(process.pid)
    return Run(seconds, own, max(peaks.values(), default=own), output)


def descendants(pid: int) -> list[int]:
    """The processes that a process started, and those that they did."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        children = [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:  # it has ended
        return []
    return children + [below for child in children for below in descendants(child)]


def peak(pid: int) -> float:
    """The most MB that a process had resident until now."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:  # it has ended
        return 0
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024 if "VmHWM:" in status else 0


def coefficients(where: Path, name: str) -> list[float | None]:
    """The coefficients of our live version."""
    folder = where / name
    version = folder / "versions" / (folder / "live").read_text().strip()
    told: dict[str, Any] = json.loads((version / "model_info.json").read_text())
    return [one["estimate"] for one in told["coefficients"]]


def printed(done: Run) -> list[float | None]:
    """The coefficients that another's command printed last."""
    found: list[float | None] = json.loads(done.output.splitlines()[-1])
    return found


def digits(found: Sequence[float | None], right: Sequence[float | None]) -> str:
    """How many digits the worst coefficient has right, as NIST counts them: -log10 of its relative error."""
    if any(value is None for value in found):
        return "aliased"
    worst = max(abs(value / true - 1) for value, true in zip(found, right, strict=True) if value and true)
    return f"{min(15, max(0, -math.log10(worst))) if worst else 15:.1f}"
