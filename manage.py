#!/usr/bin/env python
"""Django's command line: runserver, runscript update_lm, and the rest."""

import os
import shlex
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line


def with_script_arguments(argv: list[str]) -> list[str]:
    """All that follows --script-args is the script's: as one word, or Django would take its options for its own."""
    if "--script-args" not in argv[:-1]:
        return argv
    first = argv.index("--script-args") + 1
    return [*argv[:first], f" {shlex.join(argv[first:])}"]


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ml_api.settings")
    try:
        execute_from_command_line(with_script_arguments(sys.argv))
    except ImproperlyConfigured as error:
        sys.exit(f"manage.py: {error}")
