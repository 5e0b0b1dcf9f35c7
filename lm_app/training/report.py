"""Print what a training made: R's summary, what to know of it, the comparison, and where it is."""

from rich.console import Console
from rich.table import Table

from lm_app.training.gate import Row
from lm_app.training.update import Report

MOST_COEFFICIENTS = 30


def print_report(name: str, report: Report, *, dry_run: bool) -> None:
    """Print a report. What the gate objects to is not in it where that is an error, which is told apart."""
    trained, comparison = report.candidate.trained, report.comparison
    print(trained.summary)
    origin = [trained.info["origin"]] if trained.info.get("origin") else []
    for note in [*report.candidate.notes, *origin, *comparison.notes, *_dropped(report)]:
        print(f"{name}: {note}")
    for warning in trained.warnings:
        print(f"{name}: R warns: {warning}")
    if report.live:
        _print_table(f"{name}: comparison", comparison.rows, comparison.verdicts)
        if comparison.coefficients:
            shown = comparison.coefficients[:MOST_COEFFICIENTS]
            _print_table(f"{name}: coefficients that differ", shown, {})
            if len(shown) < len(comparison.coefficients):
                print(f"{name}: and {len(comparison.coefficients) - len(shown)} more coefficients that differ")
    else:
        measures = [f"{what.partition(',')[0]} {value}" for what, _, value in comparison.rows[1:]]
        print(f"{name}: {', '.join(measures)}")
    if report.version or dry_run:
        for objection in comparison.objections:
            print(f"{name}: objection: {objection}")
    if report.version:
        print(f"{name}: version {report.version.name} is live: {report.version.path}")
    elif dry_run:
        print(f"{name}: nothing was published")


def _dropped(report: Report) -> list[str]:
    """Say what step() has left out; its trace is long, and printed only where it is asked for."""
    dropped = report.candidate.trained.info["dropped_terms"]
    return [f"step() has dropped {', '.join(dropped)}; --verbose prints how"] if dropped else []


def _print_table(title: str, rows: list[Row], verdicts: dict[str, str]) -> None:
    marks = [""] if verdicts else []
    table = Table("", "live version", "candidate", *marks, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row, *([verdicts.get(row[0], "")] if verdicts else []))
    Console(highlight=False, markup=False).print(table)
