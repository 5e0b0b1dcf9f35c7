"""The project's own settings, whatever the environment and .env say; and routes to compare with."""

import os

os.environ.update(SECRET_KEY="only-for-benchmarks", DEBUG="False", ALLOWED_HOSTS="127.0.0.1", LM_DEFAULT_MODEL="")

from ml_api.settings import *  # noqa: F403

ROOT_URLCONF = "benchmarks.urls"
