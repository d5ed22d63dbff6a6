"""Solvers by name: a registered one, or an optimiser of torch with its settings, `torch:Adam:lr=1e-3`."""

from __future__ import annotations

import ast
from functools import lru_cache
from typing import Any

from . import SOLVERS
from .adapters.torch_optimizer import TorchOptimizer
from .common.names import STEPPED, lookup
from .core.solver import Solver

WORDS = {"true": True, "false": False, "none": None}


def solver_named(name: str) -> Solver:
    """A solver of SOLVERS, or the TorchOptimizer of a name torch:CLASS or torch:CLASS:setting=value,...

    CLASS is a class of torch.optim, or package.Class. Values are numbers, tuples, true, false, none or words. Raises
    ValueError, with the nearest names.
    """
    return _optimizer(name) if name.startswith(STEPPED) else lookup(SOLVERS, name, "solver")


def canonical(name: str) -> str:
    """The one name under which a solver is stored, whatever the order and the spelling of its settings."""
    solver = solver_named(name)
    if not name.startswith(STEPPED):
        return name
    settings = ",".join(f"{setting}={_word(value)}" for setting, value in solver.settings)
    return STEPPED + ":".join(filter(None, [solver.optimizer, settings]))


def label(name: str) -> str:
    """A solver as tables and legends show it: `Adam lr=0.001`."""
    return name.removeprefix(STEPPED).replace(":", " ", 1) if name.startswith(STEPPED) else name


@lru_cache(maxsize=64)
def _optimizer(name: str) -> TorchOptimizer:
    kind, _, settings = name.removeprefix(STEPPED).partition(":")
    return TorchOptimizer(kind, **_parsed(settings, name))


def _parsed(settings: str, name: str) -> dict[str, Any]:
    """The settings of `a=1,b=(2,3)`, which is how Python writes the arguments of a call."""
    try:
        call = ast.parse(f"f({settings})", mode="eval").body
        if not isinstance(call, ast.Call) or call.args or any(each.arg is None for each in call.keywords):
            raise ValueError(settings)
        return {each.arg: _value(each.value) for each in call.keywords}
    except (SyntaxError, ValueError):
        raise ValueError(
            f"the settings of {name!r} cannot be read: write them as {STEPPED}SGD:lr=0.1,nesterov=true,momentum=0.9"
        ) from None


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Name):
        return WORDS.get(node.id.lower(), node.id)
    return ast.literal_eval(node)


def _word(value: Any) -> str:
    return value if isinstance(value, str) else repr(value).replace(" ", "")
