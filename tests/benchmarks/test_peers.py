"""The scoreboard's measuring: the gap is judged from outside, settings are swept, turns are taken, results are kept."""

from __future__ import annotations

import json
import math
import resource
import sys
from io import StringIO
from itertools import count
from time import perf_counter

import pytest
import torch
from rich.console import Console
from typer.testing import CliRunner

from benchmarks.command import peers as command
from benchmarks.command.main import app
from benchmarks.runner.worker import limited_memory
from benchmarks.scoreboard import contenders, scores, timing
from benchmarks.scoreboard.contenders import CONTENDERS, OURS, measure_problem
from benchmarks.scoreboard.standing import geometric_mean, standing
from benchmarks.scoreboard.sweep import FIRST, TOLERANCES, limit, next_place, sweep
from benchmarks.scoreboard.timing import ERROR, MISSING, REACHED, SHORT, SLOW, Outcome, ScoreboardProblem, Trial, race
from datasets import Dataset, build, certificate
from datasets import registry as problems
from datasets.registry import recipe
from datasets.two_view import mnist as digits_of_mnist
from solvers import SOLVERS, Stop, minimize
from solvers.adapters import Claim, MissingPeerError

PROBLEM = "breast-cancer-l2"


@pytest.fixture(scope="module")
def course() -> ScoreboardProblem:
    known = certificate(PROBLEM)
    return ScoreboardProblem(build(PROBLEM), known.optimum, (known.high - known.low) / 2)


@pytest.fixture(scope="module")
def optimum(course) -> torch.Tensor:
    return minimize(SOLVERS["newton-cholesky"], course.exact, stop=Stop(gap_tolerance=0.0)).x


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still, but for what a fake fit adds to it; alarms never ring."""

    class Clock:
        now = 0.0

    monkeypatch.setattr(timing, "perf_counter", lambda: Clock.now)
    monkeypatch.setattr(timing, "deadline", lambda seconds: __import__("contextlib").nullcontext())
    return Clock


class Fake:
    """A peer whose distance from the optimum is `offset(tolerance)`, in `seconds(tolerance)` of the clock."""

    takes_any_objective, needs = False, "gradient"

    def __init__(self, optimum, clock, *, offset=lambda tolerance: tolerance, seconds=lambda tolerance: 0.1, **more):
        self.optimum, self.clock, self.offset, self.seconds = optimum, clock, offset, seconds
        self.dtypes, self.iterations = more.get("dtypes", ("float64",)), more.get("iterations", count(1).__next__)
        self.asked: list[float] = []

    def prepare(self, objective):
        def fit(tolerance):
            self.asked.append(tolerance)
            self.clock.now += self.seconds(tolerance)
            return Claim(self.optimum + self.offset(tolerance), self.iterations(), True)

        return fit


def test_the_gap_is_one_at_the_start_and_zero_at_the_optimum(course, optimum):
    assert course.gap(torch.zeros_like(optimum)) == pytest.approx(1.0, abs=1e-12)
    assert abs(course.gap(optimum)) < 1e-12


def test_an_optimum_that_is_hardly_known_is_refused():
    with pytest.raises(ValueError, match="not known well enough"):
        ScoreboardProblem(build(PROBLEM), certificate(PROBLEM).optimum, 1e-7)


def test_a_sparse_problem_is_met_in_both_layouts_and_a_full_one_in_one(course):
    known = certificate("synthetic-sparse")
    sparse = ScoreboardProblem(build("synthetic-sparse"), known.optimum, 0.0)
    assert course.layouts == ("dense",) and sparse.layouts == ("csr", "dense")
    assert sparse.density == pytest.approx(0.05)
    w = torch.linspace(-1, 1, sparse.d, dtype=torch.float64)
    values = [float(sparse.objective(layout, "float64").at(w).value) for layout in sparse.layouts]
    assert values[0] == pytest.approx(values[1], rel=1e-13) == pytest.approx(float(sparse.exact.at(w).value), rel=1e-13)
    single = sparse.objective("dense", "float32")
    assert single.X.dtype == torch.float32 and single.l2 == sparse.exact.l2


def test_a_sparse_problem_that_is_too_large_to_be_dense_is_met_as_it_is(monkeypatch):
    problem, optimum = build("synthetic-sparse"), certificate("synthetic-sparse").optimum
    monkeypatch.setattr(timing, "MOST_DENSE", problem.objective.X.shape[0])
    assert ScoreboardProblem(problem, optimum, 0.0).layouts == ("csr",)
    monkeypatch.setattr(timing, "SPARSE", 0.01)  # 5 % of its entries are stored: too many for CSR, were there a choice
    assert ScoreboardProblem(problem, optimum, 0.0).layouts == ("csr",)


def test_a_claim_of_success_far_from_the_optimum_counts_for_nothing(course, optimum, clock):
    entry, fit = sweep(Fake(optimum, clock, offset=lambda tolerance: 1.0), course, 10.0)
    assert entry.status == SHORT and fit is None and "least gap" in entry.message
    assert all(trial.success for trial in entry.trials)
    assert [trial.tolerance for trial in entry.trials] == list(TOLERANCES[FIRST:])


@pytest.mark.parametrize("enough", range(len(TOLERANCES)))
@pytest.mark.parametrize("first", [FIRST, 0, 9])
def test_the_search_finds_the_loosest_tolerance_that_is_enough_and_tries_one_tighter(enough, first):
    reached = {}
    while (place := next_place(reached, first)) is not None:
        reached[place] = place >= enough
    assert {enough, min(enough + 1, len(TOLERANCES) - 1)} <= set(reached) and len(reached) <= abs(first - enough) + 3
    assert enough in (0, first) or enough - 1 in reached or first > enough


@pytest.mark.parametrize("ends", range(FIRST + 1))
def test_where_the_first_fit_does_not_end_the_search_begins_with_the_loosest(ends):
    reached, order = {}, []
    while (place := next_place(reached)) is not None:
        order.append(place)
        reached[place] = False if place < ends else None
    assert order == [FIRST, *range(min(ends + 1, FIRST))]


def test_further_settings_begin_where_the_first_one_ended(course, optimum, clock):
    peer = Fake(optimum, clock, dtypes=("float64", "float32"), offset=lambda tolerance: tolerance**0.5)
    entry, _ = sweep(peer, course, 10.0)
    double, single = ([trial for trial in entry.trials if trial.dtype == dtype] for dtype in peer.dtypes)
    hits = [trial.tolerance for trial in double if trial.gap <= timing.TARGET]
    assert [trial.tolerance for trial in single] == pytest.approx([hits[0], 10 * hits[0], hits[1]])
    assert [trial.gap <= timing.TARGET for trial in single] == [True, False, True] and len(double) > 3


def test_the_fastest_setting_that_reaches_the_gap_is_chosen(course, optimum, clock):
    tight = Fake(optimum, clock, seconds=lambda tolerance: 1.0 + tolerance)  # the tighter, the faster
    entry, _ = sweep(tight, course, 10.0)
    reached = [trial for trial in entry.trials if trial.gap <= timing.TARGET]
    assert entry.status == REACHED and entry.best == reached[-1]
    same = Fake(optimum, clock, seconds=lambda tolerance: 1.0 + tolerance, iterations=lambda: 7)
    entry, _ = sweep(same, course, 10.0)
    assert entry.best == next(trial for trial in entry.trials if trial.gap <= timing.TARGET)  # they do the same


def test_a_fit_over_the_budget_ends_its_sweep_and_what_was_reached_before_counts(course, optimum, clock):
    slow = Fake(optimum, clock, seconds=lambda tolerance: 0.1 if tolerance > 1e-2 else 11.0)
    entry, fit = sweep(slow, course, 10.0)
    assert entry.status == SLOW and fit is None and slow.asked == [1e-4, 1e-1, 1e-2] and "10 s" in entry.message
    hopeless = Fake(optimum, clock, seconds=lambda tolerance: 11.0, dtypes=("float64", "float32"))
    assert sweep(hopeless, course, 10.0)[0].status == SLOW and len(hopeless.asked) == 2  # float32 is not tried
    reached = Fake(optimum, clock, offset=lambda t: 0.0, seconds=lambda tolerance: 0.1 if tolerance > 1e-2 else 11.0)
    entry, fit = sweep(reached, course, 10.0)
    assert entry.status == REACHED and entry.best.tolerance == 1e-1


def test_a_layout_or_precision_that_is_far_slower_is_given_up(course, optimum, clock):
    peer = Fake(optimum, clock, dtypes=("float64", "float32"), offset=lambda tolerance: 0.0)
    peer.seconds = lambda tolerance: 1.0 if len(peer.asked) <= 4 else 3.5
    entry, _ = sweep(peer, course, 10.0)
    reached = [trial.dtype for trial in entry.trials if trial.gap <= timing.TARGET]
    assert reached == ["float64"] * 4 + ["float32"] and entry.best.dtype == "float64"


def test_all_fits_of_a_sweep_take_no_more_than_three_budgets(course, optimum, clock):
    peer = Fake(optimum, clock, offset=lambda tolerance: 1.0, seconds=lambda tolerance: 7.0)
    entry, fit = sweep(peer, course, 10.0)
    assert entry.status == SLOW and fit is None and len(peer.asked) == 5 and "35 s" in entry.message


def test_no_contender_is_waited_for_that_is_ten_times_slower_than_the_fastest(monkeypatch):
    budgets, best = [], Trial("dense", "float64", 1e-4, 0.2, 1e-8)

    def fake(peer, course, budget):
        budgets.append(budget)
        return Outcome(REACHED, best=best), None

    monkeypatch.setattr(contenders, "sweep", fake)
    monkeypatch.setattr(contenders, "limits", lambda *arguments: None)
    measure_problem(PROBLEM, 1, CHOSEN, 0, 30.0)
    assert budgets == [30.0, 2.0, 2.0] and limit(30.0, 1e-3) == 1.0 and limit(0.5, 1e-3) == 0.5


@pytest.mark.parametrize(("seconds", "fits"), [(15.0, 2), (25.0, 1)])
def test_native_code_that_ran_far_beyond_the_budget_is_not_started_again(course, optimum, clock, seconds, fits):
    peer = Fake(optimum, clock, seconds=lambda tolerance: seconds, dtypes=("float64", "float32"))
    assert sweep(peer, course, 10.0)[0].status == SLOW and len(peer.asked) == fits


def test_an_endless_fit_is_interrupted_even_where_the_library_catches_errors(course):
    caught = []

    class Endless:
        dtypes, takes_any_objective, needs = ("float64",), False, "gradient"

        def prepare(self, objective):
            def fit(tolerance):
                end = perf_counter() + 3.0  # but for the deadline
                while perf_counter() < end:
                    try:
                        sum(range(1000))
                    except Exception as error:  # a library that goes on, whatever happens
                        caught.append(error)

            return fit

    entry, _ = sweep(Endless(), course, 0.05)
    assert entry.status == SLOW and len(entry.trials) == 2 and not caught


def test_a_peer_that_raises_and_one_that_is_missing_are_rows_that_say_so(course):
    class Raising:
        dtypes, takes_any_objective, needs = ("float64",), False, "gradient"

        def __init__(self, error):
            self.error = error

        def prepare(self, objective):
            raise self.error

    entry, _ = sweep(Raising(ZeroDivisionError("of nothing\nand more")), course, 1.0)
    assert (entry.status, entry.message) == (ERROR, "ZeroDivisionError: of nothing")
    entry, _ = sweep(Raising(MissingPeerError("it is not installed")), course, 1.0)
    assert (entry.status, entry.message) == (MISSING, "it is not installed")


def test_an_error_when_the_fastest_setting_is_chosen_or_in_a_gap_is_a_row_too(course, optimum, clock, monkeypatch):
    peer = Fake(optimum, clock, offset=lambda tolerance: 0.0, seconds=lambda tolerance: 0.1)
    healthy = peer.seconds
    peer.seconds = lambda tolerance: healthy(tolerance) if len(peer.asked) <= 4 else 1 / 0  # only the sweep's own fits
    entry, fit = sweep(peer, course, 10.0)
    assert entry.status == SHORT and fit is None and "ZeroDivisionError" in entry.message
    peer = Fake(optimum, clock)
    entry, fit = sweep(peer, course, 10.0)
    monkeypatch.setattr(course, "gap", lambda w: [].pop())
    race({"a": entry}, {"a": fit}, course, 4, 10.0, (), lambda what: None)
    assert entry.status == ERROR and "IndexError" in entry.message


def raced(course, peers: dict, repeats: int, stay=()) -> tuple[dict[str, Outcome], list[str]]:
    entries, fits, order = {}, {}, []
    for name, peer in peers.items():
        entries[name], fit = sweep(peer, course, 10.0)
        fits[name] = lambda tolerance, fit=fit, name=name: (order.append(name), fit(tolerance))[1]
    race(entries, fits, course, repeats, 10.0, stay, lambda what: None)
    return entries, order


def test_all_take_turns_in_an_order_drawn_anew_that_is_the_same_each_time(course, optimum, clock):
    peers = {name: Fake(optimum, clock) for name in "abcdef"}
    entries, order = raced(course, peers, repeats=5)
    rounds = [order[k : k + 6] for k in range(0, 30, 6)]
    assert all(sorted(each) == list("abcdef") for each in rounds) and len({tuple(each) for each in rounds}) > 1
    assert all(entry.seconds == pytest.approx([0.1] * 5) for entry in entries.values())
    assert raced(course, {name: Fake(optimum, clock) for name in "abcdef"}, repeats=5)[1] == order


def test_short_fits_are_timed_several_times_a_turn_after_one_that_warms_up(course, optimum, clock):
    entries, order = raced(course, {"a": Fake(optimum, clock, seconds=lambda tolerance: 0.008)}, repeats=2)
    assert len(entries["a"].seconds) == 2 and len(order) == 2 * (1 + 2)


def test_a_slow_contender_leaves_after_three_rounds_and_ours_stays(course, optimum, clock):
    peers = {name: Fake(optimum, clock, seconds=lambda tolerance: 4.0) for name in ("a:slow", "b:ours")}
    entries, _ = raced(course, peers | {"c:quick": Fake(optimum, clock)}, repeats=6, stay={"b:ours"})
    assert {name: len(entry.seconds) for name, entry in entries.items()} == {"a:slow": 3, "b:ours": 6, "c:quick": 6}
    assert entries["a:slow"].status == REACHED


def test_who_is_five_times_slower_than_the_fastest_of_its_library_leaves_after_three_rounds(course, optimum, clock):
    seconds = {"a:fast": 0.1, "a:near": 0.4, "a:far": 0.6, "b:far": 0.6}
    peers = {name: Fake(optimum, clock, seconds=lambda tolerance, each=each: each) for name, each in seconds.items()}
    entries, _ = raced(course, peers, repeats=6, stay=set(seconds))
    rounds = {name: len(entry.seconds) for name, entry in entries.items()}
    assert rounds == {"a:fast": 6, "a:near": 6, "a:far": 3, "b:far": 6}


def test_a_timed_fit_that_misses_the_gap_is_no_result(course, optimum, clock):
    peer = Fake(optimum, clock)
    entry, fit = sweep(peer, course, 10.0)
    peer.offset = lambda tolerance: 1.0
    race({"a": entry}, {"a": fit}, course, 4, 10.0, (), lambda what: None)
    assert entry.status == SHORT and "round 1" in entry.message


CHOSEN = ["hessbench:newton-cholesky", "hessbench:newton-cg", "scikit-learn:lbfgs"]


@pytest.fixture(scope="module")
def result() -> dict:
    return measure_problem(PROBLEM, 1, CHOSEN, 2, 20.0)


def test_a_problem_is_measured_with_all_that_a_reader_needs(result):
    assert (result["n"], result["d"], result["density"]) == (398, 30, 1.0)
    for entry in result["entries"].values():
        assert entry["status"] == REACHED and entry["best"]["gap"] <= 1e-6 and len(entry["seconds"]) == 2
    assert json.loads(json.dumps(result)) == result
    bounded = result["limits"]
    assert 0 < bounded["seconds"] < 1 and sum(bounded["phases"].values()) <= 1.01 * bounded["instrumented"]
    assert bounded["operations"] > 10 and set(bounded["bounds"]) >= {"compute", "bandwidth", "latency"}
    with pytest.raises(ValueError, match="no gap to reach"):
        measure_problem("breast-cancer", 1, CHOSEN, 1, 1.0)
    with pytest.raises(ValueError, match="neither logistic nor softmax"):
        measure_problem("mlp-breast-cancer-mean10", 1, CHOSEN, 1, 1.0)


def test_a_profile_that_fails_leaves_the_times_and_says_why(monkeypatch):
    def broken(*arguments, **more):
        raise RuntimeError("[enforce fail] not enough memory\nsecond line")

    monkeypatch.setattr(contenders, "profile", broken)
    found = measure_problem(PROBLEM, 1, CHOSEN[:1], 1, 20.0)
    assert found["limits"] == {"error": "RuntimeError: [enforce fail] not enough memory"}
    assert found["entries"][CHOSEN[0]]["status"] == REACHED


def test_threads_are_as_before_after_a_measurement():
    before = torch.get_num_threads()
    measure_problem(PROBLEM, 2, CHOSEN[:1], 1, 20.0)
    assert torch.get_num_threads() == before


@pytest.fixture
def folder(tmp_path, result, monkeypatch):
    monkeypatch.setattr(scores, "calibration", lambda *arguments: {"gemm_gflops": 1.0})
    scores.write(tmp_path, result)
    return tmp_path


def test_what_is_stored_of_the_same_code_is_not_measured_again(folder, monkeypatch):
    asked = (PROBLEM, 1, CHOSEN, 2, 20.0)
    assert scores.measured(folder, *asked) and scores.measured(folder, PROBLEM, 1, CHOSEN[:1], 1, 20.0)
    more = [*CHOSEN, "glum:irls-ls"]
    for other in (
        ("iris", 1, CHOSEN, 2, 20.0),
        (PROBLEM, 2, CHOSEN, 2, 20.0),
        (PROBLEM, 1, more, 2, 20.0),
        (PROBLEM, 1, CHOSEN, 3, 20.0),
        (PROBLEM, 1, CHOSEN, 2, 30.0),
    ):
        assert not scores.measured(folder, *other)
    monkeypatch.setattr(scores, "identity", lambda: {"code": "of tomorrow"})
    assert not scores.measured(folder, *asked)


def test_a_result_is_written_whole_with_its_provenance(folder):
    (file,) = folder.iterdir()
    stored = json.loads(file.read_text())
    needed = {"machine", "environment", "calibration", "commit", "date", "packages", "code", "schema"}
    assert needed <= set(stored) and stored["packages"]["scikit-learn"] != "absent"
    results, skipped = scores.read(folder)
    assert len(results) == 1 and not skipped
    file.write_text(file.read_text()[:1000])
    assert not scores.measured(folder, PROBLEM, 1, CHOSEN, 2, 20.0) and list(scores.read(folder)[1]) == [file.name]


def test_the_default_problems_and_contenders_are_there():
    assert {"hessbench:newton-cholesky", "hessbench:newton-cg"} <= set(OURS) <= set(CONTENDERS)
    assert {"hessbench:auto", "hessbench:auto by gradient"} <= set(OURS)


def invoke(*arguments: str):
    return CliRunner().invoke(app, ["peers", *arguments])


def test_the_command_prints_the_scoreboard_and_goes_on_where_it_stopped(folder, result, monkeypatch):
    wanted = ("--problem", PROBLEM, "--peer", "scikit-learn:lbfgs", "--repeats", "2", "--store", str(folder))
    measured = []
    monkeypatch.setattr(command, "measure_problem", lambda *arguments: (measured.append(arguments[0]), result)[1])
    monkeypatch.setattr(command, "OURS", dict.fromkeys(CHOSEN[:2]))
    first = invoke(*wanted)
    assert first.exit_code == 0, first.output
    assert not measured and "scikit-learn:lbfgs" in first.output and "geometric mean" in first.output
    assert invoke(*wanted, "--force").exit_code == 0 and measured == [PROBLEM]


def test_a_message_is_printed_as_it_is(result):
    entries = {"a:b": {"status": MISSING, "message": "pip install '.[peers]'", "best": None, "seconds": []}}
    console = Console(width=200, file=StringIO())
    command.show([result | {"entries": result["entries"] | entries}], console)
    assert "missing: pip install '.[peers]'" in console.file.getvalue()


def test_an_interrupt_keeps_what_is_finished(tmp_path, result, monkeypatch):
    def measure(name, *arguments):
        if name != PROBLEM:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(command, "measure_problem", measure)
    monkeypatch.setattr(scores, "calibration", lambda *arguments: {})
    ended = invoke("--problem", PROBLEM, "--problem", "synthetic-wide", "--store", str(tmp_path))
    assert ended.exit_code == 130 and "rerun the same command" in ended.output and len(list(tmp_path.iterdir())) == 1


def test_a_problem_that_cannot_be_measured_is_named_and_the_others_are(tmp_path, result, monkeypatch):
    def measure(name, *arguments):
        if name != PROBLEM:
            raise MemoryError("cannot allocate 9 GB")
        return result

    monkeypatch.setattr(command, "measure_problem", measure)
    monkeypatch.setattr(scores, "calibration", lambda *arguments: {})
    ended = invoke("--problem", "synthetic-wide", "--problem", PROBLEM, "--store", str(tmp_path))
    assert ended.exit_code == 1 and "synthetic-wide, threads: 1: MemoryError: cannot allocate 9 GB" in ended.output
    assert len(list(tmp_path.iterdir())) == 1 and "geometric mean" in ended.output


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux counts what RLIMIT_DATA limits")
def test_a_fit_beyond_the_memory_is_a_row_and_the_limit_ends_with_the_context(course, optimum, clock):
    peer = Fake(optimum, clock, offset=lambda tolerance: float(torch.ones(1 << 27, dtype=torch.float64)[0]))  # 1 GiB
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with limited_memory(1 << 28):
        entry, fit = sweep(peer, course, 10.0)
    assert entry.status == ERROR and fit is None and "memory" in entry.message
    assert resource.getrlimit(resource.RLIMIT_DATA) == before and sweep(peer, course, 10.0)[0].status == SHORT


def trial(**more) -> dict:
    return {"layout": "dense", "dtype": "float64", "tolerance": 1e-4, "gap": 1e-8, "iterations": 5} | more


def entry(seconds, status=REACHED, **more) -> dict:
    return {"status": status, "message": more.pop("message", ""), "best": trial(**more), "seconds": seconds}


def outcome(entries: dict, problem="p") -> dict:
    return {"problem": problem, "density": 1.0, "entries": entries, "on_our_objective": []}


def test_ratios_are_of_pairs_of_one_round_and_not_of_medians():
    ours, theirs = [1.0, 10.0, 1.0, 10.0, 1.0, 10.0, 1.0], [2.0, 20.0, 2.0, 20.0, 2.0, 20.0, 2.0]
    found = scores.scores(outcome({"hessbench:newton-cg": entry(ours), "scipy:BFGS": entry(theirs)}))
    assert found[1].ratio[:3] == (2.0, 2.0, 2.0)
    left = scores.scores(outcome({"hessbench:newton-cg": entry(ours), "scipy:BFGS": entry(theirs[:3])}))
    assert left[1].ratio.median == 2.0 and math.isnan(left[1].ratio.low) and left[1].ratio.rounds == 3


def test_the_reference_is_the_fastest_of_ours_that_reaches_the_gap():
    entries = {"hessbench:newton-cg": entry([1.0]), "hessbench:newton-cholesky": entry([0.5]), "a:b": entry([0.1])}
    assert scores.reference(outcome(entries)) == "hessbench:newton-cholesky"
    assert scores.reference(outcome(entries | {"hessbench:auto": entry([0.2])})) == "hessbench:auto"
    failed = entries | {"hessbench:auto": entry([0.1], SHORT)}
    assert scores.reference(outcome(failed)) == "hessbench:newton-cholesky"
    assert scores.reference(outcome({"a:b": entry([0.1])})) is None


@pytest.mark.parametrize(
    ("ours", "theirs", "verdict"),
    [
        ([1.0] * 7, [2.0] * 7, "won"),
        ([1.0] * 7, [0.5] * 7, "lost"),
        ([1.0] * 7, [0.5, 2.0, 0.5, 2.0, 0.5, 2.0, 2.0], "undecided"),
        (None, [1.0] * 7, "lost"),
        ([1.0] * 7, None, "won"),
    ],
)
def test_a_verdict_needs_an_interval_on_one_side_of_one(ours, theirs, verdict):
    entries = {"hessbench:newton-cg": entry(ours or [], REACHED if ours else SHORT)}
    entries |= {"glum:irls-ls": entry(theirs or [], REACHED if theirs else SLOW)}
    assert standing(outcome(entries)).verdict == verdict


def test_best_peers_and_geometric_means():
    entries = {
        "hessbench:newton-cg": entry([1.0]),
        "glum:irls-ls": entry([2.0]),
        "scikit-learn:lbfgs": entry([8.0]),
        "scikit-learn:liblinear": entry([0.5], SHORT),
    }
    found = standing(outcome(entries))
    assert found.peer.contender == "glum:irls-ls" and found.scikit_learn.contender == "scikit-learn:lbfgs"
    assert geometric_mean([2.0, 8.0, math.nan]) == pytest.approx(4.0)
    assert math.isnan(geometric_mean([]))
    assert [row.contender for row in scores.scores(outcome(entries))][-1] == "scikit-learn:liblinear"


def test_correlated_columns_are_correlated_with_their_neighbours():
    correlations = torch.corrcoef(build("synthetic-correlated-2000x6").objective.X.T)
    for distance in (1, 2, 3):
        expected = torch.full((6 - distance,), 0.9**distance, dtype=torch.float64)
        torch.testing.assert_close(correlations.diagonal(distance), expected, atol=0.1, rtol=0)


def test_odd_digits_are_class_one(monkeypatch):
    digits, X = torch.tensor([0.0, 1.0, 2.0, 7.0, 9.0], dtype=torch.float64), torch.eye(5, dtype=torch.float64)
    monkeypatch.setattr(digits_of_mnist, "mnist", lambda: Dataset("five digits", X, digits, X, digits.flip(0)))
    parity = recipe("mnist-odd-even")(torch.float64, torch.device("cpu"))
    assert parity.objective.y.tolist() == [0, 1, 0, 1, 1] and parity.held_out.y.tolist() == [1, 1, 0, 1, 0]
    assert parity.objective.l2 == 1 / 5
    problems._loaded.cache_clear()  # the real digits are for whoever asks next
