"""What a solver is given."""

from .autograd import FunctionObjective
from .base import Objective, Point, Ray
from .least_squares import LeastSquares
from .logistic import LogisticRegression
from .residual_mlp import ResidualMLP
from .softmax import SoftmaxRegression

__all__ = [
    "FunctionObjective",
    "LeastSquares",
    "LogisticRegression",
    "Objective",
    "Point",
    "Ray",
    "ResidualMLP",
    "SoftmaxRegression",
]
