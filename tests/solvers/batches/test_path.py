"""Paths and cross-validation: every fit is that of `minimize`, and the choice is scikit-learn's."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from datasets import build
from solvers import SOLVERS, Status, Stop, cross_validate, minimize, regularization_path
from solvers.objectives import FunctionObjective, LogisticRegression, SoftmaxRegression

NEWTON = SOLVERS["newton-cholesky"]
L2S = [1e-3, 1.0, 1e-2, 0.1]


def data(classes=2):
    generator = torch.Generator().manual_seed(1)
    X = torch.randn(150, 6, generator=generator, dtype=torch.float64)
    W = torch.randn(6, classes, generator=generator, dtype=torch.float64)
    return X, torch.distributions.Categorical(logits=X @ W).probs.cumsum(1).lt(
        torch.rand(150, 1, generator=generator, dtype=torch.float64)
    ).sum(1).clamp(max=classes - 1)


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("classes", [2, 3])
def test_every_fit_of_a_path_is_that_of_minimize(classes, intercept):
    X, y = data(classes)
    model = LogisticRegression if classes == 2 else partial(SoftmaxRegression, classes=classes)
    path = regularization_path(NEWTON, model(X, y, l2=5.0, fit_intercept=intercept), L2S)
    assert path.l2s == L2S and path.converged
    cold = [minimize(NEWTON, model(X, y, l2=l2, fit_intercept=intercept)) for l2 in L2S]
    for l2, warm, alone in zip(L2S, path.results, cold, strict=True):
        assert warm.value == pytest.approx(alone.value, rel=1e-9)
        assert float(model(X, y, l2=l2, fit_intercept=intercept).at(warm.x).gradient.abs().max()) < 1e-4
    assert sum(r.iterations for r in path.results) < sum(r.iterations for r in cold)


def test_an_objective_with_kept_caches_and_another_scale_keeps_its_meaning():
    X, y = data()
    f = LogisticRegression(X, y, l2=0.1, reduction="sum")
    minimize(SOLVERS["newton-diagonal-damped"], f, stop=Stop(iterations=3))
    (found,) = regularization_path(NEWTON, f, [2.0]).results
    assert found.value == pytest.approx(minimize(NEWTON, LogisticRegression(X, y, 2.0, False, "sum")).value, rel=1e-10)
    assert f.l2 == 0.1


def test_a_path_into_separation_says_so_and_the_next_start_is_a_fit():
    X = torch.tensor([[1.0], [2.0], [-1.0], [-2.0]])
    path = regularization_path(NEWTON, LogisticRegression(X, (X[:, 0] > 0).float()), [0.0, 0.1, 0.01])
    assert [r.status for r in path.results] == [Status.SEPARABLE, Status.CONVERGED, Status.CONVERGED]
    assert not path.converged


def test_wrong_arguments_of_a_path_are_refused():
    X, y = data()
    with pytest.raises(TypeError, match="linear model"):
        regularization_path(NEWTON, FunctionObjective(lambda x: x @ x), [1.0])
    with pytest.raises(ValueError, match="empty"):
        regularization_path(NEWTON, LogisticRegression(X, y), [])
    with pytest.raises(ValueError, match="l2 must be"):
        regularization_path(NEWTON, LogisticRegression(X, y), [-1.0])


@pytest.mark.parametrize(("metric", "scoring"), [("log_loss", "neg_log_loss"), ("accuracy", "accuracy")])
def test_the_scores_are_those_of_scikit_learn(metric, scoring):
    linear_model = pytest.importorskip("sklearn.linear_model")
    X, y = data()
    l2s = [0.1, 1.0, 10.0, 100.0]
    found = cross_validate(
        X, y, l2s, objective=partial(LogisticRegression, reduction="sum"), metric=metric, stop=Stop(1e-14)
    )
    theirs = linear_model.LogisticRegressionCV(
        Cs=[1 / l2 for l2 in l2s], cv=5, scoring=scoring, solver="newton-cholesky", tol=1e-10
    ).fit(X.numpy(), y.numpy())
    scores = torch.as_tensor(theirs.scores_[1]) * (-1 if metric == "log_loss" else 1)
    assert float((found.scores - scores).abs().max()) < 1e-6
    means = scores.mean(0)
    best = means.min() if metric == "log_loss" else means.max()
    assert float(means[l2s.index(found.best)]) == pytest.approx(float(best), abs=1e-6)
    assert all(status == Status.CONVERGED for fold in found.statuses for status in fold)
    assert found.result.status == Status.CONVERGED
    if 1 / float(theirs.C_[0]) == pytest.approx(found.best):  # accuracies may be equal
        assert float((found.result.x[:-1] - torch.as_tensor(theirs.coef_[0])).abs().max()) < 1e-5


def test_own_folds_and_metrics_of_three_classes():
    X, y = data(3)
    rows = torch.arange(150)
    folds = [(rows[rows % 2 == k], rows[rows % 2 != k]) for k in range(2)]
    found = cross_validate(
        X,
        y,
        [1.0, 1e-2],
        objective=partial(SoftmaxRegression, classes=3),
        folds=folds,
        metric=lambda held_out, x: -held_out.accuracy(x),
    )
    usual = cross_validate(
        X, y, [1.0, 1e-2], objective=partial(SoftmaxRegression, classes=3), folds=folds, metric="accuracy"
    )
    assert found.scores.shape == (2, 2) and torch.equal(found.scores, -usual.scores)


def test_a_fit_that_did_not_converge_has_no_score():
    X = torch.tensor([[1.0], [2.0], [3.0], [-1.0], [-2.0], [-3.0]])
    y = (X[:, 0] > 0).float()
    found = cross_validate(X, y, [0.0, 0.1], folds=3)
    assert found.best == 0.1 and bool(found.scores[:, 0].isnan().all()) and bool(found.scores[:, 1].isfinite().all())
    with pytest.raises(ValueError, match="no penalty"):
        cross_validate(X, y, [0.0], folds=3)
    with pytest.raises(ValueError, match="metric must be"):
        cross_validate(X, y, [0.1], metric="auc")


def test_the_classic_problem_is_chosen_a_penalty():
    f = build("breast-cancer-l2").objective
    found = cross_validate(f.X, f.y, [1e-4, 1e-2, 1.0], seed=0)
    assert found.best == 1e-2


def test_a_path_of_a_sample_keeps_its_scale():
    X, y = data()
    part = LogisticRegression(X, y, 0.1, reduction="sum").sample(torch.arange(50))
    (found,) = regularization_path(NEWTON, part, [0.1]).results
    assert found.value == pytest.approx(minimize(NEWTON, part).value, rel=1e-10)
