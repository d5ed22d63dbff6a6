"""Processes that share the rows of one problem: started once, and asked for one measurement after another."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from typing import Any

from datasets.folders import IMPORTED_FROM

from .network import INTERFACE

GRACE = 1.0  # seconds in which a process that failed ends, before it is said who failed


class TeamError(RuntimeError):
    """One sentence: which process failed, and how."""


class Team:
    """A context. processes: how many. block, copies, d: of the rows of each (rank.py). inside: the two network
    namespaces in which they run in turns, or none."""

    def __init__(self, processes: int, block: int, copies: int, d: int, inside: tuple[str, str] | None = None) -> None:
        self.processes, self.rows, self.inside = processes, {"block": block, "copies": copies, "d": d}, inside
        self.ranks: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Team:
        self.folder = tempfile.TemporaryDirectory(prefix="hessbench-")
        variables = {"OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": INTERFACE if self.inside else "lo"}
        path = os.pathsep.join(filter(None, [str(IMPORTED_FROM), os.environ.get("PYTHONPATH", "")]))
        meeting = os.path.join(self.folder.name, "meeting")
        for rank in range(self.processes):
            settings = json.dumps({"rank": rank, "size": self.processes, "meeting": meeting} | self.rows)
            place = ["ip", "netns", "exec", self.inside[rank % 2]] if self.inside else []
            command = [*place, sys.executable, "-m", f"{__package__}.rank", settings]
            self.ranks.append(
                subprocess.Popen(
                    command, cwd=IMPORTED_FROM, env=os.environ | variables | {"PYTHONPATH": path}, text=True,
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                    start_new_session=True,  # Ctrl-C is for the command, which ends them
                )
            )  # fmt: skip
        return self

    def __exit__(self, *raised: object) -> None:
        for rank in self.ranks:
            rank.kill()
        for rank in self.ranks:
            rank.wait()
            rank.stdin.close()
            rank.stdout.close()
        self.folder.cleanup()

    def ready(self) -> None:
        """Wait until all have their rows. Raises TeamError."""
        self._answers()

    def ask(self, what: str, **arguments: Any) -> list[dict[str, Any]]:
        """The answers of all, in the order of their ranks. Raises TeamError."""
        line = json.dumps({"do": what} | arguments) + "\n"
        try:
            for rank in self.ranks:
                rank.stdin.write(line)
                rank.stdin.flush()
        except OSError:
            pass  # one has ended, which the answers show
        return self._answers()

    def _answers(self) -> list[dict[str, Any]]:
        found = []
        for rank in self.ranks:
            line = rank.stdout.readline()
            found.append(json.loads(line) if line else {"error": ""})
            if "error" in found[-1]:
                raise TeamError(self._why(len(found) - 1, found[-1]["error"]))
        return found

    def _why(self, rank: int, error: str) -> str:
        """Which process failed first: one that was killed, before one that misses it."""
        for other, process in enumerate(self.ranks):
            try:
                code = process.wait(GRACE)
            except subprocess.TimeoutExpired:
                continue
            if code:
                how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
                return f"process {other} of {self.processes} was ended by {how}"
        return f"process {rank} of {self.processes} failed: {error}"
