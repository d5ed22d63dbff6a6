"""Second-order solvers behind one interface: `minimize(SOLVERS["newton-cholesky"], objective)`."""

from .armijo_descent import ArmijoGradientDescent
from .auto import Auto
from .barzilai_borwein import BarzilaiBorwein
from .base import DirectionalSolver, Proposal, Solver, needs_hessian, towards
from .bfgs import BFGS
from .chebyshev_newton import ChebyshevNewton
from .cholesky_newton import CholeskyNewton
from .clock import Clock, device_clock
from .cubic import Cubic
from .damped_newton import DampedNewton
from .diagonal_majoriser import DiagonalMajoriser
from .diagonal_newton import DampedDiagonalNewton, DiagonalNewton
from .fixed_hessian import FixedHessianNewton
from .gauss_newton import GaussNewton
from .gradient_descent import GradientDescent
from .gradient_regularised_newton import GradientRegularisedNewton
from .hutchinson_newton import HutchinsonNewton
from .kfac import KFAC
from .lbfgs import LBFGS
from .levenberg_marquardt import LevenbergMarquardt
from .levenberg_newton import LevenbergNewton
from .minimize import Result, minimize
from .modified_cholesky import ModifiedCholeskyNewton
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
    "gauss-newton": GaussNewton(),
    "levenberg-marquardt": LevenbergMarquardt(),
    "kfac": KFAC(),
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
    "KFAC",
    "LBFGS",
    "PHASES",
    "SOLVERS",
    "ArmijoGradientDescent",
    "Auto",
    "BarzilaiBorwein",
    "ChebyshevNewton",
    "CholeskyNewton",
    "Clock",
    "Cubic",
    "DampedDiagonalNewton",
    "DampedNewton",
    "DiagonalMajoriser",
    "DiagonalNewton",
    "DirectionalSolver",
    "DoglegTrustRegion",
    "ExactTrustRegion",
    "FixedHessianNewton",
    "GaussNewton",
    "GradientDescent",
    "GradientRegularisedNewton",
    "HutchinsonNewton",
    "Ledger",
    "LevenbergMarquardt",
    "LevenbergNewton",
    "ModifiedCholeskyNewton",
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
    "SteihaugTrustRegion",
    "Stop",
    "Trace",
    "TrustRegion",
    "device_clock",
    "minimize",
    "needs_hessian",
    "towards",
]
