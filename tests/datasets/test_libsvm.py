"""LIBSVM files: rows, labels and layouts."""

from __future__ import annotations

import bz2
import hashlib
import os
from pathlib import Path

import pytest
import torch

from datasets.loaders.libsvm import SOURCES, Source, libsvm
from datasets.loaders.storage import VARIABLE, DataError, DataFile

TRAIN = b"-1 1:0.5 3:2\n+1 2:1\n-1 3:-1.25\n+1 1:4 2:0.125\n"
TEST = b"+1 3:1\n-1\n"
X = [[0.5, 0, 2, 0], [0, 1, 0, 0], [0, 0, -1.25, 0], [4, 0.125, 0, 0]]


def place(folder: Path, name: str, content: bytes) -> DataFile:
    path = folder / "libsvm" / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return DataFile(f"libsvm/{name}", hashlib.sha256(content).hexdigest(), "https://example.org/", "tiny")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Twins in a folder: `tiny` with a test file, `packed` the same as .bz2, `alone` without one."""
    train, test = place(tmp_path, "tiny", TRAIN), place(tmp_path, "tiny.t", TEST)
    packed = [place(tmp_path, name, bz2.compress(c)) for name, c in (("p.bz2", TRAIN), ("p.t.bz2", TEST))]
    monkeypatch.setitem(SOURCES, "tiny", Source(4, train, test))
    monkeypatch.setitem(SOURCES, "packed", Source(4, *packed))
    monkeypatch.setitem(SOURCES, "alone", Source(4, place(tmp_path, "alone", TRAIN * 25)))
    return tmp_path


@pytest.mark.parametrize("name", ["tiny", "packed"])
@pytest.mark.parametrize("sparse", [True, False])
def test_rows_and_labels_are_those_of_the_file(folder, name, sparse):
    data = libsvm(name, sparse=sparse, folder=folder, download=False)
    for part in (data.X, data.X_test):
        assert part.layout == (torch.sparse_csr if sparse else torch.strided)
    assert data.X.to_dense().tolist() == X and data.y.tolist() == [0, 1, 0, 1]
    assert data.X_test.to_dense().tolist() == [[0, 0, 1, 0], [0, 0, 0, 0]] and data.y_test.tolist() == [1, 0]
    assert {part.dtype for part in (data.X, data.y, data.X_test, data.y_test)} == {torch.float64}


def test_the_data_folder_is_the_default(folder, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(folder))
    assert libsvm("tiny", download=False).X.shape == (4, 4)


def test_without_a_test_file_three_tenths_are_held_out_by_class(folder):
    parts = [libsvm("alone", sparse=False, folder=folder, download=False, seed=seed) for seed in (0, 0, 1)]
    assert parts[0].X.shape == (70, 4) and parts[0].X_test.shape == (30, 4)
    assert float(parts[0].y.mean()) == float(parts[0].y_test.mean()) == 0.5
    assert parts[0].checksum == parts[1].checksum != parts[2].checksum
    both = torch.cat([parts[2].X, parts[2].X_test])
    assert both.sum(0).tolist() == (25 * torch.tensor(X, dtype=torch.float64).sum(0)).tolist()


def test_a_changed_file_never_loads(folder):
    (folder / "libsvm" / "tiny.t").write_bytes(TEST.replace(b"3:1", b"3:2"))
    with pytest.raises(DataError, match=r"tiny\.t is not the published file"):
        libsvm("tiny", folder=folder, download=False)


def test_a_missing_file_is_named_with_the_command(folder):
    (folder / "libsvm" / "tiny").unlink()
    with pytest.raises(DataError, match=r"libsvm/tiny is not there: expected .* `python -m datasets fetch tiny`"):
        libsvm("tiny", folder=folder, download=False)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"1 1:1\n2 1:1\n3 1:1\n", "3 different labels"),
        (b"1 1:1\n", "1 different labels"),
        (b"1 1:1\n-1 5:1\n", "at most 4 columns"),
        (b"1 one:1\n-1 2:1\n", "not a LIBSVM file"),
    ],
)
def test_what_is_in_a_file_is_checked_too(tmp_path, monkeypatch, content, said):
    monkeypatch.setitem(SOURCES, "odd", Source(4, place(tmp_path, "odd", content)))
    with pytest.raises(DataError, match=said):
        libsvm("odd", folder=tmp_path, download=False)


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(ValueError, match=r"unknown LIBSVM data set 'a8a': did you mean"):
        libsvm("a8a")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "n", "d", "n_test", "ones"),
    [
        ("a9a", 32_561, 123, 16_281, 7841 + 3846),
        ("w8a", 34_824, 300, 14_925, 1479),
        ("reuters_lasvm", 7770, 8315, 3299, None),
    ],
)
def test_the_real_files(name, n, d, n_test, ones):
    folder = os.environ.get(VARIABLE)
    if not folder or not all((Path(folder) / file.path).exists() for file in SOURCES[name].files):
        pytest.skip(f"{name} is not there: set {VARIABLE} to a folder that has it")
    data = libsvm(name, folder=folder, download=False)
    assert data.X.shape == (n, d) and data.X_test.shape == (n_test, d)
    assert set(data.y.tolist()) == set(data.y_test.tolist()) == {0.0, 1.0}
    if ones is not None:
        assert int(data.y.sum() + data.y_test.sum()) == ones
