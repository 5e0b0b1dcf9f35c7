"""What is served now: the live version of each model, in memory, loaded anew when its files change."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from lm_app.errors import Damaged, NotTrained, UnknownModel, Unreachable
from lm_app.store.files import Signature, signature_of
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
    entry = _entry(name)
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


class ModelState(NamedTuple):
    """What a model can do now."""

    model: str
    state: Literal["serving", "degraded", "damaged", "untrained"]
    """Degraded: the live version is damaged, and the last good one is served."""
    version: str | None
    """The one that is served."""
    error: str | None
    """What is wrong with the live version, or that nobody knows, as the store is away."""


def model_states() -> list[ModelState]:
    """Tell the state of each model."""
    names = _names_on_disk()
    away = None if names else str(Unreachable())
    states = []
    for name in names or sorted(cache):
        try:
            entry = _entry(name)
        except (UnknownModel, Unreachable):  # it went since it was listed
            continue
        error = str(entry.damage) if entry.damage else away
        if entry.model:
            states.append(ModelState(name, "degraded" if entry.damage else "serving", entry.model.version, error))
        else:
            states.append(ModelState(name, "damaged" if entry.damage else "untrained", None, error))
    return states


def find_folder(name: str) -> ModelFolder:
    """Find a model's folder. Raises UnknownModel, or Unreachable where nobody knows which models there are."""
    try:
        return ModelFolder.named(name)
    except UnknownModel:
        if _names_on_disk():
            raise
    except OSError:
        pass
    raise Unreachable


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
        return any(signature_of(file) != before for file, before in self.signatures.items())

    def pointer_has_changed(self) -> bool:
        """Compare the pointer's signature."""
        return signature_of(self.pointer) != self.pointer_signature


cache: dict[str, CacheEntry] = {}
_loading: dict[str, threading.Lock] = {}  # one for each model: loading one holds up no other


def _entry(name: str) -> CacheEntry:
    entry = cache.get(name)
    if entry is None or entry.has_changed():
        entry = _reload(name, entry)
    return entry


def _reload(name: str, entry: CacheEntry | None) -> CacheEntry:
    """Load the live version; while another thread is at that, the one in memory goes on."""
    try:
        folder = find_folder(name)
    except UnknownModel:
        cache.pop(name, None)
        raise
    except Unreachable:
        if entry is None:
            raise
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


def _load(folder: ModelFolder, last_good: LoadedModel | None) -> CacheEntry:
    pointer = str(folder.pointer)
    while True:
        version = None
        entry = CacheEntry(pointer, signature_of(pointer))
        if entry.pointer_signature is None and last_good is None and not folder.versions():
            return entry  # not trained yet
        try:
            version = folder.live_version()
            files = [str(version.path / file) for file in (PICKLE, INFO, MANIFEST, SIGNATURE)]
            entry.signatures = {file: signature_of(file) for file in files}
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
