"""A user's own data: what each kind of column becomes, and one sentence for each that no model can use."""

from __future__ import annotations

import gzip
import json
import math
import os
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse
from sklearn.datasets import dump_svmlight_file

from datasets import DataError, build, certificate, problem_from_arrays
from datasets.own.options import OPTIONS
from datasets.own.recipe import VARIABLE, OwnData, recall, remember
from datasets.registry import PROBLEMS, summary
from solvers import SOLVERS, minimize
from solvers.objectives import LogisticRegression, ResidualMLP, SoftmaxRegression

N = 60


@pytest.fixture(autouse=True)
def own_of_the_test(monkeypatch, tmp_path):
    """What a test makes known is not known to the next."""
    monkeypatch.setenv(VARIABLE, "{}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def frame(**columns) -> pd.DataFrame:
    """60 rows: two quantities, a text of three levels and a target of two, in random order; and these columns."""
    rng = np.random.default_rng(0)
    rows = {
        "age": rng.integers(20, 80, N),
        "bmi": rng.normal(25, 4, N),
        "ward": rng.choice(["a", "b", "c"], N),
        "outcome": rng.integers(0, 2, N),
    }
    return pd.DataFrame(rows | columns)


@pytest.fixture
def written(tmp_path):
    """A maker of CSV files."""

    def write(table: pd.DataFrame | str, name: str = "patients.csv") -> str:
        path = tmp_path / name
        if isinstance(table, str):
            path.write_text(table)
        else:
            table.to_csv(path, index=False)
        return str(path)

    return write


def sentence(own: OwnData) -> str:
    """The error of own data: one line."""
    with pytest.raises(ValueError) as caught:
        own(torch.float64, torch.device("cpu"))
    words = str(caught.value)
    assert "\n" not in words and len(words) < 400
    return words


# --- what columns become


def test_quantities_are_standardised_by_the_training_part_and_text_becomes_zeros_and_ones(written):
    own = OwnData(written(frame()), "outcome")
    data = own.prepared.data
    assert data.feature_names == ("age", "bmi", "ward_b", "ward_c") and data.X.shape == (42, 4)
    torch.testing.assert_close(data.X[:, :2].mean(0), torch.zeros(2, dtype=torch.float64), atol=1e-14, rtol=0)
    torch.testing.assert_close(data.X[:, :2].std(0, correction=0), torch.ones(2, dtype=torch.float64))
    assert set(data.X[:, 2:].unique().tolist()) == {0.0, 1.0} and data.X_test.shape == (18, 4)
    (note,) = own.notes
    assert "1 text column became 2 of 0 and 1" in note and "ward (3 levels)" in note


def test_columns_keep_their_units_on_request_and_rows_are_those_of_the_file(written):
    table = frame()
    data = OwnData(written(table), "outcome", standardize=False, test_size=0.0, drop=("ward",)).prepared.data
    np.testing.assert_array_equal(data.X, table[["age", "bmi"]].to_numpy(dtype=float))
    np.testing.assert_array_equal(data.y, table["outcome"])


def test_without_held_out_rows_there_is_no_held_out_objective(written):
    problem = OwnData(written(frame()), "outcome", test_size=0.0)(torch.float64, torch.device("cpu"))
    assert problem.held_out is None and problem.shape == (N, 5)


@pytest.mark.parametrize("labels", [(-1, 1), (1, 2), ("no", "yes"), (0.5, 0.7)])
def test_labels_are_mapped_and_that_is_said(written, labels):
    table = frame()
    table["outcome"] = [labels[k] for k in table["outcome"]]
    own = OwnData(written(table), "outcome", test_size=0.0)
    np.testing.assert_array_equal(own.prepared.data.y, frame()["outcome"])
    assert f"target 'outcome': '{labels[0]}' is 0, '{labels[1]}' is 1" in own.notes


def test_a_constant_column_is_left_out_by_name(written):
    own = OwnData(written(frame(clinic=7, country="xx")), "outcome")
    assert any("'clinic' is constant in the training part and left out" in note for note in own.notes)
    assert "the column 'country' is constant and left out" in own.notes
    assert not {"clinic", "country"} & set(own.prepared.data.feature_names)


def test_a_column_of_whole_numbers_that_identify_rows_is_named(written):
    own = OwnData(written(frame(id=np.random.default_rng(1).permutation(N))), "outcome")
    assert any("'id' has a different whole number in every row" in note for note in own.notes)
    assert not any("whole number" in note for note in OwnData(own.path, "outcome", drop=("id",)).notes)


def test_huge_numbers_are_standardised_without_overflow(written):
    table = frame()
    table["bmi"] *= 1e300
    data = OwnData(written(table), "outcome").prepared.data
    torch.testing.assert_close(data.X, OwnData(written(frame(), "same.csv"), "outcome").prepared.data.X)


def test_a_class_with_one_row_is_no_error(written):
    table = frame()
    table["outcome"] = ["rare"] + [("a", "b")[k % 2] for k in range(N - 1)]
    own = OwnData(written(table), "outcome", "softmax")
    assert "a class has too few rows for both parts: rows are held out at random" in own.notes
    assert own(torch.float64, torch.device("cpu")).objective.classes == 3


def test_many_levels_make_sparse_rows(written):
    rng = np.random.default_rng(0)
    table = frame(zip=[f"z{k}" for k in rng.integers(0, 25, N)])
    own = OwnData(written(table), "outcome")
    assert own.prepared.data.X.layout == torch.sparse_csr and "in CSR layout" in own.summary
    assert any("not centred" in note for note in own.notes)


# --- formats


def test_all_formats_hold_the_same_problem(written, tmp_path):
    table = frame().drop(columns="ward")
    X, y = table[["age", "bmi"]].to_numpy(dtype=float), table["outcome"].to_numpy()
    table.to_parquet(tmp_path / "p.parquet")
    table.to_csv(tmp_path / "s.csv", index=False, sep=";")
    table.to_csv(tmp_path / "t.tsv.gz", index=False, sep="\t")
    np.savez(tmp_path / "a.npz", X=X, y=y)
    np.savez(tmp_path / "named.npz", **{name: table[name].to_numpy() for name in table})
    dump_svmlight_file(X, y, str(tmp_path / "l.libsvm"))
    (tmp_path / "nosuffix").write_bytes((tmp_path / "l.libsvm").read_bytes())
    (tmp_path / "l.svm.gz").write_bytes(gzip.compress((tmp_path / "l.libsvm").read_bytes()))
    expected = OwnData(written(table), "outcome").prepared.data
    for name in ("p.parquet", "s.csv", "t.tsv.gz", "a.npz", "named.npz", "l.libsvm", "nosuffix", "l.svm.gz"):
        target = None if name in ("a.npz", "l.libsvm", "nosuffix", "l.svm.gz") else "outcome"
        data = OwnData(str(tmp_path / name), target).prepared.data
        torch.testing.assert_close(data.X, expected.X, msg=name)
        assert torch.equal(data.y, expected.y), name
    for name, array in (("X", X), ("labels", y)):
        np.save(tmp_path / f"{name}.npy", array)
    data = OwnData(str(tmp_path / "X.npy"), str(tmp_path / "labels.npy")).prepared.data
    torch.testing.assert_close(data.X, expected.X)
    assert torch.equal(data.y, expected.y)


def test_labels_in_a_file_of_their_own_are_part_of_what_is_remembered(tmp_path, monkeypatch):
    """Their content, not the file's name or the folder it was named from."""
    X, y = np.random.default_rng(0).standard_normal((40, 2)), np.arange(40) % 2
    monkeypatch.chdir(tmp_path)
    np.save("X.npy", X), np.save("y.npy", y), np.save("copy.npy", y)
    name = remember(OwnData("X.npy", "y.npy"))
    assert OwnData("X.npy", "copy.npy").name == name
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert build(name).name == name and "logistic of 'y'" in summary(name)
    np.save(tmp_path / "y.npy", 1 - y)
    with pytest.raises(DataError, match="has changed since"):
        build(name)


@pytest.mark.parametrize(
    ("X", "y", "words"),
    [
        (np.ones((4, 2)), None, "name the NPY file of the labels"),
        (np.ones(4), np.arange(4), "X must have two dimensions"),
        (np.ones((4, 2)), np.array([{}, 1, 2, 3], dtype=object), "an array cannot be read"),
        (np.ones((4, 2)), np.arange(3), "4 rows and 3 values"),
    ],
)
def test_bad_npy_files_are_one_sentence(tmp_path, X, y, words):
    np.save(tmp_path / "X.npy", X)
    if y is not None:
        np.save(tmp_path / "y.npy", y)
    with pytest.raises(ValueError, match=words):
        OwnData(str(tmp_path / "X.npy"), None if y is None else str(tmp_path / "y.npy")).prepared  # noqa: B018


def test_sparse_rows_stay_sparse_and_are_scaled_without_centring(tmp_path):
    X = sparse.random(200, 50, 0.05, format="csr", random_state=0)
    y = np.where(np.random.default_rng(0).random(200) < 0.5, -1, 1)
    dump_svmlight_file(X, y, str(tmp_path / "rows.libsvm"))
    own = OwnData(str(tmp_path / "rows.libsvm"))
    data = own.prepared.data
    assert data.X.layout == torch.sparse_csr and len(data.X.values()) < 0.06 * data.X.shape.numel()
    torch.testing.assert_close(data.X.to_dense().std(0, correction=0), torch.ones(data.X.shape[1], dtype=torch.float64))
    assert any("not centred" in note for note in own.notes)
    assert OwnData(own.path, standardize=False).prepared.data.X.layout == torch.sparse_csr


# --- one sentence for what no model can use

NAMED = {  # columns of the table -> what the sentence says
    "missing": ({"bmi": [math.nan] * 3 + [1.0] * (N - 3)}, ("missing in 'bmi (3 rows)'", "--drop")),
    "missing text": ({"ward": [None] * 2 + ["a", "b"] * (N // 2 - 1)}, ("missing in 'ward (2 rows)'",)),
    "infinite": ({"bmi": [math.inf] + [1.0] * (N - 1)}, ("infinite in 'bmi (1 rows)'",)),
    "a question mark": ({"bmi": ["?"] * 2 + ["1.5"] * (N - 2)}, ("'bmi' holds numbers, but '?' in 2 rows",)),
    "dates": ({"seen": [f"2026-01-{1 + k % 28:02}" for k in range(N)]}, ("'seen' holds dates", "--drop")),
    "texts that identify": ({"id": [f"p{k}" for k in range(N)]}, ("'id' holds 60 different texts", "--drop")),
    "one class": ({"outcome": 1}, ("'outcome' is '1' in every row",)),
    "no target in some rows": ({"outcome": [None] + ["a", "b"] * 29 + ["a"]}, ("'outcome' is missing in 1 rows",)),
    "an infinite target": ({"outcome": [math.inf] + [0.0, 1.0] * 29 + [1.0]}, ("'outcome' has infinite values",)),
    "three classes": ({"outcome": ["a", "b", "c"] * 20}, ("logistic needs 2 classes", "--model softmax")),
    "a quantity": ({"outcome": np.linspace(0, 1, N)}, ("has 60", "pandas.cut", "logistic, softmax")),
}


@pytest.mark.parametrize("kind", NAMED)
def test_a_bad_column_is_one_sentence_with_its_remedy(written, kind):
    columns, expected = NAMED[kind]
    words = sentence(OwnData(written(frame(**columns)), "outcome"))
    assert all(part in words for part in expected), words


def test_a_thousand_classes_are_classes_for_softmax_and_too_many_for_logistic(written):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"a": rng.normal(size=3000), "code": np.arange(3000) % 1000})
    path = written(table)
    assert "logistic needs 2 classes, and 'code' has 1,000" in sentence(OwnData(path, "code"))
    assert OwnData(path, "code", "softmax").prepared.classes == 1000
    words = sentence(OwnData(written(table.head(1500), "few.csv"), "code", "softmax"))
    assert "1,000 different values in 1,500 rows" in words


FILES = {  # name and content -> what the sentence says
    ("empty.csv", ""): "it is empty",
    ("header.csv", "a,b,outcome\n"): "no rows",
    ("blank.csv", "\n\n"): "its first line is empty",
    ("numbers.csv", "1,2,0\n3,4,1\n5,6,0\n"): "its first line holds numbers",
    ("twice.csv", "a,a,outcome\n1,2,0\n3,4,1\n"): "more than one column is called 'a'",
    ("ragged.csv", "a,outcome\n1,0,9\n2,1,9\n"): "more values than the header",
    ("one.csv", "outcome\n0\n1\n0\n1\n"): "there is no column beside 'outcome'",
    ("same.csv", "a,outcome\n1,0\n1,1\n1,0\n1,1\n"): "every column is constant",
    ("tiny.csv", "a,outcome\n1,0\n2,1\n"): "too few",
    ("data.xlsx", "PK"): "its format is not known",
    ("data.parquet", "no parquet"): "not a Parquet file",
    ("data.npz", "no archive"): "no NPZ file",
    ("data.libsvm", "a,b\n1,2\n"): "not a LIBSVM file",
}


@pytest.mark.parametrize(("name", "content"), FILES)
def test_a_bad_file_is_one_sentence(written, name, content):
    target = None if name.endswith((".libsvm", ".npz")) else "outcome"
    assert FILES[name, content] in sentence(OwnData(written(content, name), target))


def test_text_in_another_encoding_is_one_sentence(tmp_path):
    path = tmp_path / "latin.csv"
    path.write_bytes("größe,outcome\n1,0\n2,1\n".encode("latin-1"))
    assert "not text in UTF-8" in sentence(OwnData(str(path), "outcome"))


def test_dates_in_parquet_are_named(tmp_path):
    path = tmp_path / "dates.parquet"
    frame(seen=pd.date_range("2026-01-01", periods=N)).to_parquet(path)
    assert "'seen' holds datetime64" in sentence(OwnData(str(path), "outcome"))


def test_names_that_are_not_there_come_with_the_nearest(written):
    path = written(frame())
    assert "did you mean outcome?" in sentence(OwnData(path, "outcom"))
    assert "did you mean ward?" in sentence(OwnData(path, "outcome", drop=("wart",)))
    assert "name the column to predict with --target: 'age', 'bmi'" in sentence(OwnData(path))
    assert "there is no file" in sentence(OwnData(path + "x", "outcome"))
    assert "is a folder" in sentence(OwnData(os.path.dirname(path), "outcome"))


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"model": "poisson"}, "choose logistic, softmax, residual-mlp"),
        ({"l2": -1.0}, "l2 must be"),
        ({"l2": math.nan}, "l2 must be"),
        ({"model": "residual-mlp", "l2": 0.1}, "residual-mlp has no penalty"),
        ({"test_size": 1.0}, "the share of held-out rows"),
        ({"test_size": 0.99}, "too few to hold out"),
    ],
)
def test_a_bad_setting_is_one_sentence(written, settings, expected):
    assert expected in sentence(OwnData(written(frame()), "outcome", **settings))


def test_squares_that_overflow_are_named_where_columns_keep_their_units(written):
    table = frame()
    table["bmi"] *= 1e200
    assert "whose squares overflow" in sentence(OwnData(written(table), "outcome", standardize=False))


def test_npz_arrays_that_do_not_fit_are_named(tmp_path):
    np.savez(tmp_path / "a.npz", X=np.ones((5, 2)), y=np.ones(4))
    assert "5 rows and 4 values" in sentence(OwnData(str(tmp_path / "a.npz")))
    np.savez(tmp_path / "b.npz", X=np.ones((5, 2)), labels=np.ones(5))
    assert "unknown array 'y'" in sentence(OwnData(str(tmp_path / "b.npz")))
    np.savez(tmp_path / "c.npz", a=np.ones((5, 2, 2)), y=np.ones(5))
    assert "found a (5, 2, 2), y (5,)" in sentence(OwnData(str(tmp_path / "c.npz")))


# --- the name, and who finds it


def test_the_name_tells_settings_and_data_apart(written):
    path = written(frame())
    one = OwnData(path, "outcome")
    names = {own.name for own in (one, OwnData(path, "outcome", l2=0.1), OwnData(path, "outcome", test_size=0.2))}
    assert len(names) == 3 and all(name.startswith("patients-logistic-") for name in names)
    before = one.name
    written(frame(bmi=np.arange(N) + 0.5))
    assert one.name != before
    identities = {OwnData(path, "outcome", l2=l2)(torch.float64, torch.device("cpu")).checksum for l2 in (0.1, 0.2)}
    assert len(identities) == 2


def test_a_remembered_problem_is_built_by_name_with_its_certificate(written):
    name = remember(OwnData(written(frame()), "outcome", l2=1e-2))
    problem = build(name, torch.float32)
    assert problem.name == name and problem.x0.dtype == torch.float32 and problem.objective.l2 == 1e-2
    known = certificate(name)
    assert known.problem == name and known.minimiser and known.no_gap == ""
    assert "logistic of 'outcome'" in summary(name) and name not in PROBLEMS


def test_it_is_found_without_the_variable_until_its_file_changes(written, monkeypatch):
    name = remember(OwnData(written(frame()), "outcome"))
    monkeypatch.delenv(VARIABLE)
    assert build(name).name == name
    written(frame(bmi=np.arange(N) + 0.5))
    with pytest.raises(DataError, match="has changed since"):
        build(name)
    assert summary(name) == ""


def test_it_is_found_by_the_variable_where_the_cache_cannot_be_written(written, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    name = remember(OwnData(written(frame()), "outcome"))
    assert build(name).name == name and name in json.loads(os.environ[VARIABLE])


def test_a_damaged_memory_is_an_unknown_problem(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "not JSON")
    assert recall("patients-logistic-000000") is None
    with pytest.raises(ValueError, match="unknown problem"):
        build("patients-logistic-000000")


def test_the_defaults_of_the_options_are_those_of_the_recipe():
    own = OwnData("file")
    assert {name: getattr(own, name) for name in OPTIONS if name not in ("data", "drop")} == {
        name: default for name, (_, default) in OPTIONS.items() if name not in ("data", "drop")
    }


# --- arrays

X, Y = np.random.default_rng(0).normal(size=(N, 3)), np.random.default_rng(1).integers(0, 2, N)


@pytest.mark.parametrize(
    ("given", "layout"),
    [
        (X, torch.strided),
        (pd.DataFrame(X), torch.strided),
        (torch.as_tensor(X), torch.strided),
        (X.tolist(), torch.strided),
        (sparse.coo_matrix(X), torch.sparse_csr),
        (torch.as_tensor(X).to_sparse_csr(), torch.sparse_csr),
    ],
    ids=["numpy", "pandas", "torch", "list", "scipy", "csr"],
)
def test_arrays_of_all_kinds_make_the_same_problem(given, layout):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        problem = problem_from_arrays(given, Y, l2=0.1, name="mine", standardise=False)
    expected = problem_from_arrays(X, torch.as_tensor(Y), l2=0.1, standardise=False)
    assert problem.name == "mine" and isinstance(problem.objective, LogisticRegression)
    assert problem.objective.X.layout == layout
    value, other = (p.objective.at(p.objective.zeros() + 0.3).value for p in (problem, expected))
    torch.testing.assert_close(value, other)


def test_what_is_done_to_arrays_is_a_warning():
    with pytest.warns(UserWarning, match="'no' is 0, 'yes' is 1"):
        problem_from_arrays(X, np.where(Y, "yes", "no"))


def test_softmax_and_the_network_come_from_arrays_too():
    y = np.arange(N) % 3
    problem = problem_from_arrays(X, y, "softmax", l2=0.1)
    assert isinstance(problem.objective, SoftmaxRegression) and problem.objective.classes == 3
    assert minimize(SOLVERS["newton-cholesky"], problem.objective).status == "converged"
    assert isinstance(problem_from_arrays(X, y, "residual-mlp").objective, ResidualMLP)


@pytest.mark.parametrize(
    ("given", "y", "expected"),
    [
        (X, Y[:-1], "60 rows and 59 values of 'y'"),
        (X[:, 0], Y, "two dimensions"),
        (X, np.stack([Y, Y], 1), "y must have shape"),
        (np.where(X > 2, np.nan, X), Y, "values are missing"),
        (pd.DataFrame(X, columns=["a", "a", "b"]), Y, "more than one column is called 'a'"),
        (sparse.csr_matrix(np.where(X > 2, np.inf, 0)), Y, "values are infinite"),
    ],
    ids=["lengths", "one dimension", "two targets", "missing", "names", "sparse"],
)
def test_bad_arrays_are_one_sentence(given, y, expected):
    with pytest.raises(ValueError, match=expected):
        problem_from_arrays(given, y)


def test_a_problem_in_float32_has_a_twin_in_float64():
    problem = problem_from_arrays(X, Y, l2=0.1, dtype=torch.float32)
    exact = problem.in_float64()
    assert exact.x0.dtype == exact.objective.X.dtype == torch.float64 and exact.objective.l2 == 0.1
    assert torch.equal(exact.objective.X.float(), problem.objective.X) and exact.held_out.fit_intercept
