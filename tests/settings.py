"""The project's own settings, whatever the environment and .env say."""

import os

os.environ.update(
    SECRET_KEY="only-for-tests",
    DEBUG="False",
    ALLOWED_HOSTS="testserver,localhost,127.0.0.1",
    LM_DEFAULT_MODEL="",
    LM_SIGNING_KEY="",
)

from ml_api.settings import *  # noqa: F403
