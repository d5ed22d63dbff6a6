"""NIST's nonlinear regressions: the data give the certified values, and a solver is scored by the digits it finds."""

from __future__ import annotations

import math

import mpmath
import pytest
import torch

from datasets import NIST, build, certificate, correct_digits
from datasets.functions import nist
from datasets.functions.nist_data import CERTIFIED, MINIMA
from solvers import SOLVERS, Status, Stop, minimize
from solvers.objectives.taylor_check import check_derivatives
from tests.exact import newton_step, sum_of_squares


def eleven(value: mpmath.mpf | float) -> str:
    return mpmath.nstr(mpmath.mpf(value), 11, min_fixed=0, max_fixed=0)


@pytest.mark.parametrize("name", CERTIFIED)
def test_the_data_and_the_model_give_all_certified_digits(name):
    known, (value, parameters) = CERTIFIED[name], MINIMA[name]

    def f(b: list) -> mpmath.mpf:
        return sum_of_squares(nist.residuals(name), b, nist)

    best = f(list(parameters))
    assert eleven(best) == eleven(known.sum_of_squares)
    assert [eleven(b) for b in parameters] == [eleven(b) for b in known.parameters]
    assert float(best) == pytest.approx(value, rel=4e-16)
    _, gain = newton_step(f, list(parameters))
    assert 0 <= gain < mpmath.mpf(1e-18) * best  # it is the minimum, and not only near the certified one
    assert len(known.x) == len(known.y) and len({len(known.parameters), *map(len, known.starts)}) == 1


def test_a_wrong_observation_would_not_verify(monkeypatch):
    known = CERTIFIED["misra1a"]
    wrong = known._replace(y=(*known.y[:5], known.y[5] + 0.01, *known.y[6:]))
    monkeypatch.setitem(nist.CERTIFIED, "misra1a", wrong)
    value = sum_of_squares(nist.residuals("misra1a"), list(MINIMA["misra1a"][1]), nist)
    assert eleven(value) != eleven(known.sum_of_squares)


def test_each_regression_is_two_problems_with_its_two_starts():
    assert len(NIST) == 2 * len(CERTIFIED) and len({problem.name for problem in NIST}) == len(NIST)
    for name, known in CERTIFIED.items():
        for i in (1, 2):
            problem = build(f"nist-{name}-{i}")
            assert tuple(problem.x0.tolist()) == known.starts[i - 1]
            assert problem.shape == (len(known.y), len(known.parameters))
    known = certificate("nist-misra1a-1")
    assert known.no_gap == "" and known.low <= MINIMA["misra1a"][0] <= known.high


@pytest.mark.parametrize("name", ["chwirut2", "roszman1", "rat43", "thurber"])
def test_derivatives_at_the_second_start(name):
    problem = build(f"nist-{name}-2")
    (checked,) = check_derivatives(problem.objective, problem.x0, reach=lambda v: 1e-3)
    assert checked.passed, checked


def test_digits_are_those_of_the_worst_entry():
    assert correct_digits((1.0, 2.0), (1.0, 2.0)) == 11
    assert correct_digits((1.0, 2.002), (1.0, 2.0)) == pytest.approx(3)
    assert correct_digits((-1.0, 2.0), (1.0, 2.0)) == 0
    assert correct_digits(torch.tensor([1 + 1e-14]), (1.0,)) == 11
    assert correct_digits((math.nan,), (1.0,)) == correct_digits((math.inf,), (1.0,)) == 0
    with pytest.raises(ValueError):
        correct_digits((1.0,), (1.0, 2.0))


@pytest.mark.parametrize("name", ["misra1a-1", "misra1c-1", "danwood-1", "rat42-1", "boxbod-2", "eckerle4-2"])
def test_levenberg_marquardt_finds_at_least_six_certified_digits(name):
    problem = build(f"nist-{name}")
    result = minimize(SOLVERS["levenberg-marquardt"], problem.objective, problem.x0, Stop(gap_tolerance=1e-14))
    assert result.status == Status.CONVERGED
    assert correct_digits(result.x, CERTIFIED[name[:-2]].parameters) >= 6
