"""What tests have workers do with parts."""

import os
import signal
import time
from pathlib import Path

from lm_app.errors import Fault
from lm_app.scale.pieces import Piece, read_piece


def rows(job: str, piece: Piece) -> int:
    return int(read_piece(piece, None).num_rows)


def named(job: str, piece: Piece) -> str:
    return f"{job}{piece.number}"


def joined(job: str, *texts: str) -> str:
    """A text that shows the tree."""
    return f"({' '.join(texts)})"


def not_the_third(job: str, piece: Piece) -> str:
    """Tell each call in a file; the third part has a fault."""
    with open(job, "a") as calls:
        calls.write(f"{piece.number}\n")
    if piece.number == 2:
        raise Fault(f"part {piece.number} is wrong")
    return ""


def not_joined(job: str, *texts: str) -> str:
    raise Fault("they do not fit together")


def killed_once(job: str, piece: Piece) -> int:
    """The worker of the third part is killed, as by kill -9, when it is first tried."""
    if piece.number == 2 and not Path(job).exists():
        Path(job).touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return rows(job, piece)


def killed_always(job: str, piece: Piece) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def slow(job: str, piece: Piece) -> None:
    Path(job).touch()
    time.sleep(60)
