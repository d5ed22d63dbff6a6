"""One of the processes over which the cases are sharded: python -m tests.distributed.ranks RANK FOLDER."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist

from solvers import SOLVERS, Checkpoint, Stop, minimize
from solvers.distributed import ShardedObjective
from solvers.objectives import FunctionObjective

from .cases import CASES, SHARDS, problem, start, stop

KEPT = ("status", "message", "value", "iterations", "counters", "gap_bound")


def main(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    meeting, patience = f"file://{folder}/meeting", timedelta(seconds=60)
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=len(SHARDS), timeout=patience)
    found = {}
    for name, solver in CASES:
        f = ShardedObjective(problem(name, SHARDS[rank]))
        f.group.forget()
        result = minimize(SOLVERS[solver], f, start(name), stop(name, solver))
        sent = f.group.collectives, f.group.bytes
        checked = ShardedObjective(problem(name, SHARDS[rank]), checked=True)
        again = minimize(SOLVERS[solver], checked, start(name), stop(name, solver))
        assert torch.equal(again.x, result.x)
        found[name, solver] = {
            "iterates": torch.stack(result.trace.iterates),
            "sent": sent,
            **{
                key: getattr(result, key)
                for key in ("status", "message", "value", "iterations", "counters", "gap_bound")
            },
        }
    found["resumed"] = {solver: resumed(rank, folder, solver) for solver in ("newton-cholesky", "lbfgs", "newton-cg")}
    found["time limit"] = limited_by_time(rank)
    found["NaN"] = not_a_number_in_one(rank)
    found["disagreement"] = disagreement(rank)
    found["checksums"] = checksums(rank)
    torch.save(found, folder / f"{rank}.pt")
    dist.destroy_process_group()


def resumed(rank: int, folder: Path, solver: str) -> tuple[int, torch.Tensor]:
    """Where a run that was cut off went on, and its iterates; the second process had saved once more than the first."""
    path = folder / solver
    for iterations in (3, 1000):
        checkpoint = Checkpoint(path, every=1, rank=rank)
        f = ShardedObjective(problem("logistic", SHARDS[rank]))
        result = minimize(SOLVERS[solver], f, stop=Stop(iterations=iterations), checkpoint=checkpoint)
        if rank == 0 and iterations == 3:
            newest = max(folder.glob(f"{solver}.0.*"), key=lambda file: file.stat().st_mtime_ns)
            newest.unlink()
    return checkpoint.resumed, torch.stack(result.trace.iterates)


def limited_by_time(rank: int) -> tuple[str, int]:
    """Where the clock of the second process runs far ahead, that of the first decides."""
    f = ShardedObjective(problem("logistic", SHARDS[rank]))
    seconds = iter(range(10_000) if rank == 0 else range(0, 10_000_000, 1000))
    f._read = lambda: float(next(seconds))
    result = minimize(SOLVERS["gradient-descent"], f, stop=Stop(iterations=100, seconds=7.0))
    return str(result.status), result.iterations


def not_a_number_in_one(rank: int) -> tuple[str, str]:
    """How a run ends where the part of the second process is not a number beyond some x."""
    part = FunctionObjective(lambda x: (x - 3).square().sum() + (0 * (1 - x).log().sum() if rank else 0))
    result = minimize(SOLVERS["gradient-descent"], ShardedObjective(part), torch.zeros(2, dtype=torch.float64))
    return str(result.status), result.message


def disagreement(rank: int) -> str:
    """What is raised where the processes have different penalties."""
    local = problem("logistic", SHARDS[rank])
    local.l2 = 1.0 + rank
    try:
        ShardedObjective(local)
    except ValueError as error:
        return str(error)
    return ""


def checksums(rank: int) -> str:
    """What the debug mode says where one process starts elsewhere, in the last digit."""
    f = ShardedObjective(problem("logistic", SHARDS[rank]), checked=True)
    try:
        minimize(SOLVERS["newton-cholesky"], f, torch.full((6,), 0.1 + 1e-16 * 2**4 * rank, dtype=torch.float64))
    except AssertionError as error:
        return str(error)
    return ""


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
