"""Profiles: what is charged to which phase, the formulas of work, and the verdict. No real time is tested."""

from __future__ import annotations

import json
import math
import operator
from dataclasses import replace

import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch.utils.flop_counter import FlopCounterMode
from typer.testing import CliRunner

import solvers.common.clock
from benchmarks.command import profile as verb
from benchmarks.command.main import app
from benchmarks.profiling import recording as profiling
from benchmarks.profiling.operations import Tally
from benchmarks.profiling.profile import Phase, Profile, sums, verdict
from benchmarks.profiling.recording import phase_table, profile, reads_apart
from benchmarks.profiling.roofline import draw, roofline
from benchmarks.profiling.work import Work, total, work_of
from benchmarks.runner import environment
from benchmarks.runner.suites import Case, fixed
from datasets import build
from datasets.registry import Problem
from solvers import COUNTERS, PHASES, SOLVERS, Ledger, Stop, device_clock, minimize
from solvers.common.instrumentation import current
from solvers.objectives import LogisticRegression, ResidualMLP, SoftmaxRegression
from solvers.objectives.linear.compiled_point import by_torch
from tests.fakes import FakeDevice, QueuedSquare

pytestmark = pytest.mark.usefixtures("without_numba")  # torch's operations are counted: a compiled kernel has none

GENERAL = {
    "gemm_gflops": 100.0,
    "potrf_gflops": 20.0,
    "syrk_gflops": 50.0,
    "triad_gbs": 10.0,
    "copy_gbs": 5.0,
    "kernel_us": 2.0,
    "read_us": 1.0,
}
AT_SIZE = {"potrf_gflops": 10.0, "syrk_gflops": 40.0, "triad_gbs": 20.0}


@pytest.fixture
def calibrated(monkeypatch):
    """A machine whose rates are round numbers, and are there at once."""
    monkeypatch.setattr(profiling, "calibration", lambda *_: GENERAL)
    monkeypatch.setattr(profiling, "calibration_at", lambda *_, **__: AT_SIZE)


# --- a device that runs behind its host


@pytest.fixture
def queued(monkeypatch, calibrated):
    """A fake device, the clock for it, and a builder of a problem that runs on it."""
    device = FakeDevice()
    monkeypatch.setattr(torch.cuda, "synchronize", device.synchronize)
    monkeypatch.setattr(solvers.common.clock, "perf_counter", lambda: device.host)
    objective = QueuedSquare(device)
    problem = Problem("queued", "", objective, objective, torch.ones(2, dtype=torch.float64), "")
    return device, device_clock("cuda"), lambda dtype, where: problem


QUEUED = Case("queued", "gradient-descent", (("learning_rate", 0.5),), fixed(4))


def test_on_a_fake_device_the_table_is_exact(queued):
    _, clock, builder = queued
    found = profile(QUEUED, 3, builder=builder, clock=clock)
    seconds = {row.name: row.seconds for row in found.phases}
    assert {name: value for name, value in seconds.items() if value} == {"value": 5.0, "gradient": 8.0}
    assert tuple(seconds) == ("data to device", *PHASES)
    assert found.total == found.uninstrumented == 13.0 and found.missing == 0.0
    assert found.totals == ((13.0, 13.0),) * 3 and found.cold["run"] == (13.0, 13.0)
    assert found["gradient"].calls == 4 and found.iterations == 4 and found.status == "iteration limit"
    assert not found.formulas and "100.00%" in sums(found)


def test_a_clock_that_does_not_wait_sees_no_phase_and_is_not_trusted(queued):
    device, _, builder = queued
    wrong = profile(QUEUED, 1, builder=builder, clock=lambda: device.host)
    assert not any(row.seconds for row in wrong.phases)
    assert "must not be trusted" in sums(wrong)


def test_runs_with_and_without_phases_take_turns_after_a_warm_up(queued, monkeypatch):
    _, clock, builder = queued
    honest, made = profiling.record, []

    def spy(case, problem, clock, *, phases=False, apart=None):
        made.append(phases)
        return honest(case, problem, clock, phases=phases, apart=apart)

    monkeypatch.setattr(profiling, "record", spy)
    profile(QUEUED, 3, builder=builder, clock=clock)
    warm_up, *pairs, counting = made
    assert (warm_up, counting) == (False, True)
    assert pairs == [False, True, True, False, False, True]


class Ticking:
    """A clock whose every reading is a second after the last."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 1.0
        return self.now


def test_what_is_copied_to_a_device_is_a_phase_of_its_own(queued, monkeypatch):
    _, _, builder = queued
    monkeypatch.setattr(profiling, "present_device", lambda name: torch.device("meta"))  # takes copies, and is no CPU
    found = profile(replace(QUEUED, device="meta"), 1, builder=builder, clock=Ticking())
    copy = found["data to device"]
    assert (copy.seconds, copy.calls, copy.bytes) == (1.0, 2, 72)  # X 3 x 2 and y, in float64
    assert copy.bandwidth == pytest.approx(72e-9 / 5)
    parts = sum(row.seconds for row in found.phases)
    assert found.total == pytest.approx(parts, abs=2) and found.cold["data to device"] == (1.0, 1.0)
    assert (
        found["host synchronisation"].seconds
        > 0
        == profile(QUEUED, 1, builder=builder, clock=Ticking())["host synchronisation"].seconds
    )  # on the CPU reads are not told apart


def test_the_copies_of_a_sparse_problem_are_its_three_arrays():
    parts = profiling._parts(build("synthetic-sparse"))
    f = build("synthetic-sparse").objective
    assert [len(part) for part in parts] == [f.X.values().numel(), f.X.values().numel(), 5001, 5000]


# --- reads by the host

READS_BY_HOST = {
    "float": float,
    "int": int,
    "bool": bool,
    "index": operator.index,
    "item": lambda t: t.item(),
    "tolist": lambda t: t.tolist(),
}


@pytest.mark.parametrize("how", READS_BY_HOST)
def test_a_read_is_charged_separately_from_the_work_it_waits_for(how, queued, monkeypatch):
    device, clock, _ = queued
    for name in profiling.READS:
        original = getattr(torch.Tensor, name)

        def slow(tensor, original=original):
            device.synchronize()
            device.host += 0.125  # from the device to the host
            return original(tensor)

        monkeypatch.setattr(torch.Tensor, name, slow, raising=False)
    before = {name: vars(torch.Tensor)[name] for name in profiling.READS}
    ledger, number = Ledger(clock), torch.tensor(1)
    token = current.set(ledger)
    try:
        with reads_apart(), ledger.phase("solve"):
            device.launch(2.0)
            assert READS_BY_HOST[how](number) == 1
    finally:
        current.reset(token)
    assert {k: v for k, v in ledger.seconds.items() if v} == {"solve": 2.0, "host synchronisation": 0.125}
    assert ledger.calls["host synchronisation"] == 1
    assert {name: vars(torch.Tensor)[name] for name in profiling.READS} == before


def test_reads_are_as_they_were_afterwards_even_if_a_run_fails():
    before = {name: vars(torch.Tensor).get(name) for name in profiling.READS}
    with pytest.raises(ArithmeticError), reads_apart():
        assert torch.Tensor.item is not torch._C.TensorBase.item
        raise ArithmeticError
    assert {name: vars(torch.Tensor).get(name) for name in profiling.READS} == before


@pytest.mark.parametrize("inference", [False, True])
def test_operations_and_reads_are_counted_where_they_happen_and_views_are_not(inference):
    ledger, x = Ledger(Ticking()), torch.arange(6.0)
    token = current.set(ledger)
    try:
        with torch.inference_mode(inference), Tally() as tally:
            with ledger.phase("gradient"):
                y = x.view(2, 3).T @ torch.ones(2)  # ones and a product
            with ledger.phase("solve"):
                assert float(y.sum()) == 15 and bool((y > 0).all())  # sum; >, all
    finally:
        current.reset(token)
    assert dict(tally.operations) == {"gradient": 2, "solve": 3} and dict(tally.reads) == {"solve": 2}


def test_counting_in_inference_mode_sees_what_counting_outside_sees():
    counted = profiling.count_operations(
        Case("breast-cancer-l2", "newton-cholesky", stop=fixed(5)), build("breast-cancer-l2")
    )
    assert counted.operations["factorise"] == 5 * 4  # rsqrt, outer, mul_, cholesky_ex
    assert counted.reads["factorise"] == 5  # whether it worked
    assert counted.operations["hessian"] > counted.operations["gradient"] > 0


# --- events, phase by phase


@pytest.mark.parametrize("problem", ["breast-cancer-l2", "breast-cancer", "iris", "mlp-breast-cancer-mean10"])
@pytest.mark.parametrize("name", SOLVERS)
def test_the_events_of_the_phases_add_up_to_the_counters(name, problem):
    ledger, chosen = Ledger(Ticking()), build(problem)
    result = minimize(SOLVERS[name], chosen.objective, chosen.x0, Stop(iterations=5), ledger=ledger)
    sums_of_events = {counter: sum(events[counter] for events in ledger.events.values()) for counter in COUNTERS}
    assert sums_of_events == result.counters and result.counters["gradients"] > 0
    events = ledger.events
    for phase, counters in {
        "gradient": ["gradients"],
        "hessian": ["hessians", "hessian_diagonals", "hessian_vector_products"],
        "factorise": ["factorisations", "lu_factorisations"],
        "solve": ["solves"],
        "line search": ["line_search_trials"],
        "stopping test": ["stopping_tests"],
    }.items():
        for counter in counters:
            assert events[phase][counter] == result.counters[counter]
    elsewhere = {counter for counter, times in events["other"].items() if times}
    assert elsewhere <= {"shifted"}  # which costs nothing by itself


def test_events_inside_another_phase_are_charged_where_their_time_is():
    def events(name: str, problem: str = "breast-cancer-l2") -> tuple[dict, dict]:
        ledger = Ledger(Ticking())
        result = minimize(SOLVERS[name], build(problem).objective, ledger=ledger)
        return ledger.events, result.counters

    cg, counters = events("newton-cg", "breast-cancer-mean10")
    assert cg["hessian"]["hessian_vector_products"] == counters["hessian_vector_products"] > 10
    assert cg["factorise"]["factorisations"] == cg["stopping test"]["stopping_tests"] == 1  # that of the exact test
    cholesky, counters = events("newton-cholesky")
    steps = counters["line_search_trials"]
    assert cholesky["line search"]["margins"] == cholesky["line search"]["values"] == steps == 8  # one for each ray
    assert (cholesky["gradient"]["margins"], cholesky["value"]["values"]) == (1, 1)  # at the start
    assert cholesky["stopping test"]["margins"] == 1  # the point is made anew
    unit, _ = events("newton")
    assert unit["value"]["values"] == 9 and unit["value"]["margins"] == 8 and not unit["line search"]["values"]


def test_without_a_clock_there_are_no_events_or_times_and_the_counters_are_the_same():
    plain, recorded = Ledger(), Ledger(Ticking())
    for ledger in (plain, recorded):
        minimize(SOLVERS["newton-cg"], build("breast-cancer-l2").objective, ledger=ledger)
    assert plain.events == {} and type(plain.counts) is dict and tuple(plain.counts) == COUNTERS
    assert not any(plain.seconds.values())
    assert plain.counts == recorded.counts and plain.snapshot() == recorded.snapshot()


def test_a_phase_within_itself_is_entered_once():
    ledger = Ledger(Ticking())
    with ledger.phase("stopping test"), ledger.phase("stopping test"), ledger.phase("factorise"):
        pass
    assert (ledger.calls["stopping test"], ledger.calls["factorise"]) == (1, 1)


# --- the table


def recorded(**events: dict[str, int]) -> Ledger:
    """A ledger in which every phase took 2 seconds, and had these events."""
    ledger = Ledger(lambda: 0.0)
    for name in PHASES:
        ledger.seconds[name], ledger.calls[name] = 2.0, 1
        ledger.events[name] |= events.get(name, {})
    return ledger


def test_a_row_puts_each_event_to_what_bounds_it():
    work = {
        "hessians": Work(80e9, 1e9),  # 2 s at 40 GFLOP/s against 0.05 s
        "gradients": Work(1e9, 4e9),  # 0.2 s at 20 GB/s against 0.01 s
        "hessian_vector_products": Work(2e9, 8e9),
        "factorisations": Work(5e9, 1e6),  # 0.5 s at 10 GFLOP/s
    }
    events = {"gradient": {"gradients": 3}, "hessian": {"hessians": 1, "hessian_vector_products": 2}}
    events["factorise"] = {"factorisations": 2, "shifted": 5}
    rows = {row.name: row for row in phase_table(recorded(**events), work, GENERAL, AT_SIZE, Tally())}
    assert tuple(rows) == PHASES
    gradient, hessian, factorise = rows["gradient"], rows["hessian"], rows["factorise"]
    assert (gradient.flops, gradient.bytes) == (3e9, 12e9)
    assert (gradient.gflops, gradient.gbs, gradient.intensity) == pytest.approx((1.5, 6.0, 0.25))
    assert (gradient.compute, gradient.bandwidth) == pytest.approx((0.0, 0.6))
    assert gradient.reached == pytest.approx(0.3)
    assert (hessian.flops, hessian.bytes) == (84e9, 17e9)
    assert (hessian.compute, hessian.bandwidth, hessian.reached) == pytest.approx((2.0, 0.8, 1.4))
    assert (factorise.compute, factorise.reached) == pytest.approx((1.0, 0.5))
    assert math.isnan(rows["solve"].reached) and rows["solve"].gflops == 0.0


@pytest.mark.parametrize("name", ["newton", "newton-cholesky", "newton-cg", "newton-diagonal-damped", "kfac"])
@pytest.mark.parametrize("problem", ["breast-cancer-l2", "synthetic-sparse", "iris", "mlp-breast-cancer-mean10"])
def test_the_work_of_the_phases_is_that_of_the_run(name, problem, calibrated):
    case = Case(problem, name, stop=Stop(iterations=3))
    found = profile(case, 1)
    f, chosen = build(problem).objective, build(problem)
    whole = total(f, minimize(SOLVERS[name], f, chosen.x0, case.stop).counters)
    assert sum(row.flops for row in found.phases) == pytest.approx(whole.flops) and whole.flops > 0
    assert sum(row.bytes for row in found.phases) == pytest.approx(whole.bytes)
    assert math.isfinite(found.missing) and found.operations > 10 and found.reads > 3


# --- the verdict


def made_up(*, seconds=(1.0, 0.0), operations=0, reads=0, compute=0.0, bandwidth=0.0, total=None) -> Profile:
    """A profile with a gradient and a read phase of so many seconds, whose gradient has this work."""
    gradient = Phase("gradient", seconds[0], 1, 1e9, 1e9, compute, bandwidth, operations, reads)
    parts, whole = (gradient, Phase("host synchronisation", seconds[1], 1)), sum(seconds) if total is None else total
    case = Case("breast-cancer-l2", "newton-cholesky")
    return Profile(case, (398, 30), "converged", 8, parts, whole, whole, GENERAL, AT_SIZE)


VERDICTS = {
    "latency": made_up(operations=400_000, compute=0.1),
    "bandwidth": made_up(operations=1000, bandwidth=0.9),
    "compute": made_up(operations=1000, compute=0.7, bandwidth=0.2),
    "synchronisation": made_up(seconds=(0.3, 0.7), operations=1000, compute=0.2),
}


@pytest.mark.parametrize("bound", VERDICTS)
def test_the_verdict_names_what_explains_most_of_the_time(bound):
    line = verdict(VERDICTS[bound])
    assert line.startswith(f"{bound}: ") and "\n" not in line
    share = {"latency": "80%", "bandwidth": "90%", "compute": "70%", "synchronisation": "70%"}[bound]
    assert f"would take {share} of the time" in line
    assert all(f"{other} " in line for other in VERDICTS if other != bound)


def test_a_verdict_that_explains_little_reports_that():
    line = verdict(made_up(operations=50_000, compute=0.02))
    assert line.startswith("latency more than the other three: ") and "10% of the time" in line
    assert "the rest is" in line and "the rest is" not in verdict(VERDICTS["compute"])
    assert line.endswith("the longest phase is gradient, 100%, at 2% of what this machine reaches")


def test_reads_that_were_not_timed_apart_are_estimated():
    assert made_up(reads=600_000).bounds["synchronisation"] == pytest.approx(0.6)
    assert made_up(seconds=(0.5, 0.5), reads=600_000).bounds["synchronisation"] == 0.5


def test_parts_that_do_not_add_up_are_not_trusted():
    assert "not be trusted" not in sums(made_up(total=1.009)) and "99.11%" in sums(made_up(total=1.009))
    for wrong in (1.02, 0.98):
        assert "not be trusted" in sums(made_up(total=wrong))


def test_the_notes_say_what_is_estimated_and_end_with_the_reason():
    on_cpu = verb.notes(made_up(reads=600_000))
    assert any("an estimate" in line and "600000 reads" in line for line in on_cpu)
    other = made_up(seconds=(0.5, 0.5))
    elsewhere = verb.notes(replace(other, case=replace(other.case, device="cuda"), formulas=False))
    assert not any("an estimate" in line for line in elsewhere)
    assert any("no formulas" in line for line in elsewhere)
    assert on_cpu[-1] == f"limited by: {verdict(made_up(reads=600_000))}" and on_cpu[0] == sums(made_up())


# --- FLOPs by formula


EXTRA = {  # what torch's counter does not know
    torch.ops.aten.mv: lambda matrix, *_, **__: 2 * math.prod(matrix),
    torch.ops.aten.addmv: lambda base, matrix, *_, **__: 2 * math.prod(matrix),
    torch.ops.aten.addmm_: lambda base, left, right, *_, **__: 2 * math.prod(left) * right[1],
}
generator = torch.Generator().manual_seed(0)
TALL = torch.randn(3000, 20, dtype=torch.float64, generator=generator)  # more than one block of rows
LABELS = (torch.rand(3000, generator=generator) > 0.5).double()
CLASSES = torch.randint(4, (3000,), generator=generator)
with by_torch():
    OBJECTIVES = {
        "logistic": LogisticRegression(TALL, LABELS, l2=0.1),
        "logistic, small": LogisticRegression(TALL[:100], LABELS[:100], l2=0.1),
        "softmax": SoftmaxRegression(TALL, CLASSES, l2=0.1),
        "network": ResidualMLP(TALL[:200, :8], LABELS[:200], depth=3),
        "network of one layer": ResidualMLP(TALL[:200, :8], LABELS[:200], depth=1),
        "network without layers": ResidualMLP(TALL[:200, :8], LABELS[:200], depth=0),
    }


def counted(objective, counter: str) -> float:
    """The FLOPs of one event at a fresh point, whose margins or forward pass are there already."""
    x = torch.linspace(-1, 1, objective.size, dtype=torch.float64)
    point = objective.at(x)
    if counter not in ("margins", "values"):
        _ = point.value
    if counter not in ("margins", "values", "gradients"):
        _ = point.gradient
    ask = {
        "values": lambda: point.value,
        "margins": lambda: point.margins,
        "gradients": lambda: point.gradient,
        "hessians": lambda: point.hessian,
        "hessian_vector_products": lambda: point.hvp(x),
        "gauss_newton_products": lambda: point.gnvp(x),
        "kronecker_factors": lambda: point.kronecker_factors,
        "third_derivatives": lambda: point.third_derivative(point.margins),
    }[counter]
    with FlopCounterMode(display=False, custom_mapping=EXTRA) as counter_mode:
        ask()
    return counter_mode.get_total_flops()


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize(
    "counter",
    [
        *("values", "margins", "gradients", "hessians", "hessian_vector_products", "gauss_newton_products"),
        *("kronecker_factors", "third_derivatives"),
    ],
)
def test_a_formula_finds_the_flops_that_torch_counts(name, counter):
    objective = OBJECTIVES[name]
    work = work_of(objective)
    if counter not in work:
        of_others = (
            ("margins", "third_derivatives") if name.startswith("network") else ("values", "gauss_newton_products")
        )
        assert counter in of_others
        return
    if not name.startswith("network"):
        _ = objective.second_moments  # once for all points
    # A network's Hessian multiplies the zero tangent of its first layer once for each stack of columns, too.
    slack = 0.06 if counter == "hessians" and name.startswith("network") else 0.0
    assert work[counter].flops == pytest.approx(counted(objective, counter), rel=slack, abs=0)


def test_the_diagonal_of_a_small_problem_is_one_product():
    objective = OBJECTIVES["logistic, small"]
    point = objective.at(objective.zeros())
    assert objective.squares is not None and point.value
    with FlopCounterMode(display=False, custom_mapping=EXTRA) as mode:
        _ = point.hessian_diagonal
    assert work_of(objective)["hessian_diagonals"].flops == mode.get_total_flops() == 2 * 100 * 20


def test_a_sparse_product_costs_two_flops_an_entry_and_reads_entries_and_indices():
    f = build("synthetic-sparse").objective
    entries = f.X.values().numel()
    assert work_of(f)["gradients"] == (2 * entries, 12 * entries + 8 * 5000)
    lower = 96 * 96 + 96 * 192 + 96 * 288 + 12 * 300  # of dense blocks, by 96 columns down to the diagonal
    assert work_of(f)["hessians"].flops == 2 * 5000 * lower
    small = LogisticRegression(TALL[:40], LABELS[:40])
    assert work_of(small)["hessians"].flops == 2 * 40 * TALL.shape[1] ** 2  # in one piece


def test_the_formulas_of_linear_algebra_are_those_of_the_loops():
    """Multiplications, divisions and additions of the textbook's loops, to leading order."""
    d, work = 30, work_of(LogisticRegression(TALL[:40].repeat(1, 2)[:, :30], LABELS[:40]))
    cholesky = sum(1 + (d - j) + 2 * sum(d - k for k in range(j + 1, d)) for j in range(d))
    lu = sum((d - k - 1) + 2 * (d - k - 1) ** 2 for k in range(d))
    triangular = sum(1 + 2 * i for i in range(d))
    assert work["factorisations"].flops == pytest.approx(cholesky, rel=2.5 / d)
    assert work["factorisations"].flops + work["lu_factorisations"].flops == pytest.approx(lu, rel=2.5 / d)
    assert work["solves"].flops == pytest.approx(2 * triangular, rel=1e-12)
    assert work["eigendecompositions"].flops == 9 * d**3 and work["factorisations"].bytes == 8 * d**2


# --- calibration


def test_a_calibration_is_positive_and_names_its_units():
    for found in (
        environment.calibration("cpu", "float64", 1),
        environment.calibration_at("cpu", "float64", 1, rows=50, columns=4, order=4),
    ):
        assert all(0 < value < math.inf for value in found.values())
        assert all(verb.unit(name).endswith(("GFLOP/s", "GB/s", "us")) for name in found)
    assert set(environment.calibration("cpu", "float64", 1)) == set(GENERAL)


def test_a_rate_is_work_over_the_fastest_of_five(monkeypatch):
    clock, costs = FakeDevice(), [1.0, 5.0, 4.0, 2.0, 3.0, 6.0]  # the first warms up
    monkeypatch.setattr(environment, "device_clock", lambda device: lambda: clock.host)

    def work() -> None:
        clock.host += costs.pop(0)

    assert environment.best(work, "cpu") == 2.0 and not costs
    calls = []

    def short() -> None:
        calls.append(clock)
        clock.host += 1e-5

    assert environment.best(short, "cpu") == pytest.approx(1e-5) and len(calls) == 1 + 10 + 6 * 100


# --- the command line


def run(*options: str):
    return CliRunner().invoke(app, ["profile", *options])


def test_profile_prints_a_table_and_writes_what_is_asked_for(tmp_path, calibrated):
    paths = {"trace": tmp_path / "trace.json", "roofline": tmp_path / "roof.png", "json": tmp_path / "profile.json"}
    options = [part for name, path in paths.items() for part in (f"--{name}", str(path))]
    outcome = run("--problem", "breast-cancer", "--repeats", "1", "--iterations", "3", *options)
    assert outcome.exit_code == 0, outcome.output
    rows = {line.split("  ")[1].strip(): line for line in outcome.stdout.splitlines() if line.startswith("  ")}
    assert [name for name in rows if name in ("data to device", *PHASES)] == ["data to device", *PHASES]
    assert "newton-cholesky on breast-cancer (398 rows, 30 coefficients)" in outcome.stdout
    assert outcome.stdout.splitlines()[-1].startswith("limited by: ") and "without phases: " in outcome.stdout

    trace = json.loads(paths["trace"].read_text())
    names = {event["name"] for event in trace["traceEvents"] if event.get("cat") == "user_annotation"}
    assert names >= {"gradient", "hessian", "factorise", "solve", "line search", "stopping test"}
    assert any(event["name"] == "aten::linalg_cholesky_ex" for event in trace["traceEvents"])
    assert paths["roofline"].read_bytes().startswith(b"\x89PNG") and paths["roofline"].stat().st_size > 10_000
    stored = json.loads(paths["json"].read_text())
    assert [row["name"] for row in stored["phases"]] == ["data to device", *PHASES]
    assert stored["shape"] == [398, 30] and stored["verdict"] in outcome.stdout
    hessian = stored["phases"][1 + PHASES.index("hessian")]
    assert hessian["gflops"] == pytest.approx(1e-9 * hessian["flops"] / hessian["seconds"]) and hessian["gbs"] > 0
    assert stored["phases"][0]["reached"] is None  # not a number


def test_n_and_d_make_a_problem_of_that_size(calibrated):
    outcome = run("--n", "300", "--d", "7", "--solver", "newton-cg", "--dtype", "float32", "--repeats", "1")
    assert outcome.exit_code == 0, outcome.output
    assert "newton-cg on synthetic-300x7 (300 rows, 7 coefficients)" in outcome.stdout and "float32" in outcome.stdout


def test_a_problem_that_does_not_fit_is_one_sentence(monkeypatch):
    monkeypatch.setattr("benchmarks.runner.measure.memory", lambda device: 100)
    outcome = run("--problem", "breast-cancer-l2")
    assert outcome.exit_code == 2 and "Hessian too large" in outcome.stderr


# --- the figure


def drawn(profile: Profile):
    """The axes of the figure, and each text in them with the box it takes on the page."""
    figure = Figure(figsize=(7.5, 5.6), layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    roofline(profile, axes)
    canvas.draw()
    return axes, [(text.get_text(), text.get_window_extent(canvas.get_renderer())) for text in axes.texts]


def test_the_figure_has_a_marker_a_phase_and_no_text_over_another(tmp_path, calibrated):
    found = profile(Case("breast-cancer-l2", "newton-cholesky", stop=Stop(iterations=3)), 1)
    axes, texts = drawn(found)
    worked = [row for row in found.phases if row.flops]
    markers = {line.get_label().split(":")[0]: line for line in axes.lines if line.get_marker() != "None"}
    assert list(markers) == [row.name for row in worked] and len(markers) >= 5
    for row in worked:
        ((x, y),) = markers[row.name].get_xydata()
        assert (x, y) == (row.flops / row.bytes, row.gflops)
        assert axes.get_xlim()[0] < x < axes.get_xlim()[1] and axes.get_ylim()[0] < y < axes.get_ylim()[1]
    assert [text for text, _ in texts] == [
        "memory: 10 GB/s",
        "cache: 20 GB/s",
        "arithmetic: 100 GFLOP/s",
        "POTRF: 10 GFLOP/s",
    ]
    frame = axes.get_window_extent()
    for i, (_, box) in enumerate(texts):
        assert frame.x0 < box.x0 and box.x1 < frame.x1
        assert not any(box.overlaps(other) for _, other in texts[i + 1 :])
    title = axes.get_title(loc="left")
    assert all(word in title for word in ("newton-cholesky on breast-cancer-l2", "float64", "cpu", "1 thread"))
    draw(found, tmp_path / "roof.svg")
    assert (tmp_path / "roof.svg").read_text().startswith("<?xml")
