"""Every solver on hostile problems: it ends, with a status or a sentence, and leaves what it was given as it was."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.audit.conformance import HOSTILE, LONG, ending
from benchmarks.runner.deadline import deadline
from solvers import SOLVERS
from solvers.objectives import FunctionObjective, LogisticRegression

SPECIAL = (0.0, -0.0, 5e-324, 1e-308, 1e-160, -1.0, 1.0, 3.0, 1e8, 1e154, -1e300, 1.7e308, math.inf, math.nan)


def ends(name: str, objective, x0=None) -> None:
    with deadline(LONG):
        assert not ending(SOLVERS[name], objective, x0)


DESIGNS = st.fixed_dictionaries(
    {
        "n": st.integers(0, 5),
        "d": st.integers(0, 4),
        "entries": st.lists(st.sampled_from(SPECIAL), min_size=1, max_size=6)
        | st.lists(st.sampled_from((0.0, 1.0, -1.0, 3.0, 1e8)), min_size=1, max_size=6),
        "dtype": st.sampled_from([torch.float64, torch.float32]),
        "l2": st.sampled_from([0.0, 0.1, 1e308]),
        "shape": st.sampled_from(["plain", "transposed", "strided", "csr", "expanded"]),
        "labels": st.sampled_from(["both", "one class", "soft"]),
        "intercept": st.booleans(),
    }
)


def made(*values) -> dict:
    return dict(zip(("n", "d", "entries", "dtype", "l2", "shape", "labels", "intercept"), values, strict=True))


@pytest.mark.parametrize("name", SOLVERS)
@settings(max_examples=30, derandomize=True, database=None, deadline=None)
@given(design=DESIGNS)
@example(design=made(4, 3, [1.0, -1.0, 3.0, 1.0, 0.0], torch.float64, 0.0, "strided", "both", True))
@example(design=made(3, 2, [1e154, -1.0], torch.float64, 0.1, "transposed", "both", False))
@example(design=made(4, 2, [5e-324, 1.0], torch.float64, 0.0, "csr", "one class", True))
@example(design=made(1, 1, [1.0], torch.float32, 0.0, "expanded", "soft", True))
@pytest.mark.slow
def test_every_solver_ends_on_any_design_and_writes_to_none(name, design):
    meets(name, **design)


def meets(name, n, d, entries, dtype, l2, shape, labels, intercept):
    flat = torch.tensor([entries[(k * 7 + k // 3) % len(entries)] for k in range(n * d)], dtype=torch.float64)
    X = flat.reshape(n, d).to(dtype)
    if shape == "transposed":
        X = X.T.contiguous().T
    elif shape == "strided":
        X = torch.stack([X, X], dim=2)[..., 0]
    elif shape == "csr":
        X = X.to_sparse_csr()
    elif shape == "expanded" and d:
        X = X[:, :1].expand(n, d)
    y = {"both": torch.arange(n) % 2, "one class": torch.ones(n), "soft": torch.full((n,), 0.3)}[labels].to(dtype)
    before = X.to_dense().clone(), y.clone()
    try:
        objective = LogisticRegression(X, y, l2=l2, fit_intercept=intercept)
    except (ValueError, TypeError) as error:
        assert str(error) and "\n" not in str(error)
    else:
        start = torch.full((d + intercept,), 0.25, dtype=dtype)
        kept = start.clone()
        ends(name, objective, start)
        assert torch.equal(start, kept)
    for now, was in zip((X.to_dense(), y), before, strict=True):
        assert torch.equal(now.nan_to_num(7.0), was.nan_to_num(7.0))


@pytest.mark.parametrize("name", SOLVERS)
def test_every_solver_ends_on_any_function_and_does_not_write_to_its_start(name):
    for function in HOSTILE.values():
        meets_function(name, function)


def meets_function(name, function):
    start = torch.tensor([0.5, -0.25, 0.0], dtype=torch.float64)
    kept = start.clone()
    ends(name, FunctionObjective(function), start)
    assert torch.equal(start, kept)
