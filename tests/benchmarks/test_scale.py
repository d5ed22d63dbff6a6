"""`python -m benchmarks scale`: the same problem over processes and networks, and the model that is fitted to it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.scale import network
from benchmarks.scale.model import COUNTED, cost, crossing, link, missed, predictions
from benchmarks.scale.network import NoNetworkError, namespaces
from benchmarks.scale.session import Cell, Plan, Session, check, measure
from benchmarks.scale.store import Measured, load, read, save
from benchmarks.scale.summary import bandwidth, lines, sums
from benchmarks.scale.team import Team, TeamError
from solvers.distributed.traffic import traffic

ROOT = Path(__file__).resolve().parents[2]


def test_each_process_has_copies_of_one_block():
    plan = Plan(1_000_000, 100, (1, 2, 4), ("lbfgs",), ("1gbit",))
    whole = plan.block * plan.copies
    assert plan.block <= 100_000 and plan.copies % 4 == 0 and 0 <= plan.n - whole < plan.copies
    quarter = whole // 4
    assert plan.cells == [
        *(Cell(p, whole) for p in (1, 2, 4)),
        *(Cell(p, p * quarter) for p in (1, 2)),
        Cell(1, 20_000),
        *(Cell(p, whole, "1gbit") for p in (2, 4)),
    ]
    assert all(cell.rows % (plan.block * cell.processes) == 0 for cell in plan.cells if cell.rows != 20_000)


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (Plan(10_000, 10, (2, 4), ("lbfgs",)), "--processes: name 1"),
        (Plan(10_000, 10, (1,), ("lbfgs",)), "--processes: name 1"),
        (Plan(100, 10, (1, 2), ("lbfgs",)), "too few"),
        (Plan(10**12, 10, (1, 2), ("lbfgs",)), "choose a smaller --n"),
    ],
)
def test_a_plan_that_cannot_be_measured_is_refused(plan, words):
    with pytest.raises(ValueError, match=words):
        check(plan)


@pytest.mark.slow
def test_a_session_of_two_processes(tmp_path):
    """f is the same function in each cell, so a solver takes the same iterations; what is sent is that of the formula.

    Nothing is asked of the times."""
    plan = Plan(4_000, 8, (1, 2), ("newton-cholesky", "newton-cg"), repeats=1)
    rounds = []
    session = measure(plan, stored=lambda session: rounds.append(len(session.rows)))
    assert rounds == [len(session.rows)]
    measured = read(save(session, tmp_path))
    assert measured.plan == plan and measured.potrf > 0 and load(tmp_path)[0][0].date == measured.date
    fits = measured.frame[measured.frame["what"] == "fit"]
    assert set(fits["status"]) == {"converged"} and len(fits) == 6
    for _, own in fits.groupby("solver"):
        assert own["iterations"].nunique() == 1
    several = fits[fits["processes"] == 2]
    assert several["bytes_an_iteration"].to_numpy() == pytest.approx(several["bytes_by_formula"].to_numpy(), rel=0.05)
    found = lines(measured)
    assert [line.strong.median > 0 for line in found] == [line.processes == 2 for line in found]
    assert set(bandwidth(measured)) == {1, 2} and len(sums(measured)) == 3
    assert len(predictions(measured)) == 6 and all(0 < each.weak <= 1 for each in predictions(measured))


@pytest.mark.slow
def test_a_process_that_is_killed_is_named():
    with Team(2, 200, 1, 4) as team:
        team.ready()
        team.ranks[1].kill()
        with pytest.raises(TeamError, match="process 1 of 2 was ended by SIGKILL"):
            team.ask("fit", solver="lbfgs")


@pytest.mark.slow
def test_what_a_process_raises_is_said_in_one_sentence():
    with Team(1, 200, 1, 4) as team:
        team.ready()
        with pytest.raises(TeamError, match="process 0 of 1 failed: KeyError: 'no-solver'"):
            team.ask("fit", solver="no-solver")


@pytest.mark.slow
def test_the_command_says_what_it_measured(tmp_path):
    command = [sys.executable, "-m", "benchmarks", "scale", "--n", "4000", "--d", "8", "--repeats", "1"]
    command += ["--processes", "2", "--solver", "lbfgs", "--network", "1gbit:1ms", "--store", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Predicted, not measured" in done.stdout and "The model misses" in done.stdout
    assert len(list(tmp_path.glob("*.parquet"))) == 1


@pytest.mark.parametrize("words", ["1", "gbit", "1gbit:", "1gbit:1", "-1gbit", "1gbit:1ms:2"])
def test_a_network_that_is_none_is_refused(words):
    with pytest.raises(ValueError, match="1gbit:1ms"):
        network.check(words)


def test_a_user_without_the_rights_is_told(monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(NoNetworkError, match="root"), namespaces("1gbit"):
        pass


def test_the_commands_of_a_network(monkeypatch):
    """What is made is removed, also where a step fails; the leftovers of a process that was killed go, too."""
    ran, dead = [], f"hessbench-{2**22 + 1}-0-a"  # beyond the largest process id

    class Done:
        returncode, stderr, stdout = 0, "", f"{dead} (id: 0)\nother\n"

    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(network.shutil, "which", lambda name: name)
    monkeypatch.setattr(network.subprocess, "run", lambda command, **named: ran.append(" ".join(command)) or Done)
    with pytest.raises(KeyboardInterrupt), namespaces("1gbit:0.5ms") as (a, b):
        raise KeyboardInterrupt
    assert f"ip netns delete {dead}" in ran and "ip netns delete other" not in ran
    assert f"tc -n {a} qdisc add dev hessbench0 root netem rate 1gbit delay 0.5ms limit 100000" in ran
    assert ran[-2:] == [f"ip netns delete {a}", f"ip netns delete {b}"]


@pytest.mark.slow
def test_namespaces_are_there_and_gone():
    try:
        with namespaces("100mbit") as pair:
            assert set(pair) <= set(network._names())
            with Team(2, 200, 1, 4, pair) as team:
                team.ready()
                (answer, _) = team.ask("sum", numbers=250_000, count=1)
            assert answer["seconds"] > 0.05  # 2 MB at 12.5 MB/s take 0.16 s, and less by what passes at once
    except NoNetworkError as error:
        pytest.skip(str(error))
    assert not set(pair) & set(network._names())


@pytest.mark.slow
def test_an_interrupted_command_leaves_no_network(tmp_path):
    command = [sys.executable, "-m", "benchmarks", "scale", "--n", "40000", "--d", "8", "--repeats", "1000"]
    command += ["--processes", "2", "--network", "1gbit", "--store", str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline().endswith("round 1 of 1000\n")
        made = [name for name in network._names() if name.startswith(f"hessbench-{process.pid}-")]
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and "whole rounds are stored" in said
    assert len(made) in (0, 2)  # none without the rights
    assert not set(made) & set(network._names())
    assert len(load(tmp_path)[0]) == 1


COUNTS = {"values": 11, "line_search_trials": 10, "gradients": 11}
EXACT = Plan(100_000, 50, (1, 2), ("newton-cholesky", "newton-cg"), ("1gbit",))


def made_up(plan=EXACT, fixed=0.01, row=2e-6, latency=1e-4, byte=2e-9):
    """A session whose times are those of the model."""
    rows = []
    for solver in plan.solvers:
        exact = solver == "newton-cholesky"
        counts = COUNTS | ({"hessians": 10, "factorisations": 10} if exact else {"hessian_vector_products": 60})
        sent = traffic(dict.fromkeys(COUNTED, 0) | counts, 11, plan.d, 8, False)
        for cell in plan.cells:
            seconds = fixed + row * (4 if exact else 1) * cell.rows / cell.processes
            slower = 10 if cell.network else 1
            seconds += (cell.processes - 1) * slower * (sent.collectives * latency + sent.bytes * byte)
            rows += [
                {"what": "fit", "solver": solver, "processes": cell.processes, "rows": cell.rows, "seconds": seconds}
                | {"network": cell.network, "repeat": repeat, "iterations": 10, "status": "converged"}
                | {"counters": json.dumps(counts), "disturbed": False}
                for repeat in range(6)
            ]
    for name, slower in (("", 1), ("1gbit", 10)):
        for size in (8, 10_200, 4_000_000):
            about = {"what": "sum", "network": name, "processes": 2, "rows": plan.n, "bytes": size, "repeat": 0}
            rows.append(about | {"seconds": slower * (latency + byte * size)})
    return Measured(pd.DataFrame(rows), plan, "machine", "2026-01-01", "", potrf=10.0)


def test_the_model_finds_the_costs_that_made_the_times():
    measured = made_up()
    found = cost(measured, "newton-cholesky")
    assert (found.fixed, found.row) == pytest.approx((0.01, 8e-6), rel=1e-6)
    over = link(measured.frame, "1gbit")
    assert (over.latency, over.byte) == pytest.approx((1e-3, 2e-8), rel=1e-6)
    assert max(map(abs, missed(measured).values())) < 1e-6


def test_few_rows_are_counted_by_the_iteration():
    measured = made_up()
    few = measured.frame["rows"] == 20_000
    measured.frame.loc[few, "seconds"] *= 2
    measured.frame.loc[few, "iterations"] *= 2
    assert cost(measured, "newton-cg") == cost(made_up(), "newton-cg")


def test_predictions_are_those_of_a_ring():
    measured = made_up()
    (found,) = [p for p in predictions(measured) if (p.solver, p.network, p.ranks) == ("newton-cg", "", 64)]
    sent = cost(measured, "newton-cg").traffic(50)
    sums_of_64 = 63 * sent.collectives * 1e-4 + 2 * 63 / 64 * sent.bytes * 2e-9
    alone = 0.01 + 2e-6 * 100_000
    half = 0.01 + 2e-6 * 50_000
    assert found.weak == pytest.approx(half / (half + sums_of_64), rel=1e-6)
    assert found.strong == pytest.approx(alone / (64 * (0.01 + 2e-6 * 100_000 / 64 + sums_of_64)), rel=1e-6)


def test_exact_newton_loses_where_its_hessian_is_dear():
    """Without a network both times are fixed + row n d^k, the exact one with its factorisations."""
    measured = made_up(fixed=1e-3)
    d = crossing(measured, "", 1)
    assert 10 < d < 16  # 4 (d / 50)^2 = d / 50, at 12.5
    assert crossing(measured, "1gbit", 1024) > d  # 60 products wait 60 times for a slow network


def test_an_efficiency_is_a_ratio_of_medians():
    by_place = {(line.solver, line.network, line.processes, line.rows): line for line in lines(made_up())}
    two = by_place["newton-cg", "", 2, 100_000]
    times = {p: by_place["newton-cg", "", p, 100_000].seconds.median for p in (1, 2)}
    assert two.strong[:3] == pytest.approx([times[1] / times[2] / 2] * 3)
    half = by_place["newton-cg", "", 1, 50_000]
    assert two.weak.median == pytest.approx(half.seconds.median / times[2]) and np.isnan(half.weak.median)
    assert np.isnan(by_place["newton-cg", "1gbit", 2, 100_000].weak.median)


def test_a_run_that_does_not_converge_has_no_efficiency():
    measured = made_up()
    measured.frame.loc[measured.frame["processes"] == 2, "status"] = "stalled"
    assert all(np.isnan(line.strong.median) for line in lines(measured))


def test_a_foreign_file_is_left_out_with_a_reason(tmp_path):
    session = Session(EXACT, [{"what": "triad", "processes": 1, "rows": 1, "network": "", "gbs": 1.0}])
    save(session, tmp_path)
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "foreign.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1")
    found, skipped = load(tmp_path)
    assert len(found) == 1 and set(skipped) == {"foreign.parquet", "broken.parquet"}
