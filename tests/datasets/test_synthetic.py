"""Synthetic problems are as difficult as they were asked to be, and the same whenever they are."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys

import pytest
import torch

from benchmarks.runner.environment import ROOT
from datasets import Dataset
from datasets.certificates.separation import OVERLAPPING, SEPARABLE, separation
from datasets.loaders.synthetic import synthetic
from solvers.objectives import LogisticRegression

PINNED = "15b7f8e551a4ba258eef80431807bb642b7a231008ec9fb061bd24381f7a469c"
RECIPE = "synthetic(200, 10, condition=1e3, margin=0.1, balance=0.4, seed=7)"


def eigenvalues(X: torch.Tensor) -> torch.Tensor:
    """Of X^T X / n, ascending, by singular values."""
    return torch.linalg.svdvals(X.to_dense()).square().flip(0) / len(X)


def signal(data: Dataset, margin: float) -> torch.Tensor:
    """t = X u, (n,); u is in the planted rows, the shortest ones."""
    X = data.X.to_dense()
    planted = int((X.norm(dim=1) - margin).abs().argmin())
    u = X[planted] / X[planted].norm()
    return X @ u * torch.sign((X @ u)[planted] * (2 * data.y - 1)[planted])


@pytest.mark.parametrize("condition", [1.0, 100.0, 1e10])
@pytest.mark.parametrize("settings", [{}, {"margin": 0.4, "label_noise": 0.0}, {"margin": 0.2, "balance": 0.1}])
def test_the_condition_number_is_the_chosen_one(condition, settings):
    data = synthetic(300, 20, condition=condition, **settings)
    spectrum = eigenvalues(data.X)
    assert float(spectrum[-1] / spectrum[0]) == pytest.approx(condition, rel=1e-6)
    even = torch.logspace(-torch.log10(torch.tensor(condition)).item(), 0, 20, dtype=torch.float64)
    torch.testing.assert_close(spectrum, even, rtol=1e-5, atol=0)


def test_the_columns_are_mixed_so_that_no_scaling_undoes_it():
    X = synthetic(300, 20, condition=1e6).X
    scaled = eigenvalues(X / X.norm(dim=0))
    assert float(scaled[-1] / scaled[0]) > 1e4


@pytest.mark.parametrize("settings", [{}, {"condition": None}, {"sparsity": 0.6}, {"balance": 0.2, "condition": 50.0}])
def test_the_margin_is_the_largest_that_any_unit_vector_has(settings):
    data = synthetic(200, 10, margin=0.25, label_noise=0.0, **settings)
    signs = 2 * data.y - 1
    t = signal(data, 0.25) * signs
    assert float(t.min()) == pytest.approx(0.25, abs=1e-12)  # u has it
    assert float(t.square().mean()) == pytest.approx(1, abs=1e-12)
    X = data.X.to_dense()
    a, b = ((signs == side) & ((X.norm(dim=1) - 0.25).abs() < 1e-12) for side in (1, -1))
    assert a.sum() == b.sum() == 1
    # For a unit w and any b, the margins of these two rows add up to at most 0.5: no vector has more.
    torch.testing.assert_close(X[a], -X[b], rtol=0, atol=1e-12)


def test_without_noise_the_classes_are_separable_and_with_noise_they_overlap():
    for noise, expected in ((0.0, SEPARABLE), (0.1, OVERLAPPING)):
        data = synthetic(200, 5, margin=0.1, label_noise=noise)
        assert separation(LogisticRegression(data.X, data.y)).classes == expected


@pytest.mark.parametrize("noise", [0.0, 0.05, 0.3337])
@pytest.mark.parametrize("balance", [0.5, 0.1, 0.907])
def test_noise_and_balance_are_exact_counts(noise, balance):
    data = synthetic(1000, 6, margin=0.3, label_noise=noise, balance=balance)
    assert int(data.y.sum()) == round(1000 * balance) and set(data.y.tolist()) == {0.0, 1.0}
    assert int(data.y_test.sum()) == round(500 * balance)
    wrong = int((signal(data, 0.3) * (2 * data.y - 1) < 0).sum())
    assert wrong in (round(1000 * noise), 1000 - round(1000 * noise))  # where the planted row is itself mislabelled


@pytest.mark.parametrize("sparsity", [0.3, 0.5, 0.9, 0.97])
def test_the_number_of_zeros_is_exact_and_no_row_is_empty(sparsity):
    data = synthetic(400, 40, sparsity=sparsity, margin=0.1)
    assert data.X.layout == data.X_test.layout == torch.sparse_csr
    for X in (data.X, data.X_test):
        dense = X.to_dense()
        assert int((dense == 0).sum()) == round(sparsity * dense.numel())
        assert bool((dense != 0).any(1).all())


def test_the_condition_of_sparse_rows_is_that_of_their_columns():
    X = synthetic(20_000, 30, sparsity=0.8, condition=1e4).X
    squares = X.to_dense().square().mean(0)
    assert float(squares.max() / squares.min()) == pytest.approx(1e4, rel=0.1)
    spectrum = eigenvalues(X)
    assert float(spectrum[-1] / spectrum[0]) == pytest.approx(1e4, rel=0.3)


def test_the_held_out_rows_are_like_the_others_and_change_nothing_in_them():
    few, many = (synthetic(2000, 8, condition=100.0, n_test=n) for n in (10, 4000))
    assert torch.equal(few.X, many.X) and torch.equal(few.y, many.y) and len(few.X_test) == 10
    torch.testing.assert_close(many.X.T @ many.X / 2000, many.X_test.T @ many.X_test / 4000, rtol=0, atol=0.1)


def test_more_columns_than_rows_are_possible_without_a_condition_number():
    data = synthetic(30, 100, condition=None, margin=0.5, label_noise=0.0)
    assert data.X.shape == (30, 100) and int(torch.linalg.matrix_rank(data.X)) == 29  # two rows are opposite


# --- the same bytes


def digest(data: Dataset) -> str:
    parts = (part.to_dense() for part in (data.X, data.y, data.X_test, data.y_test))
    return hashlib.sha256(b"".join(part.numpy().tobytes() for part in parts)).hexdigest()


@pytest.mark.parametrize("settings", [{}, {"condition": None}, {"sparsity": 0.7}, {"margin": 0.2, "label_noise": 0.0}])
def test_a_seed_gives_the_same_bytes_and_another_seed_others(settings):
    a, b, c = (synthetic(100, 10, seed=seed, **settings) for seed in (3, 3, 4))
    assert digest(a) == digest(b) != digest(c)
    torch.manual_seed(1)
    assert digest(synthetic(100, 10, seed=3, **settings)) == digest(a)


def test_the_bytes_are_those_of_every_other_machine():
    assert digest(eval(RECIPE)) == PINNED


@pytest.mark.slow
def test_neither_threads_nor_vector_units_change_a_byte():
    names = "from datasets.loaders.synthetic import synthetic; from tests.datasets.test_synthetic import digest"
    code = f"{names}; print(digest({RECIPE}))"
    features = "AVX2 FMA3 AVX512F AVX512CD AVX512_SKX AVX512_ICL X86_V3 X86_V4"
    settings = {"OMP_NUM_THREADS": "4", "OPENBLAS_NUM_THREADS": "4", "NPY_DISABLE_CPU_FEATURES": features}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        cwd=ROOT, env=os.environ | settings, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.strip() == PINNED


# --- what is not possible


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"n": 5, "d": 10}, "take more rows, or condition=None"),
        ({"n": 10, "d": 10, "margin": 0.1}, "two are planted"),
        ({"d": 1, "condition": 10.0}, "take d >= 2"),
        ({"condition": 0.5}, "condition must be"),
        ({"condition": float("nan")}, "condition must be"),
        ({"margin": 1.0}, "margin must lie in"),
        ({"sparsity": 1.0}, "sparsity must lie in"),
        ({"sparsity": 0.99}, "sparsity 0.99 is not possible with 1000 x 20: take 0"),
        ({"label_noise": -0.1}, "label_noise must lie in"),
        ({"balance": 1.5}, "balance must lie in"),
        ({"n": 1}, "at least 4"),
    ],
)
def test_what_no_data_can_satisfy_is_refused(settings, said):
    with pytest.raises(ValueError, match=said):
        synthetic(**settings)


@pytest.mark.parametrize(
    "settings", [{"d": 1}, {"balance": 0.0}, {"balance": 1.0, "margin": 0.2}, {"label_noise": 1.0}]
)
def test_the_ends_of_the_ranges_are_possible(settings):
    data = synthetic(40, **settings) if "d" in settings else synthetic(40, 3, **settings)
    assert bool(data.X.isfinite().all()) and len(data.X) == 40
