"""The data, and the problems made of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from datasets import PROBLEMS, TEST_FUNCTIONS, Dataset, breast_cancer, build, multiclass, present_device
from datasets.registry import summary
from solvers.objectives import LogisticRegression, ResidualMLP, SoftmaxRegression

PARTS = ("X", "y", "X_test", "y_test")


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


# --- several classes


@pytest.mark.parametrize(
    ("name", "rows", "columns", "classes"), [("iris", 150, 4, 3), ("wine", 178, 13, 3), ("digits", 1797, 64, 10)]
)
def test_the_sets_of_several_classes_are_whole_and_split_by_class(name, rows, columns, classes):
    data = multiclass(name)
    assert data.X.shape[1] == data.X_test.shape[1] == columns and len(data.X) + len(data.X_test) == rows
    shares = [torch.bincount(y.long(), minlength=classes) / len(y) for y in (data.y, data.y_test)]
    assert len(shares[0]) == classes and float((shares[0] - shares[1]).abs().max()) < 0.02


def test_pixels_keep_their_scale_and_other_columns_are_standardised():
    digits, wine = multiclass("digits").X, multiclass("wine").X
    assert float(digits.min()) == 0 and float(digits.max()) == 1
    assert float(wine.mean(0).abs().max()) < 1e-13 and float((wine.square().mean(0) - 1).abs().max()) < 1e-13


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


# Name by name, so that both dtypes share the data; those with all rows of MNIST in one only, for the time they take.
# Test functions have tests of their own.
LARGE = ("mnist", "mnist-views", "mnist-odd-even", "reuters", "a9a", "w8a")
BUILT = [
    pytest.param(
        name,
        dtype,
        marks=[pytest.mark.slow] * (name.startswith("mnist") or name in ("reuters", "a9a", "w8a", "hashed")),
    )
    for name in PROBLEMS
    if name not in TEST_FUNCTIONS
    for dtype in (torch.float32, torch.float64)[: 2 - name.startswith("mnist")]
]


@pytest.mark.parametrize(("name", "dtype"), BUILT)
def test_a_problem_is_built_in_the_dtype_asked_for_and_is_what_its_summary_says(name, dtype, build_or_skip):
    problem = build_or_skip(name, dtype)
    f, held_out, x0, said = problem.objective, problem.held_out, problem.x0, problem.summary
    assert problem.name == name and said
    assert {f.X.dtype, held_out.X.dtype, x0.dtype, f.at(x0).value.dtype, f.at(x0).gradient.dtype} == {dtype}
    assert problem.shape == (len(f.X), len(x0)) and f.X.shape[1] == held_out.X.shape[1]
    assert type(held_out) is type(f) and held_out.size == f.size
    assert f.at(x0).value.isfinite() and held_out.at(x0).value.isfinite()
    assert 0 <= held_out.accuracy(x0) <= 1
    if "breast-cancer" in name:
        assert (len(f.X), len(held_out.X)) == (398, 171)
    if isinstance(f, ResidualMLP):
        assert x0.any() and f"{f.depth} hidden layer" in said
        return
    assert isinstance(f, (LogisticRegression, SoftmaxRegression)) and f.y.dtype in (dtype, torch.int64)
    assert not x0.any() and held_out.l2 == 0
    assert f.l2 * len(f.X) == pytest.approx(0 if "no penalty" in said else 1)
    assert f.fit_intercept == (" intercept" in said.replace("no intercept", ""))
    assert ("CSR layout" in said) == (f.X.layout == torch.sparse_csr)
    if isinstance(f, SoftmaxRegression):
        assert f.classes == held_out.classes == len(f.y.unique())


def test_a_residual_network_starts_at_the_same_place_in_every_dtype():
    single, double = (build("mlp-breast-cancer-mean10", dtype).x0 for dtype in (torch.float32, torch.float64))
    assert torch.equal(double.float(), single)


def test_a_synthetic_problem_of_any_size_has_a_name():
    built = build("synthetic-50x7", torch.float32)
    assert built.shape == (50, 7) and built.objective.X.dtype == torch.float32 and built.objective.l2 == 1 / 50
    assert build("synthetic-50x7").checksum == built.checksum != build("synthetic-50x8").checksum
    assert summary("synthetic-50x7").startswith("50 x 7") and summary("no such problem") == ""
    with pytest.raises(ValueError, match="at most 1e"):
        build("synthetic-1000000x100000")
    with pytest.raises(ValueError, match="at least 4"):
        build("synthetic-3x2")
    with pytest.raises(ValueError, match="unknown problem 'synthetic-0x2'"):
        build("synthetic-0x2")


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
