"""Data, problems, and what can be certified about them."""

from .augmentation import augment, two_views
from .base import Dataset
from .breast_cancer import breast_cancer
from .certificate import Certificate, certificate, certify
from .libsvm import libsvm
from .mnist_two_view import MNISTTwoView
from .problems import PROBLEMS, Problem, build, present_device
from .storage import DataError
from .synthetic import synthetic

__all__ = [
    "PROBLEMS",
    "Certificate",
    "DataError",
    "Dataset",
    "MNISTTwoView",
    "Problem",
    "augment",
    "breast_cancer",
    "build",
    "certificate",
    "certify",
    "libsvm",
    "present_device",
    "synthetic",
    "two_views",
]
