"""Train models and make them live: python manage.py runscript update_lm [--script-args NAME ... OPTIONS]"""

import csv
import os
import shutil
import sys
import time
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NoReturn

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from lm_app.command_line import Parser
from lm_app.engine import runtime
from lm_app.errors import LmError, NotPublished, TookTooLong, TrainingError
from lm_app.scale.options import add_options
from lm_app.scale.progress import telling_passes
from lm_app.store.folder import ModelFolder, all_models, misnamed_models
from lm_app.store.version import Version
from lm_app.training.parts import Scale
from lm_app.training.report import print_report
from lm_app.training.update import Report, create, update, why_unchanged

if TYPE_CHECKING:
    from lm_app.scale.cluster import Say

OF_ONE_MODEL = [
    *("data", "formula", "title", "description", "weights", "subset", "sheet"),
    *("factors", "ordered", "contrasts", "units"),
]
"""Options that make no sense for several models."""
STDIN = "standard input"


def run(*arguments: str) -> None:
    """Train the named models, or all. Exit status 1 where one could not be trained, with a line on stderr for each."""
    options, changes = read_arguments(*arguments)
    complaints = [] if options.names else misnamed_models()
    try:
        names = options.names or [folder.name for folder in all_models()]
    except TrainingError as error:
        names, complaints = [], [*complaints, str(error)]
    for complaint in complaints:
        print(f"update_lm: {complaint}", file=sys.stderr)
    trained = [train_and_tell(name, changes, options) for name in names]
    if complaints or not all(trained):
        sys.exit(1)


def train_and_tell(name: str, changes: dict[str, Any], options: Namespace) -> bool:
    """Train one model, and print what came of it; returns whether that went well."""
    try:
        with data_file(options.data) as data, console_of(options.quiet, options.verbose) as (console, say):
            report = train(
                name, data, changes, options, Scale(options.scheduler, options.workers, options.part_size, say), console
            )
        if not options.quiet:
            tell(name, report, changes, options)
        return True
    except LmError as error:
        if isinstance(error, NotPublished) and not options.quiet:
            print_report(name, error.report, dry_run=False)
            sys.stdout.flush()
        print(f"update_lm: {error}", file=sys.stderr, flush=True)
        if isinstance(error, TookTooLong):
            end_at_once(1)
        return False
    except KeyboardInterrupt:
        print(f"update_lm: {name}: interrupted; the live version is as it was", file=sys.stderr, flush=True)
        end_at_once(130)


def end_at_once(status: int) -> NoReturn:
    """End the process: R's thread may be in the middle of a long computation, and nothing waits for it."""
    sys.stdout.flush()
    os._exit(status)


def tell(name: str, report: Report | None, changes: dict[str, Any], options: Namespace) -> None:
    """Print what came of a training, and what was for this training only."""
    if report:
        print_report(name, report, dry_run=options.dry_run)
    else:
        print(f"{name}: {why_unchanged(name)}")
    data = STDIN if options.data == "-" else options.data
    if options.keep_data and not options.dry_run:
        print(f"{name}: {data} is the model's own data from now on")
    elif report and report.version and is_of_other_data(report.version):
        print(f"{name}: the model's own data are as they were; --keep-data would replace them by {data}")
    if report and report.version and report.live and changes:
        print(f"{name}: model.toml is as it was; write to it what is to hold for the next training, too")


def is_of_other_data(version: Version) -> bool:
    """Was it trained on other data than the model's own?"""
    source: dict[str, str] = version.manifest()["data"]
    return source["sha256"] != source["own_sha256"]


def read_arguments(*arguments: str) -> tuple[Namespace, dict[str, Any]]:
    """Read the options, and what they change in model.toml; SystemExit with one line where they are wrong."""
    parser = Parser("update_lm", "Train models and make them live. With --data and --formula, make a new one.")
    add = parser.add_argument
    add("names", nargs="*", metavar="NAME", help="a model, a folder in extra_files (default: all)")
    add("--data", metavar="FILE", help="train on this file or pattern, once; - is standard input")
    add("--keep-data", action="store_true", help="make the --data the model's own: replace its file when all is well")
    recipe = parser.add_argument_group("instead of what model.toml says, once; for a new model, they are written to it")
    add = recipe.add_argument
    add("--formula", metavar="F", help="as R's lm() takes it")
    add("--weights", metavar="EXPR", help="the weights: a column, or an expression such as 1/variance")
    add("--subset", metavar="EXPR", help="the rows to fit: a condition such as 'year > 2000'")
    add("--factors", action="append", metavar="COL[=A,B]", help="a column that is a factor, with its levels in order")
    add("--ordered", action="append", metavar="COL[=A,B]", help="the same for an ordered factor")
    add("--contrasts", action="append", metavar="COL=NAME", help="a factor's contrasts, such as region=contr.sum")
    stepwise = ["both", "forward", "backward", "none"]
    add("--stepwise", choices=stepwise, help="let R's step() choose the terms")
    add("--na-action", choices=["omit", "refuse"], help="what to do with rows that lack a value (default: omit)")
    add("--title", help="for people")
    add("--description", help="for people")
    add("--units", action="append", metavar="COL=UNIT", help="the unit of a column, for people")
    reading = parser.add_argument_group("how to read the data, where it is not found out")
    add = reading.add_argument
    add("--sep", help="the separator; \\t or tab is a tab")
    add("--dec", help="the decimal mark")
    add("--na", action="append", metavar="TEXT", help="what stands for a missing value; may be repeated")
    add("--encoding", help="the encoding, such as cp1252")
    add("--sheet", help="the sheet of an Excel file, by its name or number")
    running = parser.add_argument_group("how to go about it")
    add = running.add_argument
    add("--replay", metavar="LOG", help="compare the answers to what was asked, too: a prediction log, folder or file")
    add("--dry-run", action="store_true", help="fit and compare, but publish nothing")
    add("--force", action="store_true", help="publish whatever the comparison says, and what has not changed")
    add("--keep-folder", action="store_true", help="leave the folder of a new model that could not be trained")
    add("--quiet", action="store_true", help="print errors only")
    add("--verbose", action="store_true", help="print how step() chooses the terms")
    add_options(parser)
    parser.epilog = "--factors, --ordered, --contrasts and --units may be repeated, once for each column."
    options = parser.parse(arguments)
    of_one = [f"--{key}" for key in OF_ONE_MODEL if getattr(options, key) is not None]
    if len(options.names) != 1 and of_one:
        parser.error(f"options such as {of_one[0]} are for one model: name it")
    if options.keep_data and not options.data:
        parser.error("--keep-data keeps what --data names")
    return options, changes_of(options, parser)


def changes_of(options: Namespace, parser: Parser) -> dict[str, Any]:
    """Make the keys of model.toml that the options stand for; SystemExit where one can't be read."""

    def pairs(option: str) -> dict[str, str]:
        items = [item.partition("=") for item in getattr(options, option) or []]
        for column, equals, value in items:
            if not (column and equals and value):
                parser.error(f"--{option} {column}{equals}{value}: write COLUMN=VALUE")
        return {column: value for column, _, value in items}

    def levels(items: list[str] | None) -> dict[str, list[str]]:
        factors: dict[str, list[str]] = {}
        for column, equals, values in [item.partition("=") for item in items or []]:
            listed = next(csv.reader([values if equals else column]), [])
            factors |= {column: listed} if equals else {name: [] for name in listed}
        return factors

    ordered = levels(options.ordered)
    texts = {key: getattr(options, key) for key in ("title", "description", "formula", "weights", "subset")}
    changes = {
        **texts,
        "stepwise": options.stepwise,
        "na": options.na_action,
        "sheet": int(options.sheet) if options.sheet and options.sheet.isdecimal() else options.sheet,
        "ordered": list(ordered) or None,
        "csv": given({key: getattr(options, key) for key in ("sep", "dec", "na", "encoding")}) or None,
        "factors": {**levels(options.factors), **ordered} or None,
        "contrasts": pairs("contrasts") or None,
        "units": pairs("units") or None,
    }
    return given(changes)


def given(changes: dict[str, Any]) -> dict[str, Any]:
    """Leave out what was not given."""
    return {key: value for key, value in changes.items() if value is not None}


def train(
    name: str,
    data: Path | None,
    changes: dict[str, Any],
    options: Namespace,
    scale: Scale,
    console: runtime.Console,
) -> Report | None:
    """Train a model, or make a new one where data and formula are given for a name that no model has."""
    dry_run = options.dry_run
    is_new = name not in [folder.name for folder in ModelFolder.all()]
    if is_new and data and options.formula:
        if options.replay:
            raise TrainingError(f"{name}: --replay compares with the live version, and there is none; leave it out")
        keep_folder = options.keep_folder
        return create(name, data, changes, dry_run=dry_run, keep_folder=keep_folder, scale=scale, console=console)
    if is_new and (data or changes):
        how = "to make it, give both its data and its formula: --data FILE --formula 'RESPONSE ~ PREDICTORS'"
        raise TrainingError(f"There is no model {name!r}; {how}")
    return update(
        name,
        data=data,
        changes=changes,
        force=options.force,
        dry_run=dry_run,
        keep_data=options.keep_data,
        log=Path(options.replay) if options.replay else None,
        scale=scale,
        console=console,
    )


@contextmanager
def data_file(data: str | None) -> Iterator[Path | None]:
    """Name the file that --data means; standard input is copied to one."""
    if data != "-":
        yield Path(data) if data else None
        return
    with TemporaryDirectory() as folder:
        file = Path(folder) / STDIN
        with file.open("wb") as stream:
            shutil.copyfileobj(sys.stdin.buffer, stream)
        try:
            yield file
        except LmError as error:
            error.args = (str(error).replace(f"{folder}/", ""),)
            raise


@contextmanager
def console_of(quiet: bool, verbose: bool) -> Iterator[tuple[runtime.Console, "Say"]]:
    """Connect R's console: on a terminal with what it does and for how long below it, elsewhere as plain lines.

    What R prints, the trace of step(), is long: it is for those who ask for it.
    """
    console = Console(highlight=False, markup=False)
    on_print = console.print if verbose else runtime.SILENT.on_print
    if quiet:
        yield runtime.SILENT, lambda *_: None
    elif not console.is_terminal:
        yield runtime.Console(console.print, on_print), telling_passes(console)
    else:
        bar_columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        with Progress(*bar_columns, console=console, transient=True) as bar:
            task = bar.add_task("starting R", total=None)

            def describe(line: str) -> None:
                bar.update(task, description=line)

            yield runtime.Console(describe, on_print), telling_time_left(describe)


def telling_time_left(describe: Callable[[str], None]) -> "Say":
    """Tell of each part, and of the time that the others will take as these did."""
    began = 0.0

    def say(what: str, done: int, parts: int, rows: int) -> None:
        nonlocal began
        if done == 0:
            began = time.monotonic()
        left = f", {(time.monotonic() - began) / done * (parts - done):.0f} s left" if done else ""
        describe(f"{what}: part {done} of {parts}, {rows:,} rows{left}")

    return say
