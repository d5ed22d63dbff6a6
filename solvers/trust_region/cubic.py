"""Adaptive cubic regularisation: Newton with a model that rises with the cube of the step."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from ..common.instrumentation import count, phase
from ..common.scalars import squared
from ..common.validation import above_one, ascending, positive
from ..core.eigensystem import spectrum, units
from ..core.solver import DirectionalSolver, Proposal, setting
from ..line_search.backtracking import approximate_wolfe, trial_step
from ..objectives.base import Point
from .driver import length, still_falling

RANGE = 1e-280, 1e280  # of sigma


class Weight(NamedTuple):
    """The state: sigma is `sigma_cube` / ||D^1/2 step||^3, so that it follows D as the radius of a trust region does.

    step: (d,), the last one, or at the start that of diagonal Newton. known: of the units, (d,).
    """

    sigma_cube: float  # sigma times the cube of the length of `step`
    step: Tensor
    known: Tensor
    rejections: int = 0  # in a row


@dataclass(frozen=True)
class Cubic(DirectionalSolver):
    """x+ = x + s if f(x) - f(x + s) > eta0 * gain,  s: minimise g^T s + s^T H s / 2 + sigma/3 ||D^1/2 s||^3.

    s = -(H + lambda D)^-1 g with lambda = sigma ||D^1/2 s||, the global minimiser also in the hard case, from the
    eigenvectors of D^-1/2 H D^-1/2. D is that of TrustRegion: the units of the variables do not matter. gain is the
    decrease that the model predicts, its cubic term included. After k rejections in a row sigma is multiplied by
    gamma_inc^k; if f falls by more than eta2 * gain it is divided by gamma_dec. It starts at
    initial_sigma / sqrt(g^T D^-1 g), and at initial_sigma where the gradient is 0. Where the gain is below
    rounding level the slope at x + s decides. (Cartis, Gould & Toint 2011, Math. Program. 127, Alg. 2.1.)
    """

    # Iterations on breast-cancer-l2, -mean10, -raw, synthetic-ill, -rare, iris, Rosenbrock's function:
    #     initial_sigma 0.1, gamma_dec 10:   8  8 10 11  9  6 33        1, 10:   8  8 11 12  9  7 34
    #     initial_sigma 0.1, gamma_dec 2:    8 15 20 27  9  7 28        1, 2:    9 18 23 31 10  7 28
    initial_sigma: float = setting(0.1, positive)
    eta0: float = 0.1  # ibid., section 7, where it is eta_1; eta2 is eta_2
    eta2: float = 0.9
    gamma_inc: float = setting(2.0, above_one)
    gamma_dec: float = setting(10.0, above_one)

    def __post_init__(self) -> None:
        super().__post_init__()
        ascending(eta0=self.eta0, eta2=self.eta2)

    def init(self, point: Point) -> Weight:
        known, sizes = units(point)
        step = point.gradient / sizes / sizes
        return Weight(self.initial_sigma * squared(length(sizes, step)), step, known)

    def propose(self, point: Point, state: Weight) -> Proposal | None:
        known, sizes = units(point, state.known)
        if (eigen := spectrum(point, sizes)) is None:
            return None
        with phase("solve"):
            count("solves")
            size = length(sizes, state.step)
            sigma = state.sigma_cube / size / size / size if size > 0 else self.initial_sigma
            step, long, shift = eigen.regularised(min(max(sigma, RANGE[0]), RANGE[1]))
            slope = float(torch.dot(point.gradient, step))
        if shift > 1:
            count("shifted")  # as (H + lambda D) s = -g, s^T H s = -g^T s - lambda s^T D s
        gain = shift * (long * long) / 6 - 0.5 * slope
        return Proposal(step, slope, (state, gain, Weight(shift * (long * long), step, known), shift > 1))

    def move(self, point: Point, proposal: Proposal) -> tuple[Point, Weight]:
        state, gain, same, shortened = proposal.state
        reached, ratio = trial_step(point, proposal.direction, gain)
        if ratio is None:
            if approximate_wolfe(point, reached, proposal.direction, proposal.slope):
                return reached, same if same.sigma_cube > 0 else state
            if shortened and still_falling(point, reached, proposal.direction):
                return reached, same._replace(sigma_cube=same.sigma_cube / self.gamma_dec)
            return point, state
        if not ratio > self.eta0:  # NaN, too
            if torch.equal(reached.x, point.x):  # no shorter step changes x either
                return point, state
            k = state.rejections + 1
            increase = self.gamma_inc ** min(k, math.log(RANGE[1]) / math.log(self.gamma_inc))
            return point, same._replace(sigma_cube=same.sigma_cube * increase, rejections=k)
        return reached, same._replace(sigma_cube=same.sigma_cube / self.gamma_dec) if ratio > self.eta2 else same
