"""Peers behind one interface: `PEERS["scipy:trust-exact"].prepare(objective)(tolerance)`.

A peer is named library:method. Its library is imported when the peer is used, and never before.
"""

from .base import Claim, Fit, MissingPeerError, Peer, rebuilt
from .cluster import DaskML, SparkML
from .glum_irls import Glum
from .optimistix import Optimistix
from .pytorch_minimize import PyTorchMinimize
from .scikit_learn import ScikitLearn
from .scipy_numpy import SciPyNumPy
from .scipy_optimize import METHODS, SciPy
from .snap_ml import SnapML
from .stats_models import StatsModels
from .torch_autograd import TorchAutograd
from .torch_lbfgs import TorchLBFGS
from .torch_optimizer import TorchOptimizer

PEERS: dict[str, Peer] = {
    **{f"scikit-learn:{name}": ScikitLearn(name) for name in ("newton-cholesky", "newton-cg", "lbfgs")},
    "scikit-learn:liblinear": ScikitLearn("liblinear", dtypes=("float64",)),  # it would cast float32 back
    "glum:irls-ls": Glum(),
    "snapml:logistic": SnapML(),
    **{f"optimistix:{name}": Optimistix(name) for name in ("LBFGS", "BFGS")},
    "spark-ml:lbfgs": SparkML(),
    "dask-ml:lbfgs": DaskML(),
    **{f"scipy-numpy:{name}": SciPyNumPy(name) for name in METHODS},  # on an objective in NumPy
    **{f"scipy:{name}": SciPy(name) for name in METHODS},  # on ours
    "torch-autograd:LBFGS": TorchAutograd(),
    "torch.optim:LBFGS": TorchLBFGS(),
    **{
        f"pytorch-minimize:{name}": PyTorchMinimize(name)
        for name in ("newton-exact", "newton-cg", "trust-exact", "l-bfgs")
    },
    **{f"statsmodels:{name}": StatsModels(name) for name in ("newton", "irls")},
}

__all__ = [
    "PEERS",
    "Claim",
    "DaskML",
    "Fit",
    "Glum",
    "MissingPeerError",
    "Optimistix",
    "Peer",
    "PyTorchMinimize",
    "SciPy",
    "SciPyNumPy",
    "ScikitLearn",
    "SnapML",
    "SparkML",
    "StatsModels",
    "TorchAutograd",
    "TorchLBFGS",
    "TorchOptimizer",
    "rebuilt",
]
