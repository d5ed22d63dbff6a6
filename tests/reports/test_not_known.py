"""What is missing proves nothing: a value that is not there says neither that there is no minimiser nor who failed."""

from __future__ import annotations

import math

import pandas as pd
import pytest

from benchmarks.runner.measure import Measurement, evaluate
from reports.data.runs import NO_MINIMISER, NOT_KNOWN, Runs, load, with_minimiser
from reports.figures.problem import FIGURES, NO_GAP
from reports.findings.correctness import no_minimiser, not_known
from reports.findings.findings import findings
from reports.findings.overfitting import ends
from reports.page.sources import sources
from reports.sections.collection import COLLECTED, solved_runs
from reports.sections.problems import problem_sections
from reports.tables.convergence_claims import judged
from reports.tables.record import not_measured
from reports.tables.times import runs_with_gap, time_to_gap, time_to_loss
from tests.reports.made_up import HOST, frames, run, stored

UNKNOWN = {
    "status": "stalled",
    "minimiser": False,
    "no_gap": NOT_KNOWN,
    "gap": math.nan,
    "optimum": math.nan,
    "optimum_error": math.nan,
}
NONE = {
    "status": "stalled",
    "minimiser": False,
    "no_gap": NO_MINIMISER,
    "gap": math.nan,
    "optimum": 0.0,
    "optimum_error": 0.0,
}


def headings(*runs: dict) -> list[str]:
    frame = frames(*runs)[0].assign(test_loss=math.nan, test_accuracy=math.nan, norm=1.0)
    return [finding.heading for finding in findings(with_minimiser(frame))]


# --- whether there is a minimiser


def test_only_a_certificate_says_that_there_is_no_minimiser():
    assert headings(run("p", **NONE)) == ["p has no minimiser"]
    assert headings(run("p", **UNKNOWN)) == ["The optimum of p is not known"]
    both = headings(run("p", **NONE), run("q", **UNKNOWN), run("r", **UNKNOWN), run("s"))
    assert {"p has no minimiser", "The optimum of 2 of 4 problems is not known"} == set(both)


def test_where_a_minimiser_exists_and_f_star_is_not_known_that_is_what_is_said():
    wide, unknown = UNKNOWN | {"minimiser": True}, UNKNOWN
    frame = with_minimiser(frames(run("p", **wide), run("q", **unknown))[0])
    (found,) = not_known(frame)
    assert "A minimiser exists, but f* is not known closely enough to measure a gap: p." in found.text
    assert "Whether a minimiser exists is not known: q." in found.text
    assert list(no_minimiser(frame)) == []


OLDER = {
    "there is one": ({"minimiser": True, "optimum": 0.5, "optimum_error": 1e-15}, "", True),
    "an infimum of 0": ({"minimiser": False, "optimum": 0.0, "optimum_error": 0.0}, NO_MINIMISER, False),
    "by a tolerance": ({"minimiser": False, "optimum": 0.35, "optimum_error": 0.35}, NOT_KNOWN, None),
    "without an optimum": ({"minimiser": False, "optimum": math.nan, "optimum_error": math.nan}, NOT_KNOWN, None),
}  # fmt: skip


@pytest.mark.parametrize("what", OLDER)
def test_of_older_runs_a_minimiser_is_denied_only_where_their_columns_prove_it(what, tmp_path):
    columns, no_gap, minimiser = OLDER[what]
    one = run("p", **columns)
    del one["no_gap"]
    frame = load(stored(tmp_path / "runs", one)).frame
    assert list(frame["no_gap"]) == [no_gap] * 2 and list(frame["minimiser"]) == [minimiser] * 2


def test_runs_of_earlier_and_of_this_code_are_read_together(tmp_path):
    old, new = run("p", minimiser=False, optimum=0.35, optimum_error=0.35), run("q", **NONE)
    del old["no_gap"]
    frame = load(stored(tmp_path / "runs", old, new)).frame.drop_duplicates("run").set_index("problem")
    assert list(frame["no_gap"]) == [NOT_KNOWN, NO_MINIMISER] and list(frame["minimiser"]) == [None, False]


@pytest.mark.parametrize(
    ("problem", "minimiser"), [("breast-cancer", False), ("breast-cancer-l2", True), ("mlp-breast-cancer-mean10", None)]
)
def test_what_a_run_stores_distinguishes_the_three(problem, minimiser):
    """Of runs that raised, which say of a problem what all runs say."""
    from benchmarks.runner.suites import every_solver

    case = next(case for case in every_solver([problem]) if case.solver == "newton")
    rows = pd.DataFrame(evaluate(Measurement(case, 0, None, "no step")))
    assert with_minimiser(rows)["minimiser"].tolist() == [minimiser]


def test_the_rank_of_a_finding_is_a_number_though_no_loss_is_known():
    (found,) = no_minimiser(frames(run("p", value=math.nan, **NONE))[0].assign(value=math.nan))
    assert found.decades == 0.0


def test_the_caption_of_a_figure_without_a_gap_says_why(out):
    for known, words in ((NONE, NO_MINIMISER), (UNKNOWN, NOT_KNOWN)):
        unheld = {"test_loss": math.nan, "test_accuracy": math.nan}
        frame = with_minimiser(frames(run("p", **known, **unheld))[0])
        (section,) = problem_sections(frame, out, lambda name: None, sources(Runs(frame, {})))
        (shown,) = (figure for figure in section.figures if figure.name.endswith("loss-iteration"))
        assert shown.caption.startswith(f"No gap can be shown here: {words}.")
    assert NO_GAP in FIGURES["loss-iteration"].caption


# --- what was solved, and which run is the first


def test_where_f_star_is_not_known_no_solver_solves_a_problem_by_staying_at_the_start():
    problem = min(COLLECTED)
    still = frames(run(problem, value=1.0, **UNKNOWN))[0]
    assert not solved_runs(still)["solved"].any()
    assert solved_runs(frames(run(problem, value=0.5, **UNKNOWN))[0])["solved"].all()
    known = frames(run(problem, value=1.0, optimum=1.0))[0]
    assert solved_runs(known)["solved"].all()  # it began at the minimum


def test_a_case_whose_first_repeat_raised_is_not_left_out():
    frame, _ = frames(run("p", repeat=0), run("p", solver="other", repeat=1), run("p", solver="other", repeat=2))
    frame = frame.assign(test_loss=0.1)
    assert sorted(zip(ends(frame)["label"], ends(frame)["repeat"], strict=True)) == [("newton", 0), ("other", 1)]


# --- whether an answer was wrong


@pytest.mark.parametrize("missing", [{"optimum_error": math.nan}, {"dtype": "bfloat16"}])
def test_an_answer_is_not_called_wrong_where_what_is_allowed_is_not_known(missing):
    frame, _ = frames(run("p", machine=HOST, optimum=0.5, **{"optimum_error": 0.0} | missing))
    (end,) = judged(frame).to_dict("records")
    assert not end["beyond"] and not end["within"] and not end["judged"]


# --- times where no minimum is certified


def test_without_a_certified_minimum_times_are_to_the_infimum_or_to_the_lowest_loss_that_was_found():
    frame, _ = frames(
        *(run("none", name, at, value=value, **NONE) for name, at, value in (("a", 1.0, 1e-4), ("b", 2.0, 0.05))),
        *(run("unknown", name, at, value=value, **UNKNOWN) for name, at, value in (("a", 3.0, 0.2), ("b", 4.0, 0.25))),
        run("known", optimum=0.5),
    )
    table = time_to_loss(frame).set_index(["problem", "solver"])
    assert set(table.index) == {(problem, name) for problem in ("none", "unknown") for name in "ab"}
    assert set(table.loc["none", "r"]) == {"infimum 0"}
    assert set(table.loc["unknown", "r"]) == {"lowest found, 0.2 (a)"}
    reached = table.map(lambda cell: str(cell).partition(" (")[0])
    assert list(reached.loc[("none", "a"), ["1e-01", "1e-03", "1e-06"]]) == ["1.00 s", "1.00 s", "never"]
    assert list(reached.loc[("none", "b"), ["1e-01", "1e-02"]]) == ["2.00 s", "never"]
    assert reached.loc[("unknown", "a"), "1e-06"] == "3.00 s"  # it found the lowest
    assert list(reached.loc[("unknown", "b"), ["1e-01", "1e-02"]]) == ["4.00 s", "never"]  # 0.05 of 0.8 is left
    assert time_to_loss(frame[frame["problem"] == "known"]).empty


def test_times_to_a_gap_are_those_of_problems_with_a_certified_minimum():
    frame, _ = frames(run("none", **NONE), run("known", optimum=0.5))
    (taken,) = runs_with_gap(Runs(frame, {}))
    assert list(time_to_gap(taken)["problem"]) == ["known"]
    (nothing,) = runs_with_gap(Runs(frame[frame["problem"] == "none"], {}))
    assert "No problem here has a certified f*" in not_measured(time_to_gap(nothing))
