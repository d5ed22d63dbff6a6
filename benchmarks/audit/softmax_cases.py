"""Hard softmax regressions with 2, 3, 4 and 5 classes: the kinds of the logistic ones, and some of their own.

The docstring of each function, up to the colon, is the `kind` of its cases.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from .case import DTYPES, SOFTMAX, Case, column, kind_of, normal, vector

N, D = 40, 3
EXACT = 2.0**-10  # entries that are multiples of it keep sums and small products exact in both precisions
ONLY_FLOAT64 = ("float64",)


def drawn(logits: Tensor, seed: int) -> Tensor:
    """Classes by the probabilities of the logits, (n, K)."""
    uniform = torch.rand(logits.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (logits - (-uniform.log()).log()).argmax(1).double()


def random_labels(n: int, classes: int, seed: int) -> Tensor:
    return torch.randint(classes, (n,), generator=torch.Generator().manual_seed(seed)).double()


def usual(classes: int, n: int = N, d: int = D, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Normal features, and classes that overlap."""
    X = normal(n, d, seed=100 * classes + seed)
    return X, drawn(X @ normal(d, classes, seed=100 * classes + seed + 50), 1000 + seed)


def softmax_cases() -> dict[str, Case]:
    """By name: softmax-K-what is hard about it."""
    found: dict[str, Case] = {}
    for make in (
        regular,
        scaled,
        conditioned,
        dependent,
        wide,
        separated,
        absent_class,
        imbalanced,
        saturated,
        tiny,
        heavy,
    ):
        make(lambda name, K, X, y, make=make, **more: add(found, name, K, make, X, y, **more))
    return found


def add(
    found: dict[str, Case],
    name: str,
    classes: int,
    make: Callable[..., None],
    X: Tensor,
    y: Tensor,
    minimiser: bool = True,
    extreme: bool = False,
    start: float | None = None,
    dtypes: tuple[str, ...] = DTYPES,
    **settings: Any,
) -> None:
    name, settings = f"softmax-{classes}-{name}", {"classes": classes, **settings}
    found[name] = Case(name, kind_of(make), X.contiguous(), y, settings, minimiser, extreme, start, SOFTMAX, dtypes)


def regular(case: Callable[..., None]) -> None:
    """Regular: the settings of the objective on a problem without any difficulty."""
    for K in (2, 3, 5):
        X, y = usual(K)
        case("plain", K, X, y)
        case("intercept", K, X, y, fit_intercept=True)
        case("penalty", K, X, y, l2=0.1)
    X, y = usual(3)
    case("sum", 3, X, y, reduction="sum")
    case("penalty-intercept-sum", 3, X, y, l2=0.1, fit_intercept=True, reduction="sum")
    case("huge-penalty", 3, X, y, l2=1e6)
    case("tiny-penalty", 5, *usual(5), l2=1e-10)


def scaled(case: Callable[..., None]) -> None:
    """Badly scaled: units of the columns, and columns far from 0."""
    units, far = vector(1e8, 1e-8, 1.0), vector(1e6, 0, 0)
    for K in (2, 3, 5):
        X, y = usual(K, seed=1)
        case("units", K, X * units, y, extreme=True)
        case("far-column", K, X + far, random_labels(N, K, 3), fit_intercept=True)
    X, y = usual(3, seed=2)
    case("units-penalty", 3, X * units, y, l2=1e-3, extreme=True)
    case("large", 3, 1e4 * X, y)
    case("far-column-penalty", 3, X + far, y, l2=1e-2, fit_intercept=True)
    case("far-columns-intercept", 3, X + 1e3, y, fit_intercept=True)
    case("very-far-column", 3, X + 10 * far, y, fit_intercept=True, extreme=True)
    X, y = usual(5, seed=2)
    case("units-intercept-sum", 5, X * units, y, fit_intercept=True, reduction="sum", extreme=True)
    case("small", 5, 1e-12 * X, y)
    case("far-columns", 5, X[:, :2] + 1e3, y)
    far_off(case)


def far_off(case: Callable[..., None]) -> None:
    """Columns of large units or a large mean, beside others that are small or held by a penalty."""
    for K in (4, 5):
        X = normal(60, 2, seed=5)
        y = drawn(X @ normal(2, K, seed=6), 7)
        far = X * vector(1, 1e-9) + vector(1e7, 0)
        case("far-beside-small", K, far, y, fit_intercept=True, extreme=True)
    X = normal(50, 3, seed=8)
    y = drawn(2 * X @ normal(3, 3, seed=9), 10)
    case("large-units-penalty-intercept", 3, 1e10 * X, y, l2=1e-3, fit_intercept=True, extreme=True)
    for K in (2, 3):
        far = normal(30, 2, seed=0) * vector(1, 1e-6) + vector(1e6, 0)
        case("far-beside-tiny", K, far, random_labels(30, K, 11), fit_intercept=True, extreme=True)
    # In float32 a unit of rounding apart. (Units of float64 are below what it sees: docs/mathematics/converged.md.)
    few = 2.0**27 + 16 * column(0, 1, 2, 3, 4, 5)
    case("ulps-apart", 2, few, vector(0, 1, 0, 1, 0, 1), fit_intercept=True, extreme=True)
    case("ulps-apart", 3, few, vector(0, 1, 2, 0, 1, 2), fit_intercept=True, extreme=True)


def conditioned(case: Callable[..., None]) -> None:
    """Ill-conditioned: singular values of X from 1 down to the root of the condition number of X^T X."""
    for K, powers in ((2, (10, 14)), (3, (4, 8, 12, 15)), (5, (6, 12))):
        Z, y = usual(K, seed=3)
        left, right = torch.linalg.qr(Z).Q, torch.linalg.qr(normal(D, D, seed=4)).Q
        for power in powers:
            values = 10.0 ** torch.linspace(0, -power / 2, D, dtype=torch.float64)
            case(f"condition-1e{power}", K, N**0.5 * (left * values) @ right.T, y, extreme=power > 13)
    hilbert = 1 / (torch.arange(N).unsqueeze(1) + torch.arange(1, 5).unsqueeze(0)).double()
    case("hilbert", 3, hilbert, usual(3)[1], l2=1e-12)


def dependent(case: Callable[..., None]) -> None:
    """Rank-deficient: columns that depend on each other, exactly in both precisions, or almost."""
    for K in (2, 3, 5):
        X, y = usual(K, d=2, seed=5)
        X = (X / EXACT).round() * EXACT
        case("duplicates", K, torch.cat([X, X], dim=1), y, fit_intercept=True)
        twins = 1000 + normal(N, 1, seed=6) + 0.01 * normal(N, 2, seed=7)
        case("far-twins", K, twins, random_labels(N, K, 8))
    X, y = usual(3, seed=5)
    X = (X / EXACT).round() * EXACT
    case("collinear", 3, torch.cat([X, X @ torch.tensor([[1.0, 2], [1, -1], [0, 1]]).double()], dim=1), y)
    case("rank-one", 3, X[:, :1] * torch.ones(1, 4, dtype=torch.float64), y, reduction="sum")
    case("all-zero", 3, torch.zeros(N, 2, dtype=torch.float64), y, fit_intercept=True)
    constant = torch.cat([X, torch.full((N, 1), 3.0, dtype=torch.float64)], dim=1)
    case("constant-column", 3, constant, y, fit_intercept=True)
    for power in (3, 6):
        almost = torch.cat([X, X[:, :1] + 10.0**-power * X[:, 1:2].square()], dim=1)
        case(f"almost-collinear-1e-{power}", 3, almost, y)
    X, y = usual(5, seed=5)
    X = (X / EXACT).round() * EXACT
    case("collinear-penalty", 5, torch.cat([X, X[:, :1] + X[:, 1:2]], dim=1), y, l2=1e-6)
    case("zero-column", 5, X * vector(1, 0, 1), y)
    a, b, z = (normal(40, 1, seed=seed) for seed in (1, 2, 3))
    for K, sides in ((2, vector(-1, 1)), (3, vector(-1, 0, 1))):
        beside = torch.cat([1e-10 * a, b, b + 1e-8 * z], 1)
        case("units-beside-twins", K, beside, drawn(2 * z * sides, 4), extreme=True)


def wide(case: Callable[..., None]) -> None:
    """Wide: more columns than rows, with a penalty."""
    X = normal(8, 12, seed=9)
    case("wide-intercept", 2, X, random_labels(8, 2, 10), l2=1e-2, fit_intercept=True)
    case("wide", 3, X, random_labels(8, 3, 10), l2=1e-2)
    case("wide-sum", 3, X, random_labels(8, 3, 10), l2=1e-6, reduction="sum")
    case("wide-weak", 5, X[:, :9], random_labels(8, 5, 12), l2=1e-5)


def separated(case: Callable[..., None]) -> None:
    """Separable: nearly, quasi or strictly."""
    x = torch.linspace(-3, 3, 42, dtype=torch.float64).unsqueeze(1)
    side = torch.arange(42).div(14, rounding_mode="floor").double()  # three thirds of the line
    touched = side.clone()
    touched[[13, 14, 27, 28]] = vector(1, 0, 2, 1)  # the two at each end change places
    case("nearly-separable", 3, x, touched, fit_intercept=True)
    case("nearly-separable-large", 3, 1e3 * x, touched, fit_intercept=True)
    case("nearly-separable-penalty", 3, x, side, l2=1e-6, fit_intercept=True)
    mislabelled = (x.squeeze(1) > 0).double()
    mislabelled[0] = 1.0
    case("one-mislabelled", 2, x, mislabelled)
    case("separable", 2, x, (x.squeeze(1) > 0).double(), minimiser=False)
    case("separable", 3, x, side, fit_intercept=True, minimiser=False)
    for K in (3, 5):
        X = normal(N, D, seed=11)
        classes = (X @ normal(D, K, seed=12)).argmax(1).double()
        case("separable-plane", K, X, classes, minimiser=False)
        case("separable-narrow", K, 1e-3 * X, classes, fit_intercept=True, minimiser=False)
    corners = normal(5, 5, seed=13).repeat(4, 1) + 5
    case("separable", 5, corners, torch.arange(5).repeat(4).double(), fit_intercept=True, minimiser=False)
    case("separable-wide", 3, normal(6, 10, seed=14), random_labels(6, 3, 15), minimiser=False)
    line = column(-2, -1, 0, 0, 0, 1, 2)
    case("quasi", 2, line, vector(0, 0, 0, 1, 1, 1, 1), fit_intercept=True, minimiser=False)
    case("quasi", 3, line, vector(0, 0, 0, 1, 2, 2, 2), fit_intercept=True, minimiser=False)
    for K in (3, 5):  # one class stands apart, the others overlap
        X, y = usual(K, seed=16)
        apart = torch.cat([X[:, :2], torch.where(y == K - 1, 1.0, 0.0).unsqueeze(1)], dim=1)
        case("one-apart", K, apart, y, fit_intercept=True, minimiser=False)


def absent_class(case: Callable[..., None]) -> None:
    """Absent class: a label that no row has, or one that all have."""
    X, y = usual(2, seed=17)
    case("absent", 3, X, y)
    case("absent-intercept", 3, X, y, fit_intercept=True, minimiser=False)
    case("absent-penalty", 3, X, y, l2=1e-3)
    case("absent-penalty-free-intercept", 3, X, y, l2=1.0, fit_intercept=True, minimiser=False)
    case("absent-positive", 5, X.abs(), 2 * y, minimiser=False)
    case("one-class", 3, X, torch.ones(N, dtype=torch.float64))
    case("one-class-penalty", 5, X, torch.full((N,), 3.0, dtype=torch.float64), l2=1e-3)


def imbalanced(case: Callable[..., None]) -> None:
    """Imbalanced: one row in two hundred."""
    X, y = normal(201, 2, seed=18), random_labels(201, 2, 19)
    y[100] = 2.0
    case("imbalanced", 3, X, y, fit_intercept=True)
    case("imbalanced-penalty-sum", 3, X, y, l2=1e-2, fit_intercept=True, reduction="sum")


def saturated(case: Callable[..., None]) -> None:
    """Saturated start: far from 0, where curvatures vanish."""
    X, y = usual(3, seed=20)
    case("start-10", 3, X, y, start=10.0)
    case("start-100", 3, X, y, start=100.0)
    X, y = usual(5, seed=20)
    case("start-1e4-penalty", 5, X, y, l2=0.1, start=1e4)
    case("start-minus-30-intercept", 5, X, y, fit_intercept=True, start=-30.0)


def tiny(case: Callable[..., None]) -> None:
    """Tiny: a row, a row for each class, one column."""
    case("one-row", 3, column(2.0), vector(1), l2=1.0)
    case("one-row-separable", 3, column(2.0), vector(1), minimiser=False)
    case("one-row-each", 3, column(1.0, 2.0, 3.0), vector(0, 1, 2), l2=1e-3, fit_intercept=True)
    case("one-row-each-overlapping", 3, column(1.0, 2.0, 3.0), vector(0, 1, 2))
    case("one-row-each", 5, column(1.0, 2.0, 3.0, 4.0, 5.0), vector(0, 1, 2, 3, 4), l2=1e-3, fit_intercept=True)
    case("one-column", 5, normal(N, 1, seed=21), random_labels(N, 5, 22), fit_intercept=True)


def heavy(case: Callable[..., None]) -> None:
    """Heavy tails: powers of normal features, and rows of very different lengths."""
    X, y = usual(3, seed=23)
    case("heavy", 3, X**5, y, l2=1e-4)
    case("very-heavy", 3, X[:, :2] ** 9, y, l2=1e-6, fit_intercept=True)
    lengths = 10.0 ** torch.linspace(-4, 4, N, dtype=torch.float64).unsqueeze(1)
    for K in (3, 5):
        X, y = usual(K, seed=24)
        case("row-lengths", K, lengths * X[:, :2], random_labels(N, K, 25))
        outlier = torch.cat([X, 1e6 * torch.ones(1, D, dtype=torch.float64)])
        case("outlier", K, outlier, torch.cat([y, vector(0.0)]))
    case("heavy-free", 2, *heavy_free())
    for K, seed in ((2, 53), (3, 13)):
        case("held-by-short-rows", K, *held_by_short_rows(K, seed), fit_intercept=True)


def heavy_free() -> tuple[Tensor, Tensor]:
    X, y = usual(2, seed=23)
    return X**5, y


def held_by_short_rows(classes: int, seed: int, n: int = 24) -> tuple[Tensor, Tensor]:
    """Lengths of rows over ten powers of ten: f almost falls for ever along a step that moves the long ones."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randn(n, 2, generator=generator, dtype=torch.float64)
    X = rows * 10 ** (10 * torch.rand(n, 1, generator=generator, dtype=torch.float64) - 5)
    z = X @ torch.randn(2, generator=generator, dtype=torch.float64)
    noise = torch.randn(n, generator=generator, dtype=torch.float64)
    score = z / z.abs().median() + noise
    return X, torch.bucketize(score, vector(*torch.linspace(-1, 1, classes + 1)[1:-1].tolist())).double()
