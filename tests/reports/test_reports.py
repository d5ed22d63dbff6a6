"""Reports say what the runs say: tables and figures are pure functions of the frame, and the page holds them all."""

from __future__ import annotations

import math
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count, product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

import solvers.common.clock
from benchmarks.runner.measure import measure
from benchmarks.runner.suites import SUITES, every_solver
from benchmarks.store.runs import Store, run_key
from reports.__main__ import app
from reports.build import build
from reports.data.repeats import last_rows
from reports.data.runs import NO_MINIMISER, load, newest_code
from reports.data.targets import times_to_target
from reports.figures.problem import FIGURES
from reports.findings.finding import BELIEVED, FASTEST
from reports.findings.findings import SHOWN, findings
from reports.page.drawing import unique_ids
from reports.sections.data import data_sections
from reports.statistics.estimate import Estimate, estimate, show
from reports.tables.claims import claims
from reports.tables.registry import TABLES
from reports.tables.summary import summary
from reports.tables.times import targets, time_to_accuracy, time_to_gap, with_a_target
from reports.text import seconds
from solvers import SOLVERS, Stop
from solvers.objectives import residual_mlp
from tests.reports.small_page import ask, in_a_browser

REPEATS = 6
# As many solvers as a reader compares; more of them make pages, and nothing else that these tests are about.
WANTED = {name for name in SOLVERS if name.startswith(("auto", "gradient-descent", "newton"))} - {
    *("gradient-descent-armijo", "newton-fixed-hessian", "newton-self-concordant", "newton-gradient-regularised"),
    *("newton-shamanskii", "newton-sketched", "newton-modified-cholesky", "newton-diagonal-hutchinson"),
}
CASES = [case for case in SUITES["classic"]() if case.dtype == "float64" and case.solver in WANTED]


def steady(seconds: float) -> Callable[[], float]:
    """A clock that gains so much from one reading to the next."""
    return partial(next, (seconds * k for k in count()))


@pytest.fixture(scope="session")
def store(tmp_path_factory) -> Path:
    """The suite `classic` in float64, at times that no machine decides."""
    target = Store(tmp_path_factory.mktemp("runs"))
    with pytest.MonkeyPatch.context() as patch:
        for case, repeat in product(CASES, range(REPEATS)):
            expensive = case.solver.startswith(("auto", "newton")) and "diagonal" not in case.solver
            patch.setattr(
                solvers.common.clock, "perf_counter", steady((3e-3 if expensive else 1e-3) * (1 + 0.01 * repeat))
            )
            target.write(run_key(case, repeat), measure(case, repeat))
    return target.folder


@pytest.fixture(scope="session")
def runs(store):
    return load(store)


@pytest.fixture(scope="session")
def printed(store, tmp_path_factory) -> tuple[Path, str]:
    """The folder that the command filled, and what it printed."""
    out, nothing = tmp_path_factory.mktemp("report"), str(tmp_path_factory.mktemp("nothing"))
    elsewhere = [word for option in ("asv", "micro", "peers", "profiles") for word in (f"--{option}", nothing)]
    words = ["build", "--store", str(store), "--out", str(out), *elsewhere]
    result = CliRunner().invoke(app, words, catch_exceptions=False)
    assert result.exit_code == 0
    return out, result.stdout


@pytest.fixture(scope="session")
def report(printed) -> Path:
    return printed[0]


# --- loading


def test_every_run_is_loaded_once_with_its_environment(runs):
    assert runs.frame["run"].nunique() == len(runs.metadata) == len(CASES) * REPEATS
    assert not runs.frame.duplicated(["run", "iteration"]).any()
    calibration = {f"{name}_gflops" for name in ("gemm", "potrf", "syrk")}
    calibration |= {"triad_gbs", "copy_gbs", "kernel_us", "read_us"}
    assert all(calibration == set(m["calibration"]) for m in runs.metadata.values())


def test_foreign_truncated_and_newer_files_are_named_and_skipped(store, tmp_path):
    folder = shutil.copytree(store, tmp_path / "runs")
    whole = sorted(folder.glob("*.parquet"))
    whole[0].write_bytes(whole[0].read_bytes()[:100])
    (folder / "empty.parquet").write_bytes(b"")
    pd.DataFrame({"a": [1]}).to_parquet(folder / "foreign.parquet")
    (folder / ".half.7.partial").write_bytes(b"PAR1")
    loaded = load(folder)
    assert set(loaded.skipped) == {whole[0].name, "empty.parquet", "foreign.parquet"}
    assert loaded.skipped["foreign.parquet"] == "not written by this suite"
    assert loaded.frame["run"].nunique() == len(CASES) * REPEATS - 1


def test_only_the_newest_code_of_each_machine_is_shown_and_the_rest_is_counted():
    frame = pd.DataFrame(
        {
            "machine": ["a", "a", "a", "b"],
            "run": ["1", "2", "3", "4"],
            "date": ["2026-01-01", "2026-01-01", "2026-02-01", "2025-01-01"],
            "code_version": ["old", "old", "new", "old"],
        }
    )
    current, older = newest_code(frame)
    assert list(current["run"]) == ["3", "4"] and older == {"a": 2}


# --- statistics


def test_the_interval_of_a_median_covers_it_at_the_stated_rate():
    rng = np.random.default_rng(1)
    covered = [found.low <= 0.0 <= found.high for found in (estimate(rng.normal(size=25)) for _ in range(200))]
    assert 0.88 <= np.mean(covered) <= 1.0
    assert estimate([1.0, 2.0, 3.0]) == estimate([1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("value", "text"), [(1.0, "1.00 s"), (0.9999, "1.00 s"), (0.0123, "12.3 ms"), (5e-7, "0.5 us"), (123.0, "123 s")]
)
def test_times_have_the_unit_that_suits_them(value, text):
    assert seconds(value) == text


def test_the_time_to_a_target_is_that_of_the_first_iterate_there():
    run = pd.DataFrame({"run": "r", "seconds": [0.0, 1.0, 2.0, 3.0], "gap": [4.0, 1.0, 2.0, 0.5]})
    assert times_to_target(run, "gap", 0.25)["r"] == 1.0
    assert times_to_target(run, "gap", 0.025)["r"] == math.inf


# --- tables


def test_the_summary_holds_every_case_at_its_end(runs):
    table = summary(runs.frame).set_index(["problem", "solver"])
    assert len(table) == len(CASES)
    newton = table.loc[("breast-cancer", "newton")]
    assert newton["iterations"] == 30 and newton["at iteration"] == 5
    assert newton["test loss"] == pytest.approx(2.9303205623, rel=1e-9)
    assert table.loc[("breast-cancer-l2", "newton-cholesky"), "status"] == "converged"


def test_where_there_is_no_minimiser_there_is_no_time_to_a_gap(runs):
    table = time_to_gap(runs.frame).set_index(["problem", "solver"])
    assert (table.loc["breast-cancer"].filter(like="1e-") == NO_MINIMISER).all(axis=None)
    cell = table.loc[("breast-cancer-l2", "newton-cholesky"), "1e-06"]
    assert re.fullmatch(r"\d+\.?\d* ms \[[\d.]+, [\d.]+\]", cell)
    assert table.loc[("breast-cancer-l2", "gradient-descent"), "1e-06"].startswith("> ")


def test_times_to_targets_follow_from_the_rows(runs):
    long = targets(runs.frame, "gap")
    cell = runs.frame[(runs.frame["problem"] == "breast-cancer-l2") & (runs.frame["label"] == "newton")]
    reached = [
        run.sort_values("iteration")[lambda r: r["gap"] <= 1e-6 * r["gap"].iloc[0]]["seconds"].iloc[0]
        for _, run in cell.groupby("run")
    ]
    row = long[(long["label"] == "newton") & (long["target"] == 1e-6)].iloc[0]
    assert row["median"] == pytest.approx(np.median(reached)) and row["reached"] == REPEATS
    assert (long.groupby("label")["median"].apply(lambda m: m.is_monotonic_increasing)).all()


def test_a_failed_run_is_a_row_and_not_a_missing_one(runs):
    frame = runs.frame.copy()
    bad = (frame["label"] == "newton") & (frame["problem"] == "breast-cancer")
    numbers = ["value", "test_loss", "test_accuracy", "total_seconds"]
    frame = frame[~bad | (frame["iteration"] == 0)]
    frame.loc[bad, "status"] = "error"
    frame.loc[bad, numbers] = math.nan
    rows = summary(frame).set_index(["problem", "solver"])
    assert rows.loc[("breast-cancer", "newton"), "status"] == "error"
    for table in (time_to_accuracy(frame), time_to_gap(frame)):
        cells = table.set_index(["problem", "solver"]).loc[("breast-cancer", "newton")]
        assert "error" in set(cells)


# --- claims and findings


def test_other_runs_in_the_store_change_no_claim_and_have_labels_of_their_own(store, runs, tmp_path):
    folder = shutil.copytree(store, tmp_path / "runs")
    other = Store(folder)
    for case in every_solver(["breast-cancer", "breast-cancer-l2"]):
        if case.solver in ("newton", "gradient-descent"):
            shorter = replace(case, stop=Stop(iterations=1000))
            other.write(run_key(shorter, 0), measure(shorter, 0))
    mixed = load(folder)
    assert len(mixed.frame) > len(runs.frame)
    assert claims(mixed.frame).equals(claims(runs.frame))
    labels = set(mixed.frame.loc[mixed.frame["problem"] == "breast-cancer", "label"])
    assert {"newton (30 iterations)", "newton (gap 1e-10, 1000 iterations)"} <= labels
    assert (mixed.frame.groupby(["problem", "label", "dtype"])["case"].nunique() == 1).all()


def test_the_five_claims_are_judged_by_the_numbers(runs):
    table = claims(runs.frame).set_index("claim")
    assert len(table) == 5
    assert table.loc["diagonal Newton is less stable", "verdict"] == "only for rate 1"
    assert table.loc["diagonal Newton converges faster than gradient descent", "verdict"] == "only for rate 0.1"
    # A gradient descent that was a thousand times slower would be the slowest wherever it arrives at all.
    slow = runs.frame.copy()
    slow.loc[slow["label"] == "gradient-descent", ["seconds", "total_seconds"]] *= 1000
    found = claims(slow).set_index("claim").loc["gradient descent is the slowest", "verdict"]
    assert "whole run" in found and "0.90" in found
    cheap = claims(slow).set_index("claim").loc["a diagonal iteration is as cheap as gradient descent's", "verdict"]
    assert cheap == "true"


def test_without_the_runs_the_claims_stay_open_and_name_the_command(runs):
    table = claims(runs.frame[runs.frame["problem"] == "breast-cancer"])
    assert list(table["verdict"]) == ["undecided"] and "--suite classic" in table["measured"][0]


@pytest.mark.slow
def test_runs_of_another_suite_alone_make_a_report_with_open_claims(runs, tmp_path, monkeypatch):
    monkeypatch.setattr("reports.sections.problems.FIGURES", {"run-time": FIGURES["run-time"]})
    tables = build(replace(runs, frame=runs.frame.assign(case="of another suite")), tmp_path, data=False)
    assert list(tables["claims"]["verdict"]) == ["undecided"] and list(tables["claims"]["runs"]) == [()]
    assert "What the runs show" in (tmp_path / "index.html").read_text()


def by_heading(frame: pd.DataFrame) -> dict[str, str]:
    return {finding.heading: finding.text for finding in findings(frame)}


def count_converged(runs) -> int:
    return int((last_rows(runs.frame)["status"] == "converged").sum())


def test_findings_are_sentences_about_these_very_runs(runs):
    found = by_heading(runs.frame)
    assert "margin of 0.077" in found["breast-cancer has no minimiser"]
    assert "grows 31-fold" in " ".join(found) and "Test accuracy hides divergence" in found
    (trust,) = (heading for heading in found if "“converged”" in heading)
    assert trust == f"“converged” was true in {count_converged(runs)} of {count_converged(runs)} runs"
    tame = runs.frame.copy()
    tame.loc[tame["label"].isin(["newton-diagonal rate 1", "newton-diagonal"]), "value"] = 0.1
    assert "Test accuracy hides divergence" not in by_heading(tame)


def test_the_answers_that_are_about_most_come_first_one_to_a_question(runs):
    found = findings(runs.frame)
    assert len(found) > SHOWN and found[0].question == FASTEST
    assert len({finding.question for finding in found[:SHOWN]}) == SHOWN
    for one in found[SHOWN:]:
        assert all(one.decades <= other.decades for other in found[:SHOWN] if other.question == one.question)
    # Made worse than anything else, what came last comes to the front.
    frame = runs.frame.copy()
    frame.loc[frame["problem"] == "breast-cancer-l2", "gap"] = 0.5
    frame.loc[frame["iteration"] == 0, "gap"] = 1.0
    wrong = findings(frame)[0]  # nobody gets to 1e-6: no one is fastest
    assert wrong.question == BELIEVED and f"true in 0 of {count_converged(runs)} runs" in wrong.heading


def test_convergence_that_is_reported_where_there_is_no_minimiser_is_wrong(runs):
    frame = runs.frame.copy()
    frame.loc[(frame["problem"] == "breast-cancer") & (frame["label"] == "newton"), "status"] = "converged"
    said = f"true in {count_converged(runs)} of {count_converged(runs) + REPEATS} runs"
    assert any(said in heading for heading in by_heading(frame))
    assert "newton on breast-cancer" in " ".join(by_heading(frame).values())


def test_the_fastest_is_named_only_where_the_repeats_decide_it(runs):
    frame = runs.frame.copy()
    times = ["seconds", "total_seconds"]
    frame.loc[frame["label"] == "newton-cg", times] /= 1000
    assert findings(frame)[0].heading.startswith("newton-cg is fastest on breast-cancer-l2 (")
    newtons = ["newton", "newton-cholesky", "newton-damped", "newton-levenberg"]  # they take the same iterations
    even = runs.frame[runs.frame["label"].isin([*newtons, "gradient-descent"])].copy()
    even["seconds"] = even["iteration"].astype(float)
    assert findings(even)[0].heading.startswith("Four solvers tie for fastest on breast-cancer-l2 (")
    assert all(label in findings(even)[0].text for label in newtons)


def test_runs_of_a_fixed_number_of_iterations_on_sized_problems_do_not_compete(runs):
    frame = runs.frame[runs.frame["problem"] == "breast-cancer-l2"].assign(problem="synthetic-20x3")
    told_to_stop = frame.assign(rules="10 iterations")
    assert findings(frame)[0].question == FASTEST and findings(told_to_stop) == []
    both = pd.concat([told_to_stop.assign(label="told"), frame], ignore_index=True)
    assert "told" not in set(with_a_target(both)["label"]) and len(with_a_target(both)) == len(frame)
    assert with_a_target(told_to_stop) is told_to_stop  # rather than nothing at all
    classic = runs.frame[runs.frame["problem"] == "breast-cancer"]
    assert with_a_target(classic).equals(classic)  # a fixed number of iterations, and a race all the same


def test_machines_are_never_pooled(runs):
    """Two machines, the second a thousand times slower: each has its rows and its findings, and none a mean of both."""
    slow = runs.frame.assign(machine="Slow CPU", run="slow-" + runs.frame["run"])
    slow[["seconds", "total_seconds"]] *= 1000
    both = pd.concat([runs.frame, slow], ignore_index=True)
    for table in (summary, time_to_gap, time_to_accuracy):
        one, two = table(runs.frame), table(both)
        first = two[two["machine"] != "Slow CPU"].drop(columns="machine").reset_index(drop=True)
        assert len(two) == 2 * len(one) and first.equals(one)
    alone = [finding.text for finding in findings(runs.frame)]
    texts = [finding.text for finding in findings(both)]
    assert len(texts) == 2 * len(alone) and all(" On " in text for text in texts)
    assert {text.removesuffix(" On Slow CPU.") for text in texts if text.endswith(" On Slow CPU.")} != set(alone)
    here = runs.frame["machine"].iloc[0]
    assert [t.removesuffix(f" On {here}.") for t in texts if t.endswith(f" On {here}.")] == alone


# --- files


def test_the_report_has_every_table_and_figure_in_every_format(report):
    for name in TABLES:
        for suffix in (".csv", ".md", ".tex"):
            assert (report / "tables" / f"{name}{suffix}").stat().st_size > 100
    for problem, left_out in (
        ("breast-cancer", {"gap-iteration", "gap-time"}),
        ("breast-cancer-l2", {"loss-iteration", "loss-time"}),
    ):
        for name in set(FIGURES) - left_out:
            assert (report / "figures" / f"{problem}--{name}.svg").read_text().startswith("<?xml")
            assert (report / "figures" / f"{problem}--{name}.png").read_bytes().startswith(b"\x89PNG")
    assert r"\toprule" in (report / "tables" / "summary.tex").read_text()


@pytest.mark.slow
def test_a_build_takes_back_its_own_files_and_no_others(runs, report, tmp_path, monkeypatch):
    monkeypatch.setattr("reports.sections.problems.FIGURES", {"run-time": FIGURES["run-time"]})
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "mine.txt").write_text("mine")
    build(runs, tmp_path, data=False)
    assert (tmp_path / "figures" / "breast-cancer-l2--run-time.svg").exists()
    build(replace(runs, frame=runs.frame[runs.frame["problem"] == "breast-cancer"]), tmp_path, data=False)
    assert not (tmp_path / "figures" / "breast-cancer-l2--run-time.svg").exists()
    assert (tmp_path / "tables" / "mine.txt").read_text() == "mine"


def test_the_page_needs_no_network_and_stays_small(report):
    page = (report / "index.html").read_text()
    assert len(page) < 3_000_000
    assert not re.search(r"""(?:src|href)\s*=\s*["'](?!#|data:image/png;base64,|[\w./-]+/\w{20}\.parquet")""", page)
    assert not re.search(r"url\((?!#)|@import", page)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_ids_of_a_drawing_are_made_its_own():
    one, other = (unique_ids('<a id="x" href="#x" clip-path="url(#x)"/>', name) for name in "pq")
    (own,) = re.findall('id="(.*?)"', one)
    assert one == f'<a id="{own}" href="#{own}" clip-path="url(#{own})"/>' and f'"{own}"' not in other


@in_a_browser
@pytest.mark.slow
def test_a_browser_shows_every_section_without_complaint(report, tmp_path):
    script = """return {figures: document.querySelectorAll("svg").length,
                       sections: [...document.querySelectorAll("main > section")].map((section) => section.id)};"""
    found = ask(report / "index.html", script, tmp_path)
    measured = set(TABLES) - {"devices", "break-even"}  # there is but one device
    assert {*measured, "findings", "gradient-check", "two-view", "missing"} <= set(found["sections"])
    assert found["figures"] == len(list((report / "figures").glob("*.svg"))) >= 11


# --- the data


def small_mnist(folder: Path) -> None:
    """Forty made-up digits a part in the layout of MNIST."""
    (folder / "MNIST" / "raw").mkdir(parents=True)
    rng = np.random.default_rng(0)
    for part in ("train", "t10k"):
        for what, shape in (("images-idx3", (40, 28, 28)), ("labels-idx1", (40,))):
            content = bytes((0, 0, 8, len(shape))) + b"".join(size.to_bytes(4, "big") for size in shape)
            numbers = rng.integers(0, 256 if len(shape) == 3 else 10, shape, dtype=np.uint8)
            (folder / "MNIST" / "raw" / f"{part}-{what}-ubyte").write_bytes(content + numbers.tobytes())


def test_without_mnist_the_report_checks_the_rest_and_says_what_is_missing(tmp_path, out, monkeypatch):
    monkeypatch.setenv("HESSBENCH_DATA", str(tmp_path / "nothing"))
    checked, views = data_sections(out)
    assert "MNIST is not part of this report" in checked.note and "python -m datasets fetch mnist" in views.note
    assert "breast-cancer" in checked.table and "two-view" not in checked.table and not views.figures
    assert (out / "tables" / "gradient-check.md").exists()


@pytest.mark.slow
def test_with_mnist_the_report_shows_two_views_and_checks_the_gradient_on_them(tmp_path, out, monkeypatch):
    small_mnist(tmp_path)
    monkeypatch.setenv("HESSBENCH_DATA", str(tmp_path))
    checked, views = data_sections(out)
    assert not checked.note and not views.note and "two-view" in checked.table and "FAIL" not in checked.table
    assert [figure.name for figure in views.figures] == ["two-view-mnist"]
    assert views.figures[0].html.count("<image") == 8 * 3
    assert (out / "figures" / "gradient-check--two-view.png").exists()


def test_a_wrong_backpropagation_shows_in_the_report(tmp_path, out, monkeypatch):
    monkeypatch.setenv("HESSBENCH_DATA", str(tmp_path / "nothing"))
    right = residual_mlp.collected

    def wrong(H, D):
        gradient = right(H, D)
        return torch.cat([gradient[:1] * 1.01, gradient[1:]])

    monkeypatch.setattr(residual_mlp, "collected", wrong)
    checked, _ = data_sections(out)
    assert "FAIL" in checked.table


# --- command line


def test_a_folder_that_cannot_be_written_to_is_found_before_work_starts(store, tmp_path):
    (tmp_path / "file").write_text("")
    result = CliRunner().invoke(app, ["build", "--store", str(store), "--out", str(tmp_path / "file" / "out")])
    assert result.exit_code == 2 and "--out" in result.stderr and "Traceback" not in result.output


def test_the_findings_and_the_path_are_printed_and_not_a_line_for_each_case(printed):
    out, text = printed
    found = [line.split("**")[1] for line in (out / "tables" / "findings.md").read_text().splitlines()]
    words = " ".join(text.split())
    assert found and all(heading in words for heading in found)
    assert text.splitlines()[-1].endswith(f"The page: {out / 'index.html'}") and len(text.splitlines()) < 40


def test_an_estimate_without_repeats_claims_no_interval():
    assert math.isnan(estimate([1.0]).low) and "no interval" in show(Estimate(1.0, math.nan, math.nan, 1, 1))
