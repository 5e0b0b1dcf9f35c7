"""Versions of models: python manage.py runscript versions_lm [--script-args NAME OPTIONS]"""

import sys
from argparse import Namespace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings

from lm_app.command_line import Parser, columns
from lm_app.errors import Damaged, LmError, TrainingError
from lm_app.store.folder import ModelFolder, all_models, misnamed_models
from lm_app.store.names import LIVE
from lm_app.store.publish import activate, label, locked, remove_label, roll_back
from lm_app.store.version import Version

HEADER = ("", "version", "formula", "n", "R squared", "PRESS RMSE", "trained at", "data", "")


def run(*arguments: str) -> None:
    """List, verify, switch, label or sign versions. Exit status 1, with a line on stderr, where that can't be done."""
    parser = Parser("versions_lm", "List the versions of models, or switch a model to another.")
    parser.add_argument("name", nargs="?", metavar="NAME", help="the model, a folder in extra_files (default: all)")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--activate", metavar="VERSION", help="make this version the live one; its beginning is enough")
    choice.add_argument("--rollback", action="store_true", help="make the version before the live one the live one")
    choice.add_argument(
        "--label", metavar="LABEL=VERSION", help="give a label, such as stable=live; without VERSION, remove it"
    )
    choice.add_argument("--verify", action="store_true", help="check the hashes (and signatures) of all files")
    choice.add_argument("--sign", action="store_true", help="sign anew what is not signed, but whole: if you trust it")
    options = parser.parse(arguments)
    if options.name is None and (options.activate is not None or options.rollback or options.label is not None):
        parser.error("--activate, --rollback and --label are for one model: name it")
    if options.label is not None and "=" not in options.label:
        parser.error(f"--label is {options.label!r}; write such as stable=VERSION, or stable= to remove it")
    try:
        complaints = do(options)
    except LmError as error:
        complaints = [str(error)]
    except OSError as error:
        complaints = [f"{error.strerror}: {error.filename}"]
    for complaint in complaints:
        print(f"versions_lm: {complaint}", file=sys.stderr)
    if complaints:
        sys.exit(1)


def do(options: Namespace) -> list[str]:
    """Do what the options say; returns what is wrong, a line for each. Raises LmError."""
    if options.activate is not None or options.rollback:
        folder = ModelFolder.named(options.name)
        version = roll_back(folder) if options.rollback else activate(folder, options.activate)
        print(f"{folder.name}: version {version.name} is live, until its data or its model.toml change")
        return []
    if options.label is not None:
        print(change_label(ModelFolder.named(options.name), *options.label.split("=", 1)))
        return []
    folders = all_models() if options.name is None else [ModelFolder.named(options.name)]
    complaints = misnamed_models() if options.name is None else []
    complaints += [complaint for folder in folders for complaint in damaged_labels(folder)]
    if options.verify:
        return complaints + [complaint for folder in folders for complaint in verify(folder)]
    if options.sign:
        return complaints + [complaint for folder in folders for complaint in sign(folder)]
    for folder in folders:
        print(f"{folder.name}:")
        rows = [HEADER, *(row_of(version, folder) for version in folder.versions())]
        print("\n".join(columns(rows)) if rows[1:] else "not trained yet", end="\n\n")
    return complaints


def change_label(folder: ModelFolder, name: str, version: str) -> str:
    """Give a label to a version, or remove it; returns what was done."""
    if not version:
        remove_label(folder, name)
        return f"{folder.name}: there is no label {name!r} any more"
    return f"{folder.name}: {name!r} is version {label(folder, name, version).name}"


def damaged_labels(folder: ModelFolder) -> list[str]:
    """Say which labels are those of no version."""
    damages = []
    for name in folder.labels():
        try:
            folder.labelled(name)
        except Damaged as damage:
            damages.append(f"{folder.name}: {damage}")
    return damages


def row_of(version: Version, folder: ModelFolder) -> tuple[str, ...]:
    """Describe a version in a line of the table: marked are the live one, labels, and what --force has published."""
    mark = ", ".join([*([LIVE] if folder.is_live(version) else []), *folder.labels_of(version)])
    try:
        info, manifest = version.info(), version.manifest()
    except Damaged as damage:
        return mark, version.name, f"damaged: {damage}", *[""] * 6
    press, data, objections = info["press_rmse"], manifest.get("data"), manifest.get("objections")
    return (
        mark,
        version.name,
        info["formula"],
        str(info["n"]),
        "-" if info["r_squared"] is None else f"{info['r_squared']:.6g}",
        "-" if press is None else f"{press:.6g}",
        info["trained_at"],
        f"{data['source']} ({data['rows']} rows)" if data else "-",
        f"forced: {'; '.join(objections)}" if objections else "",
    )


def verify(folder: ModelFolder) -> list[str]:
    """Check every file of every version; returns what is not as training wrote it."""
    damages = []
    for version in folder.versions():
        try:
            print(f"{folder.name}: version {version.name}: {version.verify()} files verified")
        except Damaged as damage:
            damages.append(f"{folder.name}: {damage}")
    return damages


def sign(folder: ModelFolder) -> list[str]:
    """Sign each version that LM_VERIFY_KEY does not verify, if its files are as its manifest says.

    Returns what can't be signed; raises TrainingError where nothing can.
    """
    key = settings.LM_SIGNING_KEY
    if not key:
        raise TrainingError("LM_SIGNING_KEY is not set; only who trains the models has it, and signs them")
    damages = []
    with locked(folder):
        for version in folder.versions():
            try:
                sign_version(version, key)
            except (Damaged, OSError) as error:
                damages.append(f"{folder.name}: {error}")
    return damages


def sign_version(version: Version, key: Ed25519PrivateKey) -> None:
    """Sign a version, unless it is signed; says before what it is. Raises Damaged where it is not whole."""
    if not version.is_signed():
        files, recipe = version.verify(signed=False), version.manifest(signed=False)["recipe"]
        print(f"{version.model}: version {version.name}: {recipe['formula']}, {files} files: to be signed")
        version.sign(key)
    print(f"{version.model}: version {version.name} is signed")
