"""What every registered solver promises: the optimum where it can, an honest status everywhere, and its invariances."""

from __future__ import annotations

import gc
import weakref
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field, replace
from itertools import pairwise, product

import pytest
import torch

from benchmarks.audit.conformance import (
    PENALISED,
    differences,
    false_claims,
    finds_the_minimum_of_sparse_rows,
    keeps_dtype_and_shape,
    leaves_its_input_alone,
    missed,
    penalised,
)
from benchmarks.audit.nasty import DTYPES, gap, minimum, nasty_problems
from solvers import (
    KFAC,
    SOLVERS,
    DampedDiagonalNewton,
    DiagonalNewton,
    DoglegTrustRegion,
    ExactTrustRegion,
    GradientDescent,
    Newton,
    SketchedNewton,
    Status,
    SteihaugTrustRegion,
    Stop,
    minimize,
)
from solvers.objectives import FunctionObjective, LogisticRegression
from solvers.objectives.linear.compiled_point import by_torch
from tests.solvers.helpers import ROSENBROCK, SADDLE, vector

# Stable on the problems solved here: 2 / lambda_max(H) is above 4, and 2 / lambda_max(D^-1 H) above 0.71.
SETTINGS = {"gradient-descent": {"learning_rate": 2.0}, "newton-diagonal": {"learning_rate": 0.7}}
REGIONS = ["trust-region-exact", "trust-region-steihaug", "trust-region-dogleg", "cubic"]  # a radius, or sigma, is kept
SEARCHING = [
    *REGIONS,
    "newton-cholesky",
    "newton-chebyshev",
    "newton-damped",
    "newton-levenberg",
    "newton-modified-cholesky",
    "newton-cg",
    "gauss-newton",
    "levenberg-marquardt",
    "kfac",
    "newton-diagonal-damped",
    "lbfgs",
    "bfgs",
    "gradient-descent-armijo",
    "newton-self-concordant",
    "newton-gradient-regularised",
    "newton-fixed-hessian",
    "newton-shamanskii",
    "newton-sketched",
    "newton-diagonal-hutchinson",
]
GLOBALISED = ["newton-cholesky", "newton-chebyshev", "newton-damped", "newton-modified-cholesky", "trust-region-exact"]


def remembers(solver) -> bool:
    """Whether a step leaves a state behind, which is lost where a run starts again."""
    bowl = LogisticRegression(torch.eye(2, dtype=torch.float64), torch.tensor([0.0, 1.0]), l2=1.0)
    point = bowl.at(bowl.zeros())
    with suppress(Exception):  # which is for the tests of that solver to tell, and not for all the others
        return solver.step(point, solver.init(point))[1] is not None
    return False


# These three keep what they made at the start, and make the same anew wherever a run starts.
REMADE = ("auto", "newton-fixed-hessian", "diagonal-majoriser")
STATELESS = [name for name, solver in SOLVERS.items() if name in REMADE or not remembers(solver)]


def solver_named(name: str):
    return replace(SOLVERS[name], **SETTINGS.get(name, {}))


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("case", PENALISED, ids=str)
def test_every_solver_finds_the_minimum_of_a_penalised_problem(name, case):
    assert not missed(solver_named(name), penalised(*case))


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("checked", [finds_the_minimum_of_sparse_rows, leaves_its_input_alone, keeps_dtype_and_shape])
def test_every_solver_passes_the_quick_checks(name, checked):
    found = checked(solver_named(name))
    assert found.passed, found.sentence


# --- nasty problems


NASTY = {dtype: nasty_problems(dtype) for dtype in DTYPES}


@dataclass
class Watched:
    """A solver that notes the values it sees."""

    solver: object
    values: list[float] = field(default_factory=list)

    def init(self, point):
        self.values.append(float(point.value))
        return self.solver.init(point)

    def step(self, point, state):
        arrived, state = self.solver.step(point, state)
        self.values.append(float(arrived.value))
        return arrived, state


def both_ways(near: float, far: float) -> list:
    """Starts in both precisions; near in float64 and far in float32 in each run of the tests, the others in all."""
    quick, rest = [(near, torch.float64), (far, torch.float32)], [(far, torch.float64), (near, torch.float32)]
    return [*quick, *(pytest.param(*case, marks=pytest.mark.slow) for case in rest)]


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize(("start", "dtype"), both_ways(0.0, 100.0))
def test_what_is_called_converged_has_converged(name, start, dtype):
    """Nothing raises, x is finite, and the gap measured outside is the one promised."""
    assert false_claims(SOLVERS[name], start, dtype) == {}


@pytest.mark.parametrize("name", SEARCHING)
@pytest.mark.parametrize(("start", "dtype"), both_ways(0.0, 100.0))
def test_no_line_search_ends_higher_than_it_began(name, start, dtype):
    for problem in NASTY[dtype].values():
        x0 = torch.full((problem.size,), start, dtype=dtype)
        assert minimize(SOLVERS[name], problem, x0, Stop(iterations=60)).value <= float(problem.at(x0).value)


@pytest.mark.parametrize("name", SEARCHING)
@pytest.mark.parametrize(("start", "dtype"), both_ways(1.0, 100.0))
def test_values_never_rise_where_a_search_promises_it(name, start, dtype):
    for problem in NASTY[dtype].values():
        watched = Watched(SOLVERS[name])
        x0 = torch.full((problem.size,), start, dtype=dtype)
        result = minimize(watched, problem, x0, Stop(gap_tolerance=0.0, iterations=25))
        assert all(after <= before for before, after in pairwise(watched.values))
        fresh = [
            float(problem.at(x).value) for x in result.trace.iterates
        ]  # margins carried along rays differ a little
        largest = max(float((problem.X.abs() @ x[: problem.X.shape[1]].abs()).max()) for x in result.trace.iterates)
        noise = 16 * torch.finfo(dtype).eps * problem.scale * len(problem.y) * max(1.0, largest)
        assert all(after <= before + noise for before, after in pairwise(fresh))


@pytest.mark.parametrize("name", GLOBALISED)
@pytest.mark.parametrize("kind", NASTY[torch.float64])
def test_globalised_newton_methods_finish_the_nasty_problems(name, kind):
    result = minimize(SOLVERS[name], NASTY[torch.float64][kind])
    assert result.status in (Status.CONVERGED, Status.SEPARABLE)


@pytest.mark.parametrize("name", ["trust-region-exact", "cubic"])
@pytest.mark.parametrize("start", [0.0, 100.0])  # from 100 most curvatures are 0 to the last digit
@pytest.mark.parametrize("kind", NASTY[torch.float64])
def test_regions_with_exact_steps_reach_every_minimum_there_is_from_saturation_too(name, start, kind):
    problem = NASTY[torch.float64][kind]
    result = minimize(SOLVERS[name], problem, torch.full((problem.size,), start, dtype=torch.float64))
    assert result.status in (Status.CONVERGED, Status.SEPARABLE)
    assert result.status == Status.SEPARABLE or gap(problem, result.x) <= 1e-9 * abs(minimum(problem))


VALLEY = [*REGIONS, "newton-modified-cholesky", "lbfgs", "bfgs"]


@pytest.mark.parametrize("name", VALLEY)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_rosenbrocks_valley_is_followed_to_its_end(name, dtype):
    result = minimize(SOLVERS[name], ROSENBROCK, vector(-1.2, 1.0).to(dtype), Stop(iterations=100))
    assert result.status == Status.CONVERGED and result.iterations < 60
    assert torch.allclose(result.x, torch.ones(2, dtype=dtype), atol=1e-6 if dtype == torch.float64 else 1e-2)
    if SOLVERS[name].needs == "gradient":
        assert result.counters["hessians"] <= 3  # those of the stopping test
    values = [float(ROSENBROCK.at(x).value) for x in result.trace.iterates]
    assert all(after <= before for before, after in pairwise(values))


LEAVING = {  # a saddle, and from where
    "trust-region-exact": [(1.0, 0.0), (1.0, 1e-8), (0.0, 0.0)],  # also where the gradient does not show the way
    "cubic": [(1.0, 0.0), (1.0, 1e-8), (0.0, 0.0)],
    "newton-modified-cholesky": [(1.0, 1e-8), (1.0, 1e-3), (1.0, -1e-8)],
    "newton-gradient-regularised": [(1.0, 0.1)],
    "newton-self-concordant": [(1.0, 0.1)],
}


@pytest.mark.parametrize("name", LEAVING)
def test_a_saddle_is_left(name):
    for start, dtype in product(LEAVING[name], DTYPES if name in REGIONS else DTYPES[:1]):
        result = minimize(SOLVERS[name], SADDLE, vector(*start).to(dtype))
        assert result.status == Status.CONVERGED and result.iterations <= (12 if name in REGIONS else 100)
        assert result.value == pytest.approx(-0.25, abs=1e-9 if dtype == torch.float64 else 1e-5)
        assert result.counters["shifted"] > 0 or name == "cubic"  # which counts shifts above 1 alone


# --- repeatability


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_run_repeats_bit_for_bit_with_another_between(name, dtype):
    assert not differences(SOLVERS[name], dtype)


@pytest.mark.parametrize("name", STATELESS)
@pytest.mark.parametrize("k", [1, 3])
def test_stopping_and_starting_again_is_not_stopping(logistic, name, k):
    problem, only = logistic(l2=0.1, fit_intercept=True), Stop(gap_tolerance=None, iterations=4)
    whole = minimize(SOLVERS[name], problem, stop=only)
    half = minimize(SOLVERS[name], problem, stop=replace(only, iterations=k))
    rest = minimize(SOLVERS[name], problem, half.x, replace(only, iterations=4 - k))
    assert torch.allclose(rest.x, whole.x, rtol=1e-12, atol=1e-14)


REARRANGED = {  # the rows or the columns
    "rows twice": lambda X, y: (torch.cat([X, X]), torch.cat([y, y])),
    "rows reordered": lambda X, y: (X.flip(0), y.flip(0)),
    "columns reordered": lambda X, y: (X.flip(1), y),
}
EXCEPTIONS = {
    ("newton-sketched", "rows twice"): "a sketch of twice as many rows is another sketch",
    ("newton-diagonal-hutchinson", "columns reordered"): "signs are drawn for each column: one elsewhere gets another",
}


@pytest.mark.parametrize("name", SOLVERS)
@pytest.mark.parametrize("how", REARRANGED)
def test_the_order_and_the_multiplicity_of_rows_and_the_order_of_columns_change_nothing_else(
    logistic, name, how, request
):
    if reason := EXCEPTIONS.get((name, how)):
        request.applymarker(pytest.mark.xfail(reason=reason, strict=True))
    problem = logistic(l2=0.1)
    other = LogisticRegression(*REARRANGED[how](problem.X, problem.y), l2=0.1)
    a, b = (minimize(SOLVERS[name], p, stop=Stop(None, iterations=4)).trace.iterates for p in (problem, other))
    back = (lambda w: w.flip(0)) if how == "columns reordered" else (lambda w: w)
    assert all(torch.allclose(v, back(w), rtol=1e-10, atol=1e-12) for v, w in zip(a, b, strict=True))


# --- invariances


def random_matrix(kind: str) -> torch.Tensor:
    A = torch.randn(4, 4, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    if kind == "orthogonal":
        return torch.linalg.qr(A).Q
    return torch.tensor([0.1, 2, 30, 0.5], dtype=torch.float64).diag() if kind == "diagonal" else A


INVARIANT = {  # newton-levenberg is not: its lambda starts from a diagonal entry
    "newton": (Newton(0.0), {"general", "diagonal", "orthogonal"}),
    "newton-cholesky": (SOLVERS["newton-cholesky"], {"general", "diagonal", "orthogonal"}),
    "newton-chebyshev": (SOLVERS["newton-chebyshev"], {"general", "diagonal", "orthogonal"}),
    "newton-damped": (SOLVERS["newton-damped"], {"general", "diagonal", "orthogonal"}),
    "gauss-newton": (SOLVERS["gauss-newton"], {"general", "diagonal", "orthogonal"}),
    "levenberg-marquardt": (SOLVERS["levenberg-marquardt"], {"diagonal"}),
    "kfac": (KFAC(initial_shift=1e-30), {"general", "diagonal", "orthogonal"}),
    "newton-cg": (SOLVERS["newton-cg"], {"diagonal"}),
    "newton-modified-cholesky": (SOLVERS["newton-modified-cholesky"], {"general", "diagonal", "orthogonal"}),
    # Regions so small that they bind: they are measured by the diagonal of H.
    "trust-region-exact": (ExactTrustRegion(initial_radius=0.1), {"diagonal"}),
    "trust-region-steihaug": (SteihaugTrustRegion(initial_radius=0.1), {"diagonal"}),
    "trust-region-dogleg": (DoglegTrustRegion(initial_radius=0.1), {"diagonal"}),
    "cubic": (SOLVERS["cubic"], {"diagonal"}),
    "newton-diagonal": (DiagonalNewton(0.5, eps=0.0), {"diagonal"}),
    "newton-diagonal-damped": (DampedDiagonalNewton(), {"diagonal"}),
    "gradient-descent": (GradientDescent(0.1), {"orthogonal"}),
    "lbfgs": (SOLVERS["lbfgs"], {"orthogonal"}),
    "bfgs": (SOLVERS["bfgs"], {"orthogonal"}),
    "gradient-descent-armijo": (SOLVERS["gradient-descent-armijo"], {"orthogonal"}),
    "barzilai-borwein": (SOLVERS["barzilai-borwein"], {"orthogonal"}),
    "nesterov": (SOLVERS["nesterov"], {"orthogonal"}),
    "newton-self-concordant": (SOLVERS["newton-self-concordant"], {"general", "diagonal", "orthogonal"}),
    "newton-gradient-regularised": (SOLVERS["newton-gradient-regularised"], {"orthogonal"}),
    "newton-fixed-hessian": (SOLVERS["newton-fixed-hessian"], {"general", "diagonal", "orthogonal"}),
    "newton-shamanskii": (SOLVERS["newton-shamanskii"], {"general", "diagonal", "orthogonal"}),
    "newton-sketched": (SketchedNewton(rows_per_coefficient=5), {"general", "diagonal", "orthogonal"}),
    "diagonal-majoriser": (SOLVERS["diagonal-majoriser"], set()),
}


@pytest.mark.parametrize("name", INVARIANT)
@pytest.mark.parametrize("kind", ["general", "diagonal", "orthogonal"])
def test_iterates_follow_a_change_of_variables_exactly_where_the_method_is_invariant(logistic, name, kind):
    """X -> X A turns every iterate w into A^-1 w."""
    problem, A = logistic(), random_matrix(kind)
    solver, invariant = INVARIANT[name]
    changed = LogisticRegression(problem.X @ A, problem.y)
    a, b = (minimize(solver, p, stop=Stop(None, iterations=3)).trace.iterates for p in (problem, changed))
    follows = all(torch.allclose(v, A @ w, rtol=1e-8, atol=1e-10) for v, w in zip(a, b, strict=True))
    assert follows == (kind in invariant)


@pytest.mark.parametrize("solver", [Newton(0.0), SOLVERS["newton-cholesky"], SOLVERS["newton-damped"]])
def test_a_newton_step_on_a_quadratic_is_exact(solver):
    A, centre = random_matrix("general"), torch.arange(4.0, dtype=torch.float64)
    quadratic = FunctionObjective(lambda x: (A @ (x - centre)).square().sum() - 3)
    result = minimize(solver, quadratic, torch.ones(4, dtype=torch.float64), Stop(None, iterations=1))
    assert torch.allclose(result.x, centre, atol=1e-11)


@pytest.mark.parametrize("signs", [(1.0, 0.0), (1.0, -1.0), (-1.0, 0.0), (0.0, 0.0), (-1.0, -2.0)])
def test_the_diagonal_line_search_descends_whatever_the_signs_of_the_diagonal(signs):
    a, b = signs
    objective = FunctionObjective(lambda x: a * x[0] ** 2 / 2 + b * x[1] ** 2 / 2 + x[0] - x[1] + (x**4).sum())
    watched = Watched(DampedDiagonalNewton())
    result = minimize(watched, objective, torch.zeros(2, dtype=torch.float64), Stop(gap_tolerance=1e-8))
    assert torch.equal(
        objective.at(torch.zeros(2, dtype=torch.float64)).hessian_diagonal, torch.tensor([a, b]).double()
    )
    assert watched.values[1] < watched.values[0]
    assert all(after <= before for before, after in pairwise(watched.values))
    assert result.status == Status.CONVERGED


def test_each_diagonal_step_is_its_formula_on_a_saddle():
    saddle, start = FunctionObjective(lambda x: x[0] ** 2 - 2 * x[1] ** 2 + x[0] - x[1]), torch.zeros(2).double()
    once = Stop(gap_tolerance=None, iterations=1)
    damped, textbook = DampedDiagonalNewton(), DiagonalNewton(0.5, eps=1.0)
    assert minimize(damped, saddle, start, once).x.tolist() == [-1 / 2, 1 / 4]  # -g / |diag H|
    assert minimize(textbook, saddle, start, once).x.tolist() == pytest.approx(
        [-0.5 / 3, -0.5 / 3]
    )  # -g / (diag H + 1)


@pytest.mark.parametrize("plain", [False, True], ids=["compiled", "torch"])
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_run_leaves_nothing_to_the_garbage_collector(solver, plain):
    """Points in a cycle would keep the data, and what was made of them, until it comes round."""
    with by_torch() if plain else nullcontext():
        f = penalised(torch.float64, 0.01, False)
    known = weakref.ref(f)
    gc.disable()
    try:
        result = minimize(SOLVERS[solver], f, stop=Stop(iterations=15))
        assert result.iterations > 0
        del f
        assert known() is None
    finally:
        gc.enable()
