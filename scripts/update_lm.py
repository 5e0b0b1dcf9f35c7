"""Train models and make them live: python manage.py runscript update_lm [--script-args NAME ...]"""

import argparse
import sys

from lm_app import store, training
from lm_app.errors import LmError


def run(*arguments: str) -> None:
    """Train the named models, or all; exit status 1 where one could not be trained."""
    parser = argparse.ArgumentParser("update_lm", description="Train models and make them live.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="a model, a folder in extra_files (default: all)")
    failed = False
    for name in parser.parse_args(arguments).names or store.names():
        try:
            report = training.update(name)
        except LmError as error:
            print(f"update_lm: {error}", file=sys.stderr)
            failed = True
            continue
        print(report.summary)
        for warning in report.warnings:
            print(f"R warns: {warning}")
        for file in sorted(report.version.iterdir()):
            print(f"{name}: wrote {file}")
        print(f"{name}: version {report.version.name} is live\n")
    if failed:
        sys.exit(1)
