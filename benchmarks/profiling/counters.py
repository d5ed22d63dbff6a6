"""Counts of what a run evaluates: they change with the code, and not with the last digits of another machine.

A count is exact as long as no decision of the run depends on rounding. The counts that do are found by counting on data
perturbed by far more than rounding, and as other processors would: where they differ, the baseline has an interval.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch

from datasets import build
from solvers import SOLVERS, Stop, minimize
from solvers.common.files import written_whole
from solvers.objectives.linear.compiled_point import by_torch

from ..runner.environment import provenance
from .operations import Tally
from .processors import PROCESSORS, environment_of, perturbed
from .work import total

BASELINE = Path(__file__).with_name("counters.json")
STOP = Stop(gap_tolerance=1e-6, iterations=50)
STOPS = {"mlp-breast-cancer-mean10": Stop(iterations=3)}  # after ten, a change of the last digits gives another run
PROBLEMS = (
    "breast-cancer-l2",
    "breast-cancer-mean10",
    "breast-cancer-raw",
    "synthetic-separable",
    "synthetic-rare",
    "synthetic-sparse",
    "digits",
    "mlp-breast-cancer-mean10",
)
SEEDS = 8  # perturbations of the data, for each processor
OF_TORCH = ("operations", "synchronisations")  # these change with the version of torch, too

Counts = dict[str, Any]


def count(problem: str, solver: str, seed: int | None = None, device: str = "cpu") -> Counts:
    """One run from the start: status, iterations, every counter of solvers.COUNTERS, FLOPs and bytes by formula
    (`work`), torch operations, and synchronisations of host and device. seed: of a perturbation of the last digits of
    the data (`processors.perturbed`); None: the data as it is."""
    torch.set_num_threads(1)
    with by_torch():  # a compiled kernel is one call, whatever it does
        built = build(problem, device=device)
        objective = built.objective if seed is None else perturbed(built.objective, seed)
    # A first run fills the caches of the objective (transposes, squares), which are computed once in a process.
    stop = STOPS.get(problem, STOP)
    minimize(SOLVERS[solver], objective, built.x0, stop)
    with Tally() as seen:
        result = minimize(SOLVERS[solver], objective, built.x0, stop)
    work = total(objective, result.counters)
    return {
        "status": str(result.status),
        "iterations": result.iterations,
        **result.counters,
        "flops": work.flops,
        "bytes": work.bytes,
        "operations": sum((seen.operations + seen.views + seen.reads).values()),
        "synchronisations": sum(seen.reads.values()),
    }


def cases() -> list[tuple[str, str]]:
    return list(product(PROBLEMS, SOLVERS))


def counted_elsewhere(wanted: list[tuple[str, str]]) -> Iterator[tuple[str, Counts]]:
    """The counts of each case, "problem solver", on every one of PROCESSORS, with the data as it is and perturbed by
    SEEDS seeds of its own: (1 + SEEDS) len(PROCESSORS) counts a case, in no order."""
    answers = []
    with ExitStack() as stack:
        for place, variables in enumerate(PROCESSORS.values()):
            # Spawned: a fork would inherit the kernels that the parent has chosen for its own processor.
            process = ProcessPoolExecutor(1, get_context("spawn"))
            stack.callback(process.shutdown, wait=False, cancel_futures=True)
            seeds = (None, *range(place * SEEDS, (place + 1) * SEEDS))
            with environment_of(variables):  # the process starts with the first task
                answers += [process.submit(_named, *case, seed) for seed in seeds for case in wanted]
        for answer in as_completed(answers):
            yield answer.result()


def _named(problem: str, solver: str, seed: int | None) -> tuple[str, Counts]:
    return f"{problem} {solver}", count(problem, solver, seed)


def spanned(seen: list[Counts]) -> Counts:
    """The entry of a case in the baseline: each count as the number that all agree on, or as an interval [low, high]
    that extends the range seen by half its length on either side; statuses as a list."""
    found: Counts = {}
    for key in seen[0]:
        values = sorted({counts[key] for counts in seen})
        if len(values) == 1:
            found[key] = values[0]
        elif isinstance(values[0], str):
            found[key] = values
        else:
            low, high = values[0], values[-1]
            more = (high - low) / 2 if isinstance(low, float) else (high - low + 1) // 2
            found[key] = [low - more, high + more]
    return found


def read_baseline(path: Path = BASELINE) -> tuple[str, dict[str, Counts]]:
    """The version of torch, and the counts of each case "problem solver". Raises ValueError for another file."""
    try:
        content = json.loads(path.read_text())
        return content["torch"], content["cases"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        reason = getattr(error, "strerror", None) or error
        option = "" if path == BASELINE else f" --baseline {path}"
        raise ValueError(
            f"{path.name} cannot be read ({reason}): write it with `python -m benchmarks counters --update{option}`"
        ) from None


def write_baseline(found: dict[str, Counts], path: Path = BASELINE) -> None:
    """One line a case, so that a diff shows which cases changed."""
    lines = ",\n".join(f"    {json.dumps(name)}: {json.dumps(counts)}" for name, counts in found.items())
    about = {"torch": torch.__version__, "provenance": provenance()}
    head = ",\n".join(f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in about.items())
    with written_whole(path) as file:
        file.write(f'{{\n{head},\n  "cases": {{\n{lines}\n  }}\n}}\n'.encode())


def changes(expected: dict[str, Counts], found: dict[str, Counts], ignored: Iterable[str] = ()) -> list[str]:
    """Every difference in a sentence: new and missing cases, and counts outside the baseline."""
    ignored = set(ignored)
    sentences = [f"{name}: new, not in the baseline" for name in found if name not in expected]
    sentences += [f"{name}: in the baseline, and no longer counted" for name in expected if name not in found]
    for name in found:
        before, after = expected.get(name, found[name]), found[name]
        moved = [
            f"{key} {shown(before.get(key))} -> {shown(after.get(key))}"
            for key in dict.fromkeys([*after, *before])
            if key not in ignored and not allowed(before.get(key), after.get(key))
        ]
        if moved:
            sentences.append(f"{name}: {', '.join(moved)}")
    return sentences


def allowed(expected: Any, found: Any) -> bool:
    """Whether a count is the one of the baseline, in its interval, or among its statuses."""
    if not isinstance(expected, list) or found is None:
        return expected == found
    return found in expected if isinstance(found, str) else expected[0] <= found <= expected[-1]


def shown(value: Any) -> str:
    if isinstance(value, list):
        return (" or " if isinstance(value[0], str) else "..").join(shown(end) for end in value)
    return "none" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
