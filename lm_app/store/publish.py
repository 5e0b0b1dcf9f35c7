"""Change what is live: publish a new version, or activate one that is kept; and which labels versions have.

A version is written beside the others and renamed when it is whole; then the pointer is replaced, which is atomic.
So a reader sees one whole version or the one before, and a training that dies leaves only files whose names start
with a dot, which the next one removes.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from lm_app.errors import Damaged, TrainingError
from lm_app.store.folder import ModelFolder
from lm_app.store.names import ALLOWED_LABELS, LIVE, is_label, version_name
from lm_app.store.signature import sign
from lm_app.store.version import MANIFEST, SIGNATURE, Version, sync, write


@contextmanager
def locked(folder: ModelFolder) -> Iterator[None]:
    """Hold the lock under which a model's versions change. Raises TrainingError where another process holds it."""
    with folder.lock.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise TrainingError("another training of this model is running; try again when it has ended") from None
        for leftover in folder.leftovers():
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
        yield


def publish(
    folder: ModelFolder, contents: dict[str, bytes], metadata: dict[str, Any], now: datetime, keep: int
) -> Version:
    """Write a new version, make it the live one, and remove those beyond the newest `keep` that have no label.

    `contents` are its files; `metadata` stand in its manifest; `now`, in UTC, becomes its name. Raises OSError, or
    TrainingError where it can't be signed and has to be; then nothing has changed.
    """
    version = folder.version(version_name(now))
    hashes = {file: hashlib.sha256(content).hexdigest() for file, content in contents.items()}
    manifest = {"model": folder.name, "version": version.name, **metadata, "files": hashes}
    contents = {**contents, MANIFEST: json.dumps(manifest, indent=2, ensure_ascii=False).encode()}
    if settings.LM_SIGNING_KEY:
        contents[SIGNATURE] = sign(contents[MANIFEST], settings.LM_SIGNING_KEY)
    elif settings.LM_VERIFY_KEYS:
        raise TrainingError("LM_SIGNING_KEY is not set: with LM_VERIFY_KEY, servers refuse what is not signed")
    new = version.path.with_name(f".new-{version.name}")
    new.mkdir(parents=True)
    try:
        for file, content in contents.items():
            write(new / file, content)
        sync(new)
        new.rename(version.path)
    except OSError:
        shutil.rmtree(new, ignore_errors=True)
        raise
    sync(version.path.parent)
    version.activate()
    for old in _superfluous(folder, keep):
        if old != version:  # a clock that was set back may have made it the oldest
            shutil.rmtree(old.path.rename(old.path.with_name(f".old-{old.name}")))
    return version


def _superfluous(folder: ModelFolder, keep: int) -> list[Version]:
    """List the old versions that have no label; none where a label can't be read, as it may be that of any."""
    try:
        labelled = [folder.labelled(label) for label in folder.labels()]
    except Damaged:
        return []
    return [version for version in folder.versions()[:-keep] if version not in labelled]


def replace_data(folder: ModelFolder, file: Path, own: Path) -> None:
    """Replace the model's own data file by another, at once for every reader. Raises OSError."""
    new = folder.path / f".data-{own.name}"
    shutil.copyfile(file, new)
    with new.open("rb") as stream:
        os.fsync(stream.fileno())
    new.replace(own)
    sync(folder.path)


def activate(folder: ModelFolder, prefix: str) -> Version:
    """Make live the version whose name begins so.

    Raises TrainingError where there is none, or more than one, or it is damaged.
    """
    with locked(folder):
        version = _found(folder, prefix)
        version.activate()
        return version


def roll_back(folder: ModelFolder) -> Version:
    """Make the version before the live one the live one. Raises TrainingError where there is none."""
    with locked(folder):
        try:
            earlier = [version.name for version in folder.versions() if version.name < folder.live_version().name]
        except Damaged:
            earlier = []
        if not earlier:
            raise TrainingError(f"{folder.name}: there is no version before the live one")
        version = _whole(folder.version(earlier[-1]))
        version.activate()
        return version


def label(folder: ModelFolder, name: str, prefix: str) -> Version:
    """Give a label to the version whose name begins so, or to the live one, `live`; at once for every reader.

    Raises TrainingError where the label can't be called so, and as activate() does.
    """
    if not is_label(name):
        raise TrainingError(f"{folder.name}: a label can't be {name!r}: {ALLOWED_LABELS}")
    with locked(folder):
        version = _found(folder, prefix)
        file = folder.label(name)
        file.parent.mkdir(exist_ok=True)
        version.name_in(file)
        return version


def remove_label(folder: ModelFolder, name: str) -> None:
    """Remove a label, whatever it names. Raises TrainingError where there is none."""
    with locked(folder):
        labels = folder.labels()
        if name not in labels:
            raise TrainingError(f"{folder.name}: there is no label {name!r}; there are: {', '.join(labels) or 'none'}")
        folder.label(name).unlink()


def _found(folder: ModelFolder, prefix: str) -> Version:
    """Find the version whose name begins so, or the live one; raises TrainingError, also where it is damaged."""
    if prefix == LIVE:
        try:
            return _whole(folder.live_version())
        except Damaged as damage:
            raise TrainingError(f"{folder.name}: {damage}") from None
    names = [version.name for version in folder.versions()]
    found = [name for name in names if prefix and name.startswith(prefix)]
    if len(found) != 1:
        which = "more than one version begins with" if found else "there is no version"
        raise TrainingError(f"{folder.name}: {which} {prefix!r}; there are: {', '.join(found or names)}")
    return _whole(folder.version(found[0]))


def _whole(version: Version) -> Version:
    try:
        version.load()
    except Damaged as damage:
        raise TrainingError(f"{version.model}: {damage}; nothing has changed") from None
    return version
