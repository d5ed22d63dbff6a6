"""A run that goes on from a checkpoint takes the very steps of one that was never stopped."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
import torch

from solvers import SOLVERS, Checkpoint, GradientDescent, Stop, minimize
from solvers.common.snapshot import Decoder, Encoder
from solvers.objectives import FunctionObjective
from tests.solvers.helpers import softmax

STOP = Stop(iterations=25)
PROBLEMS = {
    "softmax": lambda: softmax(l2=1e-2),
    "function": lambda: FunctionObjective(
        lambda x: ((x - 1) ** 4).sum() + x.square().sum(), torch.zeros(3, dtype=torch.float64)
    ),
}


def outcome(result):
    return result.status, result.message, result.value, result.counters, result.trace.iterations


@pytest.mark.parametrize("name", ["logistic", *PROBLEMS])
@pytest.mark.parametrize("solver", SOLVERS)
def test_a_run_goes_on_to_the_same_bits(tmp_path, logistic, name, solver):
    make = PROBLEMS.get(name, lambda: logistic(l2=1e-2))
    whole = minimize(SOLVERS[solver], make(), stop=STOP)
    minimize(
        SOLVERS[solver], make(), stop=replace(STOP, iterations=5), checkpoint=Checkpoint(tmp_path / "run", every=2)
    )
    checkpoint = Checkpoint(tmp_path / "run", every=2)
    found = minimize(SOLVERS[solver], make(), stop=STOP, checkpoint=checkpoint)
    assert checkpoint.resumed == (4 if whole.iterations >= 5 else min(whole.iterations, 4) // 2 * 2)
    assert outcome(found) == outcome(whole)
    assert all(map(torch.equal, found.trace.iterates, whole.trace.iterates))


def test_saving_is_off_the_clock_and_time_goes_on(tmp_path, logistic):
    class Slow(Checkpoint):
        def save(self, *parts):
            super().save(*parts)
            now[0] += 1000.0

    now = [0.0]

    def clock():
        now[0] += 1.0
        return now[0]

    f, solver = logistic(l2=1e-2), GradientDescent()
    path = tmp_path / "run"
    alone = minimize(solver, f, stop=Stop(iterations=20), clock=clock).trace.seconds
    minimize(solver, f, stop=Stop(iterations=11), clock=clock, checkpoint=Slow(path, every=5))
    found = minimize(solver, f, stop=Stop(iterations=20), clock=clock, checkpoint=Slow(path, every=5)).trace.seconds
    assert all(0 < later - earlier < 10 for earlier, later in pairwise(found))
    assert found[10] <= alone[10] + 10


def test_seconds_decide_too_and_the_newest_is_taken(tmp_path, logistic):
    seconds = iter(range(1000))
    f, path = logistic(l2=1e-2), tmp_path / "run"
    checkpoint = Checkpoint(path, seconds=4.0)
    minimize(GradientDescent(), f, stop=Stop(iterations=12), clock=lambda: float(next(seconds)), checkpoint=checkpoint)
    assert len(list(tmp_path.iterdir())) == 2
    again = Checkpoint(path)
    minimize(GradientDescent(), f, stop=Stop(iterations=12), checkpoint=again)
    assert 8 <= again.resumed <= 12
    again.remove()
    assert not list(tmp_path.iterdir())


def test_a_state_that_cannot_be_stored_is_refused(tmp_path, logistic):
    @dataclass(frozen=True)
    class WithFunction(GradientDescent):
        def init(self, point):
            return lambda: None

        def propose(self, point, state):
            return super().propose(point, state)._replace(state=state)

    with pytest.raises(ValueError, match="without checkpoints"):
        minimize(WithFunction(), logistic(l2=1.0), checkpoint=Checkpoint(tmp_path / "run", every=1))
    without = Checkpoint(tmp_path / "run", every=1, optional=True)
    assert minimize(WithFunction(), logistic(l2=1.0), checkpoint=without).status == "converged"
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, logistic):
    for written in (b"", b"no checkpoint", b"\x00" * 100):
        (tmp_path / "run.0.0").write_bytes(written)
        with pytest.raises(ValueError):
            minimize(GradientDescent(), logistic(l2=1.0), checkpoint=Checkpoint(tmp_path / "run"))


def test_a_file_names_no_class_of_another_package(tmp_path):
    head = {"tree": {"number": 0, "class": "pathlib:Path", "state": {}}, "tensors": []}
    text = json.dumps(head).encode()
    with pytest.raises(ValueError, match="not what this version writes"):
        Decoder({}, set()).value(len(text).to_bytes(8, "little") + text)


def test_tensors_keep_their_layout_and_what_is_shared_stays_shared():
    square = torch.arange(6.0).view(2, 3).T
    ones, twice = torch.ones(1).expand(5), [square, (square, -0.0, math.inf)]
    found = Decoder({}, set()).value(Encoder({}, set()).bytes([ones, twice, square[:0], math.nan]))
    assert found[0].stride() == (0,) and torch.equal(found[0], ones)
    assert found[1][0] is found[1][1][0] and found[1][0].stride() == square.stride()
    assert torch.equal(found[1][0], square) and str(found[1][1][1:]) == "(-0.0, inf)"
    assert found[2].shape == (0, 2) and math.isnan(found[3])
