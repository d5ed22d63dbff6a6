"""FLOPs and bytes of a run, by formula from its counters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from solvers.linalg.kernels import SMALL_BYTES, gram_products
from solvers.objectives import LogisticRegression, Objective, ResidualMLP, SoftmaxRegression


class Work(NamedTuple):
    """Floating-point operations, and bytes that must at least be read or written (each operand once)."""

    flops: float
    bytes: float

    def times(self, count: float) -> Work:
        return Work(count * self.flops, count * self.bytes)

    def plus(self, other: Work) -> Work:
        return Work(self.flops + other.flops, self.bytes + other.bytes)


NOTHING = Work(0.0, 0.0)


def work_of(objective: Objective) -> dict[str, Work]:
    """counter -> the work of one event, leading terms; counters that cost none of them are left out.

    d coefficients, m entries of X that are stored, n rows, K classes, s bytes a number:
    a product with X or X^T 2 m K; a Gram matrix X^T diag(c) X 2 n d^2, dense blocks of a sparse X included, less the
    half above its diagonal that is left out on the CPU where X is large; a Cholesky factorisation d^3 / 3, LU
    2 d^3 / 3, eigenvectors 9 d^3, a solve 2 d^2 (Golub & Van Loan, 4th ed., sections 3.2, 4.2, 8.3). A residual
    network with L layers of width d and k outputs does F = 2 N (L d^2 + d k) forwards. Its other derivatives keep that
    pass: each of the F / (2 N) products is done twice backwards and six times for a Hessian-vector product (Pearlmutter
    1994), less what the first layer, which has nothing before it, does not need; four times for a Gauss-Newton product.
    Kronecker factors: a Gram matrix for each layer's inputs, and for each output a pass backwards and Gram matrices of
    what it passes; of a linear model P^T P, for X^T X is made once. Their factorisation, p^3 / 3 + q^3 / 3 for a layer
    (p, q), and the 2 p q (p + q) of the solve that follows it go together. What is done once for each row (sigmoids,
    sums) is left out, and so is the work of newton-sampled on its sample. Where newton-cholesky factors a system of the
    order of the rows, the formula of order d is too large. Raises TypeError for an objective without formulas.
    """
    if isinstance(objective, (LogisticRegression, SoftmaxRegression)):
        return linear_work(shape(objective))
    if isinstance(objective, ResidualMLP):
        s = objective.X.element_size()
        return _systems(objective.size, s) | _network(objective, s)
    raise TypeError(f"there are no formulas for the work of a {type(objective).__name__}")


class Shape(NamedTuple):
    """What the formulas of a linear model depend on; no data is needed."""

    rows: int
    columns: int  # of X
    coefficients: int  # in all, intercepts included
    stored: float  # entries of X
    item: int  # bytes a number
    index: int = 0  # bytes of the index of a stored entry; 0: X is dense
    classes: int = 1  # of softmax


def shape(f: LogisticRegression | SoftmaxRegression) -> Shape:
    X, (n, columns) = f.X, f.X.shape
    sparse = X.is_sparse_csr
    stored = float(X.values().numel() if sparse else X.numel())
    index = f.X_short.col_indices().element_size() if sparse else 0
    classes = f.classes if isinstance(f, SoftmaxRegression) else 1
    return Shape(n, columns, f.size, stored, X.element_size(), index, classes)


def linear_work(shape: Shape) -> dict[str, Work]:
    """`work_of` a linear model of that shape."""
    n, s, classes, d2 = shape.rows, shape.item, shape.classes, float(shape.coefficients) ** 2
    read = shape.stored * (s + shape.index)
    grams = classes * (classes + 1) / 2
    small = shape.index == 0 and shape.stored * s <= SMALL_BYTES
    gram = shape.columns**2 if small else gram_products(shape.columns)
    product = Work(2 * shape.stored * classes, read + n * classes * s)
    layers = [(classes, shape.coefficients // classes)]
    return (
        _systems(shape.coefficients, s)
        | _kronecker(layers, s)
        | {
            "kronecker_factors": Work(2.0 * n * classes**2 * (classes > 1), n * classes * s),
            "margins": product,
            "gradients": product,
            "hessian_vector_products": product.times(2),
            "third_derivatives": product,
            "hessian_diagonals": product,
            "hessians": Work(2.0 * n * gram, read).times(grams).plus(Work(0.0, d2 * s)),
        }
    )


def _systems(size: int, s: int) -> dict[str, Work]:
    """Of factorisations and solves, whatever the objective."""
    d2 = float(size) ** 2
    return {
        "factorisations": Work(size * d2 / 3, d2 * s),
        "lu_factorisations": Work(size * d2 / 3, 0.0),  # on top of what a Cholesky factorisation does
        "eigendecompositions": Work(9 * size * d2, 2 * d2 * s),
        "solves": Work(2 * d2, d2 * s),
    }


def _kronecker(layers: list[tuple[int, int]], s: int) -> dict[str, Work]:
    """Of the damped Kronecker factors of layers of those shapes, factored and solved with."""
    flops = sum((p**3 + q**3) / 3 + 2.0 * p * q * (p + q) for p, q in layers)
    return {"kronecker_factorisations": Work(flops, float(s * sum(p**2 + q**2 + p * q for p, q in layers)))}


def _network(f: ResidualMLP, s: int) -> dict[str, Work]:
    (n, width), outputs = f.X.shape, f.Y.shape[1]
    first = 2.0 * n * width * (width if f.depth else outputs)  # FLOPs of a product with the first layer's weights
    hidden = first if f.depth else 0.0
    layers = [(width + 1, width)] * f.depth + [(width + 1, outputs)]
    backward = outputs * width + max(2 * f.depth - 1, 0) * width**2  # of a row, for one output
    forward = Work(2.0 * n * (f.depth * width**2 + width * outputs), (n * width * (f.depth + 1) + f.size) * s)
    return _kronecker(layers, s) | {
        "values": forward,
        "gradients": Work(2 * forward.flops - hidden, 2 * forward.bytes),
        "hessian_vector_products": Work(6 * forward.flops - 2 * hidden, 4 * forward.bytes),
        "gauss_newton_products": Work(4 * forward.flops - hidden, 3 * forward.bytes),
        "kronecker_factors": Work(
            2.0 * n * ((f.depth + 1) * (width + 1) ** 2 + outputs * backward), (1 + outputs) * forward.bytes
        ),
        # A stack of products: two of the first layer's, with its zero tangent, are done once for all columns.
        "hessians": Work(6 * forward.flops - 2 * (hidden + first), 4 * forward.bytes).times(f.size),
    }


def total(objective: Objective, counters: Mapping[str, int]) -> Work:
    """The work of a whole run."""
    done = NOTHING
    for counter, work in work_of(objective).items():
        done = done.plus(work.times(counters[counter]))
    return done
