"""Second-order solvers behind one interface: `minimize(SOLVERS["newton-cholesky"], objective)`."""

from .armijo_descent import ArmijoGradientDescent
from .auto import Auto
from .barzilai_borwein import BarzilaiBorwein
from .base import DirectionalSolver, Proposal, Solver, needs_hessian, towards
from .bfgs import BFGS
from .cholesky_newton import CholeskyNewton
from .clock import Clock, device_clock
from .damped_newton import DampedNewton
from .diagonal_majoriser import DiagonalMajoriser
from .diagonal_newton import DampedDiagonalNewton, DiagonalNewton
from .fixed_hessian import FixedHessianNewton
from .gradient_descent import GradientDescent
from .gradient_regularised_newton import GradientRegularisedNewton
from .hutchinson_newton import HutchinsonNewton
from .lbfgs import LBFGS
from .levenberg_newton import LevenbergNewton
from .minimize import Result, minimize
from .nesterov import Nesterov
from .newton import Newton
from .newton_cg import NewtonCG
from .phases import COUNTERS, PHASES, Ledger
from .sampled_newton import SampledNewton
from .self_concordant_newton import SelfConcordantNewton
from .shamanskii_newton import ShamanskiiNewton
from .sketched_newton import SketchedNewton
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
    "newton-diagonal": DiagonalNewton(),
    "newton-diagonal-damped": DampedDiagonalNewton(),
    "lbfgs": LBFGS(),
    "bfgs": BFGS(),
    "gradient-descent-armijo": ArmijoGradientDescent(),
    "barzilai-borwein": BarzilaiBorwein(),
    "nesterov": Nesterov(),
    "newton-self-concordant": SelfConcordantNewton(),
    "newton-gradient-regularised": GradientRegularisedNewton(),
    "newton-fixed-hessian": FixedHessianNewton(),
    "newton-shamanskii": ShamanskiiNewton(),
    "newton-sketched": SketchedNewton(),
    "diagonal-majoriser": DiagonalMajoriser(),
    "newton-diagonal-hutchinson": HutchinsonNewton(),
}

__all__ = [
    "BFGS",
    "COUNTERS",
    "LBFGS",
    "PHASES",
    "SOLVERS",
    "ArmijoGradientDescent",
    "Auto",
    "BarzilaiBorwein",
    "CholeskyNewton",
    "Clock",
    "DampedDiagonalNewton",
    "DampedNewton",
    "DiagonalMajoriser",
    "DiagonalNewton",
    "DirectionalSolver",
    "FixedHessianNewton",
    "GradientDescent",
    "GradientRegularisedNewton",
    "HutchinsonNewton",
    "Ledger",
    "LevenbergNewton",
    "Nesterov",
    "Newton",
    "NewtonCG",
    "Proposal",
    "Result",
    "SampledNewton",
    "SelfConcordantNewton",
    "ShamanskiiNewton",
    "SketchedNewton",
    "Solver",
    "Status",
    "Stop",
    "Trace",
    "device_clock",
    "minimize",
    "needs_hessian",
    "towards",
]
