"""The files of the prediction log, and their names.

    <LM_PREDICTION_LOG>/<model>/
        20261126T105308.123456Z-4711.jsonl          begun at that time in UTC, by the one process that writes it
        20261126T105308.123456Z-4711.jsonl.gz       the same, where somebody has compressed it
        20261126T105308.123456Z-4711.parquet        the same once closed, with LM_PREDICTION_LOG_FORMAT=parquet
        20261126T105308.123456Z-4711.parquet-4711   what becomes that

JSON lines are whole at any time, but for a file's last one where its process was killed or the disk was full. All other
files are whole from their first moment, but for what becomes one.
"""

import re
from datetime import datetime, timezone
from pathlib import Path

LINES, GZIP, PARQUET = ".jsonl", ".jsonl.gz", ".parquet"
KINDS = (LINES, GZIP, PARQUET)
"""In the order to look for them: while one is made of another, the first is whole."""
NAME = re.compile(r"(\d{8}T\d{6}\.\d{6}Z)-\d+\.(jsonl|jsonl\.gz|parquet|parquet-\d+)", re.ASCII)
TIME = "%Y%m%dT%H%M%S.%fZ"


def now() -> datetime:
    """Look at the clock."""
    return datetime.now(timezone.utc)


def new_file(folder: Path, begun: datetime, process: int) -> Path:
    """Name a new file of JSON lines in a model's folder."""
    return folder / f"{begun.strftime(TIME)}-{process}{LINES}"


def folders(log: Path) -> list[Path]:
    """List the models' folders."""
    return [folder for folder in log.iterdir() if folder.is_dir()]


def stems(folder: Path) -> list[str]:
    """List the names in a model's folder, without their kinds, the oldest first. People may have named some."""
    return sorted({file.name.removesuffix(kind) for kind in KINDS for file in folder.glob(f"[!.]*{kind}")})


def begun_before(folder: Path, moment: datetime) -> list[Path]:
    """List the files in a model's folder that were begun before; nothing that is not the log's."""
    before = moment.strftime(TIME)  # as texts, they are in the order of time
    return [file for file in folder.iterdir() if (match := NAME.fullmatch(file.name)) and match[1] < before]
