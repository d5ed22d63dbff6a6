"""What a point knows of f beyond its derivatives, from the form of f."""

from __future__ import annotations

from typing import Any

from torch import Tensor


class Structure:
    """Facts that certify convergence, or rule it out: part of Point. By default nothing is known."""

    def identified(self) -> Any:
        """f over as many coordinates as it takes, where it is constant along directions that are known by its form."""
        return self

    def null_space_dimension(self) -> int | None:
        """How many independent directions f, less its penalty, is exactly constant along; None if that is not known.

        It may be expensive, and is called only where slope and curvature along a direction are below rounding level.
        """
        return None

    def beyond_model(self, step: Tensor) -> bool:
        """Whether a step is known to be too long for the quadratic model to predict what it gains."""
        return False

    def has_minimiser(self) -> bool:
        """Whether it is proved, at less than the price of a Hessian, that f has a minimiser."""
        return False
