"""Runs in the formats of other suites: the columns they name, what their own readers make of them, and the way back."""

from __future__ import annotations

import json
import math
import sys
from types import ModuleType

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from reports.__main__ import app
from reports.data.runs import load
from reports.exchange import benchopt, from_benchopt, optiprofiler
from tests.pages import DOCS, write_files
from tests.reports.made_up import frames, repeats, run

TEXTS = ("objective_name", "dataset_name", "solver_name", "sampling_strategy", "run_date", "p_solver_dtype")


def exported(*runs: dict) -> pd.DataFrame:
    frame, metadata = frames(*runs)
    return benchopt.to_benchopt(frame.assign(plain_label=frame["label"]), metadata)


def invoke(*words: object):
    return CliRunner().invoke(app, [str(word) for word in words])


# --- to benchopt


def test_a_file_for_benchopt_has_the_columns_and_types_of_its_runner():
    rows = exported(*repeats(), *repeats(solver="lbfgs", seconds=2.0))
    assert all(pd.api.types.is_string_dtype(rows[name]) for name in TEXTS)
    assert rows[["idx_rep", "stop_val"]].dtypes.eq("int64").all()
    assert rows[["time", "objective_value", "objective_gap"]].dtypes.eq("float64").all()
    assert set(rows["solver_name"]) == {"newton", "lbfgs"} and set(rows["idx_rep"]) == set(range(6))
    first = rows[(rows["solver_name"] == "lbfgs") & (rows["idx_rep"] == 2)].sort_values("stop_val")
    assert first["time"].tolist() == [0.0, 2.0] and first["stop_val"].tolist() == [0, 10]
    assert first["objective_value"].tolist() == [1.0, 0.5] and first["objective_gap"].tolist() == [1.0, 1e-9]
    assert not rows.duplicated(["dataset_name", "objective_name", "solver_name", "idx_rep", "stop_val"]).any()


def test_what_differs_between_runs_is_in_the_name_that_benchopt_groups_by():
    rows = exported(run(), run(dtype="float32"), run(dtype="float32", threads=2))
    assert set(rows["solver_name"]) == {
        "newton[dtype=float64,threads=1]",
        "newton[dtype=float32,threads=1]",
        "newton[dtype=float32,threads=2]",
    }
    assert set(rows["idx_rep"]) == {0}


def test_iterates_without_a_value_are_left_out():
    assert set(exported(run(), run(solver="broken", value=math.nan))["solver_name"]) == {"newton", "broken"}
    assert len(exported(run(solver="broken", value=math.nan))) == 1  # its start has a value


def test_benchopt_reads_and_draws_the_file(tmp_path):
    reader = pytest.importorskip("benchopt.results", reason="benchopt is not installed")
    plots = pytest.importorskip("benchopt.plotting.default_plots", reason="benchopt is not installed")
    benchopt.write(exported(*repeats(), *repeats(solver="lbfgs", seconds=2.0)), tmp_path / "runs.parquet")
    rows = reader.read_results(tmp_path / "runs.parquet")
    curves = plots.ObjectiveCurvePlot().plot(rows, "iris", "hessbench", "objective_value", "Time")
    assert {curve["label"]: curve["x"][-1] for curve in curves} == pytest.approx({"newton": 1.0, "lbfgs": 2.0})


# --- to OptiProfiler


def test_a_group_for_optiprofiler_has_its_arrays():
    frame, _ = frames(*repeats(optimum=0.4), *repeats(solver="lbfgs", iterations=3, optimum=0.4))
    group = optiprofiler.to_optiprofiler(frame, lambda problem: 7)
    shapes = {name: (1, 2, 1) for name in ("fun_outs", "maxcv_outs", "merit_outs", "n_evals", "computation_times")}
    shapes |= {"fun_histories": (1, 2, 1, 11), "fun_inits": (1, 1), "problem_dims": (1,)}
    assert {name: group[name].shape for name in shapes} == shapes
    assert group["n_evals"].ravel().tolist() == [11, 4] and group["n_evals"].dtype == np.int64
    assert group["fun_histories"][0, 0, 0].tolist() == [1.0] * 10 + [0.5]
    assert group["fun_histories"][0, 1, 0].tolist() == [1.0] * 3 + [0.5] * 8  # padded with the last value
    assert json.loads(group["reference_records"][0])[0]["fun"] == 0.4 and group["problem_dims"].tolist() == [7]


def test_evaluations_are_those_that_were_counted_and_one_an_iterate_at_least():
    cell, _ = frames(run(iterations=4))
    assert len(optiprofiler.history(cell)) == 5
    assert optiprofiler.history(cell.assign(values=[1, 9])).tolist() == [1.0] * 8 + [0.5]


def test_without_a_certificate_there_is_no_reference():
    frame, _ = frames(run(optimum=0.4, no_gap="f* is not known"))
    assert optiprofiler.reference(frame, "iris") is None


def test_a_solver_that_has_no_run_on_a_problem_is_a_failure_there():
    frame, _ = frames(run(optimum=0.4), run(solver="lbfgs", optimum=0.4), run(problem="digits", optimum=0.1))
    group = optiprofiler.to_optiprofiler(frame, lambda problem: 1)
    assert group["solvers_successes"][1, :, 0].tolist() == [True, False]
    assert np.isnan(group["fun_histories"][1, 1]).all() and group["n_evals"][1, 1, 0] == 0


def test_optiprofiler_loads_the_folder(tmp_path):
    pytest.importorskip("h5py", reason="h5py is not installed")
    loader = pytest.importorskip("optiprofiler.loader", reason="optiprofiler is not installed")
    frame, _ = frames(run(optimum=0.4), run(solver="lbfgs", optimum=0.4), run(problem="digits", optimum=0.1))
    group = optiprofiler.to_optiprofiler(frame, lambda problem: 3)
    optiprofiler.write(group, tmp_path, "2026-01-02T03:04:05+00:00")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        (found,), options = loader.load_results({}, {"load": "latest", "silent": True})
    assert options["solver_names"] == ["newton", "lbfgs"] and found["problem_names"] == ["iris", "digits"]
    assert np.array_equal(found["fun_histories"], group["fun_histories"], equal_nan=True)


# --- from benchopt


def test_the_way_back_keeps_times_and_values_and_says_who_measured(tmp_path):
    rows = exported(*repeats(value=0.5), *repeats(solver="lbfgs", seconds=2.0, value=0.25))
    benchopt.write(rows, tmp_path / "runs.parquet")
    for _ in range(2):  # the second changes nothing
        outcome = invoke("import", tmp_path / "runs.parquet", "--store", tmp_path / "foreign")
        assert outcome.exit_code == 0 and "12 runs, 2 solvers, 1 problem" in outcome.stdout
    runs = load(tmp_path / "foreign")
    frame = runs.frame
    assert not runs.skipped and len(runs.metadata) == 12 and set(frame["status"]) == {"not reported"}
    assert set(frame["label"]) == {"newton (measured by benchopt)", "lbfgs (measured by benchopt)"}
    assert all(from_benchopt.BY in machine for machine in frame["machine"].unique())
    assert set(frame["no_gap"]) == {from_benchopt.NO_CERTIFICATE} and frame["minimiser"].isna().all()
    ends = frame[frame["iteration"] == 10].groupby("solver")[["seconds", "gap"]].median()
    assert ends.loc["benchopt:newton"].tolist() == pytest.approx([1.0, 0.25])  # of the best value found, lbfgs's
    assert ends.loc["benchopt:lbfgs"].tolist() == pytest.approx([2.0, 0.0])


def test_imported_runs_are_compared_but_not_by_a_certified_gap(tmp_path):
    benchopt.write(exported(*repeats(), *repeats(solver="lbfgs", seconds=2.0)), tmp_path / "runs.parquet")
    invoke("import", tmp_path / "runs.parquet", "--store", tmp_path / "foreign")
    names = [f"{name} ({from_benchopt.BY})" for name in ("newton", "lbfgs")]
    outcome = invoke("compare", *names, "--store", tmp_path / "foreign", "--json")
    verdicts = {pair["quantity"]: pair["verdict"] for pair in json.loads(outcome.stdout)["pairs"]}
    assert verdicts["run"] == "slower" and verdicts["gap"] == from_benchopt.NO_CERTIFICATE


def test_the_points_of_a_tolerance_are_numbered_from_the_loosest():
    curve = pd.DataFrame({"stop_val": [1e-3, 3e38, 1e-1], "sampling_strategy": "Tolerance"})
    assert from_benchopt.in_order(curve)["stop_val"].tolist() == [3e38, 1e-1, 1e-3]
    assert from_benchopt.iterations(curve).tolist() == [0, 1, 2]


WHOLE = {
    **{"dataset_name": ["a"], "objective_name": ["f"], "solver_name": ["s"], "stop_val": [1], "time": [0.5]},
    "objective_value": [1.0],
}


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ({name: WHOLE[name] for name in list(WHOLE)[1:]}, "no column dataset_name"),
        (WHOLE | {"time": ["soon"]}, "column time holds more than numbers"),
        (WHOLE | {"objective_value": [math.nan]}, "no row with a time and a value"),
        (None, "no Parquet file"),
    ],
)
def test_a_bad_file_is_one_sentence(columns, complaint, tmp_path):
    path = tmp_path / "bad.parquet"
    if columns is None:
        path.write_bytes(b"PAR1 and no more")
    else:
        pq.write_table(pa.table(columns), path)
    outcome = invoke("import", path, "--store", tmp_path / "foreign")
    assert outcome.exit_code == 2 and complaint in outcome.stderr and len(outcome.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "foreign").exists()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [(["runs.txt"], "end with .parquet"), (["runs.parquet", "--format", "csv"], "unknown --format 'csv'")],
)
def test_a_bad_export_is_one_sentence(words, complaint, tmp_path):
    outcome = invoke("export", *words, "--store", tmp_path)
    assert outcome.exit_code == 2 and complaint in outcome.stderr and len(outcome.stderr.strip().splitlines()) == 1


# --- our solvers in benchopt


class BaseSolver:
    """What the solver file of the page needs of benchopt, where that is not installed."""

    def __init__(self, **parameters: object) -> None:
        vars(self).update(parameters)

    def run_once(self, stop_val: int = 1) -> None:
        self.run(stop_val)


@pytest.mark.parametrize("sparse", [False, True])
def test_the_solver_file_of_the_page_minimises_the_objective_of_benchopts_benchmark(sparse, tmp_path, monkeypatch):
    scipy_sparse = pytest.importorskip("scipy.sparse")
    stub = ModuleType("benchopt")
    stub.BaseSolver = BaseSolver
    monkeypatch.setitem(sys.modules, "benchopt", stub)
    write_files((DOCS / "exchange.md").read_text(), tmp_path)
    names: dict = {}
    exec((tmp_path / "second_order.py").read_text(), names)
    rng = np.random.default_rng(0)
    X, lmbd = rng.standard_normal((200, 5)), 1.0
    y = np.sign(X @ rng.standard_normal(5))

    def gradient(w: np.ndarray) -> np.ndarray:  # of sum_i log(1 + exp(-y_i x_i w)) + lmbd/2 ||w||^2
        return lmbd * w - X.T @ (y / (1 + np.exp(y * (X @ w))))

    for name in names["Solver"].parameters["solver"]:
        solver = names["Solver"](solver=name)
        solver.set_objective(X=scipy_sparse.csr_matrix(X) if sparse else X, y=y, lmbd=lmbd)
        solver.warm_up()
        solver.run(0)
        assert not solver.get_result()["beta"].any()
        solver.run(100)
        assert np.abs(gradient(solver.get_result()["beta"])).max() < 1e-2
        assert solver.result.status == "converged"
