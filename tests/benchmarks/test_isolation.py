"""One bad solver never ends a suite: in a process of its own each run is a row, with a status and a message."""

from __future__ import annotations

import re
from functools import partial

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from benchmarks.command import run as command
from benchmarks.command.main import app
from benchmarks.runner.disturbance import COLUMNS
from benchmarks.runner.isolation import IsolatedRuns, Limits
from benchmarks.runner.measure import Measurement, evaluate, measure
from benchmarks.runner.suites import Case, fixed
from benchmarks.store import runs as store_module
from solvers import SOLVERS
from tests.fakes import BAD, comparable, register

LIMITS = Limits(seconds=8.0, memory=2**30)
TIMES = ("seconds", "total_seconds", *COLUMNS)


@pytest.fixture
def worker():
    with IsolatedRuns(LIMITS, prepare=register) as worker:
        yield worker


def untimed(rows: list[dict]) -> list[dict]:
    return [{name: value for name, value in comparable(row).items() if name not in TIMES} for row in rows]


@pytest.mark.slow
def test_a_run_in_another_process_is_the_same_run_and_the_process_stays(worker):
    case = Case("breast-cancer-l2", "newton-cholesky", stop=fixed(3))
    assert untimed(worker.rows(case, 1)) == untimed(evaluate(measure(case, 1)))
    first = worker.worker.process.pid
    worker.rows(case, 2)
    assert worker.worker.process.pid == first


@pytest.mark.slow
def test_bad_solvers_are_rows_and_the_suite_goes_on(tmp_path, monkeypatch):
    for name, solver in BAD.items():
        monkeypatch.setitem(SOLVERS, name, solver)
    for module in (store_module, command):
        monkeypatch.setattr(module, "calibration", lambda *_: {})
    monkeypatch.setattr(command, "IsolatedRuns", partial(IsolatedRuns, prepare=register))
    names = [word for name in (*BAD, "newton") for word in ("--solver", name)]
    options = ("--problem", "breast-cancer-l2", "--repeats", "1", "--store", str(tmp_path))
    outcome = CliRunner().invoke(
        app, ["run", *options, *names, "--isolate", "--timeout", str(LIMITS.seconds), "--memory", "1"]
    )
    assert outcome.exit_code == 0, outcome.output
    rows = [pq.read_table(path).to_pylist()[-1] for path in tmp_path.glob("*.parquet")]
    found = {row["solver"]: (row["status"], row["message"]) for row in rows}
    assert found["newton"][0] == "converged" and found["undefined"][0] == "diverged"
    assert found["raising"] == ("error", "ArithmeticError: no step today")
    assert found["hanging"] == ("error", "no end within 8 s: its process was ended")
    assert found["dying"] == ("error", "its process was ended by SIGSEGV")
    assert found["quitting"] == ("error", "its process was ended by exit status 3")
    assert found["hungry"][0] == "error"
    (refused,) = re.findall(r"can't allocate memory: you tried to allocate (\d+) bytes", found["hungry"][1])
    assert int(refused) <= LIMITS.memory


PEER = "scikit-learn:lbfgs"


@pytest.mark.parametrize(
    ("options", "isolated"),
    [
        (("--solver", "newton"), False),
        (("--peer", PEER), True),
        (("--peer", PEER, "--solver", "newton"), True),
        (("--solver", "newton", "--isolate"), True),
        (("--peer", PEER, "--no-isolate"), False),
    ],
)
def test_runs_are_isolated_where_there_are_peers_or_where_it_is_asked_for(tmp_path, monkeypatch, options, isolated):
    places = []

    class Elsewhere(IsolatedRuns):
        def rows(self, case, repeat):
            places.append(True)
            return evaluate(Measurement(case, repeat, None, "not run"))

    def here(case, repeat):
        places.append(False)
        return Measurement(case, repeat, None, "not run")

    for module in (store_module, command):
        monkeypatch.setattr(module, "calibration", lambda *_: {})
    monkeypatch.setattr(command, "IsolatedRuns", Elsewhere)
    monkeypatch.setattr(command, "measure", here)
    outcome = CliRunner().invoke(
        app, ["run", "--problem", "breast-cancer-l2", "--repeats", "1", "--store", str(tmp_path), *options]
    )
    assert outcome.exit_code == 0, outcome.output
    assert places == [isolated] * (options.count("--peer") + options.count("--solver"))
