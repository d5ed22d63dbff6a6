"""Cost against size: a made-up power law is found again, and only where a fixed cost does not hide it."""

from __future__ import annotations

import math

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from benchmarks.runner.suites import SUITES
from datasets.registry import SIZED
from reports.figures.device_map import device_map, spans_a_plane
from reports.figures.scaling import cost_figure, panels, sized, slopes
from reports.sections.device_map import device_map_section
from reports.sections.scaling import scaling_section
from reports.statistics.bootstrap import slope
from tests.reports.made_up import GPU, HOST, frame, run

matplotlib.use("agg")


def runs(cost, sizes, *, repeats=6, solver="newton", kind="synthetic", **other) -> pd.DataFrame:
    """Runs of ten iterations of cost(n, d) seconds each, with a scatter of five per cent."""
    same = {"rules": "10 iterations", "status": "iteration limit"} | other
    made = [
        run(f"{kind}-{n}x{d}", solver, 10 * cost(n, d) * (1 + 0.01 * repeat), repeat=repeat, **same)
        for n, d in sizes
        for repeat in range(repeats)
    ]
    return frame(*made)


COLUMNS = [(1000, d) for d in (10, 30, 100, 300)]
ROWS = [(n, 30) for n in (100, 1000, 10_000)]


def test_a_power_law_is_found_again_and_its_interval_holds_it():
    sizes = np.array([10.0, 100.0, 1000.0])
    rng = np.random.default_rng(0)
    samples = [1e-3 * d**2 * rng.lognormal(0, 0.05, 20) for d in sizes]
    found, low, high = slope(sizes, samples)
    assert found == pytest.approx(2.0, abs=0.05) and low < found < high and high - low < 0.1
    assert slope(sizes, samples) == (found, low, high)
    assert all(math.isnan(bound) for bound in slope(sizes, [sample[:5] for sample in samples])[1:])


def test_the_exponent_against_d_is_at_a_fixed_n_and_the_other_way_round():
    found = runs(lambda n, d: 1e-9 * n * d**2, COLUMNS + ROWS)
    (d,) = slopes(found, "d").to_dict("records")
    (n,) = slopes(found, "n").to_dict("records")
    assert (d["at"], d["exponent"][:4]) == ("n = 1,000", "2.00") and (n["at"], n["exponent"][:4]) == ("d = 30", "1.00")
    assert d["measured"] == "10 to 300" and n["measured"] == "100 to 10,000" and len(d["runs"]) == 24


def test_sizes_at_which_a_fixed_cost_hides_the_growth_take_no_part_in_the_fit():
    found = runs(lambda n, d: 1e-3 + 1e-6 * d**2, COLUMNS)  # 1.1, 1.9, 11 and 91 ms
    (row,) = slopes(found, "d").to_dict("records")
    assert (row["fitted"], row["sizes"]) == ("100 to 300", 2) and float(row["exponent"].split()[0]) > 1.85
    (row,) = slopes(runs(lambda n, d: 1e-3, COLUMNS), "d").to_dict("records")
    assert (row["fitted"], row["exponent"]) == ("-", "-")


def test_kinds_of_problems_machines_and_dtypes_make_lines_of_their_own():
    parts = [
        runs(lambda n, d: 1e-9 * n * d**2, COLUMNS),
        runs(lambda n, d: 1e-9 * n * d, COLUMNS, kind="synthetic-correlated"),
        runs(lambda n, d: 1e-9 * n * d**1.5, COLUMNS, machine="Another CPU"),
    ]
    table = slopes(pd.concat(parts, ignore_index=True), "d")
    assert [cell[:4] for cell in table["exponent"]] == ["2.00", "1.00", "1.50"]


def test_problems_that_are_not_named_by_their_size_and_an_empty_frame_give_nothing():
    found = runs(lambda n, d: 1e-9 * n, COLUMNS).assign(problem="synthetic-ill")
    for rows in (found, pd.DataFrame(), runs(lambda n, d: 1.0, COLUMNS[:2])):
        assert slopes(rows, "d").empty and panels(sized(rows), "d") == []


def test_the_figure_has_a_line_a_solver_through_the_medians():
    found = pd.concat(
        [runs(lambda n, d: 1e-9 * n * d, COLUMNS, solver=name) for name in ("newton", "newton-cg")], ignore_index=True
    )
    ((_, panel),) = panels(sized(found), "d")
    axes = Figure().add_subplot()
    cost_figure(panel, "d", axes)
    assert [line.get_label() for line in axes.lines] == ["newton: d^1.00", "newton-cg: d^1.00"]
    assert axes.lines[0].get_ydata() == pytest.approx([1e-3 * d * 1.025 for d in (10, 30, 100, 300)])
    assert "(ms)" in axes.get_ylabel() and axes.get_xscale() == axes.get_yscale() == "log"


def test_the_sections_write_their_figures_or_name_the_command(out):
    cheap = runs(lambda n, d: 1e-9 * n * d, COLUMNS + ROWS)
    section = scaling_section(cheap, out)
    assert [figure.name for figure in section.figures] == ["iteration-against-d--n1000", "iteration-against-n--d30"]
    assert (out / "tables" / "iteration-slopes.md").exists()
    assert "--device cuda" in device_map_section(cheap, out).note


def test_the_suite_sizes_meets_three_of_each_size():
    shapes = {tuple(map(int, SIZED.fullmatch(case.problem).groups()[-2:])) for case in SUITES["sizes"]()}
    n, d = ({shape[k] for shape in shapes} for k in (0, 1))
    assert any(len([s for s in shapes if s[0] == rows]) >= 3 for rows in n)
    assert any(len([s for s in shapes if s[1] == columns]) >= 3 for columns in d)


# --- devices


def on_both(sizes) -> pd.DataFrame:
    """The CPU takes n d nanoseconds, the device always ten microseconds: they meet at n d = 10,000."""
    here = runs(lambda n, d: 1e-9 * n * d, sizes)
    return pd.concat([here, runs(lambda n, d: 1e-5, sizes, machine=GPU, device="cuda")], ignore_index=True)


GRID = [(n, d) for n in (100, 1000, 10_000) for d in (10, 100)]


def test_the_line_of_the_map_lies_where_both_are_equally_fast():
    cell = pd.DataFrame({"n": [n for n, _ in GRID], "d": [d for _, d in GRID]})
    axes = Figure().add_subplot()
    device_map(cell.assign(**{"speed-up": cell["n"] * cell["d"] / 1e4}), axes)
    line = next(c for c in axes.collections if len(getattr(c, "levels", ())) == 1)
    points = np.concatenate([path.vertices for path in line.get_paths()])
    assert len(points) > 1 and points.sum(axis=1) == pytest.approx(4.0, abs=1e-9)
    assert [text.get_text() for text in axes.texts] == [f"{n * d / 1e4:.2g}x" for n, d in GRID]


def test_sizes_on_one_line_have_numbers_and_no_areas():
    assert spans_a_plane(np.array([1.0, 10, 10]), np.array([1.0, 1, 10]))
    assert not spans_a_plane(np.array([1.0, 10, 100]), np.array([1.0, 10, 100]))
    assert not spans_a_plane(np.array([1.0, 10]), np.array([1.0, 1]))
    axes = Figure().add_subplot()
    device_map(pd.DataFrame({"n": [10, 100], "d": [5, 5], "speed-up": [0.5, 2.0]}), axes)
    squares, circles = axes.collections
    assert squares.get_offsets().tolist() == [[2.0, pytest.approx(np.log10(5))]] and len(circles.get_offsets()) == 1
    assert len(axes.texts) == 2 and not any(hasattr(c, "levels") for c in axes.collections)


def test_the_section_draws_a_map_of_what_both_measured(out):
    section = device_map_section(on_both(GRID), out)
    assert [figure.name for figure in section.figures] == ["break-even-map"] and section.note == ""
    assert HOST in section.figures[0].caption and (out / "figures" / "break-even-map.png").exists()
