"""Peers behind one interface: each minimises the very objective that is ours, and a missing library says so."""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace

import numpy as np
import pytest
import torch

from solvers import SOLVERS, Stop, minimize
from solvers.adapters import PEERS, Claim, MissingPeerError, base
from solvers.adapters.scipy_optimize import Evaluations
from solvers.objectives import LogisticRegression, SoftmaxRegression

TIGHT = 1e-9
# 1e-9 is beyond the arithmetic of these: they would go on to their last iteration
TIGHTEST = dict.fromkeys(("scipy:trust-krylov", "scipy:trust-ncg", "scipy:dogleg", "scipy:BFGS"), 1e-7)


KNOW_SOFTMAX = (
    *("scikit-learn:newton-cholesky", "scikit-learn:newton-cg", "scikit-learn:lbfgs"),
    *("statsmodels:newton", "spark-ml:lbfgs", "optimistix:LBFGS"),
)
NO_PENALTY = ("statsmodels:newton", "statsmodels:irls")
PENALISE_THE_INTERCEPT = ("scikit-learn:liblinear", "snapml:logistic", "dask-ml:lbfgs")
DENSE_ALONE = (*NO_PENALTY, "optimistix:LBFGS", "optimistix:BFGS", "spark-ml:lbfgs", "dask-ml:lbfgs")


def fitted(name: str, objective: LogisticRegression) -> Claim:
    try:
        fit = PEERS[name].prepare(objective)
    except MissingPeerError as error:
        pytest.skip(str(error))
    return fit(TIGHTEST.get(name, TIGHT))


def gap(objective: LogisticRegression, w: torch.Tensor) -> float:
    """Relative to the start, from a run of ours to the rounding floor."""
    best = minimize(SOLVERS["newton-cholesky"], objective, stop=Stop(gap_tolerance=0.0)).value
    start = float(objective.at(objective.zeros()).value)
    return (float(objective.at(w).value) - best) / (start - best)


def cases() -> list:
    """Every peer on each kind of objective that it can express."""
    found = []
    for name in PEERS:
        penalises = name in PENALISE_THE_INTERCEPT
        for intercept in (False, True):
            for reduction in ("mean", "sum"):
                if not (penalises and intercept):
                    found.append(pytest.param(name, intercept, reduction, id=f"{name}-{intercept}-{reduction}"))
    return found


@pytest.mark.parametrize(("name", "intercept", "reduction"), cases())
def test_the_optimum_of_a_peer_is_ours(logistic, name, intercept, reduction):
    """A penalty, an intercept or a reduction mapped wrongly moves the minimiser."""
    dtype = getattr(torch, PEERS[name].dtypes[0])
    l2 = 0.0 if name in NO_PENALTY else {"mean": 0.05, "sum": 4.0}[reduction]
    objective = logistic(n=80, d=3, fit_intercept=intercept, l2=l2, reduction=reduction, dtype=dtype)
    claim = fitted(name, objective)
    exact = LogisticRegression(objective.X.double(), objective.y, l2, intercept, reduction)
    assert claim.w.shape == (objective.size,) and claim.w.dtype == torch.float64
    assert -1e-12 <= gap(exact, claim.w) <= 1e-7
    assert claim.iterations is None or claim.iterations > 0


def softmax_problem(classes: int, **settings) -> SoftmaxRegression:
    """A well-conditioned one, whose classes overlap."""
    generator = torch.Generator().manual_seed(classes)
    X = torch.randn(150, 3, generator=generator, dtype=torch.float64)
    noise = torch.randn(150, classes, generator=generator, dtype=torch.float64)
    labels = (0.5 * X @ torch.randn(3, classes, generator=generator, dtype=torch.float64) + noise).argmax(1)
    return SoftmaxRegression(X, labels, classes, **settings)


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("name", KNOW_SOFTMAX)
def test_the_softmax_optimum_of_a_peer_is_ours(name, reduction, intercept, classes):
    """With two classes scikit-learn penalises the difference of their rows, and not the rows."""
    l2 = 0.0 if name in NO_PENALTY else {"mean": 0.05, "sum": 4.0}[reduction]
    objective = softmax_problem(classes, fit_intercept=intercept, l2=l2, reduction=reduction)
    try:
        claim = PEERS[name].prepare(objective)(TIGHT)
    except MissingPeerError as error:
        pytest.skip(str(error))
    best = minimize(SOLVERS["newton-cholesky"], objective, stop=Stop(gap_tolerance=0.0)).value
    assert claim.w.shape == (objective.size,) and claim.w.dtype == torch.float64
    assert float(objective.at(claim.w).value) == pytest.approx(best, rel=1e-8)


@pytest.mark.parametrize("name", ["scikit-learn:lbfgs", "statsmodels:newton"])
def test_a_peer_of_softmax_needs_a_row_of_each_class(name):
    present = softmax_problem(3)
    try:
        with pytest.raises(ValueError, match="needs a row of each class"):
            PEERS[name].prepare(SoftmaxRegression(present.X, present.y, 4))
    except MissingPeerError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", ["scikit-learn:liblinear", "statsmodels:irls", "glum:irls-ls", "snapml:logistic"])
def test_a_peer_of_logistic_regression_refuses_softmax(name):
    try:
        with pytest.raises(ValueError, match="fits logistic regression alone"):
            PEERS[name].prepare(softmax_problem(3, l2=0.05))
    except MissingPeerError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize("name", [name for name in PEERS if name not in DENSE_ALONE])
def test_a_sparse_matrix_gives_the_same_optimum(logistic, name):
    dtype = getattr(torch, PEERS[name].dtypes[0])
    dense = logistic(n=80, d=3, csr=True, l2=0.05)
    objective = LogisticRegression(dense.X.to(dtype), dense.y, l2=0.05)
    assert gap(dense, fitted(name, objective).w) <= 1e-7


@pytest.mark.parametrize("name", [name for name, peer in PEERS.items() if "float32" in peer.dtypes])
def test_float32_data_stays_float32_until_the_weights(logistic, name):
    objective = logistic(n=80, d=3, l2=0.05, dtype=torch.float32)
    assert objective.X.dtype == torch.float32
    try:
        claim = PEERS[name].prepare(objective)(1e-4)
    except MissingPeerError as error:
        pytest.skip(str(error))
    exact = LogisticRegression(objective.X.double(), objective.y, l2=0.05)
    assert claim.w.dtype == torch.float64 and gap(exact, claim.w) <= 1e-3


@pytest.mark.parametrize("name", PEERS)
def test_a_fit_starts_anew_each_time(logistic, name):
    l2 = 0.0 if name in NO_PENALTY else 0.05
    objective = logistic(n=80, d=3, l2=l2, dtype=getattr(torch, PEERS[name].dtypes[0]))
    try:
        fit = PEERS[name].prepare(objective)
    except MissingPeerError as error:
        pytest.skip(str(error))
    first, second = fit(1e-3), fit(1e-3)
    assert torch.equal(first.w, second.w) and first.iterations == second.iterations


@pytest.mark.parametrize("name", PENALISE_THE_INTERCEPT)
def test_a_peer_that_penalises_the_intercept_refuses_a_free_one(logistic, name):
    try:
        with pytest.raises(ValueError, match="intercept"):
            PEERS[name].prepare(logistic(l2=0.1, fit_intercept=True))
    except MissingPeerError as error:
        pytest.skip(str(error))


def test_without_a_penalty_scikit_learn_fits_the_plain_loss(logistic):
    objective = logistic(n=80, d=3)
    assert gap(objective, fitted("scikit-learn:lbfgs", objective).w) <= 1e-7


def test_a_peer_that_runs_out_of_iterations_does_not_claim_success(logistic):
    objective = logistic(n=80, d=3, l2=0.05)
    for name in ("scikit-learn:lbfgs", "scipy:L-BFGS-B", "torch.optim:LBFGS"):
        claim = replace(PEERS[name], iterations=1).prepare(objective)(1e-9)
        assert not claim.success, name


def test_a_missing_library_is_said_in_one_sentence(logistic, monkeypatch):
    def absent(module):
        raise ModuleNotFoundError(f"No module named {module!r}")

    monkeypatch.setattr(base, "import_module", absent)
    for name, peer in PEERS.items():
        if name.startswith("torch"):  # torch.optim and torch-autograd need no other library
            continue
        with pytest.raises(MissingPeerError, match=r"^[^\n]+ is not installed: python -m pip .*\[(peers|cluster)\]"):
            peer.prepare(logistic(l2=0.1))


@pytest.mark.parametrize("kept", [True, False])
def test_a_library_that_takes_tiny_numbers_for_zero_does_so_for_nobody_else(kept, monkeypatch):
    monkeypatch.setattr(base, "import_module", lambda name: torch.set_flush_denormal(True))
    if not torch.set_flush_denormal(not kept):
        pytest.skip("this processor cannot take tiny numbers for zero")
    try:
        assert base.has_subnormals() == kept
        base.require("some.module", "Some Library")
        assert base.has_subnormals() == kept  # as it was before, whichever that is
    finally:
        torch.set_flush_denormal(False)


def test_names_are_library_and_method_and_settings_are_frozen():
    for name, peer in PEERS.items():
        library, method = name.split(":")
        assert library and method and name not in SOLVERS
        assert is_dataclass(peer) and fields(peer) and peer.__dataclass_params__.frozen
        assert set(peer.dtypes) <= {"float64", "float32"}


def test_value_gradient_hessian_and_products_of_one_point_are_evaluated_once(logistic):
    objective = logistic(l2=0.1)
    made = []

    class Counting:
        def at(self, x):
            made.append(x)
            return objective.at(x)

    f, x, v = Evaluations(Counting(), objective.zeros()), np.array([0.1, -0.2, 0.3, 0.0]), np.ones(4)
    value, gradient = f.value_and_gradient(x)
    assert np.allclose(f.hessian(x) @ v, f.product(x, v)) and len(made) == 1
    point = objective.at(torch.tensor(x))
    assert value == float(point.value) and np.array_equal(gradient, point.gradient.numpy())
    x[0] = 5.0  # SciPy reuses its arrays
    assert f.value_and_gradient(x)[0] != value and len(made) == 2
