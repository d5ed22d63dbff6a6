"""Checks of input, made once where it enters: each error is one sentence that names the remedy."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from .blocked_rows import BlockedRows
from .csr import checked_csr

EPS = {dtype: torch.finfo(dtype).eps for dtype in (torch.float32, torch.float64)}  # rounding units
_PROMOTED = {torch.float16: torch.float32, torch.bfloat16: torch.float32}


def real_tensor(name: str, array: Any, layouts: tuple[torch.layout, ...] = (torch.strided,)) -> Tensor:
    """`array` as a floating-point tensor without gradient history; TypeError for what is not a real tensor."""
    if not isinstance(array, Tensor):
        raise TypeError(f"{name} must be a torch tensor, found {type(array).__name__}: convert it with torch.as_tensor")
    if array.layout not in layouts:
        remedy = "a dense tensor" if layouts == (torch.strided,) else "dense or CSR: convert it with .to_sparse_csr()"
        raise TypeError(f"{name} has layout {array.layout}, and must be {remedy}")
    if array.is_complex():
        raise TypeError(f"{name} is complex ({array.dtype}): pass its real part")
    if array.is_quantized or array.device.type == "meta":
        raise TypeError(f"{name} holds no plain numbers ({array.dtype} on {array.device}): pass a real tensor")
    array = array.detach()
    if array.is_floating_point():
        return array.to(_PROMOTED[array.dtype]) if array.dtype in _PROMOTED else array
    return array.to(torch.float64)


def finite_tensor(name: str, array: Any, layouts: tuple[torch.layout, ...] = (torch.strided,)) -> Tensor:
    """`real_tensor`, and a ValueError that counts the entries that are NaN or infinite.

    One sum decides: it is finite only if all entries are. Only otherwise (which includes sums that overflow) are
    the entries tested one by one.
    """
    return _finite(name, real_tensor(name, array, layouts))


def _finite(name: str, array: Tensor) -> Tensor:
    entries = array.values() if array.layout == torch.sparse_csr else array
    if not math.isfinite(float(entries.sum())):
        nans = int(entries.isnan().sum())
        infinities = int(entries.isinf().sum())
        if nans or infinities:
            found = " and ".join(f"{n} {what}" for n, what in ((nans, "NaN"), (infinities, "infinite")) if n)
            raise ValueError(f"{name} has {found} of {entries.numel()} entries: remove or replace those rows first")
    return array


def design_matrix(X: Any, fit_intercept: bool) -> Tensor:
    """X (n, d), dense or CSR, floating-point and finite, with rows, and with columns unless there is an intercept.

    A CSR tensor is put in order where it is not, with its duplicates added up.
    """
    if isinstance(X, BlockedRows):
        return X
    X = real_tensor("X", X, layouts=(torch.strided, torch.sparse_csr))
    if X.ndim != 2:
        raise ValueError(f"X must have two dimensions (rows, features), found shape {tuple(X.shape)}")
    X = _finite("X", checked_csr("X", X) if X.layout == torch.sparse_csr else X)
    n, d = X.shape
    if n == 0:
        raise ValueError("X has no rows: a loss needs at least one")
    if d == 0 and not fit_intercept:
        raise ValueError("X has no columns and there is no intercept: nothing to fit; pass fit_intercept=True")
    return X


def row_labels(y: Any, X: Tensor) -> Tensor:
    """y (n,), real and finite, on the device of X."""
    y, n = real_tensor("y", y), len(X)
    if y.shape != (n,):
        hint = ": pass y.squeeze(1)" if y.shape == (n, 1) else ""
        raise ValueError(f"y must have shape ({n},) to match X {tuple(X.shape)}, found {tuple(y.shape)}{hint}")
    if y.device != X.device:
        raise ValueError(f"X is on {X.device} and y on {y.device}: move them to one device with .to(...)")
    return finite_tensor("y", y)


def class_labels(X: Tensor, y: Any, classes: int | None) -> tuple[Tensor, int]:
    """y as int64 labels 0, 1, ..., classes - 1, (n,), and how many classes there are."""
    y = row_labels(y, X)
    low, high = (float(end) for end in torch.aminmax(y))
    if low < 0 or not bool((y == y.round()).all()):
        raise ValueError(f"labels must be 0, 1, 2, ..., found {low:g}..{high:g}: map them with torch.unique first")
    if classes is None:
        classes = max(int(high) + 1, 2)
    elif isinstance(classes, bool) or not isinstance(classes, int):
        raise TypeError(f"classes must be an int >= 2, found {classes!r}")
    if classes < 2 or high >= classes:
        raise ValueError(f"classes must be at least 2 and above the largest label {high:g}, found {classes}")
    return y.long(), classes


def reduction_scale(reduction: str, n: int) -> float:
    """1/n for "mean", 1 for "sum"."""
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction must be 'mean' or 'sum', found {reduction!r}")
    return 1.0 / n if reduction == "mean" else 1.0


def non_negative(name: str, value: Any) -> float:
    """A finite float >= 0; TypeError or ValueError otherwise."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number >= 0, found {value!r}")
    if not math.isfinite(value) or value < 0:
        raise ValueError(f"{name} must be a finite number >= 0, found {value!r}")
    return float(value)


def penalty(value: Any, X: Tensor) -> float:
    """l2, a finite float >= 0 in the precision of X too; TypeError or ValueError otherwise."""
    if non_negative("l2", value) > torch.finfo(X.dtype).max:
        raise ValueError(f"l2 must be a finite number >= 0 in {X.dtype}, found {value!r}")
    return float(value)


def whole(name: str, value: Any, least: int = 1) -> int:
    """An int that is at least so much; TypeError or ValueError otherwise."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int >= {least}, found {value!r}")
    if value < least:
        raise ValueError(f"{name} must be an int >= {least}, found {value!r}")
    return value


def count(name: str, value: Any) -> int:
    """An int >= 0; TypeError or ValueError otherwise."""
    return whole(name, value, least=0)


def positive(name: str, value: Any) -> float:
    """A finite float > 0; TypeError or ValueError otherwise."""
    if non_negative(name, value) == 0:
        raise ValueError(f"{name} must be greater than 0, found {value!r}")
    return float(value)


def optional(check: Callable[[str, Any], Any]) -> Callable[[str, Any], Any]:
    """The same check for a value that may be None."""
    return lambda name, value: None if value is None else check(name, value)


def fraction(name: str, value: Any) -> float:
    """A float between 0 and 1, both excluded; TypeError or ValueError otherwise."""
    if positive(name, value) >= 1:
        raise ValueError(f"{name} must lie between 0 and 1, found {value!r}")
    return float(value)


def ascending(**values: Any) -> None:
    """Floats in ascending order, between 0 and 1; TypeError or ValueError otherwise."""
    for name, value in values.items():
        fraction(name, value)
    if not all(a < b for a, b in pairwise(values.values())):
        found = ", ".join(f"{value!r}" for value in values.values())
        raise ValueError(f"{' < '.join(values)} must hold, found {found}")


def below_one(name: str, value: Any) -> float:
    """A float >= 0 and below 1; TypeError or ValueError otherwise."""
    if non_negative(name, value) >= 1:
        raise ValueError(f"{name} must be at least 0 and below 1, found {value!r}")
    return float(value)


def at_least_one(name: str, value: Any) -> float:
    """A finite float >= 1; TypeError or ValueError otherwise."""
    if positive(name, value) < 1:
        raise ValueError(f"{name} must be at least 1, found {value!r}")
    return float(value)


def above_one(name: str, value: Any) -> float:
    """A finite float > 1; TypeError or ValueError otherwise."""
    if positive(name, value) <= 1:
        raise ValueError(f"{name} must be greater than 1, found {value!r}")
    return float(value)
