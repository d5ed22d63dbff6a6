"""Which process measures which run: a lock on one byte of a file, which ends with its process however that ends."""

from __future__ import annotations

import fcntl
from pathlib import Path
from types import TracebackType

NAME = ".claims"
PRESENCE, RUNS = 0, 1  # the byte that all processes at work share, and the first of the bytes that stand for runs


class Locks:
    """The locks of this process on the runs of a folder; a context in which others see that it is at work there.

    POSIX record locks: nothing is written, nothing is left over, and network file systems support them too. Where there
    are no locks, every one is granted: a run may then be measured twice, and is still stored as a whole.
    """

    def __init__(self, folder: Path) -> None:
        self._file = open(folder / NAME, "a+b")

    def __enter__(self) -> Locks:
        self._lock(PRESENCE, fcntl.LOCK_SH)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()  # which releases every lock

    def alone(self) -> bool:
        """Whether no other process is at work in the folder."""
        alone = self.exclude_others()
        self._lock(PRESENCE, fcntl.LOCK_SH)
        return alone

    def exclude_others(self) -> bool:
        """Make other processes wait until the end of the context; False if one is at work there now."""
        return self._lock(PRESENCE, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def take(self, key: str) -> bool:
        """Lock a run; False where another process holds it."""
        return self._lock(_byte(key), fcntl.LOCK_EX | fcntl.LOCK_NB)

    def wait(self, key: str) -> None:
        """Lock a run when the process that holds it lets go or ends. A process that waits disturbs no measurement."""
        self._lock(PRESENCE, fcntl.LOCK_UN)
        self._lock(_byte(key), fcntl.LOCK_EX)
        self._lock(PRESENCE, fcntl.LOCK_SH)

    def release(self, key: str) -> None:
        self._lock(_byte(key), fcntl.LOCK_UN)

    def _lock(self, byte: int, how: int) -> bool:
        try:
            fcntl.lockf(self._file, how, 1, byte)
        except (BlockingIOError, PermissionError):  # EAGAIN or EACCES: another process holds it
            return False
        except OSError:  # no locks on this file system
            return True
        return True


def _byte(key: str) -> int:
    return RUNS + int(key, 16) % 2**62
