"""Where the data of a version came from, and whether a training would go back to older ones."""

from pathlib import Path
from typing import Any

from lm_app.errors import Damaged
from lm_app.store.folder import ModelFolder
from lm_app.store.version import Version
from lm_app.training.fit import Candidate
from lm_app.training.recipe import sha256


def describe_source(candidate: Candidate, file: Path, own: Path) -> dict[str, Any]:
    """Describe a candidate's data for the manifest; `own_sha256` is of the model's own data file at that time.

    `parts` are there where the data were read in parts.
    """
    return {
        "source": file.name,
        "sha256": candidate.made_from["data_sha256"],
        "rows": rows_of(candidate),
        "own_sha256": candidate.made_from["data_sha256"] if file == own else sha256(own),
        **({"parts": candidate.parts} if candidate.parts else {}),
    }


def rows_of(candidate: Candidate) -> int:
    """Count the rows that were read."""
    info = candidate.trained.info
    rows: int = info["rows"]["read"] if "rows" in info else info["n"]
    return rows


def goes_back(folder: ModelFolder, candidate: Candidate, own: Path) -> str | None:
    """Say so where the model's own data are ones that it had before the live version's data.

    Only the manifests are read, whoever signed them, so that an image's build knows it, too, which has no more of the
    versions.
    """
    try:
        live = folder.live_version()
        manifest = live.manifest(signed=False)
    except Damaged:
        return None
    now = candidate.made_from["data_sha256"]
    if now == manifest["recipe"]["data_sha256"] or now not in _known(folder, live):
        return None
    data = {"source": "another file", "sha256": manifest["recipe"]["data_sha256"], **manifest.get("data", {})}
    rows = f"{data['rows']} rows, " if "rows" in data else ""
    return (
        f"the live version was trained on other data ({rows}sha256 {data['sha256'][:12]}..., from {data['source']}); "
        f"this training would go back to {own.name} ({rows_of(candidate)} rows)"
    )


def _known(folder: ModelFolder, live: Version) -> set[str | None]:
    """Return the sha256 of all data that the model had when the live version was made."""
    known: set[str | None] = set()
    for version in folder.versions():
        try:
            manifest = version.manifest(signed=False)
        except Damaged:
            continue
        if version.name <= live.name:
            known |= {manifest["recipe"]["data_sha256"], manifest.get("data", {}).get("own_sha256")}
    return known - {None}
