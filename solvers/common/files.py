"""Writing a file as a whole: a reader finds the old content or the new, never a part of either."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

PARTIAL = ".partial"  # ends the temporary names, which begin with a dot: what a killed process leaves is found by both


@contextmanager
def written_whole(path: Path) -> Iterator[BinaryIO]:
    """A file to write `path` through: under a temporary name in the same folder, flushed to the disk, then renamed.

    The folder is made where it is not there. If anything is raised in the context, `path` stays as it was and the
    temporary file is removed. Raises OSError for what is no regular file: a rename would replace a device such as
    /dev/null.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}{PARTIAL}")
    try:
        with open(partial, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
