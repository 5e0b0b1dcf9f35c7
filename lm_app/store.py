"""The models, as files. Training writes here, serving reads here, and they meet nowhere else.

    extra_files/<model>/
        model.toml, <data>.csv           what people write
        live                             the name of the version that is served
        versions/<version>/              what training makes; never changed afterwards
            modelr.pickle                the R lm
            model_info.json
            manifest.json                the sha256 of both

A version is written beside the others and renamed when it is whole; then `live` is replaced, which is
atomic. So a reader sees one whole version, or the one before, and a training that dies leaves only a
folder whose name starts with a dot, which the next one removes.
"""

import fcntl
import hashlib
import json
import logging
import os
import re
import shutil
import threading
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
PICKLE, INFO, MANIFEST = "modelr.pickle", "model_info.json", "manifest.json"


@dataclass(frozen=True, slots=True)
class LiveModel:
    """One version of one model, in memory."""

    name: str
    version: str
    info: dict[str, Any]
    lm: r_engine.Model


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


@dataclass(frozen=True, slots=True)
class _Seen:
    """What was made of a model's files, and how they looked then."""

    files: list[str]
    stamps: list[Stamp]
    model: LiveModel | None


_seen: dict[Path, _Seen] = {}
_reading = threading.Lock()


def live(name: str) -> LiveModel:
    """The version that is live now. Files are read only when they have changed.

    A damaged version is logged, and the last good one goes on: the one in memory, or at start the newest
    on disk. Raises UnknownModel, or NotTrained where there is none.
    """
    where: Path = settings.LM_MODELS_DIR / name
    seen = _seen.get(where)
    if seen is None or seen.stamps != [_stamp(file) for file in seen.files]:
        with _reading:
            if _seen.get(where) is seen:  # else another thread has just read it
                _seen[where] = _look(folder(name), seen.model if seen else None)
            seen = _seen[where]
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
    files = [str(where / "model.toml"), str(pointer)]
    stamps = [_stamp(file) for file in files]  # before reading: a change meanwhile is seen next time
    if stamps[1] is None and last_good is None:
        return _Seen(files, stamps, None)
    try:
        version = _read_pointer(pointer)
        in_version = [str(where / "versions" / version / file) for file in (PICKLE, INFO, MANIFEST)]
        files += in_version
        stamps += [_stamp(file) for file in in_version]
        return _Seen(files, stamps, _read(where, version))
    except Damaged as damage:
        logger.error("model %s: %s", where.name, damage)
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
    try:
        manifest = json.loads((where / "versions" / version / MANIFEST).read_bytes())
        contents = {file: (where / "versions" / version / file).read_bytes() for file in (PICKLE, INFO)}
        for file, content in contents.items():
            if hashlib.sha256(content).hexdigest() != manifest["files"][file]:
                raise Damaged(f"version {version}: {file} is not what training wrote (its sha256 differs)")
        return LiveModel(where.name, version, json.loads(contents[INFO]), r_engine.Model(contents[PICKLE]))
    except (OSError, ValueError, KeyError, TypeError, r_engine.RError) as error:
        raise Damaged(f"version {version} can't be read: {error}") from None


def _newest_good(where: Path) -> LiveModel | None:
    for version in reversed(versions(where)):
        try:
            return _read(where, version)
        except Damaged as damage:
            logger.error("model %s: %s", where.name, damage)
    return None


def versions(where: Path) -> list[str]:
    """The names of the versions in a model's folder, oldest first."""
    return sorted(path.name for path in (where / "versions").glob("*") if VERSION.fullmatch(path.name))


# Writing


@contextmanager
def only_training(where: Path) -> Iterator[None]:
    """Held during a training: two trainings of one model don't mix. Raises TrainingError where one is running."""
    with (where / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TrainingError("another training of this model is running; try again when it has ended") from None
        for leftover in [*where.glob(".live-*"), *where.glob("versions/.new-*")]:
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        yield


def publish(where: Path, pickled: bytes, info: dict[str, Any]) -> Path:
    """Write a new version, and make it the live one. Returns its folder."""
    version = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S.%fZ")
    new = where / "versions" / f".new-{version}"
    new.mkdir(parents=True)
    contents = {PICKLE: pickled, INFO: json.dumps(info, ensure_ascii=False, allow_nan=False).encode()}
    manifest = {"version": version, "files": {k: hashlib.sha256(v).hexdigest() for k, v in contents.items()}}
    contents[MANIFEST] = json.dumps(manifest, indent=2).encode()
    for file, content in contents.items():
        _write(new / file, content)
    _sync(new)
    whole = new.rename(new.with_name(version))
    _sync(whole.parent)
    activate(where, version)
    return whole


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
