"""The project's own settings, whatever the environment and .env say."""

import os

from lm_app.store.signature import new_keys

if os.environ.get("SECRET_KEY") != "only-for-tests":  # else a test has started this process, and given it its keys
    os.environ.update(dict(line.split("=", 1) for line in new_keys().split()))
os.environ.update(
    SECRET_KEY="only-for-tests",
    DEBUG="False",
    ALLOWED_HOSTS="testserver,localhost,127.0.0.1",
    LM_DEFAULT_MODEL="",
)

from ml_api.settings import *  # noqa: F403
