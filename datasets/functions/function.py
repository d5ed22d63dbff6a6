"""Test functions as problems: a function of a few variables, its standard start, and its published minimum."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from solvers.objectives import FunctionObjective, LeastSquares, Objective

from ..problem import Problem, Published
from . import more_garbow_hillstrom as mgh
from . import second_order

MGH = "More, Garbow & Hillstrom 1981, function {}"
SQUARES = "0 by a sum of squares"


@dataclass(frozen=True)
class TestFunction:
    """Called with a dtype and a device, it builds the problem, like a Recipe.

    f: residuals (m,) of a flat vector (`squares`), or the value. minimum and minimiser: to float64 precision. others:
    values of known local minima.
    """

    name: str
    summary: str
    f: Callable[[Tensor], Tensor]
    start: tuple[float, ...]
    minimum: float
    minimiser: tuple[float, ...]
    source: str
    others: tuple[float, ...] = ()
    squares: bool = True
    small: bool = True
    needs: str = ""

    __test__ = False  # pytest takes a class of this name for a test

    def objective(self) -> Objective:
        return LeastSquares(self.f) if self.squares else FunctionObjective(self.f)

    def __call__(self, dtype: torch.dtype, device: torch.device) -> Problem:
        x0 = torch.tensor(self.start, dtype=dtype, device=device)
        identity = repr((self.name, self.start, self.minimum)).encode()
        known = Published(self.minimum, self.minimiser, self.source, self.others)
        return Problem(
            self.name, self.summary, self.objective(), None, x0, hashlib.sha256(identity).hexdigest(), published=known
        )


def _published(
    number: int,
    name: str,
    words: str,
    f: Callable[[Tensor], Tensor],
    start: tuple[float, ...],
    minimiser: tuple[float, ...],
    minimum: float = 0.0,
    others: tuple[float, ...] = (),
) -> TestFunction:
    """A function of the collection, by its number there."""
    source = MGH.format(number) + ("; " + SQUARES if minimum == 0 else "")
    return TestFunction("mgh-" + name, words, f, start, minimum, minimiser, source, others)


BOUNDARY = tuple(j / 11 * (j / 11 - 1) for j in range(1, 11))
# fmt: off
FUNCTIONS = (
    _published(1, "rosenbrock", "a curved valley", mgh.rosenbrock, (-1.2, 1.0), (1.0, 1.0)),
    _published(2, "freudenstein-roth", "two cubics; most runs end at a local minimum", mgh.freudenstein_roth,
        (0.5, -2.0), (5.0, 4.0), others=(48.98425367924002,)),
    _published(3, "powell-badly-scaled", "variables of 1e-5 and 9", mgh.powell_badly_scaled, (0.0, 1.0),
        (1.0981593296997518e-05, 9.10614673986707)),
    _published(4, "brown-badly-scaled", "variables of 1e6 and 2e-6", mgh.brown_badly_scaled, (1.0, 1.0),
        (1000000.0, 2e-06)),
    _published(5, "beale", "three residuals, a narrow valley", mgh.beale, (1.0, 1.0), (3.0, 0.5)),
    _published(6, "jennrich-sampson", "sums of two exponentials, large residuals", mgh.jennrich_sampson, (0.3,
        0.4), (0.25782521367036404, 0.2578252136703641), 124.36218235561485),
    _published(7, "helical-valley", "a valley along a helix", mgh.helical_valley, (-1.0, 0.0, 0.0), (1.0, 0.0,
        0.0)),
    _published(8, "bard", "a rational fit of 15 observations", mgh.bard, (1.0, 1.0, 1.0), (0.08241055974978898,
        1.133036092029722, 2.343695178642537), 0.00821487730657898),
    _published(9, "gaussian", "a bell curve through 15 observations", mgh.gaussian, (0.4, 1.0, 0.0),
        (0.39895613783875666, 1.0000190844878059, -4.862346916175613e-20), 1.1279327696190113e-08),
    _published(10, "meyer", "thermistor resistance: an exponential fit, badly scaled", mgh.meyer, (0.02, 4000.0,
        250.0), (0.005609636471031517, 6181.346346285857, 345.2236346241192), 87.94585517085112),
    _published(11, "gulf", "gulf research and development, 99 residuals", mgh.gulf, (5.0, 2.5, 0.15), (50.0,
        25.0, 1.5)),
    _published(12, "box", "three exponentials in three variables", mgh.box, (0.0, 10.0, 20.0), (1.0, 10.0,
        1.0)),
    _published(13, "powell-singular", "a singular Hessian at the minimiser", mgh.powell_singular, (3.0, -1.0,
        0.0, 1.0), (0.0,) * 4),
    _published(14, "wood", "two valleys, and a saddle between", mgh.wood, (-3.0, -1.0, -3.0, -1.0), (1.0,) * 4),
    _published(15, "kowalik-osborne", "a rational fit of 11 observations", mgh.kowalik_osborne, (0.25, 0.39,
        0.415, 0.39), (0.1928069345790379, 0.1912823287343665, 0.12305650692632059, 0.13606233068379464),
        0.0003075056038492378),
    _published(16, "brown-dennis", "fourth powers, large residuals", mgh.brown_dennis, (25.0, 5.0, -5.0, -1.0),
        (-11.594439904762163, 13.203630051207202, -0.4034394881768596, 0.23677877445573628), 85822.20162635634),
    _published(17, "osborne", "two decays through 33 observations", mgh.osborne, (0.5, 1.5, -1.0, 0.01, 0.02),
        (0.3754100521069519, 1.9358469127123439, -1.4646871366133996, 0.012867534640057243,
        0.02212269966167271), 5.464894697482912e-05),
    _published(18, "biggs", "three exponentials in six variables", mgh.biggs, (1.0, 2.0, 1.0, 1.0, 1.0, 1.0),
        (1.0, 10.0, 1.0, 5.0, 4.0, 3.0), others=(0.005655649925500,)),
    _published(20, "watson", "a polynomial of degree 5 for a differential equation", mgh.watson, (0.0,) * 6,
        (-0.015725086401458286, 1.0124348693691099, -0.2329916259567378, 1.2604300877996095,
        -1.5137289227222814, 0.9929964324311358), 0.0022876700535524363),
    _published(21, "extended-rosenbrock", "five Rosenbrock valleys side by side", mgh.extended_rosenbrock,
        (-1.2, 1.0) * 5, (1.0,) * 10),
    _published(23, "penalty-one", "a sphere, and a weak pull to (1, ..., 1)", mgh.penalty_one, (1.0, 2.0, 3.0,
        4.0), (0.2500074995875378, 0.2500074995875379, 0.25000749958753793, 0.2500074995875379),
        2.2499775008999372e-05),
    _published(24, "penalty-two", "a weighted sphere, and weak exponentials", mgh.penalty_two, (0.5,) * 4,
        (0.1999993333503804, 0.1913167009927725, 0.48010148533262326, 0.5188454043902003),
        9.376293007355442e-06),
    _published(25, "variably-dimensioned", "fourth powers along one direction", mgh.variably_dimensioned,
        tuple(1 - j / 10 for j in range(1, 11)), (1.0,) * 10),
    _published(26, "trigonometric", "ten cosines; many runs end at a local minimum", mgh.trigonometric, (0.1,) *
        10, (0.0,) * 10, others=(2.7950561218794563e-05,)),
    _published(27, "brown-almost-linear", "nine linear residuals and a product", mgh.brown_almost_linear, (0.5,)
        * 10, (1.0,) * 10, others=(1.0,)),
    _published(28, "discrete-boundary-value", "ten nodes of a differential equation",
        mgh.discrete_boundary_value, BOUNDARY, (-0.04316498251876487, -0.08157715653538689,
        -0.11448571438052929, -0.14097357686259668, -0.15990869618198314, -0.16987720231277492,
        -0.16908998378120835, -0.15524953522183182, -0.125355891678935, -0.07541653368589209)),
    _published(29, "discrete-integral", "ten nodes of an integral equation", mgh.discrete_integral, BOUNDARY,
        (-0.043164982518764876, -0.08157715653538687, -0.11448571438052926, -0.14097357686259668,
        -0.1599086961819831, -0.16987720231277492, -0.16908998378120835, -0.15524953522183185,
        -0.125355891678935, -0.0754165336858921)),
    _published(30, "broyden-tridiagonal", "ten quadratic equations", mgh.broyden_tridiagonal, (-1.0,) * 10,
        (-0.5707221320112248, -0.681806949984275, -0.7022100760176601, -0.7055106298950804, -0.7049061557287436,
        -0.7014966070298512, -0.6918893223547983, -0.6657965144058537, -0.5960351090263657,
        -0.4164122575286934)),
    _published(31, "broyden-banded", "ten cubic equations", mgh.broyden_banded, (-1.0,) * 10,
        (-0.4283028635872503, -0.47659642435629024, -0.5196524636468617, -0.5580993248321809,
        -0.5925061568294573, -0.624503682199468, -0.6232394714405911, -0.6213938417965735, -0.6204535966590874,
        -0.5864692707204351)),
    _published(32, "linear-full-rank", "20 linear residuals: one Gauss-Newton step", mgh.linear_full_rank,
        (1.0,) * 10, (-1.0,) * 10, 10.0),
    _published(33, "linear-rank-one", "20 linear residuals of rank one: minimisers fill a hyperplane",
        mgh.linear_rank_one, (1.0,) * 10, (0.8573329109914614, 0.7146658219827959, 0.5719987329742047,
        0.42933164396577916, 0.2866645549575143, 0.1439974659488642, 0.001330376940012158, -0.14133671206788773,
        -0.28400380107743217, -0.42667089008563175), 4.634146341463414),
    _published(35, "chebyquad", "eight quadrature nodes", mgh.chebyquad, tuple(j / 9 for j in range(1, 9)),
        (0.04315276015101661, 0.1930908403841861, 0.26632870689027294, 0.5, 0.5, 0.7336712931097271,
        0.8069091596158139, 0.9568472398489833), 0.00351687372567793),
    *(
        TestFunction(name, words, f, start, minimum, minimiser, "closed form", others, squares=False)
        for name, words, f, start, minimum, minimiser, others in second_order.FUNCTIONS
    ),
)
# fmt: on
