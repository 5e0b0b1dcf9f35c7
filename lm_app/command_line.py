"""What the runscripts share: their parser, and how their arguments get through Django's command line.

`manage.py runscript NAME --script-args WORDS` takes options among the words for its own. So manage.py joins them to
one word before Django sees them. It begins with a blank, as Django would take a word that begins with a hyphen for
an option; parse() takes it apart again.
"""

import shlex
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import NoReturn

SCRIPT_ARGS = "--script-args"


class Parser(ArgumentParser):
    """A parser whose errors are one line on stderr."""

    def error(self, message: str) -> NoReturn:
        """Exit with status 1."""
        sys.exit(f"{self.prog}: {message}; see {SCRIPT_ARGS} --help")

    def parse(self, arguments: Sequence[str]) -> Namespace:
        """Parse what a runscript's run() is called with; SystemExit where it is wrong."""
        return self.parse_args([word for argument in arguments for word in shlex.split(argument)])


def joined(words: Sequence[str]) -> str:
    """Join a script's arguments to one word."""
    return f" {shlex.join(words)}"


def with_script_arguments(argv: list[str]) -> list[str]:
    """Join all that follows --script-args; `runscript NAME --help` asks for the script's help, not Django's."""
    if argv[1:2] == ["runscript"] and argv[3:] in (["--help"], ["-h"]):
        argv = [*argv[:3], SCRIPT_ARGS, "--help"]
    if SCRIPT_ARGS not in argv[:-1]:
        return argv
    first = argv.index(SCRIPT_ARGS) + 1
    return [*argv[:first], joined(argv[first:])]
