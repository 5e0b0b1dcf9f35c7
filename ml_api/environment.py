"""Read settings from environment variables, strictly: what is not understood is an error, not a guess."""

import os
import re
from collections.abc import Callable, Collection, Sequence
from importlib.util import find_spec
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from django.core.exceptions import ImproperlyConfigured

from lm_app.data.files import INSTALL
from lm_app.store import signature
from lm_app.store.names import ALLOWED_NAMES, MODEL_NAME
from ml_api.access.keys import KeyFile, KeyRing, parsed
from ml_api.access.limits import Limit, limits_of

T = TypeVar("T")
IMAGE_KEY = Path(__file__).resolve().parent.parent / "verify_key"
"""The public key by which an image's own models were signed; see the Dockerfile."""
NEW_KEYS = "A new pair: python contrib/setup_env_and_terraform.py --new-signing-key"
ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:[0-9]+)?")  # as browsers send it: lower case
URL = re.compile(r"https?://[^\s/?#]+(/[!-~]*)?", re.IGNORECASE)
CONNECTION_STRING = re.compile(
    r"InstrumentationKey=[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    r"(;\w+Endpoint=https?://[^\s=;/?#]+/?|;(?!\w+Endpoint)\w+=[^\s=;]+)*"
)
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


def log_format(name: str) -> str:
    """Read the variable as the format of a log; raises ImproperlyConfigured where it is none that can be written."""
    value = one_of(name, ("jsonl", "parquet"), default="jsonl")
    if value == "parquet" and find_spec("pyarrow") is None:
        raise ImproperlyConfigured(f"{name} is parquet, but pyarrow is missing: {INSTALL}; or write jsonl.")
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


def models(name: str) -> list[str]:
    """Read the variable as names of models; raises ImproperlyConfigured where one can't be a name."""
    found = comma_separated(name)
    for model in found:
        if not MODEL_NAME.fullmatch(model):
            raise ImproperlyConfigured(
                f"{name} has {model!r}. Not a model's name: {ALLOWED_NAMES}; several with commas between them."
            )
    return found


def path(name: str) -> str:
    """Read the variable as a path, without its last slash; raises ImproperlyConfigured where it is none."""
    value = os.environ.get(name, "")
    if value and not re.fullmatch(r"/[!-~]*", value):
        raise ImproperlyConfigured(f"{name} has value {value!r}. Not a path: it starts with a slash, such as /stats.")
    return value.rstrip("/")


def url(name: str) -> str:
    """Read the variable as a server's URL, without its last slash; raises ImproperlyConfigured where it is none."""
    value = os.environ.get(name, "").rstrip("/")
    if value and not URL.fullmatch(value):
        raise ImproperlyConfigured(f"{name} is not a URL: write scheme and host, such as http://localhost:4318.")
    return value


def connection_string(name: str) -> str:
    """Read the variable as Azure's connection string; raises ImproperlyConfigured where it is none.

    The message doesn't show it: whoever has it can send.
    """
    value = os.environ.get(name, "")
    if value and not CONNECTION_STRING.fullmatch(value):
        raise ImproperlyConfigured(
            f"{name} is not a connection string: copy it from Application Insights as it is, "
            "InstrumentationKey=00000000-0000-0000-0000-000000000000;IngestionEndpoint=https://..."
        )
    return value


def some_of(name: str, words: Sequence[str]) -> frozenset[str]:
    """Read the variable as some of the words, all if unset; raises ImproperlyConfigured where it has another."""
    found = comma_separated(name, default=",".join(words))
    if found == ["none"]:
        return frozenset()
    for word in found:
        if word not in words:
            raise ImproperlyConfigured(f"{name} has {word!r}. Write some of {', '.join(words)}, with commas, or none.")
    return frozenset(found)


def networks(name: str) -> list[IPv4Network | IPv6Network]:
    """Read the variable as IP addresses and networks; raises ImproperlyConfigured where one is none."""
    try:
        return [ip_network(part) for part in comma_separated(name)]
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}; write such as 10.0.0.1,10.1.0.0/16.") from None


def api_keys(name: str, file: str) -> KeyRing | None:
    """Read the variable's API keys, or those of the file; raises ImproperlyConfigured where they are not right."""
    text = os.environ.get(name, "")
    if text and file:
        raise ImproperlyConfigured(f"{name} and {name}_FILE are both set; set only one.")
    try:
        if file:
            return KeyFile(Path(file))
        return KeyRing(parsed(text)) if text else None
    except ValueError as error:
        source = f"{name}_FILE" if file else name
        remedy = "python manage.py runscript make_key writes what stands there."
        raise ImproperlyConfigured(f"{source}: {error}. With {source} unset, {remedy}") from None


def rate_limits(name: str) -> tuple[Limit, ...]:
    """Read the variable as rate limits; raises ImproperlyConfigured where one is none."""
    try:
        return limits_of(comma_separated(name))
    except ValueError as error:
        raise ImproperlyConfigured(
            f"{name} has {str(error)!r}. Not a limit: write such as 100/minute, or 10/second,1000/hour: "
            "one for each of second, minute, hour and day."
        ) from None


def redis_url(name: str) -> str:
    """Read the variable as the URL of a Redis; raises ImproperlyConfigured where it is none, or can't be asked."""
    url = os.environ.get(name, "")
    if url:
        try:
            from redis import Redis

            Redis.from_url(url)  # does not connect
        except ImportError:
            raise ImproperlyConfigured(f"{name} is set: pip install -r contrib/requirements-redis.txt") from None
        except ValueError:  # which may show the password
            raise ImproperlyConfigured(
                f"{name} is not the URL of a Redis: write such as redis://localhost:6379/0 or rediss://:PASSWORD@HOST:6380."
            ) from None
    return url


def folder(name: str) -> str:
    """Read the variable as a folder that can be written, or none; raises ImproperlyConfigured where it is none."""
    value = os.environ.get(name, "")
    if value and not (os.path.isdir(value) and os.access(value, os.W_OK | os.X_OK)):
        raise ImproperlyConfigured(f"{name} has value {value!r}. Not a folder that can be written: make it first.")
    return value


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
