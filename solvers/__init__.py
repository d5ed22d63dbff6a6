"""Second-order solvers behind one interface: `minimize(SOLVERS["newton-cholesky"], objective)`."""

from .auto import Auto
from .base import DirectionalSolver, Proposal, Solver, needs_hessian, towards
from .chebyshev_newton import ChebyshevNewton
from .cholesky_newton import CholeskyNewton
from .clock import Clock, device_clock
from .cubic import Cubic
from .damped_newton import DampedNewton
from .diagonal_newton import DampedDiagonalNewton, DiagonalNewton
from .gradient_descent import GradientDescent
from .levenberg_newton import LevenbergNewton
from .minimize import Result, minimize
from .modified_cholesky import ModifiedCholeskyNewton
from .newton import Newton
from .newton_cg import NewtonCG
from .phases import COUNTERS, PHASES, Ledger
from .sampled_newton import SampledNewton
from .stopping import Status, Stop
from .trace import Trace
from .trust_region import TrustRegion
from .trust_region_dogleg import DoglegTrustRegion
from .trust_region_exact import ExactTrustRegion
from .trust_region_steihaug import SteihaugTrustRegion

SOLVERS: dict[str, Solver] = {
    "auto": Auto(),
    "gradient-descent": GradientDescent(),
    "newton": Newton(),
    "newton-cholesky": CholeskyNewton(),
    "newton-chebyshev": ChebyshevNewton(),
    "newton-damped": DampedNewton(),
    "newton-levenberg": LevenbergNewton(),
    "newton-modified-cholesky": ModifiedCholeskyNewton(),
    "newton-cg": NewtonCG(),
    "newton-sampled": SampledNewton(),
    "trust-region-exact": ExactTrustRegion(),
    "trust-region-steihaug": SteihaugTrustRegion(),
    "trust-region-dogleg": DoglegTrustRegion(),
    "cubic": Cubic(),
    "newton-diagonal": DiagonalNewton(),
    "newton-diagonal-damped": DampedDiagonalNewton(),
}

__all__ = [
    "COUNTERS",
    "PHASES",
    "SOLVERS",
    "Auto",
    "ChebyshevNewton",
    "CholeskyNewton",
    "Clock",
    "Cubic",
    "DampedDiagonalNewton",
    "DampedNewton",
    "DiagonalNewton",
    "DirectionalSolver",
    "DoglegTrustRegion",
    "ExactTrustRegion",
    "GradientDescent",
    "Ledger",
    "LevenbergNewton",
    "ModifiedCholeskyNewton",
    "Newton",
    "NewtonCG",
    "Proposal",
    "Result",
    "SampledNewton",
    "Solver",
    "Status",
    "SteihaugTrustRegion",
    "Stop",
    "Trace",
    "TrustRegion",
    "device_clock",
    "minimize",
    "needs_hessian",
    "towards",
]
