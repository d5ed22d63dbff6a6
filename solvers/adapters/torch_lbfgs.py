"""The L-BFGS of torch.optim."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, ClassVar

import torch
from torch import Tensor

from .base import FLOATS, MAX_ITERATIONS, Claim, Fit, starting_point

TRIALS = 25  # evaluations of a line search at most: the library's own limit


@cache
def import_compiler() -> None:
    """The first optimiser of a process makes torch import its compiler, for seconds: before the clock starts."""
    torch.optim.LBFGS([torch.zeros(1)])


def lbfgs(parameters: list[Tensor], iterations: int, history: int, tolerance: float) -> torch.optim.LBFGS:
    """With its strong Wolfe search."""
    return torch.optim.LBFGS(
        parameters,
        max_iter=iterations,
        max_eval=TRIALS * iterations,  # so that the iterations are what is limited
        history_size=history,
        tolerance_grad=tolerance,
        line_search_fn="strong_wolfe",
    )


@dataclass(frozen=True)
class TorchLBFGS:
    """torch.optim.LBFGS with its strong Wolfe search, on any objective of ours.

    The tolerance is `tolerance_grad`, of max |g_i|; `tolerance_change` keeps its default.
    """

    takes_any_objective: ClassVar[bool] = True
    needs: ClassVar[str] = "gradient"

    history: int = 10
    iterations: int = MAX_ITERATIONS
    dtypes: tuple[str, ...] = FLOATS

    def prepare(self, objective: Any, start: Tensor | None = None) -> Fit:
        f = objective
        import_compiler()

        def fit(tolerance: float) -> Claim:
            w = starting_point(f, start).requires_grad_()
            w.grad = torch.zeros_like(w)
            optimizer = lbfgs([w], self.iterations, self.history, tolerance)

            def closure() -> torch.Tensor:
                with torch.no_grad():  # the library asks for gradients here, and needs none of autograd's
                    point = f.at(w.detach())
                    w.grad.copy_(point.gradient)
                    return point.value

            optimizer.step(closure)
            end = w.detach()
            success = float(f.at(end).gradient.abs().max()) <= tolerance
            return Claim(end.double(), int(optimizer.state[w]["n_iter"]), success)

        return fit
