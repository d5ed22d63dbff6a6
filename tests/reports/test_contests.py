"""Undecided is not equal: of too few repeats a report says how many are needed, and gives the order of the medians."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from benchmarks.scoreboard.timing import MISSING
from reports.comparing.compare import compare, summaries
from reports.findings.fastest import first_places, leaders, order_on, undecided
from reports.sections.performance import performance_section
from reports.sections.tools import unchanged
from reports.tables.claims import claims, comparable, verdict
from reports.tables.contests import Contest
from reports.tables.performance import open_pairs
from reports.tables.rankings import rankings
from reports.tables.scoreboard import best_peers
from tests.reports.made_up import pair, repeats
from tests.reports.test_performance_profiles import THREE, frame
from tests.reports.test_scoreboard import entry, result

NEVER = math.inf
NOISE = np.array([0.98, 0.99, 1.0, 1.0, 1.01, 1.02])


def contest(name: str = "iris", **times) -> Contest:
    return Contest(name, {label: np.asarray(values, dtype=float) for label, values in times.items()})


def repeated(name: str = "iris", count: int = 6, **medians: float) -> Contest:
    """Six or fewer repeats that scatter by two per cent."""
    return contest(name, **{label: median * NOISE[:count] for label, median in medians.items()})


# --- what a sentence says


FEW = "2 repeats are too few, 6 are needed"


def test_too_few_repeats_have_no_tie_but_an_order():
    few = repeated(count=2, newton=2.6e-3, auto=15e-3, lbfgs=31e-3)
    assert leaders(few) == ["newton"] and undecided(few) == FEW
    medians = "newton 2.56 ms, auto 14.8 ms, lbfgs 30.5 ms"
    assert order_on(few) == f"On iris undecided ({FEW}); by their medians {medians}."


def test_of_many_the_first_four_and_the_last_are_named_with_their_medians():
    many = contest(**{f"s{k}": [1.0 + k] for k in range(9)}, late=[NEVER])
    assert order_on(many).endswith(
        "s0 1.00 s, s1 2.00 s, s2 3.00 s, s3 4.00 s, 4 more, s8 9.00 s; 1 of 10 solvers did not get there."
    )
    assert order_on(contest(**{f"s{k}": [1.0 + k] for k in range(5)})).endswith("s3 4.00 s, s4 5.00 s.")
    assert "1 repeat is too few, 6 are needed" in order_on(many)


def test_enough_repeats_without_a_difference_tie_and_with_one_have_a_first():
    even, clear = repeated(newton=1.0, auto=1.001, lbfgs=5.0), repeated(newton=1.0, auto=2.0, lbfgs=5.0)
    assert leaders(even) == ["newton", "auto"] and undecided(even) == ""
    assert order_on(even).startswith("On iris newton and auto take 1.00 s [") and "lbfgs takes 5" in order_on(even)
    assert "auto takes 2 [" in order_on(clear) and "lbfgs takes 5 [" in order_on(clear)


P, EVEN = repeated("p", newton=1.0, auto=2.0), repeated("r", newton=1.0, auto=1.001)
Q = repeated("q", 2, newton=2.0, auto=1.0)  # undecided
HEADINGS = [
    ([P], "newton is fastest on p (1.00 s)"),
    ([EVEN], "Two solvers tie for fastest on r (1.00 s)"),
    ([contest(a=[1.0], b=[NEVER])], "a is fastest on iris (1.00 s)"),  # the only one to arrive, however few the repeats
    ([Q], f"Which solver is fastest is undecided on q: {FEW}"),
    ([Q, Q], f"Which solver is fastest is undecided on all 2 problems: {FEW}"),
    ([P, Q, Q], f"newton is fastest on 1 of 3 problems; 2 are undecided: {FEW}"),
    ([P, EVEN], "newton is fastest on 1 of 2 problems and tied for fastest on 1"),
    ([EVEN, EVEN], "newton is tied for fastest on 2 of 2 problems"),
]


@pytest.mark.parametrize(("contests", "heading"), HEADINGS)
def test_the_heading_says_which_solver_is_fastest_as_far_as_the_repeats_decide(contests, heading):
    assert first_places(contests) == heading


def test_a_repeat_that_did_not_get_there_leaves_a_clear_order_clear_and_a_close_one_open():
    times = [1.0, 1.01, 0.99, 1.02, 0.98, 1.0]
    slow = [*(3 * t for t in times[:5]), NEVER]
    close = [*times[:4], 1.0, NEVER]
    assert contest(a=times, b=slow).is_faster("a", "b") and contest(a=times, b=slow).undecided("a", "b") == ""
    assert contest(a=times, b=close).undecided("a", "b") == "not all repeats got there"
    assert not contest(a=times[:3], b=[3.0, 3.0, NEVER]).is_faster("a", "b")
    mostly = contest(a=[*times, *times[:3], NEVER], b=[9.0] * 6)
    assert order_on(mostly) == "On iris a takes 1.00 s (no interval, 9 of 10); b takes 9 times as long."


# --- claims


CLEAR = repeated(a=1.0, b=2.0, c=3.0)
CLOSE = contest(a=[1.0, 3.0, 1.1, 2.9, 1.2, 2.8], b=[1.1, 2.9, 1.0, 3.1, 1.3, 2.8], c=[9.0] * 6)
TOO_FEW = repeated(count=2, a=1.0, b=2.0, c=3.0)


@pytest.mark.parametrize(
    ("found", "fastest", "slowest"),
    [
        (CLEAR, [True, False, False], [False, False, True]),
        (CLOSE, [None, None, False], [False, False, True]),
        (TOO_FEW, [None, None, None], [None, None, None]),
        (contest(a=[1.0] * 6, b=[1.0] * 6, c=[NEVER] * 6), [None, None, False], [False, False, True]),
        (contest(a=[1.0] * 6, b=[NEVER] * 6, c=[NEVER] * 6), [True, False, False], [False, False, False]),
    ],
)
def test_first_and_last_are_named_only_where_the_repeats_decide_them(found, fastest, slowest):
    """Solvers that never get there share the last place, and then none of them is the slowest."""
    assert [found.fastest(label) for label in "abc"] == fastest
    assert [found.slowest(label) for label in "abc"] == slowest


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({"a": True, "b": True}, "true"),
        ({"a": False, "b": False}, "false"),
        ({"a": False, "b": True}, "only for b"),
        ({"a": True, "b": None, "c": False}, "only for a. undecided for b"),
        ({"a": False, "b": None}, "undecided for b"),
    ],
)
def test_a_verdict_is_true_false_or_names_where_it_holds_and_where_it_is_open(answers, words):
    assert verdict(answers) == words


def test_a_verdict_names_how_many_repeats_are_missing():
    assert verdict({"iris": TOO_FEW.fastest("a")}, {"iris": TOO_FEW.why_undecided()}) == f"undecided for iris ({FEW})"
    assert verdict({"iris": CLOSE.fastest("a")}, {"iris": CLOSE.why_undecided()}) == "undecided for iris"


LABELS = {
    "breast-cancer": ("gradient-descent", "newton", "newton-diagonal rate 1", "newton-diagonal rate 0.1"),
    "breast-cancer-l2": ("gradient-descent", "newton", "newton-diagonal"),
}


def classic(count: int, peak: float = 2.0) -> pd.DataFrame:
    """The runs of the suite with made-up times; `peak` is the loss of the unit steps half way."""
    from benchmarks.runner.suites import SUITES

    rows = []
    for case in SUITES["classic"]():
        if case.dtype != "float64" or case.label not in LABELS[case.problem]:
            continue
        cost = 1e-3 * (3 if case.label == "newton" else 1)
        for repeat in range(count):
            for iteration, loss, gap in (
                (0, 0.7, 1.0),
                (40, peak if "rate 1" in case.label else 0.3, 0.1),
                (80, 0.1, 1e-9),
            ):
                seconds = cost * iteration * NOISE[repeat]
                known = {"problem": case.problem, "label": case.label, "plain_label": case.label, "case": case.key}
                known |= {"machine": "m", "run": f"{case.key}-{repeat}", "status": "iteration limit"}
                known |= {
                    "iteration": iteration,
                    "value": loss,
                    "gap": gap,
                    "test_accuracy": 0.96 if iteration else 0.5,
                }
                rows.append(known | {"seconds": seconds, "total_seconds": 80 * cost * NOISE[repeat]})
    return pd.DataFrame(rows)


def test_the_claims_say_what_two_repeats_leave_open():
    table = claims(classic(2)).set_index("claim")
    needed = "(2 repeats are too few, 6 are needed)"
    assert (
        f"undecided for the whole run (200, 30, 80, 80 iterations) {needed}"
        in (table.loc["exact Newton is the fastest overall", "verdict"])
    )
    cheap = table.loc["a diagonal iteration is as cheap as gradient descent's"]
    assert cheap["verdict"] == f"undecided for 398 x 30 {needed}"
    assert "nan" not in cheap["measured"] and "(no interval: 2 repeats are too few, 6 are needed)" in cheap["measured"]
    enough = claims(classic(6)).set_index("claim")
    assert "needed" not in " ".join([*enough["verdict"], *enough["measured"]]) and len(comparable(classic(6)))


@pytest.mark.parametrize("peak", [2.0, math.inf, math.nan])
def test_a_loss_that_is_not_a_number_any_more_is_not_stable(peak):
    table = claims(classic(6, peak)).set_index("claim")
    assert table.loc["diagonal Newton is less stable", "verdict"] == "only for rate 1"


# --- comparisons and pairs


def test_a_comparison_says_why_it_is_undecided():
    table = compare(pair("commit", repeats()[:3], repeats(9.0)[:2]))
    assert set(table["verdict"]) == {"undecided: 2 repeats are too few, 6 are needed"}
    assert summaries(table)["undecided"].tolist() == [1, 1, 1] and summaries(table)["same"].sum() == 0
    late = [one | {"gap": 0.5, "status": "time limit"} if one["repeat"] == 5 else one for one in repeats()]
    table = compare(pair("commit", repeats(), late), quantities=["gap"])
    assert table["verdict"].tolist() == ["undecided: not all repeats get there"]
    assert compare(pair("commit", repeats(), repeats(1.045)))["verdict"].tolist() == ["undecided"] * 3


def test_pairs_with_too_few_repeats_are_counted(out):
    (few,), (enough,) = rankings(frame(THREE, repeats=2)), rankings(frame(THREE))
    assert open_pairs(few) == (
        "Of 9 pairs of solvers on a problem 5 are undecided because of too few repeats (2; 6 are needed): of "
        "these the scores show the order of the medians alone."
    )
    assert open_pairs(enough) == ""
    assert "6 are needed" in performance_section(frame(THREE, repeats=2), out).note


# --- other tools


def test_a_verdict_names_too_few_rounds_and_is_missing_where_no_peer_is_installed():
    few = result("few", 2.0, entries={"hessbench:newton": entry([1e-3] * 3), "glum:irls-ls": entry([2e-3] * 3)})
    gone = {"status": MISSING, "best": None, "message": "not installed"}
    alone = result("alone", 1.0, entries={"hessbench:newton": entry([1e-3] * 7), "glum:irls-ls": entry([], **gone)})
    slow = {"status": "over budget", "best": None, "message": "no fit within 1 s reaches the gap"}
    beaten = result("beaten", 1.0, entries={"hessbench:newton": entry([1e-3] * 7), "glum:irls-ls": entry([], **slow)})
    table = best_peers(iter([few, alone, beaten, result("six", 2.0)])).set_index("problem")
    assert table["faster"].tolist()[:4] == [
        "ours (by the median of 3 rounds: 6 are needed for an interval)", "-", "ours", "ours",
    ]  # fmt: skip
    assert table["best peer"].tolist()[:3] == [
        *("glum:irls-ls", "none that fits it is installed", "none reaches the gap")
    ]
    assert table["best of scikit-learn"].tolist()[:4] == ["none that fits it is installed"] * 3 + ["scikit-learn:lbfgs"]


def compared(**verdicts: int) -> pd.DataFrame:
    rows = [{"verdict": verdict.split("_")[0], "remark": "fewer than 6 samples" * ("few" in verdict)}
            for verdict, count in verdicts.items() for _ in range(count)]  # fmt: skip
    return pd.DataFrame(rows, columns=["verdict", "remark"])


def test_an_empty_list_of_changes_says_how_much_of_it_is_undecided():
    assert unchanged(compared()) == "No cell has a value at two commits: there is nothing to compare."
    assert unchanged(compared(same=3)) == "No change was found: of 3 comparisons 3 are the same."
    assert unchanged(compared(same=1, undecided_few=2, undecided=1)) == (
        "No change was found: of 4 comparisons 1 are the same; 3 are undecided: 2 have too few samples (6 are needed), "
        "1 have intervals that neither show a change nor exclude one."
    )
