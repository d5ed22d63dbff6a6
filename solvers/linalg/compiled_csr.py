"""Kernels of a sparse X compiled by Numba, for one thread of a CPU; imported only where Numba is.

X (n, d) is CSR: pointers (n + 1,), columns and values (stored,), the columns of a row ascending, each of them once.
Sums over rows are in float64, where a column of a million rows is as exact as one of ten. Indices are made unsigned
before they are used: Numba tests each signed one for being negative, and a Gram matrix took twice as long.
"""

from __future__ import annotations

import numba
import numpy as np

_compiled = numba.njit(
    cache=True, fastmath={"reassoc", "contract", "arcp", "nsz"}, error_model="numpy", nogil=True, boundscheck=False
)
_index = np.uint64


@_compiled
def transposed_product(pointers, columns, values, u, out):
    """out += X^T u; u: (n,), out: (d,) of float64."""
    for i in range(len(u)):
        entry = np.float64(u[i])
        for k in range(_index(pointers[i]), _index(pointers[i + 1])):
            out[_index(columns[k])] += entry * values[k]


@_compiled
def square_sums(pointers, columns, values, weights, out):
    """out += diag(X^T diag(weights) X); weights: (n,), out: (d,) of float64."""
    for i in range(len(weights)):
        weight = np.float64(weights[i])
        for k in range(_index(pointers[i]), _index(pointers[i + 1])):
            out[_index(columns[k])] += weight * values[k] * values[k]


@_compiled
def hessian_product(pointers, columns, values, weights, v, out):
    """out += X^T (weights * X v); weights: (n,), v: (d,), out: (d,) of float64.

    A row is read once, for both products. Its four sums need not wait for each other.
    """
    one, two, three, four = _index(1), _index(2), _index(3), _index(4)
    for i in range(len(weights)):
        start, stop = _index(pointers[i]), _index(pointers[i + 1])
        s0 = s1 = s2 = s3 = v[0] - v[0]
        k = start
        while k + three < stop:
            s0 += values[k] * v[_index(columns[k])]
            s1 += values[k + one] * v[_index(columns[k + one])]
            s2 += values[k + two] * v[_index(columns[k + two])]
            s3 += values[k + three] * v[_index(columns[k + three])]
            k += four
        while k < stop:
            s0 += values[k] * v[_index(columns[k])]
            k += one
        entry = np.float64(((s0 + s1) + (s2 + s3)) * weights[i])
        for k in range(start, stop):
            out[_index(columns[k])] += entry * values[k]


@_compiled
def gram(pointers, columns, values, weights, scale, penalty, work, out):
    """out = scale X^T diag(weights) X + penalty I, (d, d); work: (d, d) zeros of float64, which are written to."""
    d, sums = _index(len(work)), work.reshape(work.size)
    for i in range(len(weights)):
        start, stop = _index(pointers[i]), _index(pointers[i + 1])
        weight = np.float64(weights[i])
        for k in range(start, stop):
            entry, row = weight * values[k], _index(columns[k]) * d
            for other in range(start, k + _index(1)):
                sums[row + _index(columns[other])] += entry * values[other]
    for j in range(len(work)):
        for k in range(j + 1):
            out[j, k] = out[k, j] = scale * work[j, k]
        out[j, j] += penalty
