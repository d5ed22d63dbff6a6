"""Spark ML's logistic regression, binary and multinomial, in a Spark of this machine."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from ...linalg.kernels import is_sparse
from ...objectives import LogisticRegression, SoftmaxRegression
from ..base import MAX_ITERATIONS, Claim, Fit, logistic, require, require_that, rows_and_labels, softmax


@dataclass(frozen=True)
class SparkML:
    """L-BFGS on mean_i loss_i + regParam/2 ||w||^2: ours over n scale. Its features keep their scale.

    Dense rows in float64, the only precision it has: written to a Parquet file, read in as many parts as torch may use
    threads, and held in memory, before a clock starts; so is Spark, and it stays for the process. The tolerance is
    `tol`, of the change of f. It does not say whether it converged: fewer iterations than allowed is taken for it.
    Spark's own log is silenced. Needs Java 17 or newer.
    """

    takes_any_objective: ClassVar[bool] = False
    needs: ClassVar[str] = "gradient"

    iterations: int = MAX_ITERATIONS
    dtypes: tuple[str, ...] = ("float64",)

    def prepare(self, objective: Any, start: Tensor | None = None) -> Fit:
        classification = require("pyspark.ml.classification", "Spark ML", "cluster")
        f: LogisticRegression | SoftmaxRegression
        if isinstance(objective, SoftmaxRegression):
            f, family = softmax(objective, start, "Spark ML"), "multinomial"
        else:
            f, family = logistic(objective, start, "Spark ML"), "binomial"
            require_that(f.binary and not f.one_class, "Spark ML", "takes labels 0 and 1, both of them")
        require_that(not is_sparse(f.X), "Spark ML", "is measured on dense rows")
        rows = _held_rows(f)

        def fit(tolerance: float) -> Claim:
            model = classification.LogisticRegression(
                family=family,
                regParam=f.l2 / (f.scale * len(f.y)),
                elasticNetParam=0.0,
                standardization=False,
                fitIntercept=f.fit_intercept,
                tol=tolerance,
                maxIter=self.iterations,
            ).fit(rows)
            W = torch.as_tensor(model.coefficientMatrix.toArray(), dtype=torch.float64)  # (K, d); binary: (1, d)
            if f.fit_intercept:
                W = torch.cat([W, torch.as_tensor(model.interceptVector.toArray()).double().unsqueeze(1)], dim=1)
            iterations = int(model.summary.totalIterations)
            return Claim(W.flatten(), iterations, iterations < self.iterations)

        return fit


def _held_rows(f: LogisticRegression | SoftmaxRegression) -> Any:
    """The rows as a cached Spark DataFrame of a vector `features` and a number `label`."""
    import pyarrow
    from pyarrow import parquet
    from pyspark.ml.functions import array_to_vector

    X, y = rows_and_labels(f)
    session, threads = _session(torch.get_num_threads())
    lists = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(X.ravel()), X.shape[1])
    columns = {"x": lists.cast(pyarrow.list_(pyarrow.float64())), "label": y.astype(float)}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "rows.parquet")
        parquet.write_table(pyarrow.table(columns), file, row_group_size=max(1, -(-len(y) // threads)))
        read = session.read.parquet(str(file)).select(array_to_vector("x").alias("features"), "label")
        rows = read.repartition(threads).localCheckpoint()  # in memory now: the file may go
        rows.count()
    return rows


def _session(threads: int) -> tuple[Any, int]:
    """The one Spark of this process, with so many worker threads; one of another number is ended."""
    from pyspark.sql import SparkSession

    master = f"local[{threads}]"
    old = SparkSession.getActiveSession()
    if old is not None and old.sparkContext.master != master:
        old.stop()
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 21  # half of the machine's, in MiB
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.driver.memory": f"{memory}m",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.driver.host": "127.0.0.1",
    }
    session = SparkSession.builder.master(master).config(map=settings).getOrCreate()
    session.sparkContext.setLogLevel("OFF")
    return session, threads
