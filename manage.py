#!/usr/bin/env python
"""Django's command line: runserver, runscript update_lm, and the rest."""

import os
import sys

from django.core.exceptions import ImproperlyConfigured
from django.core.management import execute_from_command_line

from lm_app.command_line import with_script_arguments

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ml_api.settings")
    try:
        execute_from_command_line(with_script_arguments(sys.argv))
    except ImproperlyConfigured as error:
        sys.exit(f"manage.py: {error}")
