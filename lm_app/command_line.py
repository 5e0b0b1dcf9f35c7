"""What the runscripts share: their parser, how their arguments get through Django's command line, and what they print.

`manage.py runscript NAME --script-args WORDS` takes options among the words for its own. So manage.py joins them to
one word before Django sees them. It begins with a blank, as Django would take a word that begins with a hyphen for
an option; parse() takes it apart again. Without --script-args, all that follows the script's name is the script's.
"""

import shlex
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import NoReturn

SCRIPT_ARGS = "--script-args"
SCRIPTS = ("update_lm", "versions_lm", "check_lm", "score_lm", "make_key")


class Parser(ArgumentParser):
    """A parser whose errors are one line on stderr."""

    def __init__(self, script: str, description: str, error_status: int = 1) -> None:
        """Make the parser of a script."""
        self.error_status = error_status
        self.command = f"python manage.py runscript {script} {SCRIPT_ARGS}"
        super().__init__(script, usage=f"{self.command} [NAME ...] [OPTIONS]", description=description)

    def error(self, message: str) -> NoReturn:
        """Exit with the status of errors."""
        print(f"{self.prog}: {message}; see: {self.command} --help", file=sys.stderr)
        sys.exit(self.error_status)

    def parse(self, arguments: Sequence[str]) -> Namespace:
        """Parse what a runscript's run() is called with; SystemExit where it is wrong."""
        words = [word for argument in arguments for word in shlex.split(argument)]
        for word in words:
            try:
                word.encode()
            except UnicodeEncodeError:
                self.error(f"{word!a} is not text in this system's encoding")
        return self.parse_args(words)


def joined(words: Sequence[str]) -> str:
    """Join a script's arguments to one word."""
    return f" {shlex.join(words)}"


def with_script_arguments(argv: list[str]) -> list[str]:
    """Join all that follows --script-args, or the name of a script of ours."""
    if SCRIPT_ARGS not in argv and argv[1:2] == ["runscript"] and argv[2:3] and argv[2] in SCRIPTS and argv[3:]:
        argv = [*argv[:3], SCRIPT_ARGS, *argv[3:]]
    if SCRIPT_ARGS not in argv[:-1]:
        return argv
    first = argv.index(SCRIPT_ARGS) + 1
    return [*argv[:first], joined(argv[first:])]


def columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Align the rows of a table, however wide they get: so a terminal wraps them, and nothing is cut."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
