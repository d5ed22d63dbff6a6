"""The problems by name: data and a model, or a test function."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache, partial

import torch
from torch import Tensor
from torch.nn.functional import one_hot

from solvers.common.names import lookup
from solvers.objectives import LogisticRegression, Objective, ResidualMLP, SoftmaxRegression

from .functions.cutest import CUTEST
from .functions.function import FUNCTIONS
from .functions.nist import NIST
from .loaders.breast_cancer import breast_cancer
from .loaders.dataset import Dataset
from .loaders.libsvm import libsvm
from .loaders.multiclass import multiclass
from .loaders.sparse import hashed
from .loaders.sparse import one_hot as categories
from .loaders.storage import DataError
from .loaders.synthetic import correlated_normal, synthetic
from .loaders.synthetic_classes import synthetic_classes
from .own.recipe import recall
from .problem import Problem
from .two_view.mnist import mnist, odd_even

Data = Callable[[], Dataset]
# The objective, the objective on the held-out rows, the start.
Model = Callable[[Dataset], tuple[Objective, Objective, Tensor]]


@dataclass(frozen=True)
class Recipe:
    """Data and a model, which build a Problem: call it with a dtype and a device. Raises DataError for absent files.

    small: an iteration takes milliseconds with any solver. needs: the data set to fetch, if any.
    """

    name: str
    summary: str
    data: Data
    model: Model
    small: bool = True
    needs: str = ""

    def __call__(self, dtype: torch.dtype, device: torch.device) -> Problem:
        full = _loaded(self.data)
        return Problem(self.name, self.summary, *self.model(full.to(dtype, device)), full.checksum)


@lru_cache(maxsize=8)  # problems share their data; all data sets together may not fit into memory
def _loaded(data: Data) -> Dataset:
    return data()


def logistic(*, penalty: float = 0.0, fit_intercept: bool = False) -> Model:
    """The mean loss of logistic regression with l2 = penalty / n, that is `penalty` on the sum scale."""

    def make(data: Dataset) -> tuple[Objective, Objective, Tensor]:
        objective = LogisticRegression(data.X, data.y, l2=penalty / len(data.y), fit_intercept=fit_intercept)
        held_out = LogisticRegression(data.X_test, data.y_test, fit_intercept=fit_intercept)
        return objective, held_out, objective.zeros()

    return make


def softmax(classes: int, *, penalty: float = 0.0, fit_intercept: bool = False) -> Model:
    """The same for softmax regression."""

    def make(data: Dataset) -> tuple[Objective, Objective, Tensor]:
        settings = {"classes": classes, "fit_intercept": fit_intercept}
        objective = SoftmaxRegression(data.X, data.y, l2=penalty / len(data.y), **settings)
        return objective, SoftmaxRegression(data.X_test, data.y_test, **settings), objective.zeros()

    return make


def residual_mlp(classes: int, depth: int) -> Model:
    """The mean squared error of a residual network with tanh; classes become 0/1 outputs (one for two classes).

    The start is random, from seed 0 and the same for every dtype: at zero the hidden weights would not move.
    """

    def make(data: Dataset) -> tuple[Objective, Objective, Tensor]:
        targets = [y if classes == 2 else one_hot(y.long(), classes) for y in (data.y, data.y_test)]
        objective, held_out = (
            ResidualMLP(X, y.to(X), depth) for X, y in zip((data.X, data.X_test), targets, strict=True)
        )
        return objective, held_out, objective.random_start(torch.Generator().manual_seed(0))

    return make


_standardised, _means = partial(breast_cancer), partial(breast_cancer, features=10)

RECIPES = (
    Recipe(
        "breast-cancer", "the classic: 30 standardised features, no intercept, no penalty", _standardised, logistic()
    ),
    Recipe(
        "breast-cancer-l2", "the same with penalty 1 on the sum scale (l2 = 1/398)", _standardised, logistic(penalty=1)
    ),
    Recipe("breast-cancer-mean10", "its ten mean features only, no penalty", _means, logistic()),
    Recipe(
        "breast-cancer-raw",
        "30 features in their own units, an intercept, penalty 1 on the sum scale",
        partial(breast_cancer, standardise=False),
        logistic(penalty=1, fit_intercept=True),
    ),
    Recipe(
        "synthetic-ill",
        "1,000 x 20 with cond X^T X = 1e8 and 10 % of the labels wrong, no penalty",
        partial(synthetic, 1000, 20, condition=1e8),
        logistic(),
    ),
    Recipe(
        "synthetic-separable",
        "1,000 x 20, separable with a margin of 0.1 along a unit vector, no penalty",
        partial(synthetic, 1000, 20, condition=100.0, margin=0.1, label_noise=0.0),
        logistic(),
    ),
    Recipe(
        "synthetic-rare",
        "2,000 x 20, one row in fifty of class 1, an intercept, no penalty",
        partial(synthetic, 2000, 20, condition=100.0, balance=0.02, label_noise=0.01),
        logistic(fit_intercept=True),
    ),
    Recipe(
        "synthetic-sparse",
        "5,000 x 300 in CSR layout, 95 % zeros, penalty 1 on the sum scale",
        partial(synthetic, 5000, 300, condition=100.0, sparsity=0.95),
        logistic(penalty=1),
    ),
    Recipe(
        "synthetic-wide",
        "100 x 1,000: more columns than rows, penalty 1 on the sum scale",
        partial(synthetic, 100, 1000, condition=None),
        logistic(penalty=1),
        small=False,
    ),
    Recipe(
        "synthetic-tall",
        "100,000 x 10 with cond X^T X = 100, no penalty",
        partial(synthetic, 100_000, 10, condition=100.0),
        logistic(),
        small=False,
    ),
    Recipe(
        "iris",
        "softmax, 3 classes, 4 standardised features, intercepts, penalty 1 on the sum scale",
        partial(multiclass, "iris"),
        softmax(3, penalty=1, fit_intercept=True),
    ),
    Recipe(
        "wine",
        "softmax, 3 classes, 13 standardised features, intercepts, no penalty",
        partial(multiclass, "wine"),
        softmax(3, fit_intercept=True),
    ),
    Recipe(
        "digits",
        "softmax, 10 classes, 8 x 8 pixels, penalty 1 on the sum scale",
        partial(multiclass, "digits"),
        softmax(10, penalty=1),
        small=False,
    ),
    Recipe(
        "synthetic-7-classes",
        "softmax, 7 classes, 20,000 x 54 correlated columns, intercepts, penalty 1 on the sum scale",
        partial(synthetic_classes, 20_000, 54, 7, steps=10, ratio=0.4, signal=2.0),
        softmax(7, penalty=1, fit_intercept=True),
        small=False,
    ),
    Recipe(
        "synthetic-100-classes",
        "softmax, 100 classes, 10,000 x 512 as of an embedding, penalty 1 on the sum scale",
        partial(synthetic_classes, 10_000, 512, 100, steps=8, ratio=0.5, signal=3.0),
        softmax(100, penalty=1),
        small=False,
    ),
    Recipe(
        "mnist",
        "softmax, 10 classes, 28 x 28 pixels, penalty 1 on the sum scale",
        mnist,
        softmax(10, penalty=1),
        small=False,
        needs="mnist",
    ),
    Recipe(
        "mnist-20k",
        "the same of its first 20,000 rows",
        partial(mnist, rows=20_000),
        softmax(10, penalty=1),
        small=False,
        needs="mnist",
    ),
    Recipe(
        "mnist-views",
        "the same trained on view 1 of the training digits, tested on view 2 of the test digits",
        partial(mnist, views=True),
        softmax(10, penalty=1),
        small=False,
        needs="mnist",
    ),
    Recipe(
        "mnist-odd-even",
        "odd digits against even ones, 784 pixels, 19 % of them not zero, penalty 1 on the sum scale",
        odd_even,
        logistic(penalty=1),
        small=False,
        needs="mnist",
    ),
    *(
        Recipe(
            name,
            f"{words}, in CSR layout, penalty 1 on the sum scale",
            partial(libsvm, data, download=False),
            logistic(penalty=1),
            small=False,
            needs=data,
        )
        for name, data, words in (
            ("a9a", "a9a", "census incomes, 123 columns, 11 % of them not zero"),
            ("w8a", "w8a", "web pages, 300 columns, 4 % of them not zero"),
            ("reuters", "reuters_lasvm", "news (money-fx), more columns than rows, 0.6 % not zero"),
        )
    ),
    Recipe(
        "one-hot",
        "8,000 rows of 20 categorical columns with 5 to 20 categories, in CSR layout, penalty 1 on the sum scale",
        categories,
        logistic(penalty=1),
        small=False,
    ),
    Recipe(
        "hashed",
        "100,000 x 1,000,000 in CSR layout, some 50 words in a row, penalty 1 on the sum scale",
        hashed,
        logistic(penalty=1),
        small=False,
    ),
    Recipe(
        "mlp-breast-cancer-mean10",
        "residual MLP, 1 hidden layer of 10, squared error: its Hessian fits",
        _means,
        residual_mlp(2, depth=1),
    ),
    Recipe(
        "mlp-breast-cancer",
        "residual MLP, 2 hidden layers of 30, squared error",
        _standardised,
        residual_mlp(2, depth=2),
        small=False,
    ),
    Recipe(
        "mlp-mnist-views",
        "residual MLP, 2 hidden layers of 196, view 1 of 10,000 digits (means of 2 x 2 pixels) to the label: "
        "only products fit",
        partial(mnist, views=True, pool=2, rows=10_000),
        residual_mlp(10, depth=2),
        small=False,
        needs="mnist",
    ),
)
Builder = Callable[[torch.dtype, torch.device], Problem]
TEST_FUNCTIONS: dict[str, Builder] = {function.name: function for function in (*FUNCTIONS, *NIST, *CUTEST)}
PROBLEMS: dict[str, Builder] = {recipe.name: recipe for recipe in RECIPES} | TEST_FUNCTIONS

MOST_ENTRIES = 10**9  # of X
SIZED = re.compile(r"synthetic-(correlated-)?([1-9]\d*)x([1-9]\d*)")


def recipe(name: str) -> Builder:
    """The builder of a problem of PROBLEMS, of a user's own (`own/recipe.py`), or of "synthetic-NxD": N rows and D
    independent normal columns (correlated ones for "synthetic-correlated-NxD"), 10 % of the labels wrong, penalty 1 on
    the sum scale. Raises ValueError."""
    size = SIZED.fullmatch(name)
    if name not in PROBLEMS and size is None and (own := recall(name)):
        return own
    return _sized(int(size[2]), int(size[3]), bool(size[1])) if size else lookup(PROBLEMS, name, "problem")


@cache  # so that the same name means the same data
def _sized(n: int, d: int, correlated: bool) -> Recipe:
    name = f"synthetic-{'correlated-' * correlated}{n}x{d}"
    if n * d > MOST_ENTRIES:
        raise ValueError(f"{name} has {n * d:.3g} entries: take at most {MOST_ENTRIES:.0e}, 8 GB of them")
    data = partial(correlated_normal, n, d) if correlated else partial(synthetic, n, d, condition=None)
    columns = "correlated" if correlated else "independent"
    words = f"{n:,} x {d:,} {columns} columns, 10 % of the labels wrong, penalty 1 on the sum scale"
    return Recipe(name, words, data, logistic(penalty=1), small=n * d <= 100_000)


def summary(name: str) -> str:
    """A problem in a line; empty for an unknown name, or a builder without a summary."""
    try:
        return getattr(recipe(name), "summary", "")
    except (ValueError, DataError):
        return ""


def build(name: str, dtype: torch.dtype = torch.float64, device: str | torch.device = "cpu") -> Problem:
    """The problem of that name in a dtype on a device.

    Raises ValueError for an unknown name or an absent device, DataError for absent files.
    """
    return recipe(name)(dtype, present_device(device))


def present_device(name: str | torch.device) -> torch.device:
    """The device, if torch can use it here; ValueError otherwise. Every CPU is "cpu"."""
    try:
        device = torch.device(name)
        torch.zeros(1, device=device).sum().item()
    except (RuntimeError, AssertionError, NotImplementedError):
        raise ValueError(f"device {str(name)!r} is not there, or not one that this torch can use: try cpu") from None
    return torch.device("cpu") if device.type == "cpu" else device
