"""Read settings from environment variables, strictly: what is not understood is an error, not a guess."""

import os
import re
from collections.abc import Callable, Collection
from ipaddress import ip_network
from pathlib import Path
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.core.exceptions import ImproperlyConfigured

from lm_app.store import signature

T = TypeVar("T")
IMAGE_KEY = Path(__file__).resolve().parent.parent / "verify_key"
"""The public key by which an image's own models were signed; see the Dockerfile."""
NEW_KEYS = "A new pair: python contrib/setup_env_and_terraform.py --new-signing-key"
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:[0-9]+)?")  # as browsers send it: lower case
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


def port(name: str, default: int) -> int:
    """Read the variable as a port; raises ImproperlyConfigured where it is none."""
    value = natural(name, default, least=1)
    if value > 65535:
        raise ImproperlyConfigured(f"{name} has value '{value}'. Not a port: they end at 65535.")
    return value


def comma_separated(name: str, default: str = "") -> list[str]:
    """Read the variable's comma-separated parts, without blanks."""
    return [part.strip() for part in (os.environ.get(name) or default).split(",") if part.strip()]


def one_of(name: str, allowed: Collection[str], default: str) -> str:
    """Read the variable as one of the words; raises ImproperlyConfigured where it is another."""
    value = os.environ.get(name, "") or default
    if value not in allowed:
        raise ImproperlyConfigured(f"{name} has value {value!r}. Write one of: {', '.join(allowed)}.")
    return value


def addresses(name: str, default: str) -> list[str]:
    """Read the variable as IP addresses and networks, or *; raises ImproperlyConfigured where it is something else.

    Each of IPv4 comes twice, also as what a socket of IPv6 calls it: 10.0.0.1 as ::ffff:10.0.0.1.
    """
    found = []
    for part in comma_separated(name, default):
        found.append(part)
        if part == "*":
            continue
        try:
            network = ip_network(part)
        except ValueError as error:
            raise ImproperlyConfigured(f"{name}: {error}; write such as 10.0.0.1,10.1.0.0/16 or *.") from None
        if network.version == 4:
            found.append(f"::ffff:{network.network_address}/{96 + network.prefixlen}")
    return found


def origins(name: str) -> list[str]:
    """Read the variable as origins of pages, or *; raises ImproperlyConfigured where one is none."""
    found = comma_separated(name)
    for origin in found:
        if origin != "*" and not ORIGIN.fullmatch(origin):
            raise ImproperlyConfigured(
                f"{name} has {origin!r}. Not an origin: write scheme, host and port as browsers do, without a path, "
                "such as https://www.example.org or http://localhost:3000; several with commas, or * for all."
            )
    return found


def path(name: str) -> str:
    """Read the variable as a path, without its last slash; raises ImproperlyConfigured where it is none."""
    value = os.environ.get(name, "")
    if value and not re.fullmatch(r"/[!-~]*", value):
        raise ImproperlyConfigured(f"{name} has value {value!r}. Not a path: it starts with a slash, such as /stats.")
    return value.rstrip("/")


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
