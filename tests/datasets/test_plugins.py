"""Plug-ins: what a file or a package holds is in the registries, and what is wrong with one is a sentence."""

from __future__ import annotations

import hashlib
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from benchmarks.audit import judge
from benchmarks.command.main import app
from benchmarks.runner.contenders import versions
from benchmarks.runner.isolation import IsolatedRuns, Limits
from benchmarks.runner.measure import _problem
from benchmarks.runner.suites import SUITES, Case, plain
from benchmarks.runner.worker import StartError
from benchmarks.scoreboard import contenders, scores
from benchmarks.store.runs import run_key
from datasets import PROBLEMS, build, certificate, plugins
from solvers import SOLVERS, Newton, Stop
from solvers.adapters import PEERS, TorchOptimizer

GOOD = """
from __future__ import annotations
from dataclasses import dataclass
from datasets import Problem
from datasets.functions.function import TestFunction
from solvers import Newton
from solvers.adapters import SciPy, TorchOptimizer
from solvers.objectives import LogisticRegression
import torch

@dataclass(frozen=True)
class Step:
    '''x+ = x - g.'''
    rate: float = 1.0
    def init(self, point):
        return None
    def step(self, point, state):
        return point + self.rate * -point.gradient, state

def rows(dtype, device):
    '''Four rows.'''
    X = torch.tensor([[1.0, 0.5], [-1.0, 1.0], [2.0, -1.0], [0.3, 0.1]], dtype=dtype, device=device)
    f = LogisticRegression(X, torch.tensor([1.0, 0, 0, 1]).to(X), l2=PENALTY)
    return Problem("rows", "", f, f, f.zeros(), "always the same")

PENALTY = 0.1
SOLVERS = {"my-step": Step(), "my-adam": TorchOptimizer("Adam")}
PROBLEMS = {"my-rows": rows}
PEERS = {"mine:BFGS": SciPy("BFGS")}
"""
LIMITS = Limits(seconds=60.0, memory=2**32)


@pytest.fixture(autouse=True)
def _registries_are_put_back(monkeypatch):
    before = [(registry, dict(registry)) for registry in (SOLVERS, PROBLEMS, PEERS, plugins._files, plugins._origins)]
    monkeypatch.setattr(plugins, "_asked", [True])
    monkeypatch.delenv(plugins.VARIABLE, raising=False)
    yield
    for registry, entries in before:
        registry.clear()
        registry.update(entries)
    for cache in (_problem, certificate):
        cache.cache_clear()


def written(folder: Path, text: str = GOOD, name: str = "mine.py") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def test_what_a_file_holds_is_found_everywhere_and_marked(tmp_path):
    path = written(tmp_path)
    assert plugins.load([path]) == [] and plugins.load([str(path)]) == []  # twice is once
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    assert plugins.loaded() == [(str(path), digest)]
    source = f"mine.py {digest[:16]}"
    assert plugins.origin("solver", "my-step") == plugins.origin("problem", "my-rows") == source
    assert plugins.origin("peer", "mine:BFGS") == source and plugins.origin("solver", "newton") == ""
    for name in ("classic", "quick", "full", "real", "functions", "nist", "sizes", "sweep"):
        assert {"my-step", "my-adam"} <= {case.solver for case in SUITES[name]()}
    assert "my-rows" in {case.problem for case in SUITES["quick"]()}
    assert "mine:BFGS" in {case.solver for case in SUITES["peers"]()}
    for registry in (judge.CONTENDERS, contenders.CONTENDERS):
        assert {"hessbench:my-step", "mine:BFGS"} <= set(registry) and registry["hessbench:my-step"]
        assert "hessbench:other" not in registry and "my-step" not in registry and len(registry) == len(list(registry))
    assert "hessbench:my-step by gradient" in contenders.CONTENDERS
    assert {"hessbench:my-step", "mine:BFGS"} <= set(contenders.timed())
    assert build("my-rows").name == "my-rows" and certificate("my-rows").minimiser
    assert PROBLEMS["my-rows"].summary == "Four rows."


def test_the_version_is_part_of_the_identity_of_all_that_is_stored(tmp_path):
    plugins.load([written(tmp_path)])
    cases = [Case("iris", "my-step"), Case("my-rows", "newton"), Case("iris", "mine:BFGS"), Case("iris", "newton")]
    keys = [run_key(case, 0) for case in cases]
    assert Case("my-rows", "my-step").describe()["plugins"] == dict.fromkeys(
        ("solver", "problem"), plugins.origin("solver", "my-step")
    )
    assert "plugins" not in cases[-1].describe()
    other = "mine.py 0000"
    for name in plugins._origins:
        plugins._origins[name] = other
    assert [key == run_key(case, 0) for key, case in zip(keys, cases, strict=True)] == [False, False, False, True]
    assert versions(["hessbench:my-step by gradient", "mine:BFGS", "hessbench:newton"]) == dict.fromkeys(
        ("hessbench:my-step by gradient", "mine:BFGS"), other
    )


def test_a_certificate_is_that_of_the_file_although_its_checksum_stays(tmp_path, monkeypatch):
    monkeypatch.setenv("HESSBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    plugins.load([written(tmp_path)])
    first = certificate("my-rows").optimum
    for name in [name for name, source in plugins._origins.items() if source.startswith("mine.py")]:
        del plugins.REGISTRIES[name[0].upper() + "S"][1][name[1]], plugins._origins[name]
    plugins._files.clear()
    certificate.cache_clear()
    changed = GOOD.replace("X = torch.tensor([[1.0, 0.5]", "X = torch.tensor([[3.0, 0.5]")  # the same settings
    plugins.load([written(tmp_path, changed)])
    assert not math.isclose(certificate("my-rows").optimum, first)


WRONG = {
    "syntax": ("x = 1\ndef f(:\n", r"line 2: SyntaxError"),
    "an import": ("\nimport nothing_there\n", r"mine.py, line 2: ModuleNotFoundError: No module named 'nothing_there'"),
    "an error deeper": ("def f():\n    return 1 / 0\nf()\n", r"line 2: ZeroDivisionError: division by zero"),
    "it ends": ("import sys\nsys.exit(3)\n", r"line 2: it ends the process \(SystemExit: 3\)"),
    "no bytes of Python": ("x = '\0'", r"mine.py: (SyntaxError|ValueError): source code"),
    "nothing": ("x = 1\n", r"has none of the dicts SOLVERS, PROBLEMS, PEERS"),
    "a list": ("SOLVERS = []\n", r"SOLVERS of plug-in mine.py must be a dict, found list"),
    "taken": ("from solvers import Newton\nSOLVERS = {'newton': Newton()}\n", r"the name of a solver of hessbench"),
    "a class": ("from solvers import Newton\nSOLVERS = {'n': Newton}\n", r"pass a solver of it, Newton\(\)"),
    "no solver": ("SOLVERS = {'n': 1}\n", r"'n' of plug-in mine.py: a solver has init\(point\) and step"),
    "a name": ("SOLVERS = {'a b': 1}\n", r"'a b' of plug-in mine.py has a name that does not fit"),
    "no name": ("SOLVERS = {3: 1}\n", r"solver 3 .*has a name that does not fit"),
    "a peer's name": ("PEERS = {'newton': 1}\n", r"use library:method"),
    "torch's name": ("PEERS = {'torch:Adam': 1}\n", r"has a name that does not fit"),
    "no peer": ("PEERS = {'my:newton': 1}\n", r"must be a dataclass with prepare"),
    "a size": ("PROBLEMS = {'synthetic-10x10': print}\n", r"the name of a problem of hessbench"),
    "no builder": ("PROBLEMS = {'p': 1}\n", r"must be a function of dtype and device"),
}


@pytest.mark.parametrize("what", WRONG)
def test_what_is_wrong_is_one_sentence_and_registers_nothing(tmp_path, what):
    text, words = WRONG[what]
    sizes = [len(registry) for registry in (SOLVERS, PROBLEMS, PEERS)]
    with pytest.raises(plugins.PluginError, match=words) as caught:
        plugins.load([written(tmp_path, text)])
    assert "\n" not in str(caught.value) and sizes == [len(registry) for registry in (SOLVERS, PROBLEMS, PEERS)]


def test_a_command_with_a_bad_file_ends_with_2(tmp_path):
    for path in (written(tmp_path, "1 / 0\n"), tmp_path / "none.py", tmp_path):
        ran = CliRunner().invoke(app, ["list", "--plugin", str(path)])
        assert ran.exit_code == 2 and ran.stderr.startswith("error: plug-in ") and ran.stderr.count("\n") == 1


def test_an_import_that_does_not_end_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(plugins, "PATIENCE", 0.2)
    endless = "def f(): pass\nwhile 1:\n    try:\n        [f() for _ in 'many']\n    except Exception:\n        pass\n"
    with pytest.raises(plugins.PluginError, match=r"line \d+: its import takes more than 0.2 s"):
        plugins.load([written(tmp_path, endless)])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("def p(dtype, device):\n    return 1 / 0\nPROBLEMS = {'p': p}\n", r"mine.py, line 2: ZeroDivisionError"),
        ("def p(dtype, device):\n    return 1\nPROBLEMS = {'p': p}\n", r"must return a datasets.Problem, found int"),
    ],
)
def test_a_problem_that_cannot_be_built_is_one_sentence(tmp_path, text, words):
    plugins.load([written(tmp_path, text)])
    with pytest.raises(plugins.PluginError, match=words):
        build("p")


def test_a_file_that_changes_is_not_mixed_with_what_was_loaded(tmp_path):
    path = written(tmp_path)
    plugins.load([path])
    (same,) = plugins.loaded()
    plugins.load_same([same])
    path.write_text(GOOD + "\n")
    for load in (lambda: plugins.load([path]), lambda: plugins.load_same([same])):
        with pytest.raises(plugins.PluginError, match=r"mine\.py has changed since it was loaded"):
            load()


@pytest.mark.slow
def test_a_process_of_its_own_knows_the_plug_ins_of_this_one_and_refuses_a_changed_file(tmp_path):
    path = written(tmp_path)
    plugins.load([path])
    case = Case("my-rows", "my-step", stop=Stop(iterations=3))
    with IsolatedRuns(LIMITS) as isolated:
        rows = isolated.rows(case, 0)
        assert rows[0]["problem_plugin"] == rows[0]["solver_plugin"] == plugins.origin("solver", "my-step")
        assert rows[-1]["iteration"] == 3 and rows[0]["status"] == "iteration limit"
    path.write_text(GOOD + "\n")
    with IsolatedRuns(LIMITS) as isolated, pytest.raises(StartError, match=r"mine\.py has changed since it was loaded"):
        isolated.rows(case, 0)


def test_the_variable_names_files_too(tmp_path, monkeypatch):
    first = written(tmp_path)
    second = written(tmp_path, "from solvers import Newton\nSOLVERS = {'n': Newton()}\n", "two.py")
    monkeypatch.setenv(plugins.VARIABLE, os.pathsep.join(map(str, (first, second))))
    plugins.load()
    assert {"my-step", "n"} <= set(SOLVERS)


def installed(folder: Path, monkeypatch, **entries: str) -> None:
    info = folder / "some_package-2.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: some-package\nVersion: 2.5\n")
    lines = [f"{name.replace('_', '-')} = {value}" for name, value in entries.items()]
    (info / "entry_points.txt").write_text("\n".join(["[hessbench.solvers]", *lines]))
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setattr(plugins, "_asked", [])


def test_a_package_is_asked_once_and_a_bad_entry_is_left_out_with_a_sentence(tmp_path, monkeypatch):
    written(tmp_path, "from solvers import Newton\nN = Newton(1e-3)\nX = 1\n", "some_module.py")
    written(tmp_path, "raise SystemExit(4)\n", "some_end.py")
    entries = dict(own_newton="some_module:N", bad="some_module:X", end="some_end:N", newton="os:path")
    installed(tmp_path, monkeypatch, **entries)
    left_out = plugins.load()
    assert SOLVERS["own-newton"] == Newton(1e-3)
    assert plugins.origin("solver", "own-newton") == "some-package 2.5"
    assert sorted(sentence.split()[0] for sentence in left_out) == ["end", "solver", "solver"]
    assert all("some-package 2.5" in sentence and "\n" not in sentence for sentence in left_out)
    assert plugins.load() == []


# --- what a user's own solver may have that JSON has not, and stored results of another version

ONES = torch.ones(2)


@dataclass(frozen=True)
class Odd:
    cls: type = Newton
    call: object = math.sin
    tensor: object = ONES
    thing: object = time.monotonic
    nested: tuple = ((1, None), {"a": torch.float64})


def test_settings_of_any_kind_become_plain_values_that_stay():
    odd = vars(Odd())
    assert plain(odd) == plain(dict(odd)) and plain(object()) == plain(object())
    assert plain(odd)["cls"] == "Newton" and plain(odd)["nested"] == [[1, None], {"a": "torch.float64"}]
    assert plain(TorchOptimizer("Adam", lr=0.1).settings) == [["lr", 0.1]]


def test_a_scoreboard_of_another_version_is_measured_again(tmp_path, monkeypatch):
    known = scores.identity() | {"entries": {"hessbench:mine": {}}, "repeats": 3, "budget": 1.0}
    monkeypatch.setattr(scores, "read_record", lambda path, schema: known | {"plugins": {"hessbench:mine": "a.py 1"}})
    asked = (tmp_path, "iris", 1, ["hessbench:mine"], 3, 1.0)
    assert scores.measured(*asked, {"hessbench:mine": "a.py 1"})
    assert not scores.measured(*asked, {"hessbench:mine": "a.py 2"})
