"""Read settings from environment variables, strictly: what is not understood is an error, not a guess."""

import os

from django.core.exceptions import ImproperlyConfigured

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
