"""Train models and make them live: python manage.py runscript update_lm [--script-args NAME ... OPTIONS]"""

import os
import shutil
import sys
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from lm_app.command_line import Parser
from lm_app.engine import runtime
from lm_app.errors import LmError, NotPublished
from lm_app.store.folder import ModelFolder
from lm_app.training.update import Report, create, update


def run(*arguments: str) -> None:
    """Train the named models, or all. Exit status 1 where one could not be trained, with a line on stderr for each."""
    options = read_arguments(*arguments)
    failed = False
    for name in options.names or [folder.name for folder in ModelFolder.all()]:
        try:
            with console_of(options.quiet) as console, data_file(options.data) as data:
                report = train(name, data, options, console)
            if not options.quiet:
                print_report(name, report)
        except LmError as error:
            if isinstance(error, NotPublished) and not options.quiet:
                print_report(name, error.report)
            print(f"update_lm: {error}", file=sys.stderr)
            failed = True
        except KeyboardInterrupt:
            print(f"update_lm: {name}: interrupted; the live version is as it was", file=sys.stderr, flush=True)
            os._exit(130)  # R's thread may be in the middle of a long computation, and nothing waits for it
    if failed:
        sys.exit(1)


def read_arguments(*arguments: str) -> Namespace:
    """Read and check the options; SystemExit with one line where they are wrong."""
    parser = Parser("update_lm", description="Train models and make them live.", usage="%(prog)s [NAME ...] [options]")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a model, a folder in extra_files (default: all)")
    parser.add_argument("--data", metavar="FILE", help="train on this CSV, once; - is standard input")
    parser.add_argument("--formula", metavar="F", help="instead of model.toml's, once")
    parser.add_argument(
        "--stepwise",
        choices=["both", "forward", "backward", "none"],
        help="stepwise selection for this run (overrides model.toml)",
    )
    parser.add_argument("--sep", help="the CSV's separator (default: detected)")
    parser.add_argument("--dec", help="its decimal mark (default: detected)")
    parser.add_argument(
        "--na", action="append", metavar="TEXT", help="what stands for a missing value; may be repeated"
    )
    parser.add_argument("--encoding", help="its encoding (default: UTF-8)")
    parser.add_argument("--dry-run", action="store_true", help="fit and compare, but publish nothing")
    parser.add_argument("--force", action="store_true", help="publish whatever the comparison says")
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    options = parser.parse(arguments)
    if len(options.names) != 1 and (options.data or options.formula):
        parser.error("--data and --formula are for one model: name it")
    return options


def train(name: str, data: Path | None, options: Namespace, console: runtime.Console) -> Report | None:
    """Train a model, or make a new one where data and formula are given for a name that no model has."""
    requested = {key: getattr(options, key) for key in ("formula", "stepwise") if getattr(options, key)}
    csv = {key: getattr(options, key) for key in ("sep", "dec", "na", "encoding") if getattr(options, key)}
    changes = {**requested, **({"csv": csv} if csv else {})}
    if data and options.formula and name not in [folder.name for folder in ModelFolder.all()] and not options.dry_run:
        return create(name, data, changes, console)
    return update(name, data=data, changes=changes, force=options.force, dry_run=options.dry_run, console=console)


@contextmanager
def data_file(data: str | None) -> Iterator[Path | None]:
    """Name the file that --data means; standard input is copied to one."""
    if data != "-":
        yield Path(data) if data else None
        return
    with NamedTemporaryFile(suffix=".csv") as file:
        shutil.copyfileobj(sys.stdin.buffer, file)
        file.flush()
        yield Path(file.name)


@contextmanager
def console_of(quiet: bool) -> Iterator[runtime.Console]:
    """Connect R's console: on a terminal with what it does and for how long below it, elsewhere as plain lines."""
    console = Console(highlight=False, markup=False)
    if quiet:
        yield runtime.SILENT
    elif not console.is_terminal:
        yield runtime.Console(console.print, console.print)
    else:
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        with Progress(*columns, console=console, transient=True) as bar:
            task = bar.add_task("starting R", total=None)
            yield runtime.Console(lambda line: bar.update(task, description=line), console.print)


def print_report(name: str, report: Report | None) -> None:
    """Print R's summary and warnings, the comparison, and what was written where."""
    if report is None:
        print(f"{name}: neither its data nor its model.toml have changed since the live version; nothing new is made")
        return
    trained = report.candidate.trained
    print(trained.summary)
    for warning in trained.warnings:
        print(f"R warns: {warning}")
    table = Table("", "live version", "candidate", title=f"{name}: comparison", title_justify="left")
    for row in report.comparison.rows:
        table.add_row(*row)
    Console(highlight=False, markup=False).print(table)
    for objection in report.comparison.objections:
        print(f"{name}: objection: {objection}")
    if report.version:
        for file in sorted(report.version.path.iterdir()):
            print(f"{name}: wrote {file}")
        print(f"{name}: version {report.version.name} is live\n")
    else:
        print(f"{name}: nothing was published")
