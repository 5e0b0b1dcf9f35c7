"""Read settings from environment variables, strictly: what is not understood is an error, not a guess."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.core.exceptions import ImproperlyConfigured

from lm_app.store import signature

T = TypeVar("T")
IMAGE_KEY = Path(__file__).resolve().parent.parent / "verify_key"
"""The public key by which an image's own models were signed; see the Dockerfile."""
NEW_KEYS = "A new pair: python contrib/setup_env_and_terraform.py --new-signing-key"
BOOLEANS = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}


def boolean(name: str, default: bool) -> bool:
    """Read the variable as a bool; raises ImproperlyConfigured where it is not one."""
    value = os.environ.get(name, "")
    if value == "":
        return default
    if value.lower() not in BOOLEANS:
        raise ImproperlyConfigured(f"{name} has value {value!r}. Not a boolean: write True or False.")
    return BOOLEANS[value.lower()]


def natural(name: str, default: int, least: int = 0) -> int:
    """Read the variable as an int of at least `least`; raises ImproperlyConfigured where it is not one."""
    value = os.environ.get(name, "") or str(default)
    if not (value.isascii() and value.isdigit() and int(value) >= least):
        raise ImproperlyConfigured(f"{name} has value {value!r}. Not a whole number above {least - 1}.")
    return int(value)


def positive(name: str, default: int) -> int:
    """Read the variable as an int above 0; raises ImproperlyConfigured where it is not one."""
    return natural(name, default, least=1)


def comma_separated(name: str, default: str = "") -> list[str]:
    """Read the variable's comma-separated parts, without blanks."""
    return [part.strip() for part in os.environ.get(name, default).split(",") if part.strip()]


def required(name: str, remedy: str) -> str:
    """Read the variable's value; raises ImproperlyConfigured with the remedy where it is missing or empty."""
    value = os.environ.get(name, "")
    if not value:
        raise ImproperlyConfigured(f"{name} is not set: {remedy}")
    return value


def private_key(name: str) -> Ed25519PrivateKey | None:
    """Read the variable as a private key; raises ImproperlyConfigured where it is none."""
    return _parsed(name, signature.private_key)


def public_keys(name: str, private: Ed25519PrivateKey | None) -> list[Ed25519PublicKey]:
    """Read the variable's public keys, and that of the image; raises ImproperlyConfigured where one is none.

    The private key, where there is one, has to belong to one of them: what it signs shall be served.
    """
    keys = _parsed(name, signature.public_keys) or []
    if IMAGE_KEY.is_file():
        keys += signature.public_keys(IMAGE_KEY.read_text(encoding="ascii"))
    if private and private.public_key() not in keys:
        own = signature.text_of(private.public_key())
        raise ImproperlyConfigured(f"{name} does not hold the public key of the private one, which is {own}: add it.")
    return keys


def _parsed(name: str, parse: Callable[[str], T]) -> T | None:
    """Parse the variable, if it is set. No error shows its value: it may be a secret."""
    value = os.environ.get(name, "")
    try:
        return parse(value) if value else None
    except ValueError as error:
        raise ImproperlyConfigured(f"{name} is {error}. {NEW_KEYS}") from None
