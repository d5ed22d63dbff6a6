"""Peers that spread rows over processes or machines: the extra `cluster`."""

from .dask_ml import DaskML
from .spark_ml import SparkML

__all__ = ["DaskML", "SparkML"]
