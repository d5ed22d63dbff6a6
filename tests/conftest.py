"""What several test files share: one thread, a cache of their own, random problems, and the breast-cancer split."""

from __future__ import annotations

import pytest
import torch
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split

import benchmarks.display.doing
import benchmarks.store.runs
from benchmarks.audit.nasty import overlapping
from datasets import DataError, Problem, build
from datasets.loaders.storage import VARIABLE, data_folder
from datasets.registry import _loaded as loaded
from solvers.objectives.linear import compiled_point, compiled_rows


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    torch.set_num_threads(1)


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_session(tmp_path_factory):
    """Certificates are computed once a session, and not read from the user's cache; data files stay where they are."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, str(data_folder()))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session", autouse=True)
def alone_on_the_machine():
    """No run that a test measures is marked as measured beside other work: that is for the machine to decide."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(benchmarks.store.runs, "is_disturbed", lambda *_: False)
        yield


@pytest.fixture(scope="session", autouse=True)
def nothing_takes_long():
    """No line about work that takes a second, whatever this machine takes for it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(benchmarks.display.doing, "SILENT", 3600.0)
        yield


@pytest.fixture
def without_numba(monkeypatch):
    """Linear models are computed by torch, as where Numba is not installed."""
    monkeypatch.setattr(compiled_point, "kernels", lambda: None)
    monkeypatch.setattr(compiled_rows, "kernels", lambda: None)


@pytest.fixture
def no_data_files(tmp_path, monkeypatch):
    """No file of data is there, and none that an earlier test read is remembered."""
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    loaded.cache_clear()


@pytest.fixture(scope="session")
def build_or_skip():
    """`build`, for problems whose files may not be there."""

    def make(name, dtype=torch.float64) -> Problem:
        try:
            return build(name, dtype)
        except DataError as error:  # it names the variable that says where they are
            pytest.skip(str(error))

    return make


@pytest.fixture(scope="session")
def logistic():
    """A maker of random logistic problems with overlapping labels."""

    return overlapping


@pytest.fixture(scope="session")
def breast_cancer_split():
    """X, y, X_test, y_test in float64: 398 + 171 rows, standardised on the training part."""
    X, y = load_breast_cancer(return_X_y=True)
    X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, random_state=0, stratify=y)
    mean, std = X.mean(axis=0), X.std(axis=0)
    return tuple(torch.as_tensor(a, dtype=torch.float64) for a in ((X - mean) / std, y, (X_test - mean) / std, y_test))
