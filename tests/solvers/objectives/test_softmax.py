"""Softmax regression: closed forms, its flat directions, and the same optima as scikit-learn."""

from __future__ import annotations

import math
from itertools import product

import mpmath
import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits, load_iris, load_wine
from sklearn.linear_model import LogisticRegression as ScikitLearn
from torch.func import grad, hessian, jvp
from torch.nn.functional import cross_entropy

from solvers import SOLVERS, Status, Stop, minimize
from solvers.objectives import LogisticRegression, SoftmaxRegression
from solvers.objectives.taylor_check import check_derivatives
from tests.solvers.helpers import close, normal, softmax

CASES = [
    dict(reduction=reduction, l2=l2, fit_intercept=intercept, csr=csr)
    for reduction, l2, intercept, csr in product(("mean", "sum"), (0.0, 0.3), (False, True), (False, True))
]
HESSIANS = ["newton", "newton-cholesky", "newton-damped", "newton-levenberg"]


def textbook(problem: SoftmaxRegression):
    """The loss in torch's own words."""
    X, d = problem.X.to_dense(), problem.X.shape[1]

    def loss(w):
        W = w.view(problem.classes, -1)
        Z = X @ W[:, :d].T + (W[:, d] if problem.fit_intercept else 0)
        return cross_entropy(Z, problem.y, reduction=problem.reduction) + problem.l2 / 2 * W[:, :d].square().sum()

    return loss


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_closed_forms_agree_with_autograd(case):
    problem = softmax(**case)
    w, v, loss = normal(problem.size, seed=1), normal(problem.size, seed=2), textbook(problem)
    point, H = problem.at(w), hessian(loss)(w)
    close(point.value, loss(w))
    close(point.gradient, grad(loss)(w))
    close(point.hessian, H)
    close(point.hessian, point.hessian.T, 1e-15)
    close(point.hvp(v), H @ v)
    close(point.along(v).third_derivative(), jvp(hessian(loss), (w,), (v,))[1] @ v)
    close(point.hessian_diagonal, H.diagonal())
    m = problem.size // problem.classes
    blocks = torch.stack([H[k * m : (k + 1) * m, k * m : (k + 1) * m] for k in range(problem.classes)])
    close(point.hessian_block_diagonal, blocks)
    assert all(found.passed for found in check_derivatives(problem, w, loss))


@pytest.mark.parametrize("case", CASES[:4], ids=str)
def test_a_point_reached_along_rays_equals_a_fresh_one(case):
    problem = softmax(**case)
    walked = problem.at(normal(problem.size, seed=1))
    for seed in range(15):  # beyond the step at which margins are refreshed
        walked = walked.along(normal(problem.size, seed=seed)).at(0.25)
        fresh = problem.at(walked.x)
        close(walked.value, fresh.value)
        close(walked.gradient, fresh.gradient)
        close(walked.refreshed().hessian, fresh.hessian)


@pytest.mark.parametrize("margin", [-745.0, -50.0, -3.0, -1e-8, 0.0, 1.0, 20.0, 40.0, 300.0, 700.0])
def test_no_digits_are_lost_at_any_margin(margin):
    """One row x = 1 of class 0 among three, with logits (margin, 0, -1): the Hessian's diagonal is p (1 - p)."""
    problem = SoftmaxRegression(torch.ones(1, 1, dtype=torch.float64), torch.tensor([0]), classes=3)
    point = problem.at(torch.tensor([margin, 0.0, -1.0], dtype=torch.float64))
    with mpmath.workdps(700):
        exps = [mpmath.exp(z) for z in (margin, 0, -1)]
        p = [e / sum(exps) for e in exps]
        wanted = [mpmath.log1p((exps[1] + exps[2]) / exps[0]), p[0] - 1, p[1], p[2], *(q * (1 - q) for q in p)]
        found = [point.value, *point.gradient, *point.hessian_diagonal]
        for number, exact in zip(found, wanted, strict=True):
            assert abs(float(number) - exact) <= 8 * 2.3e-16 * abs(exact) + 2.3e-308


# --- identities


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("name", HESSIANS)
def test_two_classes_are_binary_regression_with_half_the_penalty(name, fit_intercept):
    problem = softmax(classes=2, l2=0.2, fit_intercept=fit_intercept)
    binary = LogisticRegression(problem.X, problem.y, l2=0.1, fit_intercept=fit_intercept)
    found, wanted = (minimize(SOLVERS[name], objective, stop=Stop(1e-14)) for objective in (problem, binary))
    assert found.status == wanted.status == Status.CONVERGED
    assert found.value == pytest.approx(wanted.value, rel=1e-12)
    W = problem.rows(found.x)
    close(W[1] - W[0], wanted.x, 1e-6)


def test_a_constant_added_to_all_classes_changes_nothing_without_penalty():
    problem = softmax(fit_intercept=True)
    w, v = normal(problem.size, seed=1), normal(problem.size // problem.classes, seed=2).repeat(problem.classes)
    here, there = problem.at(w), problem.at(w + 10 * v)
    close(there.value, here.value)
    close(there.gradient, here.gradient)
    assert abs(float(torch.dot(here.gradient, v))) < 1e-15
    assert float(here.hvp(v).norm()) < 1e-14
    assert abs(float(torch.dot(v, here.hvp(v)))) <= 4 * here.curvature_noise(v)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("name", HESSIANS)
def test_the_flat_directions_do_not_keep_a_solver_from_converging(name, fit_intercept, dtype):
    problem = softmax(fit_intercept=fit_intercept, dtype=dtype)
    assert int(torch.linalg.matrix_rank(softmax(fit_intercept=fit_intercept).at(problem.zeros().double()).hessian)) == (
        problem.size * 2 // 3
    )
    result = minimize(SOLVERS[name], problem)
    assert result.status == Status.CONVERGED and "Cholesky" in result.bound
    exact = softmax(fit_intercept=fit_intercept)
    best = minimize(SOLVERS["newton-cholesky"], exact, stop=Stop(1e-15)).value
    promised = max(1e-10, 4 * torch.finfo(dtype).eps) * best
    assert float(exact.at(result.x.double()).value) - best <= 2 * promised


def test_columns_that_depend_on_each_other_add_flat_directions():
    base = softmax(fit_intercept=True)
    X = torch.cat([base.X, base.X @ normal(8, seed=1).view(4, 2)], dim=1)
    found, wanted = (minimize(SOLVERS["newton-cholesky"], f) for f in (
        SoftmaxRegression(X, base.y, fit_intercept=True), base))  # fmt: skip
    assert found.status == wanted.status == Status.CONVERGED
    assert found.value == pytest.approx(wanted.value, rel=1e-9)


# --- real data, and scikit-learn's optimum


def standardised(load) -> tuple[torch.Tensor, torch.Tensor]:
    X, y = (torch.as_tensor(part) for part in load(return_X_y=True))
    deviation = X.std(0, correction=0)
    return (X - X.mean(0)) / deviation.where(deviation > 0, 1.0), y


LOADERS = [load_iris, load_wine, pytest.param(load_digits, marks=pytest.mark.slow)]


@pytest.mark.parametrize("load", LOADERS, ids=["iris", "wine", "digits"])
def test_the_optimum_is_that_of_scikit_learn(load):
    X, y = standardised(load)
    C = 0.5
    problem = SoftmaxRegression(X, y, l2=1 / C, fit_intercept=True, reduction="sum")
    result = minimize(SOLVERS["newton-cholesky"], problem, stop=Stop(1e-15))
    assert result.status == Status.CONVERGED
    peer = ScikitLearn(C=C, tol=1e-12, solver="newton-cg", max_iter=1000).fit(X.numpy(), y.numpy())
    theirs = torch.as_tensor(np.column_stack([peer.coef_, peer.intercept_]))
    ours = problem.rows(result.x)
    ours[:, -1] -= ours[:, -1].mean()  # the intercepts are known but for a constant
    theirs[:, -1] -= theirs[:, -1].mean()
    close(ours, theirs, 1e-8)
    assert float(problem.at(theirs.flatten()).value) == pytest.approx(result.value, rel=1e-12)
    assert problem.accuracy(result.x) == pytest.approx(peer.score(X.numpy(), y.numpy()))


def test_iris_without_penalty_has_no_minimiser_although_its_classes_overlap():
    X, y = standardised(load_iris)
    result = minimize(SOLVERS["newton-cholesky"], SoftmaxRegression(X, y, fit_intercept=True))
    assert result.status == Status.SEPARABLE and "quasi" in result.message
    assert result.value > 0.03


@pytest.mark.parametrize("name", SOLVERS)
def test_wine_without_penalty_is_separable(name):
    result = minimize(SOLVERS[name], SoftmaxRegression(*standardised(load_wine), fit_intercept=True))
    assert result.status == Status.SEPARABLE and "strictly" in result.message


def test_a_tie_is_no_separation():
    problem = SoftmaxRegression(torch.eye(3, dtype=torch.float64), torch.arange(3))
    assert problem.no_minimiser(problem.at(problem.zeros())) is None
    assert "strictly" in problem.no_minimiser(problem.at(torch.eye(3, dtype=torch.float64).flatten()))
    penalised = SoftmaxRegression(torch.eye(3, dtype=torch.float64), torch.arange(3), l2=0.1)
    assert penalised.no_minimiser(penalised.at(torch.eye(3, dtype=torch.float64).flatten())) is None


def test_a_class_without_rows_has_no_minimiser_beside_free_intercepts():
    problem = softmax(classes=3, l2=0.1, fit_intercept=True)
    wider = SoftmaxRegression(problem.X, problem.y, classes=4, l2=0.1, fit_intercept=True)
    result = minimize(SOLVERS["newton-cholesky"], wider)
    assert result.status == Status.SEPARABLE and "class 3" in result.message
    without = SoftmaxRegression(problem.X, problem.y, classes=4, l2=0.1)
    assert minimize(SOLVERS["newton-cholesky"], without).status == Status.CONVERGED


# --- input


def test_labels_may_be_whole_floats_and_the_inputs_stay_as_they_are():
    problem = softmax()
    X, y = problem.X.clone(), problem.y.double()
    twin = SoftmaxRegression(X, y)
    w = normal(twin.size, seed=1)
    assert torch.equal(twin.at(w).hessian, problem.at(w).hessian)
    assert torch.equal(X, problem.X) and torch.equal(y, problem.y.double())
    assert float(twin.at(twin.zeros()).value) == pytest.approx(math.log(3))


X, Y = torch.ones(4, 2), torch.tensor([0, 1, 2, 1])
BAD_INPUT = {
    "a list": (lambda: SoftmaxRegression([[1.0]], Y), TypeError, "as_tensor"),
    "one dimension": (lambda: SoftmaxRegression(X[:, 0], Y), ValueError, "two dimensions"),
    "no rows": (lambda: SoftmaxRegression(X[:0], Y[:0]), ValueError, "no rows"),
    "no columns": (lambda: SoftmaxRegression(X[:, :0], Y), ValueError, "fit_intercept=True"),
    "one-hot labels": (lambda: SoftmaxRegression(X, torch.eye(4)), ValueError, "shape"),
    "a column of labels": (lambda: SoftmaxRegression(X, Y[:, None]), ValueError, "squeeze"),
    "a negative label": (lambda: SoftmaxRegression(X, Y - 1), ValueError, "unique"),
    "a broken label": (lambda: SoftmaxRegression(X, Y + 0.5), ValueError, "unique"),
    "too few classes": (lambda: SoftmaxRegression(X, Y, classes=2), ValueError, "largest label 2"),
    "classes of a wrong type": (lambda: SoftmaxRegression(X, Y, classes=2.0), TypeError, "classes"),
    "a reduction": (lambda: SoftmaxRegression(X, Y, reduction="none"), ValueError, "reduction"),
    "a penalty": (lambda: SoftmaxRegression(X, Y, l2=-1), ValueError, "l2"),
    "NaN": (lambda: SoftmaxRegression(X * torch.nan, Y), ValueError, "8 NaN"),
}


@pytest.mark.parametrize("name", BAD_INPUT)
def test_bad_input_is_one_sentence_with_the_remedy(name):
    make, kind, words = BAD_INPUT[name]
    with pytest.raises(kind, match=words):
        make()
