"""Sign manifests, and verify them, by Ed25519: who verifies cannot sign. See docs/decisions/0008-signatures.md.

A key is one line of base64: what stands between BEGIN and END in a PEM file. So a private key and a public one differ
at sight, and openssl reads both.
"""

import logging
from base64 import b64decode, b64encode
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
    load_der_public_key,
)

from lm_app.store.files import read_file, reason

logger = logging.getLogger(__name__)

MAX_BYTES = 1000
ALGORITHM = b"ed25519\n"
"""The first line of a signature; the second is the signature, in base64."""


def new_keys() -> str:
    """Make a pair of keys, as two lines for .env."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return f"LM_SIGNING_KEY={b64encode(private).decode()}\nLM_VERIFY_KEY={text_of(key.public_key())}"


def text_of(key: Ed25519PublicKey) -> str:
    """Write a public key as text."""
    return b64encode(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def private_key(text: str) -> Ed25519PrivateKey:
    """Read a private key; raises ValueError, which does not show the text."""
    with suppress(ValueError, TypeError, UnsupportedAlgorithm):
        key = load_der_private_key(b64decode(text.strip(), validate=True), password=None)
        if isinstance(key, Ed25519PrivateKey):
            return key
    raise ValueError("not a private Ed25519 key, 64 characters of base64")


def public_keys(text: str) -> list[Ed25519PublicKey]:
    """Read public keys, with commas between them; raises ValueError, which does not show the text."""
    return [_public_key(part.strip()) for part in text.split(",")]


def sign(manifest: bytes, key: Ed25519PrivateKey) -> bytes:
    """Make the signature of a manifest."""
    return ALGORITHM + b64encode(key.sign(manifest)) + b"\n"


def objection(manifest: bytes, signature: Path, keys: Sequence[Ed25519PublicKey]) -> str:
    """Say why none of the keys verifies the manifest; empty where one does, or where there are no keys."""
    if not keys:
        _warn_that_nothing_is_verified()
        return ""
    try:
        content = read_file(signature, MAX_BYTES)
    except FileNotFoundError:
        return "it is not signed"
    except OSError as error:
        return f"its signature can't be read: {reason(error)}"
    if not content.startswith(ALGORITHM):
        return "its signature is not by Ed25519, but from before, or not a signature"
    for key in keys:
        with suppress(InvalidSignature, ValueError):
            key.verify(b64decode(content.removeprefix(ALGORITHM).rstrip(b"\n"), validate=True), manifest)
            return ""
    return "it was changed since it was signed, or signed by another key than LM_VERIFY_KEY's"


def _public_key(text: str) -> Ed25519PublicKey:
    with suppress(ValueError, UnsupportedAlgorithm):
        key = load_der_public_key(b64decode(text, validate=True))
        if isinstance(key, Ed25519PublicKey):
            return key
    if _is_private(text):
        raise ValueError("a private key: keep it where models are trained, and set the public one here")
    raise ValueError("not a public Ed25519 key, 60 characters of base64")


def _is_private(text: str) -> bool:
    try:
        private_key(text)
    except ValueError:
        return False
    return True


@cache
def _warn_that_nothing_is_verified() -> None:
    """Log it once in each process."""
    logger.warning(
        "LM_VERIFY_KEY is not set: models are unsigned, and served whoever wrote them; "
        "'python contrib/setup_env_and_terraform.py --new-signing-key' makes keys"
    )
