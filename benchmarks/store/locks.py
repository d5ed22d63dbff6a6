"""Who measures what: a claim is a lock on one byte of a file, and ends with its process however that ends."""

from __future__ import annotations

import fcntl
from pathlib import Path
from types import TracebackType

NAME = ".claims"
PRESENCE, RUNS = 0, 1  # the byte that all who are at work share, and the first of those that stand for runs


class Claims:
    """The claims of this process on the runs of a folder; a context in which it is known to be at work there.

    POSIX record locks: nothing is written, nothing is left over, and file systems over a network know them too. Where
    locks are not to be had every claim is granted: a run may then be measured twice, and is still stored whole.
    """

    def __init__(self, folder: Path) -> None:
        self._file = open(folder / NAME, "a+b")

    def __enter__(self) -> Claims:
        self._lock(PRESENCE, fcntl.LOCK_SH)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()  # which ends every lock

    def alone(self) -> bool:
        """Whether no other process is at work in the folder."""
        alone = self.close_the_door()
        self._lock(PRESENCE, fcntl.LOCK_SH)
        return alone

    def close_the_door(self) -> bool:
        """Be alone in the folder until the end, if nobody else is there now: who comes later waits."""
        return self._lock(PRESENCE, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def take(self, key: str) -> bool:
        """Claim a run; False where another process has it."""
        return self._lock(_byte(key), fcntl.LOCK_EX | fcntl.LOCK_NB)

    def wait(self, key: str) -> None:
        """Claim a run, when the process that has it is done with it or gone. Who waits disturbs nobody."""
        self._lock(PRESENCE, fcntl.LOCK_UN)
        self._lock(_byte(key), fcntl.LOCK_EX)
        self._lock(PRESENCE, fcntl.LOCK_SH)

    def release(self, key: str) -> None:
        self._lock(_byte(key), fcntl.LOCK_UN)

    def _lock(self, byte: int, how: int) -> bool:
        try:
            fcntl.lockf(self._file, how, 1, byte)
        except (BlockingIOError, PermissionError):  # EAGAIN or EACCES: another process has it
            return False
        except OSError:  # no locks on this file system
            return True
        return True


def _byte(key: str) -> int:
    return RUNS + int(key, 16) % 2**62
