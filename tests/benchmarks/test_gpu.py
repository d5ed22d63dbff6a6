"""The GPU kit, where there is no GPU: its steps, its shares, and what it leaves."""

from __future__ import annotations

import csv
import json
import subprocess
import sys

import pytest
import torch
from typer.testing import CliRunner

from benchmarks.audit.simulated_cuda import SimulatedCuda
from benchmarks.command.main import app
from benchmarks.gpu import kit, sizes, variants
from benchmarks.gpu.kernels import kernels, rates_of
from benchmarks.gpu.kit import LEAST, OUTCOMES, STEPS, run
from benchmarks.gpu.steps import STEPS as FUNCTIONS
from benchmarks.gpu.waits import host_waits
from benchmarks.runner.suites import Case
from solvers import SOLVERS, Stop
from solvers.common.sources import ROOT


def scripted(**scripts: str):
    """In place of the commands of steps: a line of Python each."""
    return lambda step, out, device, until: [sys.executable, "-c", scripts.get(step.name, "print('fine')")]


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(kit, "GRACE", 0.0)
    monkeypatch.setattr(kit, "LEAST", 0.0)


def test_every_step_has_its_function_and_the_shares_are_all_of_the_time():
    assert [step.name for step in STEPS] == list(FUNCTIONS)
    assert sum(step.share for step in STEPS) == pytest.approx(1.0)
    assert LEAST < 60


def test_a_step_that_hangs_is_ended_at_its_share_and_the_others_are_run(tmp_path, quick):
    argv = scripted(
        sizes="print('12 cells', flush=True); import time; time.sleep(600)", kernels="raise SystemExit('no')"
    )
    outcomes = {outcome.step: outcome for outcome in run(tmp_path, "cpu", 0.5, argv=argv)}
    assert (outcomes["sizes"].status, outcomes["sizes"].detail) == ("ended", "12 cells")
    assert (outcomes["kernels"].status, outcomes["kernels"].detail) == ("failed", "no")
    assert {outcomes[name].status for name in ("environment", "tests", "profiles")} == {"done"}
    assert [row["step"] for row in json.loads((tmp_path / OUTCOMES).read_text())] == [step.name for step in STEPS]


@pytest.mark.parametrize(("script", "code"), [("print('1 passed')", 0), ("raise SystemExit('1 failed')", 1)])
def test_the_kit_ends_as_the_tests_do(tmp_path, monkeypatch, quick, script, code):
    monkeypatch.setattr(run, "__defaults__", (run.__defaults__[0], scripted(tests=script)))
    outcome = CliRunner().invoke(app, ["gpu", "--device", "cpu", "--minutes", "0.5", "--out", str(tmp_path)])
    assert outcome.exit_code == code, outcome.output
    assert all(step.name in outcome.output for step in STEPS)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
def test_without_cuda_one_sentence_names_the_remedy(tmp_path):
    outcome = CliRunner().invoke(app, ["gpu", "--out", str(tmp_path / "new")])
    assert outcome.exit_code == 2 and "--device cpu --minutes 2" in outcome.stderr
    assert len(outcome.stderr.splitlines()) == 1 and not (tmp_path / "new").exists()


@pytest.mark.parametrize("options", [["--device", "tpu"], ["--device", "cpu", "--minutes", "0"]])
def test_bad_options_are_one_sentence(tmp_path, options):
    outcome = CliRunner().invoke(app, ["gpu", "--out", str(tmp_path / "new"), *options])
    assert outcome.exit_code == 2 and len(outcome.stderr.splitlines()) == 1


def test_a_device_that_is_not_there_is_told_by_its_number():
    with SimulatedCuda():
        outcome = CliRunner().invoke(app, ["gpu", "--device", "cuda:3"])
    assert outcome.exit_code == 2 and "no device cuda:3" in outcome.stderr


def test_sizes_are_timed_on_both_devices_and_what_is_too_large_is_a_row(tmp_path, monkeypatch):
    monkeypatch.setattr(sizes, "ROWS", (50, 10**9))
    monkeypatch.setattr(sizes, "COLUMNS", (3,))
    with SimulatedCuda() as device:
        sizes.sweep(tmp_path, device.name, float("inf"))
    with open(tmp_path / sizes.FILE, newline="") as file:
        rows = list(csv.DictReader(file))
    small, large = ([row for row in rows if row["n"] == n] for n in ("50", str(10**9)))
    assert len(small) == len(large) == 2 * len(sizes.METHODS) * len(sizes.DTYPES)
    assert all(float(row["warm"]) > 0 and row["status"] == "iteration limit" for row in small)
    assert all(row["status"].startswith("not tried: ") for row in large)
    assert sizes.timed(10**9, 3, "float64", "lbfgs", "cpu", 0.1).status == sizes.TOO_LARGE


def test_a_device_out_of_memory_is_a_row(monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 4 GiB")

    monkeypatch.setattr(sizes, "minimize", full)
    assert sizes.timed(50, 3, "float64", "lbfgs", "cpu", 0.1).status == "out of memory"


def test_the_sweep_ends_when_its_time_is_over(tmp_path):
    assert sizes.sweep(tmp_path, "cpu", 0.0).startswith("0 cells; the time was over")


def test_what_a_machine_reaches_is_positive_and_kernels_are_below_it(tmp_path, monkeypatch):
    assert all(value > 0 for _, value in rates_of("cpu", 64))
    monkeypatch.setattr("benchmarks.gpu.kernels.SIZES", ((300, 20),))
    kernels(tmp_path, "cpu", float("inf"))
    with open(tmp_path / "kernels.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["kernel"] for row in rows} >= {"X v", "weighted Gram", "Cholesky and solve"}
    assert all(float(row["seconds"]) > 0 for row in rows)


def test_each_variant_is_a_row_beside_the_usual_way(tmp_path, monkeypatch):
    monkeypatch.setattr(variants, "SIZES_ON_CPU", ((300, 5),))
    monkeypatch.setattr(variants, "REPEATS", 2)
    variants.compare_variants(tmp_path, "cpu", float("inf"))
    with open(tmp_path / variants.FILE, newline="") as file:
        rows = list(csv.DictReader(file))
    names = {row["variant"] for row in rows}
    assert {"Hessian in float32", "Hessian in bfloat16", "4 trials at once", "CUDA graph"} <= names
    assert all(row["status"] == "converged" and float(row["ratio"]) > 0 for row in rows)
    assert all(float(row["low"]) <= float(row["ratio"]) <= float(row["high"]) for row in rows)


def test_a_variant_that_fails_is_a_row_with_its_reason():
    def no_context():
        raise ImportError("no Triton here")

    found = variants.compared(50, 3, "float64", "cpu", variants.Variant("x", SOLVERS["newton"], context=no_context))
    assert found.status == "ImportError: no Triton here" and not found.ratio > 0


def test_reads_of_a_device_are_counted_with_those_where_it_was_idle(monkeypatch):
    with SimulatedCuda() as device:
        case = Case("breast-cancer-l2", "newton-cholesky", stop=Stop(iterations=2), device=device.name)
        answers = iter([True, False] * 1000)
        found = host_waits(case, idle=lambda place: next(answers))
    assert found["reads"] >= 4 and found["idle"] == (found["reads"] + 1) // 2
    assert 0 < found["seconds"] < found["total"]
    assert host_waits(Case("breast-cancer-l2", "newton-cholesky", stop=Stop(iterations=2)))["reads"] == 0


BARE = """
import builtins
known = builtins.__import__

def without(name, *others, **more):
    if name.split(".")[0] in ("asv", "cpuinfo", "jinja2", "mpmath", "pooch", "psutil", "tabulate"):
        raise ImportError(name)
    return known(name, *others, **more)

builtins.__import__ = without
from benchmarks.gpu import steps
from benchmarks.runner.environment import environment, memory
print(environment("cpu")["machine"], memory("cpu") > 0)
"""


@pytest.mark.slow
def test_the_kit_needs_no_package_that_a_bare_machine_may_lack():
    done = subprocess.run([sys.executable, "-c", BARE], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.strip().endswith("True"), done.stderr


@pytest.mark.slow
def test_the_kit_runs_on_the_cpu(tmp_path):
    """In half a minute. On a busy machine a step may be cut off, the tests too, and what was written stays."""
    outcome = CliRunner().invoke(app, ["gpu", "--device", "cpu", "--minutes", "0.6", "--out", str(tmp_path)])
    steps = {row["step"]: row for row in json.loads((tmp_path / OUTCOMES).read_text())}
    assert list(steps) == [step.name for step in STEPS]
    passed = steps["tests"]["status"] == "done" and "passed" in steps["tests"]["detail"]
    assert passed or "took longer" in steps["tests"]["detail"] or steps["tests"]["status"] == "ended", outcome.output
    assert outcome.exit_code == (0 if passed else 1)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"environment.json", "sizes.csv", "steps.json"} <= {path.name for path in files}
    assert len(files) <= 8 and all(path.stat().st_size < 16 << 20 for path in files)
