"""Serve by gunicorn, as `gunicorn ml_api.wsgi` does: python -m ml_api [OPTIONS OF GUNICORN]

Gunicorn reads two of its settings before our gunicorn.conf.py, where a wrong one would be a traceback.
"""

import sys

from django.core.exceptions import ImproperlyConfigured

from ml_api.environment import addresses, positive


def main() -> None:
    """Serve; SystemExit with one line where a setting is wrong."""
    try:
        positive("WEB_CONCURRENCY", default=1)
        addresses("FORWARDED_ALLOW_IPS", default="")
    except ImproperlyConfigured as error:
        sys.exit(str(error))

    from gunicorn import __main__ as gunicorn
    from gunicorn.app.wsgiapp import run

    sys.argv = [str(gunicorn.__file__), *sys.argv[1:], "ml_api.wsgi"]  # what SIGUSR2 starts anew
    run(prog="gunicorn")


if __name__ == "__main__":
    main()
