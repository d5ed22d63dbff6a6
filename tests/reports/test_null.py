"""The A/A test: noise alone is no difference, a planted one is, and what cannot be split is said in one sentence."""

from __future__ import annotations

import math

import numpy as np
import pytest
from typer.testing import CliRunner

from reports.__main__ import app
from reports.comparing.compare import compare
from reports.comparing.null import different, null_test, split
from reports.comparing.selection import Sides
from tests.reports.made_up import pair, run, stored


def case(times: np.ndarray, **other) -> list[dict]:
    return [run(seconds=float(t), repeat=k, **other) for k, t in enumerate(times)]


def itself(*cases: list[dict]) -> Sides:
    rows = [one for each in cases for one in each]
    return pair("device", rows, rows)


def heavy(rng: np.random.Generator, n: int) -> np.ndarray:
    """Log-times with Student's t noise of two degrees of freedom: no variance, one repeat in fifty far away."""
    return np.exp(0.05 * rng.standard_t(2, size=n))


def planted(seed: int, slower: float, n: int = 20) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    a, b = np.exp(0.005 * rng.normal(size=(2, 1, n)))
    return a, slower * b


@pytest.mark.parametrize("seed", range(3))
def test_heavy_tailed_noise_is_called_different_in_at_most_one_list_of_twenty(seed):
    rng = np.random.default_rng(seed)
    found = null_test(itself(*(case(heavy(rng, 16), problem=f"p{k}") for k in range(8))), quantities=["run"])
    assert len(found.cases) == 8 and found.lists <= 0.05 and found.cases["different"].max() <= 0.05


def test_independent_samples_of_heavy_tails_are_called_different_as_seldom():
    """Not halves of one sample, whose tails balance: 2,000 pairs, each a list of its own."""
    rng = np.random.default_rng(0)
    a, b = heavy(rng, 2000 * 12).reshape(2, -1, 6)
    assert different(a, b, 1).mean() <= 0.05


@pytest.mark.parametrize(("slower", "found"), [(1.1, True), (1 / 1.1, True), (1.0, False)])
def test_ten_percent_between_the_halves_is_seen(slower, found):
    assert all(different(*planted(seed, slower), 10).all() == found for seed in range(5))


def test_the_rule_is_that_of_compare():
    for seed, slower in enumerate((1.0, 1.045, 1.055, 1.06, 1.07, 1.1, 0.94, 0.9)):
        a, b = planted(seed, slower, n=8)
        table = compare(pair("commit", case(a[0]), case(b[0])), quantities=["run"])
        assert different(a, b, 1)[0] == table["verdict"].isin(["slower", "faster"])[0]


def test_what_is_detectable_is_where_the_verdict_turns():
    times = planted(0, 1.0)[0][0]
    (row,) = null_test(itself(case(times)), quantities=["run"]).cases.to_dict("records")
    ratios = (1 + row["detectable"]) * np.array([0.999, 1.001])
    assert [bool(different(times[None], r * times[None], 1)[0]) for r in ratios] == [False, True]
    assert 0.05 < row["detectable"] < 0.07 and 0 < row["spread"] < 0.02


def test_halves_share_no_repeat_and_are_the_same_each_time():
    a, b = split(np.arange(13.0), np.random.default_rng(0), 50)
    assert a.shape == b.shape == (50, 6) and all(len({*x, *y}) == 12 for x, y in zip(a, b, strict=True))
    sides = itself(case(heavy(np.random.default_rng(0), 12)))
    assert null_test(sides).cases.equals(null_test(sides).cases)


def test_what_does_not_get_there_or_has_too_few_repeats_is_left_out_and_counted():
    good, few = case(np.ones(12)), case(np.ones(11), problem="few")
    bad = case(np.ones(12), problem="bad", status="error")
    found = null_test(itself(good, few, bad), quantities=["run"])
    assert list(found.cases["problem"]) == ["iris"] and found.left_out == {"fewer than 12 repeats": 1, "error": 1}
    assert found.cases["different"][0] == 0 and found.cases["spread"][0] == 0 and not math.isnan(found.lists)


def call(*words: str):
    return CliRunner().invoke(app, ["compare", *words])


def test_the_verb_says_what_it_found_and_writes_it(tmp_path):
    store = stored(tmp_path / "s", *case(heavy(np.random.default_rng(1), 12)))
    outcome = call("cpu", "cpu", "--null", "--store", str(store), "--out", str(tmp_path / "out"))
    assert outcome.exit_code == 0 and "3 cases, each split into halves 200 times: 0 %" in outcome.stdout
    assert "smallest slowdown" in outcome.stdout and (tmp_path / "out" / "compare-null.csv").exists()
    assert '"detectable"' in call("cpu", "cpu", "--null", "--json", "--store", str(store)).stdout


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["cpu", "cpu"], "the same selection"),
        (["cpu", "cpu"], "--null"),
        (["cpu", "cpu", "--null"], "12 repeats are needed, the most there are is 6"),
        (["newton", "newton-cg", "--null"], "write newton newton"),
    ],
)
def test_what_cannot_be_tested_is_one_sentence(words, named, tmp_path):
    store = stored(tmp_path / "s", *case(np.ones(6)), *case(np.ones(6), solver="newton-cg"))
    outcome = call(*words, "--store", str(store))
    assert outcome.exit_code == 2 and named in outcome.stderr and len(outcome.stderr.splitlines()) == 1
