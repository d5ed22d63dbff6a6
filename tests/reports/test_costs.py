"""Cost tables: medians over repeats, ratios to gradient descent, and devices paired on the same host."""

from __future__ import annotations

import numpy as np
import pytest

from reports.tables.costs import break_even, crossing, devices, iteration_cost
from tests.reports.made_up import GPU, frame, run


def test_an_iteration_is_the_time_to_the_last_iterate_over_its_number_and_a_multiple_of_gradient_descents():
    table = iteration_cost(
        frame(
            *(run("iris", "gradient-descent", 0.010 + 0.001 * k, repeat=k) for k in range(6)),
            *(run("iris", "newton", 0.002 * (10 + k), iterations=4, repeat=k) for k in range(6)),
        )
    ).set_index("solver")
    assert table.loc["gradient-descent", "an iteration"].startswith("1.25 ms [")
    assert table.loc["newton", "an iteration"].startswith("6.25 ms [")  # 25 ms in 4 iterations
    assert table.loc["newton", "times gradient descent's"].startswith("5 [")
    assert (table.loc["newton", "n"], table.loc["newton", "d"]) == (105, 15)


def test_without_gradient_descent_there_is_no_multiple_and_failed_runs_cost_nothing():
    table = iteration_cost(
        frame(
            run("iris", "newton", 0.1), run("iris", "bad", 0.0, status="error"), run("iris", "still", 0, iterations=0)
        )
    )
    assert list(table["solver"]) == ["newton"] and list(table["times gradient descent's"]) == ["-"]


def test_a_device_is_paired_with_its_own_host_and_no_other():
    table = devices(
        frame(
            run("iris", "newton", 0.080),
            run("iris", "newton", 0.060, threads=2),
            run("iris", "newton", 0.001, machine="Another CPU, 8 cores"),
            run("iris", "newton", 0.040, device="cuda", machine=GPU),
        )
    )
    assert dict(zip(table["CPU threads"], table["speed-up"], strict=True)) == {1: "2", 2: "1.5"}
    assert set(table["device"]) == {"cuda"} and table["on the device"][0].startswith("4.00 ms")


def test_without_another_device_the_tables_name_the_command_that_measures_one():
    for table in (devices(frame(run("iris", "newton", 1.0))), break_even(frame(run("iris", "newton", 1.0)))):
        assert "--device cuda" in table["measured"][0] and len(table) == 1


def test_the_break_even_size_lies_where_the_speed_up_crosses_one():
    """CPU time n microseconds, device time 500 for all: they meet at n = 500."""
    runs = []
    for n in (100, 200, 1000):
        runs += [run(f"synthetic-{n}x5", "newton", n * 1e-5)]
        runs += [run(f"synthetic-{n}x5", "newton", 500e-5, device="cuda", machine=GPU)]
    runs += [run("iris", "newton", 1.0), run("iris", "newton", 1.0, device="cuda", machine=GPU)]  # no size of its own
    table = break_even(frame(*runs))
    assert list(table["rows to break even"]) == ["500"] and list(table["sizes"]) == ["100, 200, 1,000"]
    assert list(table["speed-ups"]) == ["0.2, 0.4, 2"]


@pytest.mark.parametrize(
    ("speedups", "found"),
    [
        ([2.0, 3.0, 4.0], "below 10"),
        ([0.1, 0.2, 0.5], "above 1,000"),
        ([2.0, 0.5, 0.25], "above 1,000"),
        ([0.5, 2.0, 0.5], "above 1,000"),
        ([0.1, 0.1, 10.0], "316"),
        ([0.1, 1.0, 10.0], "100"),
        ([2.0, 0.1, 10.0], "316"),  # the last crossing: from there on the device is faster
    ],
)
def test_a_crossing_is_given_only_inside_of_what_was_measured(speedups, found):
    assert crossing(np.array([10.0, 100.0, 1000.0]), np.array(speedups)) == found
