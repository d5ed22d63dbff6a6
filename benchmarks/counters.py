"""What a run evaluates, counted: the same on every machine, so that a change of code shows and noise does not."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import product
from pathlib import Path
from typing import Any

import torch

from datasets import build
from solvers import SOLVERS, Stop, minimize

from .operations import Tally
from .work import total

BASELINE = Path(__file__).with_name("counters.json")
# Loose enough that no decision hangs on rounding: with data that is off by 1e-12 the counts are the same.
STOP = Stop(gap_tolerance=1e-6, iterations=50)
STOPS = {"mlp-breast-cancer-mean10": Stop(iterations=3)}  # after ten, such a shift has grown into another run
# Where it does: a product more or less, a point that is computed anew before it is tested, or a search's other trial.
SENSITIVE = {
    "breast-cancer-raw": {
        *("newton-cholesky", "newton-modified-cholesky", "newton-sampled", "gauss-newton", "trust-region-exact"),
        *("newton-self-concordant", "auto", "newton-damped", "newton-shamanskii", "newton-levenberg"),
        *("newton-cg", "trust-region-steihaug", "trust-region-dogleg", "cubic", "levenberg-marquardt", "lbfgs", "bfgs"),
        *("newton-gradient-regularised", "newton-fixed-hessian", "newton-sketched", "barzilai-borwein", "nesterov"),
        "kfac",
    },
    "digits": {"auto", "newton-cg", "trust-region-steihaug", "newton-diagonal-hutchinson"},
}
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
OF_TORCH = ("operations", "synchronisations")  # these change with torch, not only with the code

Counts = dict[str, Any]


def count(problem: str, solver: str) -> Counts:
    """One run from the start: status, iterations, every counter of solvers.COUNTERS, FLOPs and bytes by formula
    (`benchmarks.work`), torch operations, and synchronisations of host and device."""
    torch.set_num_threads(1)
    built = build(problem)
    # A first run fills what an objective keeps from run to run (transposes, squares): it counts once in a process.
    stop = STOPS.get(problem, STOP)
    minimize(SOLVERS[solver], built.objective, built.x0, stop)
    with Tally() as seen:
        result = minimize(SOLVERS[solver], built.objective, built.x0, stop)
    work = total(built.objective, result.counters)
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
    return [(problem, name) for problem, name in product(PROBLEMS, SOLVERS) if name not in SENSITIVE.get(problem, ())]


def read_baseline(path: Path = BASELINE) -> tuple[str, dict[str, Counts]]:
    """The version of torch, and the counts of each case "problem solver". Raises ValueError for a file that is none."""
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
    """One line a case, so that a diff names what changed."""
    lines = ",\n".join(f"    {json.dumps(name)}: {json.dumps(counts)}" for name, counts in found.items())
    path.write_text(f'{{\n  "torch": {json.dumps(torch.__version__)},\n  "cases": {{\n{lines}\n  }}\n}}\n')


def changes(expected: dict[str, Counts], found: dict[str, Counts], ignored: Iterable[str] = ()) -> list[str]:
    """Every difference in a sentence: cases that came or went, and counts that are others than they were."""
    ignored = set(ignored)
    sentences = [f"{name}: new, not in the baseline" for name in found if name not in expected]
    sentences += [f"{name}: in the baseline, and no longer counted" for name in expected if name not in found]
    for name in found:
        before, after = expected.get(name, found[name]), found[name]
        moved = [
            f"{key} {shown(before.get(key))} -> {shown(after.get(key))}"
            for key in dict.fromkeys([*after, *before])
            if key not in ignored and before.get(key) != after.get(key)
        ]
        if moved:
            sentences.append(f"{name}: {', '.join(moved)}")
    return sentences


def shown(value: Any) -> str:
    return "none" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)
