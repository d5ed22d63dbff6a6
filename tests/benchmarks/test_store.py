"""The store: a run is there as a whole or not at all, and none is measured twice."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from benchmarks.command import run as command
from benchmarks.command.main import app
from benchmarks.runner.measure import Measurement, evaluate, measure
from benchmarks.runner.suites import Case, fixed
from benchmarks.store import runs as store_module
from benchmarks.store.runs import Store, run_key
from solvers import SOLVERS
from tests.fakes import Raising, comparable

CASE = Case("breast-cancer-l2", "newton-cholesky", stop=fixed(3))
KEY = "0123456789abcdef0123"


@pytest.fixture(scope="module")
def measurement() -> Measurement:
    return measure(CASE)


@pytest.fixture(autouse=True)
def quick_calibration(monkeypatch):
    """The machine is not the subject here."""
    numbers = {"gemm_gflops": 1.0, "potrf_gflops": 1.0, "triad_gbs": 1.0}
    monkeypatch.setattr(store_module, "calibration", lambda *_: numbers)
    monkeypatch.setattr(command, "calibration", lambda *_: numbers)


@pytest.fixture
def store(tmp_path) -> Store:
    store = Store(tmp_path / "deep" / "runs")
    store.prepare()
    return store


def files(store: Store) -> list[str]:
    return sorted(path.name for path in store.folder.iterdir())


def test_a_stored_run_reads_back_as_its_rows(store, measurement):
    path = store.write(KEY, measurement)
    assert path == store.folder / f"{KEY}.parquet" and files(store) == [path.name]
    rows = pq.read_table(path).to_pylist()
    for row, expected in zip(rows, evaluate(measurement), strict=True):
        assert comparable({name: row[name] for name in expected}) == comparable(expected)
        assert row["run"] == KEY and row["machine"] and row["code_version"] and row["date"]
        assert "commit" in row


def test_a_stored_run_carries_its_case_environment_and_calibration(store, measurement):
    metadata = json.loads(pq.read_schema(store.write(KEY, measurement)).metadata[b"hessbench"])
    assert metadata["schema"] == store_module.SCHEMA
    assert metadata["case"]["solver"] == "newton-cholesky" and metadata["case"]["stop"]["iterations"] == 3
    assert metadata["case"]["settings"]["class"] == "CholeskyNewton"
    assert metadata["calibration"]["gemm_gflops"] == 1.0
    assert metadata["environment"]["packages"]["torch"]


def test_a_run_whose_write_ends_early_is_not_there(store, measurement, monkeypatch):
    """The other moments, and what was there before: test_files.py."""
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            store.write(KEY, measurement)
    assert store.keys() == set() and files(store) == []
    store.write(KEY, measurement)
    assert store.keys() == {KEY} and files(store) == [f"{KEY}.parquet"]


def test_keys_are_file_names_and_partial_files_are_none(store):
    for name in (f"{KEY}.parquet", f".{KEY}.17.partial", ".hidden.parquet", "notes.txt", "other.csv"):
        (store.folder / name).write_bytes(b"whatever is inside")
    assert store.keys() == {KEY}


def test_preparing_leaves_nothing_and_an_absent_folder_has_no_keys(store, tmp_path):
    assert files(store) == []
    assert Store(tmp_path / "nowhere").keys() == set()


def test_a_folder_that_cannot_be_made_is_an_os_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError):
        Store(tmp_path / "file" / "runs").prepare()


# --- resume, through the command


@pytest.fixture
def measured(monkeypatch) -> list[tuple[Case, int]]:
    """What the command measures, as it measures it."""
    done: list[tuple[Case, int]] = []

    def spy(case: Case, repeat: int) -> Measurement:
        done.append((case, repeat))
        return measure(replace(case, stop=replace(case.stop, iterations=3)), repeat)

    monkeypatch.setattr(command, "measure", spy)
    return done


def run(store: Store, *options: str):
    names = ("--problem", "breast-cancer-l2", "--solver", "newton", "--solver", "newton-cholesky")
    return CliRunner().invoke(app, ["run", *names, "--store", str(store.folder), "--repeats", "2", *options])


def test_nothing_is_measured_twice_and_repeats_are_the_outer_loop(store, measured):
    """Interruptions: test_durability.py."""
    first = run(store)
    assert first.exit_code == 0 and "4 runs measured, 0 were there already" in first.stderr
    expected = [(solver, repeat) for repeat in (0, 1) for solver in ("newton", "newton-cholesky")]
    assert [(case.solver, repeat) for case, repeat in measured] == expected and len(store.keys()) == 4
    again = run(store)
    assert again.exit_code == 0 and "0 runs measured, 4 were there already" in again.stderr
    assert len(measured) == 4
    more = run(store, "--repeats", "3")
    assert "2 runs measured, 4 were there already" in more.stderr
    assert [repeat for _, repeat in measured[4:]] == [2, 2]


def test_a_lost_run_is_measured_again_and_no_other(store, measured):
    run(store)
    case, repeat = measured[2]
    (store.folder / f"{run_key(case, repeat)}.parquet").unlink()
    run(store)
    assert measured[4:] == [(case, repeat)]


def test_a_run_whose_file_was_cut_off_is_measured_again(store, measured):
    run(store, "--repeats", "1")
    before = len(measured)
    victim = sorted(store.folder.glob("*.parquet"))[0]
    whole = victim.read_bytes()
    victim.write_bytes(whole[: len(whole) // 2])
    run(store, "--repeats", "1")
    assert len(measured) == before + 1
    assert store.readable(victim.stem)


def test_a_new_calibration_measures_nothing_again(store, measured, monkeypatch):
    run(store)
    monkeypatch.setattr(command, "calibration", lambda *_: {"gemm_gflops": 2.0})
    monkeypatch.setattr(store_module, "calibration", lambda *_: {"gemm_gflops": 2.0})
    run(store)
    assert len(measured) == 4


def test_a_solver_that_raises_does_not_end_the_suite(store, measured, monkeypatch):
    monkeypatch.setitem(SOLVERS, "newton", Raising())
    assert run(store, "--repeats", "1").exit_code == 0
    tables = [pq.read_table(path) for path in store.folder.glob("*.parquet")]
    statuses = {row["solver"]: (row["status"], table.num_rows) for table in tables for row in table.to_pylist()}
    assert statuses == {"newton": ("error", 1), "newton-cholesky": ("iteration limit", 4)}
