"""Objectives: f, its gradient, Hessian and products, at one point."""

from .autograd import FunctionObjective
from .base import Objective, Point, Ray
from .least_squares import LeastSquares
from .linear.logistic import LogisticRegression
from .linear.softmax import SoftmaxRegression
from .module.objective import ModuleObjective
from .residual_mlp import ResidualMLP

__all__ = [
    "FunctionObjective",
    "LeastSquares",
    "LogisticRegression",
    "ModuleObjective",
    "Objective",
    "Point",
    "Ray",
    "ResidualMLP",
    "SoftmaxRegression",
]
