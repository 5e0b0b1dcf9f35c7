#!/usr/bin/env python3
"""Write .env, the settings of this installation, and main.tf, from which Terraform deploys it to Azure.

    python contrib/setup_env_and_terraform.py [APP_NAME] [--docker-image IMAGE]

What exists is kept: main.tf but for --force, and .env always, but for its keys with --new-secret-key and
--new-signing-key. Only new keys need a package: that of which lm_app/store/signature.py makes them.
"""

import argparse
import re
import secrets
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# What Azure and terraform/variables.tf allow. main.tf is made of such text, so that nothing in it needs quoting.
APP_NAME = r"[A-Za-z0-9]([A-Za-z0-9-]{0,58}[A-Za-z0-9])"
DOCKER_IMAGE = r"[a-z0-9][A-Za-z0-9._/:-]*:[A-Za-z0-9_][A-Za-z0-9._-]*"
LOCATION = r"[a-z0-9]+"
SKU = r"(B[1-3]|S[1-3]|P[0-3]v3)"
SECRET_KEY = re.compile(r"^SECRET_KEY=.*\n?", re.MULTILINE)
SIGNING_KEYS = re.compile(r"^LM_(SIGNING|VERIFY)_KEY=.*\n?", re.MULTILINE)

ENV = """\
# Settings; see ml_api/settings.py. Not for the repository: SECRET_KEY is a secret, and so is LM_SIGNING_KEY, which
# signs models. Servers elsewhere need the public LM_VERIFY_KEY only.
DEBUG=False
ALLOWED_HOSTS=localhost,127.0.0.1,[::1]
LM_DEFAULT_MODEL=timedistance
"""

MAIN_TF = """\
# The deployment of this installation: yours to change. terraform/variables.tf describes what can be set.

module "app" {{
  source = "./terraform"

  app_name     = "{app_name}"
  docker_image = "{docker_image}"
  location     = "{location}"
  sku          = "{sku}"
  secret_key   = one(regex("(?m)^SECRET_KEY=(.+)$", file("${{path.module}}/.env")))
  verify_key   = try(one(regex("(?m)^LM_VERIFY_KEY=(.+)$", file("${{path.module}}/.env"))), null)
}}

output "url" {{
  value = module.app.url
}}

output "docs_url" {{
  value = module.app.docs_url
}}

output "staging_url" {{
  value = module.app.staging_url
}}

output "commands" {{
  value = module.app.commands
}}

provider "azurerm" {{
  features {{}}
}}

terraform {{
  required_providers {{
    azurerm = {{
      source  = "hashicorp/azurerm"
      version = "~> 4.55"
    }}
  }}
}}
"""


def main(arguments: list[str], root: Path = ROOT) -> None:
    """Write `root`/.env and `root`/main.tf; SystemExit with one line where that is not possible."""
    parser = argparse.ArgumentParser(
        description="Write .env, the settings of this installation, and main.tf, from which Terraform deploys it."
    )
    parser.add_argument("app_name", nargs="?", help="the web app's name on Azure (default: a random one)")
    parser.add_argument("--docker-image", metavar="IMAGE", default="", help="such as docker.io/USER/lm-api:1.0.0")
    parser.add_argument("--location", default="westeurope", help="the Azure region (%(default)s)")
    parser.add_argument("--sku", default="B1", help="B1 to B3; with staging S1 to S3, P0v3 to P3v3 (%(default)s)")
    parser.add_argument("--force", action="store_true", help="overwrite main.tf; the keys stay")
    parser.add_argument("--new-secret-key", action="store_true", help="replace the SECRET_KEY in .env")
    parser.add_argument("--new-signing-key", action="store_true", help="replace LM_SIGNING_KEY, LM_VERIFY_KEY in .env")
    args = parser.parse_args(arguments)
    name = args.app_name or f"lm-api-{secrets.token_hex(4)}"
    check("APP_NAME", name, APP_NAME, "2 to 60 letters, digits and hyphens, no hyphen at either end")
    if args.docker_image:  # without one, terraform plan says what to do
        check("--docker-image", args.docker_image, DOCKER_IMAGE, "an image with a tag, as docker.io/USER/lm-api:1.0.0")
        if args.docker_image.endswith(":latest"):
            sys.exit("--docker-image: 'latest' can't be rolled back; give the image a tag of its own, such as 1.0.0.")
    check("--location", args.location, LOCATION, "the name of a region, such as westeurope or eastus2")
    check("--sku", args.sku, SKU, "B1 to B3, S1 to S3, or P0v3 to P3v3")

    env, main_tf = root / ".env", root / "main.tf"
    new = not env.exists()
    settings = ENV if new else env.read_text(encoding="utf-8")
    if new or args.new_secret_key:
        settings = with_line(SECRET_KEY, settings, f"SECRET_KEY={secrets.token_urlsafe(50)}")
    if new or args.new_signing_key:
        settings = with_line(SIGNING_KEYS, settings, signing_keys())
    new_keys = new or args.new_secret_key or args.new_signing_key
    if new_keys:
        write(env, settings)
    if args.force or not main_tf.exists():
        text = MAIN_TF.format(app_name=name, docker_image=args.docker_image, location=args.location, sku=args.sku)
        write(main_tf, text)
    elif not new_keys:
        sys.exit(f"{main_tf} exists and stays as it is: edit it, or overwrite it with --force.")


def check(argument: str, value: str, pattern: str, allowed: str) -> None:
    """Exit with one line where the value is not allowed."""
    if not re.fullmatch(pattern, value):
        sys.exit(f"{argument} {value!r} is not allowed: {allowed}.")


def with_line(pattern: re.Pattern[str], settings: str, line: str) -> str:
    """Put the line in place of those that the pattern finds, at the end."""
    return f"{pattern.sub('', settings).rstrip()}\n{line}\n"


def signing_keys() -> str:
    """Make the keys by which models are signed and verified; SystemExit with one line where a package is missing."""
    try:
        from lm_app.store.signature import new_keys
    except ModuleNotFoundError as error:
        sys.exit(f"{error}, which makes keys: 'pip install -r requirements.txt', and call this with the same Python.")
    return new_keys()


def write(file: Path, text: str) -> None:
    """Write the file as a whole, readable by its owner only."""
    new = file.with_name(f"{file.name}.new")
    new.touch(mode=0o600)
    new.write_text(text, encoding="utf-8")
    new.replace(file)
    print(f"wrote {file}")


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))  # for lm_app
    main(sys.argv[1:])
