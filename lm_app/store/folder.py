"""A model's folder; nothing else knows its layout.

    extra_files/<model>/
        model.toml, <data>.csv                what people write
        live                                  the name of the version that is served
        versions/<version>/                   what a training made; never changed afterwards
        .lock, .live-*, .data-*, versions/.*  a training at work, or what a killed one left behind

There are no links: it works on a network share as well. See docs/decisions/0002-versions-as-folders.md.
"""

import re
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from lm_app.errors import Damaged, TrainingError, UnknownModel
from lm_app.store.files import read_file, reason
from lm_app.store.version import Version

MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
ALLOWED_NAMES = "letters, digits, '-' and '_', at most 64 of them"
VERSION_NAME = re.compile(r"[0-9]{8}T[0-9]{6}\.[0-9]{6}Z")


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """The folder of one model."""

    path: Path

    @classmethod
    def named(cls, name: str) -> "ModelFolder":
        """Find a model's folder; raises UnknownModel where there is none."""
        folder = cls(settings.LM_MODELS_DIR / name)
        if not MODEL_NAME.fullmatch(name) or not folder.toml.is_file():
            raise UnknownModel(name, [folder.name for folder in cls.all()])
        return folder

    @classmethod
    def all(cls) -> list["ModelFolder"]:
        """List the folders of all models, trained or not, sorted by name."""
        paths = (file.parent for file in settings.LM_MODELS_DIR.glob("*/model.toml"))
        return [cls(path) for path in sorted(paths) if MODEL_NAME.fullmatch(path.name)]

    @property
    def name(self) -> str:
        """The model's name."""
        return self.path.name

    @property
    def toml(self) -> Path:
        """The file that says how to train."""
        return self.path / "model.toml"

    @property
    def pointer(self) -> Path:
        """The file that names the live version."""
        return self.path / "live"

    @property
    def lock(self) -> Path:
        """The file that a training locks."""
        return self.path / ".lock"

    def version(self, name: str) -> Version:
        """Make the value of a version, whether it exists or not."""
        return Version(self.name, self.path / "versions" / name, self.pointer)

    def versions(self) -> list[Version]:
        """List the versions, oldest first."""
        names = sorted(path.name for path in (self.path / "versions").glob("*"))
        return [self.version(name) for name in names if VERSION_NAME.fullmatch(name)]

    def leftovers(self) -> list[Path]:
        """List what a killed training left behind."""
        return [*self.path.glob(".live-*"), *self.path.glob(".data-*"), *self.path.glob("versions/.*")]

    def live_version(self) -> Version:
        """Read the pointer; raises Damaged where it names no version."""
        try:
            name = read_file(self.pointer, most=100).decode("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Damaged(f"the file 'live' can't be read: {reason(error)}") from None
        if not VERSION_NAME.fullmatch(name):
            raise Damaged(f"the file 'live' does not hold the name of a version: {name[:50]!r}")
        return self.version(name)


def all_models() -> list[ModelFolder]:
    """List the folders of all models. Raises TrainingError where there is none."""
    folders = ModelFolder.all()
    if not folders:
        why = "no folder in it has a model.toml" if settings.LM_MODELS_DIR.is_dir() else "it does not exist"
        raise TrainingError(f"there are no models in LM_MODELS_DIR, {settings.LM_MODELS_DIR}: {why}")
    return folders


def misnamed_models() -> list[str]:
    """Say which folders are no models because of their names, a line for each; hidden ones are not meant to be."""
    names = sorted(file.parent.name for file in settings.LM_MODELS_DIR.glob("*/model.toml"))
    return [
        f"the folder {name!r} has a model.toml, but can't be a model's name: {ALLOWED_NAMES}; rename it"
        for name in names
        if not MODEL_NAME.fullmatch(name) and not name.startswith(".")
    ]
