"""The options of the scripts that work by parts."""

import re
from argparse import ArgumentParser, ArgumentTypeError
from importlib.util import find_spec

INSTALL = "pip install -r contrib/requirements-scale.txt"
PART_BYTES = 16 << 20
UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
LARGEST_PART = 1 << 30


def add_options(parser: ArgumentParser) -> None:
    """Add the options about the cluster and the parts."""
    add = parser.add_argument_group("where and how the parts are worked on; see docs/scale.md").add_argument
    add(
        "--scheduler",
        metavar="ADDRESS",
        help="a Dask cluster elsewhere, such as tls://host:8786 (default: this machine)",
    )
    add("--workers", type=workers, metavar="N", help="processes on this machine (default: one for each core)")
    size_help = "bytes of a part, such as 32M (default: 16M); the statistics' last bits depend on it"
    add("--part-size", type=part_bytes, default=PART_BYTES, metavar="SIZE", help=size_help)


def missing() -> str | None:
    """Tell how to install what is needed, where it is not there."""
    lacking = [name for name in ("distributed", "pyarrow") if not find_spec(name)]
    return f"{' and '.join(lacking)} must be installed for this: {INSTALL}" if lacking else None


def workers(text: str) -> int:
    """Read a number of workers."""
    if not re.fullmatch("[1-9][0-9]{0,3}", text):
        raise ArgumentTypeError(f"{text!r} is no number from 1 to 9999")
    return int(text)


def part_bytes(text: str) -> int:
    """Read the size of a part."""
    match = re.fullmatch("([1-9][0-9]{0,9})([KMG]?)", text)
    size = int(match[1]) * UNITS.get(match[2], 1) if match else 0
    if not UNITS["K"] <= size <= LARGEST_PART:
        raise ArgumentTypeError(f"{text!r} is no size from 1K to 1G, such as 32M")
    return size
