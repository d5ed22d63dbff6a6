"""The overhead of the loop, the points and the status tests over the same operations in one plain function.

The operations are those of torch, or the calls of the compiled kernels. The aim is at most 15 microseconds an iteration
on 398 x 30. `pytest --benchmark-only -s -k overhead` prints it.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from contextlib import nullcontext
from inspect import getclosurevars
from time import perf_counter
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from solvers import SOLVERS, Ledger, Status, Stop, minimize
from solvers.common.instrumentation import count, current, phase
from solvers.objectives import LogisticRegression
from solvers.objectives.linear.compiled_point import by_torch, kernels

GAP_TOLERANCE = 1e-10
REFRESH = 10  # iterations after which the margins are recomputed, as in `solvers`


def straight_newton(
    X: Tensor, Xt: Tensor, signs: Tensor, ridge: Tensor, l2: float, x: Tensor, iterations: int = 1000
) -> tuple[Tensor, int]:
    """Newton-Cholesky for the mean logistic loss, with the same tensor operations as `solvers`.

    X (n, d), Xt (d, n) a copy of its transpose, signs (n,) +-1, ridge = l2 I (d, d), x (d,). Ends where half the
    squared Newton decrement is below GAP_TOLERANCE f(x); gives x and the number of steps. No record, no status, no
    shift, nothing that can go wrong.
    """
    c = 1.0 / len(signs)
    margins = signs * (X @ x)  # (n,)
    value = float(logsigmoid(margins).sum() * -c + torch.dot(x, x) * (l2 / 2))
    age = 0
    for iteration in range(iterations):
        miss = torch.sigmoid(-margins)  # (n,)
        g = torch.addmv(l2 * x, Xt, miss * -signs, alpha=c)
        H = torch.addmm(ridge, Xt * (torch.sigmoid(margins) * miss), X, alpha=c)
        scale = H.diagonal().rsqrt()
        lower, info = torch.linalg.cholesky_ex(H * torch.outer(scale, scale))
        assert not info.item()
        direction = -(torch.cholesky_solve((scale * g).unsqueeze(1), lower).squeeze(1) * scale)
        slope = float(torch.dot(g, direction))
        if -slope / 2 <= GAP_TOLERANCE * value:
            return x, iteration
        moves = signs * (X @ direction)  # (n,)
        t = 1.0
        while True:
            trial = torch.add(x, direction, alpha=t)
            ahead = torch.add(margins, moves, alpha=t) if age < REFRESH else signs * (X @ trial)
            trial_value = float(logsigmoid(ahead).sum() * -c + torch.dot(trial, trial) * (l2 / 2))
            if trial_value <= value + 1e-4 * t * slope:
                break
            t *= 0.5
        x, margins, value = trial, ahead, trial_value
        age = age + 1 if age < REFRESH else 0
    return x, iterations


def straight_compiled(f: LogisticRegression, x: Tensor, iterations: int = 1000) -> tuple[Tensor, int]:
    """The same by the compiled kernels: two calls an iteration, and the memory that they write to."""
    kernel, data, scale = kernels(), f.columns, f.compiled_scale
    (d, m), kind = data.columns.shape, data.columns.dtype
    block = data.new_block()
    block[3 : 3 + d], block[3 + 2 * d : 3 + 2 * d + data.n] = x.numpy(), f.margins(x).numpy()
    kernel.evaluate(data.columns, data.penalties, scale, data.n, block)
    for iteration in range(iterations):
        hessian, lower, step = np.empty((d, d), kind), np.empty((d, d), kind), np.empty(1 + 2 * d + m, kind)
        kernel.newton(data.columns, data.penalties, scale, data.work, block, hessian, lower, step)
        value, slope = float(block[0]), float(step[0])
        if -slope / 2 <= GAP_TOLERANCE * value:
            return torch.from_numpy(block[3 : 3 + d]), iteration
        t, trial = 1.0, data.new_block()
        while True:
            kernel.advance(data.columns, data.penalties, scale, data.n, block, step, kind.type(t), trial)
            if float(trial[0]) <= value + 1e-4 * t * slope:
                break
            t *= 0.5
        block = trial
    return torch.from_numpy(block[3 : 3 + d]), iterations


WITH_TESTS = Stop(gap_tolerance=GAP_TOLERANCE)
STEPS_ALONE = Stop(gap_tolerance=None, iterations=8)  # as many as the run with tests needs


def make_contestants(
    problem, stop: Stop, compiled: bool = False
) -> tuple[Callable[[], object], Callable[[], object], int]:
    """The solver, the straight function, and their iterations, after a check that both do the same."""
    given = problem.objective
    if compiled and given.columns is None:
        pytest.skip("there are no compiled kernels here")
    with nullcontext() if compiled else by_torch():
        f = LogisticRegression(given.X, given.y, l2=given.l2, reduction=given.reduction)
    X, signs, ridge = f.X, 2 * f.y - 1, f.l2 * torch.eye(f.size, dtype=f.X.dtype)
    Xt = X.T.contiguous()

    def solver():
        return minimize(SOLVERS["newton-cholesky"], f, stop=stop)

    def straight():
        if compiled:
            return straight_compiled(f, f.zeros(), stop.iterations)
        return straight_newton(X, Xt, signs, ridge, f.l2, f.zeros(), stop.iterations)

    result, (x, iterations) = solver(), straight()
    assert result.status == (Status.CONVERGED if stop.tests else Status.ITERATION_LIMIT)
    assert result.iterations == iterations
    assert float((result.x - x).abs().max()) <= 1e-12
    return solver, straight, iterations


@pytest.mark.benchmark(group="overhead")
@pytest.mark.parametrize("compiled", [False, True], ids=["torch", "compiled"])
@pytest.mark.parametrize("stop", [WITH_TESTS, STEPS_ALONE], ids=["whole run", "steps alone"])
def test_the_overhead_of_an_iteration(benchmark, alternate, problem, stop, compiled, request, capsys):
    """Each pair is a whole run of both: costs that occur once are divided among the iterations.

    The whole run ends with the test of convergence, in place of which the plain function uses its last decrement. The
    steps alone have no such test: the difference is the cost of the last test.
    """
    solver, straight, iterations = make_contestants(problem, stop, compiled)
    pairs = alternate(solver, straight, rounds=1000)
    report(benchmark, capsys, f"overhead, {request.node.callspec.id} (aim: 15)", pairs, iterations)


@pytest.fixture
def contestants(problem):
    return make_contestants(problem, WITH_TESTS)


@pytest.mark.benchmark(group="newton-cholesky on 398 x 30")
def test_the_solver(benchmark, contestants):
    solver, _, iterations = contestants
    benchmark.extra_info["iterations"] = iterations
    benchmark(solver)


@pytest.mark.benchmark(group="newton-cholesky on 398 x 30")
def test_the_straight_function(benchmark, contestants):
    _, straight, iterations = contestants
    benchmark.extra_info["iterations"] = iterations
    benchmark(straight)


# --- the cost of the ledger


def without_phases(*, counters: bool) -> ModuleType:
    """A second copy of `solvers` that knows no phases, and without `counters` counts nothing either.

    The functions that are timed are replaced by what they wrap, counted or not. Without counters `count` is a
    function that does nothing: what is left is the price of calling it, and of the snapshot of the counters that
    each iterate takes.
    """

    def ours() -> list[str]:
        return [name for name in sys.modules if name.split(".")[0] == "solvers"]

    kept_aside = {name: sys.modules.pop(name) for name in ours()}
    try:
        bare = importlib.import_module("solvers")
        modules = {name: sys.modules.pop(name) for name in ours()}
    finally:
        sys.modules.update(kept_aside)
    books, derivative = modules["solvers.common.instrumentation"].current, modules["solvers.objectives.base"].derivative

    def plain(timed: Callable) -> Callable:
        function, counter = timed.__wrapped__, getclosurevars(timed).nonlocals["counter"]

        def run(*arguments, **keywords):
            if counter:
                books.get().counts[counter] += 1
            return function(*arguments, **keywords)

        return run if counters and counter else function

    for module in modules.values():
        classes = [value for value in vars(module).values() if isinstance(value, type)]
        for owner in (module, *classes):
            for name, value in list(vars(owner).items()):
                code = getattr(value, "__code__", None)
                if code and code.co_qualname in ("timed.<locals>.decorate.<locals>.run", "_counted.<locals>.product"):
                    setattr(owner, name, plain(value))
        if hasattr(module, "count") and not counters:
            module.count = lambda name: None

    def counted(self, point, owner=None):
        if point is None:
            return self
        books.get().counts[self.counter] += 1
        value = point.__dict__[self.name] = self.function(point)
        return value

    if counters:
        derivative.__get__ = counted
    else:
        del derivative.__get__  # what it inherits computes and keeps, and counts nothing
    return bare


@pytest.mark.benchmark(group="the ledger")
@pytest.mark.parametrize("counters", [True, False], ids=["beside counters alone", "beside nothing"])
def test_the_ledger_when_it_is_off(benchmark, alternate, problem, counters, request, capsys):
    """Every run has a ledger: compared with the same code without phases, or without counters too, in whole runs.

    By torch: compiled points add to the counters themselves, several at a time.
    """
    bare, given = without_phases(counters=counters), problem.objective
    with by_torch():
        f = LogisticRegression(given.X, given.y, l2=given.l2)
    with bare.objectives.linear.compiled_point.by_torch():
        twin = bare.objectives.LogisticRegression(f.X, f.y, l2=f.l2)
    bare_solver, bare_stop = bare.SOLVERS["newton-cholesky"], bare.Stop(gap_tolerance=GAP_TOLERANCE)

    def recorded():
        return minimize(SOLVERS["newton-cholesky"], f, stop=WITH_TESTS)

    def unrecorded():
        return bare.minimize(bare_solver, twin, stop=bare_stop)

    result, other = recorded(), unrecorded()
    assert torch.equal(result.x, other.x) and result.iterations == other.iterations
    assert other.counters == (result.counters if counters else dict.fromkeys(result.counters, 0))
    pairs = alternate(recorded, unrecorded, rounds=1000)
    report(benchmark, capsys, f"the ledger, off, {request.node.callspec.id}", pairs, result.iterations)


@pytest.mark.benchmark(group="the ledger")
def test_the_ledger_when_it_is_on(benchmark, alternate, problem, capsys):
    """Timed phases compared with counters alone: the extra cost of the instrumented run of `profile`."""
    solver, f = SOLVERS["newton-cholesky"], problem.objective

    def off():
        return minimize(solver, f, stop=WITH_TESTS)

    def on():
        return minimize(solver, f, stop=WITH_TESTS, ledger=Ledger(perf_counter))

    iterations = off().iterations
    report(benchmark, capsys, "the ledger, on, beside off", alternate(on, off, rounds=500), iterations)


def report(benchmark, capsys, title: str, pairs, iterations: int) -> None:
    """The difference in microseconds an iteration; that of the fastest runs is what a quiet machine shows."""
    each, fastest = 1e6 / iterations, (min(pairs.first) - min(pairs.second)) * 1e6 / iterations
    benchmark.extra_info |= {
        "iterations": iterations,
        "us_per_iteration": [each * end for end in pairs.difference[:3]],
        "us_per_iteration_of_the_fastest": fastest,
        "ratio": pairs.ratio._asdict(),
    }
    with capsys.disabled():
        print(
            f"\n{title}: {pairs.difference.times(each)} microseconds an iteration (fastest runs: {fastest:.3g}), "
            f"ratio {pairs.ratio.times(1)}, {iterations} iterations"
        )


@pytest.mark.benchmark(group="an event of the ledger")
@pytest.mark.parametrize("clock", [None, perf_counter], ids=["off", "on"])
@pytest.mark.parametrize("event", ["phase", "count"])
def test_an_event(benchmark, event, clock):
    """A phase that is entered and left, and an event that is counted."""

    def entered() -> None:
        with phase("solve"):
            pass

    def counted() -> None:
        count("solves")

    token = current.set(Ledger(clock))
    try:
        benchmark(entered if event == "phase" else counted)
    finally:
        current.reset(token)
