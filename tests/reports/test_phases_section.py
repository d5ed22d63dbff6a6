"""Profiles are kept, read again and shown: phases, cold starts and the roofline; what is no profile is named."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import matplotlib
import pytest
from matplotlib.figure import Figure
from typer.testing import CliRunner

from benchmarks.command.main import app
from benchmarks.profiling import recording as profiling
from benchmarks.profiling.profile import SYNCHRONISATION, Phase, Profile, Start, overhead, reached, verdict
from benchmarks.profiling.store import Saved, load, save
from benchmarks.runner.suites import Case
from benchmarks.store.records import without_nan
from reports.sections.phases import bars, phases, phases_section, starts
from solvers import Stop

matplotlib.use("agg")
RATES = {f"{name}_gflops": 10.0 for name in ("gemm", "potrf", "syrk")}
RATES |= {"triad_gbs": 5.0, "copy_gbs": 5.0, "kernel_us": 2.0, "read_us": 1.0}


def made_up(problem="iris", **setup) -> Profile:
    """A run of 100 ms: 75 in the Hessian, at a third of what the machine reaches, and 25 in the solve."""
    rows = (
        Phase("hessian", 0.075, 3, flops=2.5e8, bytes=1e7, compute=0.025, operations=9),
        Phase("solve", 0.025, 3, operations=3, reads=1),
        Phase(SYNCHRONISATION, 0.0, 0),
    )
    cold = {
        **{"context": Start(0.2), "factorisation": Start(0.06, 0.01), "data to device": Start(0.05, 0.01)},
        "run": Start(0.3, 0.1),
    }
    case = Case(problem, "newton-cholesky", stop=Stop(iterations=7), **setup)
    return Profile(
        case, (105, 15), "converged", 3, rows, total=0.1, uninstrumented=0.09, calibration=RATES, at_size=RATES,
        cold=cold, totals=((0.09, 0.1),),
    )  # fmt: skip


def saved(profile: Profile | None = None, **about: str) -> Saved:
    described = {"machine": "A CPU", "date": "2026-01-02T03:04:05", "commit": "abc", "code_version": "0"} | about
    return Saved(profile or made_up(), **described)


def test_a_profile_is_read_as_it_was_saved(tmp_path):
    profile = made_up()
    path = save(profile, tmp_path)
    (found,), skipped = load(tmp_path)
    assert found.profile == replace(profile, cold=found.profile.cold) and skipped == {}
    assert without_nan(found.profile.as_dict()) == without_nan(profile.as_dict())
    assert found.profile.case.stop.seconds == math.inf and math.isnan(found.profile.cold["context"].warm)
    assert found.machine and found.date and path.name.startswith("iris--newton-cholesky--")


def test_the_same_case_replaces_its_profile_and_another_adds_one(tmp_path):
    assert save(made_up(), tmp_path) == save(replace(made_up(), total=0.2), tmp_path)
    save(made_up(threads=2), tmp_path)
    found, _ = load(tmp_path)
    assert sorted(one.profile.total for one in found) == [0.1, 0.2] and len(list(tmp_path.iterdir())) == 2


def test_cut_off_foreign_and_newer_files_are_named_and_skipped(tmp_path, out):
    whole = save(made_up(), tmp_path).read_text()
    (tmp_path / "cut.json").write_text(whole[:200])
    (tmp_path / "foreign.json").write_text('{"a": 1}')
    (tmp_path / "list.json").write_text("[1]")
    (tmp_path / "phase.json").write_text(whole.replace('"calls"', '"entered"'))
    (tmp_path / "newer.json").write_text(whole.replace('"schema": 1', '"schema": 2'))
    found, skipped = load(tmp_path)
    assert len(found) == 1 and set(skipped) == {f"{name}.json" for name in ("cut", "foreign", "list", "phase", "newer")}
    assert "schema 2" in skipped["newer.json"] and "profile --save" in skipped["foreign.json"]
    section = phases_section(tmp_path, out)
    assert all(name in section.note for name in skipped) and len(section.figures) == 2


def test_a_phase_has_its_share_of_the_time_and_of_what_the_machine_reaches():
    table = phases([saved()]).set_index("phase")
    assert table["time"].to_dict() == {"hessian": "75.0 ms", "solve": "25.0 ms"}
    assert table["share"].to_dict() == {"hessian": "75.0 %", "solve": "25.0 %"}
    assert table["reached"].to_dict() == {"hessian": "33 %", "solve": "-"}
    assert "machine" not in table and "machine" in phases([saved(), saved(machine="B")])


def test_a_cold_start_is_shared_by_the_solves_of_a_process():
    """Cold: 200 ms of context, 50 of data, 50 that the first factorisation loads, and 300 of the first run."""
    (row,) = starts([saved()]).to_dict("records")
    assert (row["context"], row["data"], row["cold"], row["warm"]) == ("200 ms", "50.0 ms", "600 ms", "100 ms")
    assert (row["a solve of 10"], row["a solve of 100"]) == ("150 ms", "105 ms")
    assert starts([saved(replace(made_up(), cold={}))]).empty


def test_the_bars_are_cut_into_shares_that_fill_them():
    axes = Figure().add_subplot()
    bars([saved(), saved(made_up("wine"))], axes)
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([75, 75, 25, 25])
    assert [bar.get_x() for bar in axes.patches] == pytest.approx([0, 0, 75, 75])
    assert axes.get_legend_handles_labels()[1] == ["hessian", "solve"]


def test_the_section_shows_phases_cold_starts_and_a_roofline_each(tmp_path, out):
    for problem in ("iris", "wine"):
        save(made_up(problem), tmp_path)
    section = phases_section(tmp_path, out)
    assert [figure.name for figure in section.figures] == ["phase-shares", "roofline--1", "roofline--2"]
    assert (out / "tables" / "cold-starts.md").exists() and section.note == ""


def test_the_command_saves_what_it_measured(tmp_path, monkeypatch):
    monkeypatch.setattr(profiling, "profile", lambda case, repeats: replace(made_up(), case=case))
    arguments = ["profile", "--problem", "iris", "--save", "--store", str(tmp_path / "kept")]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    (path,) = (tmp_path / "kept").glob("*.json")
    assert result.exit_code == 0 and json.loads(path.read_text())["profile"]["case"]["problem"] == "iris"
    (tmp_path / "file").write_text("")
    failed = CliRunner().invoke(app, [*arguments[:-1], str(tmp_path / "file")])
    assert failed.exit_code == 2 and "cannot be written" in failed.stderr and "Traceback" not in failed.output


# --- what must not be believed


def test_times_beside_other_work_are_called_that_and_their_overhead_has_no_number(tmp_path, out):
    calm = made_up()
    assert not calm.busy and overhead(calm) == "with phases +11.1%"
    uneven, faster = replace(calm, totals=((0.09, 0.1), (0.4, 0.1))), replace(calm, total=0.02, totals=())
    for busy in (uneven, faster):
        assert busy.busy and "%" not in overhead(busy) and "measure again" in overhead(busy)
    save(uneven, tmp_path)
    assert "newton-cholesky on iris: other work ran" in phases_section(tmp_path, out).note


def test_above_what_the_machine_reaches_no_number_is_given():
    profile = made_up()
    fast = replace(profile.phases[0], compute=3 * profile.phases[0].seconds)
    assert reached(fast) == "> 100%" and reached(profile.phases[0]) == "33%"
    found = replace(profile, phases=(fast, *profile.phases[1:]))
    assert phases([saved(found)])["reached"].tolist() == ["> 100 %", "-"] and "> 100%" in verdict(found)
