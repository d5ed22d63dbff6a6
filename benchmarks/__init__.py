"""Measure solvers: which one, on which problem, for how long, to what accuracy."""

import os

# Asking for CUDA must not create a context in the process that asv forks its benchmarks from.
os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")


def __getattr__(name: str):
    """`compare`, imported when it is first asked for: asv imports this package, and needs none of it."""
    if name != "compare":
        raise AttributeError(f"module 'benchmarks' has no attribute {name!r}")
    from importlib import import_module

    return import_module("benchmarks.comparison.compare").compare
