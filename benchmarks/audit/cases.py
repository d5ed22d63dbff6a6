"""The hard problems, small and made from seeds: all of them by name, and the logistic regressions among them.

The docstring of each function, up to the colon, is the `kind` of its cases.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .case import Case, column, kind_of, normal, vector
from .softmax_cases import softmax_cases

N, D = 60, 4
EXACT = 2.0**-10  # entries that are multiples of it keep sums and small products exact in both precisions


def labels(logits: Tensor, seed: int) -> Tensor:
    """0 or 1, by the probabilities of the logits."""
    return torch.bernoulli(torch.sigmoid(logits), generator=torch.Generator().manual_seed(1000 + seed))


def usual(n: int = N, d: int = D, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Normal features, and labels that overlap."""
    Z = normal(n, d, seed=seed)
    return Z, labels(Z @ torch.tensor([1.0, -1.0, 0.5, 0.0] * d, dtype=torch.float64)[:d], seed)


def cases() -> dict[str, Case]:
    """All of them, by name: logistic regressions, then softmax regressions."""
    return logistic_cases() | softmax_cases()


def logistic_cases() -> dict[str, Case]:
    found: dict[str, Case] = {}
    for make in (
        regular,
        scaled,
        conditioned,
        dependent,
        wide,
        separated,
        one_class,
        imbalanced,
        saturated,
        tiny,
        heavy,
    ):
        make(lambda name, X, y, make=make, **more: add(found, name, make, X, y, **more))
    return found


def add(
    found: dict[str, Case],
    name: str,
    make: Callable[..., None],
    X: Tensor,
    y: Tensor,
    minimiser: bool = True,
    extreme: bool = False,
    start: float | None = None,
    **settings: Any,
) -> None:
    found[name] = Case(name, kind_of(make), X.contiguous(), y, settings, minimiser, extreme, start)


def regular(case: Callable[..., None]) -> None:
    """Regular: the settings of the objective on a problem without any difficulty."""
    X, y = usual()
    case("plain", X, y)
    case("sum", X, y, reduction="sum")
    case("intercept", X, y, fit_intercept=True)
    case("penalty", X, y, l2=0.1)
    case("penalty-intercept-sum", X, y, l2=0.1, fit_intercept=True, reduction="sum")
    case("tiny-penalty", X, y, l2=1e-10)
    case("huge-penalty", X, y, l2=1e6)
    case("soft-labels", X, torch.sigmoid(normal(N, seed=5)), fit_intercept=True)


def scaled(case: Callable[..., None]) -> None:
    """Badly scaled: units of the columns, and columns far from 0."""
    X, y = usual(seed=1)
    units = vector(1e8, 1e-8, 1.0, 1e3)
    case("units", X * units, y, extreme=True)
    case("units-penalty", X * units, y, l2=1e-3, extreme=True)
    case("units-intercept-sum", X * units, y, fit_intercept=True, reduction="sum", extreme=True)
    case("large", 1e4 * X, y)
    case("small", 1e-12 * X, y)
    far = vector(1e6, 0, 0, 0)
    case("far-column", X + far, y, fit_intercept=True)
    case("far-column-penalty", X + far, y, l2=1e-2, fit_intercept=True)
    case("far-columns", X[:, :2] + 1e3, y)
    case("far-columns-intercept", X + 1e3, y, fit_intercept=True)
    case("very-far-column", X + 10 * far, y, fit_intercept=True, extreme=True)


def conditioned(case: Callable[..., None]) -> None:
    """Ill-conditioned: singular values of X from 1 down to the root of the condition number of X^T X."""
    Z, y = usual(seed=2)
    left = torch.linalg.qr(Z).Q
    right = torch.linalg.qr(normal(D, D, seed=3)).Q
    for power in (4, 6, 8, 10, 12, 14, 15):
        values = 10.0 ** torch.linspace(0, -power / 2, D, dtype=torch.float64)
        case(f"condition-1e{power}", N**0.5 * (left * values) @ right.T, y, extreme=power > 13)
    case("condition-1e12-penalty", N**0.5 * (left * vector(1, 1e-2, 1e-4, 1e-6)) @ right.T, y, l2=1e-10)
    hilbert = 1 / (torch.arange(N).unsqueeze(1) + torch.arange(1, 6).unsqueeze(0)).double()
    case("hilbert", hilbert, y, l2=1e-12)


def dependent(case: Callable[..., None]) -> None:
    """Rank-deficient: columns that depend on each other, exactly in both precisions, or almost."""
    X, y = usual(seed=4)
    X = (X / EXACT).round() * EXACT
    case("collinear", torch.cat([X, X @ torch.tensor([[1.0, 2], [1, -1], [0, 1], [2, 0]]).double()], dim=1), y)
    case("collinear-penalty", torch.cat([X, X[:, :1] + X[:, 1:2]], dim=1), y, l2=1e-6)
    case("duplicates", torch.cat([X, X], dim=1), y, fit_intercept=True)
    case("rank-one", X[:, :1] * torch.ones(1, 6, dtype=torch.float64), y, reduction="sum")
    case("zero-column", X * vector(1, 0, 1, 1), y)
    case("constant-column", torch.cat([X, torch.full((N, 1), 3.0, dtype=torch.float64)], dim=1), y, fit_intercept=True)
    case("all-zero", torch.zeros(N, 2, dtype=torch.float64), y, fit_intercept=True)
    for power in (2, 3):
        case(f"almost-collinear-1e-{power}", torch.cat([X, X[:, :1] + 10.0**-power * X[:, 1:2].square()], dim=1), y)
    case("almost-collinear-1e-6", torch.cat([X, X[:, :1] + 1e-6 * X[:, 1:2].square()], dim=1), y)
    twins = 1000 + normal(40, 1, seed=6) + 0.01 * normal(40, 2, seed=7)
    case("far-twins", twins, labels(normal(40, seed=8), 8))


def wide(case: Callable[..., None]) -> None:
    """Wide: more columns than rows, with a penalty."""
    X, y = normal(12, 20, seed=9), labels(normal(12, seed=10), 10)
    case("wide", X, y, l2=1e-2)
    case("wide-intercept", X, y, l2=1e-2, fit_intercept=True)
    case("wide-weak", X, y, l2=1e-5)
    case("wide-sum", X, y, l2=1e-6, reduction="sum")


def separated(case: Callable[..., None]) -> None:
    """Separable: nearly, quasi or strictly."""
    x = torch.linspace(-3, 3, 40, dtype=torch.float64).unsqueeze(1)
    side = (x.squeeze(1) > 0).double()
    touched = side.clone()
    touched[19], touched[20] = 1.0, 0.0  # the two nearest to 0 change places
    case("nearly-separable", x, touched, fit_intercept=True)
    case("nearly-separable-large", 1e3 * x, touched, fit_intercept=True)
    far_off = side.clone()
    far_off[0] = 1.0
    case("one-mislabelled", x, far_off)
    case("nearly-separable-penalty", x, side, l2=1e-6)
    case("separable", x, side, minimiser=False)
    X, _ = usual(seed=11)
    case("separable-plane", X, (X @ vector(1, -1, 0.5, 0.2) > 0).double(), minimiser=False)
    case("separable-intercept", X + 5, ((X + 5).sum(1) > 20).double(), fit_intercept=True, minimiser=False)
    case("separable-narrow", 1e-3 * X, (X[:, 0] > 0).double(), minimiser=False)
    case("separable-wide", normal(8, 15, seed=12), labels(normal(8, seed=13), 13), minimiser=False)
    case("quasi", column(-2, -1, 0, 0, 0, 1, 2), vector(0, 0, 0, 1, 1, 1, 1), fit_intercept=True, minimiser=False)
    rows, y = usual(d=3, seed=14)
    only_ones = torch.cat([rows, (y * (rows[:, 0] > 0)).unsqueeze(1)], dim=1)  # a column that is 1 in one class alone
    case("quasi-column", only_ones, y, minimiser=False)
    case("quasi-column-sum", only_ones, y, fit_intercept=True, reduction="sum", minimiser=False)


def one_class(case: Callable[..., None]) -> None:
    """One class: all labels are the same."""
    X, _ = usual(seed=15)
    case("one-class-intercept", X, torch.ones(N, dtype=torch.float64), fit_intercept=True, minimiser=False)
    case("one-class-positive", X.abs(), torch.zeros(N, dtype=torch.float64), minimiser=False)
    case("one-class-free-intercept", X, torch.ones(N, dtype=torch.float64), l2=1.0, fit_intercept=True, minimiser=False)
    case("one-class-overlapping", X, torch.ones(N, dtype=torch.float64))
    case("one-class-penalty", X, torch.ones(N, dtype=torch.float64), l2=1e-3)


def imbalanced(case: Callable[..., None]) -> None:
    """Imbalanced: one row in a thousand."""
    X, y = normal(1001, 2, seed=16), torch.zeros(1001, dtype=torch.float64)
    y[500] = 1.0
    case("imbalanced", X, y, fit_intercept=True)
    case("imbalanced-penalty-sum", X, y, l2=1e-2, fit_intercept=True, reduction="sum")


def saturated(case: Callable[..., None]) -> None:
    """Saturated start: far from 0, where curvatures vanish."""
    X, y = usual(seed=17)
    case("start-10", X, y, start=10.0)
    case("start-100", X, y, start=100.0)
    case("start-1e4-penalty", X, y, l2=0.1, start=1e4)
    case("start-minus-30-intercept", X, y, fit_intercept=True, start=-30.0)


def tiny(case: Callable[..., None]) -> None:
    """Tiny: one row, two rows, one column."""
    case("one-row", column(2.0), vector(1), l2=1.0)
    case("one-row-soft", column(2.0), vector(0.25))
    case("one-row-separable", column(2.0), vector(1), minimiser=False)
    case("two-rows", column(1.0, 3.0), vector(0, 1), l2=1e-3, fit_intercept=True)
    case("two-rows-overlapping", column(1.0, 3.0), vector(0, 1))
    case("one-column", normal(30, 1, seed=18), labels(normal(30, seed=19), 19), fit_intercept=True)


def held_by_short_rows(n: int = 16, seed: int = 13) -> tuple[Tensor, Tensor]:
    """Lengths of rows over ten powers of ten: f almost falls for ever along a step that moves the long ones."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(n, 2, generator=generator, dtype=torch.float64)
    X = rows * 10 ** (10 * torch.rand(n, 1, generator=generator, dtype=torch.float64) - 5)
    z = X @ torch.randn(2, generator=generator, dtype=torch.float64)
    noise = torch.randn(n, generator=generator, dtype=torch.float64)
    return X, (z / z.abs().median() + noise > 0).double()


def heavy(case: Callable[..., None]) -> None:
    """Heavy tails: powers of normal features, and rows of very different lengths."""
    X, y = usual(seed=20)
    case("heavy", X**5, y, l2=1e-4)
    case("heavy-free", X**5, y, fit_intercept=True)
    case("very-heavy", X[:, :2] ** 9, y, l2=1e-6, fit_intercept=True)
    lengths = 10.0 ** torch.linspace(-4, 4, N, dtype=torch.float64).unsqueeze(1)
    case("row-lengths", lengths * X, labels(normal(N, seed=21), 21))
    held, y_held = held_by_short_rows()
    case("held-by-short-rows", held, y_held, fit_intercept=True)
    case("outlier", torch.cat([X, 1e6 * torch.ones(1, D, dtype=torch.float64)]), torch.cat([y, vector(0.0)]))


QUICK = (
    "plain",
    "units",
    "condition-1e14",
    "duplicates",
    "far-twins",
    "wide",
    "separable",
    "quasi",
    "start-100",
    "one-row",
    "softmax-3-units",
    "softmax-2-duplicates",
    "softmax-2-far-beside-tiny",
    "softmax-3-quasi",
    "softmax-5-separable",
)
