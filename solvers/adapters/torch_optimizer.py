"""Optimisers of torch.optim, and others with their protocol, as solvers: the loop of `minimize` steps them."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from inspect import Parameter, isclass, signature
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ..common.names import lookup
from ..objectives.base import Point

TRIES = 2  # steps of an optimiser at one x: SOAP's first only prepares its matrices
EXTRA = "python -m pip install -c constraints.txt -e '.[optimizers]'"  # which brings pytorch_optimizer


@dataclass(frozen=True, init=False)
class TorchOptimizer:
    """x+ = the parameters after one `step()` of an optimiser of torch, whose gradients are those of the objective.

    TorchOptimizer("Adam", lr=1e-3): a class of torch.optim by its name; of another package as
    "pytorch_optimizer.SOAP"; or the class itself. All other arguments are the optimiser's own.

    The parameters are one vector (d,), or, where the objective has `shapes` (a dict or a list of the shapes that follow
    each other in x), a tensor for each. An optimiser whose step needs a closure evaluates f and its gradient at its
    trial points through the objective: they are counted. One step is one iteration, with as many trials as the
    optimiser makes in it: torch.optim.LBFGS has max_iter=20. create_graph: whether the step differentiates the gradient
    once more, as AdaHessian does; products with the Hessian of the objective answer that, and are counted. Those of
    `pytorch_optimizer` are known; of another class say so.
    Random numbers of a step are drawn from `seed`, and the generators are put back.

    Raises ValueError for a class that is not there, for a setting that it does not have or refuses, and at the start of
    a run where it refuses the shapes: torch.optim.Muon takes matrices alone.
    """

    optimizer: str | type
    settings: tuple[tuple[str, Any], ...]
    create_graph: bool = False
    seed: int = 0

    def __init__(
        self,
        optimizer: str | type,
        settings: Any = (),
        create_graph: bool = False,
        seed: int = 0,
        **more: Any,
    ) -> None:
        if isclass(optimizer) and getattr(torch.optim, optimizer.__name__, None) is optimizer:
            optimizer = optimizer.__name__
        chosen = {name: _hashable(value) for name, value in (dict(settings) | more).items()}
        object.__setattr__(self, "optimizer", optimizer)
        object.__setattr__(self, "settings", tuple(sorted(chosen.items())))
        kind = self.kind
        known = _settings_of(kind)
        for name in chosen:
            if name not in known:
                raise ValueError(f"{self.name} has no setting {name!r}: it has {', '.join(known) or 'none'}")
        object.__setattr__(self, "create_graph", create_graph or "hessian" in signature(kind.step).parameters)
        object.__setattr__(self, "seed", seed)
        self.made([torch.zeros(1, 1, requires_grad=True)], "these settings")

    @property
    def kind(self) -> type:
        """The class of the optimiser."""
        return self.optimizer if isclass(self.optimizer) else optimizer_class(self.optimizer)

    @property
    def name(self) -> str:
        """The class with its module."""
        if isclass(self.optimizer):
            return f"{self.optimizer.__module__}.{self.optimizer.__qualname__}"
        return self.optimizer if "." in self.optimizer else f"torch.optim.{self.optimizer}"

    @property
    def needs(self) -> str:
        """The most expensive derivative it reads: as DirectionalSolver.needs."""
        return "hvp" if self.create_graph else "gradient"

    @property
    def package(self) -> str:
        """The package of a class that is not torch's, with its version; empty for torch.optim."""
        top = self.kind.__module__.partition(".")[0]
        with suppress(PackageNotFoundError):
            return "" if top == "torch" else f"{top} {version(top)}"
        return ""

    def made(self, parameters: list[Tensor], given: str) -> Any:
        """The optimiser of these parameters; ValueError where it refuses what it is given."""
        try:
            return self.kind(parameters, **dict(self.settings))
        except Exception as error:  # each class has errors of its own
            words = (str(error).splitlines() or [type(error).__name__])[0]
            raise ValueError(f"{self.name} refuses {given}: {words}") from None

    def init(self, point: Point) -> Running:
        """Its own copies of the parameters, so that every run has an optimiser of its own."""
        shapes = shapes_of(point.objective, point.x)
        parts = [part.clone().requires_grad_() for part in _parts(point.x, shapes)]
        given = "parameters of shape " + ", ".join(map(str, dict.fromkeys(shapes)))
        return Running(self, self.made(parts, given), parts)

    def step(self, point: Point, state: Running) -> tuple[Point, Running]:
        for _ in range(TRIES):
            try:
                arrived = state.advance(point)
            except (RuntimeError, ValueError):  # torch.linalg's, of a matrix that is not finite, are the first
                if bool(point.gradient.isfinite().all()):
                    raise
                arrived = point + torch.full_like(point.x, math.nan)  # ends as with every other solver
            if arrived is not point:
                break
        return arrived, state


class Running:
    """The optimiser of one run: what `init` returns, and each step passes on."""

    def __init__(self, solver: TorchOptimizer, optimizer: Any, parameters: list[Tensor]) -> None:
        self.optimizer, self.parameters = optimizer, parameters
        self.create_graph = solver.create_graph
        step = signature(optimizer.step).parameters.get("closure")
        own = type(optimizer).__module__.startswith("torch.optim")
        # torch's own need none but where they say so; those of others may raise without one.
        self.takes_closure = step is not None and (step.default is Parameter.empty or not own)
        # torch's own draw no random numbers.
        self.generators = None if own else _Generators(solver.seed, parameters[0].device)

    def advance(self, point: Point) -> Point:
        """The point after one step of the optimiser; the same point where x has not changed."""
        evaluated = point

        def closure() -> Tensor:
            nonlocal evaluated
            with torch.no_grad():
                x = self.x()
                if not torch.equal(x, evaluated.x):
                    evaluated = point.objective.at(x)
                value = evaluated.value
            self.set_gradient(evaluated)
            return value

        self.set_gradient(point)
        with torch.no_grad(), _drawing_from(self.generators):
            self.optimizer.step(closure) if self.takes_closure else self.optimizer.step()
            x = self.x()
        return evaluated if torch.equal(x, evaluated.x) else point.objective.at(x)

    def x(self) -> Tensor:
        """The parameters as one new vector, (d,)."""
        return torch.cat([parameter.detach().reshape(-1) for parameter in self.parameters])

    def set_gradient(self, point: Point) -> None:
        """Give the optimiser copies, for it may write to them; with create_graph, as functions of the parameters."""
        if self.create_graph:
            with torch.enable_grad():
                parts = _Gradient.apply(point, *self.parameters)
        else:
            parts = [part.clone() for part in _parts(point.gradient, [p.shape for p in self.parameters])]
        for parameter, part in zip(self.parameters, parts, strict=True):
            parameter.grad = part


class _Gradient(torch.autograd.Function):
    """The gradient at a point, whose derivative is a product with the Hessian there."""

    @staticmethod
    def forward(ctx: Any, point: Point, *parameters: Tensor) -> tuple[Tensor, ...]:
        ctx.point, ctx.shapes = point, [parameter.shape for parameter in parameters]
        return tuple(part.clone() for part in _parts(point.gradient, ctx.shapes))

    @staticmethod
    def backward(ctx: Any, *vectors: Tensor) -> tuple[Tensor | None, ...]:
        v = torch.cat([vector.reshape(-1) for vector in vectors])
        return None, *(part.clone() for part in _parts(ctx.point.hvp(v), ctx.shapes))


class _Generators:
    """The global generators of torch, NumPy and Python, as a run of its own would have them."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self.device = device
        before = self.swap(None)
        torch.random.default_generator.manual_seed(seed)
        if device.type == "cuda":
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        np.random.seed(seed)
        random.seed(seed)
        self.state = self.swap(before)

    def swap(self, state: Any) -> Any:
        """Put a state in the place of the present one, which is returned."""
        there = self.device.type == "cuda"
        found = (
            torch.get_rng_state(),
            torch.cuda.get_rng_state(self.device) if there else None,
            np.random.get_state(),
            random.getstate(),
        )
        if state is not None:
            torch.set_rng_state(state[0])
            if there:
                torch.cuda.set_rng_state(state[1], self.device)
            np.random.set_state(state[2])
            random.setstate(state[3])
        return found


@contextmanager
def _swapped(generators: _Generators) -> Iterator[None]:
    before = generators.swap(generators.state)
    try:
        yield
    finally:
        generators.state = generators.swap(before)


def _drawing_from(generators: _Generators | None) -> Any:
    """A context in which random numbers come from these generators, if there are any."""
    return nullcontext() if generators is None else _swapped(generators)


def optimizer_class(name: str) -> type:
    """The class of a name of torch.optim, or of package.Class; ValueError where there is none."""
    module, _, attribute = name.rpartition(".")
    try:
        home = import_module(module) if module else torch.optim
    except ImportError as error:
        remedy = EXTRA if module.startswith("pytorch_optimizer") else "install its package"
        raise ValueError(f"optimiser {name!r} needs the module {module!r} ({error}): {remedy}") from None
    known = {
        each: found
        for each, found in vars(home).items()
        if isclass(found) and callable(getattr(found, "step", None)) and callable(getattr(found, "zero_grad", None))
    }
    known.pop("Optimizer", None)
    return lookup(known, attribute, f"optimiser of {home.__name__}")


def shapes_of(objective: Any, x: Tensor) -> list[tuple[int, ...]]:
    """The shapes of the tensors that x is made of; one vector, where the objective does not tell."""
    shapes = getattr(objective, "shapes", None)
    if not shapes:
        return [tuple(x.shape)]
    return [tuple(shape) for shape in (shapes.values() if isinstance(shapes, Mapping) else shapes)]


def _parts(x: Tensor, shapes: list[tuple[int, ...]]) -> list[Tensor]:
    """Views of a vector in those shapes, one behind the other."""
    sizes = [math.prod(shape) for shape in shapes]
    if sum(sizes) != x.numel():
        raise ValueError(f"the objective's shapes hold {sum(sizes)} numbers and x has {x.numel()}: make them equal")
    return [part.reshape(shape) for part, shape in zip(x.detach().split(sizes), shapes, strict=True)]


def _settings_of(kind: type) -> list[str]:
    """The names of what an optimiser's constructor takes behind its parameters."""
    _, _, *settings = signature(kind.__init__).parameters.values()
    return [each.name for each in settings if each.kind not in (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)]


def _hashable(value: Any) -> Any:
    """Lists, which JSON makes of tuples, as tuples again."""
    return tuple(map(_hashable, value)) if isinstance(value, list | tuple) else value
