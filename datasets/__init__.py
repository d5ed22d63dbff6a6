"""Data, problems, and what can be certified about them."""

from .base import Dataset
from .breast_cancer import breast_cancer
from .certificate import Certificate, certificate, certify
from .problems import PROBLEMS, Problem, build, present_device

__all__ = [
    "PROBLEMS",
    "Certificate",
    "Dataset",
    "Problem",
    "breast_cancer",
    "build",
    "certificate",
    "certify",
    "present_device",
]
