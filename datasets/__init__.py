"""Data, problems, and what can be certified about them."""

from .augmentation import augment, two_views
from .base import Dataset
from .breast_cancer import breast_cancer
from .certificate import Certificate, certificate, certify
from .cutest import CUTEST
from .functions import FUNCTIONS, TestFunction
from .libsvm import libsvm
from .mnist import mnist
from .mnist_two_view import MNISTTwoView
from .multiclass import multiclass
from .nist import NIST, correct_digits
from .problem import Problem, Published
from .problems import PROBLEMS, TEST_FUNCTIONS, Recipe, build, present_device
from .storage import DataError
from .synthetic import synthetic

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
