"""Versions of models: python manage.py runscript versions_lm --script-args NAME [OPTIONS]"""

import sys

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings
from rich.console import Console
from rich.table import Table

from lm_app.command_line import Parser
from lm_app.errors import Damaged, LmError, TrainingError
from lm_app.store.folder import ModelFolder
from lm_app.store.publish import activate, locked, roll_back
from lm_app.store.version import Version


def run(*arguments: str) -> None:
    """List, verify, switch or sign versions. Exit status 1, with one line on stderr, where that can't be done."""
    parser = Parser("versions_lm", description="List a model's versions, or switch to another.")
    parser.add_argument("name", nargs="?", metavar="NAME", help="the model, a folder in extra_files (--sign: or all)")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--activate", metavar="VERSION", help="make this version the live one")
    choice.add_argument("--rollback", action="store_true", help="make the version before the live one the live one")
    choice.add_argument("--verify", action="store_true", help="check the hashes (and signatures) of all files")
    choice.add_argument("--sign", action="store_true", help="sign anew what is not signed, but whole: if you trust it")
    options = parser.parse(arguments)
    if options.name is None and not options.sign:
        parser.error("the following arguments are required: NAME")
    try:
        if options.sign:
            sign([ModelFolder.named(options.name)] if options.name else ModelFolder.all())
            return
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


def sign(folders: list[ModelFolder]) -> None:
    """Sign each version that LM_VERIFY_KEY does not verify, if its files are as its manifest says.

    What is signed is shown before. SystemExit with status 1 where a version can't be signed; raises TrainingError
    where none can.
    """
    key = settings.LM_SIGNING_KEY
    if not key:
        raise TrainingError("LM_SIGNING_KEY is not set; only who trains the models has it, and signs them")
    damages = 0
    for folder in folders:
        with locked(folder):
            for version in folder.versions():
                try:
                    sign_version(folder, version, key)
                except (Damaged, OSError) as error:
                    print(f"versions_lm: {folder.name}: {error}", file=sys.stderr)
                    damages += 1
    if damages:
        sys.exit(1)


def sign_version(folder: ModelFolder, version: Version, key: Ed25519PrivateKey) -> None:
    """Sign a version, unless it is signed; raises Damaged where its files are not as its manifest says."""
    if not version.is_signed():
        files, recipe = version.verify(signed=False), version.manifest(signed=False)["recipe"]
        print(f"{folder.name}: version {version.name}: {recipe['formula']}, {files} files: to be signed")
        version.sign(key)
    print(f"{folder.name}: version {version.name} is signed")
