"""Unconstrained problems of CUTEst with at most 50 variables, by name: an optional package holds their functions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import torch

from ..problem import Problem, Published
from .cutest_table import ATTAINED, BOUNDS, CERTIFIED, LOCAL, SIZES, STATED
from .s2mpj import S2MPJ, GroupSum, load


@dataclass(frozen=True)
class CutestProblem:
    """Called with a dtype and a device, it makes the problem, as a Recipe does, from S2MPJ's source of it.

    name: cutest-rosenbr for S2MPJ's ROSENBR. n: variables. Raises DataError where the package is absent, and ValueError
    for another dtype than float64 or another device than the CPU, which NumPy functions do not know.
    """

    name: str
    source: str
    n: int

    small = True
    needs = ""

    @property
    def summary(self) -> str:
        return f"CUTEst's {self.source}, n = {self.n}, in S2MPJ's Python"

    @staticmethod
    def refusal(dtype: str, device: str) -> str:
        """Why the problem does not exist in a dtype or on a device; empty where it does."""
        for wanted, only, option in ((dtype, "float64", "dtype"), (torch.device(device).type, "cpu", "device")):
            if wanted != only:
                return f"a NumPy function, available in {only} only, not in {wanted}: leave --{option} out"
        return ""

    def __call__(self, dtype: torch.dtype, device: torch.device) -> Problem:
        if reason := self.refusal(str(dtype).removeprefix("torch."), str(device)):
            raise ValueError(f"{self.name}: {reason}")
        objective, x0, checksum = _loaded(self.source)
        start = torch.tensor(x0, dtype=torch.float64)
        return Problem(self.name, self.summary, objective, None, start, checksum, published=known_minimum(self.source))


@lru_cache(maxsize=8)  # the slowest take a second to load
def _loaded(source: str) -> tuple[S2MPJ, tuple[float, ...], str]:
    problem, checksum = load(source)
    return S2MPJ(GroupSum(problem)), tuple(map(float, problem.x0.ravel())), checksum


def known_minimum(source: str) -> Published | None:
    """The lowest known minimum with its source; None where no reliable one is known."""
    others = LOCAL.get(source, ())
    if source in ATTAINED:
        return Published(0.0, (), "S2MPJ", others, how="a lower bound that is attained")
    if source in BOUNDS:
        return Published(BOUNDS[source], (), "S2MPJ", others, REFINED, how="a lower bound that is attained")
    if source in STATED:
        value, digits = STATED[source]
        return Published(value, (), f"S2MPJ: {digits}", others, REFINED, how="refined in float64")
    if source in CERTIFIED:
        return Published(CERTIFIED[source], (), "NIST StRD", others, ELEVEN, how="certified to 11 digits")
    return None


REFINED = 1e-12  # relative rounding error of a minimum found in float64, of sums of up to a thousand terms
ELEVEN = 1e-10  # likewise, of eleven digits

CUTEST = tuple(CutestProblem(f"cutest-{source.lower()}", source, n) for source, n in SIZES.items())
