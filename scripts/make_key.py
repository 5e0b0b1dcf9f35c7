"""API keys: python manage.py runscript make_key --script-args NAME --models MODELS --rights RIGHTS [--file FILE]"""

import sys
from pathlib import Path

from lm_app.command_line import Parser
from lm_app.store.files import reason
from ml_api.access.keys import ALL_MODELS, RIGHTS, append, lines_of, new_key, parsed


def run(*arguments: str) -> None:
    """Make an API key, and print it this once. Exit status 1, with one line on stderr, where that can't be done."""
    parser = Parser("make_key", "Make an API key and print it, once; what is kept of it is a hash.")
    parser.add_argument("name", metavar="NAME", help="whose it is; lower case letters, digits and hyphens")
    parser.add_argument("--models", required=True, help=f"those that it may ask, with commas; {ALL_MODELS} for all")
    parser.add_argument("--rights", required=True, help=f"what it may do: some of {','.join(RIGHTS)}")
    parser.add_argument("--file", type=Path, help="the file of keys to add it to; else the lines for it are printed")
    options = parser.parse(arguments)
    key = new_key(options.name)
    lines = lines_of(options.name, key, options.models.split(","), options.rights.split(","))
    try:
        append(options.file, lines) if options.file else parsed(lines)
    except OSError as error:
        sys.exit(f"make_key: {options.file}: {reason(error)}")
    except ValueError as error:
        sys.exit(f"make_key: {error}")
    print(key)
    if not options.file:
        print(f"\n{lines}", end="")
