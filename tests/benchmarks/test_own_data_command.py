"""Own data on the command line: from the file to the report, in this process and in others."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from benchmarks.command.main import app
from benchmarks.runner.environment import ROOT
from benchmarks.store.reading import read
from datasets.__main__ import app as datasets_app
from datasets.own.recipe import VARIABLE

NAME = re.compile(r"patients-logistic-[0-9a-f]{6}")


@pytest.fixture
def patients(tmp_path, monkeypatch) -> str:
    monkeypatch.setenv(VARIABLE, "{}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"age": rng.normal(50, 9, 80), "ward": rng.choice(["a", "b"], 80)})
    table["outcome"] = np.where(table["age"] + 9 * rng.normal(size=80) > 50, "ill", "well")
    table.to_csv(tmp_path / "patients.csv", index=False)
    return str(tmp_path / "patients.csv")


def run(*options: str, verb: str = "run"):
    return CliRunner().invoke(app, [verb, *options])


def own(path: str) -> list[str]:
    return ["--data", path, "--target", "outcome", "--l2", "1e-2"]


@pytest.mark.slow
def test_the_whole_way_from_a_file_to_the_report(patients, tmp_path):
    """As a user types it, isolated; then the same command again, and a report by a later process."""

    def call(*words: str) -> subprocess.CompletedProcess:
        command = [sys.executable, "-m", *words]
        environment = {name: value for name, value in os.environ.items() if name != VARIABLE}
        return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment)

    store, out = str(tmp_path / "runs"), tmp_path / "report"
    command = ["benchmarks", "run", *own(patients), "--solver", "newton", "--repeats", "2", "--store", store]
    measured = call(*command, "--isolate")
    assert measured.returncode == 0 and "2 runs measured" in measured.stderr, measured.stderr
    name = NAME.search(measured.stderr)[0]
    assert "note: target 'outcome': 'ill' is 0, 'well' is 1" in measured.stderr
    assert re.search(rf"{name} +│ logistic +│ 56", measured.stdout) and "exists" in measured.stdout
    assert measured.stdout.index(name) < measured.stdout.index("done ")  # the certificate comes first
    assert "0 runs measured, 2 were there already" in call(*command).stderr
    rows = read(tmp_path / "runs").table.to_pandas()
    assert set(rows["problem"]) == {name} and set(rows["status"]) == {"converged"} and rows["gap"].iloc[-1] < 1e-9
    built = call("reports", "build", "--store", store, "--out", str(out), "--no-data")
    assert built.returncode == 0, built.stderr
    (problem,) = pd.read_csv(out / "tables" / "problems.csv").to_dict("records")
    assert problem["problem"] == name and problem["minimiser"] == "exists"
    assert (out / "figures" / f"{name}--gap-time.svg").exists()
    page = (out / "index.html").read_text()
    assert "logistic of" in page
    assert "2 runs are the same bit for bit" in call("benchmarks", "verify", "--store", store).stderr


def test_a_run_without_isolation_and_beside_a_named_problem(patients, tmp_path):
    store = str(tmp_path / "runs")
    outcome = run(*own(patients), "--problem", "iris", "--solver", "newton", "--repeats", "1", "--store", store)
    assert outcome.exit_code == 0 and "2 runs measured" in outcome.stderr


def test_a_new_file_under_the_same_name_is_another_problem(patients, tmp_path):
    store = str(tmp_path / "runs")
    for _ in range(2):
        outcome = run(*own(patients), "--solver", "newton", "--repeats", "1", "--store", store)
        assert "1 runs measured" in outcome.stderr
        pd.read_csv(patients).iloc[:-1].to_csv(patients, index=False)
    assert read(tmp_path / "runs").table.to_pandas()["problem"].nunique() == 2


def test_profile_and_list_take_own_data(patients):
    shown = run(*own(patients), "--repeats", "1", verb="profile")
    assert shown.exit_code == 0 and re.search(rf"newton-cholesky on {NAME.pattern}", shown.stdout)
    listed = CliRunner().invoke(datasets_app, ["list", *own(patients)], env={"COLUMNS": "200"})
    assert listed.exit_code == 0 and NAME.search(listed.stdout) and "breast-cancer" not in listed.stdout


def test_where_no_minimiser_exists_the_remedy_is_said(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, "{}")
    path = tmp_path / "patients.csv"
    pd.DataFrame({"age": range(40), "outcome": [0] * 20 + [1] * 20}).to_csv(path, index=False)
    options = ["--data", str(path), "--target", "outcome", "--repeats", "1"]
    outcome = run(*options, "--solver", "newton", "--store", str(tmp_path / "runs"))
    assert outcome.exit_code == 0 and "note: no minimiser exists" in outcome.stderr and "--l2 1e-3" in outcome.stderr


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--target", "outcome"], "name the file with --data"),
        (["--l2", "0.1"], "--l2 is about own data"),
        (["--data", "FILE"], "name the column to predict with --target"),
        (["--data", "FILE", "--target", "outcom"], "did you mean outcome?"),
        (["--data", "FILE", "--target", "outcome", "--model", "poisson"], "choose logistic, softmax"),
        (["--data", "FILE", "--target", "outcome", "--suite", "quick"], "--suite has problems of its own"),
        (["--data", "absent.csv", "--target", "outcome"], "there is no file 'absent.csv'"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_2(patients, tmp_path, options, expected):
    options = [patients if word == "FILE" else word for word in options]
    outcome = run(*options, "--store", str(tmp_path / "runs"))
    assert outcome.exit_code == 2 and expected in outcome.stderr
    assert len(outcome.stderr.strip().splitlines()) == 1 and outcome.stderr.startswith("error: ")
    if "--suite" not in options:
        assert CliRunner().invoke(datasets_app, ["list", *options]).exit_code == 2


def test_profile_takes_one_problem(patients):
    outcome = run(*own(patients), "--problem", "iris", verb="profile")
    assert outcome.exit_code == 2 and "--problem and --data both name a problem" in outcome.stderr
