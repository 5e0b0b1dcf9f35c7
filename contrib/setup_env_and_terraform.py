#!/usr/bin/env python3
"""Write .env, the settings of this installation: python contrib/setup_env_and_terraform.py [APP_NAME]

Needs nothing but Python. An .env that exists is never overwritten.
"""

import argparse
import re
import secrets
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Azure's rule for the name of a web app, which becomes a part of its host's name.
APP_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,58}[a-z0-9])", re.IGNORECASE)

ENV = """\
# Settings; see ml_api/settings.py. Not for the repository: SECRET_KEY is a secret.
SECRET_KEY={secret_key}
DEBUG=False
ALLOWED_HOSTS=localhost,127.0.0.1,[::1]
LM_DEFAULT_MODEL=timedistance
# The name of the web app on Azure.
APP_NAME={app_name}
"""


def main(arguments: list[str], root: Path = ROOT) -> None:
    """Write `root`/.env; SystemExit with one line where that is not possible."""
    parser = argparse.ArgumentParser(description="Write .env, the settings of this installation.")
    parser.add_argument("app_name", nargs="?", help="the web app's name on Azure (default: a random one)")
    name = parser.parse_args(arguments).app_name or f"lm-api-{secrets.token_hex(4)}"
    if not APP_NAME.fullmatch(name):
        sys.exit(f"APP_NAME {name!r} is not allowed: 2 to 60 letters, digits and hyphens, no hyphen at either end.")
    try:
        with (root / ".env").open("x", encoding="utf-8") as env:
            env.write(ENV.format(secret_key=secrets.token_urlsafe(50), app_name=name))
    except FileExistsError:
        sys.exit(f"{root / '.env'} exists and stays as it is; remove it first to get a new one.")
    print(f"wrote {root / '.env'}")


if __name__ == "__main__":
    main(sys.argv[1:])
