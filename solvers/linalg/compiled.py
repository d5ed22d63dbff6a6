"""Kernels of linear models compiled by Numba, for one thread of a CPU; imported only where Numba is.

A row of `columns` is a column of X: (d, m), with zeros behind its n entries up to a multiple of PADDING, so that loops
over it need no remainder. Everything is written into arrays that the caller gives. Sums may be reordered (fastmath
without the assumption that all numbers are finite), in the same way at each call.
"""

from __future__ import annotations

import math

import numba
import numpy as np

PADDING = 16  # numbers: two vectors of float32, or four of float64, of a CPU with AVX2
# fastmath must be set: left out, it would be that of the caller for which Numba happens to compile the function first.
_in_order = numba.njit(cache=True, fastmath=False, error_model="numpy", nogil=True, boundscheck=False)
_compiled = numba.njit(
    cache=True, fastmath={"reassoc", "contract", "arcp", "nsz"}, error_model="numpy", nogil=True, boundscheck=False
)
# Without any reordering, which would undo the two parts of log 2; a product and a sum may become one operation.
_elementwise = numba.njit(inline="always", fastmath={"contract", "nsz"}, error_model="numpy", nogil=True)

EXP = tuple(1 / math.factorial(k) for k in range(14))  # the next term is below 1e-17 for |r| <= log(2) / 2
ARTANH = tuple(1 / (2 * k + 1) for k in range(11))  # and here for |s| <= 0.1716
LN2, SQRT2, LOG2_E = math.log(2), math.sqrt(2), 1 / math.log(2)
LN2_HIGH = float.fromhex("0x1.62e42feep-1")  # its last 20 bits are 0: a multiple by an integer below 2^20 is exact
LN2_LOW = float.fromhex("0x1.a39ef35793c76p-33")  # log 2 - LN2_HIGH
FARTHEST = 800.0  # exp(-746) is 0
TO_INTEGER = 1.5 * 2.0**52  # added, it rounds to an integer, and leaves that in the last bits
TO_INTEGER_BITS = np.float64(TO_INTEGER).view(np.uint64)
ONE, BIAS, MANTISSA = np.uint64(1), np.uint64(1023), np.uint64(52)


def padded(n: int) -> int:
    """n up to the next multiple of PADDING."""
    return -(-n // PADDING) * PADDING


@_compiled
def advance(columns, penalties, scale, n, start, step, t, out):
    """`evaluate` at x + t step, from the blocks of the point x and of its Newton step."""
    d = len(columns)
    for j in range(d):
        out[3 + j] = start[3 + j] + t * step[1 + j]
    old, new, moves = start[3 + 2 * d :], out[3 + 2 * d :], step[1 + 2 * d :]
    for i in range(n):
        new[i] = old[i] + t * moves[i]
    evaluate(columns, penalties, scale, n, out)


@_elementwise
def decay(a):
    """exp(-a) for a >= 0, to 2 ulp; NaN of NaN: 2^-k exp(r), with r = k log 2 - a.

    By log 2 in two parts (Cody & Waite 1980, Software Manual for the Elementary Functions, ch. 6). math.exp is a call
    for each number, which no vector unit takes. 2^-k is a product of two, so that it may underflow gradually.
    """
    a = FARTHEST if a > FARTHEST else a
    shifted = a * LOG2_E + TO_INTEGER
    k = shifted - TO_INTEGER
    r = (k * LN2_HIGH - a) + k * LN2_LOW
    total = EXP[13]
    for j in range(12, -1, -1):
        total = total * r + EXP[j]
    bits = np.float64(shifted).view(np.uint64) - TO_INTEGER_BITS  # k
    half = bits >> ONE
    first = np.uint64((BIAS - half) << MANTISSA).view(np.float64)
    return total * first * np.uint64((BIAS + half - bits) << MANTISSA).view(np.float64)


@_elementwise
def log_one_plus(e):
    """log(1 + e) for 0 <= e <= 1, to 2 ulp: 2 artanh(u / (2 + u)), and log 2 more with u = (e - 1) / 2 for large e."""
    large = e > SQRT2 - 1
    u = 0.5 * (e - 1.0) if large else e
    s = u / (2.0 + u)
    z = s * s
    total = ARTANH[10]
    for j in range(9, 0, -1):
        total = total * z + ARTANH[j]
    return 2.0 * s + (2.0 * s * (z * total) + (LN2 if large else 0.0))


@_in_order
def losses(margins, n, p, c):
    """sum_i log(1 + exp(-m_i)) and the least of the n margins; writes p and c. In float64 for margins of any precision.

    The sum is compensated (Neumaier 1974, Z. Angew. Math. Mech. 54, p. 39): a search that must not let f rise compares
    values that differ by a few roundings, and adding 400 numbers in turn hides that many. PADDING sums are made, for
    vectors of the CPU, and added in the end.
    """
    terms, sums = np.zeros(n + -n % PADDING), np.zeros((2, PADDING))
    for i in range(n):
        margin = np.float64(margins[i])
        e = decay(abs(margin))
        large = 1.0 / (1.0 + e)
        small = e * large
        p[i] = small if margin >= 0 else large
        c[i] = large * small
        terms[i] = log_one_plus(e) - (margin if margin < 0 else 0.0)
    least = np.inf
    for i in range(n):
        least = min(least, np.float64(margins[i]))
    total, lost = sums[0], sums[1]
    for i in range(0, len(terms), PADDING):
        for k in range(PADDING):
            term, before = terms[i + k], total[k]
            longer = before + term
            lost[k] += (before - longer) + term if before >= term else (term - longer) + before
            total[k] = longer
    value, rest = 0.0, 0.0
    for k in range(PADDING):
        longer = value + total[k]
        rest += lost[k] + ((value - longer) + total[k] if value >= total[k] else (total[k] - longer) + value)
        value = longer
    return value + rest if math.isfinite(value) else value, least


@_compiled
def evaluate(columns, penalties, scale, n, out):
    """Logistic regression near x. out: [f, least margin, ||gradient||, x (d), gradient (d), margins (m), p (m), c (m)].

    x and the n margins sign_i z_i are given, the rest is written: p = sigmoid(-margin), c = p (1 - p), and the gradient
    penalties x - scale X^T p, with sign_i X in the columns. The sums of f and of the norm are in float64.
    """
    d, m = columns.shape
    x, gradient = out[3 : 3 + d], out[3 + d : 3 + 2 * d]
    rows = out[3 + 2 * d :]
    margins, p, c = rows[:m], rows[m : 2 * m], rows[2 * m :]
    loss, least = losses(margins, n, p, c)
    for i in range(n, m):
        p[i] = 0
        c[i] = 0
    penalty, squares = 0.0, 0.0
    for j in range(d):
        total = scale - scale  # 0 in the precision of the data
        for i in range(m):
            total += columns[j, i] * p[i]
        gradient[j] = penalties[j] * x[j] - scale * total
        penalty += penalties[j] * x[j] * x[j]
        squares += np.float64(gradient[j]) * gradient[j]
    out[0], out[1], out[2] = scale * loss + 0.5 * penalty, least, math.sqrt(squares)


@_compiled
def gram(columns, weights, penalties, scale, work, out):
    """out = scale X^T diag(weights) X + diag(penalties), (d, d).

    Two rows of the result by four columns at a time: eight sums for six loads. work: (2, m).
    """
    d, m = columns.shape
    zero = scale - scale
    first, second = work[0], work[1]
    for j in range(0, d, 2):
        jj = min(j + 1, d - 1)
        for i in range(m):
            first[i] = columns[j, i] * weights[i]
            second[i] = columns[jj, i] * weights[i]
        for k in range(0, jj + 1, 4):
            k1, k2, k3 = min(k + 1, d - 1), min(k + 2, d - 1), min(k + 3, d - 1)
            x0, x1, x2, x3 = columns[k], columns[k1], columns[k2], columns[k3]
            s0, s1, s2, s3 = zero, zero, zero, zero
            t0, t1, t2, t3 = zero, zero, zero, zero
            for i in range(m):
                u, v = first[i], second[i]
                s0 += u * x0[i]
                s1 += u * x1[i]
                s2 += u * x2[i]
                s3 += u * x3[i]
                t0 += v * x0[i]
                t1 += v * x1[i]
                t2 += v * x2[i]
                t3 += v * x3[i]
            out[j, k], out[j, k1], out[j, k2], out[j, k3] = scale * s0, scale * s1, scale * s2, scale * s3
            out[jj, k], out[jj, k1], out[jj, k2], out[jj, k3] = scale * t0, scale * t1, scale * t2, scale * t3
    for j in range(d):
        out[j, j] += penalties[j]
        for k in range(j):
            out[k, j] = out[j, k]


@_compiled
def newton(columns, penalties, scale, work, point, hessian, lower, out):
    """`gram`, which writes the Hessian (d, d), and `newton_step`, from the block of a point."""
    d, m = columns.shape
    gram(columns, point[3 + 2 * d + 2 * m :], penalties, scale, work, hessian)
    newton_step(hessian, point[3 + d : 3 + 2 * d], columns, lower, out)


@_compiled
def newton_step(hessian, gradient, columns, lower, out):
    """out: [g^T step, step (d), D^-1/2 (d), moves (m)], with step = -H^-1 g and moves = X step.

    The slope g^T step is NaN where H has no Cholesky factor. lower: L, (d, d), of `linalg.cholesky.Factor`.
    """
    d = len(gradient)
    step, root, moves = out[1 : 1 + d], out[1 + d : 1 + 2 * d], out[1 + 2 * d :]
    for j in range(d):
        root[j] = 1 / math.sqrt(hessian[j, j])
    for j in range(d):
        for k in range(j + 1):
            entry = hessian[j, k] * root[j] * root[k]
            for i in range(k):
                entry -= lower[j, i] * lower[k, i]
            if k < j:
                lower[j, k] = entry / lower[k, k]
            elif entry > 0:
                lower[j, j] = math.sqrt(entry)
            else:  # NaN, too
                out[0] = np.nan
                return
        for k in range(j + 1, d):
            lower[j, k] = 0
    solve(lower, root, gradient, step)
    slope = 0.0
    for j in range(d):
        step[j] = -step[j]
        slope += step[j] * gradient[j]
    out[0] = slope
    product(columns, step, moves)


@_compiled
def solve(lower, root, b, out):
    """out = D^-1/2 (L L^T)^-1 D^-1/2 b, (d,)."""
    d = len(b)
    for j in range(d):
        entry = root[j] * b[j]
        for k in range(j):
            entry -= lower[j, k] * out[k]
        out[j] = entry / lower[j, j]
    for j in range(d - 1, -1, -1):
        out[j] /= lower[j, j]
        for k in range(j):
            out[k] -= lower[j, k] * out[j]
    for j in range(d):
        out[j] *= root[j]


@_compiled
def product(columns, v, out):
    """out = X v, (m,)."""
    d, m = columns.shape
    for i in range(m):
        out[i] = 0
    for j in range(d):
        entry = v[j]
        for i in range(m):
            out[i] += entry * columns[j, i]


@_compiled
def third_derivative(columns, moves, p, c, scale, work, out):
    """out = -scale X^T (c (1 - 2 p) u^2), (d,), for moves u (n,); work: (2, m)."""
    bends = work[0]
    for i in range(len(moves)):
        bends[i] = c[i] * (1 - 2 * p[i]) * moves[i] * moves[i]
    for i in range(len(moves), len(p)):
        bends[i] = 0
    for j in range(len(out)):
        total = scale - scale
        for i in range(len(p)):
            total += columns[j, i] * bends[i]
        out[j] = -scale * total


@_compiled
def descend(rows, signs, penalties, scales, unpenalised, rule, floors, x, steps):
    """Newton-Cholesky on B problems, one after the other, until the step's own decrement is within the bound.

    rows: X^T, (B, d, n), or (1, d, n) for all; signs (B, n): what its rows are multiplied by. penalties (B, d), scales
    (B,), floors (B,), of the bound. x (B, d): the start, and the end. steps (B,): accepted so far, and in the end.
    rule: [of |f| in the bound, iterations, shrink, sufficient, eps times what counts as rounding, 1 to end at a
    separating x where unpenalised (B,), steps after which margins are computed from X]. A problem whose search comes
    to rounding level ends there, too.
    """
    B, d = x.shape
    n = rows.shape[2]
    columns, work = np.zeros((d, n), x.dtype), np.zeros((2, n), x.dtype)
    hessian, lower = np.zeros((d, d), x.dtype), np.zeros((d, d), x.dtype)
    point, trial = np.zeros(3 + 2 * d + 3 * n, x.dtype), np.zeros(3 + 2 * d + 3 * n, x.dtype)
    step = np.zeros(1 + 2 * d + n, x.dtype)
    for b in range(B):
        for j in range(d):
            for i in range(n):
                columns[j, i] = rows[b if len(rows) > 1 else 0, j, i] * signs[b, i]
        fixed, scale = penalties[b], scales[b]
        refresh(columns, fixed, scale, x[b], point)
        while steps[b] < rule[1] and math.isfinite(point[0]):
            if rule[5] > 0 and unpenalised[b] and point[1] > 0:
                break
            newton(columns, fixed, scale, work, point, hessian, lower, step)
            slope, value = np.float64(step[0]), np.float64(point[0])
            if not slope < 0 or -0.5 * slope <= rule[0] * abs(value) + floors[b]:
                break
            t, taken = 1.0, False
            while not taken and -t * slope > rule[4] * abs(value):
                advance(columns, fixed, scale, n, point, step, t, trial)
                taken = math.isfinite(trial[0]) and trial[0] <= value + rule[3] * t * slope
                t *= rule[2]
            if not taken:
                break
            point, trial = trial, point
            steps[b] += 1
            if steps[b] % rule[6] == 0:
                refresh(columns, fixed, scale, point[3 : 3 + d].copy(), point)
        if math.isfinite(point[0]):
            x[b] = point[3 : 3 + d]


@_compiled
def refresh(columns, penalties, scale, x, out):
    """`evaluate` at x, with margins computed from X."""
    d, n = columns.shape
    out[3 : 3 + d] = x
    product(columns, x, out[3 + 2 * d : 3 + 2 * d + n])
    evaluate(columns, penalties, scale, n, out)
