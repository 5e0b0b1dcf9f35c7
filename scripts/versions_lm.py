"""A model's versions: python manage.py runscript versions_lm --script-args NAME [OPTIONS]"""

import shlex
import sys
from argparse import ArgumentParser
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lm_app import store
from lm_app.errors import LmError


def run(*arguments: str) -> None:
    """List, verify or switch versions. Exit status 1, with one line on stderr, where that can't be done."""
    parser = ArgumentParser("versions_lm", description="List a model's versions, or switch to another.")
    parser.error = lambda message: sys.exit(f"versions_lm: {message}; see --help")  # type: ignore[method-assign]
    parser.add_argument("name", metavar="NAME", help="the model, a folder in extra_files")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--activate", metavar="VERSION", help="make this version the live one")
    choice.add_argument("--rollback", action="store_true", help="make the version before the live one the live one")
    choice.add_argument("--verify", action="store_true", help="check the hashes (and signatures) of all files")
    options = parser.parse_args([word for argument in arguments for word in shlex.split(argument)])
    try:
        folder = store.folder(options.name)
        if options.verify:
            verify(folder)
        elif options.activate or options.rollback:
            version = store.switch(folder, options.activate)
            print(f"{options.name}: version {version} is live")
        else:
            list_versions(folder)
    except LmError as error:
        sys.exit(f"versions_lm: {error}")


def list_versions(folder: Path) -> None:
    """A table of the versions, oldest first; the live one is marked."""
    table = Table("", "version", "formula", "n", "R squared", "PRESS RMSE", "trained at")
    live = store.live_version(folder)
    for version in store.versions(folder):
        mark = "live" if version == live else ""
        try:
            info = store.read_info(folder, version)
        except store.Damaged as damage:
            table.add_row(mark, version, f"damaged: {damage}")
            continue
        press = info["press_rmse"]
        numbers = [str(info["n"]), f"{info['r_squared']:.6g}", "-" if press is None else f"{press:.6g}"]
        table.add_row(mark, version, info["formula"], *numbers, info["trained_at"])
    Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 160).print(table)


def verify(folder: Path) -> None:
    """Check every file of every version; SystemExit with status 1 where one is not what training wrote."""
    damages = 0
    for version in store.versions(folder):
        where = folder / "versions" / version
        try:
            manifest = store.read_manifest(where)
            for file in manifest["files"]:
                store.read_file(where, manifest, file)
            print(f"{folder.name}: version {version}: {len(manifest['files'])} files are what training wrote")
        except store.Damaged as damage:
            print(f"versions_lm: {folder.name}: {damage}", file=sys.stderr)
            damages += 1
    if damages:
        sys.exit(1)
