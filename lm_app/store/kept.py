"""The version that a request asks for: one that is kept, by its name or a label, or the live one.

It is loaded when it is asked, and verified as the live one is. Each worker has the last few in memory. Where the store
is away, only the live versions go on: nobody knows what is kept.
"""

import threading
from functools import lru_cache

from lm_app.errors import Damaged, Unreachable
from lm_app.store.files import Signature, signature_of
from lm_app.store.live import cache, find_folder, live_model
from lm_app.store.names import LIVE
from lm_app.store.version import MANIFEST, LoadedModel, Version

MOST_IN_MEMORY = 8
"""Of all models together, beside the live versions."""


def kept_model(name: str, asked: str) -> LoadedModel:
    """Return the version of a model that is asked.

    Raises UnknownModel, UnknownVersion, Unreachable, NotTrained where it is the live one, or Damaged.
    """
    if asked == LIVE:
        return live_model(name)
    folder = find_folder(name)
    try:
        while True:
            version = folder.kept_version(asked)
            try:
                return _loaded(version)
            except Damaged:
                if folder.kept_version(asked) == version:
                    raise  # else a label has moved, and the version that it had may be gone
    except OSError:
        raise Unreachable from None


def _loaded(version: Version) -> LoadedModel:
    live = cache.get(version.model)
    if live and live.model and live.model.files == version:
        return live.model
    return _in_memory(version, signature_of(str(version.path / MANIFEST))).load()


class _Kept:
    """A version, loaded by who asks first; others wait for that. What can't be loaded is tried anew."""

    def __init__(self, version: Version) -> None:
        self._version, self._lock = version, threading.Lock()
        self._model: LoadedModel | None = None

    def load(self) -> LoadedModel:
        with self._lock:
            self._model = self._model or self._version.load()
            return self._model


@lru_cache(maxsize=MOST_IN_MEMORY)
def _in_memory(version: Version, manifest: Signature) -> _Kept:
    """Hold a version; by its manifest, too, as one that was replaced is another."""
    return _Kept(version)
