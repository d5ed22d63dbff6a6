"""Measure solvers: which one, on which problem, for how long, to what accuracy."""

import os

# Asking for CUDA must not create a context in the process that asv forks its benchmarks from.
os.environ.setdefault("PYTORCH_NVML_BASED_CUDA_CHECK", "1")
