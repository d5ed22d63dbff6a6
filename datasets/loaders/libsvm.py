"""LIBSVM files: a9a, w8a and Reuters, with labels 0 and 1."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from solvers.common.names import lookup

from .dataset import Dataset, csr_tensor
from .storage import DataError, DataFile, locate

HOME = "https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/binary/"


@dataclass(frozen=True)
class Source:
    """The files of a data set, and its number of columns: a file lists only columns with entries."""

    columns: int
    train: DataFile
    test: DataFile | None = None

    @property
    def files(self) -> tuple[DataFile, ...]:
        return (self.train,) if self.test is None else (self.train, self.test)


def _file(source: str, name: str, sha256: str, *, public: bool = True) -> DataFile:
    return DataFile(f"libsvm/{name}", sha256, HOME + name if public else None, source)


SOURCES = {
    # Platt (1998), from the Adult data of UCI
    "a9a": Source(
        123,
        _file("a9a", "a9a", "f5d5ffd8d865ff41328e7ee043e4b020816914ff6843ff15b98905ddbedce906"),
        _file("a9a", "a9a.t", "1f448a153f0320399a7e40836eb207655b0bde0f21fc941cc472193daa9f5de9"),
    ),
    # Platt (1998), web pages
    "w8a": Source(300, _file("w8a", "w8a", "6a9fa8fd5f524303240a5db07d4b3d4a51e8b7b4b20a914105d8e3e8c81640f2")),
    # money-fx against the rest, as used by LASVM (Bordes, Ertekin, Weston & Bottou, 2005, JMLR 6, p. 1579). The
    # archive on its authors' page holds the rows in another form (features named twice), hence no public address.
    "reuters_lasvm": Source(
        8315,
        *(
            _file("reuters_lasvm", name, digest, public=False)
            for name, digest in (
                ("reuters_lasvm.bz2", "e77a3368662c02caebe0d9cbcc97d856019bcfb33a8e9b7c48e0b51ee4cdfb60"),
                ("reuters_lasvm.t.bz2", "3d699b9644a38160bf3228059d18fbfc07474057d8e82d512576a2b82d72e211"),
            )
        ),
    ),
}


def libsvm(
    name: str, *, sparse: bool = True, folder: Path | str | None = None, download: bool = True, seed: int = 0
) -> Dataset:
    """A data set of SOURCES in float64, X in CSR or dense layout, y in {0, 1}.

    a9a 32,561 x 123 and 16,281 test rows; w8a 49,749 x 300, of which a stratified 30 % (drawn by `seed`) are held
    out, because there is no test file here; reuters_lasvm 7,770 x 8,315 and 3,299 test rows.
    Read from the data folder, downloaded first if `download` is set. Raises DataError for files that are missing or
    wrong, ValueError for an unknown name.
    """
    source = lookup(SOURCES, name, "LIBSVM data set")
    paths = [locate(file, folder, download=download) for file in source.files]
    (X, y), *test = (read(path, source.columns) for path in paths)
    if test:
        X_test, y_test = test[0]
    else:
        from sklearn.model_selection import train_test_split

        X, X_test, y, y_test = train_test_split(X, y, test_size=0.3, stratify=y, random_state=seed)
    return Dataset(name, _tensor(X, sparse), torch.as_tensor(y), _tensor(X_test, sparse), torch.as_tensor(y_test))


def read(path: Path, columns: int):
    """X as a scipy CSR matrix (n, columns) and y (n,) in {0, 1}: the smaller of the two labels becomes 0."""
    from sklearn.datasets import load_svmlight_file

    try:
        X, labels = load_svmlight_file(str(path), n_features=columns, dtype=np.float64, zero_based=False)
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{path} is not a LIBSVM file of at most {columns} columns: {error}") from None
    classes = np.unique(labels)
    if len(classes) != 2:
        raise DataError(f"{path} has {len(classes)} different labels: expected two")
    return X, (labels == classes[1]).astype(np.float64)


def _tensor(X, sparse: bool) -> Tensor:
    """A scipy CSR matrix as a tensor (n, d)."""
    return csr_tensor(X) if sparse else torch.as_tensor(X.toarray())
