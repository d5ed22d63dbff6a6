"""An attack on claims: made-up regressions of every awkward kind, and what solvers say of them against 80 digits.

A few in each run of the tests; `make soak` tries thousands (HESSBENCH_ATTACK says how many).
"""

from __future__ import annotations

import os

import torch
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st

from benchmarks.audit.reference import exact_model
from datasets.certificates.separation import OVERLAPPING, QUASI, SEPARABLE, separation
from solvers import SOLVERS, Status, Stop, minimize
from solvers.objectives import LogisticRegression, SoftmaxRegression

EXAMPLES = int(os.environ.get("HESSBENCH_ATTACK", "12"))
ATTACKED = ("newton-cholesky", "newton-cg", "newton-damped", "trust-region-exact", "lbfgs", "auto")
REFERENCE = ("newton-cholesky", "trust-region-exact", "lbfgs")
KINDS = ("plain", "units", "far", "twins", "lengths", "far units", "integers")


@st.composite
def problems(draw: st.DrawFn) -> LogisticRegression | SoftmaxRegression:
    """Rows and labels by a seed; what is awkward about them by choice."""
    seed, kind = draw(st.integers(0, 2**31)), draw(st.sampled_from(KINDS))
    dtype = draw(st.sampled_from([torch.float64, torch.float32]))
    n, d, classes = draw(st.integers(6, 40)), draw(st.integers(1, 4)), draw(st.integers(1, 4))
    decades = draw(st.floats(0, 8 if dtype == torch.float32 else 14))
    note(f"seed {seed}, {kind}, {dtype}, {n} x {d}, {classes} classes, {decades:.3g} decades")
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int) -> torch.Tensor:
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    Z = torch.randn(n, d, generator=generator, dtype=torch.float64)
    gumbel = -(-uniform(n, max(classes, 2)).log()).log()
    y = (draw(st.sampled_from([0.0, 1.0, 5.0])) * Z @ uniform(d, max(classes, 2)).sub(0.5) + gumbel).argmax(1)
    X = Z + 10 ** (decades / 2 * uniform(d)) * (uniform(d) < 0.5) if "far" in kind else Z
    X = X * 10 ** (decades * (uniform(d) - 0.5)) if "units" in kind else X
    X = X * 10 ** (decades * (uniform(n, 1) - 0.5)) if kind == "lengths" else X
    X = torch.cat([X, X[:, :1] + 10**-decades * uniform(n, 1)], dim=1) if kind == "twins" else X
    X = X.mul(2).round() if kind == "integers" else X
    options = dict(fit_intercept=draw(st.booleans()), reduction=draw(st.sampled_from(["mean", "sum"])))
    options["l2"] = draw(st.sampled_from([0.0, 0.0, 1e-8, 1e-3, 1.0]))
    if classes == 1:
        return LogisticRegression(X.to(dtype), y, **options)
    return SoftmaxRegression(X.to(dtype), y, classes=classes, **options)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES < 100,
    database=None,
    suppress_health_check=list(HealthCheck),
)
@given(problems())
def test_no_claim_is_false(problem):
    """`converged` only within three times what was promised, and `separable` only where no minimiser exists."""
    ends = {name: minimize(SOLVERS[name], problem, stop=Stop(iterations=200)) for name in ATTACKED}
    said = {name: end for name, end in ends.items() if end.status in (Status.CONVERGED, Status.SEPARABLE)}
    double = problem.over(problem.X.double())
    classes = separation(double).classes if problem.l2 == 0 else OVERLAPPING
    eps, first = torch.finfo(problem.X.dtype).eps, float(problem.at(problem.zeros()).value)
    best = min(minimize(SOLVERS[name], double, stop=Stop(1e-15, iterations=300)).value for name in REFERENCE)
    doubtful = {}
    for name, end in said.items():
        allowed = 3 * (max(1e-10, 4 * eps) * abs(end.value) + eps**2 * first)
        if end.status is Status.SEPARABLE:
            if classes == OVERLAPPING and not one_class(problem):
                doubtful[name] = f"{end.message}, and the classes overlap", None
        elif classes in (SEPARABLE, QUASI) or float(double.at(end.x.double()).value) - best > allowed / 3:
            doubtful[name] = f"at {end.value:.9g}, by {end.bound}", allowed
    if not doubtful:
        return
    exact = exact_model(double)
    minimiser = exact.minimise() is not None
    wrong = {}
    for name, (words, allowed) in doubtful.items():
        if minimiser and (allowed is None or exact.gap(ends[name].x) > allowed):
            wrong[name] = words
        elif not minimiser and allowed is not None and classes in (SEPARABLE, QUASI):
            wrong[name] = f"{words}, without a minimiser"
    assert not wrong


def one_class(problem: LogisticRegression | SoftmaxRegression) -> bool:
    """Whether some class has no row, beside intercepts that are free."""
    if not problem.fit_intercept:
        return False
    return problem.one_class if isinstance(problem, LogisticRegression) else problem.absent_class is not None
