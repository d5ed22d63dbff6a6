"""What a solver is given."""

from .autograd import FunctionObjective
from .base import Objective, Point, Ray
from .logistic import LogisticRegression

__all__ = ["FunctionObjective", "LogisticRegression", "Objective", "Point", "Ray"]
