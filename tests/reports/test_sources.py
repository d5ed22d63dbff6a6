"""One frame: runs, asv's results and pytest-benchmark's JSON, each read from a stored example of what the tool writes.

`examples/asv` holds three commits: the first with an older version of a benchmark, the second with a cell that failed,
the third without samples; in all a cell that declined, a target that was not reached, and an infinite number. A fourth
file was cut off while it was written.
"""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.runner.environment import ROOT
from benchmarks.runner.measure import measure
from benchmarks.runner.suites import SUITES
from benchmarks.store.runs import Store, run_key
from reports.data.asv_results import asv_results
from reports.data.collect import measurements
from reports.data.measurements import COLUMNS, parameter_columns
from reports.data.pytest_results import pytest_results
from reports.data.runs import load
from reports.data.targets import times_to_target

EXAMPLES = ROOT / "tests" / "examples"
ASV, MICRO = EXAMPLES / "asv", EXAMPLES / "pytest-benchmark"
OLDEST, MIDDLE, NEWEST = "62d953db38e9", "daf6ad3f255c", "ed3d9d73e0dc"
TIME = "example.IterationCost.time_iterations"
CUT_OFF = "bench-1/5e1f0c2a-virtualenv-py3.11-torch2.13.0.json"


@pytest.fixture
def asv():
    return asv_results(ASV).frame


@pytest.fixture
def copied(tmp_path) -> Path:
    """The example of asv, to be spoilt."""
    return shutil.copytree(ASV, tmp_path / "asv")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """One run on a problem with a minimiser, one on a problem without."""
    store = Store(tmp_path_factory.mktemp("runs"))
    cases = {case.problem: case for case in SUITES["classic"]() if case.solver == "newton"}
    for case in (cases["breast-cancer-l2"], cases["breast-cancer"]):
        store.write(run_key(case, 0), measure(case, 0))
    return load(store.folder)


def only(frame, **wanted):
    """The single row with these values."""
    for name, value in wanted.items():
        frame = frame[frame[name] == value]
    assert len(frame) == 1
    return frame.iloc[0]


# --- asv


def test_a_cell_that_failed_declined_or_is_infinite_is_a_row_that_says_so(asv):
    cells = asv[(asv["commit"] == MIDDLE) & (asv["statistic"] == "median")].set_index("solver")
    assert dict(cells["status"]) == {"auto": "n/a", "gradient-descent": "ok", "newton": "failed"}
    assert math.isnan(cells.loc["auto", "value"]) and math.isnan(cells.loc["newton", "value"])
    missed = asv[(asv["commit"] == NEWEST) & (asv["gap"] == 1e-6)].set_index("solver")
    assert dict(missed["status"]) == {"gradient-descent": "n/a", "newton": "ok"}
    infinite = only(asv, commit=NEWEST, benchmark="example.Loss.track_largest_loss")
    assert infinite["value"] == math.inf and infinite["status"] == "ok"


def test_parameters_are_columns_with_values_and_not_with_their_repr(asv):
    row = only(asv, commit=NEWEST, solver="newton", gap=1e-3)
    assert row["value"] == 5 and row["quantity"] == row["unit"] == "iterations"
    assert row["parameters"] == "solver=newton, gap=0.001"
    assert set(asv.loc[asv["benchmark"] == TIME, "device"]) == {"cpu"}


def test_each_quantity_has_its_unit(asv):
    units = asv.groupby("quantity")["unit"].unique().map(list)
    assert dict(units) == {
        "time": ["s"],
        "iterations": ["iterations"],
        "peak memory": ["bytes"],
        "largest loss": ["unit"],
    }


def test_results_of_an_older_version_of_a_benchmark_are_left_out_and_counted(asv, copied):
    assert OLDEST in set(asv["commit"]) and OLDEST not in set(asv.loc[asv["benchmark"] == TIME, "commit"])
    assert asv_results(ASV).older == {TIME: 1}
    described = json.loads((copied / "benchmarks.json").read_text())
    del described["example.Loss.peakmem_list"]
    described["example.IterationsToGap.track_iterations_to_gap"]["param_names"].append("dtype")
    (copied / "benchmarks.json").write_text(json.dumps(described))
    assert asv_results(copied).older == {
        TIME: 1,
        "example.IterationsToGap.track_iterations_to_gap": 3,
        "example.Loss.peakmem_list": 3,
    }


def test_a_cell_that_an_old_commit_was_never_asked_for_has_not_failed(copied):
    described = json.loads((copied / "benchmarks.json").read_text())
    described[TIME]["params"][0].append("'lbfgs'")
    (copied / "benchmarks.json").write_text(json.dumps(described))
    assert "lbfgs" not in set(asv_results(copied).frame["solver"])


def test_files_that_are_cut_off_or_foreign_are_named_skipped_and_counted(copied):
    machine = copied / "bench-1"
    foreign = {
        "list.json": "[1, 2]",
        "number.json": "3",
        "object.json": "{}",
        "newer.json": '{"version": 99}',
        "shapeless.json": (machine / Path(f"{MIDDLE[:8]}-virtualenv-py3.11-torch2.13.0.json"))
        .read_text()
        .replace("[[90, NaN, 5, 7]", "[7"),
    }
    for name, text in foreign.items():
        (machine / name).write_text(text)
    (machine / "bytes.json").write_bytes(b"\xff\xfe\x00")
    read = asv_results(copied)
    assert set(read.skipped) == {CUT_OFF, "bench-1/bytes.json", *(f"bench-1/{name}" for name in foreign)}
    assert "Error parsing JSON" in read.skipped[CUT_OFF]
    assert not any(str(copied) in reason or "\n" in reason for reason in read.skipped.values())
    assert read.frame.equals(asv_results(ASV).frame)


@pytest.mark.parametrize("text", [None, "[]", "{", '{"version": 1}', "7"])
def test_without_asvs_own_description_of_the_benchmarks_nothing_is_read_and_it_is_said(copied, text):
    (copied / "benchmarks.json").unlink()
    if text is not None:
        (copied / "benchmarks.json").write_text(text)
    read = asv_results(copied)
    assert read.frame.empty and list(read.skipped) == ["benchmarks.json"]
    assert str(copied) not in read.skipped["benchmarks.json"]


def test_the_date_is_the_commits_own_and_not_that_of_the_measurement(asv):
    dates = asv.groupby("commit")["date"].unique().map(list)
    assert dict(dates) == {
        OLDEST: ["2026-01-01T12:00:00+00:00"],
        MIDDLE: ["2026-02-01T12:00:00+00:00"],
        NEWEST: ["2026-03-01T12:00:00+00:00"],
    }
    assert (asv["measured"] > asv["date"]).all()


def test_a_timed_cell_is_a_median_with_its_interval_and_the_samples_that_were_recorded(asv):
    middle = asv[(asv["commit"] == MIDDLE) & (asv["solver"] == "gradient-descent") & (asv["benchmark"] == TIME)]
    samples, median = middle[middle["statistic"] == "value"], only(middle, statistic="median")
    assert list(samples["repeat"]) == list(range(8)) and median["samples"] == 8
    assert samples["value"].median() == pytest.approx(median["value"], rel=1e-4)
    assert median["low"] <= median["q_25"] <= median["value"] <= median["q_75"] <= median["high"]
    assert median["interval"] == "99 %"
    assert set(asv[(asv["commit"] == NEWEST) & (asv["benchmark"] == TIME)]["statistic"]) == {"median"}


def test_an_interval_that_is_infinite_is_none(copied):
    path = copied / "bench-1" / f"{NEWEST[:8]}-virtualenv-py3.11-torch2.13.0.json"
    content = json.loads(path.read_text())
    result = content["results"][TIME]
    result[5], result[6] = [-math.inf] * 3, [math.inf] * 3
    path.write_text(json.dumps(content))
    row = only(asv_results(copied).frame, commit=NEWEST, solver="newton", statistic="median", benchmark=TIME)
    assert row["value"] > 0 and math.isnan(row["low"]) and math.isnan(row["high"]) and row["interval"] is None


def test_machine_and_environment_travel_with_each_row(asv, copied):
    about = asv[["machine", "host", "environment", "python", "torch", "threads"]].drop_duplicates()
    assert about.values.tolist() == [
        ["Example CPU, 4 cores", "bench-1", "virtualenv-py3.11-torch2.13.0", "3.11", "2.13.0", 1]
    ]
    path = copied / "bench-1" / f"{NEWEST[:8]}-virtualenv-py3.11-torch2.13.0.json"
    content = json.loads(path.read_text())
    content["env_name"], content["params"]["python"] = "existing-py_home_me_bin_python", "/home/me/bin/python"
    content["params"] |= {"gpu": "Example GPU", "driver": "1.2"}
    path.write_text(json.dumps(content))
    frame = asv_results(copied).frame
    lent = frame[frame["commit"] == NEWEST]
    assert set(lent["machine"]) == {"Example GPU, driver 1.2; Example CPU, 4 cores"}
    assert not lent.drop(columns="file").astype(str).apply(lambda column: column.str.contains("home")).any(axis=None)


# --- pytest-benchmark


def test_each_micro_benchmark_is_a_median_with_the_numbers_that_it_noted():
    frame = pytest_results(MICRO).frame
    product = frame[frame["benchmark"].str.endswith("::test_product") & (frame["how"] == "naive")]
    time = only(product, quantity="time")
    assert time["unit"] == "s" and time["statistic"] == "median" and time["samples"] == 5
    assert time["q_25"] <= time["value"] <= time["q_75"] and time["group"] == "product"
    assert only(product, quantity="flops")["value"] == 2 * 398 * 30
    loop = frame[frame["group"] == "overhead"]
    ratio = only(loop, quantity="ratio")
    assert (ratio["low"], ratio["value"], ratio["high"], ratio["interval"]) == (1.38, 1.41, 1.45, "95 %")
    assert set(loop["device"]) == {"cpu"} and set(frame["torch"]) == {"2.13.0+cpu"} and set(frame["threads"]) == {1}
    assert set(frame["commit"]) == {"0b3014e0a2e8"} and set(frame["date"]) == {"2026-02-01T10:00:00+00:00"}
    assert "note" not in set(frame["quantity"])


def test_a_commit_with_changes_on_top_is_marked(tmp_path):
    content = json.loads((MICRO / "micro.json").read_text())
    content["commit_info"]["dirty"] = True
    (tmp_path / "dirty.json").write_text(json.dumps(content))
    assert set(pytest_results(tmp_path).frame["commit"]) == {"0b3014e0a2e8+"}


def test_a_foreign_or_cut_off_file_among_micro_benchmarks_is_named_and_skipped(tmp_path):
    whole = (MICRO / "micro.json").read_text()
    for name, text in (("whole", whole), ("half", whole[:900]), ("list", "[]"), ("asv", '{"version": 2}'), ("no", "3")):
        (tmp_path / f"{name}.json").write_text(text)
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    read = pytest_results([*sorted(tmp_path.glob("*.json")), tmp_path / "absent.json"])
    assert set(read.skipped) == {"half.json", "list.json", "asv.json", "no.json", "bytes.json", "absent.json"}
    assert set(read.frame["file"]) == {"whole.json"}


# --- runs


def test_a_run_gives_its_time_its_end_and_its_times_to_the_targets(runs):
    frame = measurements(runs=runs).frame
    for key, run in runs.frame.groupby("run"):
        rows = frame[frame["file"] == key]
        assert only(rows, benchmark="whole run", quantity="time")["value"] == run["total_seconds"].iloc[0]
        assert only(rows, benchmark="whole run", quantity="iterations")["value"] == run["iteration"].max()
        assert (rows["torch"] == runs.metadata[key]["environment"]["packages"]["torch"]).all()
    reached = frame[(frame["benchmark"] == "time to gap") & (frame["status"] == "ok")]
    assert len(reached) and ((reached["low"] <= reached["value"]) & (reached["value"] == reached["high"])).all()
    for row in reached.itertuples():
        run = runs.frame[runs.frame["run"] == row.file]
        assert row.value == times_to_target(run, "gap", row.gap).iloc[0]
    absent = frame[(frame["benchmark"] == "time to gap") & (frame["problem"] == "breast-cancer")]
    assert set(absent["status"]) == {"n/a"} and set(absent["reason"]) == {"no minimiser"}


def test_a_target_that_was_not_reached_is_censored_at_what_was_waited(runs):
    never = runs.frame.assign(test_accuracy=0.5)
    rows = measurements(runs=replace(runs, frame=never)).frame
    rows = rows[rows["benchmark"] == "time to accuracy"]
    assert set(rows["status"]) == {"n/a"} and rows["value"].isna().all() and (rows["high"] == math.inf).all()
    waited = runs.frame.groupby("run")["total_seconds"].first()
    assert (rows["low"] == rows["file"].map(waited)).all()


def test_a_run_that_raised_is_a_row_marked_failed(runs):
    raised = runs.frame.assign(status="error", message="ValueError: planted")
    rows = measurements(runs=replace(runs, frame=raised)).frame
    assert set(rows["status"]) == {"failed"} and rows["value"].isna().all()
    assert set(rows["reason"]) == {"ValueError: planted"} and set(rows["benchmark"]) == {"whole run"}


# --- all together


def test_all_sources_make_one_frame_in_which_no_row_is_twice(runs):
    both = replace(runs, frame=runs.frame.assign(commit=NEWEST), skipped={"x.parquet": "foreign"}, older={"m": 2})
    read = measurements(runs=both, asv=ASV, micro=MICRO)
    frame = read.frame
    assert list(frame.columns[: len(COLUMNS)]) == list(COLUMNS)
    assert set(frame["source"]) == {"run", "asv", "pytest-benchmark"}
    assert set(read.skipped) == {CUT_OFF, "x.parquet"} and read.older == {TIME: 1, "m": 2}
    assert not frame.duplicated(["file", "benchmark", "parameters", "quantity", "statistic", "repeat"]).any()
    assert frame["value"].isna().equals(frame["status"] != "ok")
    # a run knows its commit but not when that was made
    assert set(frame.loc[frame["source"] == "run", "date"]) == {"2026-03-01T12:00:00+00:00"}
    table = (
        frame[frame["quantity"] == "time"].groupby(["source", "solver", "statistic"], dropna=False)["value"].median()
    )
    assert table["asv", "newton", "median"] == pytest.approx(6.0997e-4)


def test_nothing_measured_is_an_empty_frame_with_all_columns(tmp_path):
    read = measurements(asv=tmp_path / "absent", micro=tmp_path)
    assert read.frame.empty and list(read.frame.columns) == list(COLUMNS) and read.skipped == {}


def test_a_parameter_never_takes_the_place_of_another_column():
    named = parameter_columns({"value": 3, "n": 100, "solver": "newton", "size": [398, 30]})
    assert named["parameter value"] == 3 and "value" not in named
    assert (named["n"], named["solver"], named["size"]) == (100, "newton", "[398, 30]")
    assert named["parameters"] == "value=3, n=100, solver=newton, size=[398, 30]"


def test_the_examples_name_no_real_machine():
    texts = [path.read_text() for path in EXAMPLES.rglob("*.json")]
    words = (*(f"/{folder}/" for folder in ("home", "root", "tmp")), "site-packages")
    assert texts and not any(word in text for text in texts for word in words)
