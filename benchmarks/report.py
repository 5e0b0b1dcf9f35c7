"""What was measured, as Markdown, with the machine that it was measured on."""

import os
import platform
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from benchmarks.servers import HERE, ROOT

OURS = ["django", "django-ninja", "gunicorn", "gunicorn_h1c", "orjson", "pydantic", "rpy2-rinterface", "whitenoise"]
PEERS = ["fastapi", "uvicorn", "uvloop", "httptools", "scikit-learn", "statsmodels", "numpy", "pandas"]


@dataclass(frozen=True)
class Ratio:
    """One measure against another, with the target where there is one."""

    measure: str
    value: float
    at_least: float | None = None
    at_most: float | None = None

    def row(self) -> list[str]:
        """Measure, ratio, target, and whether it is reached."""
        if self.at_least is not None:
            target, reached = f"at least {self.at_least:g}", self.value >= self.at_least
        elif self.at_most is not None:
            target, reached = f"at most {self.at_most:g}", self.value <= self.at_most
        else:
            return [self.measure, f"{self.value:.2f}", "", ""]
        return [self.measure, f"{self.value:.2f}", target, "yes" if reached else "**no**"]


@dataclass(frozen=True)
class Table:
    """Numbers behind the ratios, and others."""

    title: str
    header: Sequence[str]
    rows: Iterable[Sequence[str]]

    def markdown(self) -> str:
        """The table in Markdown, readable as it is."""
        rows = [list(self.header), *map(list, self.rows)]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        rows.insert(1, ["-" * width for width in widths])
        lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
        return "\n".join([f"## {self.title}", "", *(f"| {line} |" for line in lines), ""])


def text(findings: Sequence[Ratio | Table], rounds: int, seconds: float, load: float) -> str:
    """The whole report."""
    ratios = Table(
        "Ratios", ["measure", "ratio", "target", "reached"], [f.row() for f in findings if isinstance(f, Ratio)]
    )
    return "\n".join(
        [
            "# Results\n",
            "Written by `make bench`. Only the ratios mean something elsewhere: each is the median over the rounds of",
            "one run, in which all take turns. One process each, 8 connections that stay open.\n",
            ratios.markdown(),
            *(finding.markdown() for finding in findings if isinstance(finding, Table)),
            Table("Where", ["what", "value"], machine(rounds, seconds, load)).markdown(),
        ]
    )


def machine(rounds: int, seconds: float, load: float) -> list[list[str]]:
    """What it was measured on, and when."""
    processor = _found(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    kilobytes = _found(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    changed = " and changes" if _output("git", "status", "--porcelain", "--untracked-files=no") else ""
    installed = dict(re.findall(r"(\S+)==(\S+)", _output(str(HERE / ".venv/bin/pip"), "freeze")))
    return [
        ["date", datetime.now(timezone.utc).isoformat(sep=" ", timespec="minutes")],
        ["commit", _output("git", "rev-parse", "--short", "HEAD") + changed],
        ["rounds", f"{rounds} of {seconds:g} s"],
        ["processor", f"{os.cpu_count()} cores, {processor}"],
        ["load before", f"{load:.2f}"],
        ["memory", f"{int(kilobytes) / 2**20:.0f} GB"],
        ["system", f"{platform.freedesktop_os_release()['PRETTY_NAME']}, Linux {platform.release()}"],
        ["R", _output("Rscript", "-e", "cat(as.character(getRversion()), extSoftVersion()[['BLAS']])")],
        ["Python", platform.python_version()],
        ["ours", ", ".join(f"{name} {version(name)}" for name in OURS)],
        ["plumber", _output("Rscript", "-e", "cat(as.character(packageVersion('plumber')))")],
        ["FastAPI", ", ".join(f"{name} {installed[name]}" for name in PEERS)],
    ]


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    return match[1] if match else "?"


def _output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
