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

INTRODUCTION = """\
# Results

Written by `make bench`. Each ratio is the median over the rounds of one run, in which all take turns: it means
something elsewhere; absolute numbers do not. One process each; single predictions are asked over 8 connections that
stay open. All answers were compared with R's own `predict` before; an error under load would have ended the run.

FastAPI is measured twice: with `def`, as its documentation has it for what computes, under uvicorn as it is installed
without extras; and tuned, with `async def` under uvloop and httptools.
"""


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
    ratios = [finding.row() for finding in findings if isinstance(finding, Ratio)]
    tables = [Table("Ratios", ["measure", "ratio", "target", "reached"], ratios)] if ratios else []
    tables += [finding for finding in findings if isinstance(finding, Table)]
    where = [f"- {what}: {value}" for what, value in machine(rounds, seconds, load).items()]
    return "\n".join([INTRODUCTION, *(table.markdown() for table in tables), "## Where\n", *where, ""])


def machine(rounds: int, seconds: float, load: float) -> dict[str, str]:
    """What it was measured on, and when."""
    processor = _found(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    kilobytes = _found(r"MemTotal:\s*(\d+)", Path("/proc/meminfo").read_text())
    changed = " and changes" if _output("git", "status", "--porcelain", "--untracked-files=no") else ""
    return {
        "date": datetime.now(timezone.utc).isoformat(sep=" ", timespec="minutes"),
        "commit": _output("git", "rev-parse", "--short", "HEAD") + changed,
        "rounds": f"{rounds} of {seconds:g} s",
        "processor": f"{os.cpu_count()} cores, {processor}; load average before: {load:.2f}",
        "memory": f"{int(kilobytes) / 2**20:.0f} GB",
        "system": f"{platform.freedesktop_os_release()['PRETTY_NAME']}, Linux {platform.release()}",
        "R": _output("Rscript", "-e", "cat(as.character(getRversion()), extSoftVersion()[['BLAS']])"),
        "Python": platform.python_version(),
        "ours": ", ".join(f"{name} {version(name)}" for name, _ in _pins(ROOT)),
        "plumber": _output("Rscript", "-e", "cat(as.character(packageVersion('plumber')))"),
        "FastAPI": ", ".join(f"{name} {pinned}" for name, pinned in _pins(HERE)),
    }


def _pins(folder: Path) -> list[tuple[str, str]]:
    return re.findall(r"^(\S+)==(\S+)", (folder / "requirements.txt").read_text(), re.MULTILINE)


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    return match[1] if match else "?"


def _output(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
