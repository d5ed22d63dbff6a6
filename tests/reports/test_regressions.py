"""Regressions: what is slower is found, what only scatters is not, and nothing drifts away unseen."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import bootstrap
from typer.testing import CliRunner

from benchmarks.runner.environment import ROOT
from reports.__main__ import app
from reports.comparing.commits import git_history
from reports.comparing.regressions import changes, judge, regressions, worse_now
from reports.data.asv_results import asv_results
from reports.data.measurements import tidy
from reports.statistics.bootstrap import ratio
from reports.statistics.scatter import median_error, robust_scale

EXAMPLE = ROOT / "tests" / "examples" / "asv"
CHANGES = ("worse", "better")


def commit(k: int) -> str:
    return f"{k:012d}"


def cell(k: int, *, status: str = "ok", **columns) -> dict:
    """What all rows of one cell at commit k have."""
    about = {"source": "asv", "commit": commit(k), "date": f"2026-01-{k + 1:02d}", "machine": "CPU", "host": "a"}
    named = {"environment": "e", "benchmark": "b", "version": "1", "parameters": "", "quantity": "time", "unit": "s"}
    return about | named | {"status": status} | columns


def timed(k: int, samples: np.ndarray, *, recorded: bool = True, **columns) -> list[dict]:
    """A timed cell at commit k: its median, and its samples, as asv gives them."""
    about = cell(k, **columns)
    median = about | {"statistic": "median", "value": np.median(samples), "samples": len(samples)}
    if recorded:
        return [median, *(about | {"statistic": "value", "repeat": i, "value": x} for i, x in enumerate(samples))]
    error = median_error(np.log(samples))
    ends = {"low": median["value"] * math.exp(-2.576 * error), "high": median["value"] * math.exp(2.576 * error)}
    return [median | ends]


def counted(values: list[float], **columns) -> list[dict]:
    """Iterations of one cell at commits 0, 1, ..."""
    counts = {"statistic": "value", "repeat": 0, "quantity": "iterations", "unit": "iterations"}
    return [cell(k, **columns) | counts | {"value": v} for k, v in enumerate(values)]


def noisy(seed: int, *, levels: np.ndarray, between: float, within: float = 0.03, samples: int = 20) -> pd.DataFrame:
    """Simulated results: levels (benchmarks, commits) in ms, log-normal noise within a measurement and between two."""
    rng = np.random.default_rng(seed)
    rows = []
    for b, series in enumerate(levels):
        for k, level in enumerate(series):
            moods = np.exp(between * rng.normal() + within * rng.normal(size=samples))
            rows += timed(k, 1e-3 * level * moods, benchmark=f"b{b:02d}")
    return tidy(rows)


def verdicts(rows: list[dict], **options) -> dict[tuple[str, str, str], str]:
    table = regressions(tidy(rows), **options)
    return {(row.kind, row.against, row.commit): row.verdict for row in table.itertuples()}


# --- noise and drift


@pytest.mark.slow
@pytest.mark.parametrize("between", [0.0, 0.02, 0.05])
def test_noise_alone_is_called_a_change_in_at_most_one_list_of_twenty(between):
    """30 benchmarks, 10 commits: 510 comparisons a list; without the threshold, which would only hide alarms."""
    lists = [regressions(noisy(seed, levels=np.ones((30, 10)), between=between), threshold=0.0) for seed in range(6)]
    assert all(len(table) == 30 * (9 + 8) for table in lists)
    assert sum(table["verdict"].isin(CHANGES).any() for table in lists) == 0


def test_what_two_commits_say_by_themselves_would_call_a_tenth_of_the_noise_a_change():
    """Why the scatter between commits counts: samples taken within a second do not know of it."""
    frame = noisy(0, levels=np.ones((30, 10)), between=0.02)
    samples = frame[frame["statistic"] == "value"].groupby(["benchmark", "commit"])["value"].apply(np.array)
    alarms = [
        ratio(samples[b, commit(k + 1)], samples[b, commit(k)])[1] > 1
        for b in frame["benchmark"].unique()
        for k in range(9)
    ]
    assert np.mean(alarms) > 0.1


@pytest.mark.parametrize("seed", range(4))
def test_ten_steps_of_two_percent_are_seen_from_the_baseline_though_none_of_them_is(seed):
    levels = np.ones((30, 11))
    levels[0] = 1.02 ** np.arange(11)
    table = regressions(noisy(seed, levels=levels, between=0.01))
    drifting = table[table["benchmark"] == "b00"]
    assert not drifting.loc[drifting["kind"] == "step", "verdict"].isin(CHANGES).any()
    last = drifting[(drifting["kind"] == "drift") & (drifting["commit"] == commit(10))].iloc[0]
    assert (last["verdict"], last["against"]) == ("worse", commit(0)) and last["low"] > 1.05
    assert not table.loc[table["benchmark"] != "b00", "verdict"].isin(CHANGES).any()
    assert list(changes(table)["commit"]) == [commit(10)]


def test_one_slow_cell_among_thirty_is_found_and_where_it_became_slow():
    levels = np.ones((30, 5))
    levels[7, 3:] = 1.5
    found = changes(regressions(noisy(1, levels=levels, between=0.02)))
    assert set(found["benchmark"]) == {"b07"} and set(found["verdict"]) == {"worse"}
    assert list(found.loc[found["kind"] == "step", "commit"]) == [commit(3)]
    assert np.allclose(found["typical"], 1.0, atol=0.02)


@pytest.mark.parametrize("seed", range(3))
def test_a_cell_that_scatters_more_than_the_others_is_judged_by_its_own_scatter(seed):
    levels = np.ones((30, 12))
    levels[3] = np.exp(0.2 * np.random.default_rng(seed).normal(size=12))
    assert changes(regressions(noisy(seed + 10, levels=levels, between=0.01))).empty


def test_a_change_of_all_cells_is_found_and_shows_in_the_typical_ratio():
    levels = np.ones((30, 2))
    levels[:, 1] = 2.0
    table = regressions(noisy(2, levels=levels, between=0.02))
    assert set(table["verdict"]) == {"worse"} and np.allclose(table["typical"], 2.0, rtol=0.03)


# --- the interval


def test_the_error_of_a_median_is_that_of_the_bootstrap_with_many_resamples():
    sample = np.random.default_rng(0).lognormal(size=21)
    rng = np.random.default_rng(1)
    found = bootstrap((sample,), np.median, n_resamples=20_000, method="percentile", rng=rng).standard_error
    assert median_error(sample) == pytest.approx(found, rel=0.02)


def test_the_scatter_does_not_see_what_less_than_half_of_the_steps_did():
    rng = np.random.default_rng(0)
    d = rng.normal(scale=0.02, size=4001)
    assert robust_scale(d) == pytest.approx(0.02, rel=0.06)
    assert robust_scale(d + 0.1) == pytest.approx(robust_scale(d))
    assert robust_scale([*d, *([1.0] * 400)]) < 0.025


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (1.06, 2.0, "worse"),
        (1.04, 2.0, "undecided"),
        (0.97, 1.04, "same"),
        (0.94, 1.04, "undecided"),
        (0.5, 0.96, "undecided"),
        (0.5, 0.951, "better"),  # 1 / 1.05 = 0.952: as strict as 1.05
        (0.5, 2.0, "undecided"),
    ],
)
def test_a_verdict_needs_an_interval_beyond_the_threshold(low, high, verdict):
    assert judge(low, high, 0.05) == verdict


def test_slower_by_a_factor_and_faster_by_it_are_judged_alike():
    rng = np.random.default_rng(0)
    one, other = rng.lognormal(sigma=0.05, size=20), 1.3 * rng.lognormal(sigma=0.05, size=20)
    up = regressions(tidy([*timed(0, one), *timed(1, other)])).iloc[0]
    down = regressions(tidy([*timed(0, other), *timed(1, one)])).iloc[0]
    assert (up["verdict"], down["verdict"]) == CHANGES
    assert (up["low"], up["high"]) == pytest.approx((1 / down["high"], 1 / down["low"]))


def test_more_comparisons_ask_for_wider_intervals():
    rng = np.random.default_rng(0)
    pair = [*timed(0, rng.lognormal(sigma=0.05, size=20)), *timed(1, rng.lognormal(sigma=0.05, size=20))]
    others = [row | {"benchmark": f"b{b}"} for b in range(30) for row in pair]
    alone, among = regressions(tidy(pair)).iloc[0], regressions(tidy([*pair, *others]))
    among = among[among["benchmark"] == "b"].iloc[0]
    assert among["ratio"] == alone["ratio"] and among["low"] < alone["low"] and among["high"] > alone["high"]


def test_without_samples_asvs_own_interval_serves():
    rng = np.random.default_rng(0)
    samples = [rng.lognormal(sigma=0.05, size=20) * level for level in (1.0, 1.0, 1.5)]
    kept = regressions(tidy([row for k, s in enumerate(samples) for row in timed(k, s)]))
    lost = regressions(tidy([row for k, s in enumerate(samples) for row in timed(k, s, recorded=False)]))
    assert list(kept["verdict"]) == list(lost["verdict"]) and "worse" in set(lost["verdict"])
    assert np.allclose(kept[["low", "high"]].astype(float), lost[["low", "high"]].astype(float), rtol=1e-3)


@pytest.mark.filterwarnings("error")
def test_a_sample_of_no_time_at_all_decides_nothing():
    rows = [*timed(0, np.array([0.0, *[1.0] * 9])), *timed(1, np.full(10, 3.0))]
    assert list(regressions(tidy(rows))["verdict"]) == ["undecided"]


def test_fewer_than_six_samples_decide_nothing():
    rows = [*timed(0, np.array([1.0, 1.01, 1.02, 1.0, 1.0])), *timed(1, np.full(20, 3.0))]
    table = regressions(tidy(rows))
    assert list(table["verdict"]) == ["undecided"] and table["ratio"].iloc[0] == 3.0
    assert table["remark"].iloc[0] == "fewer than 6 samples"


# --- what is compared with what


def test_iterations_are_compared_exactly():
    assert verdicts(counted([100, 100, 101, 99])) == {
        ("step", commit(0), commit(1)): "same",
        ("step", commit(1), commit(2)): "worse",
        ("drift", commit(0), commit(2)): "worse",
        ("step", commit(2), commit(3)): "better",
        ("drift", commit(0), commit(3)): "better",
    }
    assert verdicts(counted([5, math.inf])) == {("step", commit(0), commit(1)): "worse"}
    assert verdicts(counted([0, 0])) == {("step", commit(0), commit(1)): "same"}


@pytest.mark.parametrize("status", ["failed", "n/a"])
def test_a_cell_without_a_value_any_more_is_worse_and_is_compared_again_when_it_has_one(status):
    rows = counted([5, math.nan, math.nan, 6])
    for k in (1, 2):
        rows[k]["status"] = status
    assert verdicts(rows) == {
        ("step", commit(0), commit(1)): "worse",
        ("drift", commit(0), commit(2)): "worse",
        ("step", commit(0), commit(3)): "worse",
    }
    assert worse_now(regressions(tidy(rows[:3]))) and not worse_now(
        regressions(tidy([*rows[:3], rows[3] | {"value": 5}]))
    )


def test_what_was_repaired_is_listed_and_is_not_worse_now():
    table = regressions(tidy(counted([5, 9, 5, 5])))
    assert set(changes(table)["verdict"]) == set(CHANGES) and not worse_now(table)
    assert worse_now(regressions(tidy(counted([5, 9, 9, 9]))))
    assert worse_now(regressions(tidy(counted([5, 4, 5]))))


def test_a_cell_that_is_new_is_not_compared_with_nothing():
    rows = counted([math.nan, 5, 5])
    rows[0]["status"] = "n/a"
    assert verdicts(rows) == {("step", commit(1), commit(2)): "same"}


def test_drift_is_measured_from_the_baseline_that_is_named():
    rows = counted([100, 90, 95, 95])
    assert ("drift", commit(1), commit(3)) in verdicts(rows, baseline=commit(1))
    assert not any(kind == "drift" and against == commit(0) for kind, against, _ in verdicts(rows, baseline=commit(1)))
    with pytest.raises(ValueError, match="0 measured commits begin with 'beef'"):
        regressions(tidy(rows), baseline="beef")


def test_machines_environments_and_versions_are_not_compared_with_each_other():
    for name in ("host", "environment", "version", "parameters", "benchmark"):
        assert verdicts([counted([5])[0], counted([5, 9], **{name: "other"})[1]]) == {}


def test_only_what_asv_measured_is_compared():
    assert verdicts([row | {"source": "run"} for row in counted([5, 9])]) == {}


def test_commits_of_one_second_are_in_the_order_of_their_history():
    rows = [row | {"date": "2026-01-01"} for row in counted([5, 6, 7])]
    history = [commit(2) + "f" * 28, commit(0) + "f" * 28, commit(1) + "f" * 28]
    found = regressions(tidy(rows), history=history)
    assert list(found.loc[found["kind"] == "step", ["against", "commit"]].itertuples(index=False, name=None)) == [
        (commit(0), commit(1)),
        (commit(2), commit(0)),
    ]
    assert list(regressions(tidy(rows), history=history[:2])["against"].unique()) == [commit(0), commit(1)]


def test_one_commit_alone_gives_an_empty_list():
    table = regressions(tidy(counted([5])))
    assert table.empty and changes(table).empty


def test_the_stored_example_has_one_regression_and_a_cell_that_is_new():
    table = changes(regressions(asv_results(EXAMPLE).frame))
    assert list(table["verdict"]) == ["worse"] and "gradient-descent" in table["parameters"].iloc[0]


# --- the whole path: git, asv, the command


BENCHMARK = '''
"""asv: seconds of a counting clock, so that a noisy machine has no say; 2 % noise that is not the same twice."""
import random
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import tiny

noise, seconds = random.Random(tiny.STEPS), 0.0


class Counting:
    version = "1"
    number, repeat, rounds, warmup_time = 1, 10, 2, 0
    timer = staticmethod(lambda: seconds)

    def time_solve(self):
        global seconds
        seconds += tiny.solve() * 1e-6 * noise.lognormvariate(0, 0.02)

    def track_iterations(self):
        return tiny.ITERATIONS

    track_iterations.unit = "iterations"
'''
TINY = '''
"""A solver that counts its steps."""
STEPS, ITERATIONS = {steps}, {iterations}


def solve():
    return sum(1 for _ in range(STEPS))
'''
PLANTED = {"base": (1000, 7), "equal": (1001, 7), "slow": (3000, 7), "more": (3001, 9)}


@pytest.fixture(scope="module")
def throw_away(tmp_path_factory) -> tuple[Path, dict[str, str]]:
    """A repository whose four commits asv has measured: its results, and the commits by name."""
    root = tmp_path_factory.mktemp("throw-away")
    repository = root / "repository"
    (repository / "benchmarks").mkdir(parents=True)
    (repository / "benchmarks" / "__init__.py").touch()
    (repository / "benchmarks" / "work.py").write_text(BENCHMARK)
    (repository / ".gitignore").write_text("results/\n__pycache__/\n")
    configuration = {"version": 1, "project": "tiny", "repo": ".", "branches": ["HEAD"], "results_dir": "results"}
    (repository / "asv.conf.json").write_text(json.dumps(configuration | {"environment_type": "virtualenv"}))
    machine = {"machine": "bench", "os": "Linux", "arch": "any", "cpu": "Example CPU", "num_cpu": "1", "ram": "1"}
    (root / ".asv-machine.json").write_text(json.dumps({"bench": machine, "version": 1}))
    here = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    who = {f"GIT_{role}_{what}": "a@b" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    dates = {f"GIT_{role}_DATE": "2026-01-01T00:00:00+0000" for role in ("AUTHOR", "COMMITTER")}  # all in one second
    env = here | who | dates | {"HOME": str(root), "GIT_CONFIG_NOSYSTEM": "1", "PYTHONDONTWRITEBYTECODE": "1"}

    def call(*command: str) -> str:
        return subprocess.run(command, cwd=repository, env=env, capture_output=True, text=True, check=True).stdout

    call("git", "init", "-q")
    commits = {}
    for name, (steps, iterations) in PLANTED.items():
        (repository / "tiny.py").write_text(TINY.format(steps=steps, iterations=iterations))
        call("git", "add", "-A")
        call("git", "commit", "-q", "-m", name)
        commits[name] = call("git", "rev-parse", "HEAD").strip()
        measure = ("run", "--machine", "bench", "--python=same", "--set-commit-hash", commits[name], "--record-samples")
        call(sys.executable, "-m", "asv", *measure)
    return repository / "results", {name: found[:12] for name, found in commits.items()}


def command(*options: str):
    return CliRunner().invoke(app, ["regressions", *options], catch_exceptions=False)


@pytest.mark.slow
def test_a_planted_slow_commit_is_found_and_an_equal_one_is_not(throw_away):
    results, commits = throw_away
    table = regressions(asv_results(results).frame, history=git_history(results))
    time = table[table["quantity"] == "time"].set_index(["kind", "commit"])
    assert dict(time["verdict"]) == {
        ("step", commits["equal"]): "same",
        ("step", commits["slow"]): "worse",
        ("step", commits["more"]): "same",
        ("drift", commits["slow"]): "worse",
        ("drift", commits["more"]): "worse",
    }
    assert time.loc[("step", commits["slow"]), "against"] == commits["equal"]
    assert 2.8 < time.loc[("step", commits["slow"]), "low"] < 3.0 < time.loc[("step", commits["slow"]), "high"] < 3.2
    iterations = table[(table["quantity"] == "iterations") & (table["verdict"] == "worse")]
    assert set(iterations["commit"]) == {commits["more"]}


@pytest.mark.slow
def test_the_command_lists_it_writes_it_and_fails_only_when_asked_to(throw_away, tmp_path):
    results, commits = throw_away
    outcome = command("--results", str(results), "--out", str(tmp_path / "out"))
    assert outcome.exit_code == 0 and "4 commits, 10 comparisons: 5 worse, 0 better" in outcome.stdout
    lines = [line for line in outcome.stdout.splitlines() if "time_solve" in line and "step" in line]
    assert len(lines) == 1 and commits["slow"] in lines[0] and "worse" in lines[0]
    assert len(pd.read_csv(tmp_path / "out" / "regressions.csv")) == 10
    assert commits["slow"] in (tmp_path / "out" / "regressions.md").read_text()
    assert command("--results", str(results), "--fail").exit_code == 1
    assert command("--results", str(results), "--machine", "bench").exit_code == 0
    unchanged = command("--results", str(results), "--baseline", commits["slow"][:7], "--threshold", "5")
    assert unchanged.exit_code == 0 and "6 comparisons: 1 worse" in unchanged.stdout  # the iterations


@pytest.mark.slow
def test_an_empty_folder_a_foreign_baseline_and_an_unknown_machine_are_one_sentence(throw_away, tmp_path):
    results, commits = throw_away
    for options, words in (
        (["--results", str(tmp_path)], "asv run"),
        (["--results", str(results), "--baseline", "beef"], commits["base"]),
        (["--results", str(results), "--machine", "other"], "bench"),
        (["--results", str(results), "--out", str(results / "benchmarks.json")], "--out"),
    ):
        outcome = command(*options)
        assert outcome.exit_code == 2 and len(outcome.stderr.strip().splitlines()) == 1 and words in outcome.stderr


def test_one_machine_of_several_can_be_looked_at_alone(tmp_path):
    both = shutil.copytree(EXAMPLE, tmp_path / "asv")
    for path in shutil.copytree(both / "bench-1", both / "bench-2").iterdir():
        path.write_text(path.read_text().replace("bench-1", "bench-2"))
    alone = command("--results", str(EXAMPLE)).stdout.splitlines()[-1]
    assert command("--results", str(both), "--machine", "bench-2").stdout.splitlines()[-1] == alone
    assert command("--results", str(both)).stdout.splitlines()[-1] != alone


def test_what_is_left_out_is_named():
    outcome = command("--results", str(EXAMPLE))
    assert outcome.exit_code == 0 and "left out bench-1/5e1f0c2a" in outcome.stderr
    assert "left out example.IterationCost.time_iterations: in 1 files" in outcome.stderr
