"""Data, problems, and what can be certified about them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

# Imported when they are first used: `python -m datasets --help` needs neither torch nor scikit-learn.
_MODULES = {
    "certificates.certificate": ("Certificate", "certificate", "certificate_of", "certify", "uncertified"),
    "functions.cutest": ("CUTEST",),
    "functions.function": ("FUNCTIONS", "TestFunction"),
    "functions.nist": ("NIST", "correct_digits"),
    "loaders.breast_cancer": ("breast_cancer",),
    "loaders.dataset": ("Dataset",),
    "loaders.libsvm": ("libsvm",),
    "loaders.multiclass": ("multiclass",),
    "loaders.storage": ("DataError",),
    "loaders.synthetic": ("synthetic",),
    "own.arrays": ("problem_from_arrays",),
    "plugins": ("PluginError",),
    "problem": ("Problem", "Published"),
    "registry": ("PROBLEMS", "TEST_FUNCTIONS", "Recipe", "build", "present_device"),
    "two_view.augmentation": ("augment", "two_views"),
    "two_view.mnist": ("mnist",),
    "two_view.views": ("MNISTTwoView",),
}
_HOMES = {name: module for module, names in _MODULES.items() for name in names}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'datasets' has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    return value


def __dir__() -> list[str]:
    return __all__
