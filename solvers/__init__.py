"""Second-order solvers behind one interface: `minimize(SOLVERS["newton-cholesky"], objective)`."""

from .approximate.bfgs import BFGS
from .approximate.diagonal import DampedDiagonalNewton, DiagonalNewton
from .approximate.diagonal_majoriser import DiagonalMajoriser
from .approximate.fixed_hessian import FixedHessianNewton
from .approximate.hutchinson import HutchinsonNewton
from .approximate.kfac import KFAC
from .approximate.lbfgs import LBFGS
from .approximate.sampled import SampledNewton
from .approximate.sketched import SketchedNewton
from .auto import Auto
from .batches.batch import BatchResult, minimize_batch
from .batches.cross_validation import CrossValidation, cross_validate
from .batches.logistic import BatchLogisticRegression
from .batches.path import RegularizationPath, regularization_path
from .common.clock import Clock, device_clock
from .common.instrumentation import COUNTERS, PHASES, Ledger
from .core.checkpoint import Checkpoint
from .core.minimize import Result, minimize
from .core.solver import DirectionalSolver, Proposal, Solver, needs_hessian, towards
from .core.stopping import Status, Stop
from .core.trace import Trace
from .gradient.armijo import ArmijoGradientDescent
from .gradient.barzilai_borwein import BarzilaiBorwein
from .gradient.descent import GradientDescent
from .gradient.nesterov import Nesterov
from .newton.chebyshev import ChebyshevNewton
from .newton.cholesky import CholeskyNewton
from .newton.damped import DampedNewton
from .newton.exact import Newton
from .newton.gauss_newton import GaussNewton
from .newton.gradient_regularised import GradientRegularisedNewton
from .newton.levenberg import LevenbergNewton
from .newton.levenberg_marquardt import LevenbergMarquardt
from .newton.modified_cholesky import ModifiedCholeskyNewton
from .newton.newton_cg import NewtonCG
from .newton.self_concordant import SelfConcordantNewton
from .newton.shamanskii import ShamanskiiNewton
from .trust_region.cubic import Cubic
from .trust_region.dogleg import DoglegTrustRegion
from .trust_region.driver import TrustRegion
from .trust_region.exact import ExactTrustRegion
from .trust_region.steihaug import SteihaugTrustRegion

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
    "BatchLogisticRegression",
    "BatchResult",
    "ChebyshevNewton",
    "Checkpoint",
    "CholeskyNewton",
    "Clock",
    "CrossValidation",
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
    "RegularizationPath",
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
    "cross_validate",
    "device_clock",
    "minimize",
    "minimize_batch",
    "needs_hessian",
    "regularization_path",
    "towards",
]
