"""Check for drift: python manage.py runscript check_lm --script-args NAME (--log FOLDER | --data FILE) [OPTIONS]"""

import sys
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import NoReturn

from lm_app.command_line import Parser
from lm_app.errors import LmError
from lm_app.monitoring.drift import Check, Thresholds, check_data, check_log
from lm_app.monitoring.drift_report import draw, lines
from lm_app.store.folder import load_live_version

BEYOND, FAILED = 1, 2
"""Exit statuses: something is beyond its threshold, and nothing could be checked."""


def run(*arguments: str) -> None:
    """Check a model. Exit status 0 within the thresholds, 1 beyond them, 2 for errors; with one line on stderr."""
    options = read_arguments(*arguments)
    try:
        check = checked(options)
        write(check, options)
    except LmError as error:
        end(FAILED, str(error))
    except OSError as error:
        end(FAILED, f"{error.strerror}: {error.filename}")
    if check.beyond:
        end(BEYOND, f"{check.model}: beyond the thresholds: {'; '.join(check.beyond)}")


def end(status: int, message: str) -> NoReturn:
    """End with one line on stderr."""
    sys.stdout.flush()
    print(f"check_lm: {message}", file=sys.stderr)
    sys.exit(status)


def checked(options: Namespace) -> Check:
    """Check what the options name."""
    thresholds = Thresholds(**{name: getattr(options, name) for name in asdict(Thresholds())})
    model = load_live_version(options.name)
    if options.data:
        return check_data(model, Path(options.data), thresholds)
    return check_log(model, Path(options.log), options.since, options.until, thresholds)


def write(check: Check, options: Namespace) -> None:
    """Write the picture and the JSON, and print the table where stdout is not for the JSON."""
    if options.picture:
        Path(options.picture).write_bytes(draw(check))
    if options.json == "-":
        print(check.as_json(), end="")
        return
    if options.json:
        Path(options.json).write_text(check.as_json(), encoding="utf-8")
    print("\n".join(lines(check)))


def read_arguments(*arguments: str) -> Namespace:
    """Read the options; SystemExit where they are wrong."""
    parser = Parser("check_lm", "Compare what a model is asked, or new labelled data, with its training data.", FAILED)
    add = parser.add_argument
    add("name", metavar="NAME", help="the model, a folder in extra_files")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--log", metavar="FOLDER", help="the prediction log: its folder, or one file of it")
    source.add_argument("--data", metavar="FILE", help="new data with the response, read as the training data are")
    add("--since", type=date_of, metavar="DATE", help="of the log: from this day on (UTC)")
    add("--until", type=date_of, metavar="DATE", help="of the log: until the end of this day (UTC)")
    add("--json", metavar="FILE", help="write what is found as JSON; - is standard output, instead of the table")
    add("--picture", metavar="FILE.svg", help="draw it over time")
    limits = parser.add_argument_group("thresholds; see docs/drift.md")
    defaults = Thresholds()

    def add_threshold(name: str, most: float, text: str) -> None:
        default = getattr(defaults, name.replace("-", "_"))
        help_text = f"{text} (default: {default:g})"
        limits.add_argument(f"--{name}", type=number_up_to(most), default=default, metavar="X", help=help_text)

    add_threshold("p-value", 1, "the least p-value, by Holm for all predictors together")
    add_threshold("distance", sys.float_info.max, "the greatest distance, where there are many rows")
    add_threshold("outside", 1, "the greatest share of rows outside the training data, beside what is expected")
    add_threshold("rmse", sys.float_info.max, "the greatest RMSE, as a multiple of the leave-one-out RMSE")
    add_threshold("coverage", 1, "the least coverage of 95 %% prediction intervals")
    options = parser.parse(arguments)
    if options.data and (options.since or options.until):
        parser.error("--since and --until are of a --log")
    if options.picture and not options.picture.endswith(".svg"):
        parser.error(f"--picture {options.picture}: the picture is SVG; name it FILE.svg")
    return options


def date_of(text: str) -> date:
    """Read a date."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no date; write it like 2026-11-26") from None


def number_up_to(most: float) -> Callable[[str], float]:
    """Make what reads a number from 0 to the most."""

    def read(text: str) -> float:
        try:
            number = float(text)
        except ValueError:
            number = -1.0
        if not 0 <= number <= most:
            raise ArgumentTypeError(f"{text!r} is no number {f'from 0 to {most:g}' if most == 1 else 'from 0 on'}")
        return number

    return read
