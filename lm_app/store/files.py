"""Read a file of the store, whatever lies there: nothing waits for it, and nothing takes more memory than it may."""

import errno
import os
import stat
from pathlib import Path

MAX_BYTES = 256 * 1024 * 1024
Signature = tuple[int, int, int] | None
"""Modification time, size and inode; None where there is no such file."""


def read_file(file: Path, most: int = MAX_BYTES) -> bytes:
    """Read a regular file of at most so many bytes; raises OSError where it is anything else."""
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK)  # else a named pipe waits for its writer
    with open(descriptor, "rb") as stream:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(f"{file.name} is no regular file")
        if status.st_size > most:
            raise OSError(f"{file.name} has {status.st_size} bytes; at most {most} are read")
        return stream.read(most)


def signature_of(file: str) -> Signature:
    """Take a file's signature: another one means that the file has changed."""
    try:
        status = os.stat(file)
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def reason(error: Exception) -> str:
    """Say why a file can't be read, without its path: clients see that, too."""
    if not isinstance(error, OSError):
        return repr(error)
    remedy = f"; let user {os.getuid()}, as whom this runs, read it" if error.errno == errno.EACCES else ""
    return f"{error.strerror or error}{remedy}"
