"""One version of a model: what a training made, and the proof that it is that.

modelr.pickle            the R lm
model_info.json          what is known about it
distributions.json       those of its predictors in the training data, for check_lm; servers never read it
MODEL_CARD.md, *.svg     the same for people
lm.R                     the lm as R code
manifest.json            how it was made, and the sha256 of each file
signature                of the manifest, by LM_SIGNING_KEY
"""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings

from lm_app.engine.lm import Model
from lm_app.errors import Damaged, RError, UnknownFile
from lm_app.predictors import Predictor, predictors_of
from lm_app.schemas import check_info
from lm_app.store.files import read_file, reason
from lm_app.store.signature import objection, sign

MAX_MANIFEST_BYTES = 1024 * 1024
PICKLE, INFO, MANIFEST, SIGNATURE = "modelr.pickle", "model_info.json", "manifest.json", "signature"
CARD, CODE, DISTRIBUTIONS = "MODEL_CARD.md", "lm.R", "distributions.json"


@dataclass(frozen=True, slots=True)
class Version:
    """The files of one version."""

    model: str
    path: Path
    pointer: Path
    """The file that names the live version of the model."""

    @property
    def name(self) -> str:
        """The version's name: when it was made, in UTC."""
        return self.path.name

    def manifest(self, signed: bool = True) -> dict[str, Any]:
        """Read the manifest; raises Damaged where it is none, or where it has to be signed and is not."""
        try:
            content = read_file(self.path / MANIFEST, MAX_MANIFEST_BYTES)
            if signed and (why := objection(content, self.path / SIGNATURE, settings.LM_VERIFY_KEYS)):
                remedy = f"python manage.py runscript versions_lm --script-args {self.model} --sign"
                raise self._damaged(f"{why}; if you trust it, sign it: {remedy}")
            manifest: dict[str, Any] = json.loads(content)
            _check_keys(manifest)
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise self._damaged(f"its manifest can't be read: {reason(error)}") from None
        if (manifest["model"], manifest["version"]) != (self.model, self.name):
            raise self._damaged("its manifest is that of another version")
        return manifest

    def read(self, file: str, manifest: dict[str, Any] | None = None) -> bytes:
        """Read one file; raises Damaged where it is not what training wrote."""
        try:
            content = read_file(self.path / file)
        except OSError as error:
            raise self._damaged(f"{file} can't be read: {reason(error)}") from None
        if hashlib.sha256(content).hexdigest() != (manifest or self.manifest())["files"][file]:
            raise self._damaged(f"{file} is not what training wrote (its sha256 differs)")
        return content

    def info(self) -> dict[str, Any]:
        """Read what is known about the model; raises Damaged where that is not what training wrote."""
        try:
            info: dict[str, Any] = orjson.loads(self.read(INFO))
            check_info(info)
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise self._damaged(f"it can't be read: {error}") from None
        return info

    def verify(self, signed: bool = True) -> int:
        """Read every file; returns their number, and raises Damaged where one is not what training wrote."""
        manifest = self.manifest(signed)
        for file in manifest["files"]:
            self.read(file, manifest)
        return len(manifest["files"])

    def load(self) -> "LoadedModel":
        """Load the version into R; raises Damaged where its files are not whole."""
        manifest = self.manifest()
        try:
            info = orjson.loads(self.read(INFO, manifest))  # of 200 columns it is megabytes
            lm = Model(self.read(PICKLE, manifest))
            check_info(info)
            return LoadedModel(self.model, self.name, self, manifest, info, predictors_of(info), lm)
        except (ValueError, KeyError, TypeError, RecursionError, RError) as error:
            raise self._damaged(f"it can't be read: {error}") from None

    def is_signed(self) -> bool:
        """Is the manifest verified by LM_VERIFY_KEY?"""
        try:
            self.manifest()
        except Damaged:
            return False
        return True

    def sign(self, key: Ed25519PrivateKey) -> None:
        """Sign the manifest anew, whoever wrote it, at once for every reader."""
        new = self.path / f".{SIGNATURE}"
        write(new, sign((self.path / MANIFEST).read_bytes(), key))
        new.replace(self.path / SIGNATURE)
        sync(self.path)

    def activate(self) -> None:
        """Make this the live version, at once for every reader."""
        self.name_in(self.pointer)

    def name_in(self, file: Path) -> None:
        """Write the version's name to a file, at once for every reader."""
        new = file.with_name(f".{file.name}-{self.name}")
        write(new, f"{self.name}\n".encode())
        new.replace(file)
        sync(file.parent)

    def _damaged(self, why: str) -> Damaged:
        return Damaged(f"version {self.name}: {why}")


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """One version of one model, in memory."""

    name: str
    version: str
    files: Version
    manifest: dict[str, Any]
    info: dict[str, Any]
    predictors: list[Predictor]
    lm: Model

    def text(self, file: str) -> bytes:
        """Read a text file; raises UnknownFile where there is none, Damaged where it is not what training wrote."""
        if file not in self.manifest["files"]:
            raise UnknownFile(file, sorted(self.manifest["files"]))
        return self.files.read(file, self.manifest)

    def plots(self) -> list[str]:
        """List the names of the version's plots."""
        return [file.removesuffix(".svg") for file in self.manifest["files"] if file.endswith(".svg")]

    def plot(self, name: str) -> bytes:
        """Read a plot, as SVG; raises Damaged where it is not what training wrote."""
        return self.files.read(f"{name}.svg", self.manifest)


def write(file: Path, content: bytes) -> None:
    """Write a file, and wait until it is on the disk."""
    with file.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def sync(directory: Path) -> None:
    """Wait until the directory's entries are on the disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_keys(manifest: dict[str, Any]) -> None:
    """Raise KeyError or TypeError where something that readers need is missing."""
    for key in ("model", "version", "recipe"):
        manifest[key]
    for file in (INFO, PICKLE):
        manifest["files"][file]
