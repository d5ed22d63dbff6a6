"""A folder of converted rows as --data: the same problem, certificate and runs as of its rows in memory."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from datasets import certificate
from datasets.__main__ import app
from datasets.certificates.certificate import certify
from datasets.own.recipe import VARIABLE, OwnData, own_data, remember
from datasets.problem import Problem
from datasets.streams import convert
from solvers.objectives import LogisticRegression, SoftmaxRegression

N, D = 120, 3


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "{}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def arrays() -> tuple[np.ndarray, np.ndarray]:
    """X, and labels -1 and 1 that overlap."""
    generator = np.random.default_rng(0)
    X = generator.standard_normal((N, D))
    return X, np.where(X[:, 0] + 2 * generator.standard_normal(N) > 0, 1.0, -1.0)


@pytest.fixture
def folder(elsewhere):
    X, y = arrays()
    np.savez("patients.npz", X=X, y=y)
    convert("patients.npz", "patients", block_bytes=500)
    return "patients"


def test_the_command_converts_a_file_and_says_what_it_holds(elsewhere):
    X, y = arrays()
    np.savez("patients.npz", X=X, y=y)
    done = CliRunner().invoke(app, ["convert", "patients.npz", "--out", "patients"])
    assert done.exit_code == 0 and done.stdout.startswith("patients: 120 x 3, float64, 0.0 MB in 1 blocks")
    failed = CliRunner().invoke(app, ["convert", "nothing.npz", "--out", "other"])
    assert failed.exit_code == 2 and failed.stderr.startswith("error: nothing.npz cannot be read")


@pytest.mark.parametrize("model", ["logistic", "softmax"])
@pytest.mark.parametrize(("l2", "intercept"), [(1e-2, True), (1e-2, False), (0.0, True)])
def test_its_problem_and_certificate_are_those_of_its_rows(folder, model, l2, intercept):
    X, y = arrays()
    own = own_data(folder, model=model, l2=l2, intercept=intercept)
    assert own.name.startswith(f"patients-{model}-") and "standardised" not in own.summary
    problem = own(torch.float64, torch.device("cpu"))
    labels = torch.from_numpy((y > 0).astype(float))
    kind = LogisticRegression if model == "logistic" else SoftmaxRegression
    memory = kind(torch.from_numpy(X), labels, l2=l2, fit_intercept=intercept)
    there, here = certify(problem), certify(Problem("rows", "", memory, None, memory.zeros(), ""))
    for name in ("n", "d", "minimiser", "bound", "rank", "family"):
        assert getattr(there, name) == getattr(here, name), name
    assert there.high - there.low <= 1e-8 * there.high
    assert max(there.low, here.low) <= min(there.high, here.high)  # both hold the same f*
    for name in ("condition", "diagonal_rate", "least_eigenvalue"):
        assert math.isclose(getattr(there, name), getattr(here, name), rel_tol=1e-6, abs_tol=1e-12), name


def test_without_a_penalty_columns_that_depend_on_each_other_leave_f_unknown(elsewhere):
    X, y = arrays()
    np.savez("twice.npz", X=np.column_stack([X, X[:, 0]]), y=y)
    convert("twice.npz", "twice", block_bytes=500)
    known = certify(own_data("twice")(torch.float64, torch.device("cpu")))
    assert known.minimiser is None and known.rank == D + 1 and known.no_gap == "f* is not known"


def test_it_is_known_by_its_name_in_later_processes(folder):
    name = remember(own_data(folder, l2=1e-2))
    assert certificate(name).minimiser is True
    assert json.loads((__import__("os")).environ[VARIABLE])[name]["path"].endswith("patients")
    assert certificate(name).problem == name


def test_the_name_changes_with_the_rows_and_the_model(folder):
    X, y = arrays()
    np.savez("others.npz", X=X + 1, y=y)
    convert("others.npz", "others", block_bytes=500)
    names = {own_data("patients").name[-6:], own_data("others").name[-6:], own_data("patients", l2=1.0).name[-6:]}
    assert len(names) == 3


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"target": "y"}, "leave --target out"),
        ({"drop": ("y",)}, "leave --drop out"),
        ({"model": "residual-mlp"}, "needs its rows in memory"),
        ({"model": "poisson"}, "there is no model"),
    ],
)
def test_what_a_folder_cannot_be_is_one_sentence(folder, settings, message):
    with pytest.raises(ValueError, match=message):
        remember(own_data(folder, **settings))


def test_a_folder_without_rows_or_half_converted_is_one_sentence(elsewhere):
    (elsewhere / "empty").mkdir()
    with pytest.raises(ValueError, match="without converted rows"):
        remember(own_data("empty"))
    X, y = arrays()
    np.savez("patients.npz", X=X, y=y)

    def stop(rows: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        convert("patients.npz", "half", block_bytes=500, progress=stop)
    with pytest.raises(ValueError, match="converted in part"):
        remember(own_data("half"))


def test_rows_on_a_disk_are_for_the_cpu(folder):
    with pytest.raises(ValueError, match="choose the device cpu"):
        own_data(folder)(torch.float64, torch.device("meta"))


def test_a_file_is_still_a_file(elsewhere):
    X, y = arrays()
    np.savez("patients.npz", X=X, y=y)
    assert type(own_data("patients.npz")) is OwnData
