"""Asking contenders to fit hard cases, in a process that may hang or die, and storing the verdicts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from itertools import product
from time import monotonic
from typing import Any

import torch

from solvers.adapters import PEERS

from ..runner.worker import DiedError, LostError, Worker
from ..scoreboard.contenders import load
from .case import MODELS, Case
from .judge import CONTENDERS, OVER_TIME, RAISED, Answer, Judge, answer, row
from .verdicts import Verdicts, identity

EYE, LABELS = torch.eye(2, dtype=torch.float64), torch.tensor([0.0, 1.0], dtype=torch.float64)
WARM = [Case("warm-up", "", EYE, LABELS, {"l2": 1.0}, model=model) for model in MODELS]
EVERY = 2.0  # seconds between two writes of the file
GRACE = 3.0  # seconds that native code may run over the limit before its process is ended


def fit(name: str, case: Case, dtype: str, seconds: float) -> dict[str, Any]:
    """What the other process does; its answer as plain values."""
    found = answer(CONTENDERS[name], case, dtype, seconds)
    return vars(found) | {"w": None if found.w is None else found.w.tolist()}


def warm_up() -> None:
    """A fit by every contender: libraries import half of themselves in the first, and the limit is not for that."""
    load(list(PEERS))
    for contender, case in product(CONTENDERS.values(), WARM):
        with suppress(Exception):
            contender.answer(case.objective("float64"), case, 1.0)


def ask_all(
    names: list[str],
    asked: list[tuple[Case, str]],
    seconds: float,
    force: bool,
    verdicts: Verdicts,
    step: Callable[[str], None] = lambda words: None,
) -> None:
    """Judge the answer of each contender on each case, where it is not known. step: called before each, in words."""
    written = monotonic()
    with Worker(fit, warm_up) as worker:
        try:
            for case, dtype in asked:
                judge = None
                for name in names:
                    mark = identity(name, case, seconds)
                    step(f"{case.name}, {dtype}: {name}")
                    if force or not verdicts.known(name, case.name, dtype, mark):
                        judge = judge or Judge(case, dtype)
                        verdicts.add(row(name, case, dtype, _ask(worker, name, case, dtype, seconds), judge), mark)
                        if monotonic() - written > EVERY:
                            verdicts.write()
                            written = monotonic()
        finally:
            verdicts.write()


def _ask(worker: Worker, name: str, case: Case, dtype: str, seconds: float) -> Answer:
    """A process that hangs or dies is an answer, too."""
    try:
        found = worker.ask(name, case, dtype, seconds, seconds=seconds + 1 + GRACE)
    except LostError as error:
        return Answer(RAISED if isinstance(error, DiedError) else OVER_TIME, message=str(error))
    w = None if found["w"] is None else torch.tensor(found["w"], dtype=torch.float64)
    return Answer(**found | {"w": w})
