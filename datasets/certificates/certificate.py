"""Certified facts about a problem: whether a minimiser exists, and an interval that contains f*."""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from inspect import signature
from pathlib import Path
from typing import Any

import torch

from solvers.common.files import written_whole
from solvers.common.sources import code_hash
from solvers.objectives import LogisticRegression, ResidualMLP, SoftmaxRegression

from ..loaders.storage import DataError, cache_folder
from ..plugins import origin
from ..problem import Problem, Published
from ..registry import build
from .eigenvalues import DENSE, diagonal_rate, least_eigenvalue, row_space
from .optimum import Linear, condition, design, in_blocks, interval, solve
from .separation import OVERLAPPING, SEPARABLE, UNDECIDED, Separation, separation

# The code that a certificate depends on; the solver only proposes a point, which this code then checks.
CODE = ("datasets/certificates", "solvers/objectives", "solvers/linalg", "solvers/common")
WIDEST = 1e-8  # relative width of the interval up to which gaps are computed


@dataclass(frozen=True)
class Certificate:
    """Facts about a problem, computed in float64 on the CPU. NaN or None: not known.

    n, d: rows, and coefficients in all. family: logistic, softmax, residual MLP, or the objective's class.
    classes: with r_i the rows signed by their labels: separable (some w has r_i w > 0 for all rows), quasi-separable
        (some w has r_i w >= 0 for all rows, and > 0 for one), overlapping, not overlapping (one of the first two),
        undecided; "" where the question does not apply. margin: the largest min_i (2 y_i - 1) z_i with |w|_inf <= 1.
        classes_by: how it was decided.
    minimiser: whether f attains its infimum. An unpenalised linear model does exactly for overlapping classes (Albert
        & Anderson 1984, Biometrika 71, p. 1).
    low, high: the infimum f* lies between them; bound: the reason.
    rank: of the rows, intercept included. condition: of the Hessian at the minimiser (at the start if none), on the
        directions along which f is not constant. diagonal_rate: lambda_max(D^-1 H) at the start, D = diag H:
        unit-step diagonal Newton is unstable above 2. least_eigenvalue: of the Hessian at the start.
    """

    problem: str
    n: int
    d: int
    family: str
    minimiser: bool | None
    low: float
    high: float
    bound: str
    classes: str = ""
    classes_by: str = ""
    margin: float = math.nan
    rank: int | None = None
    condition: float = math.nan
    diagonal_rate: float = math.nan
    least_eigenvalue: float = math.nan
    others: tuple[float, ...] = ()

    @property
    def optimum(self) -> float:
        """The middle of the interval; NaN where it is not known whether f has a minimiser."""
        return math.nan if self.minimiser is None else (self.low + self.high) / 2

    @property
    def no_gap(self) -> str:
        """Why there is no gap to measure; empty where there is one."""
        if self.minimiser is False:
            return "no minimiser"
        known = self.minimiser and self.high - self.low <= WIDEST * abs(self.high)
        return "" if known else "f* is not known"

    def local_minimum(self, value: float) -> float:
        """The known local minimum, not the lowest, that has this value to six digits; NaN for none."""
        return next((other for other in self.others if math.isclose(value, other, rel_tol=1e-6)), math.nan)


FAMILIES = {LogisticRegression: "logistic", SoftmaxRegression: "softmax", ResidualMLP: "residual MLP"}


def certify(problem: Problem) -> Certificate:
    """Compute the certificate of a float64 problem on the CPU."""
    objective = problem.objective
    n, d = problem.shape
    family = FAMILIES.get(type(objective), type(objective).__name__)
    if problem.published is not None:
        facts = _published(problem, problem.published)
    elif isinstance(objective, (LogisticRegression, SoftmaxRegression)):
        facts = _linear(objective, problem)
    else:
        facts = _other(objective, problem)
    return Certificate(problem=problem.name, n=n, d=d, family=family, **facts)


def _linear(objective: Linear, problem: Problem) -> dict[str, Any]:
    """Facts about a convex model of margins."""
    if isinstance(objective, LogisticRegression) and not objective.binary:
        raise ValueError(f"{problem.name} has labels between 0 and 1: certificates are for labels 0 and 1 only")
    start = objective.at(problem.x0)
    end = objective.at(solve(objective).x)
    near = interval(objective, end)
    if objective.l2 == 0 and near.proves_a_minimiser:
        classes = Separation(OVERLAPPING, 0.0, "a minimiser was found (self-concordance)")
    else:
        classes = separation(objective)
        if objective.l2 == 0 and classes.classes == OVERLAPPING:  # to the tolerance of the program: no proof
            classes = Separation(UNDECIDED, math.nan, "the linear program finds overlap, and no minimiser was found")
    if objective.fit_intercept and _lacks_a_class(objective):
        minimiser: bool | None = False
    else:
        minimiser = True if objective.l2 > 0 else {OVERLAPPING: True, UNDECIDED: None}.get(classes.classes, False)
    low, high, bound = near.low, near.high, near.bound
    if not minimiser:
        low, bound = 0.0, "a loss is not negative; a point with the upper value is known"
        if classes.classes == SEPARABLE and (objective.l2 == 0 or isinstance(objective, LogisticRegression)):
            high, bound = 0.0, "the loss tends to 0 along a separating direction"
    return {
        "minimiser": minimiser,
        "low": low,
        "high": high,
        "bound": bound,
        "classes": classes.classes,
        "classes_by": classes.how,
        "margin": classes.margin,
        "rank": _rank(objective),
        "condition": condition(end if minimiser else start),
        "diagonal_rate": diagonal_rate(start),
        "least_eigenvalue": least_eigenvalue(start) if objective.size <= DENSE else math.nan,
    }


def _rank(objective: Linear) -> int | None:
    """Of the rows, intercept included; None where that is not known."""
    if in_blocks(objective):
        columns = objective.X.shape[1] + objective.fit_intercept
        return None if objective.nullity is None else columns - objective.nullity
    return row_space(design(objective)).rank if min(objective.X.shape) <= DENSE else None


def _lacks_a_class(objective: Linear) -> bool:
    """Whether no row has one of the labels."""
    if isinstance(objective, LogisticRegression):
        return objective.one_class
    return objective.absent_class is not None


def _published(problem: Problem, known: Published) -> dict[str, Any]:
    """Facts about a test function: its minimum is the lowest known one, which is proved only for a sum of squares."""
    start = problem.objective.at(problem.x0)
    least, ratio = least_eigenvalue(start), math.nan
    if known.minimiser:
        curvatures = torch.linalg.eigvalsh(problem.objective.at(problem.x0.new_tensor(known.minimiser)).hessian)
        ratio = float(curvatures[-1] / curvatures[0]) if float(curvatures[0]) > 0 else math.inf
    rounding = known.error * abs(known.value)
    return {
        "minimiser": True,
        "low": known.value - rounding,
        "high": known.value + rounding,
        "bound": f"published, and {known.how} ({known.source})",
        "condition": ratio,
        "diagonal_rate": diagonal_rate(start) if least >= 0 else math.nan,
        "least_eigenvalue": least,
        "others": known.others,
    }


def _other(objective: Any, problem: Problem) -> dict[str, Any]:
    """Facts about an objective that need not be convex."""
    start = objective.at(problem.x0)
    squares = isinstance(objective, ResidualMLP)
    return {
        "minimiser": None,
        "low": 0.0 if squares else -math.inf,
        "high": float(start.value),
        "bound": "not convex: between 0 (a sum of squares) and f(x0)" if squares else "at most f(x0)",
        "least_eigenvalue": least_eigenvalue(start),
    }


@lru_cache(maxsize=256)
def certificate(name: str) -> Certificate:
    """The certificate of a problem of PROBLEMS, computed once and cached in the user's cache folder.

    Its file is named by the checksum of the data, the settings of the objective, the start, and the code that computes
    certificates: if any of them changes, it is computed again.
    """
    return replace(certificate_of(build(name)), problem=name)


def certificate_of(problem: Problem) -> Certificate:
    """The certificate of any float64 problem on the CPU, cached likewise where its objective has settings and data."""
    if type(problem.objective) not in FAMILIES:  # a user's own function has no settings to identify it by
        return certify(problem)
    path = _path(problem)
    known = _read(path) if path else None
    if known is None:
        known = certify(problem)
        if path:
            _write(path, known)
    return replace(known, problem=problem.name)


def uncertified(problem: Problem, reason: str) -> Certificate:
    """What is known of a problem without computing anything: neither whether a minimiser exists nor f*."""
    n, d = problem.shape
    return Certificate(problem.name, n, d, type(problem.objective).__name__, None, math.nan, math.nan, reason)


def _path(problem: Problem) -> Path | None:
    """The file of a certificate; None without a cache folder."""
    try:
        return cache_folder() / "certificates" / f"{_key(problem)}.json"
    except DataError:
        return None


def _key(problem: Problem) -> str:
    arguments = signature(type(problem.objective)).parameters
    plain = (int, float, str, bool, type(None))
    settings = {k: v for k, v in vars(problem.objective).items() if k in arguments and isinstance(v, plain)}
    identity = {
        "data": problem.checksum,
        "objective": [type(problem.objective).__name__, settings],
        "start": hashlib.sha256(problem.x0.numpy().tobytes()).hexdigest(),
        "code": code_hash(CODE),
    }
    if own := origin("problem", problem.name):  # whose checksum need not tell what the file changes
        identity["plugin"] = own
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:32]


def _read(path: Path) -> Certificate | None:
    """The certificate in a file; None if it does not exist, or, with a warning, if it is damaged."""
    try:
        stored = json.loads(path.read_text())
        if stored["sha256"] != _digest(stored["certificate"]):
            raise ValueError
        facts = stored["certificate"]
        return Certificate(**facts | {"others": tuple(facts["others"])})  # JSON knows no tuples
    except FileNotFoundError:
        return None
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        warnings.warn(f"the certificate {path.name} in the cache is damaged: it is computed again", stacklevel=2)
        return None


def _digest(facts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def _write(path: Path, known: Certificate) -> None:
    """Store a certificate; where the cache cannot be written to, it is computed again next time."""
    facts = asdict(known)
    with suppress(OSError), written_whole(path) as file:
        file.write(json.dumps({"certificate": facts, "sha256": _digest(facts)}).encode())
