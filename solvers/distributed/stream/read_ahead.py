"""A thread that reads a file ahead of the arithmetic, with plain reads into a few buffers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from threading import Thread
from time import perf_counter

import torch
from torch import Tensor

BUFFERS = 3  # one in use, one read, one being read


class ReadAhead:
    """Pieces of a file in order, each in one of a few buffers that are made once.

    waited: seconds for which whoever used the pieces had to wait for the disk.
    """

    def __init__(self, size: int) -> None:
        """size: bytes of the longest piece."""
        self.buffers = [torch.empty(size, dtype=torch.uint8) for _ in range(BUFFERS)]
        self.waited, self._busy = 0.0, False

    def pieces(
        self, file: int, places: list[tuple[int, int]], check: Callable[[int, Tensor], None]
    ) -> Iterator[Tensor]:
        """The bytes at each (offset, length), valid until the next are asked for; check is called with the number of a
        piece and its bytes, by the thread. What the thread raises is raised here."""
        if self._busy:
            raise RuntimeError("these buffers hold the rows of a pass that has not ended: one at a time")
        self._busy = True
        free, full = SimpleQueue[Tensor | None](), SimpleQueue[tuple[Tensor, Tensor] | BaseException]()
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
                    full.put((buffer, content))
            except BaseException as error:
                full.put(error)

        thread = Thread(target=read, daemon=True, name="read-ahead")
        thread.start()
        try:
            for _ in places:
                began = perf_counter()
                found = full.get()
                self.waited += perf_counter() - began
                if isinstance(found, BaseException):
                    raise found
                buffer, content = found
                yield content
                free.put(buffer)
        finally:
            free.put(None)
            thread.join()
            self._busy = False


def _fill(file: int, content: Tensor, offset: int) -> None:
    """Read until the bytes are full; EOFError where the file ends before."""
    view = memoryview(content.numpy())
    while view:
        done = os.preadv(file, [view], offset)
        if done == 0:
            raise EOFError
        view, offset = view[done:], offset + done
