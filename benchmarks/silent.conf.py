"""Gunicorn's settings without a line for each request, which none of the peers writes either."""

from runpy import run_path

globals().update(run_path("gunicorn.conf.py", run_name=__name__))
accesslog = None
