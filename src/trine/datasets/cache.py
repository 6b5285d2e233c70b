"""The cache folder, for files that can be made again, and clear messages for errors of its disk."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trine.errors import DataError
from trine.extras import installed

FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""Numbers of the errors of a full disk."""


def cache_dir() -> Path:
    """The cache folder: the environment variable TRINE_CACHE, else the user's cache folder."""
    if named := os.environ.get("TRINE_CACHE"):
        return Path(named)
    with installed():
        from platformdirs import user_cache_path

    return user_cache_path("trine")


@contextmanager
def disk_errors(root: Path) -> Iterator[None]:
    """Turn an `OSError` below `root` into a `DataError` that says what to do."""
    try:
        yield
    except OSError as error:
        if error.errno in FULL:
            raise DataError(f"{root}: the disk is full: free some space, or set TRINE_CACHE to another disk") from None
        if error.filename is not None and not Path(os.fsdecode(error.filename)).is_relative_to(root):
            raise DataError(
                f"{os.fsdecode(error.filename)}: cannot be read ({error.strerror}): give a file that is readable"
            ) from None
        raise DataError(
            f"{root}: the cache cannot be written ({error.strerror or error}): set TRINE_CACHE to a folder that can"
        ) from None
