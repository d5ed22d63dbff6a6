"""`torchrun -m benchmarks run`: what it stores, and what becomes of it where a process fails."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.runner.processes import backend_for
from datasets.streams import convert

ROOT = Path(__file__).resolve().parents[3]
BREAKING, OF_THE_FIRST = (Path(__file__).with_name(f"{name}.py") for name in ("breaking", "of_the_first"))
FIRST_RUN = 14  # directions of the warm-up and of the first run of `breaking`, at least


def torchrun(folder, *options, restarts=0, **variables):
    """Two processes that measure into a folder: the exit status, and the lines on stderr."""
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--max-restarts", str(restarts)]
    command += ["-m", "benchmarks", "run", "--threads", "1", "--store", str(folder)]
    command += [] if {"--problem", "--data"} & set(options) else ["--problem", "breast-cancer-l2"]
    done = subprocess.run(
        [*command, *options], cwd=ROOT, env=os.environ | variables, capture_output=True, text=True, timeout=120
    )
    return done.returncode, done.stderr.splitlines()


def stored(folder):
    return [pd.read_parquet(path) for path in sorted(folder.glob("*.parquet"))]


@pytest.mark.slow
def test_the_first_process_stores_what_was_sent(tmp_path):
    solvers = ["newton-cholesky", "newton-cg", "lbfgs", "newton-chebyshev", "newton-sketched"]
    status, said = torchrun(tmp_path, "--repeats", "1", *(word for name in solvers for word in ("--solver", name)))
    assert status == 0, said
    runs = {run.solver.iloc[0]: run.iloc[-1] for run in stored(tmp_path)}
    assert set(runs) == set(solvers)
    for run in runs.values():
        assert run.status == "converged" and abs(run.gap) < 1e-9
        assert (run.processes, run.backend, run.resumed) == (2, "gloo", 0)
        assert run.bytes_an_iteration == pytest.approx(run.bytes_by_formula, rel=0.05)
        assert 0 <= (run.collectives_an_iteration - run.collectives_by_formula) * run.iteration <= 8
        assert 0 < run.seconds_waiting < run.total_seconds
    status, said = torchrun(tmp_path, "--repeats", "1", "--solver", "lbfgs")
    assert status == 0 and any("0 runs measured over 2 processes, 1 were there already" in line for line in said)


@pytest.mark.slow
def test_only_the_first_process_needs_all_rows(tmp_path):
    """The gap is that of f over all rows, evaluated by the first process."""
    problems = ["--problem", "dense-of-the-first", "--problem", "sparse-of-the-first", "--dtype", "float32"]
    options = ["--plugin", str(OF_THE_FIRST), "--solver", "newton-cholesky", "--dtype", "float64", "--repeats", "1"]
    status, said = torchrun(tmp_path, *problems, *options)
    assert status == 0, said
    ends = [run.iloc[-1] for run in stored(tmp_path)]
    assert len(ends) == 4
    for end in ends:
        assert end.status == "converged" and abs(end.gap) < (1e-9 if end.dtype == "float64" else 1e-5)


@pytest.mark.slow
def test_a_file_is_read_by_the_first_process(tmp_path):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(60, 3))
    np.savez(tmp_path / "own.npz", X=X, y=(X[:, 0] > generator.normal(size=60)).astype(int))
    options = ["--data", str(tmp_path / "own.npz"), "--l2", "1e-2", "--solver", "lbfgs", "--repeats", "1"]
    status, said = torchrun(tmp_path / "store", *options)
    assert status == 0, said
    assert len([line for line in said if line.startswith("own-logistic-")]) == 1
    (run,) = stored(tmp_path / "store")
    assert run.processes.iloc[-1] == 2 and run.status.iloc[-1] == "converged" and abs(run.gap.iloc[-1]) < 1e-9


@pytest.mark.slow
def test_rows_on_a_disk_are_read_by_each_process(tmp_path):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(600, 3))
    np.savez(tmp_path / "own.npz", X=X, y=(X[:, 0] > generator.normal(size=600)).astype(int))
    convert(tmp_path / "own.npz", tmp_path / "blocks", block_bytes=2400)
    options = ["--data", str(tmp_path / "blocks"), "--l2", "1e-2", "--solver", "newton-cg", "--repeats", "1"]
    status, said = torchrun(tmp_path / "store", *options)
    assert status == 0, said
    (run,) = stored(tmp_path / "store")
    assert run.processes.iloc[-1] == 2 and run.status.iloc[-1] == "converged" and abs(run.gap.iloc[-1]) < 1e-9


def test_gpus_talk_by_nccl_and_processors_by_gloo():
    assert [backend_for(device) for device in ("cuda", "cuda:1", "cpu")] == ["nccl", "nccl", "gloo"]


NAMED = {
    "kill": "rank 1 has ended or hangs: nothing was heard of it",
    "stop": "rank 1 has ended or hangs: nothing was heard of it",
    "raise": "rank 1 failed: ArithmeticError: the rows of this rank are broken",
    "memory": "rank 1 failed: MemoryError: cannot allocate 10 GB",
    "sleep": "rank 1 did not come to collective",
}


@pytest.mark.slow
@pytest.mark.parametrize("how", NAMED)
def test_a_process_that_fails_is_named_and_what_is_stored_stays(tmp_path, how):
    options = ["--plugin", str(BREAKING), "--solver", "breaking", "--repeats", "5", "--rank-timeout", "4"]
    status, said = torchrun(tmp_path, *options, BREAK=how, BREAK_AT=str(FIRST_RUN))
    errors = {line for line in said if line.startswith("error: ")}
    assert status != 0 and len(errors) == 1, said
    (error,) = errors
    assert error.startswith(f"error: {NAMED[how]}") and error.endswith("what is stored stays")
    assert len(stored(tmp_path)) == 1


@pytest.mark.slow
def test_a_restart_goes_on_in_the_middle_of_a_run(tmp_path):
    """The second run is broken in its third step at the earliest, and saved at every one."""
    options = ["--plugin", str(BREAKING), "--solver", "breaking", "--repeats", "2", "--checkpoint", "0"]
    status, said = torchrun(tmp_path, *options, restarts=1, BREAK="kill", BREAK_AT=str(FIRST_RUN + 5))
    assert status == 0, said
    whole, resumed = sorted(stored(tmp_path), key=lambda run: run.resumed.iloc[0])
    assert whole.resumed.iloc[0] == 0 < resumed.resumed.iloc[0]
    assert whole.iterate.tolist() == resumed.iterate.tolist()
    assert not list((tmp_path / "checkpoints").iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--problem", "mgh-rosenbrock"], "has no rows that could be divided over processes"),
        (["--peer", "scipy:trust-exact"], "is of another library"),
    ],
)
def test_what_cannot_be_divided_is_refused_in_one_sentence(tmp_path, options, sentence):
    status, said = torchrun(tmp_path, "--repeats", "1", *options)
    assert status != 0
    (error,) = {line for line in said if line.startswith("error: ")}
    assert sentence in error and "rank" not in error
