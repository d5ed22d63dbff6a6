"""Profiles and pairs: known ratios, censored runs, and a ranking that a third solver turns around."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from reports.sections.performance import performance_section
from reports.statistics.profiles import area, flips, ratios, shares, wins
from reports.tables.performance import pairwise, scores, stability
from reports.tables.rankings import rankings
from tests.reports.made_up import HOST, frames, run

NEVER = math.inf
RULES = "gap 1e-10, 1000 iterations"


def frame(times: dict[str, dict[str, float]], repeats=6, rules=RULES, **other) -> pd.DataFrame:
    """problem -> solver -> time; the repeats scatter by five per cent. NEVER: the end is at a gap of 1/2."""
    runs = [
        run(problem, solver, 1.0 if time == NEVER else time * (1 + 0.01 * repeat), repeat=repeat, rules=rules,
            gap=0.5 if time == NEVER else 1e-9, iterations=1, case=f"{problem} {solver} {rules}", **other)
        for problem, solvers in times.items()
        for solver, time in solvers.items()
        for repeat in range(repeats)
    ]  # fmt: skip
    return frames(*runs)[0]


THREE = {
    "p": {"gradient-descent": 4.0, "newton": 1.0, "newton-cg": 2.0},
    "q": {"gradient-descent": NEVER, "newton": 3.0, "newton-cg": 1.0},
    "r": {"gradient-descent": 8.0, "newton": NEVER, "newton-cg": 8.1},
}


def test_ratios_are_to_the_fastest_and_infinite_where_a_solver_never_gets_there():
    found = ratios(np.array([[1.0, 3.0, NEVER], [4.0, 2.0, 2.0], [NEVER, NEVER, NEVER]]))
    assert found.tolist() == [[1.0, 3.0, NEVER], [2.0, 1.0, 1.0], [NEVER] * 3]


def test_a_profile_rises_from_the_share_of_wins_to_the_share_of_problems_that_were_solved():
    found = ratios(np.array([[1.0, 3.0], [4.0, 2.0], [1.0, NEVER], [NEVER, NEVER]]))
    profile = shares(found, np.array([1.0, 2.0, 3.0, 1e9]))
    assert profile.tolist() == [[0.5, 0.75, 0.75, 0.75], [0.25, 0.25, 0.5, 0.5]]  # the problem that none solved counts
    assert wins(found).tolist() == [0.5, 0.25]


def test_the_area_is_one_for_a_solver_that_always_wins_and_a_half_for_ten_times_its_time():
    assert area(ratios(np.array([[1.0, 10.0, NEVER, 1000.0]]))).tolist() == pytest.approx([1.0, 0.5, 0.0, 0.0])


def test_dropping_a_solver_turns_two_others_around():
    """c wins where b is second, and so hides how often b is ahead of a."""
    times = np.array([[1.0, 2.0, 3.0], [1.0, 2.0, 3.0], [3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    assert wins(ratios(times)).tolist() == [0.4, 0.0, 0.6]
    assert flips(times, ["a", "b", "c"], wins) == [("a", "b", "c")]
    assert flips(np.array([[1.0, 2.0, 4.0]] * 3), ["a", "b", "c"], wins) == []
    assert flips(times[:, :2], ["a", "b"], wins) == []


def test_a_ranking_holds_medians_of_the_problems_that_all_solvers_met():
    missing = {"s": {"gradient-descent": 1.0, "newton": 1.0}}
    odd = {"p": {"newton-damped": 1.0}}
    (ranking,) = rankings(pd.concat([frame(THREE | missing), frame(odd)]))
    assert [contest.name for contest in ranking.contests] == ["p", "q", "r"] and ranking.other_problems == ("s",)
    assert ranking.other_solvers == ("newton-damped",) and list(ranking.solvers) == list(THREE["p"])
    assert ranking.times[0].tolist() == pytest.approx([4.1, 1.025, 2.05]) and ranking.times[1, 0] == NEVER
    assert ranking.units[0] == pytest.approx(4.1) and ranking.units[1] == pytest.approx(1.0)
    assert len(ranking.runs["newton"]) == 18


def test_only_float64_on_one_cpu_thread_with_a_certified_optimum_and_a_test_takes_part():
    others = [{"dtype": "float32"}, {"threads": 2}, {"device": "cuda"}, {"no_gap": "no minimiser"}]
    assert all(rankings(frame(THREE, **other)) == [] for other in [*others, {"rules": "10 iterations"}])
    assert rankings(pd.DataFrame()) == []


def test_a_problem_under_two_rules_counts_under_those_that_most_solvers_share():
    long = frame({"p": {"newton": 0.001}}, rules="gap 1e-10, 20000 iterations")
    (ranking,) = rankings(pd.concat([frame(THREE), long]))
    assert ranking.times[0, 1] == pytest.approx(1.025)


def test_machines_are_kept_apart():
    found = rankings(pd.concat([frame(THREE), frame(THREE, machine="Another CPU")]))
    assert [ranking.machine for ranking in found] == [HOST, "Another CPU"]
    assert all(len(runs) == 18 for ranking in found for runs in ranking.runs.values())


def test_a_pair_is_ordered_only_where_the_repeats_decide_it():
    (ranking,) = rankings(frame(THREE))
    table = pairwise(ranking).set_index("solver")
    assert table.loc["newton", "before newton-cg"] == "33 %"  # on p alone
    assert table.loc["newton-cg", "before newton"] == "67 %"  # on q, and on r, where newton never gets there
    assert table.loc["gradient-descent", "before newton-cg"] == "0 %"  # 8.0 and 8.1 scatter more than they differ
    assert table.loc["newton-cg", "before gradient-descent"] == "67 %"
    assert table.loc["newton", "before newton"] == "-" and list(table.columns)[-1] == "runs"


def test_scores_change_with_the_solvers_that_take_part_and_pairs_do_not():
    (full,) = rankings(frame(THREE))
    (two,) = rankings(frame(THREE)[lambda rows: rows["solver"] != "newton"])
    names = ["gradient-descent", "newton-cg"]
    cells = [f"before {name}" for name in names]
    assert pairwise(full).set_index("solver").loc[names, cells].equals(pairwise(two).set_index("solver")[cells])
    first = [scores(ranking).set_index("solver")["first"]["newton-cg"] for ranking in (full, two)]
    assert first == ["33 %", "67 %"]


def test_whether_the_ranking_holds_is_a_sentence_computed_from_the_times():
    flip = {f"p{k}": dict(zip(("newton", "newton-cg", "newton-damped"), t, strict=True)) for k, t in enumerate(
        [(1.0, 2.0, 3.0)] * 2 + [(3.0, 2.0, 1.0)] * 3
    )}  # fmt: skip
    (ranking,) = rankings(frame(flip))
    assert "without newton-damped, newton-cg ranks above newton." in stability(ranking)
    (ranking,) = rankings(frame({f"p{k}": {"newton": 1.0, "newton-cg": 2.0, "newton-damped": 4.0} for k in range(3)}))
    assert stability(ranking).count("stays as it is") == 2


def test_the_section_names_solvers_problems_and_what_was_left_out(out):
    section = performance_section(frame(THREE | {"s": {"newton": 1.0}}), out)
    assert [figure.name for figure in section.figures] == ["performance-profile", "data-profile"]
    assert "3 solvers (gradient-descent, newton, newton-cg) on 3 problems (p, q, r)" in section.figures[0].caption
    assert "1 problem that not all of these solvers were run on (s)" in section.note
    assert (out / "tables" / "pairwise.csv").exists() and (out / "figures" / "data-profile.png").exists()


def test_the_name_of_a_machine_stays_a_name_in_every_caption(out):
    both = pd.concat([frame(THREE), frame(THREE, machine="<b>")], ignore_index=True)
    section = performance_section(both, out)
    assert "&lt;b&gt;" in section.table and "<b>" not in section.table and len(section.figures) == 4


@pytest.mark.parametrize(
    "rows", [pd.DataFrame(), frame({"p": THREE["p"], "q": THREE["q"]}), frame({p: {"newton": 1.0} for p in "pqr"})]
)
def test_with_too_little_the_command_that_measures_more_is_named(rows, out):
    section = performance_section(rows, out)
    assert "benchmarks run --suite quick --repeats 6" in section.note and not section.figures
