"""The section on a GPU: from the folder of the kit to tables and maps; without one, the command that makes it."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from benchmarks.gpu.sizes import TOO_LARGE
from reports.publish import keep_gpu
from reports.sections.gpu import MAKE, gpu_section, keep
from reports.tables.gpu import break_even, failures, pairs, reached, speedups, variants


def cell(device: str, n: int, warm: float, **other) -> dict:
    known = {"device": device, "dtype": "float32", "n": n, "d": 10, "solver": "lbfgs", "cold": 2 * warm, "warm": warm}
    known |= {"low": 0.9 * warm, "high": 1.1 * warm, "transfer": 0.0, "repeats": 5, "iterations": 3, "threads": 2}
    return known | {"status": "iteration limit"} | other


def sizes() -> pd.DataFrame:
    """The device takes a millisecond whatever the size; the CPU a microsecond a row."""
    rows = [cell("cpu", n, 1e-6 * n) for n in (100, 10_000, 1_000_000)]
    rows += [cell("cuda", n, 1e-3, transfer=3e-8 * n) for n in (100, 10_000, 1_000_000)]
    rows.append(cell("cuda", 10**9, float("nan"), status=TOO_LARGE))
    return pd.DataFrame(rows)


@pytest.fixture
def results(tmp_path) -> Path:
    folder = tmp_path / "results"
    folder.mkdir()
    sizes().to_csv(folder / "sizes.csv", index=False)
    kernel = {"device": "cuda", "dtype": "float32", "n": 100, "d": 10, "kernel": "X v", "seconds": 1e-5}
    pd.DataFrame([kernel | {"gflops": 2.0, "gbs": 4.0, "of_roofline": 0.5}]).to_csv(folder / "kernels.csv", index=False)
    one = {"device": "cuda", "dtype": "float32", "n": 100, "d": 10, "variant": "CUDA graph", "usual": 2e-3, "ratio": 2}
    one |= {"seconds": 1e-3, "low": 1.5, "high": 3, "iterations": 5, "gap_bound": 1e-12, "status": "converged"}
    none = one | {"variant": "Gram in one pass", "status": "RuntimeError: no"} | dict.fromkeys(("ratio", "usual"))
    pd.DataFrame([one, none]).to_csv(folder / "variants.csv", index=False)
    about = {"machine": "Some GPU, driver 1; A CPU", "packages": {"torch": "2.9.0"}, "cuda": "13.0"}
    (folder / "environment.json").write_text(json.dumps(about | {"date": "2026-11-29T12:00:00+00:00"}))
    return folder


def test_a_ratio_is_that_of_medians_and_its_range_that_of_the_repeats():
    found = pairs(sizes()).set_index("n").loc[10_000]
    assert found["speed-up"] == pytest.approx(10)
    assert (found["least"], found["most"]) == (pytest.approx(10 * 0.9 / 1.1), pytest.approx(10 * 1.1 / 0.9))
    assert found["once"] == pytest.approx(2e-2 / (2e-3 + 1e-4))
    row = speedups(sizes()).set_index("n").loc[10_000]
    assert (row["CPU"], row["device"], row["speed-up"]) == ("10.0 ms", "1.00 ms", "10 [8.18, 12.2]")


def test_the_break_even_is_the_size_behind_which_the_device_is_always_faster():
    assert break_even(sizes()).to_dict("records") == [
        {"solver": "lbfgs", "dtype": "float32", "speed-up": "10,000 x 10", "once": "10,000 x 10"}
    ]
    slow = sizes().assign(warm=lambda f: f["warm"].where(f["device"] == "cpu", 1e6 * f["warm"]))
    assert break_even(slow)["speed-up"].tolist() == ["not within these sizes"]


def test_what_was_not_timed_is_told_with_its_reason():
    assert failures(sizes()).to_dict("records") == [
        {"device": "cuda", "reason": TOO_LARGE, "cells": 1, "smallest": "1000000000 x 10"}
    ]


def test_the_section_has_tables_maps_and_the_machine(results, tmp_path):
    for name in ("tables", "figures"):
        (tmp_path / name).mkdir()
    section = gpu_section(results, tmp_path)
    assert not section.note and "Some GPU" in section.caption and len(section.figures) == 1
    written = {path.name for path in (tmp_path / "tables").glob("*.csv")}
    names = ("break-even", "speed-ups", "kernels", "variants", "not-timed")
    assert written == {f"gpu-{name}.csv" for name in names}
    assert (tmp_path / "figures" / "gpu--float32.svg").exists()
    assert reached(pd.read_csv(results / "kernels.csv"))["of the roofline"].tolist() == ["50 %"]


def test_a_variant_stands_beside_the_usual_way_and_one_that_failed_is_told(results):
    table = variants(pd.read_csv(results / "variants.csv")).set_index("variant")
    assert table.loc["CUDA graph", "times as fast"] == "2 [1.5, 3]"
    assert table.loc["Gram in one pass", "status"] == "RuntimeError: no"
    assert table.loc["Gram in one pass", "times as fast"] == "-"


def test_two_devices_have_a_figure_each(results, tmp_path):
    both = pd.concat([sizes(), sizes()[lambda f: f["device"] == "cuda"].assign(device="cuda:1")])
    both.to_csv(results / "sizes.csv", index=False)
    for name in ("tables", "figures"):
        (tmp_path / name).mkdir()
    assert len(gpu_section(results, tmp_path).figures) == 2
    assert {path.name for path in (tmp_path / "figures").glob("*.svg")} == {
        "gpu--cuda-float32.svg", "gpu--cuda1-float32.svg"
    }  # fmt: skip


def test_without_results_the_command_is_named(tmp_path):
    assert gpu_section(tmp_path, tmp_path).note == MAKE


def test_results_that_cannot_be_read_are_told(results, tmp_path):
    (results / "sizes.csv").write_text("device,warm\ncpu,1\n")
    assert "has no column" in gpu_section(results, tmp_path).note
    (results / "environment.json").write_text("{")
    assert "cannot be read" in gpu_section(results, tmp_path).note


def test_what_was_published_of_a_gpu_stays_until_another_one_is_measured(results, tmp_path):
    published, first, second = (tmp_path / name for name in ("published", "first", "second"))
    keep_gpu(results, published, first)
    assert {path.name for path in first.iterdir()} == {"sizes.csv", "kernels.csv", "variants.csv", "environment.json"}
    first.rename(published)
    keep_gpu(tmp_path / "nothing", published, second)
    assert (second / "sizes.csv").read_text() == (published / "sizes.csv").read_text()
    keep_gpu(None, tmp_path / "none", tmp_path / "third")
    assert not (tmp_path / "third").exists()


def test_what_a_gpu_left_is_kept_and_a_trial_on_the_cpu_is_not(results, tmp_path):
    assert keep(results, tmp_path / "gpu") and (tmp_path / "gpu" / "sizes.csv").exists()
    sizes().assign(device="cpu").to_csv(results / "sizes.csv", index=False)
    assert not keep(results, tmp_path / "other")
