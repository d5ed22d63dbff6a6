"""Second-order solvers behind one interface: `minimize(SOLVERS["newton-cholesky"], objective)`."""

from .auto import Auto
from .base import DirectionalSolver, Proposal, Solver, needs_hessian, towards
from .cholesky_newton import CholeskyNewton
from .clock import Clock, device_clock
from .damped_newton import DampedNewton
from .diagonal_newton import DampedDiagonalNewton, DiagonalNewton
from .gauss_newton import GaussNewton
from .gradient_descent import GradientDescent
from .levenberg_marquardt import LevenbergMarquardt
from .levenberg_newton import LevenbergNewton
from .minimize import Result, minimize
from .newton import Newton
from .newton_cg import NewtonCG
from .phases import COUNTERS, PHASES, Ledger
from .sampled_newton import SampledNewton
from .stopping import Status, Stop
from .trace import Trace

SOLVERS: dict[str, Solver] = {
    "auto": Auto(),
    "gradient-descent": GradientDescent(),
    "newton": Newton(),
    "newton-cholesky": CholeskyNewton(),
    "newton-damped": DampedNewton(),
    "newton-levenberg": LevenbergNewton(),
    "newton-cg": NewtonCG(),
    "newton-sampled": SampledNewton(),
    "gauss-newton": GaussNewton(),
    "levenberg-marquardt": LevenbergMarquardt(),
    "newton-diagonal": DiagonalNewton(),
    "newton-diagonal-damped": DampedDiagonalNewton(),
}

__all__ = [
    "COUNTERS",
    "PHASES",
    "SOLVERS",
    "Auto",
    "CholeskyNewton",
    "Clock",
    "DampedDiagonalNewton",
    "DampedNewton",
    "DiagonalNewton",
    "DirectionalSolver",
    "GaussNewton",
    "GradientDescent",
    "Ledger",
    "LevenbergMarquardt",
    "LevenbergNewton",
    "Newton",
    "NewtonCG",
    "Proposal",
    "Result",
    "SampledNewton",
    "Solver",
    "Status",
    "Stop",
    "Trace",
    "device_clock",
    "minimize",
    "needs_hessian",
    "towards",
]
