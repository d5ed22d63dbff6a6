"""Which process failed: each tells the store how far it is, and those that are left read that."""

from __future__ import annotations

import threading
import time
from typing import Any

BEAT = 0.5  # seconds between two messages of a process
GONE = 3.0  # without a message for so long a process has ended, or is stopped
POLL = 0.02  # seconds between two looks at what another process tells
LATE = 1.0  # for others to say that they failed, before a failure is explained


class RankError(RuntimeError):
    """Another process of the group ended, raised or did not come."""


class Watch:
    """Tell a store, beat by beat, that this process lives and how many collectives it has begun; a context manager.

    A thread writes, so that a process is heard while it computes; a process that is stopped, killed or out of memory is
    not. `why` reads what the others wrote. store: a torch.distributed store, which must outlive the processes (torchrun
    keeps it in its agent).
    """

    def __init__(self, store: Any, rank: int, size: int) -> None:
        self.store, self.rank, self.size = store.clone() if hasattr(store, "clone") else store, rank, size
        self.reached, self._over = 0, threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)

    def __enter__(self) -> Watch:
        global _watch
        _watch = self
        self._write()
        self._thread.start()
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        global _watch
        _watch = None
        self._over.set()
        if isinstance(error, Exception):
            self.failed(error)

    def failed(self, error: Exception) -> None:
        """Tell the others why this process is about to end: who failed first, by what is known here."""
        known = isinstance(error, RankError)
        words = str(error) if known else f"rank {self.rank} failed: {type(error).__name__}: {_line(error)}"[:300]
        if not self.said():
            self._set("failed", words)

    def why(self, error: BaseException | None = None) -> str:
        """Which process failed, in one sentence; empty where none has and there is no error."""
        time.sleep(LATE)
        before = self._beats()
        if before is None:
            return f"the process that keeps the store has ended ({_line(error)})"
        if words := self.said():
            return words
        time.sleep(GONE)
        after = self._beats() or before
        silent = [rank for rank in range(self.size) if rank != self.rank and after[rank][0] == before[rank][0]]
        if silent:
            return f"rank {silent[0]} has ended or hangs: nothing was heard of it for {GONE:g} s"
        if error is None:
            return ""
        behind = min(range(self.size), key=lambda rank: after[rank][1])
        if after[behind][1] < self.reached:
            return (
                f"rank {behind} did not come to collective {self.reached} in time: it is busy with what follows "
                f"collective {after[behind][1]}, or hangs"
            )
        return f"a collective failed, and no rank says why: {_line(error)}"

    def said(self) -> str:
        """What the first process that failed, or saw another fail, told the others; empty where none did."""
        try:
            return self.store.get("failed").decode() if self.store.check(["failed"]) else ""
        except Exception:  # the process that keeps the store has ended
            return ""

    def tell(self, key: str, words: str) -> None:
        """Leave words for the other processes."""
        self.store.set(key, words)

    def wait_for(self, key: str, teller: int = 0) -> str:
        """What another process tells, however long it computes; RankError where it ends, or is stopped."""
        heard, since = "", time.monotonic()
        while not self.store.check([key]):
            if words := self.said():
                raise RankError(words)
            beat = self.store.get(f"beat/{teller}").decode()
            if beat != heard:
                heard, since = beat, time.monotonic()
            elif time.monotonic() - since > GONE:
                raise RankError(f"rank {teller} has ended or hangs: nothing was heard of it for {GONE:g} s")
            time.sleep(POLL)
        return self.store.get(key).decode()

    def _beat(self) -> None:
        while not self._over.wait(BEAT):
            self._write()

    def _write(self) -> None:
        self._set(f"beat/{self.rank}", f"{time.monotonic()} {self.reached}")

    def _set(self, key: str, words: str) -> None:
        try:
            self.store.set(key, words)
        except Exception:  # the process that keeps it has ended: the next collective says so
            self._over.set()

    def _beats(self) -> list[tuple[str, int]] | None:
        """Of each rank, its last message and the collective it had reached; None without a store."""
        try:
            found = [self.store.get(f"beat/{rank}").decode().split() for rank in range(self.size)]
        except Exception:
            return None
        return [(beat, int(count)) for beat, count in found]


_watch: Watch | None = None


def reached() -> None:
    """This process begins its next collective."""
    if _watch is not None:
        _watch.reached += 1


def why_failed(error: Exception) -> RankError:
    """What to raise where a collective failed."""
    if _watch is None:
        return RankError(f"another process ended or hangs: {_line(error)}")
    return RankError(_watch.why(error))


def _line(error: BaseException | None) -> str:
    words = str(error or "").strip().splitlines()
    return words[0] if words else type(error).__name__
