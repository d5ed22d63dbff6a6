"""Files as tables: CSV, Parquet, NPZ, NPY and LIBSVM, by pandas, pyarrow, NumPy and scikit-learn."""

from __future__ import annotations

import csv
import re
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from solvers.common.names import lookup

from ..loaders.storage import PACKED
from .tables import Table, listed, pandas

SEPARATORS = ",;\t|"
LIBSVM_ROW = re.compile(r"\S+(\s+\d+:\S+)+\s*(#.*)?")
SUFFIXES = ".csv, .tsv, .parquet, .npz, .npy, .libsvm or .svm (text may end in .gz or .bz2)"


def read(path: str, target: str | None, drop: Sequence[str] = ()) -> Table:
    """The table in a file. target: the column to predict; the array `y` of an NPZ file and the labels of a LIBSVM file
    need no name; beside an NPY file it is another, of the labels. drop: columns to leave out. Raises ValueError."""
    file = Path(path)
    if not file.is_file():
        raise ValueError(f"{path!r} is a folder without converted rows: give a file ending in {SUFFIXES}")
    try:
        if file.stat().st_size == 0:
            raise ValueError("it is empty: give a file with a header and rows")
        reader = _reader(file)
        if reader is libsvm:
            if target is not None or drop:
                raise ValueError(
                    "a LIBSVM file has its labels first and no column names: leave --target and --drop out"
                )
            return libsvm(file)
        return _split(reader(file, target), target, drop)
    except OSError as error:
        raise ValueError(f"{path}: it cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path}: it is not text in UTF-8: convert it, or name it by its format: {SUFFIXES}") from None
    except ValueError as error:
        raise ValueError(f"{path}: {_first_line(error)}") from None


def _reader(file: Path) -> Callable[..., Any]:
    suffixes = [suffix.lower() for suffix in file.suffixes]
    if suffixes and suffixes[-1] in PACKED:
        suffixes.pop()
    known = {".csv": _csv, ".tsv": _csv, ".parquet": _parquet, ".pq": _parquet, ".npz": _npz, ".npy": _npy}
    known |= dict.fromkeys((".libsvm", ".svm", ".svmlight"), libsvm)
    if suffixes and suffixes[-1] in known:
        return known[suffixes[-1]]
    if LIBSVM_ROW.fullmatch(_line(file).rstrip("\n")):  # such files often have no suffix
        return libsvm
    raise ValueError(f"its format is not known: name it so that it ends in {SUFFIXES}")


def _line(file: Path) -> str:
    with PACKED.get(file.suffix.lower(), open)(file, "rt", encoding="utf-8-sig") as stream:
        return stream.readline()


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _csv(file: Path, target: str | None) -> Any:
    """A frame; the separator is the one that the header has most of."""
    pd, header = pandas(), _line(file)
    separator = max(SEPARATORS, key=header.count)
    names = next(csv.reader([header], delimiter=separator), [])
    if not any(name.strip() for name in names):
        raise ValueError("its first line is empty: give a file with a header and rows")
    _distinct(names)
    if all(_is_number(name) for name in names):
        raise ValueError(f"its first line holds numbers ({listed(names)}), not names: add a header with column names")
    with warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # rows that are longer than the header
        try:
            return pd.read_csv(file, sep=separator, index_col=False, low_memory=False, encoding="utf-8-sig")
        except pd.errors.ParserWarning:
            raise ValueError("it has rows with more values than the header has names: repair them") from None


def _parquet(file: Path, target: str | None) -> Any:
    pandas()
    import pyarrow
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(file)
    except pyarrow.ArrowInvalid:
        raise ValueError("it is not a Parquet file, or damaged: write it again, as by DataFrame.to_parquet") from None
    _distinct(table.column_names)
    return table.to_pandas().reset_index(drop=True)


def _npz(file: Path, target: str | None) -> Any:
    """A Table of the arrays X and y, or of one of two dimensions and the target; a frame of arrays of one dimension."""
    try:
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
    except ValueError as error:
        if "pickle" in str(error).lower():
            raise ValueError(
                "it holds Python objects, or is no NPZ file: save plain arrays by numpy.savez(file, X=X, y=y)"
            ) from None
        raise
    label = target if target is not None else "y"
    if not arrays:
        raise ValueError("it holds no arrays: save them by numpy.savez(file, X=X, y=y)")
    y = lookup(arrays, label, "array")
    wide = [name for name, array in arrays.items() if array.ndim == 2 and name != label]
    if "X" in wide or len(wide) == 1:
        return Table(arrays["X" if "X" in wide else wide[0]], y, label)
    flat = {name: array for name, array in arrays.items() if array.ndim == 1}
    if wide or len(flat) < 2 or len({len(array) for array in flat.values()}) > 1 or y.ndim != 1:
        shapes = ", ".join(f"{name} {array.shape}" for name, array in arrays.items())
        raise ValueError(f"it needs an array X (n, d), or arrays of one length, beside {label!r}; found {shapes}")
    return pandas().DataFrame(flat)


def _npy(file: Path, target: str | None) -> Any:
    """A Table of X, and the labels in another NPY file."""
    if target is None or not target.endswith(".npy"):
        raise ValueError("an NPY file holds X alone: name the NPY file of the labels as the target")
    try:
        X, y = (np.load(name, allow_pickle=False) for name in (file, target))
    except ValueError as error:
        raise ValueError(f"an array cannot be read: {_first_line(error)}") from None
    if X.ndim != 2 or y.ndim != 1:
        raise ValueError(f"X must have two dimensions and the labels one, found {X.shape} and {y.shape}")
    return Table(X, y, Path(target).stem)


def libsvm(file: Path) -> Table:
    from sklearn.datasets import load_svmlight_file

    try:
        X, y = load_svmlight_file(str(file), dtype=np.float64)
    except (ValueError, OverflowError, EOFError) as error:
        raise ValueError(f"it is not a LIBSVM file (label index:value ...): {_first_line(error)}") from None
    return Table(X.tocsr(), y, "label", tuple(str(k + 1) for k in range(X.shape[1])))


def _split(found: Any, target: str | None, drop: Sequence[str]) -> Table:
    """The table of a frame: the target apart, without the columns to drop."""
    if isinstance(found, Table):
        if drop:
            raise ValueError("the array X has no column names: leave --drop out, and the columns out of the file")
        return found
    found.columns = [str(name) for name in found.columns]
    by_name = dict.fromkeys(found.columns)
    if target is None:
        raise ValueError(f"name the column to predict with --target: {listed(found.columns, 8)}")
    for name in (target, *drop):
        lookup(by_name, name, "column")
    if target in drop:
        raise ValueError(f"{target!r} cannot be both --target and --drop")
    return Table(found.drop(columns=[target, *drop]), found[target], target)


def _distinct(names: Sequence[str]) -> None:
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(f"more than one column is called {listed(twice)}: rename them in the file")


def _is_number(name: str) -> bool:
    try:
        float(name)
    except ValueError:
        return False
    return True
