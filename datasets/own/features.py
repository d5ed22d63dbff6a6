"""Columns as numbers: text becomes columns of 0 and 1, and what no model can use is an error that names it."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
from scipy import sparse

from .tables import columns, listed, pandas

LARGEST = 1e150  # whose square is finite, with room for sums
DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T]\d.*)?")
MOSTLY = 0.5  # numbers in a text column: then the others are damaged values and no levels
SHARE = 0.5  # of the rows: a text column with more different values tells rows apart, not groups
INDEX = 20  # rows from which on a different whole number in each is said to look like an identifier


class Features(NamedTuple):
    """X (n, d), dense or CSR, float64; measured: (d,), which columns are quantities, and not 0 and 1 from text."""

    X: Any
    names: tuple[str, ...]
    measured: np.ndarray
    notes: tuple[str, ...]


def features(found: Any, names: tuple[str, ...] = ()) -> Features:
    """From a DataFrame, a SciPy matrix or an array. Raises ValueError."""
    if not hasattr(found, "columns"):
        X = found.tocsr().astype(np.float64) if sparse.issparse(found) else np.asarray(found)
        if X.ndim != 2:
            raise ValueError(f"X must have two dimensions (rows, columns), found shape {X.shape}")
        if X.dtype.kind in "biuf":
            X = X.astype(np.float64, copy=True)
            names = names or tuple(str(k) for k in range(X.shape[1]))
            _check_finite(X, names)
            return Features(X, names, np.ones(X.shape[1], dtype=bool), ())
        found = pandas().DataFrame(X).infer_objects()
    return _of_frame(found)


def _of_frame(frame: Any) -> Features:
    frame = frame.set_axis([str(name) for name in frame.columns], axis=1)
    if frame.columns.has_duplicates:
        raise ValueError(
            f"more than one column is called {listed(frame.columns[frame.columns.duplicated()])}: rename them"
        )
    _check_missing(frame)
    kinds = {name: _kind(frame[name]) for name in frame.columns}
    numbers, text = ([name for name in frame.columns if kinds[name] == kind] for kind in ("number", "text"))
    X = np.column_stack([_numbers(frame[name]) for name in numbers]) if numbers else np.zeros((len(frame), 0))
    _check_finite(X, numbers)
    notes = [
        f"{columns([name])} has a different whole number in every row: if it identifies rows, leave it out (--drop)"
        for k, name in enumerate(numbers)
        if len(X) >= INDEX and (X[:, k] % 1 == 0).all() and len(np.unique(X[:, k])) == len(X)
    ]
    if constant := [name for name in frame.columns if kinds[name] == "constant"]:
        notes.append(f"{columns(constant)} {'are' if len(constant) > 1 else 'is'} constant and left out")
    if not text:
        return Features(X, tuple(numbers), np.ones(len(numbers), dtype=bool), tuple(notes))
    from sklearn.preprocessing import OneHotEncoder

    encoder = OneHotEncoder(drop="first", dtype=np.float64).fit(frame[text].astype(str).to_numpy(dtype=object))
    levels = encoder.transform(frame[text].astype(str).to_numpy(dtype=object))
    count = f"{len(text)} text column{'s' * (len(text) > 1)}"
    notes.append(
        f"{count} became {levels.shape[1]:,} of 0 and 1, one a level except the first of each: "
        + listed([f"{name} ({len(found)} levels)" for name, found in zip(text, encoder.categories_, strict=True)])
    )
    names = (*numbers, *(str(name) for name in encoder.get_feature_names_out(text)))
    measured = np.arange(len(names)) < len(numbers)
    return Features(sparse.hstack([sparse.csr_matrix(X), levels], format="csr"), names, measured, tuple(notes))


def _check_missing(frame: Any) -> None:
    missing = frame.isna().sum()
    if found := [f"{name} ({count:,} rows)" for name, count in missing.items() if count]:
        raise ValueError(
            f"values are missing in {listed(found)}: fill them in, remove these rows, or leave the columns out (--drop)"
        )


def _kind(column: Any) -> str:
    """number, text or constant (a text); ValueError for dates, identifiers, and numbers among which there is text."""
    pd, name = pandas(), columns([column.name])
    if pd.api.types.is_bool_dtype(column) or pd.api.types.is_numeric_dtype(column):
        if pd.api.types.is_complex_dtype(column):
            raise ValueError(f"{name} is complex: give its real and imaginary parts")
        return "number"
    if not (pd.api.types.is_string_dtype(column) or column.dtype in ("object", "category")):
        raise ValueError(f"{name} holds {column.dtype}: turn it into numbers, such as days since a date, or --drop it")
    values = column.astype(str)
    parsed = pd.to_numeric(values, errors="coerce").notna()
    if parsed.all():
        return "number"
    if parsed.mean() > MOSTLY:
        strange = values[~parsed].unique()
        raise ValueError(f"{name} holds numbers, but {listed(strange)} in {int((~parsed).sum()):,} rows: repair these")
    distinct = values.unique()
    if len(distinct) == 1:
        return "constant"
    if all(DATE.fullmatch(value) for value in distinct):
        raise ValueError(f"{name} holds dates: turn them into numbers, such as days since a date, or --drop it")
    if len(distinct) > max(2, SHARE * len(values)):
        raise ValueError(
            f"{name} holds {len(distinct):,} different texts in {len(values):,} rows, such as {distinct[0][:40]!r}: "
            "it identifies rows; --drop it"
        )
    return "text"


def _numbers(column: Any) -> np.ndarray:
    pd = pandas()
    if pd.api.types.is_numeric_dtype(column):
        return column.to_numpy(dtype=np.float64)
    return pd.to_numeric(column.astype(str)).to_numpy(dtype=np.float64)


def _check_finite(X: Any, names: Any) -> None:
    entries = X.data if sparse.issparse(X) else X
    if np.isfinite(entries).all():
        return
    at = X.tocoo().col[~np.isfinite(entries)] if sparse.issparse(X) else np.nonzero(~np.isfinite(X))[1]
    found, counts = np.unique(at, return_counts=True)
    which = listed([f"{names[k]} ({count:,} rows)" for k, count in zip(found, counts, strict=True)])
    missing = bool(np.isnan(entries).any())
    what = "values are missing or infinite" if missing else "values are infinite"
    raise ValueError(f"{what} in {which}: repair or remove these rows, or leave the columns out (--drop)")
