"""Recommendations: which solver for a problem of this size on this machine, and whether following them pays."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from benchmarks.profiling.work import Shape
from benchmarks.runner.measure import MATRICES, SHARE

from ..data.runs import Runs
from .experience import ITEM, Experience
from .model import Target, learn
from .prediction import FEW, WIDEST, Prediction, predict, rounded
from .records import records
from .regret import MEASURE_MORE

INDEX = 4  # bytes of the index of a stored entry of a sparse X, as products on the CPU read it


@dataclass(frozen=True)
class Question:
    """A logistic regression with n rows and d columns, and where it is to be solved. density: the part of X that is not
    zero; below 1 X is sparse (CSR). penalty: on the sum scale. machine: part of its name."""

    n: int
    d: int
    density: float = 1.0
    penalty: float = 1.0
    dtype: str = "float64"
    device: str = "cpu"
    threads: int = 1
    machine: str = ""

    @property
    def shape(self) -> Shape:
        stored = self.density * self.n * self.d
        return Shape(self.n, self.d, self.d, stored, ITEM[self.dtype], INDEX if self.density < 1 else 0)

    @property
    def target(self) -> Target:
        return Target(self.device, self.threads, self.dtype, self.penalty > 0)


@dataclass(frozen=True)
class Answer:
    """Predictions, best first; solvers that cannot run there, with the reason; what a reader must know of it all."""

    machine: str
    predictions: list[Prediction]
    refused: dict[str, str]
    cells: int
    remarks: list[str]


def recommend(runs: Runs, cells: Sequence[Experience], question: Question) -> Answer:
    """Every solver's time to the gap. A ValueError, naming the command that makes them, where runs are missing, or
    where they lie too far from the question to predict any time."""
    target = question.target
    machine = _machine(runs.frame, question)
    model = learn(cells, target)
    here = runs.frame[runs.frame["machine"] == machine]
    here = here[(here[["device", "dtype", "threads"]] == [target.device, target.dtype, target.threads]).all(axis=1)]
    newest = runs.metadata[here.loc[here["date"].idxmax(), "run"]]
    reached = best_calibration(runs.metadata[run]["calibration"] for run in here["run"].unique())
    found = [] if model is None else predict(model, records(cells, target), question.shape, reached)
    if model is None or all(one.reason == FEW for one in found):
        raise ValueError(f"too few problems with a known f* are stored to predict from: {command(question)}")
    refused = {}
    for one in found if question.device == "cpu" else []:
        gib = memory(question, hessian=bool(model.solvers[one.solver].events["hessians"]))
        if gib > SHARE * newest["environment"]["memory_gib"]:
            refused[one.solver] = f"needs {gib:.3g} GiB"
    predictions = [one for one in found if one.solver not in refused]
    if predictions and all(one.reason for one in predictions):
        factor = math.exp(model.beyond(question.shape))
        where = (
            f"lies {rounded(factor)} times beyond the sizes that were measured" if factor > 1 else "was not measured"
        )
        raise ValueError(
            f"{question.n:,} x {question.d:,} {where}, and the stored runs predict no time there to a factor of "
            f"{WIDEST}: {measuring(question)}"
        )
    remarks = _remarks(question, target.costs(cells))
    if any(one.reason for one in predictions):
        remarks.append(f"what is not predicted can be measured: {measuring(question)}")
    return Answer(machine, predictions, refused, model.cells, remarks)


def memory(question: Question, *, hessian: bool) -> float:
    """GiB of X and, where it is assembled, of the Hessian with its copies."""
    shape = question.shape
    return (shape.stored * (shape.item + shape.index) + hessian * MATRICES * shape.coefficients**2 * shape.item) / 2**30


def command(question: Question) -> str:
    """What measures the runs that a question asks for."""
    return f"{MEASURE_MORE} --device {question.device} --dtype {question.dtype} --threads {question.threads}"


def measuring(question: Question) -> str:
    """What measures a problem of the size of a question; of a sparse one, a dense problem with as many entries."""
    columns = max(1, round(question.density * question.d))
    return (
        f"python -m benchmarks run --problem synthetic-{question.n}x{columns} --repeats 6 --device {question.device} "
        f"--dtype {question.dtype} --threads {question.threads}"
    )


def best_calibration(calibrations: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """What a machine reaches when nothing disturbs it: the best that any of its runs found."""
    found: dict[str, float] = {}
    for known in calibrations:
        for name, value in known.items():
            better = min if name.endswith("_us") else max
            found[name] = better(found.get(name, value), value)
    return found


def _machine(frame: pd.DataFrame, question: Question) -> str:
    """The machine whose runs match; a ValueError where none does, or several."""
    setup = (frame[["device", "dtype", "threads"]] == [question.device, question.dtype, question.threads]).all(axis=1)
    machines = [name for name in frame.loc[setup, "machine"].unique() if question.machine.lower() in name.lower()]
    where = f"{question.device} in {question.dtype} with {question.threads} threads"
    if not machines:
        on = f" on a machine {question.machine!r}" if question.machine else ""
        raise ValueError(f"there are no runs on {where}{on}, so nothing is known of it: {command(question)}")
    if len(machines) > 1:
        raise ValueError(
            f"{len(machines)} machines have runs on {where}: name one with --machine, {'; '.join(machines)}"
        )
    return str(machines[0])


def _remarks(question: Question, costly: Sequence[Experience]) -> list[str]:
    """Where the question lies outside of what was measured, and where there may be nothing to reach."""
    found = []
    shapes = [cell.iteration.shape for cell in costly if cell.iteration]
    for name, asked, sizes in (
        ("rows", question.n, [shape.rows for shape in shapes]),
        ("columns", question.d, [shape.columns for shape in shapes]),
    ):
        if not min(sizes) <= asked <= max(sizes):
            found.append(f"{asked:,} {name} are an extrapolation: measured were {min(sizes):,} to {max(sizes):,}")
    if question.density < 1 and not any(shape.index for shape in shapes):
        found.append("no sparse problem was measured: the times are by the formulas of dense ones")
    if question.penalty == 0:
        found.append("without a penalty there is no minimiser where the classes can be separated")
    return found
