"""What a solver is given."""

from .autograd import FunctionObjective
from .base import Objective, Point, Ray
from .logistic import LogisticRegression
from .residual_mlp import ResidualMLP
from .softmax import SoftmaxRegression

__all__ = [
    "FunctionObjective",
    "LogisticRegression",
    "Objective",
    "Point",
    "Ray",
    "ResidualMLP",
    "SoftmaxRegression",
]
