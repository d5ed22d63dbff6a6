"""Data, problems, and what can be certified about them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# Imported when they are first used: `python -m datasets --help` needs neither torch nor scikit-learn.
_HOMES = {
    "Certificate": "certificates.certificate",
    "certificate": "certificates.certificate",
    "certify": "certificates.certificate",
    "CUTEST": "functions.cutest",
    "FUNCTIONS": "functions.function",
    "TestFunction": "functions.function",
    "NIST": "functions.nist",
    "correct_digits": "functions.nist",
    "breast_cancer": "loaders.breast_cancer",
    "Dataset": "loaders.dataset",
    "libsvm": "loaders.libsvm",
    "multiclass": "loaders.multiclass",
    "DataError": "loaders.storage",
    "synthetic": "loaders.synthetic",
    "Problem": "problem",
    "Published": "problem",
    "PROBLEMS": "registry",
    "TEST_FUNCTIONS": "registry",
    "Recipe": "registry",
    "build": "registry",
    "present_device": "registry",
    "augment": "two_view.augmentation",
    "two_views": "two_view.augmentation",
    "mnist": "two_view.mnist",
    "MNISTTwoView": "two_view.views",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'datasets' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return __all__
