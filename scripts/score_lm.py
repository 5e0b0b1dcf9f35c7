"""Predict for data of any size: python manage.py runscript score_lm --script-args NAME 'new/*.parquet' FOLDER"""

import sys
from argparse import ArgumentTypeError, Namespace
from pathlib import Path
from typing import NoReturn, get_args

from rich.console import Console

from lm_app.command_line import Parser
from lm_app.engine.lm import LEVEL, Interval
from lm_app.errors import LmError
from lm_app.scale.options import add_options, missing
from lm_app.store.folder import load_live_version
from lm_app.store.version import LoadedModel


def run(*arguments: str) -> None:
    """Predict for the parts that are not done. Exit status 1 with a line on stderr where that can't be."""
    options = read_arguments(*arguments)
    if why := missing():
        end(1, why)
    try:
        score_and_tell(load_live_version(options.name), options)
    except LmError as error:
        end(1, str(error))
    except KeyboardInterrupt:
        end(130, f"interrupted; the same command goes on where it was, in {options.folder}")


def end(status: int, message: str) -> NoReturn:
    """End with one line on stderr, and do not wait for what is at work in other threads."""
    sys.stdout.flush()
    print(f"score_lm: {message}", file=sys.stderr)
    sys.exit(status)


def score_and_tell(model: LoadedModel, options: Namespace) -> None:
    """Predict, and print what came of it."""
    from lm_app.scale.progress import progress
    from lm_app.scale.scoring import Asked, score

    asked = Asked(
        options.data,
        options.folder,
        options.interval,
        options.level,
        options.columns,
        options.format,
        options.part_size,
    )
    with progress(Console(highlight=False, markup=False)) as say:
        scored, before = score(model, asked, options.scheduler, options.workers, say)
    print(f"{model.name} {model.version}: {scored.rows:,} rows are predicted for, in {options.folder}")
    if before:
        print(f"{before} parts were there already")
    if scored.extrapolated:
        print(f"{scored.extrapolated:,} rows are outside the training ranges (extrapolated)")
    if scored.wrong:
        print(f"{scored.wrong:,} rows have no prediction, the first: {scored.first_wrong}")
    for warning in scored.warnings:
        print(f"R warns: {warning}")


def read_arguments(*arguments: str) -> Namespace:
    """Read the options; SystemExit where they are wrong."""
    parser = Parser("score_lm", "Predict for CSV or Parquet of any size, by the live version of a model.")
    add = parser.add_argument
    add("name", metavar="NAME", help="the model, a folder in extra_files")
    add("data", metavar="DATA", help="a file, or a pattern such as 'new/*.parquet'")
    add("folder", type=Path, metavar="FOLDER", help="where the predictions go, a file for each part of the data")
    add("--interval", choices=get_args(Interval), default="none", help="as in R's predict()")
    add("--level", type=level, default=LEVEL, metavar="X", help="the interval's probability (default: %(default)s)")
    add("--columns", type=names, default=[], metavar="A,B", help="columns of the data to keep beside the predictions")
    add("--format", choices=["parquet", "csv"], default="parquet", help="of the predictions (default: parquet)")
    add_options(parser)
    return parser.parse(arguments)


def level(text: str) -> float:
    """Read the probability of an interval."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < 1:
        raise ArgumentTypeError(f"{text!r} is no number between 0 and 1")
    return number


def names(text: str) -> list[str]:
    """Read the names of columns."""
    return list(dict.fromkeys(filter(None, text.split(","))))
