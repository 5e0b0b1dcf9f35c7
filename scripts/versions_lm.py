"""A model's versions: python manage.py runscript versions_lm --script-args NAME [OPTIONS]"""

import sys

from rich.console import Console
from rich.table import Table

from lm_app.command_line import Parser
from lm_app.errors import Damaged, LmError
from lm_app.store.folder import ModelFolder
from lm_app.store.publish import activate, roll_back


def run(*arguments: str) -> None:
    """List, verify or switch versions. Exit status 1, with one line on stderr, where that can't be done."""
    parser = Parser("versions_lm", description="List a model's versions, or switch to another.")
    parser.add_argument("name", metavar="NAME", help="the model, a folder in extra_files")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--activate", metavar="VERSION", help="make this version the live one")
    choice.add_argument("--rollback", action="store_true", help="make the version before the live one the live one")
    choice.add_argument("--verify", action="store_true", help="check the hashes (and signatures) of all files")
    options = parser.parse(arguments)
    try:
        folder = ModelFolder.named(options.name)
        if options.verify:
            verify(folder)
        elif options.activate or options.rollback:
            version = activate(folder, options.activate) if options.activate else roll_back(folder)
            print(f"{folder.name}: version {version.name} is live")
        else:
            list_versions(folder)
    except LmError as error:
        sys.exit(f"versions_lm: {error}")


def list_versions(folder: ModelFolder) -> None:
    """Print a table of the versions, oldest first; the live one is marked."""
    table = Table("", "version", "formula", "n", "R squared", "PRESS RMSE", "trained at")
    try:
        live = folder.live_version()
    except Damaged:
        live = None
    for version in folder.versions():
        mark = "live" if version == live else ""
        try:
            info = version.info()
        except Damaged as damage:
            table.add_row(mark, version.name, f"damaged: {damage}")
            continue
        press = info["press_rmse"]
        numbers = [str(info["n"]), f"{info['r_squared']:.6g}", "-" if press is None else f"{press:.6g}"]
        table.add_row(mark, version.name, info["formula"], *numbers, info["trained_at"])
    Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 160).print(table)


def verify(folder: ModelFolder) -> None:
    """Check every file of every version; SystemExit with status 1 where one is not what training wrote."""
    damages = 0
    for version in folder.versions():
        try:
            print(f"{folder.name}: version {version.name}: {version.verify()} files verified")
        except Damaged as damage:
            print(f"versions_lm: {folder.name}: {damage}", file=sys.stderr)
            damages += 1
    if damages:
        sys.exit(1)
