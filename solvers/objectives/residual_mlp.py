"""A residual network and its mean squared error, with derivatives written out by hand."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from ..common.cached import cached
from ..common.instrumentation import timed
from ..common.names import lookup
from ..common.validation import finite_tensor, real_tensor, whole
from ..linalg.kronecker import KroneckerFactors
from .base import Objective, Point

# Of one layer's tangents, where Hessian-vector products are computed many at a time: on a CPU they stay in its cache.
# (A Hessian of 961 columns over 398 rows took 0.29 s with 2^20 bytes, 0.70 s with 2^24, 0.52 s with 2^16.)
CHUNK_BYTES = 1 << 20
CHUNK_BYTES_ACCELERATOR = 1 << 26


def _bell(a: Tensor) -> Tensor:
    """sigmoid'(a) as sigmoid(a) sigmoid(-a): 1 - sigmoid(a) would lose its digits."""
    return torch.sigmoid(a) * torch.sigmoid(-a)


class Activation(NamedTuple):
    """g, g' and g'', each entry by entry."""

    value: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor]
    bend: Callable[[Tensor], Tensor]


ACTIVATIONS: dict[str, Activation] = {
    "tanh": Activation(torch.tanh, lambda a: 4 * _bell(2 * a), lambda a: -8 * _bell(2 * a) * torch.tanh(a)),
    "sigmoid": Activation(torch.sigmoid, _bell, lambda a: -_bell(a) * torch.tanh(a / 2)),
    # torch's own softplus is the identity above 20, and off by 2e-9 there.
    "softplus": Activation(lambda a: -logsigmoid(-a), torch.sigmoid, _bell),
    "relu": Activation(torch.relu, lambda a: (a > 0).to(a.dtype), torch.zeros_like),  # g'(0) = 0, as in torch
}


class ResidualMLP(Objective):
    """L = 1/N sum_i ||y_i - yhat_i||^2, a residual network with `depth` = L hidden layers, as wide as the input.

    With samples as columns:  a_l = W_l^T h_{l-1} + b_l,  h_l = g(a_l) + h_{l-1}  for l = 1..L, from h_0 = x;
    yhat = W_{L+1}^T h_L + b_{L+1}. Backwards from r = 2/N (yhat - y):  dL/dW_{L+1} = H_L R^T,  dL/db_{L+1} = sum r;
    e_L = W_{L+1} r;  delta_l = e_l * g'(a_l),  e_{l-1} = e_l + W_l delta_l;  dL/dW_l = H_{l-1} Delta_l^T,
    dL/db_l = sum delta_l. In the code samples are rows: A = H W + b, E = R W^T, dL/dW = H^T Delta.

    X  (N, d): dense; its dtype and device are the problem's. Y  (N, k), or (N,) for k = 1.
    depth: hidden layers, >= 0; with none this is linear least squares. activation: one of ACTIVATIONS.
    The parameter is one flat vector W1, b1, ..., W_{L+1}, b_{L+1}, each W row by row; `blocks` names its parts.
    L is not convex: its Hessian is indefinite at most random starts, and there is no default start (at 0 the gradient
    of every hidden weight vanishes): pass x0=objective.random_start(generator).
    Raises TypeError or ValueError for input that is not such a problem. Source: He et al. (2016, CVPR, p. 770) for
    the residual layer; Pearlmutter (1994, Neural Computation 6, p. 147) for H v; Schraudolph (2002, Neural
    Computation 14, p. 1723) for the Gauss-Newton product.
    """

    closed_form = True

    def __init__(self, X: Tensor, Y: Tensor, depth: int = 2, activation: str = "tanh") -> None:
        X = finite_tensor("X", X)
        if X.ndim != 2 or 0 in X.shape:
            raise ValueError(f"X must have shape (rows, features), none of them 0, found {tuple(X.shape)}")
        Y = real_tensor("Y", Y)
        Y = Y.unsqueeze(1) if Y.ndim == 1 else Y
        if Y.ndim != 2 or len(Y) != len(X) or Y.shape[1] == 0:
            raise ValueError(f"Y must have shape ({len(X)}, outputs) to match X, found {tuple(Y.shape)}")
        if Y.device != X.device:
            raise ValueError(f"X is on {X.device} and Y on {Y.device}: move them to one device with .to(...)")
        self.X, self.Y = X, finite_tensor("Y", Y).to(X.dtype)
        self.depth = whole("depth", depth, least=0)
        self.activation = activation
        self.g = lookup(ACTIVATIONS, activation, "activation")
        self.scale = 2 / len(X)
        d, k = X.shape[1], self.Y.shape[1]
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.slices: dict[str, slice] = {}  # where each block lies in the flat vector
        end = 0
        for layer in range(1, depth + 2):
            width = d if layer <= depth else k
            for name, shape in ((f"W{layer}", (d, width)), (f"b{layer}", (width,))):
                begin, end = end, end + math.prod(shape)
                self.shapes[name], self.slices[name] = shape, slice(begin, end)
        self.size = end

    @property
    def dtype(self) -> torch.dtype:
        """That of the data, which a start is brought to."""
        return self.X.dtype

    def at(self, x: Tensor) -> MLPPoint:
        if x.dtype != self.dtype:
            raise TypeError(f"x is in {x.dtype} and this network in {self.dtype}: pass x.to({self.dtype})")
        if x.shape != (self.size,):
            raise ValueError(f"x must have shape ({self.size},) for this network, found {tuple(x.shape)}")
        return MLPPoint(self, x)

    def blocks(self, x: Tensor) -> dict[str, Tensor]:
        """Views of x (..., size) as W1 (..., d, d), b1 (..., d), ..., the last W (..., d, k) and b (..., k)."""
        return {name: x[..., self.slices[name]].unflatten(-1, shape) for name, shape in self.shapes.items()}

    def layers(self, x: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """The same views as two lists: the weights, and the biases as rows (..., 1, width)."""
        views = list(self.blocks(x).values())
        return views[::2], [b.unsqueeze(-2) for b in views[1::2]]

    def random_start(self, generator: torch.Generator) -> Tensor:
        """Normal weights with variance 1/d (LeCun et al. 1998, Efficient BackProp, eq. 16) and zero biases, (size,).

        Drawn in float64 on the generator's device, so that one seed is one start for every dtype.
        """
        x = torch.zeros(self.size, dtype=torch.float64, device=generator.device)
        for name, part in self.blocks(x).items():
            if name.startswith("W"):
                part.normal_(0, self.X.shape[1] ** -0.5, generator=generator)
        return x.to(self.X)

    def accuracy(self, x: Tensor) -> float:
        """Share of rows whose class is predicted: the largest output, or for k = 1 the side of 1/2."""
        found, wanted = self.at(x).predictions, self.Y
        if wanted.shape[1] == 1:
            return float(((found >= 0.5) == (wanted >= 0.5)).double().mean())
        return float((found.argmax(1) == wanted.argmax(1)).double().mean())


class MLPPoint(Point):
    """L near x, built on one pass forwards and one backwards, each cached.

    Every product takes one vector or a stack of them: v (..., size), R (..., N, k).
    """

    objective: ResidualMLP

    @cached
    def weights(self) -> list[Tensor]:
        return self.objective.layers(self.x)[0]

    @cached
    def forward(self) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """A_1..A_L (N, d), H_0..H_L (N, d) and Yhat (N, k)."""
        f = self.objective
        *hidden, (W, b) = zip(*f.layers(self.x), strict=True)
        A, H = [], [f.X]
        for V, c in hidden:
            A.append(torch.addmm(c, H[-1], V))
            H.append(f.g.value(A[-1]) + H[-1])
        return A, H, torch.addmm(b, H[-1], W)

    @property
    def predictions(self) -> Tensor:
        """Yhat, (N, k)."""
        return self.forward[2]

    @cached
    def slopes(self) -> list[Tensor]:
        """g'(A_l) for l = 1..L, (N, d)."""
        return [self.objective.g.slope(A) for A in self.forward[0]]

    @cached
    def bends(self) -> list[Tensor]:
        """g''(A_l) for l = 1..L, (N, d)."""
        return [self.objective.g.bend(A) for A in self.forward[0]]

    @cached
    def residuals(self) -> Tensor:
        """R = 2/N (Yhat - Y), (N, k)."""
        return (self.predictions - self.objective.Y) * self.objective.scale

    @cached
    def errors(self) -> tuple[list[Tensor], list[Tensor]]:
        """`backwards` from the residuals."""
        return backwards(self.residuals, self.weights, self.slopes)

    @cached
    def value(self) -> Tensor:
        return (self.predictions - self.objective.Y).square().sum() / len(self.objective.Y)

    @cached
    def gradient(self) -> Tensor:
        return collected(self.forward[1], self.errors[1])

    def tangents(self, v: Tensor) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """The derivatives of A_l, H_l and Yhat along v, each (..., N, width)."""
        (V, c), (_, H, _) = self.objective.layers(v), self.forward
        dA, dH = [], [torch.zeros_like(H[0])]
        for h, W, slope, Vl, cl in zip(H, self.weights, self.slopes, V, c, strict=False):
            dA.append(dH[-1] @ W + h @ Vl + cl)
            dH.append(slope * dA[-1] + dH[-1])
        return dA, dH, dH[-1] @ self.weights[-1] + H[-1] @ V[-1] + c[-1]

    def jvp(self, v: Tensor) -> Tensor:
        """J v with J = dYhat/dx, (..., N, k)."""
        return self.tangents(v)[2]

    def vjp(self, R: Tensor) -> Tensor:
        """J^T R, (..., size)."""
        return collected(self.forward[1], backwards(R, self.weights, self.slopes)[1])

    @timed("hessian", "gauss_newton_products")
    def gnvp(self, v: Tensor) -> Tensor:
        """The Gauss-Newton product 2/N J^T J v, (..., size): positive semidefinite, and H v where R = 0."""
        return self._gauss_newton_product(v)

    def _gauss_newton_product(self, v: Tensor) -> Tensor:
        return self.vjp(self.jvp(v) * self.objective.scale)

    @cached
    def kronecker_factors(self) -> KroneckerFactors:
        """Layer by layer 1/N sum_i h_i h_i^T, h = (row of H_{l-1}, 1), and 2/N sum_i J_i^T J_i, J_i = dyhat_i/da_l,i.

        The expectation over the model's outputs (normal around yhat) is exact: output by output, J is one pass
        backwards from a column of I.
        """
        H, k = self.forward[1], self.objective.Y.shape[1]
        inputs = [torch.cat([h, h.new_ones(len(h), 1)], dim=1) for h in H]
        outputs = [h.new_zeros(h.shape[1], h.shape[1]) for h in H[:-1]]
        for column in torch.eye(k, dtype=self.x.dtype, device=self.x.device):
            D = backwards(column.expand(len(H[0]), k), self.weights, self.slopes)[1]
            for matrix, delta in zip(outputs, D, strict=False):  # the last layer's is 2 I whatever the rows
                matrix.addmm_(delta.T, delta, alpha=self.objective.scale)
        outputs.append(2 * torch.eye(k, dtype=self.x.dtype, device=self.x.device))
        return KroneckerFactors([(a.T @ a / len(a), g) for a, g in zip(inputs, outputs, strict=True)])

    def hvp(self, v: Tensor) -> Tensor:
        """H v, (..., size)."""
        return self._product(v)

    def _product(self, v: Tensor) -> Tensor:
        """The derivative of the gradient along v: each line of `backwards` and `collected`, differentiated."""
        W, V = self.weights, self.objective.layers(v)[0]
        (E, D), H = self.errors, self.forward[1]
        dA, dH, dY = self.tangents(v)
        dD = [dY * self.objective.scale]  # filled from the last layer to the first
        dE = dD[0] @ W[-1].mT + D[-1] @ V[-1].mT
        for layer in reversed(range(len(dA))):
            dD.insert(0, dE * self.slopes[layer] + E[layer] * self.bends[layer] * dA[layer])
            if layer > 0:
                dE = dE + dD[0] @ W[layer].mT + D[layer] @ V[layer].mT
        parts: list[Tensor] = []
        for h, dh, delta, ddelta in zip(H, dH, D, dD, strict=True):
            parts += [(dh.mT @ delta + h.mT @ ddelta).flatten(-2), ddelta.sum(-2)]
        return torch.cat(parts, dim=-1)

    @cached
    def hessian(self) -> Tensor:
        return self._assembled(self._product)

    @cached
    def gauss_newton(self) -> Tensor:
        """2/N J^T J, (size, size)."""
        return self._assembled(self._gauss_newton_product)

    def _assembled(self, product: Callable[[Tensor], Tensor]) -> Tensor:
        """Products with the columns of I, as many at a time as fit the chunk."""
        f = self.objective
        limit = CHUNK_BYTES if f.X.device.type == "cpu" else CHUNK_BYTES_ACCELERATOR
        columns = max(1, limit // (f.X.numel() * f.X.element_size()))
        matrix = self.x.new_empty(f.size, f.size)
        for begin in range(0, f.size, columns):
            rows = matrix[begin : begin + columns]
            basis = torch.zeros_like(rows)
            basis.diagonal(begin).fill_(1)
            rows.copy_(product(basis))
        return matrix


def backwards(R: Tensor, W: list[Tensor], slopes: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """E_1..E_L and Delta_1..Delta_L, R from residuals R (..., N, k): the last layer's Delta is R."""
    E, D = [R @ W[-1].mT], [R]  # filled from the last layer to the first
    for layer in reversed(range(len(slopes))):
        D.insert(0, E[0] * slopes[layer])
        if layer > 0:
            E.insert(0, E[0] + D[0] @ W[layer].mT)
    return E, D


def collected(H: list[Tensor], D: list[Tensor]) -> Tensor:
    """The flat vector of H_{l-1}^T Delta_l and sum Delta_l over the layers, (..., size)."""
    parts: list[Tensor] = []
    for h, delta in zip(H, D, strict=True):
        parts += [(h.mT @ delta).flatten(-2), delta.sum(-2)]
    return torch.cat(parts, dim=-1)
