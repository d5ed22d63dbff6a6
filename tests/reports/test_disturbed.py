"""Runs that were measured beside other work: left out where six others are enough, else marked and not judged."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from reports.__main__ import app
from reports.comparing.compare import NOT_COMPARED, compare, summaries
from reports.data.repeats import DISTURBED, count_disturbed, marked
from reports.data.runs import Runs, load
from reports.findings.fastest import fastest
from reports.findings.settings import paired
from reports.page.sources import sources
from reports.sections.problems import problem_sections
from reports.tables.contests import Contest
from reports.tables.costs import iteration_cost
from reports.tables.summary import summary
from reports.tables.times import time_to_gap
from tests.reports.made_up import NOISE, frames, pair, repeats, run, stored


def waited(times: tuple[float, ...], **other) -> list[dict]:
    """Repeats that were measured beside other work, after those that were not."""
    return [run(seconds=time, repeat=len(NOISE) + k, disturbed=True, **other) for k, time in enumerate(times)]


def calm(**other) -> list[dict]:
    return repeats(disturbed=False, **other)


def three(**other) -> list[dict]:
    """A solve of 1.6 ms: of three runs only the last had a processor nearly to itself."""
    return [
        run(seconds=seconds, repeat=k, disturbed=k < 2, **other) for k, seconds in enumerate((0.080, 0.045, 0.0024))
    ]


def test_six_runs_that_were_not_disturbed_stand_alone_and_the_others_are_counted(tmp_path):
    runs = load(stored(tmp_path / "s", *calm(), *waited((50.0, 80.0)), *three(solver="newton-cg")))
    assert {name: len(cell) for name, cell in runs.frame.groupby("solver")} == {"newton": 12, "newton-cg": 6}
    assert runs.disturbed == {"A CPU, 4 cores": 2} and set(runs.metadata) == set(runs.frame["run"])
    assert runs.frame.loc[runs.frame["solver"] == "newton", "total_seconds"].max() < 2


def test_a_disturbed_run_that_ended_in_another_way_is_not_hidden(tmp_path):
    runs = load(stored(tmp_path / "s", *calm(), *waited((50.0,), status="time limit")))
    assert set(runs.frame["status"]) == {"converged", "time limit"} and runs.disturbed == {}


def test_old_runs_that_do_not_say_are_not_disturbed(tmp_path):
    assert count_disturbed(load(stored(tmp_path / "s", *repeats())).frame) == 0
    frame, _ = frames(*three())
    assert (count_disturbed(frame), marked("1 s", frame)) == (2, "1 s (2 of 3 disturbed)")
    assert count_disturbed(frame.assign(disturbed=None)) == count_disturbed(frame.drop(columns="disturbed")) == 0


def test_times_in_tables_are_marked():
    columns = {"test_loss": math.nan, "test_accuracy": math.nan}
    frame, _ = frames(*three(**columns))
    assert "(2 of 3 disturbed)" in summary(frame)["time"].iloc[0]
    assert "(2 of 3 disturbed)" in time_to_gap(frame)["1e-06"].iloc[0]
    assert "(2 of 3 disturbed)" in iteration_cost(frame)["an iteration"].iloc[0]
    calm_, _ = frames(*calm(**columns))
    assert "disturbed" not in " ".join([summary(calm_)["time"].iloc[0], time_to_gap(calm_)["1e-06"].iloc[0]])


FIVE = [*calm(dtype="float32")[:5], *waited((9.0,), dtype="float32")]


@pytest.mark.parametrize("sides", [(calm(), three(dtype="float32")), (calm(), FIVE)], ids=["three", "five calm ones"])
def test_a_pair_with_too_few_undisturbed_runs_has_no_ratio_and_is_undecided(sides):
    table = compare(pair("dtype", *sides))
    assert set(table["verdict"]) == {NOT_COMPARED} and table["ratio"].isna().all() and DISTURBED in NOT_COMPARED
    assert table["A"].notna().all() and (table["B disturbed"] > 0).all()
    counted = summaries(table)
    assert (counted["undecided"] == 1).all() and (counted["no ratio"] == 0).all() and counted["B / A"].isna().all()


def test_the_command_marks_what_was_disturbed_and_says_no_ratio(tmp_path):
    store = stored(tmp_path / "s", *three(), *calm(dtype="float32", problem="iris"))
    outcome = CliRunner().invoke(app, ["compare", "float64", "float32", "--store", str(store)])
    assert outcome.exit_code == 0, outcome.output
    assert "(2 of 3 disturbed)" in outcome.stdout and DISTURBED in " ".join(outcome.stdout.split())
    assert "0 faster, 0 slower, 0 same, 1 undecided" in outcome.stdout


def test_with_six_others_the_verdict_is_theirs(tmp_path):
    runs = [*calm(), *waited((60.0, 70.0)), *repeats(0.5, dtype="float32", disturbed=False)]
    store = stored(tmp_path / "s", *runs)
    outcome = CliRunner().invoke(app, ["compare", "float64", "float32", "--store", str(store), "--quantity", "run"])
    assert "1 faster" in outcome.stdout and "disturbed" not in outcome.stdout


def test_disturbed_runs_decide_only_which_solvers_never_got_there():
    times = {"a": np.full(6, 1.0), "b": np.full(6, 50.0), "c": np.full(6, math.inf)}
    still, moved = Contest("x", times), Contest("x", times, disturbed=True)
    assert [still.fastest(name) for name in "abc"] == [True, False, False]
    assert [moved.fastest(name) for name in "abc"] == [None, None, False]
    assert still.slowest("c") is moved.slowest("c") is True
    assert DISTURBED in moved.describe() and DISTURBED not in still.describe()


def test_no_finding_rests_on_disturbed_runs():
    quick, slow = calm(solver="newton"), calm(solver="newton-cg", seconds=9.0)
    still, _ = frames(*quick, *slow)
    assert list(fastest(still)) and not list(fastest(still.assign(disturbed=True)))
    moved, _ = frames(*calm(problem="wine"), *waited((9.0,), problem="wine", solver="newton-cg"))
    (finding,) = fastest(pd.concat([still, moved]))
    assert "wine" not in finding.text and f"1 problem is left out: {DISTURBED}" in finding.text
    both, _ = frames(*calm(), *calm(dtype="float32", seconds=2.0))
    assert len(paired(both, "dtype", "float32", "float64"))
    assert paired(both.assign(disturbed=both["dtype"] == "float32"), "dtype", "float32", "float64").empty


def test_a_store_of_disturbed_runs_alone_is_still_read(tmp_path: Path):
    assert load(stored(tmp_path / "s", *three())).frame["run"].nunique() == 3


def test_the_figures_of_a_problem_say_once_that_runs_were_disturbed(out):
    frame, _ = frames(*three(problem="iris", optimum_error=0.0, test_loss=0.1, test_accuracy=0.9))
    (section,) = problem_sections(frame, out, lambda name: None, sources(Runs(frame, {})))
    assert "2 of these 3 runs were disturbed by other work" in section.caption
