"""The folder of a report, and a small page that several files of tests look at."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.runner.environment import ROOT
from benchmarks.runner.measure import measure
from benchmarks.store.runs import Store, run_key
from reports.build import build
from reports.data.runs import Runs, load
from reports.figures.problem import FIGURES
from tests.reports.small_page import CASES, REPEATS


@pytest.fixture
def out(tmp_path) -> Path:
    """The folder of a report, into which sections write."""
    for name in ("tables", "figures"):
        (tmp_path / "out" / name).mkdir(parents=True)
    return tmp_path / "out"


@pytest.fixture(scope="session")
def runs(tmp_path_factory) -> Runs:
    """Two solvers on two problems, by two commits."""
    store = Store(tmp_path_factory.mktemp("report") / "runs")
    store.prepare()
    for case in CASES:
        for repeat in range(REPEATS):
            store.write(run_key(case, repeat), measure(case, repeat))
    return load(store.folder)


@pytest.fixture(scope="session")
def page(runs) -> Path:
    """The page of these runs, beside their folder, with asv's examples; the figures of one problem are folded away."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("reports.sections.problems.FIGURES", {"run-time": FIGURES["run-time"]})
        patch.setattr("reports.sections.problems.OPEN", 1)
        examples = {"asv": ROOT / "tests" / "examples" / "asv", "micro": runs.folder.parent / "none"}
        build(runs, runs.folder.parent / "report", data=False, **examples)
    return runs.folder.parent / "report" / "index.html"
