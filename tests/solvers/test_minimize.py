"""The one loop says of each run exactly what happened, keeps the promised record, and works with what users write."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, product

import numpy as np
import pytest
import torch
from torch.nn.functional import softplus

from benchmarks.audit.reference import HighPrecisionLogistic
from solvers import (
    SOLVERS,
    CholeskyNewton,
    DiagonalNewton,
    GradientDescent,
    Ledger,
    LevenbergNewton,
    Newton,
    Status,
    Stop,
    minimize,
)
from solvers.core import decrement
from solvers.objectives import (
    FunctionObjective,
    LeastSquares,
    LogisticRegression,
    Point,
    ResidualMLP,
    SoftmaxRegression,
)
from solvers.objectives.linear.margins import LARGE
from tests.fakes import GENERAL
from tests.solvers.helpers import vector

SECOND_ORDER = ["newton-cholesky", "newton-damped", "newton-levenberg"]
NO_TESTS = Stop(gap_tolerance=None, iterations=5)


def table(rows: str, labels: list[float], **settings) -> LogisticRegression:
    return LogisticRegression(torch.tensor(np.loadtxt(rows.split(";"), ndmin=2)), vector(*labels), **settings)


SQUARE = FunctionObjective(lambda x: (x**2).sum())
NO_MINIMISER = {
    "strict": table("1 0; 2 1; -1 1; -2 3", [1, 1, 0, 0]),
    "one class": table("1 0; 2 1; -1 1; -2 3", [1, 1, 1, 1], fit_intercept=True, l2=0.1),
    "quasi": table("-2; -1; 0; 0; 0; 1; 2", [0, 0, 0, 1, 1, 1, 1], fit_intercept=True),
}


# --- limits


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("k", [0, 1, 4])
def test_the_iteration_limit_ends_a_run_after_exactly_that_many_steps(logistic, name, k):
    result = minimize(SOLVERS[name], logistic(), stop=Stop(gap_tolerance=None, iterations=k))
    assert (result.status, result.iterations) == (Status.ITERATION_LIMIT, k)
    assert result.trace.iterations == list(range(k + 1))


def test_a_run_that_converges_on_its_last_iteration_says_so(logistic):
    k = minimize(CholeskyNewton(), logistic()).iterations
    assert minimize(CholeskyNewton(), logistic(), stop=Stop(iterations=k)).status == Status.CONVERGED
    assert minimize(CholeskyNewton(), logistic(), stop=Stop(iterations=k - 1)).status == Status.ITERATION_LIMIT


class SlowHalving:
    """x+ = x/2, and every step takes one second of the clock it carries."""

    seconds = 100.0

    def init(self, point):
        return None

    def step(self, point, state):
        self.seconds += 1.0
        return point + -0.5 * point.x, state


def slow_run(stop: Stop):
    solver = SlowHalving()
    return minimize(solver, SQUARE, vector(8.0), stop, clock=lambda: solver.seconds)


def test_a_fake_clock_makes_the_trace_and_the_time_limit_exact():
    result = slow_run(Stop(gap_tolerance=None, iterations=50, seconds=3.0))
    assert (result.status, result.iterations) == (Status.TIME_LIMIT, 3)
    assert result.trace.seconds == [0.0, 1.0, 2.0, 3.0]
    assert [float(x) for x in result.trace.iterates] == [8.0, 4.0, 2.0, 1.0]


@pytest.mark.parametrize("limit", [dict(seconds=3.0), dict(iterations=3)])
def test_without_tests_no_step_is_taken_beyond_a_limit(limit):
    assert slow_run(Stop(gap_tolerance=None, **limit)).seconds == 3.0


def test_phases_add_up_to_the_whole_run(logistic):
    ticks = iter(range(10**6))
    ledger = Ledger(lambda: float(next(ticks)))
    minimize(CholeskyNewton(), logistic(), ledger=ledger)
    assert sum(ledger.seconds.values()) == next(ticks) - 1 > 0
    assert min(ledger.seconds[name] for name in ("gradient", "hessian", "factorise", "line search")) > 0


# --- failures


@pytest.mark.parametrize("solver", [GradientDescent(1e-30), GradientDescent(1e-17)])
def test_a_step_too_small_for_the_precision_is_a_stall(solver):
    assert minimize(solver, SQUARE, vector(1.0)).status == Status.STALLED


@dataclass(frozen=True)
class Stubborn:
    """Rejects every step."""

    def init(self, point):
        return None

    def step(self, point, state):
        return point, state


def test_rejecting_everything_is_a_stall_away_from_the_minimum_and_convergence_at_it():
    assert minimize(Stubborn(), SQUARE, vector(1.0)).status == Status.STALLED
    assert minimize(Stubborn(), SQUARE, vector(0.0)).status == Status.CONVERGED


@pytest.mark.parametrize("objective", [table("1 0; 2 0; -1 0; 1 0", [1, 0, 1, 0]), table("1; 1", [1, 0], l2=0.0)])
def test_a_singular_system_is_named(objective):
    rank_one = FunctionObjective(lambda x: (x[0] - 1) ** 2 + 0 * x[1])
    assert minimize(Newton(damping=0.0), rank_one, vector(0.0, 0.0)).status == Status.SINGULAR
    wide = LogisticRegression(torch.cat([objective.X, torch.zeros(len(objective.y), 1)], dim=1), objective.y)
    assert minimize(Newton(damping=0.0), wide, torch.ones(wide.size)).status == Status.SINGULAR


@pytest.mark.parametrize("name", GENERAL)
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_start_without_a_finite_value_has_diverged(name, bad):
    result = minimize(SOLVERS[name], FunctionObjective(lambda x: (x * bad).sum()), vector(1.0))
    assert (result.status, result.iterations) == (Status.DIVERGED, 0)
    assert torch.equal(result.x, vector(1.0)) and len(result.trace) == 1


@pytest.mark.parametrize("name", GENERAL)
def test_a_start_without_a_finite_gradient_has_diverged(name):
    result = minimize(SOLVERS[name], FunctionObjective(lambda x: x.sqrt().sum()), vector(0.0))
    assert (result.status, result.iterations) == (Status.DIVERGED, 0)


@pytest.mark.parametrize("rate", [1.0, 1.5, 1e10, 1e200])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_an_overflow_is_a_divergence_and_x_the_last_finite_iterate(rate, dtype):
    objective = FunctionObjective(lambda x: 1.5 * (x**2).sum())
    result = minimize(GradientDescent(rate), objective, torch.ones(1, dtype=dtype))
    assert result.status == Status.DIVERGED
    assert math.isfinite(result.value) and torch.equal(result.x, result.trace.iterates[-1])
    after = objective.at(result.x) + -rate * objective.at(result.x).gradient
    assert not bool(after.value.isfinite() and after.gradient.isfinite().all())


def test_an_infinite_x_is_a_divergence_although_f_is_finite_there():
    stop, x0, wrong = Stop(gap_tolerance=None, iterations=7), torch.ones(2), {}
    for what, f in {
        "exp": lambda x: (-x).exp().sum(),
        "a constant": lambda x: 0 * x[0].exp() + torch.sigmoid(-x[1]),
    }.items():
        for solver in (GradientDescent(1e40), DiagonalNewton(learning_rate=1e40)):
            for tests in (stop, Stop(iterations=7), Stop(gap_tolerance=None, gradient_tolerance=1e-3)):
                found = minimize(solver, FunctionObjective(f), x0, tests)
                finite = bool(torch.stack(found.trace.iterates).isfinite().all())
                if found.status != Status.DIVERGED or not (
                    finite and torch.equal(found.x, x0) and found.iterations == 0
                ):
                    wrong[what, solver, tests] = found.status, found.message, found.x
    assert not wrong, wrong


def test_a_step_out_of_the_domain_is_a_divergence():
    result = minimize(GradientDescent(4.0), FunctionObjective(lambda x: (x - x.log()).sum()), vector(2.0))
    assert (result.status, result.iterations) == (Status.DIVERGED, 0)
    assert torch.equal(result.x, vector(2.0))


def test_the_trace_ends_at_x_also_where_only_a_gradient_is_lost():
    """From 1 gradient descent steps onto 0, where f = sqrt is 0 and its gradient infinite."""
    result = minimize(GradientDescent(2.0), FunctionObjective(lambda x: x.sqrt().sum()), vector(1.0))
    assert result.status == Status.DIVERGED
    assert result.trace.iterations == sorted(set(result.trace.iterations))
    assert result.trace.iterations[-1] == result.iterations
    assert torch.equal(result.trace.iterates[-1], result.x)


@pytest.mark.parametrize("name", GENERAL)
@pytest.mark.parametrize("f", [lambda x: -x.sum(), lambda x: -(x**2).sum(), lambda x: -x.exp().sum()])
def test_nothing_converges_on_a_function_without_bound(name, f):
    result = minimize(SOLVERS[name], FunctionObjective(f), vector(1.0), Stop(iterations=50))
    assert result.status != Status.CONVERGED and math.isfinite(result.value)


@pytest.mark.parametrize("name", [*SECOND_ORDER, "newton-diagonal-damped"])
def test_falling_without_bound_is_a_divergence(name):
    result = minimize(SOLVERS[name], FunctionObjective(lambda x: -(x**2).sum()), vector(1.0), Stop(iterations=100))
    assert result.status == Status.DIVERGED
    fast = GradientDescent(1e30)
    assert minimize(fast, FunctionObjective(lambda x: -x.sum()), vector(1.0)).status == Status.DIVERGED


# --- separable


@pytest.mark.parametrize("kind", NO_MINIMISER)
@pytest.mark.parametrize("name", SECOND_ORDER)
def test_data_without_a_minimiser_is_called_separable(kind, name):
    result = minimize(SOLVERS[name], NO_MINIMISER[kind])
    assert result.status == Status.SEPARABLE and "no minimiser" in result.message


@pytest.mark.parametrize("name", SOLVERS)
def test_nothing_converges_without_a_minimiser(name):
    wrong = []
    tests = ({}, dict(gap_tolerance=None, gradient_tolerance=1e-6), dict(gradient_tolerance=1.0))
    for (kind, f), test, named in product(NO_MINIMISER.items(), tests, (True, False)):
        result = minimize(SOLVERS[name], f, stop=Stop(**test, iterations=100, stop_when_separable=named))
        if result.status == Status.CONVERGED or (result.status == Status.SEPARABLE and not named):
            wrong.append((kind, test, named, str(result.status)))
    assert not wrong


def test_quasi_separation_is_suspected_where_its_slope_is_below_the_rounding_of_the_others():
    """By the last digit of the intercept rows that are held had a slope of 1e-17, and those that fall 1e-33."""
    quasi = NO_MINIMISER["quasi"]
    for far, digits in product((20.0, 40.1195, 76.11929584026302, 150.0), range(-4, 5)):
        point = quasi.at(vector(far, math.log(2) * (1 + digits * 2**-53)))

        def direction(point=point) -> torch.Tensor | None:
            return decrement.exact_decrement(point).direction

        assert quasi.no_minimiser(point, direction) or quasi.escaping(point, direction), (far, digits)


@pytest.mark.parametrize("tests", [dict(gap_tolerance=None, gradient_tolerance=1e-3), dict(gap_tolerance=1e-3)])
def test_quasi_separation_is_seen_with_loose_tolerances_too(tests):
    """Far from its limit the Newton direction still moves the rows that hold the intercept."""
    assert minimize(CholeskyNewton(), NO_MINIMISER["quasi"], stop=Stop(**tests)).status == Status.SEPARABLE


def test_zero_margins_do_not_separate_and_tiny_ones_do():
    objective, direction = NO_MINIMISER["strict"], vector(1.0, 0.0)
    at_once = Stop(gap_tolerance=None, iterations=0)
    assert minimize(CholeskyNewton(), objective, 0 * direction, at_once).status == Status.ITERATION_LIMIT
    for size in (1e-18, 1.0, 1e3):
        assert minimize(CholeskyNewton(), objective, size * direction, at_once).status == Status.SEPARABLE
        assert minimize(CholeskyNewton(), objective, -size * direction, at_once).status == Status.ITERATION_LIMIT


@pytest.mark.parametrize("name", SECOND_ORDER)
def test_a_soft_label_on_an_unmoved_row_does_not_hide_separation(name):
    objective = table("1; 2; -1; 0", [1, 1, 0, 0.3])
    assert minimize(SOLVERS[name], objective).status != Status.CONVERGED


@pytest.mark.parametrize("settings", [dict(l2=1e-3), dict(fit_intercept=True, l2=1e-3)])
def test_a_penalty_gives_separable_data_a_minimiser(settings):
    objective = table("1 0; 2 1; -1 1; -2 3", [1, 1, 0, 0], **settings)
    assert minimize(CholeskyNewton(), objective).status == Status.CONVERGED


def test_one_class_has_no_minimiser_only_while_its_intercept_is_free():
    rows, ones = "1 0; 2 1; -1 1; -2 -3", [1, 1, 1, 1]
    assert minimize(CholeskyNewton(), table(rows, ones, l2=0.1)).status == Status.CONVERGED
    assert minimize(CholeskyNewton(), table(rows, ones)).status == Status.CONVERGED  # rows on both sides of 0


# --- converged


def test_converged_needs_every_test_that_is_on(logistic):
    objective = LogisticRegression(1e-6 * logistic().X, logistic().y)  # gradients below 1e-6 everywhere
    loose = dict(gradient_tolerance=1e-6, iterations=0)
    assert minimize(Newton(0.0), objective, stop=Stop(None, **loose)).status == Status.CONVERGED
    assert minimize(Newton(0.0), objective, stop=Stop(1e-10, **loose)).status == Status.ITERATION_LIMIT
    assert minimize(Newton(0.0), objective, stop=Stop(1e-10)).status == Status.CONVERGED
    steep = LogisticRegression(1e6 * logistic().X, logistic().y)
    strict = Stop(1e-6, gradient_tolerance=1e-30, iterations=50)
    assert minimize(CholeskyNewton(), steep, stop=Stop(1e-6)).status == Status.CONVERGED
    assert minimize(CholeskyNewton(), steep, stop=strict).status in (Status.STALLED, Status.ITERATION_LIMIT)


@pytest.mark.parametrize("name", GENERAL)
def test_without_tests_nothing_converges_and_only_limits_end_a_run(name):
    result = minimize(SOLVERS[name], SQUARE, vector(0.0), NO_TESTS)
    assert (result.status, result.iterations) == (Status.ITERATION_LIMIT, 5)


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_tolerance_of_zero_ends(logistic, name, dtype):
    solver = GradientDescent(2.0) if name == "gradient-descent" else SOLVERS[name]
    result = minimize(solver, logistic(dtype=dtype, l2=0.1), stop=Stop(gap_tolerance=0.0))
    assert result.status == Status.CONVERGED and result.iterations < 500


def test_beside_a_minimum_of_zero_the_decrement_is_compared_with_the_start():
    """On x^2 the decrement is f itself: below eps^2 f(x0) it passes, and not before."""
    result, eps = minimize(GradientDescent(0.4), SQUARE, vector(8.0)), torch.finfo(torch.float64).eps
    assert result.status == Status.CONVERGED
    assert 0 < result.value <= 64 * eps**2 < float(SQUARE.at(result.trace.iterates[-2]).value)


def test_rescaling_features_or_the_loss_does_not_change_when_a_run_ends(logistic):
    plain = logistic(l2=0.0)
    scales = 10.0 ** torch.arange(-8, 8, 4, dtype=torch.float64)
    for other in (LogisticRegression(plain.X * scales, plain.y), logistic(reduction="sum")):
        a, b = (minimize(CholeskyNewton(), objective) for objective in (plain, other))
        assert (a.status, a.iterations) == (b.status, b.iterations) == (Status.CONVERGED, b.iterations)


@pytest.mark.parametrize("solver", [GradientDescent(0.1), DiagonalNewton(1e-9), SlowHalving()])
def test_a_small_step_is_not_taken_for_convergence(logistic, solver):
    """The solver's own promise passes at once, 1e-5 below the bound; the exact decrement is near log 2."""
    objective = LogisticRegression(1e-7 * logistic().X, logistic().y)
    start = torch.full((4,), 1e-3, dtype=torch.float64)
    result = minimize(solver, objective, start, Stop(iterations=50))
    assert result.status == Status.ITERATION_LIMIT
    assert result.counters["stopping_tests"] >= 1


def test_a_failed_stopping_test_is_repeated_only_after_a_tenfold_fall(logistic):
    objective = LogisticRegression(1e-7 * logistic().X, logistic().y)
    result = minimize(GradientDescent(0.1), objective, stop=Stop(iterations=300))
    assert result.counters["stopping_tests"] == 1  # its gradient hardly changes


@pytest.mark.parametrize(("penalty", "named"), [(0.0, "Cholesky"), (0.1, "strong convexity")])
def test_the_bound_that_was_used_is_named_and_holds(logistic, penalty, named):
    objective = logistic(l2=penalty)
    result, best = (minimize(CholeskyNewton(), objective, stop=Stop(t)) for t in (1e-6, 0.0))
    assert named in result.bound
    assert result.value - best.value <= 1.01 * result.gap_bound
    if penalty == 0:
        assert result.value - best.value == pytest.approx(result.gap_bound, rel=1e-2)
    assert result.gap_bound <= 1e-6 * result.value


@pytest.mark.parametrize("intercept", [False, True])
def test_conjugate_gradients_find_the_decrement_that_cholesky_finds(logistic, monkeypatch, intercept):
    plain = logistic(n=200, d=40, l2=1e-3, fit_intercept=intercept)
    scales = torch.logspace(-3, 3, 40, dtype=torch.float64)
    for objective in (plain, LogisticRegression(plain.X * scales, plain.y, fit_intercept=intercept)):
        exact = decrement.exact_decrement(objective.at(objective.zeros()))
        with monkeypatch.context() as patch:
            patch.setattr(decrement, "DENSE_LIMIT", 10)
            found = decrement.exact_decrement(objective.at(objective.zeros()))
            assert minimize(Newton(0.0), objective).status == Status.CONVERGED
        assert "conjugate gradients" in found.bound and "Cholesky" in exact.bound
        assert exact.half <= found.half <= 1.05 * exact.half


# --- the record


@pytest.mark.parametrize("last", [100, 101, 112, 113, 1000, 2500])
def test_the_trace_keeps_the_first_hundred_then_twenty_a_decade_and_the_last(last):
    objective = table("1; 2; -1; 1", [1, 0, 1, 0])
    trace = minimize(GradientDescent(1e-3), objective, stop=Stop(gap_tolerance=None, iterations=last)).trace
    sparse = [round(100 * 10 ** (k / 20)) for k in range(1, 40)]
    assert trace.iterations == sorted({*range(101), *(k for k in sparse if k < last), last})
    assert len(trace) == len(trace.seconds) == len(trace.iterates) == len(trace.counts)
    assert trace.seconds == sorted(trace.seconds)


def test_counters_count_what_a_run_evaluates(logistic):
    stop = Stop(gap_tolerance=None, iterations=6)
    first = minimize(GradientDescent(), logistic(), stop=stop).counters
    assert (first["values"], first["gradients"], first["hessians"], first["factorisations"]) == (7, 6, 0, 0)
    second = minimize(Newton(), logistic(), stop=stop).counters
    assert (second["values"], second["gradients"], second["hessians"], second["factorisations"]) == (7, 6, 6, 6)
    diagonal = minimize(DiagonalNewton(), logistic(), stop=stop).counters
    assert (diagonal["hessian_diagonals"], diagonal["hessians"]) == (6, 0)
    search = minimize(CholeskyNewton(), logistic(), stop=stop).counters
    assert search["line_search_trials"] >= 6 and search["shifted"] == 0


def test_a_rejected_step_keeps_its_hessian():
    """Newton's step from 3 on log cosh overshoots by far: some are rejected before one is taken."""
    objective = FunctionObjective(lambda x: 1 + x.cosh().log().sum())
    result = minimize(LevenbergNewton(initial_shift=1e-9), objective, vector(3.0))
    counts = result.trace.counters
    rejected = sum(torch.equal(a, b) for a, b in pairwise(result.trace.iterates))
    assert result.status == Status.CONVERGED and rejected >= 2
    assert counts[-1]["hessians"] <= result.iterations - rejected + 1
    assert counts[-1]["values"] == result.iterations + 1


# --- what users write


class CoshPoint(Point):
    """sum_i cosh(x_i - i), in NumPy."""

    def away(self) -> np.ndarray:
        return self.x.numpy() - np.arange(len(self.x))

    @cached_property
    def value(self):
        return torch.tensor(np.cosh(self.away()).sum())

    @cached_property
    def gradient(self):
        return torch.from_numpy(np.sinh(self.away()))

    @cached_property
    def hessian(self):
        return torch.from_numpy(np.diag(np.cosh(self.away())))


class Cosh:
    def at(self, x):
        return CoshPoint(self, x)


@dataclass(frozen=True)
class Relaxed:
    """x+ = x - 0.9 H^-1 g; its state counts the steps."""

    def init(self, point):
        return 0

    def step(self, point, state):
        return point + -0.9 * torch.linalg.solve(point.hessian, point.gradient), state + 1


@pytest.mark.parametrize("solver", [*map(SOLVERS.get, GENERAL), Relaxed()], ids=[*GENERAL, "a user's"])
def test_a_users_own_objective_and_solver_need_nothing_more(solver):
    result = minimize(solver, Cosh(), vector(0.5, 0.5, 0.5))
    assert result.status == Status.CONVERGED
    assert torch.allclose(result.x, vector(0, 1, 2), atol=1e-4)
    assert result.counters["values"] > result.iterations and result.counters["gradients"] >= result.iterations


class OwnError(Exception):
    pass


@pytest.mark.parametrize("name", GENERAL)
@pytest.mark.parametrize("calls", [0, 1, 2])
def test_an_exception_of_a_users_function_passes_through(name, calls):
    left = iter(range(calls))

    def f(x):
        if next(left, None) is None:
            raise OwnError
        return torch.cosh(x - 0.3).sum()

    with pytest.raises(OwnError):
        minimize(SOLVERS[name], FunctionObjective(f), vector(1.0))


def test_x_is_free_of_history_and_can_be_differentiated_through():
    centre = vector(3.0).requires_grad_()
    result = minimize(Newton(0.0), FunctionObjective(lambda x: ((x - centre) ** 2).sum()), vector(1.0).requires_grad_())
    assert not any(x.requires_grad for x in (result.x, *result.trace.iterates))
    x = result.x.requires_grad_()
    (x**3).sum().backward()
    assert float(x.grad) == pytest.approx(27.0) and centre.grad is None


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("iterations", [0, 20])
def test_inputs_are_never_written_to(logistic, name, iterations):
    given = logistic()
    X, y, x0 = given.X.clone(), given.y.clone(), torch.ones(4, dtype=torch.float64)
    result = minimize(SOLVERS[name], LogisticRegression(X, y), x0, Stop(iterations=iterations))
    assert torch.equal(X, given.X) and torch.equal(y, given.y) and torch.equal(x0, torch.ones(4))
    result.x.fill_(7.0)
    assert torch.equal(x0, torch.ones(4, dtype=torch.float64))


def test_the_decrement_includes_what_rounding_of_the_margins_may_hide(logistic):
    """Margins near 0 as differences of numbers near 1e6: in float32 their digits are gone, and so is the gap's."""
    generator = torch.Generator().manual_seed(0)
    X = (1e6 + torch.randn(50, 1, generator=generator)).float()
    y = torch.bernoulli(torch.full((50,), 0.5), generator=generator)
    w = torch.tensor([1.1, -1.1e6])
    coarse, fine = (LogisticRegression(X.to(t), y, fit_intercept=True) for t in (torch.float32, torch.float64))
    errors = coarse.logits(w).double() - fine.logits(w.double())
    hidden = 0.5 * float(torch.dot(fine.at(w.double()).curvature, errors.square())) / 50
    point = coarse.at(w)
    assert 0 < hidden <= point.rounding_gap()
    blind = coarse.at(w)
    blind.rounding_gap = lambda: 0.0
    point.in_double = blind.in_double = lambda: None  # which would tell
    seen, unseen = (decrement.exact_decrement(p).half for p in (point, blind))
    assert seen - unseen == pytest.approx(point.rounding_gap())
    tame = logistic(dtype=torch.float32).at(torch.ones(4))
    assert tame.rounding_gap() < 1e-3 * torch.finfo(torch.float32).eps


def test_results_of_runs_in_inference_mode_can_be_differentiated_through(logistic):
    """A closed form is run without autograd's bookkeeping; nothing that a user gets may show it."""
    result = minimize(CholeskyNewton(), logistic(l2=0.1))
    for x in (result.x, *result.trace.iterates):
        w = x.requires_grad_()
        (w**2).sum().backward()
        assert torch.allclose(w.grad, 2 * w.detach())
    objective = logistic(l2=0.1)
    minimize(CholeskyNewton(), objective)
    gradient = torch.func.grad(lambda w: objective.at(w).hvp(w).sum())(torch.ones(4, dtype=torch.float64))
    assert bool(gradient.isfinite().all())


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("iterations", [0, 1, 4])
def test_a_run_on_many_rows_ends_wherever_it_is_stopped(name, iterations):
    """The value of the last point is asked for after the run, outside of torch's inference mode."""
    X = torch.randn(LARGE // 8, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    f = LogisticRegression(X, (X[:, 0] > X[:, 1]).double(), l2=1e-3)
    for tolerance in (None, 1e-10):
        result = minimize(SOLVERS[name], f, stop=Stop(gap_tolerance=tolerance, iterations=iterations))
        assert result.value == pytest.approx(float(f.at(result.x).value), rel=1e-14)


@pytest.mark.parametrize("sparse", [False, True])
def test_a_large_objective_writes_over_nothing_that_anyone_still_needs(sparse):
    """Its points share a vector for what does not outlive an expression, in whatever order they are asked."""
    X = torch.randn(LARGE // 8, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    y = (X[:, 0] > X[:, 1]).double()
    f = LogisticRegression(X.to_sparse_csr() if sparse else X, y, l2=0.1, fit_intercept=True)
    w, v = torch.linspace(-1, 1, 4, dtype=torch.float64), torch.linspace(1, 2, 4, dtype=torch.float64)
    start = f.at(w)
    start.value.item()
    near = start.along(v).at(0.5)
    assert near.scratch is start.scratch is not None
    asked = ["value", "gradient", "hessian", "hessian_diagonal", "residuals", "curvature", "error_probability"]
    found = {name: (getattr(near, name), getattr(start, name)) for name in (*asked, *reversed(asked))}
    products = near.hvp(v), start.hvp(v)
    for point, at in ((near, 0), (start, 1)):
        fresh = f.at(point.x)
        fresh.scratch = None
        for name in asked:
            torch.testing.assert_close(found[name][at], getattr(fresh, name), rtol=1e-12, atol=1e-13)
        torch.testing.assert_close(products[at], fresh.hvp(v), rtol=1e-12, atol=1e-13)
    if not sparse:  # torch.func knows no CSR tensors
        gradient = torch.func.grad(lambda w: f.at(w).value + f.at(w).hvp(w).sum() + start.hvp(w).sum())(w)
        assert bool(gradient.isfinite().all())
    w.requires_grad_()
    f.at(w).value.backward()
    torch.testing.assert_close(w.grad, start.gradient, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("k", [1e-3, 1e-6, 1e-9])
@pytest.mark.parametrize("name", SECOND_ORDER)
def test_a_minimiser_held_by_a_tiny_row_is_not_taken_for_separation(name, k):
    """f = log-losses of -1, 1 and k, the last on the wrong side: a finite minimiser near log(4 / k)."""
    objective = table(f"-1; 1; {k}", [0, 1, 0])
    result = minimize(SOLVERS[name], objective)
    assert result.status == Status.CONVERGED
    assert float(result.x) == pytest.approx(math.log(4 / k), abs=0.5)


@pytest.mark.parametrize("name", SOLVERS)
def test_columns_that_nearly_repeat_are_no_false_convergence(name):
    wrong = []
    for noise, dtype in product((0.0, 1e-9, 1e-7, 1e-5), (torch.float64, torch.float32)):
        generator = torch.Generator().manual_seed(1)
        Z = torch.randn(100, 3, generator=generator, dtype=torch.float64)
        X = torch.cat([Z, Z + noise * torch.randn(100, 3, generator=generator, dtype=torch.float64)], dim=1).to(dtype)
        y = torch.bernoulli(torch.sigmoid(Z[:, 0]), generator=generator)
        result = minimize(SOLVERS[name], LogisticRegression(X, y), stop=Stop(iterations=100))
        if result.status != Status.CONVERGED:
            continue
        exact = LogisticRegression(X.double(), y)
        polished = minimize(CholeskyNewton(), exact, result.x.double(), Stop(gap_tolerance=0.0)).x
        digits = HighPrecisionLogistic(exact)  # in float64 coefficients of 5e6 hide 1e-10 of f
        found, best = digits.gap(result.x), digits.gap(polished)
        if not found - best <= 3 * max(1e-10, 4 * torch.finfo(dtype).eps) * found:
            wrong.append((noise, dtype, found, best))
    assert not wrong


@pytest.mark.parametrize("name", GENERAL)
def test_a_function_with_kinks_and_a_zero_hessian_ends_quietly(name):
    result = minimize(SOLVERS[name], FunctionObjective(lambda x: x.abs().sum()), vector(1.0, -2.0), Stop(iterations=20))
    assert (isinstance(result.status, Status) and result.value <= 3.0) or name == "newton-diagonal"


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_the_value_is_that_of_the_very_x(logistic, name, dtype):
    plain = logistic(dtype=dtype)
    far = LogisticRegression(plain.X + 1e3, plain.y, fit_intercept=True)
    for objective in (plain, far):
        result = minimize(SOLVERS[name], objective, stop=Stop(iterations=40))
        fresh = float(objective.at(result.x).value)
        assert abs(result.value - fresh) <= 8 * torch.finfo(dtype).eps * abs(fresh)


def test_autocast_does_not_reach_into_a_run(logistic):
    f = logistic(l2=0.1, dtype=torch.float32)
    X, y = f.X, f.y
    network = ResidualMLP(X, y, depth=1)
    start = network.random_start(torch.Generator().manual_seed(0))
    objectives = {
        "logistic": (lambda: LogisticRegression(X, y, l2=0.1), None),
        "CSR": (lambda: LogisticRegression(X.to_sparse_csr(), y, l2=0.1, fit_intercept=True), None),
        "softmax": (lambda: SoftmaxRegression(X, y, l2=0.1), None),
        "function": (lambda: FunctionObjective(lambda w: softplus(X @ w).mean() + w.square().sum()), torch.ones(4)),
        "residuals": (lambda: LeastSquares(lambda w: X @ w - y), torch.ones(4)),
        "network": (lambda: network, start),
    }
    failures = {}
    for (name, solver), (what, (make, x0)) in product(SOLVERS.items(), objectives.items()):
        plain = minimize(solver, make(), x0, Stop(iterations=5))
        try:
            with torch.autocast("cpu", torch.bfloat16):
                found = minimize(solver, make(), x0, Stop(iterations=5))
                if not torch.is_autocast_enabled("cpu"):
                    failures[name, what] = "autocast is off after the run"
        except Exception as error:
            failures[name, what] = error
            continue
        if found.value != pytest.approx(plain.value, rel=1e-4, abs=1e-4):  # bfloat16 has eight bits
            failures[name, what] = found.value, plain.value
    assert not failures, failures
