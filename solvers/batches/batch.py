"""Many problems of one shape, minimised together, each with its own line search, status and certificate."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

import torch
from torch import Tensor

from ..common.clock import device_clock
from ..common.validation import EPS, finite_tensor
from ..core.arguments import without_autocast
from ..core.minimize import Result, minimize
from ..core.stopping import Status, Stop, allowed_gap
from ..linalg.cholesky import rounding_shift
from ..objectives.linear.logistic_point import CERTAIN
from ..objectives.linear.margins import LONGEST
from .compiled_start import compiled_start
from .logistic import BatchLogisticRegression, BatchPoint
from .methods import Judgement, Solved, State, batched, dot, solve

UNMOVED = 1e-3  # a Newton step that moves no margin by more proves no separation: see LogisticRegression.no_minimiser
WRONG_WAY = 1e-3  # of the longest move: nor does one that moves a margin the wrong way by so much
COMPACT = 0.5  # of the batch still running: copying the rest then costs less than computing the others


@dataclass(frozen=True)
class BatchEnd:
    """How one problem of a batch ended: as in `Result`."""

    x: Tensor  # (d,)
    value: float
    status: Status
    message: str
    iterations: int
    gap_bound: float | None


@dataclass(frozen=True)
class BatchResult:
    """How a batch ended; result[i] is a BatchEnd.

    x: (B, d), the last finite iterates; value: (B,); status, message: of each, as `minimize` would say.
    iterations: accepted steps. gap_bound: see `Result`, None where a run ended by another test.
    alone: the numbers of the problems that left the batch to be finished by `minimize`. seconds: for all together.
    """

    x: Tensor
    value: Tensor
    status: list[Status]
    message: list[str]
    iterations: list[int]
    gap_bound: list[float | None]
    alone: list[int]
    seconds: float

    def __len__(self) -> int:
        return len(self.status)

    def __getitem__(self, i: int) -> BatchEnd:
        known = self.status[i], self.message[i], self.iterations[i], self.gap_bound[i]
        return BatchEnd(self.x[i], float(self.value[i]), *known)


class Code(IntEnum):
    """What the device says of a problem: the host reads one number for each."""

    GOES_ON = 0
    CONVERGED = 1
    LIMIT = 2
    NO_VALUE = 3  # f(x0) is not finite
    ONE_CLASS = 4
    ALONE = 5  # what is left takes more than the batch can tell: `minimize` ends it


ENDS = {
    Code.CONVERGED: (Status.CONVERGED, "every test that is on was passed"),
    Code.NO_VALUE: (Status.DIVERGED, "f(x0) is not finite"),
    Code.ONE_CLASS: (Status.SEPARABLE, "no minimiser exists: all labels are of one class"),
}


def minimize_batch(
    solver: Any, objective: BatchLogisticRegression, x0: Tensor | None = None, stop: Stop = Stop()
) -> BatchResult:
    """Minimise every problem of a batch by one solver; each stops as `minimize` would stop it.

    solver: CholeskyNewton, LevenbergNewton, GradientDescent or ArmijoGradientDescent, as in METHODS.
    x0: (B, d), or (d,) for all; zeros if None. stop: iterations count for each problem, seconds for all together.

    `converged` needs the exact Newton decrement of the problem, enlarged by a bound on its rounding error, or the norm
    of its gradient and strong convexity. A problem whose Hessian is singular to rounding, whose classes may be
    separable or whose search fails is rare: it leaves the batch and is finished by `minimize`, from where it is.
    The host reads a device twice for each trial step, one number of each problem. Where compiled kernels can be had,
    Newton's steps of small problems are made by them (`compiled_start`), and the batch decides how each ends.
    Raises TypeError or ValueError for wrong arguments, and ValueError for a solver without a batched form.
    """
    method = batched(solver)
    if not isinstance(objective, BatchLogisticRegression):
        raise TypeError(f"objective must be a BatchLogisticRegression, found {type(objective).__name__}")
    if not isinstance(stop, Stop):
        raise TypeError(f"stop must be a Stop, found {type(stop).__name__}: write stop=Stop(iterations=100)")
    x = objective.zeros()
    if x0 is not None:
        x0 = finite_tensor("x0", x0).to(x.dtype)
        if x0.shape not in (x.shape, x.shape[1:]) or x0.device != x.device:
            raise ValueError(f"x0 must have shape {tuple(x.shape)} on {x.device}, found {tuple(x0.shape)}, {x0.device}")
        x = x0.expand_as(x).clone()
    with without_autocast(x.device), torch.no_grad():
        return _Batch(solver, method, objective, stop, x).run()


class _Batch:
    """The loop. `ids` are the numbers of the problems that the tensors hold; some of these may have ended."""

    def __init__(self, solver: Any, method: Any, objective: BatchLogisticRegression, stop: Stop, x: Tensor) -> None:
        self.solver, self.method, self.whole, self.stop = solver, method, objective, stop
        self.clock = device_clock(x.device)
        self.began = self.clock()
        B, eps = objective.batch, EPS[x.dtype]
        self.objective, self.point, self.ids, self.running = objective, objective.at(x), list(range(B)), [True] * B
        self.relative = allowed_gap(stop.gap_tolerance, 1.0, 0.0, eps)  # of |f|
        self.state: State = {
            "floor": eps**2 * self.point.value.abs(),
            "iterations": torch.zeros_like(self.point.value, dtype=torch.int64),
            "retry_below": torch.full_like(self.point.value, math.inf),
        }
        self.pending = torch.full_like(self.point.value, Code.GOES_ON, dtype=torch.int8)  # codes not read yet
        if (start := compiled_start(solver, objective, x, self.state["floor"], stop, self.late)) is not None:
            x, self.state["iterations"] = start
            self.point = objective.at(x)
        self.x, self.value = x.clone(), self.point.value.clone()
        self.half, self.steps = torch.full_like(self.value, math.nan), torch.zeros_like(self.state["iterations"])
        self.code = [Code.GOES_ON] * B

    def late(self) -> bool:
        return self.stop.seconds < math.inf and self.clock() - self.began >= self.stop.seconds

    def run(self) -> BatchResult:
        f, point = self.objective, self.point
        code = torch.where(f.one_class, Code.ONE_CLASS, self._without_hessian(self.point))
        code = torch.where(point.value.isfinite(), code, Code.NO_VALUE).to(torch.int8)
        self._end(code, self.strongly_convex_half)
        if any(self.running):
            self.state |= {f"method:{k}": v for k, v in self.method.init(self.point).items()}
        while any(self.running):
            self._round()
        return self._result()

    def _round(self) -> None:
        """One trial of each problem."""
        newton = solve(self.point.hessian, self.point.gradient) if self.method.needs == "hessian" else None
        direction = self.method.propose(self.point, self._own_state(), newton)
        if self._end(*self._with_direction(direction, newton, self.late())):
            return
        if len(direction.slope) != len(self.ids):  # some problems have left
            direction = direction._make(part.index_select(0, self.kept) for part in direction)
        point = self.point
        trial = self.objective.at(point.x + direction.step)
        judged: Judgement = self.method.judge(point, trial, direction, self._own_state())
        unmoved = judged.accepted & (trial.value == point.value) & (trial.x == point.x).all(1)
        self.point = point.moved(trial, judged.accepted)
        self.state |= {f"method:{k}": v for k, v in judged.state.items()}
        self.state["iterations"] = self.state["iterations"] + judged.accepted
        code = self._without_hessian(self.point)
        code = torch.where((code == Code.GOES_ON) & (judged.failed | unmoved), Code.ALONE, code)
        if self.method.needs == "hessian":  # it costs more than the host's wait
            self._end(code, self.strongly_convex_half)
        else:
            self.pending = code

    def _own_state(self) -> State:
        return {k.removeprefix("method:"): v for k, v in self.state.items() if k.startswith("method:")}

    def _bound(self, point: BatchPoint) -> Tensor:
        return self.relative * point.value.abs() + self.state["floor"]

    def _gradient_passes(self, point: BatchPoint) -> Tensor:
        if self.stop.gradient_tolerance is None:
            return torch.ones_like(point.value, dtype=torch.bool)
        return point.gradient.abs().amax(1) <= self.stop.gradient_tolerance

    def _without_hessian(self, point: BatchPoint) -> Tensor:
        """Convergence by strong convexity: (||g|| + noise)^2 / (2 l2); and the classes may be separated strictly."""
        f, mu = point.objective, point.objective.strong_convexity
        size = torch.linalg.vector_norm(point.gradient, dim=1) + point.gradient_noise()
        half = (size / mu.sqrt()).square() / 2
        noise = EPS[size.dtype] * torch.linalg.vector_norm(point.x, dim=1)
        half = half + noise.square() * f.weighted_norm_squared / 8
        self.strongly_convex_half = half = half.where(mu > 0, math.inf)  # (B,)
        code = torch.full_like(half, Code.GOES_ON, dtype=torch.int8)
        if self.stop.gap_tolerance is not None:
            passes = (half <= self._bound(point)) & half.isfinite() & self._gradient_passes(point)
            code = torch.where(passes, Code.CONVERGED, code)
        if f.any_unpenalised and self.stop.stop_when_separable:
            margins = point.margins if f.signs is not None or f.all_binary else point.margins * (2 * f.labels - 1)
            least = (margins if f.counts is None else margins.where(f.counts, math.inf)).amin(1)
            code = torch.where(f.unpenalised & f.binary & (least > 0), Code.ALONE, code)
        return code

    def _with_direction(self, direction: Any, newton: Solved | None, late: bool) -> tuple[Tensor, Tensor]:
        """The exact test, for first-order methods only of those that may pass it; and the limits."""
        point, stop = self.point, self.stop
        limit = torch.where((self.state["iterations"] >= stop.iterations) | late, Code.LIMIT, Code.GOES_ON)
        if newton is not None:
            code, half = torch.full_like(limit, Code.GOES_ON), torch.full_like(point.value, math.inf)
            if stop.tests:
                code, half = self._certificate(point, newton, self._bound(point), direction)
            return code.where(code != Code.GOES_ON, limit), half
        code, half = self.pending, self.strongly_convex_half
        if not stop.tests:
            return code.where(code != Code.GOES_ON, limit), half
        estimate = direction.slope.abs() / 2
        candidate = self._gradient_passes(point) & (code == Code.GOES_ON)
        if stop.gap_tolerance is not None:
            candidate &= (estimate <= self._bound(point)) & (estimate < self.state["retry_below"])
        where = [k for k, c in enumerate(candidate.tolist()) if c and self.running[k]]
        if where:
            index = torch.tensor(where, device=code.device)
            part = point.take(point.objective.take(index), index)
            found = solve(part.hessian, part.gradient)
            codes, halves = self._certificate(part, found, self._bound(point)[index], None)
            retry = torch.where(codes == Code.GOES_ON, estimate[index] / 10, self.state["retry_below"][index])
            self.state["retry_below"] = self.state["retry_below"].index_copy(0, index, retry)
            code, half = code.index_copy(0, index, codes), half.index_copy(0, index, halves)
        return code.where(code != Code.GOES_ON, limit), half

    def _certificate(self, point: BatchPoint, newton: Solved, bound: Tensor, direction: Any) -> tuple[Tensor, Tensor]:
        """The code of each problem, and half its squared Newton decrement with the rounding error.

        As core/decrement.py and core/existence.py: the Hessian must be regular to more than rounding, and the Newton
        step must move no margin so far that the model, or the existence of a minimiser, is in doubt.
        direction: of the method; where its own estimate passes, a singular Hessian has to be looked at more closely.
        """
        f, eps, x = point.objective, EPS[point.x.dtype], point.x
        diagonal = point.hessian.diagonal(dim1=1, dim2=2)
        single = x.dtype == torch.float32
        least = rounding_shift(f.size, x.dtype) * (64 if single else 1)
        info = torch.finfo(x.dtype)
        regular = (newton.least_pivot >= least) & (diagonal.amin(1) >= info.tiny / info.eps)
        rounding = 0.5 * f.size * eps**2 * dot(x.square(), diagonal)
        exact = f.norm_squared * (eps * torch.linalg.vector_norm(x, dim=1)).square() <= CERTAIN**2
        if single:
            exact &= rounding <= 4 * eps * point.value.abs()
        half = -0.5 * newton.slope
        if f.any_unpenalised:
            moves = f.margin_increase(newton.direction)
            longest = moves.abs().amax(1)
            near = ~f.unpenalised | (longest <= UNMOVED) | (moves.amin(1) < -WRONG_WAY * longest)
        else:
            longest = f.longest_row * torch.linalg.vector_norm(newton.direction, dim=1)  # no less
            near = torch.ones_like(f.unpenalised)
        near = near & (longest <= LONGEST)
        candidate = self._gradient_passes(point)
        passes = candidate & regular & exact & near
        if self.stop.gap_tolerance is not None:
            candidate = candidate & (half <= bound)
            passes = passes & (half + rounding <= bound)
        doubtful = candidate & ~passes
        if direction is None:
            doubtful = doubtful | ~regular
        else:
            doubtful = doubtful | (~regular & (~direction.known | (direction.slope.abs() / 2 <= bound)))
        code = torch.where(doubtful, Code.ALONE, Code.GOES_ON).to(torch.int8)
        half = half + rounding if self.stop.gap_tolerance is not None else torch.full_like(half, math.nan)
        return torch.where(passes, Code.CONVERGED, code), half

    def _end(self, code: Tensor, half: Tensor) -> bool:
        """Read the codes, store what has ended and take it out of the batch; whether nothing is left."""
        codes = code.tolist()
        ended = [k for k, c in enumerate(codes) if c != Code.GOES_ON and self.running[k]]
        if not ended:
            return False
        index = torch.tensor(ended, device=code.device)
        numbers = torch.tensor([self.ids[k] for k in ended], device=code.device)
        self.x[numbers] = self.point.x[index]
        self.value[numbers] = self.point.value[index]
        self.half[numbers], self.steps[numbers] = half[index], self.state["iterations"][index]
        for k in ended:
            self.running[k] = False
            self.code[self.ids[k]] = Code(codes[k])
        left = [k for k, on in enumerate(self.running) if on]
        if len(left) <= COMPACT * len(self.ids) and left:
            self._keep(left)
        return not left

    def _result(self) -> BatchResult:
        iterations, gaps = self.steps.tolist(), self.half.double().tolist()
        ends: list[tuple[Status, str]] = []
        found: dict[int, Result] = {}
        for k, code in enumerate(self.code):
            if code == Code.ALONE or (code == Code.ONE_CLASS and not self.stop.stop_when_separable):
                found[k] = alone = self._finish_alone(k, iterations[k])
                self.x[k], self.value[k], gaps[k] = alone.x, alone.value, alone.gap_bound
                iterations[k] += alone.iterations
                ends.append((alone.status, alone.message))
            elif code == Code.LIMIT:
                late = iterations[k] < self.stop.iterations
                ends.append((Status.TIME_LIMIT if late else Status.ITERATION_LIMIT, f"{iterations[k]} iterations"))
            else:
                ends.append(ENDS[code])
            if ends[-1][0] != Status.CONVERGED or gaps[k] is None or math.isnan(gaps[k]):
                gaps[k] = alone.gap_bound if k in found else None
        status, message = [list(words) for words in zip(*ends, strict=True)]
        seconds = self.clock() - self.began
        return BatchResult(self.x, self.value + 0.0, status, message, iterations, gaps, list(found), seconds)

    def _keep(self, left: list[int]) -> None:
        index = torch.tensor(left, device=self.point.x.device)
        self.kept = index
        self.objective = self.objective.take(index)
        self.point = self.point.take(self.objective, index)
        self.state = {name: value.index_select(0, index) for name, value in self.state.items()}
        self.pending = self.pending.index_select(0, index)
        self.ids, self.running = [self.ids[k] for k in left], [True] * len(left)

    def _finish_alone(self, k: int, iterations: int) -> Result:
        """By `minimize`, from where the problem is, with the iterations and the time that are left."""
        seconds = max(self.stop.seconds - (self.clock() - self.began), 0.0)
        stop = replace(self.stop, iterations=self.stop.iterations - iterations, seconds=seconds)
        return minimize(self.solver, self.whole.single(k), self.x[k], stop)
