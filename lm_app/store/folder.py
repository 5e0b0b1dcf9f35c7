"""A model's folder; nothing else knows its layout.

    extra_files/<model>/
        model.toml, <data>.csv                what people write
        live                                  the name of the version that is served
        labels/<label>                        the name of the version that is called so, too
        versions/<version>/                   what a training made; never changed afterwards
        .lock, .live-*, .data-*, labels/.*, versions/.*
                                              a training at work, or what a killed one left behind

There are no links: it works on a network share as well. See docs/decisions/0002-versions-as-folders.md.
"""

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from lm_app.errors import Damaged, NotTrained, TrainingError, UnknownModel, UnknownVersion
from lm_app.store.files import read_file, reason
from lm_app.store.names import ALLOWED_NAMES, LIVE, MODEL_NAME, VERSION_NAME, is_label
from lm_app.store.version import LoadedModel, Version


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
        return self.path / LIVE

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
        patterns = ".live-*", ".data-*", "labels/.*", "versions/.*"
        return [path for pattern in patterns for path in self.path.glob(pattern)]

    def live_version(self) -> Version:
        """Read the pointer; raises Damaged where it names no version."""
        return self._version_in(self.pointer)

    def is_live(self, version: Version) -> bool:
        """Does the pointer name this version?"""
        with suppress(Damaged):
            return version == self.live_version()
        return False

    def label(self, name: str) -> Path:
        """Name the file of a label, whether it exists or not."""
        return self.path / "labels" / name

    def labels(self) -> list[str]:
        """List the labels."""
        return sorted(path.name for path in (self.path / "labels").glob("*") if is_label(path.name))

    def labelled(self, label: str) -> Version:
        """Read a label; raises Damaged where it names no version that is kept."""
        version = self._version_in(self.label(label))
        if not version.path.is_dir():
            remedy = f"python manage.py runscript versions_lm --script-args {self.name} --label {label}=VERSION"
            raise Damaged(f"label {label!r} is that of version {version.name}, which is not there; move it: {remedy}")
        return version

    def labels_of(self, version: Version) -> list[str]:
        """List the labels of a version."""
        return [label for label in self.labels() if self._has(label, version)]

    def kept_version(self, name: str) -> Version:
        """Find a version by its name or a label; raises UnknownVersion, or Damaged where the label names none."""
        if is_label(name) and self.label(name).exists():
            return self.labelled(name)
        if VERSION_NAME.fullmatch(name) and (version := self.version(name)).path.is_dir():
            return version
        names = [version.name for version in reversed(self.versions())]
        raise UnknownVersion(name, [LIVE, *self.labels(), *names] if names else [])

    def _has(self, label: str, version: Version) -> bool:
        with suppress(Damaged):
            return self.labelled(label) == version
        return False

    def _version_in(self, file: Path) -> Version:
        """Read a file that names a version."""
        try:
            name = read_file(file, most=100).decode("ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise Damaged(f"the file {file.name!r} can't be read: {reason(error)}") from None
        if not VERSION_NAME.fullmatch(name):
            raise Damaged(f"the file {file.name!r} does not hold the name of a version: {name[:50]!r}")
        return self.version(name)


def load_live_version(name: str) -> LoadedModel:
    """Load a model's live version, which has to be whole. Raises UnknownModel, NotTrained."""
    try:
        return ModelFolder.named(name).live_version().load()
    except Damaged as damage:
        raise NotTrained(name, damage) from None


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
