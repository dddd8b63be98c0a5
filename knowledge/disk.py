"""The disk: what was written is brought onto it, and its errors are said in the room's. What files hold, it does not know."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path

from knowledge.base import StorageFailed, StorageFull


def flush(path: Path) -> None:
    """Bring a file, or the names in a folder, onto the disk; a power cut does not harm them from then on."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def told(folder: Path) -> Iterator[None]:
    """Turn the disk's errors into the room's: `StorageFull`, or `StorageFailed` that names the folder."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise StorageFull(f"the disk of {folder} is full; documents already stored stay readable") from error
        raise StorageFailed(f"{folder} cannot be read or written: {error.strerror}") from error
