"""A thread that reads a file ahead of the arithmetic, with plain reads into a few buffers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from threading import Thread
from time import perf_counter

import numpy as np

BUFFERS = 3  # one in use, one read, one being read


class ReadAhead:
    """Pieces of a file in order, each in one of a few buffers that are made once.

    waited: seconds for which whoever used the pieces had to wait for the disk.
    """

    def __init__(self, size: int) -> None:
        """size: bytes of the longest piece."""
        self.buffers = [np.empty(size, np.uint8) for _ in range(BUFFERS)]
        self.waited, self._busy = 0.0, False

    def pieces(
        self, file: int, places: list[tuple[int, int]], check: Callable[[int, np.ndarray], None]
    ) -> Iterator[np.ndarray]:
        """The bytes at each (offset, length), valid until the next are asked for; check is called with the number of a
        piece and its bytes, by the thread. What the thread raises is raised here."""
        if self._busy:
            raise RuntimeError("these buffers hold the rows of a pass that has not ended: one at a time")
        self._busy = True
        free, full = SimpleQueue[np.ndarray | None](), SimpleQueue[np.ndarray | BaseException]()
        for buffer in self.buffers:
            free.put(buffer)

        def read() -> None:
            try:
                for number, (offset, length) in enumerate(places):
                    buffer = free.get()
                    if buffer is None:
                        return
                    content = buffer[:length]
                    _fill(file, content, offset)
                    check(number, content)
                    full.put(content)
            except BaseException as error:
                full.put(error)

        thread = Thread(target=read, daemon=True, name="read-ahead")
        thread.start()
        try:
            for _ in places:
                began = perf_counter()
                content = full.get()
                self.waited += perf_counter() - began
                if isinstance(content, BaseException):
                    raise content
                yield content
                free.put(content.base)
        finally:
            free.put(None)
            thread.join()
            self._busy = False


def _fill(file: int, content: np.ndarray, offset: int) -> None:
    """Read until the bytes are full; EOFError where the file ends before."""
    view = memoryview(content)
    while view:
        done = os.preadv(file, [view], offset)
        if done == 0:
            raise EOFError
        view, offset = view[done:], offset + done
