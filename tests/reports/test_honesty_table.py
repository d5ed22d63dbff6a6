"""`converged` is judged by the certified gap; each precision shows how close it gets, but never closer than f* is."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from reports.tables.convergence_claims import convergence_claims, judged
from reports.tables.precision import precision


def run(gap, *, status="converged", problem="p", solver="newton", dtype="float64", rules="gap 1e-10, 99 iterations",
        repeat=0, no_gap="", error=0.0, value=1.0, start=2.0, **other) -> list[dict]:  # fmt: skip
    """From f(x0) = start to f = value, `gap` above f*."""
    same = {
        **{"machine": "A CPU", "problem": problem, "solver": solver, "label": solver, "dtype": dtype, "device": "cpu"},
        **{"threads": 1, "rules": rules, "repeat": repeat, "no_gap": no_gap, "optimum_error": error, "optimum": 1.0},
        **{"status": status, "run": f"{problem}-{solver}-{dtype}-{status}-{repeat}"},
    } | other
    ends = ((0, start, 1.0), (7, value, gap))
    return [same | {"iteration": k, "value": f, "gap": math.nan if no_gap else g} for k, f, g in ends]


def frame(*runs) -> pd.DataFrame:
    return pd.DataFrame([row for rows in runs for row in rows])


def one(*runs) -> dict:
    (row,) = convergence_claims(frame(*runs)).to_dict("records")
    return row


def test_true_false_and_undecidable_convergence_are_counted_separately():
    row = one(run(1e-11), run(3e-10, repeat=1), run(0, repeat=2, no_gap="f* is not known"), run(1e-3, status="stalled"))
    counts = {name: row[name] for name in ("total", "converged", "true", "false", "not judged", "unclaimed")}
    assert counts == {"total": 4, "converged": 3, "true": 1, "false": 1, "not judged": 1, "unclaimed": 0}
    assert row["false runs"] == "p: p-newton-float64-converged-1" and row["worst gap / tolerance"] == pytest.approx(3.0)
    assert len(row["runs"]) == 4


@pytest.mark.parametrize(
    ("gap", "other", "false"),
    [
        (1.9e-10, {}, 0),  # the decrement is the gap to second order
        (2.1e-10, {}, 1),
        (2.1e-10, {"error": 2e-11}, 0),  # the certificate is no narrower than that
        (2.1e-10, {"value": 1.2}, 0),  # the tolerance is relative to f
        (4e-7, {"dtype": "float32"}, 0),  # what float32 can tell: 4 eps = 4.8e-7
        (1.1e-6, {"dtype": "float32"}, 1),
        (1e-7, {"rules": "gap 1e-07, 99 iterations"}, 0),  # what was asked for, and no more
        (math.nan, {}, 1),  # not a number is no minimiser
        (0.0, {"no_gap": "no minimiser"}, 1),
        (1.0, {"rules": "gradient 1e-05, 99 iterations"}, 0),  # was not asked for a gap
    ],
)
def test_what_was_asked_for_the_certificate_and_the_rounding_decide(gap, other, false):
    assert one(run(gap, **other))["false"] == false


def test_a_run_without_a_tolerance_for_the_gap_is_not_judged():
    row = one(run(1.0, rules="gradient 1e-05, 99 iterations"))
    assert (row["not judged"], row["true"], row["false"]) == (1, 0, 0)


def test_an_unclaimed_convergence_is_counted_only_if_it_is_certain():
    assert one(run(1e-11, status="iteration limit"))["unclaimed"] == 1
    assert one(run(0.99e-10, status="iteration limit"))["unclaimed"] == 1
    assert one(run(0.99e-10, status="iteration limit", error=2e-11))["unclaimed"] == 0
    assert one(run(1.5e-10, status="iteration limit"))["unclaimed"] == 0


def test_the_last_iterate_is_judged_and_solvers_machines_and_precisions_have_rows_of_their_own():
    rows = frame(run(1e-11)).iloc[::-1]  # whatever the order of the rows
    assert judged(rows)["within"].tolist() == [True]
    high = frame(run(1e-5, dtype="float32", start=1e9)).iloc[::-1]  # eps^2 f(x0) = 1.4e-5
    assert judged(high)["within"].tolist() == [True]
    table = convergence_claims(
        frame(run(0), run(0, dtype="float32"), run(0, solver="newton-cg"), run(0, machine="B", repeat=1))
    )
    assert len(table) == 4 and "machine" in table
    assert "machine" not in convergence_claims(frame(run(0)))


def test_an_empty_frame_and_one_without_optima_make_empty_tables():
    assert convergence_claims(pd.DataFrame()).empty
    for rows in (pd.DataFrame(), frame(run(0, no_gap="no minimiser"))):
        assert "benchmarks run" in precision(rows)["measured"][0]


# --- precision


def test_each_precision_shows_its_best_run_and_a_dash_where_there_is_none():
    rows = frame(
        run(1e-9), run(1e-12, repeat=1, status="stalled"), run(3e-8, dtype="float32"), run(1e-5, solver="slow")
    )
    table = precision(rows).set_index("solver")
    assert (
        table.loc["newton", "float64"] == "1.0e-12 (stalled)"
        and table.loc["newton", "float32"] == "3.0e-08 (converged)"
    )
    assert table.loc["slow", "float32"] == "-" and len(table.loc["newton", "runs"]) == 3


def test_what_is_below_the_certificate_is_shown_as_a_bound():
    table = precision(frame(run(-1e-12, error=1e-11), run(2e-11, error=1e-11, solver="other"))).set_index("solver")
    assert table["uncertainty of f*"].unique() == ["1.0e-11"]
    assert table.loc["newton", "float64"] == "< 1.0e-11 (converged)"
    assert table.loc["other", "float64"] == "2.0e-11 (converged)"


def test_without_a_certificate_wider_than_rounding_the_rounding_of_f_is_the_floor():
    assert precision(frame(run(1e-17)))["float64"][0] == "< 2.2e-16 (converged)"
    assert precision(frame(run(math.inf)))["float64"][0] == "1.0e+00 (converged)"  # the start is its best
