"""The L-BFGS of torch.optim."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from ..objectives import LogisticRegression
from .base import FLOATS, MOST, Claim, Fit, rebuilt


@dataclass(frozen=True)
class TorchLBFGS:
    """torch.optim.LBFGS with its strong Wolfe search, on our value and gradient in closed form.

    The tolerance is `tolerance_grad`, of max |g_i|; `tolerance_change` keeps its default.
    """

    history: int = 10
    iterations: int = MOST
    dtypes: tuple[str, ...] = FLOATS

    def prepare(self, objective: LogisticRegression) -> Fit:
        def fit(tolerance: float) -> Claim:
            f = rebuilt(objective)
            w = f.zeros().requires_grad_()
            w.grad = torch.zeros_like(w)
            optimizer = torch.optim.LBFGS(
                [w],
                max_iter=self.iterations,
                history_size=self.history,
                tolerance_grad=tolerance,
                line_search_fn="strong_wolfe",
            )

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
