"""Are reports of convergence true? Every solver and every peer on hard problems, checked by what is known to 80 digits.

A problem is solved where f - f* is at most
    float64: 1e-9 |f*|, or 1e-6 |f*| where the condition number is above 1e14;
    float32: 16 eps |f*| + 4 h. h is the gap at a w* each of whose terms x_ij w_j is rounded to eps: no float32 vector
    needs to be nearer than that.
A claim of success is false on a problem without a minimiser, and where the gap is above what was promised: for our
solvers three times m <= max(gap_tolerance, 4 eps) |f| + eps^2 |f(x0)| of `solvers.Stop` (m is the gap to second order
only), for peers, which promise nothing about f, the bound above at the tolerance of TOLERANCES, which is as tight as
their precision lets them keep. To name a separation where there is a minimiser is false, too.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from solvers import Status, Stop, minimize
from solvers.adapters import MissingPeerError, Peer
from solvers.core.stopping import allowed_gap
from solvers.named import solver_named

from ..runner.contenders import Contenders
from ..scoreboard.timing import OutOfTimeError, deadline, sentence
from .case import Case, Model
from .reference import Reference, exact_model, reference_solution

EPS = {"float64": 2.0**-52, "float32": 2.0**-23}
TOLERANCES = {"float64": 1e-10, "float32": 1e-6}  # of peers: of the gradient, the step or the value, as each takes it
SLACK = 3.0

SOLVED, MISSED, FALSE, UNCLAIMED = "solved", "missed", "false", "unclaimed"
NAMED, SILENT = "named", "silent"  # without a minimiser: separation named; no success claimed
RAISED, OVER_TIME, UNABLE, MISSING = "raised", "over time", "cannot express", "missing"
VERDICTS = (SOLVED, UNCLAIMED, MISSED, FALSE, NAMED, SILENT, RAISED, OVER_TIME, UNABLE, MISSING)


@dataclass(frozen=True)
class Answer:
    """How a fit ended. status: what the contender says of it, or one of the last four verdicts. w: (size,), float64."""

    status: str
    w: torch.Tensor | None = None
    success: bool = False
    separable: bool = False
    iterations: int | None = None
    message: str = ""


@dataclass(frozen=True)
class Ours:
    """A solver of ours, with the rules that a user gets who sets none but a time limit."""

    solver: Any

    def answer(self, objective: Model, case: Case, seconds: float) -> Answer:
        found = minimize(self.solver, objective, case.x0(objective), Stop(seconds=seconds))
        success, separable = found.status is Status.CONVERGED, found.status is Status.SEPARABLE
        return Answer(str(found.status), found.x.double(), success, separable, found.iterations, found.message)


@dataclass(frozen=True)
class Theirs:
    """A peer, at the tightest tolerance that makes sense in its precision. It starts at 0."""

    peer: Peer

    def answer(self, objective: Model, case: Case, seconds: float) -> Answer:
        dtype = str(objective.X.dtype).removeprefix("torch.")
        if dtype not in self.peer.dtypes:
            return Answer(UNABLE, message=f"does not work in {dtype}")
        if case.start is not None:
            return Answer(UNABLE, message="starts at 0 only")
        try:
            fit = self.peer.prepare(objective)
        except ValueError as error:
            return Answer(UNABLE, message=str(error))
        claim = fit(TOLERANCES[dtype])
        said = "success" if claim.success else "no success"
        return Answer(said, claim.w, claim.success, False, claim.iterations, claim.message)


CONTENDERS: Contenders[Ours | Theirs] = Contenders(lambda name: Ours(solver_named(name)), Theirs)


def answer(contender: Ours | Theirs, case: Case, dtype: str, seconds: float) -> Answer:
    """One fit, whatever happens in it."""
    try:
        with deadline(seconds + 1):  # ours ends by itself at its own limit
            return contender.answer(case.objective(dtype), case, seconds)
    except MissingPeerError as error:
        return Answer(MISSING, message=str(error))
    except OutOfTimeError:
        return Answer(OVER_TIME, message=f"more than {seconds:g} s")
    except Exception as error:  # one bad contender never ends the table
        return Answer(RAISED, message=sentence(error))


class Judge:
    """What is true of a case in a precision, and the verdict on an answer."""

    def __init__(self, case: Case, dtype: str) -> None:
        self.case, self.dtype = case, dtype
        objective = case.objective(dtype)
        self.exact = exact_model(objective)
        self.reference: Reference = reference_solution(objective, self.exact)
        if self.reference.minimiser != case.minimiser:
            raise ValueError(f"{case.name} in {dtype}: built to have minimiser={case.minimiser}, {self.reference.how}")
        self.start = self.exact.gap(case.x0(objective)) + self.reference.optimum

    @property
    def solved(self) -> float:
        """The largest gap that counts as solved."""
        if not self.reference.minimiser:
            return math.nan
        size = abs(self.reference.optimum)
        if self.dtype == "float64":
            return (1e-6 if self.case.extreme else 1e-9) * size
        eps = EPS[self.dtype]
        return 16 * eps * size + 4 * self.reference.hidden_by_rounding(eps)

    def promised(self, value: float) -> float:
        return SLACK * allowed_gap(Stop().gap_tolerance, value, self.start, EPS[self.dtype])

    def verdict(self, found: Answer, ours: bool) -> tuple[str, float]:
        """One of VERDICTS, and the gap, f - inf f (NaN where there is no w, or inf f is not known)."""
        if found.w is None:
            return found.status, math.nan
        gap = self.exact.gap(found.w)
        if not self.reference.minimiser:
            known = gap if math.isfinite(self.reference.optimum) else math.nan
            return (FALSE if found.success else NAMED if found.separable else SILENT), known
        arrived = gap <= self.solved
        kept = gap <= self.promised(self.reference.optimum + gap) if ours else arrived
        if found.separable or (found.success and not kept):
            return FALSE, gap
        if found.success:
            return (SOLVED if arrived else MISSED), gap
        return (UNCLAIMED if arrived else MISSED), gap


def row(name: str, case: Case, dtype: str, found: Answer, judge: Judge) -> dict[str, Any]:
    """What is stored of an answer."""
    verdict, gap = judge.verdict(found, name.startswith("hessbench:"))
    n, d = case.X.shape
    return {
        **{"contender": name, "model": case.model, "case": case.name, "dtype": dtype, "kind": case.kind},
        **{"n": n, "d": d},
        **{"minimiser": judge.reference.minimiser, "optimum": judge.reference.optimum, "how": judge.reference.how},
        **{"verdict": verdict, "status": found.status, "gap": gap, "solved below": judge.solved},
        **{"iterations": -1 if found.iterations is None else found.iterations, "message": found.message},
    }
