"""A target as classes 0, 1, 2, ...: text, -1 and 1, and other labels are mapped, and that is said."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from .tables import listed, pandas

SHOWN = 5  # labels in a note
SHARE = 0.5  # of the rows: a target with more different values is a quantity


class Classes(NamedTuple):
    """y (n,) in {0, ..., count - 1}, float64; names: the labels that these stand for."""

    y: np.ndarray
    names: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def count(self) -> int:
        return len(self.names)


def classes(target: Any, label: str, model: str, wanted: int | None, models: str) -> Classes:
    """wanted: the number of classes that a model needs. models: those that are here. Raises ValueError."""
    pd = pandas()
    values = pd.Series(target).infer_objects()
    if missing := int(values.isna().sum()):
        raise ValueError(f"the target {label!r} is missing in {missing:,} rows: remove these rows")
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        values = values.to_numpy(dtype=np.float64)
        if not np.isfinite(values).all():
            raise ValueError(f"the target {label!r} has infinite values: repair or remove these rows")
    elif not pd.api.types.is_bool_dtype(values):
        values = values.astype(str).to_numpy(dtype=str)
    found, y = np.unique(np.asarray(values), return_inverse=True)
    names = [f"{value:g}" if isinstance(value, (float, np.floating)) else str(value) for value in found]
    if len(found) == 1:
        raise ValueError(
            f"the target {label!r} is {names[0]!r} in every row: there is nothing to tell apart; choose another target"
        )
    if wanted not in (None, len(found)):
        remedy = "take --model softmax" if len(found) <= SHARE * len(y) else quantity(models)
        raise ValueError(
            f"{model} needs {wanted} classes, and {label!r} has {len(found):,} ({listed(names)}): {remedy}"
        )
    if len(found) > 2 and len(found) > SHARE * len(y):
        raise ValueError(
            f"the target {label!r} has {len(found):,} different values in {len(y):,} rows: {quantity(models)}"
        )
    same = found.dtype.kind in "fb" and np.array_equal(found.astype(float), np.arange(len(found)))
    pairs = [f"{name!r} is {k}" for k, name in enumerate(names[:SHOWN])]
    more = f", ... ({len(names):,} classes)" if len(names) > SHOWN else ""
    notes = () if same else (f"target {label!r}: {', '.join(pairs)}{more}",)
    return Classes(y.ravel().astype(np.float64), tuple(names), notes)


def quantity(models: str) -> str:
    return f"it looks like a quantity, and the models here are of classes ({models}): make groups, as by pandas.cut"
