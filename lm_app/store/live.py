"""What is served now: the live version of each model, in memory, loaded anew when its files change."""

import logging
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from lm_app.errors import Damaged, NotTrained, UnknownModel, Unreachable
from lm_app.store.folder import ModelFolder
from lm_app.store.version import INFO, MANIFEST, PICKLE, SIGNATURE, LoadedModel, Version

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_CHECKS = 1.0
on_load: list[Callable[[str, bool], None]] = []
"""What is called with each model whose live version was read, and whether it is damaged."""


def live_model(name: str) -> LoadedModel:
    """Return the live version of a model.

    Where it is damaged, that is logged, and the last good one goes on: the one in memory, or at start the newest
    on disk. Where the store is away, those in memory go on. Raises UnknownModel, NotTrained or Unreachable.
    """
    entry = cache.get(name)
    if entry is None or entry.has_changed():
        entry = _reload(name, entry)
    if entry.model is None:
        raise NotTrained(name, entry.damage)
    return entry.model


def live_models() -> dict[str, LoadedModel | None]:
    """Return all models by name, with the live version, or None where there is none."""

    def live_or_none(name: str) -> LoadedModel | None:
        try:
            return live_model(name)
        except (NotTrained, UnknownModel, Unreachable):  # the latter where it went since it was listed
            return None

    return {name: live_or_none(name) for name in _names_on_disk() or sorted(cache)}


Signature = tuple[int, int, int] | None
"""Modification time, size and inode; None where there is no such file."""


@dataclass(slots=True)
class CacheEntry:
    """A loaded model, and the signatures of the files that it came from, taken before they were read."""

    pointer: str
    pointer_signature: Signature
    signatures: dict[str, Signature] = field(default_factory=dict)
    model: LoadedModel | None = None
    damage: Damaged | None = None
    next_check: float = 0.0

    def has_changed(self) -> bool:
        """Compare the signatures: the pointer's at each call, those of the other files once a second."""
        if self.pointer_has_changed():
            return True
        now = time.monotonic()
        if now < self.next_check:
            return False
        self.next_check = now + SECONDS_BETWEEN_CHECKS
        return any(_signature(file) != before for file, before in self.signatures.items())

    def pointer_has_changed(self) -> bool:
        """Compare the pointer's signature."""
        return _signature(self.pointer) != self.pointer_signature


cache: dict[str, CacheEntry] = {}
_loading: dict[str, threading.Lock] = {}  # one for each model: loading one holds up no other


def _reload(name: str, entry: CacheEntry | None) -> CacheEntry:
    """Load the live version; while another thread is at that, the one in memory goes on."""
    try:
        folder = ModelFolder.named(name)
    except (UnknownModel, OSError) as error:
        if isinstance(error, UnknownModel) and _names_on_disk():
            cache.pop(name, None)
            raise
        if entry is None:
            raise Unreachable from None
        logger.warning("model %s: LM_MODELS_DIR can't be reached; what is in memory goes on", name)
        return entry
    lock = _loading.setdefault(name, threading.Lock())
    if entry and entry.model:
        if not lock.acquire(blocking=False):
            return entry
    else:
        lock.acquire()
    try:
        loaded = cache.get(name)
        if loaded is entry or loaded is None:  # else another thread has just loaded it
            loaded = cache[name] = _load(folder, entry.model if entry else None)
            if loaded.model or loaded.damage:  # else there is no version yet
                for tell in on_load:
                    tell(name, loaded.damage is not None)
        return loaded
    finally:
        lock.release()


def _names_on_disk() -> list[str]:
    """List the models; none where the store is away: an unmounted share leaves an empty folder, or errors."""
    try:
        return [folder.name for folder in ModelFolder.all()]
    except OSError:
        return []


def _signature(file: str) -> Signature:
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _load(folder: ModelFolder, last_good: LoadedModel | None) -> CacheEntry:
    pointer = str(folder.pointer)
    while True:
        version = None
        entry = CacheEntry(pointer, _signature(pointer))
        if entry.pointer_signature is None and last_good is None and not folder.versions():
            return entry  # not trained yet
        try:
            version = folder.live_version()
            files = [str(version.path / file) for file in (PICKLE, INFO, MANIFEST, SIGNATURE)]
            entry.signatures = {file: _signature(file) for file in files}
            entry.model = version.load()
            for warning in entry.model.lm.warnings:
                logger.warning("model %s: version %s: %s", folder.name, version.name, warning)
            return entry
        except Damaged as damage:
            if entry.pointer_has_changed():
                continue  # the version that it named may have been removed since
            entry.damage = damage
            logger.error("model %s: %s", folder.name, damage)
        entry.model = last_good or _newest_good(folder, version)
        if entry.model:
            logger.error("model %s: version %s is served instead", folder.name, entry.model.version)
        return entry


def _newest_good(folder: ModelFolder, damaged: Version | None) -> LoadedModel | None:
    for version in reversed(folder.versions()):
        if version == damaged:
            continue
        try:
            return version.load()
        except Damaged as damage:
            logger.error("model %s: %s", folder.name, damage)
    return None
