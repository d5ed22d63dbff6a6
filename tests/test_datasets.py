"""The data, and what is certified about it."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from datasets import PROBLEMS, Dataset, Problem, breast_cancer, build, certificate, certify, present_device
from datasets.certificate import design, self_concordant_gap
from solvers import CholeskyNewton, Stop, minimize
from solvers.objectives import LogisticRegression

PARTS = ("X", "y", "X_test", "y_test")
# f* on the sum scale, to the digits given by an independent computation
OPTIMA = {
    "breast-cancer-l2": 25.7068984127,
    "breast-cancer-mean10": 44.6274517750,
    "breast-cancer-raw": 32.0096747157,
}
ROWS = 398


def problem(X, y, **settings) -> Problem:
    """A problem of a few rows, for the certificate."""
    objective = LogisticRegression(
        torch.tensor(X, dtype=torch.float64), torch.tensor(y, dtype=torch.float64), **settings
    )
    return Problem("by hand", "", objective, objective, objective.zeros(), "")


# --- breast cancer


def test_the_split_has_398_and_171_rows_and_keeps_the_share_of_the_classes():
    data = breast_cancer()
    assert data.X.shape == (398, 30) and data.X_test.shape == (171, 30)
    assert data.y.shape == (398,) and data.y_test.shape == (171,)
    assert data.X.dtype == data.y.dtype == torch.float64
    assert int(data.y.sum() + data.y_test.sum()) == 357  # benign tumours among all 569
    for y in (data.y, data.y_test):
        assert abs(float(y.sum()) - len(y) * 357 / 569) <= 1


def test_the_training_part_is_standardised():
    X = breast_cancer().X
    assert float(X.mean(0).abs().max()) < 1e-13
    assert float((X.square().mean(0) - 1).abs().max()) < 1e-13


def test_nothing_of_the_test_rows_enters_the_scaling():
    scaled, raw = breast_cancer(), breast_cancer(standardise=False)
    mean, deviation = raw.X.mean(0), raw.X.std(0, correction=0)
    torch.testing.assert_close(scaled.X_test, (raw.X_test - mean) / deviation, rtol=1e-13, atol=1e-13)
    assert float(scaled.X_test.mean(0).abs().max()) > 0.01


def test_training_and_test_rows_are_together_the_569_rows_whatever_the_seed():
    def all_rows(seed: int) -> torch.Tensor:
        data = breast_cancer(seed=seed, standardise=False)
        rows = torch.cat([torch.cat([data.X, data.X_test]), torch.cat([data.y, data.y_test]).unsqueeze(1)], dim=1)
        return torch.stack(sorted(rows, key=lambda row: row.tolist()))

    assert all_rows(0).shape == (569, 31)
    assert torch.equal(all_rows(0), all_rows(1))


def test_seeds_give_different_splits_and_one_seed_always_the_same():
    checksums = [breast_cancer(seed=seed).checksum for seed in (0, 0, 1, 2)]
    assert checksums[0] == checksums[1] and len(set(checksums)) == 3


def test_features_takes_the_first_so_many():
    ten, all_of_them = (breast_cancer(features=n, standardise=False) for n in (10, None))
    assert torch.equal(ten.X, all_of_them.X[:, :10]) and torch.equal(ten.y, all_of_them.y)
    assert ten.feature_names == all_of_them.feature_names[:10]
    assert all(name.startswith("mean ") for name in ten.feature_names)


# --- the checksum


def small_dataset() -> Dataset:
    return Dataset("small", torch.zeros(3, 2), torch.zeros(3), torch.zeros(2, 2), torch.zeros(2))


@pytest.mark.parametrize("part", PARTS)
def test_any_entry_changes_the_checksum(part):
    data = small_dataset()
    found = {data.checksum}
    for index in range(getattr(data, part).numel()):
        changed = getattr(data, part).clone()
        changed.view(-1)[index] = 1e-30
        found.add(replace(data, **{part: changed}).checksum)
    assert len(found) == 1 + getattr(data, part).numel()


def test_the_checksum_sees_shapes_and_not_names_or_strides():
    data = small_dataset()
    assert data.checksum == small_dataset().checksum == replace(data, name="other").checksum
    assert data.checksum != replace(data, X=torch.zeros(2, 3)).checksum
    X = torch.arange(6.0).view(3, 2)
    assert replace(data, X=X).checksum == replace(data, X=X.T.contiguous().T).checksum


def test_a_problem_carries_the_checksum_of_its_float64_data():
    assert build("breast-cancer").checksum == build("breast-cancer", torch.float32).checksum == breast_cancer().checksum


# --- problems


@pytest.mark.parametrize("name", PROBLEMS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_problem_is_built_in_the_dtype_asked_for(name, dtype):
    built = build(name, dtype)
    assert built.name == name and built.summary
    assert {built.objective.X.dtype, built.objective.y.dtype, built.x0.dtype, built.held_out.X.dtype} == {dtype}
    assert built.shape == (ROWS, len(built.x0))
    assert not built.x0.any() and built.held_out.l2 == 0 and len(built.held_out.y) == 171


def test_an_unknown_problem_offers_near_matches():
    with pytest.raises(ValueError, match=r"unknown problem 'breast-cancer-12': did you mean .*breast-cancer-l2"):
        build("breast-cancer-12")
    with pytest.raises(ValueError, match=r"unknown problem 'zzz'.*known: .*breast-cancer-raw"):
        build("zzz")


@pytest.mark.parametrize("name", ["cuda:99", "no-such-device"])
def test_an_absent_device_is_a_value_error_that_names_it(name):
    for call in (present_device, lambda device: build("breast-cancer", device=device)):
        with pytest.raises(ValueError, match=f"'{name}' is not there") as error:
            call(name)
        assert "\n" not in str(error.value)


# --- certificates of the problems


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
def test_small_sets_are_told_apart(name):
    classes, minimiser, X, y, settings = SETS[name]
    known = certify(problem(X, y, **settings))
    assert (known.classes, known.minimiser) == (classes, minimiser)
    assert known.margin >= 0 and (known.margin == 0 or classes == "separable")


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


# --- the bound


@pytest.mark.parametrize("settings", [{}, {"fit_intercept": True}, {"l2": 0.01}, {"l2": 0.01, "fit_intercept": True}])
def test_the_self_concordant_bound_holds_away_from_the_optimum(logistic, settings):
    f = logistic(n=80, d=3, **settings)
    X = design(f)
    best = minimize(CholeskyNewton(), f, stop=Stop(gap_tolerance=0.0))
    generator = torch.Generator().manual_seed(1)
    applied = 0
    for size in (1e-3, 1e-2, 0.05, 0.1, 0.2, 0.5, 1.0, 3.0):
        for _ in range(20):
            step = torch.randn(f.size, generator=generator, dtype=torch.float64)
            point = f.at(best.x + size * step / step.norm())
            bound, gap = self_concordant_gap(point, X), float(point.value) - best.value
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
        gap, bound = float(point.value) - best.value, self_concordant_gap(point, f.X)
        assert gap <= bound and half < bound
        above_half += gap > half
    assert above_half >= 1
    near = f.at(best.x + 1e-5)
    assert self_concordant_gap(near, f.X) == pytest.approx(0.5 * float(near.gradient**2 / near.hessian), rel=1e-3)


def test_the_self_concordant_bound_is_infinite_where_it_does_not_apply(logistic):
    f = logistic(n=80, d=3)
    far = f.at(torch.full((3,), 30.0, dtype=torch.float64))
    assert self_concordant_gap(far, design(f)) == math.inf
    singular = problem([[1.0, 0.0], [-1.0, 0.0], [1.0, 0.0]], [1, 1, 0]).objective
    assert self_concordant_gap(singular.at(singular.zeros()), singular.X) == math.inf


def test_the_interval_holds_what_a_long_run_finds(logistic):
    for settings in ({}, {"l2": 0.1}, {"fit_intercept": True, "l2": 0.01}):
        f = logistic(**settings)
        known = certify(Problem("random", "", f, f, f.zeros(), ""))
        best = min(
            minimize(CholeskyNewton(shrink=shrink), f, stop=Stop(gap_tolerance=0.0)).value for shrink in (0.5, 0.7)
        )
        assert known.minimiser and known.low <= best <= known.high
        assert known.high - known.low < 1e-13
