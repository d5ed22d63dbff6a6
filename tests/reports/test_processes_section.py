"""The section on processes and machines: what was measured, what is predicted, and how far the model is off."""

from __future__ import annotations

import json
from dataclasses import replace

import matplotlib
import numpy as np
import pytest

from benchmarks.scale.session import Session
from benchmarks.scale.store import save
from reports.figures.processes import efficiency_figure
from reports.sections.processes import HOW_TO_MEASURE, predicted, processes, processes_section
from tests.benchmarks.test_scale import EXACT, made_up

matplotlib.use("agg")


@pytest.fixture
def stored(tmp_path):
    rows = json.loads(made_up().frame.to_json(orient="records"))
    save(Session(EXACT, rows, {"1gbit:1ms": "no netem"}), tmp_path / "scale")
    return tmp_path / "scale"


def test_a_section_has_two_tables_and_a_figure(stored, out):
    (stored / "foreign.parquet").write_bytes(b"")
    section = processes_section(stored, out)
    assert len(section.figures) == 1 and section.table.count("<table") == 2
    for words in ("misses the measured times by at most 0 %", "Not measured over 1gbit:1ms: no netem", "foreign"):
        assert words in section.note


def test_without_a_session_the_section_names_the_command(tmp_path, out):
    section = processes_section(tmp_path, out)
    assert section.empty and section.note == HOW_TO_MEASURE


def test_only_several_processes_have_an_efficiency():
    table = processes([made_up()])
    alone = table["processes"] == 1
    for name in ("strong", "weak", "waiting", "sums", "bytes"):
        assert (table.loc[alone, name] == "-").all()
    assert table.loc[(table["processes"] == 2) & (table["rows"] == 100_000), "strong"].str.match(r"0\.\d").all()
    assert "machine" not in table and "machine" in processes([made_up(), replace(made_up(), machine="B")])


def test_a_prediction_says_so_and_where_exact_newton_loses():
    assert "not measured" in predicted.__doc__
    table = predicted([made_up()])
    exact = table["solver"] == "newton-cholesky"
    assert (table.loc[~exact, "loses from"] == "-").all() and (table.loc[exact, "loses from"] != "-").all()


def test_the_figure_has_points_where_it_was_measured_and_lines_beyond():
    strong, weak = efficiency_figure(made_up()).axes
    for axes, points in ((strong, 4), (weak, 2)):  # weak scaling is measured on this machine alone
        assert len(axes.containers) == points
        assert {line.get_xdata()[-1] for line in axes.lines if len(line.get_xdata()) > 2} == {1024}
        assert all(np.isfinite(line.get_ydata()).all() for line in axes.lines if len(line.get_xdata()) > 2)
