"""Of what was not reached a table shows what the repeats support: a bound of the median that is true, or never."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pandas as pd
import pytest

from reports.comparing.compare import compare
from reports.data.collect import time_to
from reports.data.repeats import seconds_waited
from reports.data.runs import NOT_KNOWN
from reports.data.targets import NO_ACCURACY
from reports.page.write import sort_value
from reports.statistics.estimate import estimate_censored, show
from reports.tables.summary import summary
from reports.tables.times import targets, time_to_accuracy, time_to_gap
from reports.text import rounded_down, seconds
from tests.reports.made_up import frames, pair, run

NEVER = math.inf
LIMIT = {"status": "time limit"}


def test_one_slow_repeat_does_not_move_the_bound_of_the_median():
    budgets = [0.066, 0.067, 0.068, 0.068, 0.069, 0.069, 0.070, 0.070, 0.070, 0.107]
    assert show(estimate_censored([NEVER] * 10, budgets)) == "> 69.0 ms"


def test_the_bound_is_below_the_median_whatever_the_repeats_would_have_taken():
    """All times that agree with what was seen: a repeat that was stopped would have arrived at any later time."""
    rng = np.random.default_rng(0)
    for count in range(1, 8):
        for _ in range(200):
            true, budget = rng.exponential(size=(2, count))
            seen = np.where(true <= budget, true, NEVER)
            found = estimate_censored(seen, budget)
            if math.isinf(found.median):
                assert found.beyond <= np.median(true)
            else:
                assert found.median == pytest.approx(np.median(true))


@pytest.mark.parametrize(
    ("times", "budgets", "shown"),
    [
        ([2e-3], [9.0], "2.00 ms (no interval, n = 1)"),
        ([2e-3] * 5, [9.0] * 5, "2.00 ms (no interval, n = 5)"),
        ([2e-3] * 6, [9.0] * 6, "2.00 ms [2, 2]"),
        ([NEVER] * 3, [1.0, 2.0, 9.0], "> 2.00 s"),
        ([1.0, NEVER, NEVER], [9.0, 2.0, 3.0], "> 2.00 s (1 of 3 got there)"),
        ([1.0, NEVER], [9.0, 3.0], "> 2.00 s (1 of 2 got there)"),
        ([NEVER] * 3, [NEVER] * 3, "never"),
        ([NEVER] * 3, [NEVER, 2.0, 3.0], "> 3.00 s"),
        ([1.0, NEVER, NEVER], [9.0, NEVER, NEVER], "never (1 of 3 got there)"),
        ([1.0, 1.5, NEVER], [9.0, 9.0, NEVER], "1.50 s (no interval, 2 of 3)"),
        ([5.0, 6.0, NEVER], [9.0, 9.0, 1.0], "> 5.00 s (2 of 3 got there)"),  # it may have taken from 1 s on
    ],
)
def test_a_cell_shows_what_is_certain(times, budgets, shown):
    assert show(estimate_censored(times, budgets)) == shown


@pytest.mark.parametrize(
    ("value", "text"), [(0.0699999, "69.9 ms"), (0.009, "9.00 ms"), (0.1, "100 ms"), (0.0, "0 us")]
)
def test_a_bound_is_rounded_down(value, text):
    assert seconds(rounded_down(value)) == text


def test_no_bound_is_rounded_up_and_none_by_more_than_a_digit():
    for digits, power in product(range(100, 1000), range(-9, 3)):
        value = digits * 10.0**power
        assert 0 <= value * (1 + 1e-9) - rounded_down(value) <= 2e-9 * value


# --- in tables


def cells(*runs: dict, **columns) -> pd.DataFrame:
    frame, _ = frames(*runs)
    return frame.assign(**{"test_loss": 0.1, "test_accuracy": 0.5} | columns)


def only(table: pd.DataFrame, column: str) -> str:
    (cell,) = table[column]
    return cell


def test_a_run_that_ended_by_itself_never_gets_there_and_one_that_a_limit_stopped_might_have():
    for status in ("converged", "stalled", "diverged", "separable", "singular"):
        frame = cells(run("p", seconds=0.5, gap=1e-3, status=status))
        assert only(time_to_gap(frame), "1e-06") == "never" and only(time_to_accuracy(frame), "0.90") == "never"
        assert only(time_to_gap(frame), "1e-02") == "500 ms (no interval, n = 1)"
        assert (seconds_waited(frame) == NEVER).all()
    for status in ("time limit", "iteration limit"):
        frame = cells(run("p", seconds=0.5, gap=1e-3, status=status))
        assert only(time_to_gap(frame), "1e-06") == only(time_to_accuracy(frame), "0.90") == "> 500 ms"


def test_the_table_of_numbers_agrees_with_the_table_of_cells():
    rows = [run("p", seconds=s, gap=0.5, repeat=k, **LIMIT) for k, s in enumerate((0.066, 0.068, 0.107))]
    table = targets(cells(*rows), "gap").set_index("target")
    assert table.loc[1e-6, "median"] == NEVER and table.loc[1e-6, "beyond"] == 0.068
    ended = targets(cells(*(one | {"status": "stalled"} for one in rows)), "gap").set_index("target")
    assert ended.loc[1e-6, "beyond"] == NEVER


def test_times_and_waits_are_those_of_the_same_repeat():
    """In whatever order the keys of the runs come."""
    ends = ((9.0, 1e-9), (2.0, 0.5), (3.0, 0.5))
    late = [run("p", seconds=s, gap=g, repeat=k, **LIMIT) for k, (s, g) in enumerate(ends)]
    for order in ([0, 1, 2], [2, 1, 0], [1, 0, 2]):
        rows = [late[k] for k in order]
        table = compare(pair("commit", rows, rows), quantities=["gap"])
        assert table["A beyond"][0] == 3.0  # of 9, more than 2 and more than 3


def test_a_repeat_that_raised_is_no_repeat_less():
    """It is counted among those that did not get there, and takes neither the time nor the status of the others."""
    rows = [run("p", repeat=k, seconds=1.0 + k) for k in range(3)]
    raised = run("p", repeat=3, status="error", total_seconds=math.nan, value=math.nan, gap=math.nan, iterations=0)
    frame = cells(*rows, raised)
    frame = frame[(frame["run"] != raised["run"]) | ~frame.duplicated(["run", "iteration"])]
    assert only(time_to_gap(frame), "1e-06") == "2.50 s (no interval, 3 of 4)"
    found = summary(frame).iloc[0]
    assert found["time"] == "2.00 s (no interval, n = 3)" and found["status"] == "converged (3 of 4), error (1 of 4)"
    assert found["loss"] == 0.5


def test_the_status_of_a_case_is_that_of_all_its_repeats():
    rows = [run("p", repeat=k, **(LIMIT if k else {})) for k in range(3)]
    assert only(summary(cells(*rows)), "status") == "time limit (2 of 3), converged (1 of 3)"


def test_the_best_test_loss_has_its_iteration_though_the_last_is_not_a_number():
    frame = cells(run("p"))
    frame["test_loss"] = [0.3, math.nan]
    assert only(summary(frame), "best test loss") == 0.3 and only(summary(frame), "at iteration") == 0


def test_where_there_is_no_accuracy_none_was_missed():
    """A test function beside a problem with held-out rows."""
    function = cells(run("p"), test_loss=math.nan, test_accuracy=math.nan)
    assert targets(function, "accuracy").empty
    assert set(targets(pd.concat([function, cells(run("q"))]), "accuracy")["problem"]) == {"q"}
    table = time_to_accuracy(pd.concat([function.assign(problem="q"), cells(run("q", solver="other"))]))
    assert table["0.90"].tolist() == [NO_ACCURACY, "never"]
    unknown = cells(run("p", no_gap=NOT_KNOWN, gap=math.nan))
    assert only(time_to_gap(unknown), "1e-06") == NOT_KNOWN


def test_a_single_run_says_whether_it_was_stopped():
    stopped, ended = (cells(run("p", gap=0.5, seconds=2.0, status=status)) for status in ("time limit", "stalled"))
    assert [time_to(frame, "gap", 1e-6)["reason"] for frame in (stopped, ended)] == [
        "not reached",
        "never reached: stalled",
    ]
    assert all(time_to(frame, "gap", 1e-6)["low"] == 2.0 for frame in (stopped, ended))


def test_what_never_gets_there_sorts_behind_all_that_was_stopped_and_before_words():
    order = ["900 us", "1.00 s", "> 4.00 s", "> 1e9 s", "never"]
    values = [sort_value(cell) for cell in order]
    assert values == sorted(values) and len(set(values)) == len(values) and math.isfinite(float(f"{values[-1]:.6g}"))
    assert sort_value("never (1 of 3 got there)") == sort_value("never")
    assert math.isnan(sort_value("never mind")) and math.isnan(sort_value("-"))
