"""Certificates: facts that others computed, bounds that hold, and a cache that is never wrong."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import replace
from importlib import import_module
from itertools import combinations
from pathlib import Path

import mpmath
import numpy as np
import pytest
import torch
from scipy import sparse
from scipy.optimize import linprog
from scipy.special import logsumexp
from sklearn.linear_model import LogisticRegression as ScikitLearn
from torch import Tensor

from benchmarks.audit.reference import HighPrecisionSoftmax
from datasets import PROBLEMS, Certificate, Problem, build, certificate, certify, multiclass
from datasets.certificates.optimum import coordinates, self_concordant_gap, solve, value_rounding
from datasets.certificates.separation import (
    OVERLAPPING,
    QUASI,
    SEPARABLE,
    UNDECIDED,
    classify_separability,
    separation,
    unit,
    widest_margin,
)
from solvers import CholeskyNewton, Stop, minimize
from solvers.objectives import FunctionObjective, LogisticRegression, SoftmaxRegression

MODULES = {
    name: import_module(f"datasets.certificates.{name}")
    for name in ("certificate", "optimum", "separation", "eigenvalues")
}
# f* on the sum scale, to the digits given by an independent computation
OPTIMA = {
    "breast-cancer-l2": 25.7068984127,
    "breast-cancer-mean10": 44.6274517750,
    "breast-cancer-raw": 32.0096747157,
}
ROWS = 398


def by_hand(objective, name="by hand") -> Problem:
    return Problem(name, "", objective, objective, objective.zeros(), "")


def model(X, y, classes: int | None = None, **settings) -> LogisticRegression | SoftmaxRegression:
    """Logistic regression, or softmax regression where the number of classes is given."""
    X, y = (part if isinstance(part, Tensor) else torch.tensor(part, dtype=torch.float64) for part in (X, y))
    if classes is None:
        return LogisticRegression(X, y, **settings)
    return SoftmaxRegression(X, y, classes, **settings)


def problem(X, y, classes: int | None = None, **settings) -> Problem:
    """A problem of a few rows, for the certificate."""
    return by_hand(model(X, y, classes, **settings))


def random_model(classes: int | None, n=150, d=3, *, seed=0, **settings) -> LogisticRegression | SoftmaxRegression:
    """Overlapping labels, independent of the rows."""
    generator = torch.Generator().manual_seed(seed)
    X = torch.randn(n, d, generator=generator, dtype=torch.float64)
    y = torch.randint(0, classes or 2, (n,), generator=generator)
    return model(X, y, classes, **settings)


EITHER = pytest.mark.parametrize("classes", [None, 2, 3], ids=["logistic", "softmax 2", "softmax 3"])
INTERCEPT = pytest.mark.parametrize("fit_intercept", [False, True])


# --- breast cancer


@pytest.mark.parametrize("name", OPTIMA)
def test_the_optimum_agrees_with_the_reference_and_its_interval_is_narrow(name):
    known, last_digit = certificate(name), 0.5e-10
    assert known.minimiser and known.n == ROWS
    assert known.low * ROWS - last_digit <= OPTIMA[name] <= known.high * ROWS + last_digit
    assert 0 < (known.high - known.low) * ROWS < 1e-9
    assert known.low < known.optimum < known.high


def test_the_classic_problem_has_no_minimiser():
    known = certificate("breast-cancer")
    assert (known.classes, known.minimiser) == ("separable", False)
    assert (known.low, known.high) == (0.0, 0.0)
    assert known.margin == pytest.approx(0.077, abs=5e-4)
    assert known.diagonal_rate == pytest.approx(13.3, abs=0.05)
    assert known.rank == known.d == 30


def test_the_margin_is_reached_by_a_direction_that_separates():
    """The exact Newton run of the classic comparison separates too, so no w in the box has a wider margin than this."""
    f = build("breast-cancer").objective
    stop = Stop(gap_tolerance=None, iterations=30, stop_when_separable=False)
    w = minimize(CholeskyNewton(), f, stop=stop).x
    margins = f.signs * (f.X @ (w / w.abs().max()))
    assert 0 < float(margins.min()) <= certificate("breast-cancer").margin


def test_the_ten_means_overlap():
    known = certificate("breast-cancer-mean10")
    assert (known.classes, known.minimiser, known.margin) == ("overlapping", True, 0.0)


# --- tiny sets


LINE = [[-2.0], [-1.0], [1.0], [2.0]]
SETS = {
    "separable": ("separable", False, LINE, [0, 0, 1, 1], {}),
    "separable only by the intercept": ("separable", False, [[1.0], [2.0], [3.0]], [0, 0, 1], {"fit_intercept": True}),
    "the same without it overlaps": ("overlapping", True, [[1.0], [2.0], [3.0]], [0, 0, 1], {}),
    "quasi-separable": ("quasi-separable", False, [[-1.0], [0.0], [0.0], [1.0]], [0, 0, 1, 1], {}),
    "quasi-separable with an intercept": (
        "quasi-separable",
        False,
        [[1.0], [2.0], [2.0], [3.0]],
        [0, 0, 1, 1],
        {"fit_intercept": True},
    ),
    "quasi in one of two features": (
        "quasi-separable",
        False,
        [[1.0, 1.0], [2.0, 1.0], [-1.0, 0.0], [1.0, 0.0]],
        [1, 1, 0, 0],
        {},
    ),
    "overlapping": ("overlapping", True, LINE, [0, 1, 0, 1], {}),
    "overlapping with an intercept": ("overlapping", True, LINE, [0, 1, 0, 1], {"fit_intercept": True}),
    "one class, all rows on one side": ("separable", False, [[1.0], [2.0]], [1, 1], {}),
    "one class, rows on both sides": ("overlapping", True, [[1.0], [-2.0]], [1, 1], {}),
    "separable and penalised": ("separable", True, LINE, [0, 0, 1, 1], {"l2": 0.1}),
    "separable in small units": ("separable", False, [[1e-8 * x] for (x,) in LINE], [0, 0, 1, 1], {}),
    "separable in tiny units": ("separable", False, [[1e-12 * x] for (x,) in LINE], [0, 0, 1, 1], {}),
    "separable by a feature in small units": (
        "separable",
        False,
        [[1e8, 1e-8], [-1e8, 1e-8], [1e8, -1e-8], [-1e8, -1e-8]],
        [1, 1, 0, 0],
        {},
    ),
    "overlapping in large units": ("overlapping", True, [[1e8 * x] for (x,) in LINE], [0, 1, 0, 1], {}),
}


@pytest.mark.parametrize("name", SETS)
def test_small_sets_are_classified(name):
    classes, minimiser, X, y, settings = SETS[name]
    known = certify(problem(X, y, **settings))
    assert (known.classes, known.minimiser) == (classes, minimiser)
    assert not known.margin <= 0 if classes == "separable" else known.margin == 0  # NaN: too small for the program


def test_the_margin_is_that_of_the_best_direction_in_the_box():
    assert certify(problem(LINE, [0, 0, 1, 1])).margin == pytest.approx(1.0)
    assert certify(problem([[1.0, 1.0], [2.0, -1.0]], [1, 1])).margin == pytest.approx(1.5)  # w = (1, 1/2)


def test_probabilities_as_labels_get_no_certificate():
    with pytest.raises(ValueError, match="labels 0 and 1 only"):
        certify(problem([[1.0], [2.0]], [0.3, 0.9]))


@pytest.mark.parametrize("l2", [0.0, 0.1])
@pytest.mark.parametrize("label", [0, 1])
def test_one_class_with_a_free_intercept_has_no_minimiser(label, l2):
    known = certify(problem([[1.0], [-2.0]], [label, label], fit_intercept=True, l2=l2))
    assert not known.minimiser and known.low == known.high == 0.0


def test_one_class_with_a_penalty_and_no_intercept_has_one():
    assert certify(problem([[1.0], [2.0]], [1, 1], l2=0.1)).minimiser


# --- self-concordance


@pytest.mark.parametrize("settings", [{}, {"fit_intercept": True}, {"l2": 0.01}, {"l2": 0.01, "fit_intercept": True}])
def test_the_self_concordant_bound_holds_away_from_the_optimum(logistic, settings):
    f = logistic(n=80, d=3, **settings)
    best = minimize(CholeskyNewton(), f, stop=Stop(gap_tolerance=0.0))
    generator = torch.Generator().manual_seed(1)
    applied = 0
    for size in (1e-3, 1e-2, 0.05, 0.1, 0.2, 0.5, 1.0, 3.0):
        for _ in range(20):
            step = torch.randn(f.size, generator=generator, dtype=torch.float64)
            point = f.at(best.x + size * step / step.norm())
            bound, gap = self_concordant_gap(point), float(point.value) - best.value
            assert gap <= bound + 1e-15
            applied += math.isfinite(bound)
    assert 40 <= applied < 160  # it says something near the optimum, and nothing far from it


def test_the_self_concordant_bound_is_more_than_half_the_decrement_and_tends_to_it():
    """Towards separation f falls faster than its quadratic model says: half the decrement alone is no bound."""
    f = problem([[1.0], [1.0], [1.0], [-1.0]], [1, 1, 1, 1]).objective
    best = minimize(CholeskyNewton(), f, stop=Stop(gap_tolerance=0.0))
    above_half = 0
    for size in (0.3, 0.1, -0.1, -0.3):
        point = f.at(best.x + size)
        half = 0.5 * float(point.gradient.square() / point.hessian)
        gap, bound = float(point.value) - best.value, self_concordant_gap(point)
        assert gap <= bound and half < bound
        above_half += gap > half
    assert above_half >= 1
    near = f.at(best.x + 1e-5)
    assert self_concordant_gap(near) == pytest.approx(0.5 * float(near.gradient**2 / near.hessian), rel=1e-3)


def test_the_self_concordant_bound_is_infinite_where_it_does_not_apply(logistic):
    f = logistic(n=80, d=3)
    far = f.at(torch.full((3,), 30.0, dtype=torch.float64))
    assert self_concordant_gap(far) == math.inf
    singular = problem([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0]], [1, 1, 0]).objective
    assert self_concordant_gap(singular.at(singular.zeros())) == math.inf


def test_the_interval_holds_what_a_long_run_finds(logistic):
    for settings in ({}, {"l2": 0.1}, {"fit_intercept": True, "l2": 0.01}):
        f = logistic(**settings)
        known = certify(by_hand(f))
        best = min(
            minimize(CholeskyNewton(shrink=shrink), f, stop=Stop(gap_tolerance=0.0)).value for shrink in (0.5, 0.7)
        )
        assert known.minimiser and known.low <= best <= known.high
        assert known.high - known.low < 1e-13


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("l2", [0.0, 0.05])
@INTERCEPT
def test_the_bound_holds_for_several_classes_too(classes, fit_intercept, l2):
    f = random_model(classes, l2=l2, fit_intercept=fit_intercept)
    best, basis = solve(f), coordinates(f)
    generator = torch.Generator().manual_seed(1)
    applied = 0
    for size in (1e-4, 0.03, 0.1, 0.3, 1.0, 3.0, 30.0):
        for _ in range(10):
            step = torch.randn(f.size, generator=generator, dtype=torch.float64)
            point = f.at(best.x + size * step / step.norm())
            bound, gap = self_concordant_gap(point, basis), float(point.value) - best.value
            assert gap <= bound + 1e-15
            applied += math.isfinite(bound)
            if size == 1e-4:
                half = 0.5 * float(point.gradient @ torch.linalg.pinv(point.hessian) @ point.gradient)
                assert bound == pytest.approx(half, rel=1e-2) and bound > half
    assert bound == math.inf and 20 <= applied <= 60


@EITHER
def test_the_bound_is_reached_by_a_rare_class(classes):
    """The loss of a class with a row in ten thousand falls as exp(z): there |f'''| = f'', and no bound is narrower."""
    y = torch.zeros(10_000)
    y[1:3001] = 1 if classes == 3 else 0
    y[0] = 2 if classes == 3 else 1
    f = model(torch.ones(10_000, 1, dtype=torch.float64), y, classes)
    best = solve(f)
    for size in (0.1, 0.5, 1.0):
        step = torch.zeros_like(best.x)
        step[-1] = size
        point = f.at(best.x + step)
        gap, bound = float(point.value) - best.value, self_concordant_gap(point, coordinates(f))
        assert gap <= bound <= gap * 1.001
        u = 1 - math.exp(-size)  # half the decrement is too little by far
        assert 0.5 * u**2 < 0.99 * (u + (1 - u) * math.log1p(-u))


# --- f* of several classes


SLOW = pytest.param("digits", False, marks=pytest.mark.slow)


@pytest.mark.parametrize(("name", "fit_intercept"), [("iris", True), ("wine", True), SLOW])
def test_the_optimum_of_several_classes_agrees_with_scikit_learn(name, fit_intercept):
    data = multiclass(name)
    n, y = len(data.y), data.y.long()
    if name == "wine":  # its problem has no penalty
        known = certify(by_hand(SoftmaxRegression(data.X, y, l2=1 / n, fit_intercept=fit_intercept)))
    else:
        known = certificate(name)
    peer = ScikitLearn(C=1.0, fit_intercept=fit_intercept, tol=1e-9, max_iter=10_000).fit(data.X.numpy(), y.numpy())
    Z = peer.decision_function(data.X.numpy())
    found = ((logsumexp(Z, axis=1) - Z[np.arange(n), y.numpy()]).sum() + (peer.coef_**2).sum() / 2) / n
    assert known.minimiser and known.optimum == pytest.approx(found, rel=1e-9)
    assert 0 < known.high - known.low < 1e-11
    assert known.low <= found <= known.high * (1 + 1e-9)


def test_wine_without_penalty_is_separable():
    known = certificate("wine")
    assert (known.classes, known.minimiser, known.low, known.high) == ("separable", False, 0.0, 0.0)
    assert known.margin > 0 and known.no_gap == "no minimiser"


# --- directions along which f is constant


def columns(kind: str, n: int = 40) -> Tensor:
    """Two random columns, and others that add nothing to what they span (with an intercept, for the ones)."""
    X = torch.randn(n, 2, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    a, b = X[:, :1], X[:, 1:]
    added = {
        "independent": [],
        "a column twice": [a],
        "a column of zeros": [torch.zeros_like(a)],
        "a combination": [a - 2 * b],
        "a column in other units": [1e6 * b],
        "all of these": [a, torch.zeros_like(a), a - 2 * b],
    }
    return torch.cat([X, *added[kind]], dim=1)


KINDS = (
    "independent",
    "a column twice",
    "a column of zeros",
    "a combination",
    "a column in other units",
    "all of these",
)
LABELS = torch.randint(0, 3, (40,), generator=torch.Generator().manual_seed(3))


def seen(f: LogisticRegression | SoftmaxRegression) -> Tensor:
    """What f depends on, row by row: differences of logits, and coefficients that are penalised."""
    X = f.X.to_dense()
    X = torch.cat([X, torch.ones(len(X), 1, dtype=torch.float64)], dim=1) if f.fit_intercept else X
    classes = getattr(f, "classes", 1)
    picks = torch.eye(classes, dtype=torch.float64)
    pairs = [picks[j] - picks[k] for j, k in combinations(range(classes), 2)] or [picks[0]]
    penalised = torch.ones(classes, X.shape[1], dtype=torch.float64) * f.l2
    penalised[:, f.X.shape[1] :] = 0
    return torch.cat([*(torch.kron(pair.unsqueeze(0), X) for pair in pairs), torch.diag(penalised.flatten())])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("l2", [0.0, 0.1])
@INTERCEPT
@EITHER
def test_what_the_coordinates_leave_out_changes_nothing_and_what_they_keep_is_everything(
    classes, fit_intercept, l2, kind
):
    f = model(columns(kind), LABELS % (classes or 2), classes, l2=l2, fit_intercept=fit_intercept)
    basis, rows = coordinates(f), seen(f)
    rows = rows / rows.norm(dim=0).where(rows.any(0), 1.0)  # the units of a column change neither rank
    rank = int(torch.linalg.matrix_rank(rows))
    if basis is None:
        assert rank == f.size
        return
    assert basis.shape == (f.size, rank) and rank < f.size
    reached = seen(f) @ basis
    assert int(torch.linalg.matrix_rank(reached / reached.norm(dim=0))) == rank
    # The null space by another way: f is the same at w and at w without it.
    generator = torch.Generator().manual_seed(4)
    w = torch.randn(f.size, generator=generator, dtype=torch.float64)
    inside = basis @ torch.linalg.lstsq(reached, seen(f) @ w, driver="gelsd").solution
    assert float(f.at(inside).value) == pytest.approx(float(f.at(w).value), rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
@INTERCEPT
@EITHER
def test_columns_that_add_nothing_change_nothing_that_is_certified(classes, fit_intercept, kind):
    y = LABELS % (classes or 2)
    plain = certify(problem(columns("independent"), y, classes, fit_intercept=fit_intercept))
    known = certify(problem(columns(kind), y, classes, fit_intercept=fit_intercept))
    assert known.minimiser and known.classes == "overlapping" and known.bound == "generalised self-concordance"
    assert known.optimum == pytest.approx(plain.optimum, rel=1e-12) and 0 < known.high - known.low < 1e-12
    assert known.rank == plain.rank == 2 + fit_intercept
    assert 1 <= known.condition < 1e14 and 1 <= known.diagonal_rate < known.d


@EITHER
def test_a_column_of_ones_beside_an_intercept_changes_nothing_either(classes):
    X, y = columns("independent"), LABELS % (classes or 2)
    with_ones = torch.cat([X, torch.ones(len(X), 1, dtype=torch.float64)], dim=1)
    plain, known = (certify(problem(part, y, classes, fit_intercept=True)) for part in (X, with_ones))
    assert (
        known.minimiser and known.rank == plain.rank == 3 and known.optimum == pytest.approx(plain.optimum, rel=1e-12)
    )


def test_columns_that_differ_in_the_ninth_digit_are_two():
    X = columns("independent")
    X[:, 1] = X[:, 0] + 1e-9 * X[:, 1]
    assert certify(problem(X, LABELS % 2)).rank == 2


@EITHER
def test_the_loss_of_rows_of_zeros_is_constant_and_known(classes):
    known = certify(problem(torch.zeros(6, 2, dtype=torch.float64), [0, 1, 0, 1, 1, 0], classes))
    assert known.minimiser and known.optimum == pytest.approx(math.log(classes or 2), rel=1e-14)
    assert (known.rank, known.diagonal_rate) == (0, 0) and known.high - known.low < 1e-13
    assert math.isnan(known.condition)


# --- separation


def feasible(rows: np.ndarray, least: float) -> bool:
    """Whether some l with every l_i >= least and sum l = n has l^T rows = 0: no w is asked for."""
    n, d = rows.shape
    equalities = np.vstack([rows.T, np.ones((1, n))]) if least == 0 else rows.T
    sides = np.r_[np.zeros(d), n] if least == 0 else np.zeros(d)
    return linprog(np.zeros(n), A_eq=equalities, b_eq=sides, bounds=(least, None)).status == 0


def by_alternatives(rows: np.ndarray) -> str:
    """Gordan: no w has every r w > 0 exactly if a combination that is not negative and not 0 vanishes; Stiemke: no w
    has every r w >= 0 and not all 0 exactly if one with every weight positive does."""
    if not feasible(rows, 0.0):
        return SEPARABLE
    return OVERLAPPING if feasible(rows, 1.0) else QUASI


def test_the_answer_is_that_of_the_theorems_of_the_alternative():
    generator = np.random.default_rng(0)
    answers: Counter[str] = Counter()
    for _ in range(150):
        n, d = generator.integers(3, 8), generator.integers(1, 4)
        rows = generator.integers(-2, 3, (n, d)).astype(float)
        if generator.random() < 0.5:  # most in a half-space: quasi-separation is rare otherwise
            rows[:, 0] = abs(rows[:, 0])
        answers[expected := by_alternatives(rows)] += 1
        scaled = sparse.csr_matrix(rows)
        assert classify_separability(unit(unit(scaled, axis=0), axis=1)) == expected, rows
        assert (widest_margin(scaled) > 1e-9) == (expected == SEPARABLE), rows
    assert min(answers.values()) >= 15 and len(answers) == 3


def test_rows_are_peeled_until_nothing_moves():
    """In units of 1e-5 each column decides only what the ones before left: no single program sees all of it."""
    steps = np.array([[1.0, 0, 0], [-1, 1e7, 0], [0, -1, 1e7], [0, 0, 1]])
    assert classify_separability(unit(sparse.csr_matrix(steps), axis=1)) == SEPARABLE
    assert classify_separability(unit(sparse.csr_matrix(np.vstack([steps, 0 * steps[:1]])), axis=1)) == QUASI
    assert classify_separability(sparse.csr_matrix(np.zeros((2, 3)))) == OVERLAPPING


@INTERCEPT
def test_two_classes_of_softmax_are_those_of_logistic_regression(fit_intercept):
    generator = np.random.default_rng(1)
    answers: Counter[str] = Counter()
    for _ in range(60):
        n, d = generator.integers(3, 8), generator.integers(1, 4)
        X, y = generator.integers(-2, 3, (n, d)).astype(float), generator.integers(0, 2, n).astype(float)
        one, two = (separation(model(X.tolist(), y.tolist(), k, fit_intercept=fit_intercept)) for k in (None, 2))
        assert one.classes == two.classes
        assert two.margin == pytest.approx(2 * one.margin, abs=1e-9)  # w = w_1 - w_0, and each is in the box
        answers[one.classes] += 1
    assert len(answers) == 3


CORNERS = [[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]
THREE = {
    "a class in each corner": (SEPARABLE, CORNERS, [0, 1, 2], {}),
    "three on a line, without an intercept": (OVERLAPPING, [[1.0], [2.0], [3.0]], [0, 1, 2], {}),
    "three on a line, with one": (SEPARABLE, [[1.0], [2.0], [3.0]], [0, 1, 2], {"fit_intercept": True}),
    "touching at a point": (QUASI, [[-1.0], [0.0], [0.0], [1.0]], [0, 0, 2, 2], {}),
    "three that touch at the origin": (QUASI, [*CORNERS, [0.0, 0.0]], [0, 1, 2, 0], {}),
    "only one of them apart": (QUASI, [[0.0], [1.0], [0.0], [1.0], [9.0]], [0, 0, 1, 1, 2], {"fit_intercept": True}),
    "the same rows in every class": (OVERLAPPING, CORNERS * 3, [0, 0, 0, 1, 1, 1, 2, 2, 2], {}),
    "one in the middle of another": (
        QUASI,
        [[-1.0], [1.0], [0.0], [5.0], [6.0]],
        [0, 0, 1, 2, 2],
        {"fit_intercept": True},
    ),
}


@pytest.mark.parametrize("name", THREE)
@pytest.mark.parametrize("l2", [0.0, 0.1])
def test_three_classes_are_classified(name, l2):
    classes, X, y, settings = THREE[name]
    known = certify(problem(X, y, 3, l2=l2, **settings))
    assert (known.classes, known.minimiser) == (classes, l2 > 0 or classes == OVERLAPPING)
    assert (known.margin > 0) == (classes == SEPARABLE)


@pytest.mark.parametrize("l2", [0.0, 0.1])
def test_a_class_without_rows_beside_intercepts_leaves_no_minimiser(l2):
    f = random_model(3, n=30, d=2)
    known, without = (certify(problem(f.X, f.y, 4, fit_intercept=intercept, l2=l2)) for intercept in (True, False))
    assert (known.classes, known.minimiser, known.low) == ("quasi-separable", False, 0.0)
    assert without.minimiser and without.classes == "overlapping"
    assert not certify(problem(f.X, [1] * 30, fit_intercept=True, l2=l2)).minimiser


# --- too large for a linear program

# Separable by the sum of their columns, and by no column alone.
APART = [[3.0, -1.0, 0.0], [-1.0, 3.0, 0.0], [-3.0, 1.0, 0.0], [1.0, -3.0, 0.0]]
SIDES = [1, 1, 0, 0]


@pytest.fixture
def no_programs(monkeypatch):
    monkeypatch.setattr(MODULES["separation"], "LARGEST", 0)


@INTERCEPT
@EITHER
def test_without_a_program_nothing_is_known_but_by_a_penalty(no_programs, classes, fit_intercept):
    unknown, penalised = (
        certify(problem(APART, SIDES, classes and 2, fit_intercept=fit_intercept, l2=l2)) for l2 in (0.0, 0.1)
    )
    assert unknown.classes == penalised.classes == "undecided" and math.isnan(unknown.margin)
    assert unknown.minimiser is None and math.isnan(unknown.optimum) and unknown.no_gap == "f* is not known"
    assert unknown.low == 0 < unknown.high
    assert penalised.minimiser and penalised.no_gap == "" and penalised.high - penalised.low < 1e-13


@pytest.mark.parametrize("sparse_rows", [False, True])
@pytest.mark.parametrize("ink", [1.0, -1.0])
@EITHER
def test_a_pixel_lit_in_one_class_alone_is_enough_to_know_that_they_do_not_overlap(
    no_programs, classes, ink, sparse_rows
):
    X, y = torch.tensor(APART * 2, dtype=torch.float64), [*SIDES, *(classes - 1 if classes else k for k in SIDES)]
    dark = "not overlapping" if classes == 3 else "undecided"  # lit in two classes, dark in the third if there is one
    for lit, expected in (([0, 1], "not overlapping"), ([0, 2], dark), ([0, 2, 4], "undecided"), ([], "undecided")):
        X[:, 2] = 0
        X[lit, 2] = ink
        known = separation(model(X.to_sparse_csr() if sparse_rows else X, y, classes))
        assert known.classes == expected and math.isnan(known.margin)


def test_a_minimiser_that_is_found_needs_no_program(no_programs):
    known = certify(by_hand(random_model(3, fit_intercept=True)))
    assert (known.classes, known.minimiser, known.margin) == ("overlapping", True, 0.0)
    assert "self-concordance" in known.classes_by


# --- large matrices


@pytest.fixture
def nothing_is_dense(monkeypatch):
    """What is above order 5 counts as large."""
    for name in ("certificate", "optimum", "eigenvalues"):
        monkeypatch.setattr(MODULES[name], "DENSE", 5)


LARGE = {
    "softmax": lambda: random_model(3, n=80, d=8, l2=0.02),
    "softmax with intercepts": lambda: random_model(3, n=80, d=8, l2=0.02, fit_intercept=True),
    "softmax without penalty": lambda: random_model(3, n=80, d=8),
    "logistic": lambda: random_model(None, n=80, d=8),
    "more columns than rows": lambda: random_model(None, n=10, d=30, l2=0.02),
}


@pytest.mark.parametrize("name", LARGE)
def test_lanczos_agrees_with_lapack(name, request):
    f = LARGE[name]()
    small = certify(by_hand(f))
    request.getfixturevalue("nothing_is_dense")
    large = certify(by_hand(f))
    assert large.diagonal_rate == pytest.approx(small.diagonal_rate, rel=5e-3)
    if f.l2 > 0:
        assert (large.classes, large.minimiser) == (small.classes, small.minimiser)
    else:  # without a Hessian nothing proves a minimiser
        assert (large.classes, large.minimiser) == (UNDECIDED, None) and small.minimiser
    assert large.rank is None and math.isnan(large.least_eigenvalue)
    if name in ("softmax", "more columns than rows"):
        assert large.condition == pytest.approx(small.condition, rel=5e-3)
        assert large.bound.startswith("strong convexity") and large.high - large.low < 1e-12
    else:
        assert math.isnan(large.condition)
    assert large.low <= small.high and small.low <= large.high * (1 + 1e-12)


def test_a_residual_network_is_certified_at_its_start_only(request):
    name = "mlp-breast-cancer-mean10"
    built, known = build(name), certify(build(name))
    start = built.objective.at(built.x0)
    assert (known.minimiser, known.low, known.high) == (None, 0.0, float(start.value))
    assert known.family == "residual MLP" and known.no_gap == "f* is not known" and math.isnan(known.optimum)
    assert known.rank is None and math.isnan(known.condition) and known.classes == ""
    request.getfixturevalue("nothing_is_dense")
    by_products = certify(built).least_eigenvalue
    assert known.least_eigenvalue < 0 and by_products == pytest.approx(known.least_eigenvalue, rel=0.05)
    H = torch.autograd.functional.hessian(lambda x: built.objective.at(x).value, built.x0)
    assert known.least_eigenvalue == pytest.approx(float(torch.linalg.eigvalsh(H)[0]), rel=1e-9)


# --- rounding


def exact_value(f: LogisticRegression | SoftmaxRegression, w: Tensor) -> mpmath.mpf:
    """f(w) to 50 digits."""
    rows = f.X.to_dense().tolist()
    softmaxes = isinstance(f, SoftmaxRegression)
    W = [[mpmath.mpf(c) for c in row] for row in (f.rows(w) if softmaxes else w.unsqueeze(0)).tolist()]
    total = mpmath.mpf(0)
    for row, label in zip(rows, f.y.long().tolist(), strict=True):
        z = [mpmath.fdot(row, c) + (c[-1] if f.fit_intercept else 0) for c in W]  # fdot stops at the shorter
        z = z if softmaxes else [mpmath.mpf(0), *z]
        total += mpmath.log(mpmath.fsum(mpmath.exp(a - z[label]) for a in z))
    squares = mpmath.fsum(c**2 for row in W for c in row[: len(rows[0])])
    return total * mpmath.mpf(f.scale) + mpmath.mpf(f.l2) / 2 * squares


@pytest.mark.parametrize("settings", [{}, {"l2": 0.1}, {"reduction": "sum"}, {"fit_intercept": True}], ids=str)
@EITHER
def test_the_rounding_of_a_value_is_bounded_and_not_by_much(classes, settings):
    """Columns of mean 1e6 lose six digits of the margins, and the bound says so."""
    plain = random_model(classes, n=50)
    f = model(plain.X + 1e6, plain.y, classes, **settings)
    generator = torch.Generator().manual_seed(5)
    errors, bounds = [], []
    with mpmath.workdps(50):
        for _ in range(8):
            w = torch.randn(getattr(f, "classes", 1), f.size // getattr(f, "classes", 1), generator=generator).double()
            if f.fit_intercept:
                w[:, -1] = -1e6 * w[:, :-1].sum(1)
            else:
                w[:, -1] -= w.sum(1)  # margins of order one all the same
            point = f.at(w.flatten())
            errors.append(float(abs(mpmath.mpf(float(point.value)) - exact_value(f, point.x))))
            bounds.append(value_rounding(f, point))
    assert all(error <= bound for error, bound in zip(errors, bounds, strict=True))
    assert max(bounds) <= 1e4 * max(errors)


def test_a_common_step_of_all_classes_hides_no_row_that_moves_the_wrong_way():
    """Short rows were moved the wrong way by less than the rounding of what is added to all classes alike."""
    x = [0.245, -0.0665, 1.75, 0.0136, 79.8, -0.568, 0.000109, 1.44, -5.04, 0.0117, 3750.0, 460.0, -0.00239, 0.000489]
    x += [-0.43, 0.00152, 0.00158, 0.000121, 0.000319, -0.00142, -3.47e-05]
    y = torch.tensor([int(label) for label in "003001112210101033033"])
    f = SoftmaxRegression(torch.tensor(x, dtype=torch.float64).unsqueeze(1), y, fit_intercept=True)
    assert HighPrecisionSoftmax(f).minimise() is not None
    assert separation(f).classes == OVERLAPPING


def test_intercepts_that_share_a_large_part_lose_no_digits_to_it():
    """A common 1e9 in every intercept moves no margin; what of it W has rounded away is gone, and part of W."""
    f = random_model(3, n=50, fit_intercept=True)
    W = torch.ones(3, 4, dtype=torch.float64).cumsum(0)
    W[:, -1] += 1e9
    point = f.at(W.flatten())
    with mpmath.workdps(50):
        error = float(abs(mpmath.mpf(float(point.value)) - exact_value(f, point.x)))
    assert error <= value_rounding(f, point) <= 1e-12


def test_intercepts_far_from_zero_are_part_of_the_rounding():
    """1e9 in one intercept, and less the same along a constant column, cancels and takes nine digits of the margins."""
    f = random_model(3, n=50, fit_intercept=True)
    f = f.over(torch.cat([f.X, torch.ones(50, 1, dtype=torch.float64)], dim=1))
    W = torch.ones(3, 5, dtype=torch.float64).cumsum(0)
    W[0, -1] += 1e9 + 0.1
    W[0, -2] -= 1e9
    point = f.at(W.flatten())
    with mpmath.workdps(50):
        error = float(abs(mpmath.mpf(float(point.value)) - exact_value(f, point.x)))
    assert 1e-9 < error <= value_rounding(f, point) <= 1e4 * error


# --- the cache


class Ledger:
    """Problems under names of their own, and which of them were computed."""

    def __init__(self, monkeypatch, folder: Path) -> None:
        self.patch, self.folder, self.computed = monkeypatch, folder / "hessbench" / "certificates", []
        monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
        monkeypatch.setattr(MODULES["certificate"], "certify", self.certify)

    def certify(self, problem: Problem) -> Certificate:
        self.computed.append(problem.name)
        return certify(problem)

    def ask(self, problem: Problem) -> Certificate:
        """As a new process would."""
        certificate.cache_clear()
        self.patch.setitem(PROBLEMS, problem.name, lambda dtype, device: problem)
        return certificate(problem.name)

    @property
    def files(self) -> list[Path]:
        return sorted(self.folder.rglob("*"))


@pytest.fixture
def ledger(monkeypatch, tmp_path):
    yield Ledger(monkeypatch, tmp_path)
    certificate.cache_clear()


def tiny(name="tiny", **settings) -> Problem:
    return replace(problem([[1.0], [2.0], [-1.0]], [1, 0, 1], **settings), name=name, checksum="data")


def same(a: Certificate, b: Certificate) -> bool:
    return str(a) == str(b)  # NaN is not equal to itself


def test_a_certificate_is_computed_once_for_all_processes_and_names(ledger):
    first, again, renamed = (ledger.ask(tiny(name)) for name in ("tiny", "tiny", "other"))
    assert ledger.computed == ["tiny"] and len(ledger.files) == 1
    assert same(first, again) and same(first, certify(tiny())) and same(renamed, replace(first, problem="other"))
    certificate("other")
    assert ledger.computed == ["tiny"]


@pytest.mark.parametrize("content", ["", "{", "[]", "3", "{}", '{"problem": "tiny"}', '{"unknown": 1}', "\x00"])
def test_a_damaged_file_is_computed_again_and_replaced(ledger, content):
    first = ledger.ask(tiny())
    (path,) = ledger.files
    path.write_text(content)
    assert same(ledger.ask(tiny()), first) and ledger.computed == ["tiny", "tiny"]
    assert json.loads(path.read_text())["certificate"]["d"] == 1 and ledger.files == [path]


@pytest.mark.parametrize("blocked", ["hessbench", "hessbench/certificates"])
def test_a_cache_that_cannot_be_written_to_does_no_harm(ledger, tmp_path, blocked):
    path = tmp_path / blocked
    path.parent.mkdir(exist_ok=True)
    path.write_text("a file where a folder should be")
    assert same(ledger.ask(tiny()), certify(tiny())) and same(ledger.ask(tiny()), certify(tiny()))
    assert ledger.computed == ["tiny", "tiny"] and path.read_text().startswith("a file")


def test_a_write_that_breaks_off_leaves_nothing(ledger, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    assert ledger.ask(tiny()).minimiser and ledger.files == []


def test_other_data_settings_starts_or_code_are_other_certificates(ledger, monkeypatch):
    here = tiny()
    others = [
        here,
        replace(here, checksum="other data"),
        replace(here, x0=here.x0 + 1),
        tiny(l2=0.1),
        tiny(fit_intercept=True),
        tiny(reduction="sum"),
        tiny(classes=2),
    ]
    for count, other in enumerate(others, start=1):
        ledger.ask(other)
        assert len(ledger.computed) == len(ledger.files) == count
    monkeypatch.setattr(MODULES["certificate"], "code_hash", lambda names: "other code")
    ledger.ask(here)
    assert len(ledger.computed) == len(others) + 1


# --- real files


@pytest.mark.slow
def test_a9a_is_what_others_found(build_or_skip):
    assert build_or_skip("a9a").objective.X.shape == (32_561, 123)
    known = certificate("a9a")
    assert (known.n, known.d, known.classes, known.rank) == (32_561, 123, "quasi-separable", 108)
    assert known.minimiser and 0.32337 <= known.low <= known.high <= 0.32339
    assert known.high - known.low < 1e-11


@pytest.mark.slow
def test_reuters_is_too_wide_for_a_hessian_and_its_interval_narrow_all_the_same(build_or_skip):
    assert build_or_skip("reuters").objective.X.shape == (7770, 8315)
    known = certificate("reuters")
    assert known.minimiser and known.rank is None and known.bound.startswith("strong convexity")
    assert known.high - known.low < 1e-10 * known.low


# --- what rounding can hide


@pytest.mark.parametrize("size", [2.4e-7, 7.5e-9, 5.8e-11, 5.7e-14])
def test_separable_rows_that_hardly_differ_are_never_certified_to_overlap(size):
    """X = [a, a + size * side]: w = (-1, 1) separates, through a column that is nearly the other."""
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(60, generator=generator, dtype=torch.float64)
    y = torch.bernoulli(torch.full((60,), 0.5, dtype=torch.float64), generator=generator)
    X = torch.stack([a, a + size * (2 * y - 1)], dim=1)
    assert bool(((2 * y - 1) * (X[:, 1] - X[:, 0]) > 0).all())
    known = certify(problem(X, y))
    assert known.minimiser is not True and known.low == 0.0
    assert known.classes in (SEPARABLE, UNDECIDED) and known.no_gap


def test_a_row_that_moves_the_wrong_way_by_less_than_the_tolerance_of_the_program_is_seen():
    rows = [[1.0, 0.0], [-1e-10, 1.0], [-1e-10, -1.0]]  # w_1 > 0 lets the two others lose 1e-10: they overlap
    assert certify(problem(rows, [1, 1, 1], l2=1e-3)).classes in (OVERLAPPING, UNDECIDED)
    assert certify(problem(rows, [1, 1, 1])).classes == OVERLAPPING  # there the minimiser itself is the proof


def test_a_wide_interval_gives_no_gap():
    known = certify(build_small())
    assert known.no_gap == "" and replace(known, low=0.9 * known.high).no_gap == "f* is not known"
    assert replace(known, minimiser=None).no_gap == "f* is not known"


def build_small() -> Problem:
    return problem([[1.0], [-2.0], [1.5]], [1, 1, 0], l2=0.1)


def test_a_function_of_a_users_own_is_never_read_from_the_cache(monkeypatch):
    def builder(factor):
        def build_one(dtype, device):
            f = FunctionObjective(lambda x: factor * x.square().sum())
            f.X, f.size = torch.zeros(1, 2), 2
            return Problem("mine", "", f, f, torch.ones(2, dtype=torch.float64), "")

        return build_one

    found = []
    for factor in (1.0, 5.0):
        monkeypatch.setitem(PROBLEMS, "mine", builder(factor))
        certificate.cache_clear()
        found.append(certificate("mine").high)
    certificate.cache_clear()
    assert found == [2.0, 10.0]
