"""The looks of solvers: no two in one colour, none too pale for white paper."""

from __future__ import annotations

from itertools import combinations

import numpy as np

from reports.figures import style
from solvers import SOLVERS


def linear(colour: str) -> np.ndarray:
    """The light of a colour: red, green and blue (IEC 61966-2-1)."""
    c = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def contrast(colour: str) -> float:
    """To white, as WCAG 2.1 defines it."""
    return float(1.05 / (linear(colour) @ [0.2126, 0.7152, 0.0722] + 0.05))


def oklab(colour: str) -> np.ndarray:
    """Lightness and two hues, in which distances are what the eye sees (Ottosson 2020)."""
    cones = np.array(
        [
            [0.4122214708, 0.5363325363, 0.0514459929],
            [0.2119034982, 0.6806995451, 0.1073969566],
            [0.0883024619, 0.2817188376, 0.6299787005],
        ]
    )
    axes = np.array(
        [
            [0.2104542553, 0.7936177850, -0.0040720468],
            [1.9779984951, -2.4285922050, 0.4505937099],
            [0.0259040371, 0.7827717662, -0.8086757660],
        ]
    )
    return axes @ np.cbrt(cones @ linear(colour))


def test_every_solver_of_ours_has_a_colour_of_its_own_that_shows_on_white():
    colours = {name: style.look(name)[0] for name in SOLVERS if name in style.LOOKS}
    assert all(contrast(colour) >= 3.0 for colour in colours.values())
    nearest = {two: np.linalg.norm(oklab(colours[two[0]]) - oklab(colours[two[1]])) for two in combinations(colours, 2)}
    assert min(nearest.values()) > 0.07, min(nearest, key=nearest.get)  # 0.02 is a difference that is just seen
    assert len({style.look(name) for name in SOLVERS}) == len(SOLVERS) and len(colours) > 30
