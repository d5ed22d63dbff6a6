"""The L-BFGS of torch.optim on a loss of torch, differentiated by autograd, as a user of torch would call it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from ..objectives import SoftmaxRegression
from .base import FLOATS, MAX_ITERATIONS, Claim, Fit, logistic, softmax
from .torch_lbfgs import import_compiler, lbfgs


@dataclass(frozen=True)
class TorchAutograd:
    """torch.optim.LBFGS, with its strong Wolfe search, on binary_cross_entropy_with_logits or cross_entropy.

    The penalty is added to the loss, and intercepts are a parameter of their own. Dense or CSR data; autograd goes
    through either. The tolerance is `tolerance_grad`, of max |g_i|.
    """

    takes_any_objective: ClassVar[bool] = False
    needs: ClassVar[str] = "gradient"

    history: int = 10
    iterations: int = MAX_ITERATIONS
    dtypes: tuple[str, ...] = FLOATS

    def prepare(self, objective: Any, start: Tensor | None = None) -> Fit:
        name = "torch's LBFGS on autograd"
        multinomial = isinstance(objective, SoftmaxRegression)
        f: Any = softmax(objective, start, name) if multinomial else logistic(objective, start, name)
        loss = cross_entropy if multinomial else binary_cross_entropy_with_logits
        X, y, classes = f.X, f.y, f.classes if multinomial else 1
        import_compiler()

        def fit(tolerance: float) -> Claim:
            W = torch.zeros(classes, X.shape[1], dtype=X.dtype, requires_grad=True)
            intercepts = torch.zeros(classes, dtype=X.dtype, requires_grad=f.fit_intercept)
            parameters = [W, intercepts] if f.fit_intercept else [W]
            optimizer = lbfgs(parameters, self.iterations, self.history, tolerance)

            def closure() -> Tensor:
                optimizer.zero_grad()
                Z = X @ W.T  # (n, K)
                if f.fit_intercept:
                    Z = Z + intercepts
                value = loss(Z if multinomial else Z.squeeze(1), y, reduction=f.reduction)
                if f.l2:
                    value = value + 0.5 * f.l2 * W.square().sum()
                value.backward()
                return value

            optimizer.step(closure)
            closure()
            success = all(float(part.grad.abs().max()) <= tolerance for part in parameters)
            w = torch.cat([W, intercepts.unsqueeze(1)], dim=1) if f.fit_intercept else W
            return Claim(w.detach().flatten().double(), int(optimizer.state[W]["n_iter"]), success)

        return fit
