"""A verb in each of the processes that torchrun started: one that fails ends all of them, with one sentence."""

from __future__ import annotations

import signal
from collections.abc import Callable
from typing import Any, NoReturn

import typer

from benchmarks.command.terminal.interrupts import interruptible
from benchmarks.runner.measure import sentence
from benchmarks.runner.processes import Processes, place, processes
from solvers.distributed.faults import RankError


def together(device: str, patience: float, prepare: Callable[[], Any], act: Callable[[Processes], None]) -> None:
    """Do the same in all processes. One that ends, raises or hangs ends all of them.

    patience: seconds that processes wait for one that does not come. prepare: what the first process alone does before,
    for `Processes.prepared`; act: what all of them do then.
    """
    group = None
    with interruptible():
        try:
            with processes(device, patience, prepare) as group:
                act(group)
        except RankError as error:
            _end(str(error))
        except KeyboardInterrupt:  # also where torchrun ends what a failed process leaves
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            if group is None and place()[0] > 0:  # the first process says why
                raise typer.Exit(1) from None
            _end((group and group.watch.why()) or "interrupted")
        except typer.Exit:
            raise
        except Exception as error:
            _end((group and group.watch.said()) or f"the processes could not be started: {sentence(error)}")


def _end(sentence: str) -> NoReturn:
    typer.echo(f"error: {sentence}; what is stored stays", err=True)
    raise typer.Exit(1)
