"""A CSR tensor is checked once, where an objective is built: indices that fit, and each entry once."""

from __future__ import annotations

import pytest
import torch

from solvers import SOLVERS, minimize
from solvers.common.csr import checked_csr
from solvers.objectives import LogisticRegression, SoftmaxRegression

Y = torch.tensor([1.0, 0.0, 1.0, 0.0], dtype=torch.float64)
# X = [[1, 0, 2], [0, 0, 0], [0, 3, 0], [4, 5, 6]]
POINTERS, COLUMNS, VALUES = [0, 2, 2, 3, 6], [0, 2, 1, 0, 1, 2], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0]


def csr(pointers=POINTERS, columns=COLUMNS, values=VALUES, shape=(4, 3), index=torch.int64, dtype=torch.float64):
    parts = [torch.tensor(part, dtype=index) for part in (pointers, columns)]
    return torch.sparse_csr_tensor(*parts, torch.tensor(values, dtype=dtype), shape, check_invariants=False)


def mixed():
    parts = torch.tensor(POINTERS, dtype=torch.int32), torch.tensor(COLUMNS), torch.tensor(VALUES)
    return torch.sparse_csr_tensor(*parts, (4, 3), check_invariants=False)


WRONG = {
    "a column index of d": (lambda: csr(columns=[0, 2, 1, 0, 1, 3]), ["row 3", "column index 3", "3 columns"]),
    "a column index far outside": (lambda: csr(columns=[0, 2, 9**9, 0, 1, 2]), ["row 2", str(9**9)]),
    "a negative column index": (lambda: csr(columns=[0, -1, 1, 0, 1, 2]), ["row 0", "column index -1"]),
    "a row pointer beyond the entries": (lambda: csr([0, 2, 2, 3, 9]), ["end at 9", "6 stored"]),
    "entries of no row": (lambda: csr([0, 2, 2, 3, 5]), ["end at 5", "6 stored"]),
    "a row pointer in between beyond the entries": (lambda: csr([0, 2, 10**6, 3, 6]), ["from 1000000 to 3", "row 2"]),
    "a negative row pointer": (lambda: csr([0, -2, 2, 3, 6]), ["from 0 to -2", "row 0"]),
    "a first row pointer that is not 0": (lambda: csr([1, 2, 2, 3, 6]), ["start at 1"]),
    "too few row pointers": (lambda: csr([0, 2, 6]), ["3 row pointers", "4 rows", "5"]),
    "too few column indices": (lambda: csr(columns=[0, 2, 1]), ["3 column indices", "6 values"]),
    "indices that are no whole numbers": (lambda: csr(index=torch.float64), ["torch.float64", "torch.int64"]),
    "indices of two types": (mixed, ["torch.int32", "torch.int64"]),
    "a pointer that overflows in int32": (
        lambda: csr([0, 2, -(2**31), 2**31 - 1, 6], index=torch.int32),
        ["from 2 to -2147483648", "row 1"],
    ),
}


def test_indices_that_belong_to_no_matrix_are_named_in_one_sentence():
    failures = {}
    for what, (make, names) in WRONG.items():
        for model, y in ((LogisticRegression, Y), (SoftmaxRegression, Y.long())):
            try:
                model(make(), y, l2=0.1)
                failures[what, model.__name__] = "accepted"
            except ValueError as error:
                message = str(error)
                if not all(name in message for name in names) or "\n" in message or len(message) > 200:
                    failures[what, model.__name__] = message
            except Exception as error:
                failures[what, model.__name__] = repr(error)
    assert not failures, failures


REPEATED = {
    "in order": ([0, 3, 3, 4, 7], [0, 2, 2, 1, 0, 1, 2], [1.0, 0.5, 1.5, 3.0, 4.0, 5.0, 6.0]),
    "out of order": ([0, 3, 3, 4, 8], [2, 0, 2, 1, 2, 1, 0, 2], [0.5, 1.0, 1.5, 3.0, 7.0, 5.0, 4.0, -1.0]),
    "in one row three times": ([0, 2, 2, 5, 8], [0, 2, 1, 1, 1, 0, 1, 2], [1.0, 2.0, 1.0, 1.0, 1.0, 4.0, 5.0, 6.0]),
    "none, out of order": ([0, 2, 2, 3, 6], [2, 0, 1, 2, 0, 1], [2.0, 1.0, 3.0, 6.0, 4.0, 5.0]),
}


def test_entries_that_share_a_place_are_added_up_and_the_given_tensor_stays_as_it_is():
    wanted, w = csr(), torch.tensor([0.3, -0.2, 0.1], dtype=torch.float64)
    failures = {}
    for what, parts in REPEATED.items():
        for index in (torch.int64, torch.int32):
            given = csr(*parts, index=index)
            found = checked_csr("X", given)
            exact = torch.equal(found.to_dense(), wanted.to_dense()) and found.values().numel() == 6
            if not (exact and torch.equal(found.col_indices().long(), wanted.col_indices())):
                failures[what, index] = found
            kept = (given.crow_indices(), given.col_indices(), given.values())
            if any(part.tolist() != was for part, was in zip(kept, parts, strict=True)):
                failures[what, index] = "the given tensor was written to"
            for model, y in ((LogisticRegression, Y), (SoftmaxRegression, Y.long())):
                point = model(given, y, l2=0.1).at(w if model is LogisticRegression else torch.cat([w, -w]))
                dense = model(wanted.to_dense(), y, l2=0.1).at(point.x)
                for name in ("value", "gradient", "hessian", "hessian_diagonal"):
                    if not torch.allclose(getattr(point, name), getattr(dense, name), rtol=1e-12, atol=1e-14):
                        failures[what, index, model.__name__, name] = getattr(point, name)
                if not torch.allclose(point.hessian.diagonal(), point.hessian_diagonal, rtol=1e-12):
                    failures[what, index, model.__name__] = "diag H is not the diagonal of H"
    assert not failures, failures


def test_duplicates_lead_every_solver_to_the_minimum_of_their_sum():
    given, dense = csr(*REPEATED["out of order"]), csr().to_dense()
    wanted = minimize(SOLVERS["newton-cholesky"], LogisticRegression(dense, Y, l2=5.0)).value
    failures = {}
    for name, solver in SOLVERS.items():
        found = minimize(solver, LogisticRegression(given, Y, l2=5.0)).value
        if found != pytest.approx(wanted, rel=1e-6):
            failures[name] = found
    assert not failures, (wanted, failures)


def test_a_matrix_in_order_is_taken_as_it_is():
    given = csr()
    assert checked_csr("X", given) is given
    empty = csr([0, 0, 0, 0, 0], [], [])
    assert checked_csr("X", empty) is empty
    assert LogisticRegression(csr([0, 0, 0, 0, 0], [], [], (4, 0)), Y, fit_intercept=True).size == 1


def test_a_sum_of_duplicates_that_overflows_is_no_finite_entry():
    with pytest.raises(ValueError, match="X has 1 infinite of 1 entries"):
        LogisticRegression(csr([0, 2, 2, 2, 2], [1, 1], [1.7e308, 1.7e308]), Y)
