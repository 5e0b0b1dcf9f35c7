"""API keys: whose they are, and what they may ask. Only their hashes are kept.

A key is 256 random bits. No dictionary holds it, so that a slow hash, as passwords need, would add nothing to SHA-256.
"""

import hmac
import json
import logging
import os
import re
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

import tomli
from pydantic import BaseModel, Field, StringConstraints, TypeAdapter, ValidationError

from lm_app.store.files import read_file, reason, signature_of

logger = logging.getLogger(__name__)

NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
PREDICT, READ, METRICS = "predict", "read", "metrics"
RIGHTS = (PREDICT, READ, METRICS)
ALL_MODELS = "*"
SECONDS_BETWEEN_LOOKS = 1.0
MOST_BYTES = 1024 * 1024
LONGEST = 100
"""Characters that a key has at most."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key: all that is known of it."""

    name: str
    hash: str
    models: frozenset[str]
    rights: frozenset[str]

    def may_ask(self, model: str) -> bool:
        """Tell whether the key is for this model."""
        return ALL_MODELS in self.models or model in self.models


Model = Annotated[str, StringConstraints(pattern=r"^(\*|[A-Za-z0-9][A-Za-z0-9_-]*)$")]


class Table(BaseModel, extra="forbid"):
    """A key as it stands in the file, below its name."""

    hash: Annotated[str, StringConstraints(pattern="^sha256:[0-9a-f]{64}$")]
    models: Annotated[list[Model], Field(min_length=1)]
    rights: Annotated[list[Literal["predict", "read", "metrics"]], Field(min_length=1)]


KeyName = Annotated[str, StringConstraints(pattern=f"^{NAME.pattern}$")]
TABLES = TypeAdapter(Annotated[dict[KeyName, Table], Field(min_length=1)])


def new_key(name: str) -> str:
    """Make a key. Its name stands in it, so that it can be looked up by what is no secret."""
    return f"lm_{name}_{secrets.token_urlsafe(32)}"


def hash_of(key: str) -> str:
    """Hash a key."""
    return f"sha256:{sha256(key.encode(errors='replace')).hexdigest()}"


def lines_of(name: str, key: str, models: Iterable[str], rights: Iterable[str]) -> str:
    """Write what the file needs to know of a key."""
    lists = f"models = {json.dumps([*models])}\nrights = {json.dumps([*rights])}\n"
    return f'[{name}]\nhash = "{hash_of(key)}"\n{lists}'


def parsed(text: str) -> dict[str, Key]:
    """Read keys by name; raises ValueError with all that is wrong, which shows no value: it may be a secret."""
    try:
        tables = TABLES.validate_python(tomli.loads(text))
    except tomli.TOMLDecodeError as error:
        raise ValueError(f"not TOML: {error}") from None
    except ValidationError as error:
        raise ValueError("; ".join(f"{place_of(fault['loc'])}: {fault['msg']}" for fault in error.errors())) from None
    return {
        name: Key(name, table.hash, frozenset(table.models), frozenset(table.rights)) for name, table in tables.items()
    }


def place_of(parts: Iterable[int | str]) -> str:
    """Name the place of a fault; of what may be a key in the wrong place, only the beginning."""
    names = [str(part) for part in parts if part != "[key]"]
    return ".".join(name if NAME.fullmatch(name) else f"{name[:3]}..." for name in names) or "the keys"


def read(file: Path) -> dict[str, Key]:
    """Read a file of keys; raises ValueError where it can't be read, or is none."""
    try:
        return parsed(read_file(file, MOST_BYTES).decode())
    except OSError as error:
        raise ValueError(f"{file} can't be read: {reason(error)}") from None
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from None


def append(file: Path, lines: str) -> None:
    """Add a key's lines to a file of keys, in one write; raises OSError or ValueError, where nothing has changed.

    A new file is for its owner's eyes only.
    """
    before = read_file(file, MOST_BYTES).decode() if file.exists() else ""
    more = f"\n{lines}" if before else lines
    parsed(before + more)
    with open(os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "wb") as stream:
        stream.write(more.encode())


NOBODY = Key("", hash_of(""), frozenset(), frozenset())
"""Who sent no key that is good."""


class KeyRing:
    """The keys that are good now."""

    def __init__(self, keys: dict[str, Key]) -> None:
        self._use(keys)

    def _use(self, keys: dict[str, Key]) -> None:
        """Let these be good from now on, and no others: a thread that finds one just now remembers it in vain."""
        self.keys = keys
        self._sent: dict[str, Key] = {}
        """Good ones, as they were sent: to hash them anew for each request would take 2 % of its time."""

    def find(self, sent: str) -> Key:
        """Find a key that was sent; NOBODY where it is not good.

        How long that takes tells nothing about keys: one that was sent before is looked up by Python's hash of it,
        which no client knows; of any other the name is looked up, and its hash compared, in constant time.
        """
        return self._sent.get(sent) or self._compare(sent)

    def _compare(self, sent: str) -> Key:
        remembered = self._sent  # before the keys; see _use()
        key = self.keys.get(sent[3:].partition("_")[0], NOBODY)  # lm_NAME_...
        is_good = len(sent) <= LONGEST and hmac.compare_digest(hash_of(sent), key.hash)
        if not is_good or key is NOBODY:
            return NOBODY
        remembered[sent] = key
        return key


class KeyFile(KeyRing):
    """The keys of a file, at which each worker looks once a second. While it is not right, the last good ones stay."""

    def __init__(self, file: Path) -> None:
        """Read it; raises ValueError where that is not possible."""
        self._file = file
        self._signature, self._next_look = signature_of(str(file)), 0.0
        super().__init__(read(file))

    def find(self, sent: str) -> Key:
        """Find a key that was sent; NOBODY where it is not good."""
        if (now := time.monotonic()) > self._next_look:
            self._next_look = now + SECONDS_BETWEEN_LOOKS
            if (signature := signature_of(str(self._file))) != self._signature:
                self._signature = signature
                self._read_anew()
        return super().find(sent)

    def _read_anew(self) -> None:
        try:
            self._use(read(self._file))
        except ValueError as error:
            logger.error("%s; the API keys of before stay good", error)
        else:
            logger.info("%s has changed; the API keys are now: %s", self._file, ", ".join(self.keys))
