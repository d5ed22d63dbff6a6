"""Questions for a worker, in a file that imports nothing heavy: its process imports this file alone."""

from __future__ import annotations

import os
import threading


def obey(name: str) -> str | int:
    """hang: never answers. pid: of the process. die: no answer. die later: answers, and dies a moment afterwards."""
    while name == "hang":
        pass
    if name == "die":
        os._exit(3)
    if name == "die later":
        threading.Timer(0.2, os._exit, [3]).start()
    return os.getpid() if name == "pid" else name


def fail_to_start() -> None:
    raise ImportError("no such library")


def wait_forever(folder: str) -> None:
    """Tell the process of a worker, and then keep that worker at a question without end."""
    from pathlib import Path

    from benchmarks.runner.worker import Worker

    with Worker(obey) as worker:
        (Path(folder) / "pid").write_text(str(worker.ask("pid", seconds=60)))
        worker.ask("hang", seconds=600)
