"""Data, problems, and what can be certified about them."""

from .certificates.certificate import Certificate, certificate, certify
from .functions.cutest import CUTEST
from .functions.function import FUNCTIONS, TestFunction
from .functions.nist import NIST, correct_digits
from .loaders.breast_cancer import breast_cancer
from .loaders.dataset import Dataset
from .loaders.libsvm import libsvm
from .loaders.multiclass import multiclass
from .loaders.storage import DataError
from .loaders.synthetic import synthetic
from .problem import Problem, Published
from .registry import PROBLEMS, TEST_FUNCTIONS, Recipe, build, present_device
from .two_view.augmentation import augment, two_views
from .two_view.mnist import mnist
from .two_view.views import MNISTTwoView

__all__ = [
    "CUTEST",
    "FUNCTIONS",
    "NIST",
    "PROBLEMS",
    "TEST_FUNCTIONS",
    "Certificate",
    "DataError",
    "Dataset",
    "MNISTTwoView",
    "Problem",
    "Published",
    "Recipe",
    "TestFunction",
    "augment",
    "breast_cancer",
    "build",
    "certificate",
    "certify",
    "correct_digits",
    "libsvm",
    "mnist",
    "multiclass",
    "present_device",
    "synthetic",
    "two_views",
]
