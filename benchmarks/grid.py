"""The parameters of the asv modules, and what these modules share.

asv runs these modules against the `solvers` and `datasets` of every commit: whatever an old commit may lack is imported
in `setup`, and a cell without it is n/a. Nothing is computed at import, because asv forks its processes afterwards.
"""

from __future__ import annotations

import os
from contextlib import suppress
from importlib import import_module
from time import perf_counter

import sklearn.datasets
import sklearn.model_selection  # noqa: F401, loaded once, before asv forks a process for every cell
import torch

FULL = os.environ.get("HESSBENCH_ASV", "quick") == "full"  # quick (2 minutes) or full

# Names, not the registry: a commit that lacks one shows n/a, and the cells are the same for all commits.
CORE = (
    "auto",
    "gradient-descent",
    "newton",
    "newton-cholesky",
    "newton-chebyshev",
    "newton-damped",
    "newton-levenberg",
    "newton-cg",
    "newton-sampled",
    "newton-diagonal",
    "newton-diagonal-damped",
    "trust-region-exact",
    "lbfgs",
)
MORE = (
    "newton-modified-cholesky",
    "newton-self-concordant",
    "newton-gradient-regularised",
    "newton-fixed-hessian",
    "newton-shamanskii",
    "newton-sketched",
    "newton-diagonal-hutchinson",
    "trust-region-steihaug",
    "trust-region-dogleg",
    "cubic",
    "gauss-newton",
    "levenberg-marquardt",
    "kfac",
    "bfgs",
    "gradient-descent-armijo",
    "barzilai-borwein",
    "nesterov",
    "diagonal-majoriser",
)
SOLVER_NAMES = CORE + MORE if FULL else CORE
DTYPES = ("float64", "float32") if FULL else ("float64",)
DEVICES = ("cpu", "cuda")


def available(device: str) -> torch.device:
    """The device; NotImplementedError, which asv shows as n/a, where it is absent.

    Called in `setup` and never at import: the process that asv forks must not open a device.
    """
    torch.set_num_threads(1)
    if device == "cuda" and not torch.cuda.is_available():
        raise NotImplementedError(f"no device {device}")
    return torch.device(device)


def prepare(solver: str, problem: str, dtype: str, device: str):
    """The solver and the problem on one thread; n/a where this commit or this machine lacks one of them."""
    available(device)
    from datasets import PROBLEMS, build
    from solvers import SOLVERS

    if solver not in SOLVERS or problem not in PROBLEMS:
        raise NotImplementedError(f"this commit has no {solver} or no {problem}")
    return SOLVERS[solver], build(problem, getattr(torch, dtype), device)


def first_of(*modules: str):
    """The first of these modules that a commit has: older commits have moved modules under other names."""
    for name in modules:
        with suppress(ModuleNotFoundError):
            return import_module(name)
    raise NotImplementedError(f"this commit has no {modules[0]}")


def fixed(iterations: int):
    """A fixed number of iterations, unless the values cease to be finite."""
    from solvers import Stop

    return Stop(gap_tolerance=None, iterations=iterations, stop_when_separable=False)


def synchronised() -> float:
    """A clock for asv that waits for the GPU if one is in use."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()
    return perf_counter()
