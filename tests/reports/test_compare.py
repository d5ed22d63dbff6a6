"""Comparisons: what two words select, which cells belong together, and what is said of their times and results."""

from __future__ import annotations

import json
import math
import re

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from datasets.folders import ROOT
from reports.__main__ import app
from reports.comparing.compare import compare, judged, summaries
from reports.comparing.partners import partners
from reports.comparing.selection import meanings, sides
from reports.data.runs import load
from reports.statistics.bootstrap import geometric_mean
from reports.statistics.estimate import Estimate
from reports.statistics.scatter import median_error
from tests.reports.made_up import GPU, HOST, frames, pair, repeats, run, stored

# --- what the words mean


def test_a_word_is_what_it_names_in_full_else_what_it_begins_or_is_part_of():
    frame, _ = frames(run(), run(commit="bbbb11111111", machine=GPU, device="cuda", solver="newton-cg"))
    assert meanings(frame, "newton") == {"solver": "newton"}  # not newton-cg as well
    assert meanings(frame, "bbbb") == {"commit": "bbbb11111111"}
    assert meanings(frame, "a gpu") == {"machine": GPU}
    assert meanings(frame, "cpu") == {"device": "cpu"}  # and not the machine whose name holds it
    assert meanings(frame, "threads=1") == {"threads": "1"} and meanings(frame, "1") == {}
    assert meanings(frame, "device=float64") == {}
    with pytest.raises(ValueError, match="each of 2 machines"):
        meanings(frame, "4 cores")


def test_folders_and_commits_are_found_in_what_is_stored(tmp_path):
    old = run(code_version="1", commit="aaaa00000000", date="2026-01-01")
    new = run(code_version="2", commit="bbbb11111111", date="2026-01-02")
    store, other = stored(tmp_path / "one", old, new), stored(tmp_path / "two", run(seconds=2.0))
    assert len(load(store).frame) == 2 and len(load(store, code="all").frame) == 4
    found = sides(store, "aaaa", "bbbb")
    assert found.kind == "commit" and [len(frame) for frame in found.frames] == [2, 2]
    again = run(code_version="2", commit="bbbb11111111", date="2026-01-02", dtype="float32")
    stored(store, again)
    assert [set(frame["code_version"]) for frame in sides(store, "float64", "float32").frames] == [{"2"}, {"2"}]
    found = sides(store, str(store), str(other))
    assert found.kind == "store" and set(found.frames[0]["commit"]) == {"bbbb11111111"}


BAD = {
    "an unknown word": (["newton", "newtn"], "solvers newton, newton-cg"),
    "two kinds": (["newton", "float64"], "'newton' is a solver and 'float64' a dtype"),
    "the same twice": (["cpu", "cpu"], "both sides are the device"),
    "an unknown quantity": (["newton", "newton-cg", "--quantity", "speed"], "run, gap, iteration"),
    "a gap of nothing": (["newton", "newton-cg", "--gap", "0"], "--gap"),
    "no partner": (["float32", "float64"], "no case of A has a partner in B"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_is_one_sentence(what, tmp_path):
    store = stored(tmp_path / "s", run(), run(solver="newton-cg"), run(problem="wine", dtype="float32"))
    options, named = BAD[what]
    outcome = CliRunner().invoke(app, ["compare", *options, "--store", str(store)])
    assert outcome.exit_code == 2 and named in outcome.stderr and len(outcome.stderr.splitlines()) == 1


# --- which cells belong together


def test_partners_agree_in_all_but_what_is_compared():
    a = [run(), run(problem="wine"), run(threads=2), run(dtype="float32"), run(rules="10 iterations")]
    b = [run(device="cuda", machine=GPU), run(device="cuda", machine=GPU, problem="digits")]
    found, alone = partners(pair("device", a, b))
    assert len(found) == 1 and len(alone) == 5
    assert ("A", "wine newton float64 (gap 1e-10)") in alone and ("B", "digits newton float64 (gap 1e-10)") in alone


def test_machines_are_kept_apart_unless_they_are_compared():
    here, there = run(), run(machine="Another CPU")
    assert not partners(pair("commit", [here], [there]))[0]
    assert len(partners(pair("machine", [here], [there]))[0]) == 1
    assert len(partners(pair("store", [here], [there]))[0]) == 1  # a machine on each side
    assert len(partners(pair("store", [here, there], [here, there]))[0]) == 2
    table = compare(
        pair("store", [*repeats(1.0), *repeats(1.0, machine="B")], [*repeats(2.0), *repeats(3.0, machine="B")])
    )
    means = summaries(table[table["quantity"] == "run"]).set_index("machine")["B / A"]
    assert means[HOST] == pytest.approx(2.0) and means["B"] == pytest.approx(3.0)


def test_cases_that_differ_in_settings_alone_are_no_repeats_of_each_other():
    settings = {"damping": 1.0}
    found, alone = partners(pair("commit", [run(case="c"), run(case="d", settings=settings)], [run(settings=settings)]))
    assert not found and len(alone) == 3
    found, _ = partners(pair("commit", [run(settings={"damping": 0.0})], [run(settings=settings)]))
    assert len(found) == 1  # a default that changed from commit to commit


# --- times


@pytest.mark.parametrize(("times", "verdict"), [(2.0, "slower"), (0.5, "faster"), (1.0, "same"), (1.045, "undecided")])
def test_the_verdict_is_that_of_the_interval(times, verdict):
    table = compare(pair("commit", repeats(1.0), repeats(times)))
    assert set(table["verdict"]) == {verdict} and len(table) == 3
    row = table.iloc[0]
    assert row["ratio"] == pytest.approx(times) and row["low"] <= times <= row["high"]
    assert row["joint low"] < row["low"] and row["joint high"] > row["high"]


def test_joint_intervals_grow_with_the_list_so_that_they_hold_together():
    problems = [f"synthetic-{n}x5" for n in range(100, 110)]
    one = compare(pair("commit", repeats(), repeats()), quantities=["run"])
    many = compare(
        pair("commit", *([r for p in problems for r in repeats(problem=p)] for _ in range(2))), quantities=["run"]
    )
    assert len(many) == 10 and (many["joint high"] > one["joint high"][0]).all()
    assert many["high"][0] == pytest.approx(one["high"][0], rel=1e-2)


def test_noise_alone_makes_nothing_faster_or_slower():
    """A hundred lists of twenty pairs without a difference: 95 lists or so are without a false verdict."""
    rng, wrong = np.random.default_rng(0), 0
    for _ in range(100):
        rows = []
        for _ in range(20):
            a, b = 0.5 * rng.standard_normal((2, 8))
            side = Estimate(1.0, 1.0, 1.0, 8, 8)
            error = math.hypot(median_error(a), median_error(b))
            ratio = math.exp(np.median(b) - np.median(a))
            rows.append({"A": side, "B": side, "ratio": ratio, "error": error, "reason": ""})
        wrong += judged(pd.DataFrame(rows))["verdict"].isin(["faster", "slower"]).any()
    assert wrong <= 10


def test_runs_that_ended_otherwise_or_by_the_clock_have_no_ratio_of_the_whole():
    a, limit = repeats(), {"status": "iteration limit"}
    table = compare(pair("commit", a, repeats(**limit)), quantities=["run", "iteration"]).set_index("quantity")
    assert table.loc["run", "verdict"] == "converged against iteration limit" and math.isnan(table.loc["run", "ratio"])
    assert table.loc["iteration", "ratio"] == pytest.approx(1.0)
    clock = {"status": "time limit"}
    table = compare(pair("commit", repeats(**clock), repeats(**clock)), quantities=["run"])
    assert table["verdict"][0] == "stopped by the clock"


def test_the_side_that_alone_reaches_the_gap_is_named():
    never = repeats(gap=0.1)
    named = {
        "only A gets there": (repeats(), never),
        "only B gets there": (never, repeats()),
        "neither gets there": (never, never),
        "no minimiser": (repeats(no_gap="no minimiser"), repeats(no_gap="no minimiser")),
    }
    for words, (a, b) in named.items():
        assert compare(pair("commit", a, b), quantities=["gap"])["verdict"][0] == words
    wider = compare(pair("commit", never, repeats()), quantities=["gap"], gap=0.2)
    assert wider["verdict"][0] == "same"


# --- results


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({}, "agree"),
        ({"value": 0.5 + 0.9e-6}, "agree"),
        ({"value": 0.5 + 1.1e-6}, "values differ by 1.1e-06"),
        ({"value": math.nan}, "values differ by nan"),
        ({"status": "stalled"}, "converged against stalled"),
    ],
)
def test_results_agree_to_the_gap_and_in_their_status(other, words):
    assert compare(pair("commit", repeats(), repeats(**other)), quantities=["iteration"])["results"][0] == words


def test_the_mean_of_ratios_is_geometric_and_counts_what_has_none():
    middle, low, high = geometric_mean([0.5, 2.0, 0.5, 2.0, 0.5, 2.0])
    assert middle == pytest.approx(1.0) and 0.5 <= low < 1 < high <= 2.0
    assert math.isnan(geometric_mean([1.0, 2.0])[1])
    a = [*repeats(), *repeats(problem="wine")]
    b = [*repeats(4.0), *repeats(problem="wine", status="stalled")]
    row = summaries(compare(pair("commit", a, b), quantities=["run"])).iloc[0]
    assert (row["pairs"], row["ratios"], row["no ratio"], row["slower"], row["results differ"]) == (2, 1, 1, 1, 1)
    assert row["B / A"] == pytest.approx(4.0)


# --- the command


def test_the_command_names_both_sides_prints_every_pair_and_writes_the_list(tmp_path):
    store = stored(tmp_path / "s", *repeats(), *repeats(2.0, solver="newton-cg"), *repeats(problem="wine"))
    out = tmp_path / "out"
    outcome = CliRunner().invoke(app, ["compare", "newton", "newton-cg", "--store", str(store), "--out", str(out)])
    assert outcome.exit_code == 0, outcome.output
    text = " ".join(outcome.stdout.split())
    assert "A: solver newton B: solver newton-cg" in text and "slower" in text
    assert "1 slower, 0 same" in text and "without a partner: 1 of A (wine" in text
    table = pd.read_csv(out / "compare.csv")
    assert list(table["runs"]) == [12, 12, 12] and (out / "compare.tex").exists() and (out / "compare.md").exists()


def test_the_comparison_as_json_is_one_value_with_underscores_in_its_keys(tmp_path):
    store = stored(tmp_path / "s", *repeats(), *repeats(2.0, solver="newton-cg"), *repeats(problem="wine"))
    words = ["compare", "newton", "newton-cg", "--store", str(store)]
    found = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert (found["kind"], found["A"], found["B"], found["gap"]) == ("solver", "newton", "newton-cg", 1e-6)
    assert [row["quantity"] for row in found["pairs"]] == ["run", "gap", "iteration"]
    assert found["pairs"][0]["B"] == pytest.approx(2 * found["pairs"][0]["A"]) and len(found["summary"]) == 3
    assert [row["side"] for row in found["without_partner"]] == ["A"]
    rows = [*found["pairs"], *found["summary"], *found["without_partner"]]
    documented = set(re.findall(r"`(\w+)`", (ROOT / "docs" / "command-line.md").read_text()))
    assert set(found).union(*rows) <= documented
    empty = CliRunner().invoke(app, [*words[:3], "absent", "--store", str(store), "--json"])
    assert empty.exit_code == 2 and empty.stdout == "" and empty.stderr
