"""The models, as files. Training writes here, serving reads here, and they meet nowhere else.

    extra_files/<model>/
        model.toml, <data>.csv           what people write
        live                             the name of the version that is served
        versions/<version>/              what a training made; never changed afterwards
            modelr.pickle                the R lm
            model_info.json              what is known about it
            MODEL_CARD.md, *.svg         the same for people
            manifest.json                how it was made, and the sha256 of each file
            signature                    the HMAC of the manifest, where LM_SIGNING_KEY is set

A version is written beside the others and renamed when it is whole; then `live` is replaced, which is
atomic. So a reader sees one whole version, or the one before, and a training that dies leaves only
files whose names start with a dot, which the next one removes. There are no links: it works on a network
share as well.
"""

import fcntl
import hashlib
import hmac
import json
import logging
import os
import re
import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from django.conf import settings

from lm_app import r_engine
from lm_app.errors import NotTrained, TrainingError, UnknownModel

logger = logging.getLogger(__name__)

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
VERSION = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{6}Z")
SECONDS_BETWEEN_LOOKS = 1.0
PICKLE, INFO, MANIFEST, SIGNATURE = "modelr.pickle", "model_info.json", "manifest.json", "signature"


@dataclass(frozen=True, slots=True)
class LiveModel:
    """One version of one model, in memory."""

    name: str
    version: str
    folder: Path
    manifest: dict[str, Any]
    info: dict[str, Any]
    lm: r_engine.Model

    def files(self) -> list[str]:
        """The names of the version's files."""
        return list(self.manifest["files"])

    def read(self, file: str) -> bytes:
        """One of the version's files; raises Damaged where it is not what training wrote."""
        return read_file(self.folder, self.manifest, file)


class Damaged(Exception):
    """A version's files are not those that training wrote."""


def folder(name: str) -> Path:
    """The folder of a model; raises UnknownModel where there is none."""
    found: Path = settings.LM_MODELS_DIR / name
    if not NAME.fullmatch(name) or not (found / "model.toml").is_file():
        raise UnknownModel(name, names())
    return found


def names() -> list[str]:
    """The names of all models, trained or not, sorted."""
    return sorted(
        file.parent.name for file in settings.LM_MODELS_DIR.glob("*/model.toml") if NAME.fullmatch(file.parent.name)
    )


def all_live() -> dict[str, "LiveModel | None"]:
    """All models by name, with the version that is live, or None where there is none."""

    def live_or_none(name: str) -> LiveModel | None:
        try:
            return live(name)
        except NotTrained:
            return None

    return {name: live_or_none(name) for name in names()}


# Reading

Stamp = tuple[int, int, int] | None


@dataclass(slots=True)
class _Seen:
    """What was made of a model's files, and how they looked then. The first is the pointer."""

    files: list[str]
    stamps: list[Stamp]
    model: LiveModel | None
    next_look: float = 0.0

    def has_changed(self) -> bool:
        """Have the files changed? Each call looks at the pointer; at the others, one a second."""
        if _stamp(self.files[0]) != self.stamps[0]:
            return True
        now = time.monotonic()
        if now < self.next_look:
            return False
        self.next_look = now + SECONDS_BETWEEN_LOOKS
        return [_stamp(file) for file in self.files] != self.stamps


_seen: dict[str, _Seen] = {}
_reading = threading.Lock()


def live(name: str) -> LiveModel:
    """The version that is live now. Files are read only where they have changed.

    A damaged version is logged, and the last good one goes on: the one in memory, or at start the newest
    on disk. Raises UnknownModel, or NotTrained where there is none.
    """
    key = f"{settings.LM_MODELS_DIR}/{name}"
    seen = _seen.get(key)
    if seen is None or seen.has_changed():
        with _reading:
            if _seen.get(key) is seen:  # else another thread has just read it
                _seen[key] = _look(folder(name), seen.model if seen else None)
            seen = _seen[key]
    if seen.model is None:
        raise NotTrained(name)
    return seen.model


def _stamp(file: str) -> Stamp:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _look(where: Path, last_good: LiveModel | None) -> _Seen:
    pointer = where / "live"
    while True:
        files = [str(pointer)]
        stamps = [_stamp(file) for file in files]  # before reading: a change meanwhile is seen next time
        if stamps[0] is None and last_good is None and not versions(where):
            return _Seen(files, stamps, None)
        try:
            version = _read_pointer(pointer)
            in_version = [str(where / "versions" / version / file) for file in (PICKLE, INFO, MANIFEST)]
            files += in_version
            stamps += [_stamp(file) for file in in_version]
            return _Seen(files, stamps, _read(where, version))
        except Damaged as damage:
            if stamps[0] == _stamp(str(pointer)):
                logger.error("model %s: %s", where.name, damage)
                break
            # else it was replaced meanwhile, and the version that it named may have been removed since
    good = last_good or _newest_good(where)
    if good:
        logger.error("model %s: version %s is served instead", where.name, good.version)
    return _Seen(files, stamps, good)


def _read_pointer(pointer: Path) -> str:
    try:
        version = pointer.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise Damaged(f"the file 'live' can't be read: {error}") from None
    if not VERSION.fullmatch(version):
        raise Damaged(f"the file 'live' does not hold the name of a version: {version[:50]!r}")
    return version


def _read(where: Path, version: str) -> LiveModel:
    """The version in memory; raises Damaged where its files are not whole."""
    folder = where / "versions" / version
    manifest = read_manifest(folder)
    try:
        info = json.loads(read_file(folder, manifest, INFO))
        lm = r_engine.Model(read_file(folder, manifest, PICKLE))
    except (ValueError, r_engine.RError) as error:
        raise Damaged(f"version {version} can't be read: {error}") from None
    for warning in lm.warnings:
        logger.warning("model %s: version %s: %s", where.name, version, warning)
    return LiveModel(where.name, version, folder, manifest, info, lm)


def read_manifest(folder: Path) -> dict[str, Any]:
    """A version's manifest; raises Damaged where it is none, or not signed although LM_SIGNING_KEY is set."""
    try:
        content = (folder / MANIFEST).read_bytes()
        if settings.LM_SIGNING_KEY:
            signature = folder / SIGNATURE
            if not signature.is_file() or not hmac.compare_digest(signature.read_bytes(), _sign(content)):
                raise Damaged(f"version {folder.name}: it is not signed with LM_SIGNING_KEY, or was changed since")
        manifest: dict[str, Any] = json.loads(content)
        manifest["recipe"], manifest["files"][INFO], manifest["files"][PICKLE]  # it is of this kind
        if (manifest["model"], manifest["version"]) != (folder.parent.parent.name, folder.name):
            raise Damaged(f"version {folder.name}: its manifest is that of another version")
        return manifest
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise Damaged(f"version {folder.name}: its manifest can't be read: {error!r}") from None


def read_file(folder: Path, manifest: dict[str, Any], file: str) -> bytes:
    """One file of a version; raises Damaged where it is not what training wrote."""
    try:
        content = (folder / file).read_bytes()
    except OSError as error:
        raise Damaged(f"version {folder.name}: {error!r}") from None
    if hashlib.sha256(content).hexdigest() != manifest["files"][file]:
        raise Damaged(f"version {folder.name}: {file} is not what training wrote (its sha256 differs)")
    return content


def _sign(content: bytes) -> bytes:
    return hmac.new(settings.LM_SIGNING_KEY.encode(), content, "sha256").hexdigest().encode()


def _newest_good(where: Path) -> LiveModel | None:
    for version in reversed(versions(where)):
        try:
            return _read(where, version)
        except Damaged as damage:
            logger.error("model %s: %s", where.name, damage)
    return None


def read_info(where: Path, version: str) -> dict[str, Any]:
    """A version's information; raises Damaged where it is not what training wrote."""
    folder = where / "versions" / version
    info: dict[str, Any] = json.loads(read_file(folder, read_manifest(folder), INFO))
    return info


def live_version(where: Path) -> str | None:
    """The name that the pointer holds, or None."""
    try:
        return _read_pointer(where / "live")
    except Damaged:
        return None


def versions(where: Path) -> list[str]:
    """The names of the versions in a model's folder, oldest first."""
    return sorted(path.name for path in (where / "versions").glob("*") if VERSION.fullmatch(path.name))


# Writing


@contextmanager
def only_training(where: Path) -> Iterator[None]:
    """Held while a model's versions change: two trainings don't mix. Raises TrainingError where one is running."""
    with (where / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TrainingError("another training of this model is running; try again when it has ended") from None
        for leftover in [*where.glob(".live-*"), *where.glob("versions/.*")]:
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        yield


def publish(where: Path, contents: dict[str, bytes], facts: dict[str, Any], keep: int) -> str:
    """Write a new version, make it the live one, and remove those beyond the newest `keep`. Returns its name.

    `contents` are its files; `facts` are told in its manifest.
    """
    version = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ")
    hashes = {file: hashlib.sha256(content).hexdigest() for file, content in contents.items()}
    manifest = {"model": where.name, "version": version, **facts, "files": hashes}
    contents = {**contents, MANIFEST: json.dumps(manifest, indent=2, ensure_ascii=False).encode()}
    if settings.LM_SIGNING_KEY:
        contents[SIGNATURE] = _sign(contents[MANIFEST])
    new = where / "versions" / f".new-{version}"
    new.mkdir(parents=True)
    try:
        for file, content in contents.items():
            _write(new / file, content)
        _sync(new)
        new.rename(new.with_name(version))
    except OSError:
        shutil.rmtree(new, ignore_errors=True)
        raise
    _sync(new.parent)
    activate(where, version)
    for old in set(versions(where)[:-keep]) - {version}:  # a clock that was set back may have made it the oldest
        shutil.rmtree((where / "versions" / old).rename(where / "versions" / f".old-{old}"))
    return version


def switch(where: Path, version: str | None) -> str:
    """Make the named version the live one, or the one before the live one; returns its name.

    Raises TrainingError where there is no such version, or it is damaged.
    """
    with only_training(where):
        names = versions(where)
        if version is None:
            earlier = [name for name in names if name < (live_version(where) or "")]
            if not earlier:
                raise TrainingError(f"{where.name}: there is no version before the live one")
            version = earlier[-1]
        if version not in names:
            raise TrainingError(f"{where.name}: there is no version {version!r}; there are: {', '.join(names)}")
        try:
            _read(where, version)
        except Damaged as damage:
            raise TrainingError(f"{where.name}: {damage}; the live version stays") from None
        activate(where, version)
        return version


def activate(where: Path, version: str) -> None:
    """Make a version the live one, at once for every reader."""
    pointer = where / f".live-{version}"
    _write(pointer, f"{version}\n".encode())
    pointer.replace(where / "live")
    _sync(where)


def _write(file: Path, content: bytes) -> None:
    with file.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
