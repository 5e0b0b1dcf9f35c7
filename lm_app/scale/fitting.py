"""Fit an lm to data of any size, in passes over their parts."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pyarrow import types

from lm_app.engine import parts
from lm_app.engine.lm import Trained
from lm_app.engine.runtime import Console
from lm_app.errors import Fault, RError
from lm_app.scale.cluster import Engine
from lm_app.scale.pieces import Piece, digest, read_piece, rows_before

PASSES = {
    "levels": "levels",
    "scan": "columns",
    "learn": "polynomials and splines",
    "knots": "knots",
    "qr": "fit",
    "rest": "residuals",
    "gather": "quartiles",
}
"""What people are told of a pass of lm_app/R/parts.R."""


@dataclass(frozen=True)
class Part(Piece):
    """A piece, and how many rows of all parts before it are read, used and counted."""

    rows_before: Mapping[str, float] = field(default_factory=dict)


def fit(engine: Engine, pieces: Sequence[Piece], drawing: Mapping[str, Any], console: Console, **asked: Any) -> Trained:
    """Fit an lm; `drawing` and `asked` are the arguments of finish() and plan() in lm_app/engine/parts.py.

    Raises RError, Fault or TrainingError with one line.
    """
    plan = parts.plan(list(pieces[0].columns), **asked)
    while plan.pass_name != parts.DONE:
        before = parts.rows_before(plan, len(pieces))
        placed = [Part(**vars(piece), rows_before=rows) for piece, rows in zip(pieces, before, strict=True)]
        merged = engine.reduce(do_part, merge, plan.sent, placed, PASSES[plan.pass_name])
        plan = parts.go_on(plan, merged, console)
    return parts.finish(plan, console, **drawing)


def describe(engine: Engine, pieces: Sequence[Piece], part_bytes: int) -> dict[str, Any]:
    """Describe data for the manifest: their parts, and files with their sizes and hashes. Raises Fault.

    The sha256 of a file in one part is its own, and else that of its parts' in a row; that of all data is of its
    files' in a row.
    """
    hashes: dict[str, list[str]] = {}
    for piece, sha256 in zip(pieces, engine.map(_digest, None, pieces, "hashes"), strict=True):
        hashes.setdefault(piece.path, []).append(sha256)
    sizes = {piece.path: piece.size for piece in pieces}
    joined = {path: _joined(of_parts) for path, of_parts in hashes.items()}
    files = [
        {"name": Path(path).name, "bytes": sizes[path], "parts": len(of_parts), "sha256": joined[path]}
        for path, of_parts in hashes.items()
    ]
    return {"sha256": _joined([*joined.values()]), "number": len(pieces), "part_size": part_bytes, "files": files}


def _joined(hashes: Sequence[str]) -> str:
    return hashes[0] if len(hashes) == 1 else hashlib.sha256("\n".join(hashes).encode()).hexdigest()


# What runs in a worker.


def _digest(_: None, piece: Piece) -> str:
    return digest(piece)


def do_part(sent: parts.Sent, part: Piece) -> bytes:
    """Do one part of a pass. Raises Fault with one line that names the file's row."""
    assert isinstance(part, Part)  # noqa: S101
    table = read_piece(part, sent.used)
    # CSV does not tell integers from other numbers
    whole = frozenset(name for name in sent.used if part.format or types.is_integer(table[name].type))
    try:
        return parts.do_part(sent, part.path, part.before, part.rows_before, table, whole)
    except RError:
        before = rows_before(part)
    try:
        return parts.do_part(sent, part.path, before, part.rows_before, table, whole)
    except RError as error:
        raise Fault(str(error)) from None


def merge(sent: parts.Sent, *values: bytes) -> bytes:
    """Merge the values of parts, in their order."""
    return parts.merge(sent, *values)
