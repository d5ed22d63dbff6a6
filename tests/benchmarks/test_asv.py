"""The asv suite: cells that are not there are n/a, targets mean what they say, and two configurations agree."""

from __future__ import annotations

import importlib
import inspect
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import asv.machine
import pytest
import torch

import asv_link
import asv_machine
from benchmarks import grid, time_to_accuracy
from benchmarks.runner.environment import ROOT
from datasets import build, certificate
from solvers import SOLVERS, minimize

MODULES = ("iteration_cost", "kernel_cost", "memory", "time_to_accuracy", "two_view")
KINDS = ("time_", "track_", "peakmem_", "mem_")


def suites() -> list[type]:
    """Every class that asv would take for benchmarks."""
    modules = [importlib.import_module(f"benchmarks.{name}") for name in MODULES]
    classes = [member for module in modules for _, member in inspect.getmembers(module, inspect.isclass)]
    return [c for c in classes if any(name.startswith(KINDS) and callable(getattr(c, name)) for name in dir(c))]


def first_cell(suite: type, device: str) -> tuple[str, ...]:
    """Its first parameters, with a solver that reaches every target."""
    chosen = {"device": device, "solver": "newton-cholesky"}
    return tuple(chosen.get(name, values[0]) for name, values in zip(suite.param_names, suite.params, strict=True))


def test_asv_finds_these_families_and_no_benchmark_by_accident():
    assert {suite.__name__ for suite in suites()} == {
        *("IterationCost", "Kernels", "HostMemory", "DeviceMemory", "IterationsToTarget", "TimeToTarget", "TwoViews")
    }
    for path in sorted((ROOT / "benchmarks").glob("*.py")):
        module = importlib.import_module(f"benchmarks.{path.stem}") if path.stem != "__main__" else grid
        assert not [n for n, _ in inspect.getmembers(module, inspect.isfunction) if n.startswith(KINDS)], path.name


@pytest.mark.parametrize("suite", suites(), ids=lambda suite: suite.__name__)
def test_a_version_is_set_by_hand_so_that_a_comment_does_not_drop_history(suite):
    assert suite.version.isdigit() and len(suite.params) == len(suite.param_names)


@pytest.mark.parametrize("suite", suites(), ids=lambda suite: suite.__name__)
def test_the_first_cell_of_each_family_runs(suite):
    cell = first_cell(suite, "cpu")
    instance = suite()
    if suite.__name__ == "DeviceMemory" and not torch.cuda.is_available():
        with pytest.raises(NotImplementedError, match="no device cuda"):
            instance.setup(*cell)
        return
    instance.setup(*cell)
    for name in dir(suite):
        if name.startswith(KINDS) and callable(getattr(suite, name)):
            value = getattr(instance, name)(*cell)
            assert value is None or value > 0


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU here")
@pytest.mark.parametrize("suite", suites(), ids=lambda suite: suite.__name__)
def test_a_cell_on_a_device_that_is_not_there_is_not_available_and_does_not_fail(suite):
    if "device" not in suite.param_names:
        pytest.skip("has no cells on devices")
    with pytest.raises(NotImplementedError):
        suite().setup(*first_cell(suite, "cuda"))


def test_what_a_commit_lacks_is_not_available():
    for missing in (("no-such-solver", "breast-cancer-l2"), ("newton", "no-such-problem")):
        with pytest.raises(NotImplementedError, match="this commit has no"):
            grid.prepare(*missing, "float64", "cpu")


@pytest.mark.slow
def test_importing_what_asv_imports_computes_nothing_and_opens_no_device():
    code = "import torch, " + ", ".join(f"benchmarks.{name}" for name in MODULES)
    code += "; print(torch.cuda.is_initialized(), 'solvers' in __import__('sys').modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]  # commits that lack a name fail in `setup`, where it is n/a


def test_the_targets_are_reached_at_the_iteration_that_is_tracked():
    problem, solver = build(time_to_accuracy.PROBLEM), SOLVERS["newton-cholesky"]
    best = certificate(time_to_accuracy.PROBLEM).optimum
    start = float(problem.objective.at(problem.x0).value) - best
    for target in ("gap 1e-3", "gap 1e-9", "test error 5e-2"):
        at = time_to_accuracy.iterations_to(target, solver, problem)
        level = float(target.split()[-1])
        for iterations, there in ((int(at), True), (int(at) - 1, False)):
            x = minimize(solver, problem.objective, problem.x0, grid.fixed(iterations)).x
            if target.startswith("gap"):
                distance = (float(problem.objective.at(x).value) - best) / start
            else:
                distance = 1 - problem.held_out.accuracy(x)
            assert (distance <= level) == there
    assert math.isnan(time_to_accuracy.iterations_to("gap 1e-9", SOLVERS["gradient-descent"], problem))


def test_the_light_configuration_measures_the_same_benchmarks_into_the_same_results():
    own, light = (json.loads((ROOT / name).read_text()) for name in ("asv.conf.json", "asv.link.conf.json"))
    for key in ("project", "repo", "branches", "plugins", "benchmark_dir", "results_dir", "html_dir", "launch_method"):
        assert own[key] == light[key]
    assert own["matrix"]["env_nobuild"] == light["matrix"]["env_nobuild"] and "req" not in light["matrix"]


def test_the_requirements_of_asv_are_the_pins_of_the_project():
    pins = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if "==" in line and line[0] != "#"
    )
    pins = {name.lower(): version.split()[0] for name, version in pins.items()}
    for name, (version,) in json.loads((ROOT / "asv.conf.json").read_text())["matrix"]["req"].items():
        assert pins.get(name.lower(), version) == version


@pytest.mark.slow
def test_asv_runs_on_a_machine_that_it_has_never_seen_without_a_question(tmp_path):
    """The first asv command of docs/comparing-commits.md, with one family of benchmarks, in an empty home folder."""
    call = [sys.executable, "-m", "asv", "run", "-E", "existing", "--quick", "--dry-run", "-b", "memory.DeviceMemory"]
    home = os.environ | {"HOME": str(tmp_path)}
    done = subprocess.run(call, cwd=ROOT, env=home, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 0 and "DeviceMemory" in done.stdout, done.stdout + done.stderr
    assert (tmp_path / ".asv-machine.json").exists()


def test_what_asv_was_told_about_a_machine_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    asv_machine.setup()
    path = tmp_path / ".asv-machine.json"
    told = json.loads(path.read_text())
    told[asv.machine.Machine.get_unique_machine_name()]["ram"] = "as the user says"
    path.write_text(json.dumps(told))
    asv_machine.setup()
    assert json.loads(path.read_text()) == told


def test_the_link_puts_a_commit_before_the_packages_of_the_project(tmp_path):
    for environment in (tmp_path / "env", tmp_path / "project" / ".venv"):
        (environment / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    written = asv_link.link(tmp_path / "env", tmp_path / "checkout", tmp_path / "project")
    first, second = written.read_text().splitlines()
    assert written.parent.parent.parent.parent == tmp_path / "env" and written.suffix == ".pth"
    assert first == str(tmp_path / "checkout") and Path(second).is_relative_to(tmp_path / "project" / ".venv")
    with pytest.raises(SystemExit, match=r"run `make` first"):
        asv_link.link(tmp_path / "env", tmp_path / "checkout", tmp_path / "elsewhere")
